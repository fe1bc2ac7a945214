"""``submit`` of predictions from elsewhere, ``leaderboard check``, ``schema``, ``withdraw`` as somebody types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from conftest import ROOT
from helpers.forms import fill_in
from helpers.leaderboard_results import edit_json, make_result
from helpers.verifications import claim_verification

from cli.main import main
from leaderboard.checks.breakdown import Breakdown
from leaderboard.checks.memory import PASSED, read_contents, remember
from leaderboard.claims.reading import read_entries
from leaderboard.claims.schemas import SCHEMAS, schema
from leaderboard.claims.tier import add_verification

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(list(words))
        said = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, said.out, said.err

    return call


@pytest.fixture
def entry(run: Run, tmp_path: Path) -> Path:
    make_result(tmp_path / "result", logs=True)
    assert run("submit", "result", "--weights", "--link", "https://example.org/x")[0] == 0
    (found,) = (tmp_path / "leaderboard-entries").glob("*/*")
    return found.relative_to(tmp_path)


def test_submit_keeps_weights_and_logs_if_asked(entry: Path) -> None:
    names = {path.name for path in entry.iterdir()}
    assert {"weights-seed0.safetensors", "run.json", "entry.json"} <= names
    (stored,) = read_entries([entry.parent.parent])
    assert stored.entry.link == "https://example.org/x"
    assert stored.entry.declared.augmentation == "none"


def test_check_checks_also_what_is_remembered(
    run: Run, entry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path / "store"))
    edit_json(entry / "run.json", "runs", 0, "run", "epochs", value=1)
    contents = read_contents(entry)
    assert contents is not None
    remember(contents.sha256, Breakdown(), {name: kind() for name, kind in PASSED.items()})
    assert run("leaderboard", "show")[0] == 0
    for command in (["check"], ["check", "leaderboard-entries", "--new", str(entry)]):
        code, _, err = run("leaderboard", *command)
        assert code == 1
        assert "not the log that was submitted" in err


def test_kit_then_predictions(run: Run, tmp_path: Path) -> None:
    code, out, err = run("submit", "--kit", "kit", "--data", "digits")
    assert (code, err) == (0, "")
    assert "spikebench submit kit/predictions.csv --form kit/form.toml" in out
    fill_in(tmp_path / "mine", seeds=2)
    code, out, err = run("submit", "mine/predictions.csv", "--form", "mine/form.toml")
    assert (code, err) == (0, "")
    assert "2 seeds with 177 predictions each" in out
    assert "Tracks: spiking, constrained. Tier: recomputed" in out
    words = ("submit", "mine/predictions.csv", "--form", "mine/form.toml", "--overwrite", "--json")
    code, out, err = run(*words)
    assert code == 0
    assert json.loads(out)["tracks"] == ["spiking", "constrained"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["submit", "x.csv"], 2, "predictions need a form: --form form.toml"),
        (
            ["submit", "x.csv", "--form", "f", "--name", "a"],
            2,
            "leave out --name: the form contains it",
        ),
        (["submit", "x.csv", "--form", "f", "--weights"], 2, "leave out --weights"),
        (["submit", "x.csv", "--form", "absent.toml"], 1, "absent.toml: no such file"),
        (["submit", "result", "--form", "f"], 2, "leave out --form"),
        (["submit", "result", "--link", "javascript:alert(1)"], 1, "the entry's link"),
        (["submit", "result", "--track", "best"], 1, "the entry's track"),
        (["submit", "--kit", "result/result.json", "--data", "digits"], 2, "is a file"),
        (["submit", "--kit", "k", "--data", "digit"], 1, "digit"),
        (["leaderboard", "schema", "entri"], 1, "Did you mean 'entry'?"),
        (["leaderboard", "withdraw", "result"], 2, "Missing option '--reason'"),
        (["leaderboard", "withdraw", "result", "--reason", "x"], 1, "entry.json: no such file"),
        (["leaderboard", "check", "absent"], 1, "absent: no such folder of entries"),
        (["leaderboard", "check", "e", "--new", "result"], 1, "1 entries were given, 0 of them"),
    ],
)
def test_mistakes_have_an_exit_code_and_a_reason(
    run: Run, tmp_path: Path, words: list[str], code: int, message: str
) -> None:
    make_result(tmp_path / "result", seeds=1)
    (tmp_path / "e").mkdir()
    (tmp_path / "f").write_text("")
    found, out, err = run(*words)
    assert (found, out) == (code, "")
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "leaderboard-entries").exists()


def test_check_tells_what_holds(run: Run, entry: Path) -> None:
    assert run("leaderboard", "check") == (0, "1 entry passes; none with oddities.\n", "")
    said = json.loads(run("leaderboard", "check", "--json")[1])["entries"]
    assert [(one["entry"], one["tier"], one["flags"]) for one in said] == [
        (str(entry), "recomputed", [])
    ]


def test_check_names_every_entry_that_fails(run: Run, entry: Path, tmp_path: Path) -> None:
    make_result(tmp_path / "other", skill=0.4)
    run("submit", "other")
    for folder in entry.parent.iterdir():
        edit_json(folder / "entry.json", "declared", "augmentation", value="a lot")
    code, out, err = run("leaderboard", "check")
    assert (code, out) == (1, "")
    assert err.count("declared.augmentation is 'a lot', but the result has 'none'") == 2
    assert "2 entries fail their checks:\n  " in err
    assert err.count("\n") == 3


def test_check_of_a_pull_request_looks_for_copies(run: Run, entry: Path, tmp_path: Path) -> None:
    for name in ("lif", "mine"):
        make_result(tmp_path / name, model=name, test_samples=600, skill=0.5)
        run("submit", name)
    (copy,) = (path for path in entry.parent.iterdir() if path.name.startswith("mine"))
    code, out, err = run("leaderboard", "check", "--new", str(copy))
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert all(line.startswith(f"oddity in toy-digits/{copy.name}: ") for line in lines[:-1])
    assert any("the same predictions as lif-5-seeds" in line for line in lines)
    assert any(" mistakes are the same as those of lif-5-seeds" in line for line in lines)
    assert lines[-1] == "3 entries pass; 1 with oddities."


def test_new_entry_may_not_verify_itself(run: Run, entry: Path) -> None:
    (stored,) = read_entries([entry.parent.parent])
    add_verification(entry, claim_verification(stored))
    said = json.loads(run("leaderboard", "check", "--json")[1])["entries"]
    assert said[0]["tier"] == "verified-training"
    code, out, err = run("leaderboard", "check", "--new", str(entry))
    assert (code, out) == (1, "")
    assert "a new entry must not contain verifications" in err


def test_withdrawn_entry_stays_without_a_rank(run: Run, entry: Path) -> None:
    code, out, _ = run("leaderboard", "withdraw", str(entry), "--reason", "a mistake in the loader")
    assert code == 0
    assert f"{entry.name}: withdrawn on 20" in out
    assert run("leaderboard", "check")[0] == 0
    shown = json.loads(run("leaderboard", "show", "--json")[1])["measured"]
    assert [row["rank"] for row in shown] == [None]
    assert shown[0]["unranked_reason"].endswith(": a mistake in the loader")
    code, _, err = run("leaderboard", "withdraw", str(entry), "--reason", "again")
    assert code == 1
    assert "was withdrawn on" in err
    code, _, err = run("leaderboard", "withdraw", str(entry), "--reason", "a\x1bb")
    assert code == 1


@pytest.mark.parametrize("name", list(SCHEMAS))
def test_schemas_are_published_as_they_are(run: Run, name: str) -> None:
    published = json.loads((ROOT / "docs" / "schemas" / f"{name}.json").read_text("utf-8"))
    assert published == schema(name) == json.loads(run("leaderboard", "schema", name)[1])


def test_published_schema_takes_what_is_written_and_refuses_what_is_not(entry: Path) -> None:
    files = {"entry": "entry.json", "result": "result.json", "run": "run.json"}
    for name, file in files.items():
        content = json.loads((entry / file).read_text())
        jsonschema.validate(content, schema(name))
        content["surprise"] = 1
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(content, schema(name))
