"""Ranks by hand: who cannot be told apart shares one."""

from __future__ import annotations

import io
from pathlib import Path

from helpers.leaderboard_results import make_result
from rich.console import Console

from leaderboard.checks.recomputation import verify_result
from leaderboard.claims.entry import StoredEntry, make_entry
from leaderboard.pages.terminal import print_boards
from leaderboard.standings.ranking import build_boards, why_unranked


def store(folder: Path, **options: object) -> StoredEntry:
    result = verify_result(make_result(folder, **options))  # type: ignore[arg-type]
    return StoredEntry(make_entry(result), result, folder)


def test_fewer_than_five_seeds_have_no_rank_and_take_none(tmp_path: Path) -> None:
    few = store(tmp_path / "few", seeds=4, skill=0.95)
    one = store(tmp_path / "one", seeds=1, skill=0.1)
    full = store(tmp_path / "full", seeds=5, skill=0.5)
    (board,) = build_boards([one, full, few])
    found = [(e.stored, e.rank, e.tied, e.reason) for e in board.entries]
    assert found == [
        (few, None, False, "4 seeds; a rank needs 5"),
        (full, 1, False, ""),
        (one, None, False, "1 seed; a rank needs 5"),
    ]
    assert why_unranked(full.result) == ""


def test_equals_are_tied(tmp_path: Path) -> None:
    a = store(tmp_path / "a", skill=0.8, model="a")
    b = store(tmp_path / "b", skill=0.8, model="b")
    c = store(tmp_path / "c", skill=0.2, model="c")
    (board,) = build_boards([c, b, a])
    found = [(e.stored.entry.name, e.rank, e.tied) for e in board.entries]
    assert found == [("a", 1, True), ("b", 1, True), ("c", 3, False)]


def test_another_split_of_the_same_data_is_another_board_with_its_own_heading(
    tmp_path: Path,
) -> None:
    here = store(tmp_path / "a", model="here")
    split = here.result.dataset.split
    theirs = split.model_copy(update={"rule": "validation: speaker 2", "validation_speakers": [2]})
    dataset = here.result.dataset.model_copy(update={"split": theirs})
    result = here.result.model_copy(update={"dataset": dataset})
    boards = build_boards([here, StoredEntry(make_entry(result), result, tmp_path)])
    assert [(b.split.rule, b.entries[0].rank) for b in boards] == [
        ("validation: speaker 2", 1),
        ("validation: speaker 3 of the training split", 1),
    ]
    console = Console(record=True, width=120, highlight=False, file=io.StringIO())
    print_boards(boards, console)
    shown = console.export_text()
    assert shown.count("toy-digits (synthetic voices)") == 2
    for board in boards:
        assert shown.count(f"400 training, 80 validation samples; {board.split.rule}") == 1


def test_other_data_are_another_board(tmp_path: Path) -> None:
    here = store(tmp_path / "a")
    other = store(tmp_path / "b", data_sha256="cd" * 32)
    boards = build_boards([other, here])
    assert [(b.dataset, b.identity[:2], b.entries[0].rank) for b in boards] == [
        ("toy-digits", "ab", 1),
        ("toy-digits", "cd", 1),
    ]
