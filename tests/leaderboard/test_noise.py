"""Results of studies of noise: the area is recomputed, what is forged is refused, and each task has its board."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import run
from helpers.study_results import edit_result, make_study_result, noise_study
from pydantic import ValidationError

from leaderboard.checks.recomputation import verify_result
from leaderboard.claims.entry import StoredEntry, make_entry, read_entry, write_entry
from leaderboard.pages.site import build_site
from leaderboard.standings.oddities import flag, flag_copies
from leaderboard.standings.ranking import build_boards
from spikebench.errors import ResultError
from spikebench.evaluation.comparison import compare_results
from spikebench.protocol.noise_answers import read_noise_answers
from spikebench.protocol.results import read_result
from spikebench.protocol.studies import NoiseStudy, other_task


def stored(folder: Path, study: NoiseStudy, skill: float = 0.9) -> StoredEntry:
    made = make_study_result(folder, study, 5, skill)
    result = verify_result(made)
    return read_entry(
        write_entry(made, folder / "entries", make_entry(result), result, overwrite=True)
    )


def rewrite(folder: Path, seed: int, text: str) -> None:
    """Change the predictions of a seed, and the hash that is claimed of them."""
    path = folder / f"predictions-seed{seed}.csv"
    path.write_text(text)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    edit_result(folder, "seeds", seed, "predictions_sha256", value=digest)


def test_the_accuracy_is_the_area_under_the_curve(tmp_path: Path) -> None:
    study = noise_study()
    folder = make_study_result(tmp_path, study, 2)
    result = verify_result(folder)
    for record in result.seeds:
        answers = read_noise_answers(
            folder / record.predictions_file, record.predictions_sha256, study
        )
        areas = []
        for first in (0, 3):  # by hand: trapezia over −5, 10 and 30 dB
            a, b, c = (np.mean(answers.predicted[first + k] == answers.label) for k in range(3))
            areas.append((15 * (a + b) / 2 + 20 * (b + c) / 2) / 35)
        assert record.test_accuracy == pytest.approx(np.mean(areas), rel=1e-12)
        assert record.test_interval.low < record.test_accuracy < record.test_interval.high
        assert record.test_interval.method.startswith("bootstrap over")
        assert record.confusion == []
    assert result.study == study
    assert "white:-5dB" in (folder / "predictions-seed0.csv").read_text().splitlines()[0]


def test_what_does_not_follow_is_refused(tmp_path: Path) -> None:
    def made(name: str) -> Path:
        return make_study_result(tmp_path / name, noise_study(), 2)

    folder = made("area")
    edit_result(folder, "seeds", 0, "test_accuracy", value=0.99)
    with pytest.raises(ResultError, match=r"seed 0: .*test_accuracy"):
        verify_result(folder)
    folder = made("interval")
    edit_result(folder, "seeds", 1, "test_interval", "low", value=0.01)
    with pytest.raises(ResultError, match="seed 1"):
        verify_result(folder)
    folder = made("seen")
    edit_result(folder, "seeds", 0, "seen_accuracy", value=0.5)
    with pytest.raises(ResultError, match="no accuracy of seen or unseen speakers"):
        verify_result(folder)
    folder = made("opened")
    edit_result(folder, "seeds", 0, "test_opened", value=2)
    with pytest.raises(ResultError, match="opened 2 times"):
        verify_result(folder)
    lines = (made("lines") / "predictions-seed0.csv").read_text().splitlines()
    for name, changed, told in (
        ("bytes", None, "SHA-256"),
        ("fewer", lines[:-1], "samples for"),
        ("twice", [*lines[:-1], lines[1]], "appears twice"),
        (
            "class",
            [lines[0], lines[1].rpartition(",")[0] + ",99", *lines[2:]],
            "class index is outside",
        ),
        (
            "column",
            [lines[0].replace("white:10dB", "white:11dB"), *lines[1:]],
            "white:10dB|columns",
        ),
        ("label", [lines[0], _other_label(lines[1]), *lines[2:]], "label"),
    ):
        folder = made(name)
        if changed is None:
            (folder / "predictions-seed0.csv").write_text("\n".join(lines[:-1]) + "\n")
        else:
            rewrite(folder, 0, "\n".join(changed) + "\n")
        with pytest.raises(ResultError, match=told):
            verify_result(folder)
    folder = made("samples")
    swapped = (folder / "predictions-seed1.csv").read_text().splitlines()
    cells = swapped[1].split(",")
    cells[2] = str(int(cells[2]) + 1)
    rewrite(folder, 1, "\n".join([swapped[0], ",".join(cells), *swapped[2:]]) + "\n")
    with pytest.raises(ResultError, match="is of other samples than the first seed"):
        verify_result(folder)


def _other_label(line: str) -> str:
    index, label, *others = line.split(",")
    return ",".join([index, str((int(label) + 1) % 20), *others])


@pytest.mark.parametrize(
    "conditions",
    [
        ["white:5dB", "pink:5dB"],
        ["white:10dB", "white:5dB"],
        ["white:5dB", "white:5dB"],
        ["white:5dB", "white:10.0dB"],
        ["white:5dB", "white:10dB", "pink:3dB"],
        ["pink:5dB", "pink:10dB", "white:3dB", "white:4dB"],
        ["recorded:5dB", "recorded:10dB"],
        ["white:5dB", "white:infdB"],
        ["white:5dB", "white:1e9dB"],
        ["loss:5%", "loss:10%"],
    ],
)
def test_only_whole_curves_are_a_task(conditions: list[str]) -> None:
    with pytest.raises(ValidationError):
        noise_study(conditions=conditions)


def test_equal_curves_share_a_board(tmp_path: Path) -> None:
    pairs = ["white:0dB", "white:20dB"]
    studies = [
        *(
            noise_study(),
            noise_study(trained="noise"),
            noise_study(conditions=pairs),
            noise_study(noise_seed=3),
        ),
    ]
    entries = [stored(tmp_path / str(k), one, 0.9 - 0.2 * k) for k, one in enumerate(studies)]
    flagged = flag(entries)
    assert flag_copies(flagged, flagged) == {}
    boards = build_boards(flagged)
    assert [(board.track, board.task, len(board.entries)) for board in boards] == [
        ("robust", f"area under the curve over noise in the recordings: {what}", n)
        for what, n in (
            ("white at 0, 20 dB", 1),
            ("white, babble at -5, 10, 30 dB", 2),
            ("white, babble at -5, 10, 30 dB, noise of seed 3", 1),
        )
    ]
    names = [ranked.stored.entry.name for ranked in boards[1].entries]
    assert names == ["lif, trained without noise", "lif, trained with noise"]
    assert next(iter(boards[1].entries)).rank == 1
    build_site(flag(entries), [], tmp_path / "site")
    page = (tmp_path / "site" / "entries" / "digits" / f"{entries[0].entry.id}.html").read_text()
    assert "white, babble at -5, 10, 30 dB" in page


def test_it_is_submitted_and_not_compared_by_sample(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_study_result(tmp_path, noise_study(), 5)
    code, out, _ = run(
        capsys, "submit", folder, "--entries", tmp_path / "entries", "--name", "n", "--authors", "a"
    )
    assert code == 0
    assert "Tracks: robust." in out
    assert other_task(read_result(folder).study)
    with pytest.raises(ResultError, match="of recordings under several conditions"):
        compare_results([folder, folder])
