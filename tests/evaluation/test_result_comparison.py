"""Results side by side: what is compared, what is refused, what is shown."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.leaderboard_results import edit_json, make_result, sha256
from numpy.testing import assert_allclose

from cli.main import main
from leaderboard.checks.recomputation import verify_result
from leaderboard.claims.entry import make_entry, write_entry
from spikebench.errors import ResultError
from spikebench.evaluation.comparison import (
    MAX_RESULTS,
    Value,
    compare_results,
    mean_metrics,
    mean_over_seeds,
)
from spikebench.metrics import significance
from spikebench.metrics.record import Energy, Latency, Metrics, NotApplicable
from spikebench.protocol.results import Result, read_predictions, read_result, write_predictions

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(["compare", *words])
        said = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, said.out, said.err

    return call


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return [
        make_result(tmp_path / "good", skill=0.9, model="rlif"),
        make_result(tmp_path / "bad", skill=0.3, model="lstm", spiking=False, seeds=3),
    ]


def rewrite(folder: Path, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    """Change the predictions of every seed, and the SHA-256 in the result with them."""
    for place, record in enumerate(read_result(folder).seeds):
        path = folder / record.predictions_file
        found = read_predictions(path)
        columns = {name: getattr(found, name).copy() for name in type(found).model_fields}
        change(columns)
        write_predictions(path, type(found)(**columns))
        edit_json(folder / "result.json", "seeds", place, "predictions_sha256", value=sha256(path))


def test_comparison_is_that_of_the_predictions(two: list[Path]) -> None:
    found = compare_results(two)
    read = [[read_predictions(f / f"predictions-seed{s}.csv") for s in range(n)] for f, n in
            zip(two, (5, 3), strict=True)]  # fmt: skip
    right = [np.stack([one.label == one.predicted for one in seeds]) for seeds in read]
    expected = significance.compare_predictions(right, read[0][0].speaker)
    assert tuple(one.accuracy for one in found.results) == expected.accuracies
    assert found.pairs[0].difference == expected.differences[0]
    assert found.pairs[0].mcnemar == expected.mcnemar[0]
    assert found.pairs[0].differs
    assert (found.samples, found.method) == (120, "bootstrap over 6 test speakers")
    assert [one.name for one in found.results] == ["rlif", "lstm"]


def test_order_of_the_lines_does_not_matter(two: list[Path]) -> None:
    before = compare_results(two)

    def turn(columns: dict[str, np.ndarray]) -> None:
        columns.update({name: column[::-1] for name, column in columns.items()})

    rewrite(two[1], turn)
    after = compare_results(two)
    assert [pair.difference for pair in after.pairs] == [pair.difference for pair in before.pairs]


def test_p_values_are_adjusted_for_all_pairs(two: list[Path], tmp_path: Path) -> None:
    third = make_result(tmp_path / "third", skill=0.85, model="rlif")
    found = compare_results([*two, third])
    assert [(pair.first, pair.second) for pair in found.pairs] == [(0, 1), (0, 2), (1, 2)]
    assert [p.p_adjusted for p in found.pairs] == significance.holm(
        [p.difference.p for p in found.pairs]
    )
    assert [p.mcnemar_p_adjusted for p in found.pairs] == significance.holm(
        [p.mcnemar.p for p in found.pairs]
    )
    assert [one.name for one in found.results] == ["rlif (good)", "lstm", "rlif (third)"]


def test_a_result_beside_itself(two: list[Path]) -> None:
    found = compare_results([two[0], two[0]])
    assert [one.name for one in found.results] == ["rlif (good) #1", "rlif (good) #2"]
    assert (found.pairs[0].difference.value, found.pairs[0].p_adjusted) == (0.0, 1.0)
    assert not found.pairs[0].differs


def other_samples(columns: dict[str, np.ndarray]) -> None:
    columns["index"] += 1


def other_speakers(columns: dict[str, np.ndarray]) -> None:
    columns["speaker"][0] += 1


def other_labels(columns: dict[str, np.ndarray]) -> None:
    columns["label"][:] = columns["label"][::-1]
    columns["predicted"][:] = columns["predicted"][::-1]


@pytest.mark.parametrize("change", [other_samples, other_speakers, other_labels])
def test_other_samples_are_refused(
    two: list[Path], change: Callable[[dict[str, np.ndarray]], None]
) -> None:
    rewrite(two[1], change)
    with pytest.raises(
        ResultError, match=r"good and .*bad cannot be compared: .* different samples"
    ):
        compare_results(two)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (
            ["dataset", "sha256"],
            "cd" * 32,
            r"different data, 'toy-digits' \(sha256 abab.*'toy-digits' \(cdcd",
        ),
        (
            ["dataset", "split", "protocol"],
            "shd-v1",
            "different protocols, 'speakers-v1' and 'shd-v1'",
        ),
        (["seeds", 1, "seed"], 0, "a seed appears twice"),
        (["seeds", 1, "test_accuracy"], 1.0, r"seed 1: test_accuracy is claimed 1\.0"),
        (["seeds", 0, "predictions_sha256"], "ab" * 32, r"predictions-seed0\.csv: its SHA-256 is"),
        (["seeds", 0, "predictions_file"], "none.csv", r"none\.csv: no such file"),
        (["seeds", 0, "predictions_file"], "../x.csv", "predictions_file"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    two: list[Path], run: Run, keys: list[str | int], value: object, message: str
) -> None:
    edit_json(two[1] / "result.json", *keys, value=value)
    with pytest.raises(ResultError, match=message):
        compare_results(two)
    code, out, err = run("good", "bad")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "Traceback" not in err


def test_seeds_on_different_samples_are_refused(two: list[Path]) -> None:
    path = two[1] / "predictions-seed1.csv"
    path.write_text(path.read_text().replace("\n0,0,", "\n500,0,", 1))
    edit_json(two[1] / "result.json", "seeds", 1, "predictions_sha256", value=sha256(path))
    with pytest.raises(ResultError, match="seeds 0 and 1 were tested on different samples"):
        compare_results(two)


@pytest.mark.parametrize("name", ["result.json", "predictions-seed2.csv"])
def test_links_and_pipes_are_not_opened(two: list[Path], name: str) -> None:
    path = two[1] / name
    path.rename(path.with_suffix(".old"))
    path.symlink_to(path.with_suffix(".old"))
    with pytest.raises(ResultError, match="must be a plain file"):
        compare_results(two)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ResultError, match="must be a plain file"):
        compare_results(two)


def test_logs_that_are_there_must_be_of_the_data_of_the_result(tmp_path: Path, run: Run) -> None:
    logged = make_result(tmp_path / "logged", seeds=2, logs=True)
    bare = make_result(tmp_path / "bare", seeds=2, model="lstm")
    assert [one.has_logs for one in compare_results([logged, bare]).results] == [True, False]
    code, out, _ = run(str(logged), str(bare))
    assert (code, out.count("lstm (no log)"), out.count("(no log)")) == (0, 1, 1)
    assert "No log: the training data are stated by the result alone and cannot be checked." in out
    log, result = logged / "run-seed1.json", logged / "result.json"
    edit_json(log, "run", "dataset", "sha256", value="ef" * 32)
    with pytest.raises(ResultError, match=r"run-seed1\.json: its SHA-256 is"):
        compare_results([logged, bare])
    edit_json(result, "seeds", 1, "run_sha256", value=sha256(log))
    message = r"run-seed1\.json, seed 1: dataset\.sha256 differs from that of the result"
    with pytest.raises(ResultError, match=message):
        compare_results([logged, bare])
    log.unlink()
    assert not compare_results([logged, bare]).results[0].has_logs


def test_the_logs_of_an_entry_are_compared_as_well(two: list[Path], tmp_path: Path) -> None:
    logged = make_result(tmp_path / "logged", seeds=2, logs=True)
    result = verify_result(logged)
    entry = write_entry(
        *(logged, tmp_path / "entries", make_entry(result), result), overwrite=False
    )
    assert compare_results([entry, two[0]]).results[0].has_logs
    edit_json(entry / "run.json", "runs", 0, "run", "dataset", "n_units", value=7)
    with pytest.raises(ResultError, match=r"run\.json: its SHA-256 is"):
        compare_results([entry, two[0]])
    edit_json(
        entry / "run.json", "runs", value=json.loads((entry / "run.json").read_text())["runs"][:1]
    )
    with pytest.raises(ResultError, match="holds 1 run logs for 2 seeds"):
        compare_results([entry, two[0]])


@pytest.mark.parametrize("count", [0, 1, MAX_RESULTS + 1])
def test_number_of_results_is_bounded(two: list[Path], count: int) -> None:
    with pytest.raises(ResultError, match=f"takes 2 to {MAX_RESULTS} results, not {count}"):
        compare_results(two[:1] * count)


def with_metrics(folder: Path, *metrics: Metrics | None) -> Result:
    result = read_result(folder)
    seeds = [
        record.model_copy(update={"metrics": one})
        for record, one in zip(result.seeds, metrics, strict=True)
    ]
    return result.model_copy(update={"seeds": seeds})


def energy(table: str, picojoules: float) -> Energy:
    return Energy(table=table, technology="45 nm", source="a paper", picojoules=picojoules)


def test_costs_are_means_over_seeds_and_never_zero_for_nothing(tmp_path: Path) -> None:
    folder = make_result(tmp_path / "r", seeds=2)
    no = NotApplicable(not_applicable="no spikes")
    latency = [
        Latency(times_s=[0.1], accuracy=[0.5], to_95_percent_s=seconds) for seconds in (0.2, 0.4)
    ]
    result = with_metrics(
        folder,
        Metrics(effective_ac=10, effective_mac=no, latency=latency[0], neuron_updates=3,
                energy=[energy("a", 2), energy("b", 5)]),
        Metrics(effective_ac=13, effective_mac=no, latency=latency[1], energy=[energy("a", 3)]),
    )  # fmt: skip
    expected: dict[str, Value] = {
        "effective_ac": 11.5,
        "effective_mac": no,
        "neuron_updates": None,
        "energy_picojoules (a)": 2.5,
        "energy_picojoules (b)": None,
    }
    found = mean_metrics(result)
    assert {key: found[key] for key in expected} == expected
    seconds = found["latency_to_95_percent_s"]
    assert isinstance(seconds, float)
    assert_allclose(seconds, 0.3, rtol=1e-12)
    assert found["footprint_bytes"] is None
    nothing = mean_metrics(with_metrics(folder, None, None))
    assert set(nothing.values()) == {None}
    assert mean_metrics(with_metrics(folder, Metrics(energy=no), None))["energy_picojoules"] == no


def test_means_need_every_seed(two: list[Path]) -> None:
    result = read_result(two[0])
    # Skill 0.9, 0.01 more per seed; 812.5 spikes, 1 more per seed.
    assert_allclose(mean_over_seeds(result, "validation_accuracy"), 0.92, rtol=1e-12)
    assert_allclose(mean_over_seeds(result, "spikes_per_sample"), 814.5, rtol=1e-12)
    first = result.seeds[0].model_copy(update={"validation_accuracy": None})
    assert (
        mean_over_seeds(
            result.model_copy(update={"seeds": [first, *result.seeds[1:]]}), "validation_accuracy"
        )
        is None
    )
    assert mean_over_seeds(read_result(two[1]), "spikes_per_sample") is None


def put_metrics(folder: Path, metrics: object) -> None:
    for place in range(len(read_result(folder).seeds)):
        edit_json(folder / "result.json", "seeds", place, "metrics", value=metrics)


def test_table_fits_80_columns(two: list[Path], run: Run) -> None:
    put_metrics(two[0], {"effective_ac": 1234567.0, "footprint_bytes": 46160,
                         "energy": [energy("45nm", 1e6).model_dump()]})  # fmt: skip
    put_metrics(two[1], {"effective_ac": {"not_applicable": "its input is no spike"}})
    code, out, err = run("good", "bad")
    assert (code, err) == (0, "")
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "\x1b" not in out
    lines = [line.split() for line in out.splitlines()]
    assert ["cost", "rlif", "lstm"] in lines
    assert ["kB", "46.2", "–"] in lines
    assert ["additions", "1,234,567", "n/a"] in lines
    assert ["pJ", "(45nm)", "1,000,000", "–"] in lines
    assert "n/a, lstm, additions: its input is no spike" in out
    assert "toy-digits (synthetic)" in out
    assert "lstm (conventional)" in out
    (pair,) = (line for line in lines if line[:3] == ["rlif", "−", "lstm"])
    assert pair[-1] == "differ"


def test_no_table_of_costs_that_nobody_counted(two: list[Path], run: Run) -> None:
    assert "Cost per sample" not in run("good", "bad")[1]


def test_oracles_are_called_so(two: list[Path], run: Run) -> None:
    edit_json(two[0] / "result.json", "seeds", 0, "selected_on", value="test")
    assert "The epoch was selected on the test split" in run("good", "bad")[1]


def test_names_cannot_steer_the_terminal(two: list[Path], run: Run) -> None:
    edit_json(two[0] / "result.json", "model", "name", value="[red]x\x1b[2J")
    out = run("good", "bad")[1]
    assert "\x1b" not in out
    assert "[red]x" in out


def test_json_says_all_of_it(two: list[Path], run: Run) -> None:
    code, out, err = run("good", "bad", "--json")
    assert (code, err) == (0, "")
    said, found = json.loads(out), compare_results(two)
    assert [one["folder"] for one in said["results"]] == ["good", "bad"]
    assert said["results"][0]["test_accuracy"]["value"] == found.results[0].accuracy.value
    assert said["results"][1]["spikes_per_sample"] is None
    assert said["results"][0]["metrics"]["effective_ac"] is None
    (pair,) = said["pairs"]
    assert (pair["first"], pair["second"], pair["differs"]) == ("rlif", "lstm", True)
    assert pair["difference"]["low"] == found.pairs[0].difference.low
    assert pair["mcnemar"]["only_first_right"] == found.pairs[0].mcnemar.only_first
    assert (said["test_samples"], said["picture"]) == (120, None)


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml")])
def test_picture(two: list[Path], run: Run, tmp_path: Path, name: str, start: bytes) -> None:
    edit_json(two[1] / "result.json", "model", "name", value="<b>$\\frac$")
    code, _, err = run("good", "bad", "--plot", name)
    assert (code, err) == (0, "")
    assert (tmp_path / name).read_bytes().startswith(start)
    assert run("good", "bad", "--plot", name)[0] == 1
    assert run("good", "bad", "--plot", name, "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "Missing argument"),
        (["good"], 1, "takes 2 to 20 results, not 1"),
        (["good", "absent"], 1, "absent: not a folder"),
        (["good", "."], 1, "result.json: no such file"),
        (["good", "bad", "--plot", "a.gif"], 2, "the suffix of a figure must be one of"),
    ],
)
def test_mistakes(two: list[Path], run: Run, words: list[str], code: int, message: str) -> None:
    found, out, err = run(*words)
    assert (found, out) == (code, "")
    assert message in err
    assert "Traceback" not in err
