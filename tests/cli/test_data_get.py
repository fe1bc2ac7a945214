"""``spikebench data get``, ``path`` and ``verify`` as somebody types them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
from helpers import https_server as scripts
from helpers.downloads import download, spec, spike_file, tar
from helpers.https_server import HttpsServer, serve
from helpers.synthetic_clips import tone, write_clip

from cli.main import main
from cli.progress.download import download_progress
from spikebench.datasets.recipe import load_recipe
from spikebench.datasets.spec import DatasetSpec, SpikePart
from spikebench.spike_files.reader import SpikeFile

Run = Callable[..., tuple[int, str, str]]
HEIDELBERG = "top/lang-english_speaker-0{}_trial-0_digit-{}.wav"


def clip(frequency: float) -> bytes:
    data = io.BytesIO()
    soundfile.write(data, tone(48_000, 0.06, frequency), 48_000, format="WAV")
    return data.getvalue()


def toys(server: HttpsServer, tmp_path: Path) -> dict[str, DatasetSpec]:
    """Make one data set of every kind."""
    data = spike_file(tmp_path)
    names = [HEIDELBERG.format(speaker, 1) for speaker in (3, 4)]
    clips = {name: clip(300.0 * (i + 1)) for i, name in enumerate(names)}
    members = r"top/(?P<path>.+\.wav)"
    hash_of = hashlib.sha256(data).hexdigest()
    shd = spec(
        "published",
        (SpikePart("toy.h5", "train", None, hash_of),),
        (
            download(
                "toy.h5.gz", server.add("/spikes", scripts.whole(gzip.compress(data))), "toy.h5"
            ),
        ),
    )
    url = server.add("/audio", scripts.whole(tar(clips)))
    audio = replace(
        spec(
            "audio",
            (SpikePart("voices.h5", "", None, None),),
            (download("voices.tar.gz", url, "recordings/", members),),
        ),
        name="voices",
        audio="voices",
        naming="heidelberg-digits",
    )
    made = replace(
        spec("made", (SpikePart("shd-r.h5", "", None, None),), ()), name="shd-r", audio="voices"
    )
    return {"toy": shd, "voices": audio, "shd-r": made}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpsServer]:
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path / "data"))
    with serve(tmp_path, monkeypatch) as here:
        yield here


@pytest.fixture
def run(
    server: HttpsServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Type a command where the registry holds toy, voices and shd-r besides digits."""
    module = types.ModuleType("toy_data_sets")
    registry = {"digits": "spikebench.datasets.digits:SPEC"}
    for name, one in toys(server, tmp_path).items():
        setattr(module, name.replace("-", "_"), one)
        registry[name] = f"toy_data_sets:{name.replace('-', '_')}"
    monkeypatch.setitem(sys.modules, "toy_data_sets", module)
    monkeypatch.setattr("spikebench.datasets.DATASETS", registry)
    recipe = load_recipe("shd-r")
    small = replace(recipe, spec=replace(recipe.spec, n_units=8), registered=None)
    monkeypatch.setattr(sys.modules[recipe.facts.__module__], "RECIPE", small)

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit, match=r"^\d+$") as caught:
            main(["data", *words])
        said = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, said.out, said.err

    return call


def test_published_spikes(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "data" / "toy" / "toy.h5"
    code, out, err = run("path", "toy")
    assert (code, out) == (1, "")
    assert err == f"spikebench: {path}: does not exist; 'spikebench data get toy' gets it\n"
    code, out, err = run("get", "toy")
    assert (code, out) == (0, f"{path}\n")
    assert "toy.h5.gz: unpacking\n" in err
    assert run("get", "toy", "--offline", "--quiet") == (0, "", "")
    assert run("path", "toy") == (0, f"{path}\n", "")
    code, out, _ = run("path", "toy", "--json")
    assert json.loads(out) == {
        "dataset": "toy",
        "files": [{"file": "toy.h5", "split": "train", "path": str(path)}],
    }
    code, out, err = run("get", "toy", "--json", "--quiet")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "dataset": "toy",
        "kind": "published",
        "files": [str(path)],
        "recordings": None,
        "conversion": None,
    }


def test_verifying(run: Run, tmp_path: Path) -> None:
    code, _, err = run("verify", "toy")
    assert code == 1
    assert "get it with 'spikebench data get toy'" in err
    run("get", "toy")
    assert run("verify", "toy") == (
        0,
        "toy.h5: compared with published SHA-256\ntoy: no problem found\n",
        "",
    )
    path = tmp_path / "data" / "toy" / "toy.h5"
    path.write_bytes(path.read_bytes() + b" ")
    code, out, _ = run("verify", "toy")
    assert code == 1
    assert f"\n{path}: the published SHA-256 is " in out
    code, out, _ = run("verify", "toy", "--json")
    report = json.loads(out)
    assert (code, report["valid"], len(report["problems"])) == (1, False, 1)
    assert report["compared"] == ["toy.h5: compared with published SHA-256"]


