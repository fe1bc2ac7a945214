"""A pull request that attacks: whatever it does to existing entries, or brings beside new ones, is refused by name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT
from helpers.leaderboard_results import make_result
from helpers.verifications import claim_verification
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leaderboard.checks.git_tree import Repository
from leaderboard.checks.recomputation import verify_result
from leaderboard.claims.changes import ENTRIES, Changes, read_changes, write_files
from leaderboard.claims.entry import make_entry, withdraw, write_entry
from leaderboard.claims.reading import read_entries
from leaderboard.claims.tier import write_verifications
from spikebench.errors import ResultError

WHO = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *WHO, *words], capture_output=True, check=True)
    return done.stdout.decode()


def hand_in(repository: Path, name: str, **options: object) -> Path:
    source = make_result(repository.parent / f"{repository.name}-{name}", **options)  # type: ignore[arg-type]
    result = verify_result(source)
    entry = make_entry(result, name)
    return write_entry(source, repository / ENTRIES, entry, result, overwrite=False, weights=True)


def verify(entry: Path) -> None:
    """Give an entry the verification that a maintainer would."""
    (stored,) = [one for one in read_entries([entry.parent.parent]) if one.folder == entry]
    write_verifications(entry, [claim_verification(stored, by="a maintainer")])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a verified entry and a withdrawn one."""
    repository = tmp_path_factory.mktemp("attacks") / "base"
    repository.mkdir()
    git(repository, "init", "-q", "-b", "main")
    verify(hand_in(repository, "verified"))
    withdraw(hand_in(repository, "withdrawn", skill=0.5), "a mistake")
    (repository / "README.md").write_text("entries\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "entries")
    return repository


@pytest.fixture
def fork(base: Path, tmp_path: Path) -> Path:
    git(tmp_path, "clone", "-q", str(base), "fork")
    return tmp_path / "fork"


def asked(fork: Path, head: str = "HEAD") -> Changes:
    git(fork, "add", "-A")
    git(fork, "commit", "-q", "--allow-empty", "-m", "handed in")
    return read_changes(Repository(fork), "origin/main", head)


def refusal(fork: Path) -> str:
    with pytest.raises(ResultError, match="adds new ones or withdraws existing ones") as refused:
        asked(fork)
    assert refused.value.details
    return "\n".join(refused.value.details)


def entries(fork: Path) -> dict[str, Path]:
    found = {}
    for entry in (fork / ENTRIES).glob("*/*"):
        found[json.loads((entry / "entry.json").read_text())["name"]] = entry
    return found


def change(entry: Path, **values: object) -> None:
    """Change an entry as its program would write it."""
    said = json.loads((entry / "entry.json").read_text()) | values
    (entry / "entry.json").write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n")


def test_an_honest_entry_beside_one_that_was_merged_meanwhile(
    fork: Path, base: Path, tmp_path: Path
) -> None:
    new = hand_in(fork, "new", skill=0.75)
    git(tmp_path, "clone", "-q", str(base), "other")
    other = hand_in(tmp_path / "other", "other", skill=0.6)
    git(tmp_path / "other", "add", "-A")
    git(tmp_path / "other", "commit", "-q", "-m", "other")
    git(fork, "fetch", "-q", str(tmp_path / "other"), "HEAD:refs/remotes/origin/main")
    changes = asked(fork)
    assert changes.added == (f"toy-digits/{new.name}",)
    assert (changes.withdrawn, changes.elsewhere) == ((), ())
    write_files(Repository(fork), changes.files, tmp_path / "merged")
    stored = read_entries([tmp_path / "merged"])
    assert {one.entry.name for one in stored} == {"verified", "withdrawn", "new", "other"}
    assert {one.folder.name for one in stored} >= {new.name, other.name}


def test_a_verified_entry_is_withdrawn(fork: Path) -> None:
    entry = entries(fork)["verified"]
    withdraw(entry, "the wrong split")
    assert asked(fork).withdrawn == (f"toy-digits/{entry.name}",)


def test_files_elsewhere_are_listed(fork: Path) -> None:
    hand_in(fork, "new", skill=0.75)
    (fork / "README.md").write_text("other\n")
    (fork / "setup.py").write_text("import os\n")
    assert asked(fork).elsewhere == ("README.md", "setup.py")


@pytest.mark.parametrize("rule", ["verification.json export-ignore", "*.json export-subst"])
@pytest.mark.parametrize("place", ["", f"{ENTRIES}/", f"{ENTRIES}/toy-digits/"])
@pytest.mark.parametrize("name", [".gitattributes", ".GitAttributes"])
def test_attributes_hide_nothing(fork: Path, rule: str, place: str, name: str) -> None:
    (fork / place / name).write_text(f"{rule}\n")
    new = hand_in(fork, "new", skill=0.75)
    verify(new)
    said = refusal(fork)
    assert f"{place}{name}: changes how git writes files" in said
    assert f"{new.name}/verification.json: a new entry must not contain verifications" in said


def test_attributes_that_are_there_change_nothing(fork: Path, tmp_path: Path) -> None:
    (fork / ".gitattributes").write_text("*.json export-ignore\n*.csv export-subst\n")
    git(fork, "add", "-A")
    git(fork, "commit", "-q", "-m", "attributes")
    git(fork, "update-ref", "refs/remotes/origin/main", "HEAD")
    new = hand_in(fork, "new", skill=0.75)
    changes = asked(fork)
    write_files(Repository(fork), changes.files, tmp_path / "merged")
    for path in new.iterdir():
        merged = tmp_path / "merged" / "toy-digits" / new.name / path.name
        assert merged.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("withdrawn", {"withdrawn": None}),
        ("withdrawn", {"withdrawn": {"date": "2026-01-01", "reason": "none"}}),
        ("verified", {"authors": "Somebody Else"}),
        ("verified", {"note": "the best"}),
        ("verified", {"withdrawn": {"date": "2026-01-01", "reason": "x"}, "authors": "Else"}),
        ("verified", {"withdrawn": {"date": "2026-01-01", "reason": "x", "more": 1}}),
    ],
)
def test_an_entry_is_not_edited(fork: Path, name: str, values: dict[str, object]) -> None:
    entry = entries(fork)[name]
    change(entry, **values)
    said = refusal(fork)
    assert said == f"{entry.relative_to(fork)}/entry.json: modified beyond a withdrawal"


