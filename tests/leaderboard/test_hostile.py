"""Hostile entries: refused in one line, or harmless on the page. Nothing that was handed in is run or unpickled."""

from __future__ import annotations

import csv
import json
import os
import pickle
import random
import shutil
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from helpers.leaderboard_results import edit_json, make_result, sha256
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leaderboard.checks.recomputation import verify_result
from leaderboard.claims.entry import make_entry, read_entry, write_entry
from leaderboard.claims.literature import read_literature
from leaderboard.claims.reading import read_entries
from leaderboard.pages.site import build_site
from leaderboard.standings.oddities import flag
from spikebench.errors import ResultError

NAMES = (
    "entry.json",
    "result.json",
    "run.json",
    "predictions-seed0.csv",
    "weights-seed0.safetensors",
)
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An honest entry with logs and weights, to be spoiled."""
    folder = tmp_path_factory.mktemp("honest")
    result = verify_result(make_result(folder / "result", seeds=2, logs=True, test_samples=24))
    entry = make_entry(result, "Alpha", "A. Smith", link="https://example.org/a?b=1#c")
    return write_entry(
        folder / "result", folder / "entries", entry, result, overwrite=False, weights=True
    )


@pytest.fixture
def entry(honest: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(honest, tmp_path / "entries" / "toy-digits" / honest.name))


def refuse(entry: Path, message: str) -> None:
    with pytest.raises(ResultError, match=message) as caught:
        read_entries([entry.parent.parent])
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def edit_result(entry: Path, *place: str | int, value: object) -> None:
    """Change the result and mend its SHA-256 in entry.json."""
    edit_json(entry / "result.json", *place, value=value)
    mend(entry)


def mend(entry: Path) -> None:
    edit_json(entry / "entry.json", "result_sha256", value=sha256(entry / "result.json"))


def replace_predictions(entry: Path, text: bytes) -> None:
    path = entry / "predictions-seed0.csv"
    path.write_bytes(text)
    edit_result(entry, "seeds", 0, "predictions_sha256", value=sha256(path))


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def harmless(entry: Path, site: Path) -> None:
    """Build the page and look for anything that could run or lead astray."""
    build_site(flag(read_entries([entry.parent.parent])), read_literature(), site)
    for page in site.rglob("*.html"):
        tags = _Tags(page.read_text(encoding="utf-8")).found
        assert sum(tag == "script" and "src" in attributes for tag, attributes in tags) == 0
        assert not [tag for tag, _ in tags if tag in ("img", "iframe", "object", "embed", "base")]
        for _, attributes in tags:
            assert not [name for name in attributes if name.startswith("on")]
            for name in ("href", "src", "action", "xlink:href"):
                address = (attributes.get(name) or "").strip().lower()
                assert not address.startswith(("javascript:", "vbscript:", "file:"))
    for table in site.rglob("*.csv"):
        with table.open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file):
                for cell in row:
                    assert not cell.lstrip().startswith(("=", "+", "@", "\t", "\r"))


def test_honest_entry_holds_and_is_harmless(entry: Path, tmp_path: Path) -> None:
    harmless(entry, tmp_path / "site")


def without_logs(entry: Path) -> None:
    """Take the logs out, with which the configuration of a known model must agree."""
    (entry / "run.json").unlink()
    for seed in range(2):
        edit_result(entry, "seeds", seed, "run_file", value=None)
        edit_result(entry, "seeds", seed, "run_sha256", value=None)


def test_script_in_every_text(entry: Path, tmp_path: Path) -> None:
    without_logs(entry)
    for key in ("name", "authors", "note", "citation"):
        edit_json(entry / "entry.json", key, value=SCRIPT)
    edit_json(entry / "entry.json", "withdrawn", value={"date": "2026-01-01", "reason": SCRIPT})
    for place in (["command"], ["software"], ["model", "config"], ["environment"]):
        value: Any = {SCRIPT: SCRIPT} if place[-1] in ("config", "environment") else SCRIPT
        edit_result(entry, *place, value=value)
    harmless(entry, tmp_path / "site")


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " https://example.org",
        "data:text/html,<script>alert(1)</script>",
        "//example.org",
        "https://example.org/\" onclick=\"alert(1)",
        "https://user:password@example.org/",
        "https://example.org/\u202e",
        "file:///etc/passwd",
        "https://ex\u0430mple.org",
    ],
)  # fmt: skip
def test_links_that_are_none(entry: Path, link: str) -> None:
    edit_json(entry / "entry.json", "link", value=link)
    refuse(entry, "link: ")


@pytest.mark.parametrize("formula", ["=1+1", "+1", "@SUM(A1)", "-2+3+cmd|' /C calc'!A0"])
def test_formula_in_a_cell(entry: Path, tmp_path: Path, formula: str) -> None:
    for key in ("name", "authors", "note"):
        edit_json(entry / "entry.json", key, value=formula)
    harmless(entry, tmp_path / "site")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (["entry.json", "id"], "../../../x"),
        (["entry.json", "id"], "/etc"),
        (["entry.json", "dataset"], "../.."),
        (["result.json", "seeds", 0, "predictions_file"], "../../../etc/passwd"),
        (["result.json", "seeds", 0, "weights_file"], "..\\..\\x"),
        (["result.json", "seeds", 0, "run_file"], "/dev/zero"),
    ],
)
def test_path_that_leaves_the_entry(entry: Path, place: list[Any], value: str) -> None:
    edit_json(entry / place[0], *place[1:], value=value)
    if place[0] == "result.json":
        mend(entry)
    refuse(entry, "must match")


def test_path_traversal_in_a_log_is_only_text(entry: Path, tmp_path: Path) -> None:
    edit_json(entry / "run.json", "runs", 0, "run", "data", value="../../../etc/passwd")
    refuse(entry, "seed 0: not the log that was submitted")


@pytest.mark.parametrize("name", NAMES)
def test_two_gigabytes_are_refused_unread(entry: Path, name: str) -> None:
    with (entry / name).open("r+b") as file:
        file.truncate(2 * 1024**3)  # a hole: it takes no space, and would take minutes to parse
    began = time.perf_counter()
    with pytest.raises(ResultError, match=r"larger than|exceed"):
        read_entries([entry.parent.parent])
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "-0.1", '"1"', "null"])
def test_accuracy_that_is_no_fraction(entry: Path, text: str) -> None:
    path = entry / "result.json"
    content = json.loads(path.read_text())
    content["summary"]["test_mean"] = "HERE"
    path.write_text(json.dumps(content).replace('"HERE"', text))
    mend(entry)
    refuse(entry, r"NaN|Infinity|too large|test_mean")


@pytest.mark.parametrize("name", ["entry.json", "result.json", "run.json"])
def test_key_that_stands_there_twice(entry: Path, name: str) -> None:
    path = entry / name
    path.write_text('{"schema_version": 1,' + path.read_text().lstrip()[1:])
    if name == "result.json":
        mend(entry)
    refuse(entry, "key 'schema_version' appears twice")


@pytest.mark.parametrize("name", ["entry.json", "result.json", "run.json", "verification.json"])
@pytest.mark.parametrize("depth", [40, 100_000])
def test_deep_nesting(entry: Path, name: str, depth: int) -> None:
    (entry / name).write_text('{"a":' * depth + "1" + "}" * depth)
    if name == "result.json":
        mend(entry)
    refuse(entry, r"nested too deeply")


@pytest.mark.parametrize("digits", [20, 400, 5000])
def test_huge_integers(entry: Path, digits: int) -> None:
    path = entry / "result.json"
    content = json.loads(path.read_text())
    content["model"]["parameters"] = "HERE"
    path.write_text(json.dumps(content).replace('"HERE"', "9" * digits))
    mend(entry)
    refuse(entry, r"model\.parameters|not readable as JSON")


def test_huge_integer_in_free_text_stays_harmless(entry: Path, tmp_path: Path) -> None:
    without_logs(entry)
    path = entry / "result.json"
    content = json.loads(path.read_text())
    content["model"]["config"] = {"hidden_units": 128, "x": "HERE"}
    path.write_text(json.dumps(content).replace('"HERE"', "9" * 400))
    mend(entry)
    harmless(entry, tmp_path / "site")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"index,label,predicted,speaker\n0,0,0\n", "fields"),
        (b"index,label,predicted,speaker\n0,0,=1,0\n", "not an integer"),
        (b"index,label,predicted,speaker\n0,0,99999999999999999999,0\n", "integer"),
        (b"index,label,predicted,speaker\n" + b"0,0,0,0\n" * 2, "twice"),
        (b"\xff\xfe\x00", "."),
        (b"", "first line"),
        (b'index,label,predicted,speaker\n"' + b"0" * 200_000, "."),
        (b"index,label,predicted,speaker\n0,0,0,0\x00\n", "."),
    ],
)
def test_predictions_that_are_none(entry: Path, text: bytes, message: str) -> None:
    replace_predictions(entry, text)
    refuse(entry, message)


class _Boom:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch unpickled",)


@pytest.mark.parametrize("name", ["weights-seed0.safetensors", "predictions-seed0.csv", "run.json"])
def test_pickle_is_never_opened(
    entry: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = entry / name
    path.write_bytes(pickle.dumps(_Boom()))
    key = {"weights-seed0.safetensors": "weights", "predictions-seed0.csv": "predictions"}.get(name)
    if key:
        edit_result(entry, "seeds", 0, f"{key}_sha256", value=sha256(path))
    refuse(entry, ".")
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize("name", ["setup.py", "conftest.py", ".hidden", "weights.pkl"])
def test_file_that_does_not_belong_there(entry: Path, name: str) -> None:
    (entry / name).write_text("import os")
    refuse(entry, "does not belong to an entry")


def test_links_pipes_and_folders_are_no_files(entry: Path, tmp_path: Path) -> None:
    path = entry / "run.json"
    secret = tmp_path / "secret.json"
    path.rename(secret)
    path.symlink_to(secret)
    refuse(entry, r"run\.json: must be a plain file")
    path.unlink()
    os.mkfifo(path)
    refuse(entry, r"run\.json: must be a plain file")
    path.unlink()
    path.mkdir()
    refuse(entry, r"run\.json: must be a plain file")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"result_sha256": "cd" * 32}, "refers to another result"),
        ({"entry_sha256": "cd" * 32}, "refers to another entry"),
        ({"when": "2026-99-99T99:99:99+00:00"}, "when"),
        ({"when": "٢٠٢٦-01-01T00:00:00+00:00"}, "when"),
        ({"seeds": [{"seed": 0, "accuracy": 1.0, "agreement": 1.0}]}, "seeds does not match"),
        ({"mean": 0.1}, "mean does not match"),
        ({"data_sha256": "cd" * 32}, "data_sha256 does not match"),
        ({"claimed_interval": {"low": 0.0, "high": 1.0, "method": "x"}}, "claimed_interval does"),
        ({"kind": "inference"}, "only 99.80% of the labels are equal to those of the entry"),
        ({"by": "a\x1b[2Jb"}, "by: .*cannot be printed"),
        ({"kind": "luck"}, "kind: must be"),
        ({"environment": {str(k): "x" for k in range(60)}}, "environment: .* at most 50"),
    ],
)
def test_verification_that_cannot_be(entry: Path, change: dict[str, Any], message: str) -> None:
    result = json.loads((entry / "result.json").read_text())
    seeds = [(one["seed"], one["test_accuracy"]) for one in result["seeds"]]
    verification = {
        "kind": "training",
        "by": "me",
        "when": "2026-01-01T00:00:00+00:00",
        "software": "mine",
        "environment": {},
        "command": "trust me",
        "data_sha256": result["dataset"]["sha256"],
        "result_sha256": sha256(entry / "result.json"),
        "entry_sha256": read_entry(entry).entry.sha256,
        "seeds": [{"seed": k, "accuracy": a, "agreement": 0.998} for k, a in seeds],
        "mean": result["summary"]["test_mean"],
        "claimed_interval": result["summary"]["test_interval"],
    }
    path = entry / "verification.json"
    path.write_text(json.dumps({"schema_version": 1, "verifications": [verification]}))
    assert len(read_entry(entry).verifications) == 1
    path.write_text(json.dumps({"schema_version": 1, "verifications": [verification | change]}))
    refuse(entry, message)


@pytest.fixture(scope="module")
def scratch(honest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(honest, tmp_path_factory.mktemp("fuzz") / honest.name))


@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.sampled_from(NAMES), seed=st.integers(0, 2**32), mended=st.booleans())
def test_any_damage_is_refused_in_one_line_or_means_nothing(
    honest: Path, scratch: Path, name: str, seed: int, mended: bool
) -> None:
    generator = random.Random(seed)
    content = bytearray((honest / name).read_bytes())
    for _ in range(generator.randint(1, 6)):
        at = generator.randrange(len(content) + 1)
        action = generator.randrange(4)
        if action == 0:
            content[at : at + generator.randint(1, 40)] = b""
        elif action == 1:
            content[at:at] = generator.choice(
                [b"NaN", b"-1", b"null", b"[[[[", b"{}", b'"', b",", b"\x00", b"\xff", b"9" * 30]
            )
        elif action == 2 and at < len(content):
            content[at] = generator.randrange(256)
        else:
            content[at:at] = content[at : at + generator.randint(1, 200)]
    (scratch / name).write_bytes(content)
    said = ""
    try:
        if mended and name != "entry.json":
            mend_all(scratch, name)
        read_entry(scratch)
    except ResultError as error:
        said = str(error)
    finally:
        for restored in NAMES:
            shutil.copyfile(honest / restored, scratch / restored)
    assert "\n" not in said
    assert len(said) < 1000


def mend_all(entry: Path, name: str) -> None:
    """Mend every SHA-256 that a changed file has broken, as somebody who cheats would."""
    keys = {
        "predictions-seed0.csv": "predictions_sha256",
        "weights-seed0.safetensors": "weights_sha256",
    }
    if name in keys:
        edit_json(entry / "result.json", "seeds", 0, keys[name], value=sha256(entry / name))
    mend(entry)
