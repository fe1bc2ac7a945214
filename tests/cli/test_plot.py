"""The command plot: every kind of picture, and what each refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.commands import run
from helpers.leaderboard_results import make_result
from helpers.toy import write_toy

from spikebench.presets.preset import read_preset
from spikebench.protocol.opening import open_selection, read_split_labels
from spikebench.training.loop import fit, start_run


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5", takes=2)


@pytest.fixture(scope="module")
def trained(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    selection = open_selection(str(toy))
    words = ["input.time_step_ms=10", "input.duration_ms=300", "training.epochs=2"]
    preset = read_preset("hetero_rlif", None, [*words, "model.hidden_units=[12]"])
    folder = tmp_path_factory.mktemp("run") / "run"
    fit(folder, start_run(folder, "hetero_rlif", preset, selection, 0), selection)
    return folder


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_result(tmp_path_factory.mktemp("result") / "result")


@pytest.mark.parametrize(
    ("kind", "suffix"), [("classes", "png"), ("confusion", "svg"), ("training", "pdf")]
)
def test_pictures(
    *,
    toy: Path,
    trained: Path,
    result: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    suffix: str,
) -> None:
    source = {"classes": toy, "confusion": result, "training": trained}[kind]
    picture = tmp_path / f"a.{suffix}"
    words = ("plot", source, "--kind", kind, "-o", picture)
    assert run(capsys, *words) == (0, "", "")
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert picture.read_bytes().startswith(start)
    code, _, err = run(capsys, *words)
    assert code == 1
    assert "--overwrite" in err


def test_pictures_of_a_network(
    toy: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = int(read_split_labels(str(toy)).validation.index[0])
    picture = tmp_path / "a.png"
    assert run(capsys, "plot", trained, "--kind", "parameters", "-o", picture) == (0, "", "")
    words = ("plot", trained, "--kind", "activity", "--data", toy, "-o", picture, "--overwrite")
    assert run(capsys, *words, "--index", index) == (0, "", "")
    test = int(read_split_labels(str(toy)).test.index[0])
    code, out, err = run(capsys, *words, "--index", test)
    assert (code, out) == (1, "")
    assert "this sample is in the test split of toy, on which the model was trained" in err


def test_the_frequency_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "a.png"
    assert run(capsys, "plot", "digits", "--kind", "frequencies", "-o", picture) == (0, "", "")


def test_what_is_compared(
    toy: Path, result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "a.svg"
    words = ("plot", toy, "--kind", "comparison", "--data", toy, "-o", picture)
    assert run(capsys, *words) == (0, "", "")
    words = ("plot", result.parent, "--kind", "pareto", "-o", picture, "--overwrite")
    assert run(capsys, *words) == (0, "", "")
    assert "<svg" in picture.read_text()
    words = ("plot", "digits", "--kind", "tuning", "-o", picture, "--overwrite")
    assert run(capsys, *words) == (0, "", "")


def test_refusals(
    toy: Path,
    result: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_toy(tmp_path / "plain.h5", takes=1, labelled=False)
    tries: list[tuple[tuple[object, ...], int, str]] = [
        ((toy,), 2, "Missing option '--index', which the kind sample needs."),
        ((toy, "--kind", "classes", "--index", 1), 2, "--index does not apply to the kind classes"),
        ((toy, "--index", 1, "--data", "digits"), 2, "--data does not apply to the kind sample"),
        ((toy, "--kind", "class"), 2, "'class' is not one of"),
        (("plain.h5", "--kind", "classes"), 1, "plain.h5: its samples have no named classes"),
        ((result, "--kind", "latency"), 1, "has no latency; measure it with"),
        (("none", "--kind", "confusion"), 1, "none"),
        (("none", "--kind", "training"), 1, "none: not a run"),
        (("none", "--kind", "pareto"), 1, "none: no such folder; give a result"),
        (
            (".", "--kind", "pareto"),
            1,
            ".: contains no results (spikebench evaluate writes them); give a folder with 1 … 200 results",
        ),
        ((toy, "--kind", "comparison"), 2, "Missing option '--data', which the kind comparison"),
        (("plain.h5", "--kind", "tuning"), 1, "plain.h5: "),
        ((toy, "--kind", "classes", "-o", "a.gif"), 1, "the suffix of a figure must be one of"),
    ]
    for words, expected, reason in tries:
        code, out, err = run(capsys, "plot", "-o", "a.png", *words)
        assert (code, out) == (expected, ""), words
        assert reason in err, err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain.h5"]