def test_a_verification_is_not_removed(fork: Path) -> None:
    entry = entries(fork)["verified"]
    (entry / "verification.json").unlink()
    change(entry, authors="Somebody Else")
    said = refusal(fork)
    assert "verification.json: deleted" in said
    assert "entry.json: modified beyond a withdrawal" in said


def test_nothing_is_added_to_an_existing_entry(fork: Path) -> None:
    entry = entries(fork)["withdrawn"]
    (entry / "verification.json").write_text("{}")
    assert "verification.json: added to an existing entry" in refusal(fork)


def _retype(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


def _into_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("x")


OPERATIONS: dict[str, Callable[[Path], object]] = {
    "modify": lambda path: path.write_bytes(path.read_bytes() + b" "),
    "empty": lambda path: path.write_bytes(b""),
    "delete": lambda path: path.unlink(),
    "rename": lambda path: path.rename(path.with_name(path.name + "x")),
    "move": lambda path: path.rename(path.parents[1] / path.name),
    "case": lambda path: path.rename(path.with_name(path.name.upper())),
    "mode": lambda path: path.chmod(0o755),
    "retype": _retype,
    "folder": _into_folder,
}


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_change_of_an_existing_file_is_refused_by_name(
    base: Path, tmp_path: Path, data: st.DataObject
) -> None:
    shutil.rmtree(tmp_path / "fork", ignore_errors=True)
    git(tmp_path, "clone", "-q", str(base), "fork")
    fork = tmp_path / "fork"
    files = sorted(path for path in (fork / ENTRIES).rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files), label="path")
    operation = data.draw(st.sampled_from(sorted(OPERATIONS)), label="operation")
    OPERATIONS[operation](path)
    if data.draw(st.booleans(), label="beside an honest entry"):
        hand_in(fork, f"new-{data.draw(st.integers(0, 10**9))}", skill=0.75)
    assert f"{path.relative_to(fork)}: " in refusal(fork)


@pytest.mark.parametrize(
    "path",
    [
        f"{ENTRIES}/x.json",
        f"{ENTRIES}/toy-digits/x.json",
        f"{ENTRIES}/toy-digits/.hidden/entry.json",
        f"{ENTRIES}/.toy/new/entry.json",
        f"{ENTRIES}/Toy-Digits/new/entry.json",
        f"{ENTRIES}/toy-digits/new/deep/entry.json",
        f"{ENTRIES}/toy-digits/nеw/entry.json",  # a Cyrillic letter
        "leaderboard/Entries/toy-digits/new/entry.json",
        f"{ENTRIES}/toy-digits/line\nfeed/entry.json",
        os.fsdecode(b"leaderboard/entries/toy-digits/\xff/entry.json"),
    ],
)
def test_names_that_are_no_entry(fork: Path, path: str) -> None:
    (fork / path).parent.mkdir(parents=True, exist_ok=True)
    (fork / path).write_text("{}")
    said = refusal(fork)
    assert "no file of an entry" in said or "no folder of an entry" in said
    assert "\n" not in said


