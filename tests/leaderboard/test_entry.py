"""Entries are written whole or not at all, and checked again whenever they are read."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.leaderboard_results import edit_json, make_result
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.checks import memory
from leaderboard.checks.memory import read_contents, recall
from leaderboard.checks.recomputation import verify_result
from leaderboard.claims import entry as entry_module
from leaderboard.claims import reading
from leaderboard.claims.entry import (
    Entry,
    StoredEntry,
    make_entry,
    read_entry,
    slug,
    write_entry,
)
from leaderboard.claims.reading import read_entries
from spikebench.errors import OutputExistsError, ResultError


def submit(source: Path, entries: Path, *, overwrite: bool = False, name: str = "") -> Path:
    result = verify_result(source)
    return write_entry(source, entries, make_entry(result, name), result, overwrite=overwrite)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_result(tmp_path / "source", seeds=2)


@pytest.fixture
def stored(source: Path, tmp_path: Path) -> Path:
    return submit(source, tmp_path / "entries")


def test_entry_round_trip(source: Path, stored: Path, tmp_path: Path) -> None:
    (found,) = read_entries([tmp_path / "entries"])
    made = StoredEntry(make_entry(verify_result(source)), verify_result(source), stored)
    assert found == replace(made, breakdown=found.breakdown)
    assert [share.samples for share in found.breakdown.speakers] == [20] * 6
    assert stored == tmp_path / "entries" / "toy-digits" / found.entry.id


def test_entry_holds_no_weights_and_nothing_hidden(stored: Path) -> None:
    names = sorted(path.name for path in stored.iterdir())
    assert names == ["entry.json", "predictions-seed0.csv", "predictions-seed1.csv", "result.json"]
    assert [path.name for path in stored.parent.iterdir()] == [stored.name]
    assert stored.stat().st_mode & 0o777 == stored.parent.stat().st_mode & 0o777


def test_id_is_the_same_every_time_and_follows_the_result(source: Path, tmp_path: Path) -> None:
    first = make_entry(verify_result(source)).id
    again = make_entry(verify_result(make_result(tmp_path / "again", seeds=2))).id
    other = make_entry(verify_result(make_result(tmp_path / "other", seeds=2, skill=0.7))).id
    assert first == again != other
    assert re.fullmatch(r"lif-2-seeds-[0-9a-f]{8}", first)


def test_second_submission_is_refused_unless_it_may_replace(source: Path, tmp_path: Path) -> None:
    target = submit(source, tmp_path / "entries")
    with pytest.raises(OutputExistsError, match="submitted already; --overwrite replaces it"):
        submit(source, tmp_path / "entries", name="again")
    assert read_entry(target).entry.name == "lif"
    assert submit(source, tmp_path / "entries", name="again", overwrite=True) == target
    assert read_entry(target).entry.name == "again"
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_failure_while_writing_leaves_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(entry_module.shutil, "copyfile", full)
    with pytest.raises(ResultError, match="cannot be written: no space left on device"):
        submit(source, tmp_path / "entries")
    assert not (tmp_path / "entries").exists()
    (tmp_path / "entries").mkdir()
    with pytest.raises(ResultError, match="cannot be written"):
        submit(source, tmp_path / "entries")
    assert list((tmp_path / "entries").iterdir()) == []


def test_a_copy_that_does_not_hold_names_its_source_and_leaves_nothing(tmp_path: Path) -> None:
    source = make_result(tmp_path / "source", spiking=False)
    result = verify_result(source)
    entry = make_entry(result, track="spiking")
    with pytest.raises(ResultError) as caught:
        write_entry(source, tmp_path / "new" / "entries", entry, result, overwrite=False)
    said = f"{source}: does not make a valid entry: entry.json: track spiking, but "
    assert str(caught.value) == f"{said}the model is not spiking according to the result"
    assert not (tmp_path / "new").exists()
    origin = tmp_path / "mine.csv"
    with pytest.raises(ResultError, match=re.escape(f"{origin}: does not make a valid entry")):
        write_entry(source, tmp_path / "e", entry, result, overwrite=False, origin=origin)


def test_failed_replacement_keeps_the_old_entry(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = submit(source, tmp_path / "entries")
    rename = Path.rename

    def fail(self: Path, to: Path) -> Path:
        if Path(to) == target and self.name == target.name:
            raise OSError(5, "Input/output error")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(ResultError, match="input/output error"):
        submit(source, tmp_path / "entries", name="again", overwrite=True)
    assert read_entry(target).entry.name == "lif"


def test_predictions_swapped_for_a_link_after_the_check(source: Path, tmp_path: Path) -> None:
    result = verify_result(source)
    path = source / "predictions-seed0.csv"
    path.rename(tmp_path / "elsewhere.csv")
    path.symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(ResultError, match="must be a plain file"):
        write_entry(source, tmp_path / "entries", make_entry(result), result, overwrite=False)


@pytest.mark.parametrize(
    "dataset", ["../../escape", "/etc", "..", "a\\b", "日本", "CON: ", "x" * 200]
)
def test_no_name_of_a_data_set_escapes_the_folder(tmp_path: Path, dataset: str) -> None:
    source = make_result(tmp_path / "source", seeds=1, dataset=dataset, model="../../" + "m" * 190)
    target = submit(source, tmp_path / "entries")
    assert target.parent.parent == tmp_path / "entries"
    assert len(read_entries([tmp_path / "entries"])) == 1


@given(st.text(max_size=200))
def test_slug_is_safe_for_any_text(text: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug(text, "data"))
    assert len(slug(text, "data")) <= 40
    assert slug(slug(text, "data"), "data") == slug(text, "data")


@pytest.mark.parametrize(
    ("text", "message"),
    [("x" * 101, "name: .* at most 100"), ("a\x1b[2Jb", "name: .* cannot be printed")],
)
def test_name_that_would_spoil_a_terminal_is_refused(source: Path, text: str, message: str) -> None:
    with pytest.raises(ResultError, match=message):
        make_entry(verify_result(source), text)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("id", "../../x", "id: must match"),
        ("id", "another-id", "its id is 'another-id', but its folder"),
        ("dataset", "../x", "dataset: must match"),
        ("dataset", "shd", "for another data set, 'toy-digits'"),
        ("name", "a\u202eb", "name: .* cannot be printed"),
        ("schema_version", 1, "schema_version: must be 2, not 1"),
        ("result_sha256", "0" * 64, "not the file that was submitted"),
        ("url", "javascript:alert(1)", "url: unknown key 'url'; known: authors"),
    ],
)
def test_entry_that_was_edited_is_refused(
    stored: Path, key: str, value: object, message: str
) -> None:
    edit_json(stored / "entry.json", key, value=value)
    with pytest.raises(ResultError, match=message):
        read_entries([stored.parent.parent])


@pytest.mark.parametrize("name", ["entry.json", "result.json", "predictions-seed1.csv"])
def test_half_missing_entry_is_refused(stored: Path, name: str) -> None:
    (stored / name).unlink()
    with pytest.raises(ResultError, match=f"{name}: no such file"):
        read_entries([stored.parent.parent])


def test_better_predictions_with_matching_hashes_still_fail(stored: Path) -> None:
    path = stored / "predictions-seed0.csv"
    lines = path.read_text().splitlines()
    perfect = [lines[0]]
    for line in lines[1:]:
        index, label, _, speaker = line.split(",")
        perfect.append(f"{index},{label},{label},{speaker}")
    path.write_text("\n".join(perfect) + "\n")
    with pytest.raises(ResultError, match="was changed after the evaluation"):
        read_entries([stored.parent.parent])


def test_all_bad_entries_are_named(stored: Path, tmp_path: Path) -> None:
    other = submit(make_result(tmp_path / "b", seeds=2, skill=0.6), tmp_path / "entries")
    for folder in (stored, other):
        (folder / "entry.json").unlink()
    with pytest.raises(ResultError, match="2 entries fail") as caught:
        read_entries([tmp_path / "entries"])
    said = "\n".join(caught.value.details)
    assert stored.name in said
    assert other.name in said


def test_a_folder_of_another_level_is_named(stored: Path, tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="toy-digits: contains the entries of one data set; give"):
        read_entries([stored.parent])
    with pytest.raises(ResultError, match="is an entry; give the folder two levels above"):
        read_entries([stored])
    for place in (tmp_path / "absent", stored / "entry.json"):
        with pytest.raises(ResultError, match="no such folder; give the folder of an entry"):
            read_entry(place)
    with pytest.raises(ResultError, match="no such file, so the folder is not an entry"):
        read_entry(stored.parent)


def test_several_processes_read_the_same_and_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PER_CALL", 2)
    folders = [tmp_path / "a", tmp_path / "b"]
    for number, skill in enumerate((0.5, 0.6, 0.7, 0.8)):
        source = make_result(tmp_path / f"source{number}", seeds=1, skill=skill)
        stored = submit(source, folders[number % 2])
    alone = read_entries(folders, jobs=1)
    told: list[tuple[int, int]] = []
    assert read_entries(folders, 2, lambda *progress: told.append(progress)) == alone
    assert told == [(2, 4), (4, 4)]
    assert len(alone) == 4
    shutil.copytree(stored, folders[0] / "toy-digits" / stored.name)
    (folders[0] / "other").mkdir()
    stored.rename(folders[0] / "other" / stored.name)
    edit_json(next((tmp_path / "b").glob("*/*/entry.json")), "name", value="")
    said = []
    for jobs in (1, 2):
        with pytest.raises(ResultError, match="2 entries fail their checks") as caught:
            read_entries(folders, jobs=jobs)
        said.append((str(caught.value), caught.value.details))
    assert said[0] == said[1]


def test_an_entry_that_was_checked_is_checked_again_only_if_a_byte_of_it_changed(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path / "store"))
    checked: list[Path] = []

    def check(folder: Path) -> StoredEntry:
        checked.append(folder)
        return read_entry(folder)

    def read() -> list[StoredEntry]:
        return read_entries([tmp_path / "entries"], use_memory=True)

    monkeypatch.setattr(reading, "read_entry", check)
    first = read()
    assert read() == first
    assert checked == [stored]
    assert first[0].contents_sha256
    # Without the memory nothing is looked up, and nothing but the SHA-256 is missing.
    assert read_entries([tmp_path / "entries"]) == [replace(first[0], contents_sha256="")]
    assert checked == [stored] * 2
    # Another name, and other contents of the same length.
    entry = json.loads((stored / "entry.json").read_text())
    (stored / "entry.json").write_text(json.dumps(entry | {"authors": "somebody"}))
    assert read()[0].entry.authors == "somebody"
    assert checked == [stored] * 3
    predictions = stored / "predictions-seed1.csv"
    text = predictions.read_bytes()
    predictions.write_bytes(text[:-4] + (b"0" if text[-4:-3] != b"0" else b"1") + text[-3:])
    for _ in range(2):  # what failed is not remembered
        with pytest.raises(ResultError, match="its SHA-256 is"):
            read()
    predictions.write_bytes(text)
    assert read()[0].entry.authors == "somebody"
    assert checked == [stored] * 5


@pytest.mark.parametrize("damage", ["", "cut", "changed", "another program", "other data sets"])
def test_a_memory_that_is_damaged_or_of_something_else_is_ignored(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path / "store"))
    contents = read_contents(stored)
    assert contents is not None
    assert recall(contents.sha256) is None
    (found,) = read_entries([tmp_path / "entries"], use_memory=True)
    passed = {"parameters_counted": False, "labels_compared": False, "signers": ()}
    assert recall(contents.sha256) == (found.breakdown, passed)
    path = tmp_path / "store" / memory.FOLDER / contents.sha256
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[:-5])
    elif damage == "changed":
        path.write_bytes(content.replace(b'["', b'[["', 1))
    elif damage == "another program":
        monkeypatch.setattr(memory, "program_sha256", lambda: "0" * 64)
    elif damage:
        monkeypatch.setattr(memory, "surroundings", lambda: "0" * 64)
    assert (recall(contents.sha256) is None) == bool(damage)
    assert read_entries([tmp_path / "entries"], use_memory=True) == [found]


def test_where_nothing_can_be_written_nothing_is_remembered(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path / "file"))
    (found,) = read_entries([tmp_path / "entries"], use_memory=True)
    assert recall(found.contents_sha256) is None


def test_linked_entry_is_refused(stored: Path, tmp_path: Path) -> None:
    stored.rename(tmp_path / stored.name)
    stored.symlink_to(tmp_path / stored.name)
    with pytest.raises(ResultError, match="a link; entries must be in the folder itself"):
        read_entries([tmp_path / "entries"])


def test_entry_below_another_data_set_is_refused(stored: Path, tmp_path: Path) -> None:
    stored.parent.rename(stored.parent.parent / "shd")
    with pytest.raises(ResultError, match="belongs below toy-digits/"):
        read_entries([tmp_path / "entries"])


def test_the_same_entry_in_two_folders_is_refused(source: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        submit(source, folder)
    with pytest.raises(ResultError, match="the same entry as"):
        read_entries(folders)


def test_readme_and_hidden_folders_are_passed_over(stored: Path, tmp_path: Path) -> None:
    (tmp_path / "entries" / "README.md").write_text("hello")
    (stored.parent / ".lif.partial").mkdir()
    assert len(read_entries([tmp_path / "entries"])) == 1


def test_missing_folder_of_entries_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="no such folder of entries"):
        read_entries([tmp_path / "absent"])


def test_shipped_entries_hold() -> None:
    assert (entry_module.SHIPPED_ENTRIES / "README.md").is_file()
    assert len(read_entries([entry_module.SHIPPED_ENTRIES])) == len(
        list(entry_module.SHIPPED_ENTRIES.glob("*/*/entry.json"))
    )


def test_schema_can_be_published() -> None:
    schema = json.loads(json.dumps(Entry.model_json_schema()))
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == set(Entry.model_fields) - {
        *("schema_version", "withdrawn", "hardware")
    }