def test_recordings_are_converted(run: Run, server: HttpsServer, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "voices"
    code, out, _ = run("get", "voices", "--audio-only")
    assert (code, out) == (0, f"{folder / 'recordings'}\n")
    assert not (folder / "voices.h5").exists()
    code, out, err = run("get", "voices", "--jobs", "1")
    assert code == 0
    assert out.startswith(f"{folder / 'voices.h5'}: 2 samples, ")
    assert "2 recordings to convert; Ctrl-C keeps the finished ones, and the same command" in err
    with SpikeFile(folder / "voices.h5") as file:
        assert (file.n_units, file.splits) == (8, ("train", "test"))
        assert file.speakers.tolist() == [3, 4]
        assert file.provenance["dataset"] == "voices"
    assert run("get", "voices", "--offline") == (0, f"{folder / 'voices.h5'}\n", "")
    assert len(server.asked) == 1
    code, out, _ = run("verify", "voices")
    assert (code, out) == (
        0,
        "recordings/: compared with SHA256SUMS\n"
        "voices.h5: compared with SHA-256 pinned on first use\n"
        "voices: no problem found\n",
    )


def test_recordings_that_lie_elsewhere(run: Run, server: HttpsServer, tmp_path: Path) -> None:
    for i in range(2):
        name = HEIDELBERG.format(3, i).removeprefix("top/")
        write_clip(tmp_path / "mine" / name, tone(48_000, 0.06, 300.0), 48_000)
    (tmp_path / "mine" / HEIDELBERG.format(5, 1).removeprefix("top/")).touch()
    words = ("voices", "--audio", str(tmp_path / "mine"), "--jobs", "1", "--json", "--quiet")
    code, out, err = run("get", *words)
    assert code == 3
    assert "speaker-05_trial-0_digit-1.wav: empty file" in err
    report = json.loads(out)
    assert report["recordings"] == str(tmp_path / "mine")
    assert report["conversion"]["samples"] == 2
    assert server.asked == []


def test_a_data_set_is_made_again(run: Run, tmp_path: Path) -> None:
    code, out, err = run("get", "shd-r", "--jobs", "1")
    assert code == 0
    path = tmp_path / "data" / "shd-r" / "shd-r.h5"
    assert out.startswith(f"{path}: 2 samples, ")
    assert "NOT COMPLETE" in err
    assert run("path", "shd-r") == (0, f"{path}\n", "")
    assert run("get", "shd-r") == (0, f"{path}\n", "")
    assert run("verify", "shd-r")[0] == 0
    path.write_bytes(b"something else")
    code, _, err = run("get", "shd-r")
    assert code == 1
    assert "SHA-256 pinned on first use" in err


def test_what_comes_with_the_package(run: Run) -> None:
    code, out, err = run("get", "digits")
    assert (code, err) == (0, "digits comes with the package; there is nothing to get\n")
    assert out.endswith("digits.h5\n")
    assert run("verify", "digits")[0] == 0


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("get", "toi"), 1, "unknown data set 'toi'; known: digits, shd-r, toy, voices. Did you"),
        (("path", "toi"), 1, "Did you mean 'toy'?"),
        (("verify", "toi"), 1, "Did you mean 'toy'?"),
        (("get", "toy", "--offline"), 1, "toy.h5.gz: is missing (offline); put toy.h5.gz (as"),
        (("get", "toy", "--audio-only"), 2, "toy has no recordings"),
        (("get", "voices", "--audio-only", "--audio", "x"), 2, "--audio names existing recordings"),
        (("get", "voices", "--audio", "gone"), 1, "gone: no such file or directory"),
        (("get", "shd-r", "--audio", "gone"), 1, "gone: no such file or directory"),
        (("get", "shd-r", "--offline"), 1, "voices.tar.gz: is missing (offline)"),
    ],
)
def test_refusals_are_one_clear_line(
    run: Run, words: tuple[str, ...], code: int, told: str
) -> None:
    got, out, err = run(*words)
    assert (got, out) == (code, "")
    assert told in err.splitlines()[-1]
    assert "Traceback" not in err


@pytest.mark.parametrize("name", ["get", "path", "verify"])
def test_help_tells_the_exit_codes(run: Run, name: str) -> None:
    code, out, _ = run(name, "--help")
    assert code == 0
    assert "Exit codes: 0 " in out
    assert "--json" in out


@pytest.mark.parametrize("total", [4_000_000, None])
def test_a_log_gets_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], total: int | None
) -> None:
    clock = iter(range(0, 1000, 6))
    monkeypatch.setattr("cli.progress.download.time.monotonic", lambda: next(clock))
    with download_progress(quiet=False) as showing:
        for done in (1_000_000, 1_600_000, 2_200_000, 2_800_000):
            showing.progress(done, total)
    told = ["2 MB, 0.10 MB/s", "3 MB, 0.10 MB/s"]
    if total:
        told = ["2 of 4 MB, 0.10 MB/s, 0:00:24 left", "3 of 4 MB, 0.10 MB/s, 0:00:12 left"]
    assert capsys.readouterr().err.splitlines() == told


@pytest.mark.parametrize("name", ["shd-r", "voices"])
def test_a_part_of_a_data_set_is_not_made_under_its_name(
    run: Run, tmp_path: Path, name: str
) -> None:
    write_clip(tmp_path / "some" / "lang-english_speaker-03_trial-0_digit-1.wav")
    code, _, err = run("get", name, "--audio", tmp_path / "some")
    assert code == 1
    assert f"holds 1 recordings, {name} has 2" in err
    assert not (tmp_path / "data" / name / f"{name}.h5").exists()


def test_a_terminal_gets_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with download_progress(quiet=False) as showing:
        showing.progress(1_000_000, 4_000_000)
        showing.notify("[said]")
        showing.progress(4_000_000, 4_000_000)
    err = capsys.readouterr().err
    assert "[said]" in err
    assert "4.0/4.0 MB" in err


def test_an_interrupted_download_says_how_it_goes_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*words: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cli.progress.download._lines", lambda: interrupt)
        code, _, err = run("get", "toy")
    assert code == 130
    assert err.split("\n\n") == [  # the empty line is click's
        "the downloaded part is kept; run the same command again to resume",
        "spikebench: interrupted\n",
    ]
    assert run("get", "toy")[0] == 0


def test_a_folder_with_a_line_break_in_its_name_stays_on_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path / "a\nb"))
    code, _, err = run("path", "toy")
    assert code == 1
    assert err.count("\n") == 1
    assert "a\\nb" in err