def test_links_and_submodules(fork: Path) -> None:
    new = hand_in(fork, "new", skill=0.75)
    (new / "run.json").unlink(missing_ok=True)
    (new / "run.json").symlink_to("../../../../README.md")
    git(fork, "add", "-A")
    commit = git(fork, "rev-parse", "HEAD").strip()
    inside = f"{ENTRIES}/toy-digits/{new.name}/sub"
    git(fork, "update-index", "--add", "--cacheinfo", f"160000,{commit},{inside}")
    git(fork, "commit", "-q", "-m", "links")
    with pytest.raises(ResultError) as refused:
        read_changes(Repository(fork), "origin/main", "HEAD")
    said = "\n".join(refused.value.details)
    assert "run.json: not a plain file (mode 120000)" in said
    assert "sub: not a plain file (mode 160000)" in said


def test_the_whole_folder_becomes_a_link(fork: Path) -> None:
    shutil.move(fork / "leaderboard", fork / "elsewhere")
    (fork / "leaderboard").symlink_to("elsewhere")
    said = refusal(fork)
    assert said.count(": deleted") == len(
        [path for path in (fork / "elsewhere" / "entries").rglob("*") if path.is_file()]
    )


def test_what_changed_on_both_sides(fork: Path) -> None:
    entry = entries(fork)["verified"]
    git(fork, "checkout", "-q", "-b", "maintainer")
    withdraw(entry, "by a maintainer")
    git(fork, "commit", "-q", "-am", "withdrawn")
    git(fork, "update-ref", "refs/remotes/origin/main", "HEAD")
    git(fork, "checkout", "-q", "main")
    withdraw(entry, "by its author")
    assert "entry.json: changed on the base meanwhile" in refusal(fork)


def test_a_merge_that_takes_back_what_the_base_did(fork: Path) -> None:
    """The head merges the base, but keeps its own, older state of an entry."""
    entry = entries(fork)["verified"]
    git(fork, "checkout", "-q", "-b", "maintainer")
    withdraw(entry, "by a maintainer")
    git(fork, "commit", "-q", "-am", "withdrawn")
    git(fork, "update-ref", "refs/remotes/origin/main", "HEAD")
    git(fork, "checkout", "-q", "main")
    git(fork, "merge", "-q", "-s", "ours", "--no-edit", "maintainer")
    said = refusal(fork)
    assert said == f"{entry.relative_to(fork)}/entry.json: modified beyond a withdrawal"


def test_replaced_objects_show_nothing_else(fork: Path) -> None:
    entry = entries(fork)["verified"]
    before = git(fork, "rev-parse", "HEAD").strip()
    change(entry, authors="Somebody Else")
    git(fork, "commit", "-q", "-am", "edited")
    git(fork, "replace", git(fork, "rev-parse", "HEAD").strip(), before)
    with pytest.raises(ResultError, match="adds new ones"):
        read_changes(Repository(fork), "origin/main", "HEAD")


@pytest.mark.parametrize("name", ["nowhere", "--output=x", "HEAD:README.md", ""])
def test_names_of_no_commit(fork: Path, name: str) -> None:
    with pytest.raises(ResultError, match="no such commit"):
        read_changes(Repository(fork), "origin/main", name)


def test_no_repository_and_no_common_history(fork: Path, tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="not a git repository"):
        read_changes(Repository(tmp_path), "main", "HEAD")
    git(fork, "checkout", "-q", "--orphan", "alone")
    git(fork, "commit", "-q", "-m", "alone")
    with pytest.raises(ResultError, match="no common ancestor"):
        read_changes(Repository(fork), "origin/main", "alone")


def test_the_workflow_checks_with_it() -> None:
    workflow = ROOT / ".github" / "workflows" / "entries.yml"
    if not workflow.is_file():
        pytest.skip("the workflows of the repository are not here")
    assert ".ci/check-entries HEAD handed-in" in workflow.read_text()
    script = (ROOT / ".ci" / "check-entries").read_text()
    assert 'leaderboard check --changes "$1" "$2"' in script
    assert "git" not in script.replace("git's", "")
