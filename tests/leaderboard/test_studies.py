"""Results of studies on the leaderboard: boards of their own, ranks, the page, the report; and the track online."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import run
from helpers.leaderboard_results import make_result
from helpers.study_results import (
    STUDIES,
    continual_study,
    edit_result,
    few_shot_study,
    make_study_result,
)

from leaderboard.checks.recomputation import verify_result
from leaderboard.claims.declaration import own_track
from leaderboard.claims.entry import StoredEntry, make_entry, read_entry, write_entry
from leaderboard.pages.report import report_markdown, unique_rows
from leaderboard.pages.site import build_site
from leaderboard.pages.terminal import print_boards
from leaderboard.standings.oddities import flag, flag_copies
from leaderboard.standings.ranking import build_boards
from leaderboard.standings.table import measured_csv, measured_rows
from spikebench.errors import ResultError
from spikebench.protocol.results import Predictions, Result, read_result
from spikebench.protocol.stages import continual_scores
from spikebench.protocol.studies import Study

CHIP = STUDIES["substrate"]


def stored(folder: Path, study: Study, seeds: int = 5, skill: float = 0.6) -> StoredEntry:
    made = make_study_result(folder, study, seeds, skill)
    result = verify_result(made)
    return read_entry(
        write_entry(made, folder / "entries", make_entry(result), result, overwrite=True)
    )


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[StoredEntry]:
    folder = tmp_path_factory.mktemp("studies")
    studies = [
        *STUDIES.values(),
        continual_study(),
        continual_study(method="none"),
        continual_study(method="joint"),
        continual_study("pairs:single"),
        continual_study("speakers"),
        few_shot_study(tested_tasks=120),
        few_shot_study(task="words", ways=3, tested_tasks=119),
    ]
    return [stored(folder / str(n), one, skill=0.5 + 0.04 * n) for n, one in enumerate(studies)]


def test_every_task_has_a_board_of_its_own(entries: list[StoredEntry]) -> None:
    boards = build_boards(flag(entries))
    assert [(board.track, board.task, len(board.entries)) for board in boards] == [
        ("few-shot", "new speaker, 5-way 1-shot", 1),
        ("few-shot", "new words, 3-way 1-shot", 1),
        ("continual", "10 pairs, the task is not told", 1),
        ("continual", "10 pairs, the task is told", 3),
        ("continual", "12 speakers, the task is not told", 1),
        ("robust", boards[5].task, 1),
        ("robust", "pruned before training to 3 % of the weights", 1),
    ]
    assert boards[5].task.startswith("emulated analog chip, settings ")
    reasons = {ranked.stored.entry.name: ranked.reason for b in boards for ranked in b.entries}
    assert reasons == {
        "lif, snip": "",
        "lif, in the loop": "",
        "lif, si:1": "",
        "lif, none": "",
        "lif, joint": "all tasks at once: an upper bound, not learning task after task",
        "lif, maml": "595 few-shot tasks; a rank needs 600",
    }


def test_chance_is_that_among_the_offered_classes(entries: list[StoredEntry]) -> None:
    rows = measured_rows(build_boards(entries))
    assert [round(row.chance, 4) for row in rows] == [
        *(0.2, 0.3333, 0.05, 0.5, 0.5, 0.5, 0.05, 0.05, 0.05)
    ]
    told = next(row for row in rows if row.method == "si:1" and row.chance == 0.5)
    assert told.average_accuracy == pytest.approx(told.test_accuracy, abs=0.02)
    assert told.forgetting is not None
    joint = next(row for row in rows if row.method == "joint")
    assert (joint.forgetting, joint.backward_transfer) == (None, None)
    assert "10 pairs, the task is told" in measured_csv(rows)


def test_the_page_and_the_report_show_them(
    entries: list[StoredEntry], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boards = build_boards(flag(entries))
    build_site(flag(entries), [], tmp_path / "site")
    page = (tmp_path / "site" / "index.html").read_text()
    assert "<b>One task after another</b>: 10 pairs, the task is told" in page
    few = next(one for one in entries if one.entry.track == "few-shot")
    own = (tmp_path / "site" / "entries" / "digits" / f"{few.entry.id}.html").read_text()
    assert "new speaker, 5-way 1-shot: rank 1" in own
    assert 'id="confusions"' not in own
    text = report_markdown(unique_rows(measured_rows(boards)), [], {})
    assert "### Track `few-shot`: few examples per class" in text
    assert "| lif, si:1 | 10 pairs, the task is told |" in text
    print_boards(boards)
    assert "Recomputed: few examples per class: new words, 3-way 1-shot" in capsys.readouterr().out


def test_a_single_head_that_is_told_the_task_is_odd(
    entries: list[StoredEntry], tmp_path: Path
) -> None:
    folder = make_study_result(tmp_path, continual_study(), 5)
    edit_result(folder, "study", "sequence", value="pairs:single")
    result = verify_result(folder)
    one = read_entry(
        write_entry(folder, tmp_path / "entries", make_entry(result), result, overwrite=False)
    )
    flags = flag([*entries, one])
    odd = "the task is said not to be told, but every prediction is a class of the right task"
    assert odd in flags[-1].flags
    assert not any(odd in other.flags for other in flags[:-1])
    copies = flag_copies([one], [*entries, one])
    assert list(copies) in ([], [one.entry.id])


def test_the_measures_follow_from_the_predictions() -> None:
    study = continual_study()
    study = study.model_copy(update={"tasks": [[0, 1], [2, 3]]})
    label = np.array([0, 1, 2, 3])
    known = Predictions(index=label, label=label, predicted=label, speaker=label)
    stages = np.array([[0, 1, 3, 2], [0, 0, 2, 3]])  # R = [[1, 0], [1/2, 1]]
    found = continual_scores(study, known, stages)
    assert found.average == pytest.approx(0.75)
    assert found.learned == pytest.approx(1.0)
    assert found.forgetting == pytest.approx(0.5)
    assert found.backward_transfer == pytest.approx(-0.5)


def test_other_tasks_are_not_compared_with_classification(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = make_study_result(tmp_path / "a", STUDIES["pruning"])
    told = make_study_result(tmp_path / "b", continual_study())
    few = make_study_result(tmp_path / "c", few_shot_study())
    code, out, err = run(capsys, "compare", plain, told)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "different tasks, classification of all classes and 10 pairs, the task is told" in err
    code, _, err = run(capsys, "compare", few, plain)
    assert (code, err.count("\n")) == (1, 1)
    assert "is of few-shot tasks, which every seed draws anew" in err
    code, _, err = run(capsys, "plot", few, "--kind", "confusion", "-o", tmp_path / "x.png")
    assert (code, err.count("\n")) == (1, 1)
    assert "has no confusion matrix, because few-shot tasks have none" in err
    code, _, err = run(capsys, "plot", few, "--kind", "pareto", "-o", tmp_path / "x.png")
    assert (code, err.count("\n")) == (1, 1)
    assert "are of few-shot tasks or of one task after another" in err
    code, out, err = run(capsys, "compare", plain, make_study_result(tmp_path / "d", CHIP))
    assert (code, err) == (0, "")
    assert "lif, snip" in out


def with_rule(folder: Path, learning: dict[str, object]) -> Result:
    edit_result(folder, "training", value=read_result(folder).training | {"learning": learning})
    return verify_result(folder)


@pytest.mark.parametrize(
    ("learning", "track"),
    [
        ({"rule": "rtrl"}, "online"),
        ({"rule": "rtrl", "gradient": "exact"}, "online"),
        ({"rule": "rtrl", "gradient": "bptt"}, "spiking"),
        ({"rule": "rtrl", "gradient": "truncated", "window_steps": 10}, "spiking"),
        ({"rule": "eprop"}, "online"),
        ({"rule": "superspike", "feedback": "uniform"}, "online"),
        ({"rule": "local_losses"}, "online"),
        ({}, "spiking"),
        ({"rule": ["rtrl"]}, "spiking"),
    ],
)
def test_online_rules_are_in_the_track_online(
    learning: dict[str, object], track: str, tmp_path: Path
) -> None:
    result = with_rule(make_result(tmp_path / "result", seeds=1), learning)
    assert own_track(result) == track
    entry = make_entry(result, track="online")
    source = tmp_path / "result"
    if track == "online":
        write_entry(source, tmp_path / "entries", entry, result, overwrite=False)
        return
    with pytest.raises(ResultError, match="was not trained by an online rule; leave out --track"):
        write_entry(source, tmp_path / "entries", entry, result, overwrite=False)


def test_other_programs_cannot_enter_the_tracks_of_studies(tmp_path: Path) -> None:
    source = make_result(tmp_path / "result", seeds=1)
    result = verify_result(source)
    for track in ("few-shot", "continual", "robust"):
        entry = make_entry(result, track=track)
        with pytest.raises(ResultError, match=r"has results of studies only: spikebench \w+"):
            write_entry(source, tmp_path / "entries", entry, result, overwrite=False)


def test_results_without_a_study_keep_their_bytes(tmp_path: Path) -> None:
    said = json.loads((make_result(tmp_path / "result") / "result.json").read_text())
    assert "study" not in said
    assert all("stages" not in seed for seed in said["seeds"])
