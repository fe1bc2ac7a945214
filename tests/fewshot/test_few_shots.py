"""Few-shot tasks and studies: what is drawn, how runs go on, what the report says."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.toy import write_toy

from spikebench.errors import OutputError, SpikebenchError, TrainingError
from spikebench.fewshot import worker
from spikebench.fewshot.page import write_page
from spikebench.fewshot.report import FewShotReport, rows_of
from spikebench.fewshot.runner import run_study
from spikebench.fewshot.settings import read_settings
from spikebench.fewshot.study import METHODS, Study, plan_study
from spikebench.fewshot.tasks import TaskSource
from spikebench.fewshot.worker import Curve, Outcome, open_tasks
from spikebench.protocol.few_shot import KINDS, Kind, Purpose, classes_of
from spikebench.protocol.opening import open_selection
from spikebench.records.strict_json import read_record
from spikebench.sweeps.study_watch import StudyProgress

SHORT = (
    *(
        "input.duration_ms=260",
        "speaker.duration_ms=120",
        "pairs.duration_ms=300",
        "pairs.words=3",
        "pairs.ways=2",
    ),
    *("meta.iterations=3", "meta.validate_every=1", "meta.validation_tasks=2", "meta.tasks=1"),
    *("pretrain.iterations=3", "evaluation.tasks=4", "evaluation.steps=2", "lif.hidden_units=[6]"),
    "mlp_counts.hidden_units=[6]",
)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")


def tasks(toy: Path, kind: Kind, purpose: Purpose, *more: str) -> TaskSource:
    return open_tasks(open_selection(str(toy)), read_settings("", [*SHORT, *more]), kind, purpose)


def plan(toy: Path, output: Path, **options: object) -> Study:
    more = options.pop("overrides", ())
    short = [one for one in SHORT if is_used(one, **options)]
    return plan_study(str(toy), output, overrides=[*short, *more], **options)  # type: ignore[arg-type, misc]


def is_used(
    setting: str,
    kinds: Sequence[str] = KINDS,
    models: Sequence[str] = ("lif", "gru"),
    methods: Sequence[str] = METHODS,
    **_: object,
) -> bool:
    table, key = setting.partition("=")[0].split(".")
    if table in KINDS:
        return table in kinds
    if table == "pretrain":
        return "finetune" in methods
    if (table, key) in {("meta", "iterations"), ("meta", "tasks")}:
        return list(methods) != ["finetune"]
    return table in ("input", "meta", "evaluation", *models)


def test_classes_of_new_words_and_pairs_are_in_one_group() -> None:
    for kind, sizes in (("words", (10, 5, 5)), ("pairs", (64, 16, 20))):
        groups = [classes_of(kind, p, 20, 10) for p in ("train", "validation", "test")]  # type: ignore[arg-type]
        assert tuple(map(len, groups)) == sizes
        assert len({one for group in groups for one in group}) == sum(sizes)
    assert classes_of("words", "train", 20, 10) == [(c,) for c in range(10)]
    assert classes_of("speaker", "train", 3, 10) == classes_of("speaker", "test", 3, 10)


def test_a_task_of_a_speaker_has_other_samples_in_support_and_queries(toy: Path) -> None:
    source = tasks(toy, "speaker", "train", "input.time_step_ms=1")  # all samples differ
    assert (source.ways, source.n_outputs) == (3, 3)
    pool = source.pool
    for number in range(3):
        task = source.draw(0, range(number, number + 1))
        assert sorted(task.support.labels.tolist()) == [0, 1, 2]
        assert sorted(task.query.labels.tolist()) == [0, 0, 1, 1, 2, 2]
        rows = [_sources(source, batch) for batch in (task.support, task.query)]
        assert not rows[0] & rows[1]
        assert [len(row) for row in rows] == [3, 6]
        drawn = rows[0] | rows[1]
        of = {s for (_, s), takes in pool.takes.items() if drawn & set(takes.tolist())}
        assert len(of) == 1
    again = source.draw(0, range(2, 3))
    assert torch.equal(again.query.bins, task.query.bins)
    assert not torch.equal(source.draw(1, range(2, 3)).query.bins, task.query.bins)
    assert set(tasks(toy, "speaker", "validation").pool.speakers).isdisjoint(pool.speakers)


def _sources(source: TaskSource, batch: object) -> set[int]:
    """Find the samples of a batch by their spikes."""
    found = set()
    for k in range(len(batch)):  # type: ignore[arg-type]
        here = batch.part(k, k + 1)  # type: ignore[attr-defined]
        for j in range(source.pool.size):
            one = source.pool.clips([((j,), 0)])
            if torch.equal(one.bins, here.bins) and torch.equal(one.units, here.units):
                found.add(j)
    return found


def test_no_recording_of_a_support_is_in_the_queries_of_its_task(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tasks(toy, "pairs", "train", "pairs.ways=6", "pairs.shots=2")
    drawn: list[list[tuple[tuple[int, ...], int]]] = []
    whole = source.pool.clips
    monkeypatch.setattr(source.pool, "clips", lambda clips: drawn.append(clips) or whole(clips))
    for number in range(8):
        drawn.clear()
        source.draw(0, range(number, number + 1))
        support, query = drawn
        assert len(support) == 12  # all shots of each class
        used = {k for clip, _ in support for k in clip}
        assert used.isdisjoint(k for clip, _ in query for k in clip)
        for _, label in support:
            alone = [k for clip, one in support if one == label for k in clip]
            assert len(set(alone)) == len(alone) == 4


def test_a_pair_is_one_word_after_the_other(toy: Path) -> None:
    pool = tasks(toy, "pairs", "train").pool
    first, second = (pool.clips([((k,), 0)]) for k in (0, 7))
    both = pool.clips([((0, 7), 1), ((7,), 0)])
    begin = int(first.lengths[0])
    late = second.bins + begin
    inside = late < pool.n_steps
    n = int(both.offsets[1])
    assert both.bins[:n].tolist() == [*first.bins.tolist(), *late[inside].tolist()]
    assert both.units[:n].tolist() == [*first.units.tolist(), *second.units[inside].tolist()]
    assert both.lengths.tolist() == [
        min(begin + int(second.lengths[0]), 15),
        int(second.lengths[0]),
    ]
    assert both.labels.tolist() == [1, 0]
    assert both.dense().shape == (2, 15, 12)


def test_labels_of_new_words_are_drawn(toy: Path) -> None:
    source = tasks(toy, "pairs", "train")
    assert (source.n_outputs, len(source.classes)) == (2, 6)
    firsts = {source.draw(0, range(k, k + 1)).support.units[0].item() for k in range(10)}
    assert len(firsts) > 1  # label 0 is another pair in other tasks
    batch = source.labelled(0, 0, 40)
    assert set(batch.labels.tolist()) == set(range(6))


def test_a_study_goes_on_where_it_was_interrupted(toy: Path, tmp_path: Path) -> None:
    options = {"kinds": ["speaker"], "models": ["lif"], "methods": ["maml"]}
    seen: list[StudyProgress] = []
    whole = run_study(plan(toy, tmp_path / "whole", **options), workers=1, progress=seen.append)
    assert (seen[-1].done, seen[-1].total, seen[-1].failed) == (1, 1, 0)

    def stop(state: StudyProgress) -> None:
        if 0.5 < state.work < 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(plan(toy, tmp_path / "parts", **options), workers=1, progress=stop)
    assert not list((tmp_path / "parts").rglob("curve*"))
    parts = run_study(plan(toy, tmp_path / "parts", **options), workers=1)
    assert _without_times(parts) == _without_times(whole)
    states = {p: p.stat().st_mtime_ns for p in (tmp_path / "whole").rglob("state.safetensors")}
    assert run_study(plan(toy, tmp_path / "whole", **options), workers=1) == whole
    assert read_record(tmp_path / "whole" / "fewshot.json", FewShotReport) == whole
    with (tmp_path / "whole" / "fewshot.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["method"], row["bits"], row["tasks"]) for row in rows] == [("maml", "0", "4")]
    assert str(tmp_path) not in json.dumps(whole.model_dump(mode="json"))
    with pytest.raises(TrainingError, match="contains another run; choose another folder with -o"):
        plan(toy, tmp_path / "whole", overrides=["meta.learning_rate=0.1"], **options)
    # More tasks of the evaluation need no training; few bits are another run.
    more = plan(toy, tmp_path / "whole", overrides=["evaluation.tasks=5"], bits=[3], **options)
    report = run_study(more, workers=1)
    assert [(row.bits, row.tasks) for row in report.rows] == [(0, 5), (3, 5)]
    assert {p: p.stat().st_mtime_ns for p in states} == states


def _without_times(report: FewShotReport) -> list[object]:
    return [row.model_copy(update={"seconds": None}) for row in report.rows]


def test_meta_training_lowers_the_loss_and_fine_tuning_gets_a_new_readout(
    toy: Path, tmp_path: Path
) -> None:
    options = {
        "kinds": ["pairs"],
        "models": ["mlp_counts"],
        "methods": ["fomaml", "anil", "finetune"],
    }
    longer = ["meta.iterations=30", "meta.validate_every=10", "pretrain.iterations=30"]
    study = plan(toy, tmp_path / "out", overrides=longer, **options)
    report = run_study(study, workers=1)
    assert report.failed == []
    history = (
        (tmp_path / "out" / "pairs/mlp_counts/fomaml/seed0/history.csv").read_text().splitlines()
    )
    losses = [float(line.split(",")[1]) for line in history[1:]]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    found = {row.method: row for row in report.rows}
    # A read-out of zeros decides for the first class: one of two.
    assert found["finetune"].curve[0] == pytest.approx(0.5, abs=0.2)
    assert found["finetune"].parameters == found["anil"].parameters
    assert all(row.chance == 0.5 for row in report.rows)


def test_the_test_split_is_opened_once_per_run_and_counted(toy: Path, tmp_path: Path) -> None:
    options = {"kinds": ["speaker"], "models": ["mlp_counts"], "methods": ["maml"], "seeds": 2}
    closed = run_study(plan(toy, tmp_path / "out", **options), workers=1)
    assert closed.test_opened == 0
    opened = run_study(plan(toy, tmp_path / "out", tested="test", **options), workers=1)
    assert opened.test_opened == 2
    assert run_study(plan(toy, tmp_path / "out", tested="test", **options), workers=1) == opened
    assert (tmp_path / "out" / "fewshot-test.json").exists()
    # A test that was interrupted is repeated, and counted once; one of more tasks is another test.
    curve = tmp_path / "out" / "speaker" / "mlp_counts" / "maml" / "seed0" / "curve-test.json"
    curve.unlink()
    assert run_study(plan(toy, tmp_path / "out", tested="test", **options), workers=1) == opened
    more = {**options, "overrides": ["evaluation.tasks=7"]}
    again = run_study(plan(toy, tmp_path / "out", tested="test", **more), workers=1)
    assert again.test_opened == 4
    only = tasks(toy, "speaker", "test").pool.speakers
    assert set(only).isdisjoint(tasks(toy, "speaker", "train").pool.speakers)


def test_rows_are_means_over_tasks_and_seeds(toy: Path, tmp_path: Path) -> None:
    (job,) = plan(toy, tmp_path, kinds=["speaker"], models=["lif"], methods=["maml"]).jobs

    def outcome(accuracies: list[list[float]], steps: int) -> Outcome:
        return Outcome(
            Curve(
                evaluation={}, accuracies=accuracies, steps=steps, step_size=1.0, chance=0.2,
                n_parameters=3, seconds=0.5, graph_bytes=8, iteration=1,
            )
        )  # fmt: skip

    other = job.run.model_copy(update={"seed": 1})
    third = job.run.model_copy(update={"seed": 2})
    (row,) = rows_of(
        [
            (job.run, "a", outcome([[0.2, 1.0], [0.4, 0.5]], 1)),
            (other, "b", outcome([[0.4, 0.0], [0.6, 0.5]], 0)),
            (third, "c", Outcome(None, failed="why")),
        ]
    )
    assert row.accuracy == pytest.approx((1.0 + 0.5 + 0.4 + 0.6) / 4, rel=1e-12)
    assert row.curve == pytest.approx([0.4, 0.5], rel=1e-12)
    assert [seed.accuracy for seed in row.seeds] == [0.75, 0.5, None]
    assert row.target == pytest.approx(0.35, rel=1e-12)  # halfway from 0.2 to 0.5
    assert (row.steps_to_target, row.tasks, len(row.failed)) == (0, 4, 1)
    assert row.low is not None
    assert row.low < row.accuracy < (row.high or 0)


def test_a_run_that_fails_is_listed(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_iteration", lambda *_: float("nan"))
    options = {"kinds": ["speaker"], "models": ["mlp_counts"], "methods": ["maml"]}
    report = run_study(plan(toy, tmp_path / "out", **options), workers=1)
    assert "the loss is not finite" in report.failed[0].failed
    assert report.rows[0].accuracy is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": ["svm"]}, "svm is not trained by gradients"),
        ({"models": ["lfi"]}, "unknown model 'lfi'"),
        ({"methods": ["mmal"]}, "unknown method 'mmal'; .* Did you mean 'maml'"),
        ({"kinds": ["word"]}, "unknown task 'word'"),
        ({"kinds": ["words"]}, "only 2 classes have 2 samples; set words.ways=2 or fewer shots"),
        (
            {"kinds": ["words"], "overrides": ["words.ways=2"]},
            r"too few classes or samples for words tasks \(validation\); leave out --task words",
        ),
        (
            {"kinds": ["pairs"], "overrides": ["pairs.ways=7"]},
            "only 6 classes have .* set pairs.ways=6",
        ),
        ({"overrides": ["lif.hidden=3"], "kinds": ["speaker"]}, "model lif: hidden"),
        (
            {"overrides": ["lif.surrogate=boxcar"], "kinds": ["speaker"]},
            "lif.surrogate=fast_sigmoid",
        ),
        ({"overrides": ["meta.kernels=events"], "kinds": ["speaker"]}, "meta.kernels=reference"),
        ({"overrides": ["meta.iterations=0"]}, "meta.iterations"),
        ({"overrides": ["mtea.iterations=1"]}, "no table 'mtea'; available are input, speaker"),
        ({"overrides": ["iterations"]}, "must have the form table.key=value"),
        (
            {"overrides": ["rlif.hidden_units=[9]"]},
            "'rlif.hidden_units=.*' would change nothing: the study has no model rlif; add --model rlif",
        ),
        (
            {"kinds": ["speaker"], "overrides": ["pairs.ways=3"]},
            "the study has no tasks pairs; add --task pairs",
        ),
        ({"overrides": ["speaker.words=4"]}, "set pairs.words, or words.ways"),
        (
            {"methods": ["maml"], "overrides": ["pretrain.batch_size=2"]},
            "add --method finetune, or leave the setting out",
        ),
        (
            {"methods": ["maml"], "overrides": ["evaluation.finetune_step_sizes=[1]"]},
            "it is for the method finetune",
        ),
        *(
            (
                {"methods": ["finetune"], "overrides": [setting]},
                "it is for meta-learning; add --method maml",
            )
            for setting in ("inner.steps=2", "meta.iterations=9", "meta.learning_rate=1")
        ),
        (
            {"methods": ["finetune"], "overrides": ["lif.step_size=1"]},
            "set evaluation.finetune_step_sizes",
        ),
        (
            {"methods": ["fomaml"], "overrides": ["meta.kernels=events"]},
            "it is for second derivatives; add --method maml",
        ),
        ({"overrides": ["inner.step_size=0.1"]}, "that of the model; set lif.step_size"),
        ({"methods": ["anil"], "bits": [8]}, "--bits is for the method maml of spiking networks"),
        ({"models": ["gru"], "bits": [8]}, "add --method maml and --model lif"),
    ],
)
def test_what_cannot_be_studied_is_refused(
    options: dict[str, object], message: str, toy: Path, tmp_path: Path
) -> None:
    with pytest.raises(SpikebenchError, match=message):
        plan(toy, tmp_path / "out", **({"models": ["lif"]} | options))
    assert not (tmp_path / "out").exists()


def test_every_preset_is_read() -> None:
    assert read_settings("digits") == read_settings("")
    assert read_settings("shd-r").input.group_units == 5
    assert read_settings("shd-r", ["lif.step_size=2"]).step_size("lif", "words") == 2.0


def test_a_page_keeps_what_is_written_by_hand(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\nmine\n\n<!-- a -->\nold\n<!-- /a -->\n\nend\n")
    write_page(page, "a", "new")
    write_page(page, "b", "other")
    text = page.read_text()
    assert text == (
        "# Title\n\nmine\n\n<!-- a -->\n\nnew\n<!-- /a -->\n\nend\n\n<!-- b -->\n\nother\n<!-- /b -->\n"
    )
    page.write_text("<!-- a -->\n")
    with pytest.raises(OutputError, match="has only one of the lines"):
        write_page(page, "a", "new")


def test_chance_is_reached_without_training(toy: Path) -> None:
    """A guess among the classes of a task is right as often as ``chance`` says."""
    source = tasks(toy, "pairs", "train")
    rng = np.random.default_rng(0)
    right = [
        np.mean(rng.integers(0, source.ways, len(batch)) == batch.labels.numpy())
        for batch in (source.draw(0, range(k, k + 1)).query for k in range(60))
    ]
    assert abs(np.mean(right) - source.chance) < 0.08
