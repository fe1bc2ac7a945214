"""``submit`` and ``leaderboard`` as somebody types them: what they say, write and exit with."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
from helpers.leaderboard_results import edit_json, make_result

from cli.main import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(list(words))
        said = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, said.out, said.err

    return call


@pytest.fixture
def result(tmp_path: Path) -> str:
    make_result(tmp_path / "result")
    return "result"


def test_submit_writes_an_entry_and_says_so(run: Run, result: str, tmp_path: Path) -> None:
    code, out, err = run("submit", result, "--name", "Alpha", "--authors", "A. Smith")
    assert (code, err) == (0, "")
    assert "5 seeds with 120 predictions each" in out
    assert "Created the folder leaderboard-entries." in out
    (entry,) = (tmp_path / "leaderboard-entries").glob("toy-digits/*/entry.json")
    assert f"Wrote {entry.parent.relative_to(tmp_path)}." in out
    assert json.loads(entry.read_text())["name"] == "Alpha"


def test_submit_uses_the_repository_s_folder_where_it_is(
    run: Run, result: str, tmp_path: Path
) -> None:
    (tmp_path / "leaderboard" / "entries").mkdir(parents=True)
    code, out, _ = run("submit", result)
    assert code == 0
    assert "Created" not in out
    assert len(list((tmp_path / "leaderboard" / "entries").glob("toy-digits/*/entry.json"))) == 1


def test_submit_says_why_there_is_no_rank(run: Run, tmp_path: Path) -> None:
    make_result(tmp_path / "one", seeds=1)
    code, out, _ = run("submit", "one")
    assert code == 0
    assert "Shown without a rank: 1 seed; a rank needs 5." in out


def test_an_entry_is_not_submitted_again(run: Run, result: str, tmp_path: Path) -> None:
    run("submit", result)
    (entry,) = (tmp_path / "leaderboard-entries").glob("toy-digits/*")
    code, out, err = run("submit", str(entry))
    assert (code, out) == (1, "")
    assert err.endswith(f"{entry.name}: is already an entry; spikebench verify raises its tier\n")


def test_a_worker_that_was_killed_is_one_line(
    run: Run, result: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise BrokenProcessPool("A process in the process pool was terminated abruptly")

    run("submit", result)
    monkeypatch.setattr("leaderboard.pages.site.build_site", killed)
    code, out, err = run("leaderboard", "build")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "run the command again" in err


def test_submit_answers_in_json(run: Run, result: str, tmp_path: Path) -> None:
    code, out, err = run("submit", result, "--entries", "mine", "--json")
    said = json.loads(out)
    assert (code, err) == (0, "")
    assert Path(said["entry"]) == Path("mine", "toy-digits", said["id"])
    assert said["unranked_reason"] == ""
    assert (tmp_path / said["entry"] / "result.json").is_file()


def test_second_submission_is_refused_then_replaces(run: Run, result: str) -> None:
    assert run("submit", result)[0] == 0
    code, out, err = run("submit", result)
    assert (code, out) == (1, "")
    assert "--overwrite replaces it" in err
    assert run("submit", result, "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (["seeds", 0, "selected_on"], "test", "the epoch was selected on the test split"),
        (["seeds", 0, "test_accuracy"], 1.0, "test_accuracy is claimed 1.0"),
        (["seeds", 0, "predictions_file"], "../../x.csv", "predictions_file"),
        (["summary", "test_mean"], float("nan"), "NaN is not a number"),
    ],
)
def test_refused_result_is_one_line_and_writes_nothing(
    run: Run, result: str, tmp_path: Path, place: list[str | int], value: object, message: str
) -> None:
    edit_json(tmp_path / result / "result.json", *place, value=value)
    code, out, err = run("submit", result)
    assert (code, out) == (1, "")
    assert err.startswith("spikebench: result/result.json")
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "leaderboard-entries").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["submit"], 2, "Missing argument 'RESULT_DIR|PREDICTIONS.csv'"),
        (["submit", "absent"], 1, "absent: not a folder"),
        (["submit", "."], 1, "result.json: no such file"),
        (["leaderboard", "build", "--entries", "absent"], 1, "no such folder of entries"),
        (["leaderboard", "show", "--dataset", "digit"], 1, "unknown data set"),
        (["leaderboard", "paint"], 2, "unknown command 'paint'; known: build"),
    ],
)
def test_mistakes_have_an_exit_code_and_a_reason(
    run: Run, tmp_path: Path, words: list[str], code: int, message: str
) -> None:
    (tmp_path / "leaderboard-entries").mkdir()
    found, out, err = run(*words)
    assert (found, out) == (code, "")
    assert message in err
    assert "Traceback" not in err


def test_build_writes_the_page(run: Run, result: str, tmp_path: Path) -> None:
    run("submit", result)
    code, out, err = run("leaderboard", "build")
    assert (code, err) == (0, "")
    assert "1 entry measured here, 102 numbers from the literature." in out
    assert (tmp_path / "leaderboard-site" / "index.html").is_file()
    (entry,) = (tmp_path / "leaderboard-entries").glob("toy-digits/*")
    own = tmp_path / "leaderboard-site" / "entries" / "toy-digits"
    assert {path.name for path in own.iterdir()} == {f"{entry.name}.html", f"{entry.name}.json"}


def test_build_wants_a_folder(run: Run, result: str, tmp_path: Path) -> None:
    run("submit", result)
    (tmp_path / "taken").write_text("mine")
    for output in ("taken", "taken/board.html"):
        code, out, err = run("leaderboard", "build", "-o", output)
        assert (code, out) == (1, "")
        assert err == "spikebench: taken: is not a folder; give one, or a file that ends in .html\n"
    assert (tmp_path / "taken").read_text() == "mine"


def test_many_entries_prepare_their_workers(
    run: Run, result: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("submit", result)
    prepared: list[str] = []
    monkeypatch.setattr("spikebench.workers.prepare_workers", prepared.append)
    words = ("leaderboard", "build", "--entries", "leaderboard-entries")
    assert run(*words)[0] == 0
    assert prepared == []
    monkeypatch.setattr("cli.leaderboard.build.MANY", 1)
    assert run(*words)[0] == 0
    assert run("leaderboard", "build", "-o", "elsewhere")[0] == 0
    assert prepared == ["leaderboard.pages.site"] * 2
    assert run(*words)[0] == 0  # nothing has changed, so nothing is read
    assert len(prepared) == 2


def test_build_answers_in_json(run: Run, result: str, tmp_path: Path) -> None:
    run("submit", result)
    _, out, _ = run("leaderboard", "build", "-o", "board.html", "--json")
    said = json.loads(out)
    assert (said["page"], said["entries"], said["literature"]) == ("board.html", 1, 102)
    assert said["bytes"] == (tmp_path / "board.html").stat().st_size
    assert said["downloads"] == [
        "leaderboard.json",
        "leaderboard.csv",
        "literature.csv",
        "hardware.csv",
    ]


def test_build_stops_at_an_entry_that_was_edited(run: Run, result: str, tmp_path: Path) -> None:
    run("submit", result)
    (path,) = (tmp_path / "leaderboard-entries").glob("toy-digits/*/result.json")
    edit_json(path, "summary", "test_mean", value=0.999)
    code, out, err = run("leaderboard", "build")
    assert (code, out) == (1, "")
    assert "result.json: not the file that was submitted; submit the result again" in err
    assert not (tmp_path / "leaderboard-site").exists()


def test_show_fits_80_columns(run: Run, tmp_path: Path) -> None:
    make_result(tmp_path / "a", skill=0.9)
    make_result(tmp_path / "b", skill=0.4, spiking=False, model="lstm", seeds=1)
    run("submit", "a", "--name", "Recurrent network with a name that is rather long")
    run("submit", "b")
    code, out, err = run("leaderboard", "show", "--literature")
    assert (code, err) == (0, "")
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "\x1b" not in out
    assert "digits (synthetic voices)" in out
    assert "  –  lstm " in out
    assert "(conventional)" not in out
    assert out.count("digits (synthetic voices)") == 1
    assert out.count("protocol speakers-v1, 120 test samples, data abababababab") == 1
    assert "Recomputed: spiking networks\n" in out
    assert "Recomputed: conventional networks on spikes\n" in out
    assert "1 seed; a rank needs 5" in out
    assert "SHD, reported in the literature (not measured here)" in out
    assert out.count("test (!)") == 24 + 1


def test_show_keeps_square_brackets(run: Run, result: str) -> None:
    run("submit", result, "--name", "[red]lif[/red]")
    assert "[red]lif[/red]" in run("leaderboard", "show")[1]


def test_show_one_data_set_in_json(run: Run, result: str) -> None:
    run("submit", result)
    said = json.loads(run("leaderboard", "show", "--dataset", "SSC", "--json")[1])
    assert said["measured"] == []
    assert {row["dataset"] for row in said["literature"]} == {"SSC"}
    said = json.loads(run("leaderboard", "show", "--dataset", "toy-digits", "--json")[1])
    assert [row["model"] for row in said["measured"]] == ["lif"]
    assert said["literature"] == []


def test_show_without_entries_says_what_to_do(run: Run, tmp_path: Path) -> None:
    (tmp_path / "leaderboard-entries").mkdir()
    code, out, _ = run("leaderboard", "show")
    assert code == 0
    assert "`spikebench submit RESULT_DIR` writes one" in out


def test_show_literature_of_a_data_set_nobody_submitted(run: Run, tmp_path: Path) -> None:
    (tmp_path / "leaderboard-entries").mkdir()
    code, out, _ = run("leaderboard", "show", "--literature", "--dataset", "SHD")
    assert code == 0
    assert "SSC" not in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["submit"], ["--name", "--authors", "--note", "--entries", "--overwrite", "--json"]),
        (["leaderboard"], ["build", "show", "Exit code 1"]),
        (["leaderboard", "build"], ["--entries", "--output", "--json", "leaderboard-site"]),
        (["leaderboard", "show"], ["--entries", "--dataset", "--literature", "--json"]),
    ],
)
def test_help_names_every_option(run: Run, words: list[str], expected: list[str]) -> None:
    code, out, err = run(*words, "--help")
    assert (code, err) == (0, "")
    for word in expected:
        assert word in out
