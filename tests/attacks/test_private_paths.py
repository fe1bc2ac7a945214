"""Names of users, projects and machines do not leave the machine with what is meant to be shared."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import pytest
from helpers.leaderboard_results import edit_json, make_result
from helpers.synthetic_clips import tone, write_clip
from helpers.toy import write_toy

from cli.main import main
from leaderboard.claims.privacy import refuse_paths
from spikebench import presets
from spikebench.errors import ResultError
from spikebench.protocol.results import read_result
from spikebench.records.text import shareable, shareable_source
from spikebench.training.run import DATA_FILE, read_run

QUICK = ["--set", "input.duration_ms=300", "--quiet"]


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def holding(folder: Path, secret: str) -> list[str]:
    """List the files that contain a text, apart from those for this machine alone."""
    return [
        path.name
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != DATA_FILE and secret.encode() in path.read_bytes()
    ]


def test_a_result_and_its_entry_name_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "home" / "anna" / "secret-project"
    secret.mkdir(parents=True)
    data = write_toy(secret / "toy.h5")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    words = ["--model", "svm", "--data", data, "--seeds", 2, "--metrics", "all", *QUICK]
    assert run("evaluate", *words, "-o", "out") == 0
    assert read_result(work / "out").command.startswith(
        "spikebench evaluate --model svm --data toy.h5 --seeds 2"
    )
    assert run("submit", "out", "--weights", "--entries", "entries") == 0
    assert holding(work, "secret-project") == []
    assert holding(work, str(tmp_path)) == []
    # The run still finds its data.
    assert read_run(work / "out" / "seed0").data == "toy.h5"
    assert run("evaluate", "--checkpoint", work / "out" / "seed0", "-o", "again", "--quiet") == 0
    assert str(tmp_path) not in read_result(work / "again").command


def test_the_report_of_a_sweep_names_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_toy(tmp_path / "toy.h5")
    (tmp_path / "spec.toml").write_text(
        f"model = 'lif'\ndata = '{tmp_path}/toy.h5'\npreset = 'mine.toml'\nseeds = 1\n"
        "[grid]\n'training.learning_rate' = [1e-2, 3e37]\n"
    )
    text = (Path(presets.__file__).parent / "lif.toml").read_text()
    (tmp_path / "mine.toml").write_text(
        text.replace("epochs = ", "epochs = 1 # ")
        .replace("duration_ms = ", "duration_ms = 300 # ")
        .replace('readout = "softmax"', 'readout = "max"')
    )
    monkeypatch.chdir(tmp_path)
    assert run("sweep", "spec.toml", "-o", tmp_path / "out", "--quiet", "--workers", 1) == 1
    said = json.loads((tmp_path / "out" / "sweep.json").read_text())
    assert (said["spec"]["data"], said["spec"]["preset"]) == ("toy.h5", "mine.toml")
    runs = [run for one in said["configurations"] for run in one["runs"]]
    assert {run["folder"] for run in runs} == {
        f"lif,learning_rate={rate}/seed0" for rate in ("0.01", "3e+37")
    }
    assert holding(tmp_path / "out", str(tmp_path)) == []


def test_a_relative_path_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    write_toy(tmp_path / "data" / "toy.h5")
    assert run("evaluate", "--model", "svm", "--data", "data/toy.h5", *QUICK, "-o", "out") == 0
    assert "--data data/toy.h5" in read_result(tmp_path / "out").command


def test_a_spike_file_names_no_folder(tmp_path: Path) -> None:
    audio = tmp_path / "home" / "anna" / "words"
    for i in range(2):
        write_clip(audio / f"{i}.wav", tone(seconds=0.05, frequency=400.0 + i))
    assert run("convert", audio, tmp_path / "a.h5", "--channels", 20, "--quiet") == 0
    with h5py.File(tmp_path / "a.h5") as file:
        assert bytes(file.attrs["source_root"]) == b"words"
    assert str(tmp_path).encode() not in (tmp_path / "a.h5").read_bytes()


@pytest.mark.parametrize(
    ("path", "shared"),
    [
        ("digits", "digits"),
        ("data/toy.h5", "data/toy.h5"),
        ("/home/anna/toy.h5", "toy.h5"),
        ("../../anna/toy.h5", "toy.h5"),
        ("~/toy.h5", "toy.h5"),
        ("a/../../b", "b"),
    ],
)
def test_what_of_a_path_is_shared(path: str, shared: str) -> None:
    assert shareable(path) == shared


@pytest.mark.parametrize(
    "text",
    [
        "spikebench evaluate --data /home/anna/shd.h5",
        "python train.py --data=/srv/lab/x",
        "see /mnt/x/y",
        "C:\\Users\\anna\\shd.h5",
        "~/data/shd.h5",
        "\\\\server\\share\\x",
        "file:///home/anna/x",
        "`/home/anna/x`",
        ">/home/anna/x",
        "|/srv/lab/x",
        "//server/share/x",
        "data:/home/anna/x",
        "“/home/anna/x”",
        "file://server/share/x",
        "FILE:///home/anna/x",
        "smb://server/share/x",
        "///home/anna/x",
        "see ../home/anna/x",
        "-/home/anna/x",
    ],
)
def test_submit_refuses_a_path_and_names_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    edit_json(make_result(tmp_path / "r") / "result.json", "command", value=text)
    assert run("submit", "r", "--entries", "entries") == 1
    said = capsys.readouterr().err
    assert "result.json: command contains " in said
    assert "a path of a machine" in said
    assert not (tmp_path / "entries").exists()
    assert (
        run("submit", make_result(tmp_path / "good"), "--entries", "entries", "--note", text) == 1
    )
    assert "entry.json: note contains " in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/a/b and http://y.z:8080/q/r",
        "and/or/not",
        "1/2/3 speakers, 24/7, km/h/s",
        "data/toy.h5 ../x s/a/b/",
        "https://x.y/?q=/a/b, ~1/2 of it",
    ],
)
def test_addresses_and_fractions_are_no_paths(tmp_path: Path, text: str) -> None:
    result = read_result(make_result(tmp_path / "r"))
    refuse_paths(result.model_copy(update={"command": text}), "result.json")


@pytest.mark.parametrize(
    ("source", "shared"),
    [
        ("/home/anna/t.csv", "t.csv"),
        ("train=/home/my words/anna/t.csv", "train=t.csv"),
        ("/a/t.csv:path=path,label=label", "t.csv:path=path,label=label"),
        ("~/x/t.csv", "t.csv"),
        ("../../anna/t.csv", "t.csv"),
        ("sub/t.csv", "sub/t.csv"),
        ("{label}/{speaker}_x.wav", "{label}/{speaker}_x.wav"),
        ("heidelberg-digits", "heidelberg-digits"),
    ],
)
def test_what_of_a_table_is_shared(source: str, shared: str) -> None:
    assert shareable_source(source) == shared


def test_tables_and_the_home_directory_are_not_named_in_a_spike_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home" / "anna"
    for i in range(2):
        write_clip(home / f"{i}.wav", tone(seconds=0.05, frequency=400.0 + i))
    table = tmp_path / "secret-project" / "t.csv"
    table.parent.mkdir()
    table.write_text("path,label,split\n0.wav,a,train\n1.wav,b,test\n")
    monkeypatch.setenv("HOME", str(home))
    words = ("--labels", f"{table}:path=path,label=label", "--split", table, "--channels", 20)
    assert run("convert", home, tmp_path / "a.h5", *words, "--quiet") == 0
    with h5py.File(tmp_path / "a.h5") as file:
        assert bytes(file.attrs["source_root"]) == b"home"
        assert bytes(file.attrs["labels_from"]) == b"t.csv:path=path,label=label"
    content = (tmp_path / "a.h5").read_bytes()
    assert b"secret-project" not in content
    assert b"anna" not in content


def test_the_home_directory_is_found_in_any_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/u")
    source = make_result(tmp_path / "r")
    edit_json(source / "result.json", "command", value="in/u")
    with pytest.raises(ResultError, match="command contains '/u'"):
        refuse_paths(read_result(source), "result.json")


@pytest.mark.parametrize(
    "text", ["https://example.org/a/b", "10 km/h and/or a/b/c", "doi:10.1/2/3", "1 / 2 / 3"]
)
def test_other_slashes_are_no_paths(tmp_path: Path, text: str) -> None:
    source = make_result(tmp_path / "r")
    edit_json(source / "result.json", "command", value=text)
    refuse_paths(read_result(source), "result.json")
    assert json.loads((source / "result.json").read_text())["command"] == text
