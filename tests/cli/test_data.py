"""``spikebench data`` as somebody types it: what it says, writes and exits with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cli.main import main
from spikebench.spike_files.writer import SpikeWriter

Run = Callable[..., tuple[int, str, str]]
KEYS = ["zero", "one"]


def write(path: Path, seed: int, n_samples: int = 6, n_units: int = 30, known: bool = True) -> Path:
    """Write words: with another seed, the same recordings with other spikes."""
    rng = np.random.default_rng(seed)
    with SpikeWriter(path, n_units, KEYS, {}) as writer:
        for i in range(n_samples):
            times = np.sort(np.concatenate([0.2 * rng.random(300 + 20 * i), 0.5 * rng.random(40)]))
            source = f"w/{i}.wav" if known else ""
            units = rng.integers(n_units, size=times.size)
            writer.append(times, units, label=i % 2, source=source)
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for seed, name in enumerate(("a.h5", "b.h5", "c.h5")):
        write(tmp_path / name, seed)
    (tmp_path / "one.csv").write_text("time_ms,unit\n0,3\n4,3\n9,29\n")

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(list(words))
        said = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, said.out, said.err

    return call


def test_every_measure_has_a_verdict(run: Run) -> None:
    code, out, err = run("data", "compare", "a.h5", "--with", "b.h5", "--repeat", "c.h5")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:4] == [
        "FILE        a.h5: 6 samples",
        "OTHER       b.h5: 6 samples",
        "compared    the same recordings, by their paths; times in steps of 0.0417 ms",
        "equal files c.h5, another seed",
    ]
    names = [line[:20].strip() for line in lines[5:] if not line.startswith("    ")]
    assert names == [
        *("spikes per channel", "spikes per band", "spikes per sample"),
        *("intervals", "spontaneous rate", "time", "classes"),
    ]
    verdicts = [line[20:] for line in lines[5:] if not line.startswith(("    ", "classes"))]
    assert all(text.startswith(("equal", "as close", "close: ", "differs: ")) for text in verdicts)


def test_json_holds_every_figure(run: Run) -> None:
    code, out, err = run("data", "compare", "a.h5", "--with", "b.h5", "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert report["samples"] == [6, 6]
    assert report["pairs_by"] == "source"
    assert report["equal_files_from"] is None
    assert report["class_order"] == "same"
    assert [one["class"] for one in report["classes"]] == KEYS
    spikes = report["measures"]["spikes"]
    assert spikes["mean_file"] == spikes["mean_with"] == 390
    assert spikes["verdict"] == "equal"
    time = report["measures"]["time"]
    assert time["distance"] == pytest.approx(1 - time["raster_correlation"], rel=1e-9)


def test_all_samples_where_files_name_no_recordings(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "unknown.h5", 7, known=False)
    code, out, _ = run("data", "compare", "a.h5", "--with", "unknown.h5")
    assert code == 0
    assert "compared    no pairs: all samples of both files" in out
    assert "equal files halves of each file against each other" in out
    code, out, _ = run("data", "compare", "a.h5", "--with", "unknown.h5", "--pairs", "order")
    assert code == 0
    assert "compared    pairs in the order of the files" in out


@pytest.mark.parametrize("choice", [("--index", "2"), ("--source", "2"), ("--source", "w/2.wav")])
def test_one_sample_with_a_table(run: Run, choice: tuple[str, str]) -> None:
    code, out, err = run(
        *("data", "compare", "a.h5", "--with", "one.csv", "--json", "--repeat", "c.h5"), *choice
    )
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert report["samples"] == [1, 1]
    assert report["resolution_ms"] == 1
    assert report["measures"]["spikes"]["mean_file"] == 380
    assert report["measures"]["spikes"]["mean_with"] == 3
    assert report["measures"]["time"]["first_spike_at_0_share_with"] == 1
    assert report["equal_files_from"] == "seed"


@pytest.mark.parametrize(
    ("words", "suffix"),
    [
        (["b.h5"], ".png"),
        (["b.h5", "--pairs", "none"], ".svg"),
        (["one.csv", "--index=1"], ".pdf"),
    ],
)
def test_a_picture(run: Run, tmp_path: Path, words: list[str], suffix: str) -> None:
    command = ["data", "compare", "a.h5", "--with", *words, "-o", f"p{suffix}"]
    assert run(*command)[0] == 0
    first = (tmp_path / f"p{suffix}").read_bytes()
    assert first.startswith({".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix])
    code, _, err = run(*command)
    assert code == 1
    assert "exists already (--overwrite replaces it)" in err
    assert run(*command, "--overwrite")[0] == 0
    assert [path for path in tmp_path.iterdir() if ".partial" in path.name] == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.h5", "--with", "none.h5"], "no such file: 'none.h5'"),
        (["a.h5", "--with", "none.csv"], "none.csv: no such file"),
        (["a.h5", "--with", "one.csv"], r"choose among the 6 samples of the first file"),
        (["a.h5", "--with", "one.csv", "--index", "6"], "there is no sample 6"),
        (["a.h5", "--with", "b.h5", "--source", "x"], "no sample was made from a recording 'x'"),
        (["a.h5", "--with", "narrow.h5"], "30 and 3 units; convert with --channels 3"),
        (["a.h5", "--with", "short.h5", "--pairs", "order"], "not 6 and 2 samples"),
        (["a.h5", "--with", "wide.csv", "--index", "0"], "a unit is not an integer in 0 … 29"),
        (["a.h5", "--with", "broken.h5"], "broken.h5"),
        (
            ["a.h5", "--with", "b.h5", "--repeat", "unknown.h5"],
            "contains none of the compared recordings",
        ),
        (["a.h5", "--with", "b.h5", "-o", "nowhere/p.png"], "there is no folder nowhere"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    run: Run, tmp_path: Path, words: list[str], message: str
) -> None:
    write(tmp_path / "narrow.h5", 0, n_units=3)
    write(tmp_path / "short.h5", 0, n_samples=2)
    write(tmp_path / "unknown.h5", 0, known=False)
    (tmp_path / "wide.csv").write_text("0,30\n")
    (tmp_path / "broken.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:5000])
    code, out, err = run("data", "compare", *words)
    assert (code, out) == (1, "")
    assert message in err
    assert err.startswith("spikebench: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data", "compare", "a.h5"], "Missing option '--with'"),
        (["data", "compare", "one.csv", "--with", "a.h5"], "a table can only be OTHER"),
        (
            ["data", "compare", "a.h5", "--with", "b.h5", "--index", "1", "--source", "x"],
            "--index and --source both choose",
        ),
        (
            ["data", "compare", "a.h5", "--with", "b.h5", "-o", "p.gif"],
            "the suffix of a figure must be one of .png",
        ),
        (
            ["data", "compair"],
            "unknown command 'compair'; known: card, compare, export, get, join, list, make, path, verify. Did you "
            "mean 'compare'?",
        ),
    ],
)
def test_wrong_words(run: Run, words: list[str], message: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert message in err


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom cli.main import main\n"
        "try:\n    main(['data', 'compare', '--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('torch', 'numba', 'numpy', 'h5py') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "FILE2" in said
    assert said.endswith("[]\n")
