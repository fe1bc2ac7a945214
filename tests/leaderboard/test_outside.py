"""Entries of people who did not use our trainer: predictions, a form, and nothing taken on trust."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.forms import TEST, fill_in

from leaderboard.claims.entry import StoredEntry, read_entry, write_entry
from leaderboard.claims.outside import (
    outside_result,
    read_form,
    read_outside_predictions,
    write_kit,
)
from leaderboard.standings.ranking import build_boards
from leaderboard.standings.table import measured_rows
from spikebench.errors import OutputExistsError, ResultError, SpikebenchError


@pytest.fixture
def kit(tmp_path: Path) -> tuple[Path, Path]:
    return fill_in(tmp_path / "mine")


def submit(predictions: Path, form: Path, entries: Path) -> StoredEntry:
    with outside_result(predictions, form) as (folder, result, entry):
        target = write_entry(folder, entries, entry, result, overwrite=False)
    assert not folder.exists()
    return read_entry(target)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_kit_lists_every_sample_once_and_the_test_samples_to_answer(tmp_path: Path) -> None:
    form, splits, predictions = write_kit(tmp_path / "mine", "digits")
    with splits.open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["split", "index"]
    assert sorted(int(index) for _, index in rows[1:]) == list(range(840))
    counts = {name: sum(row[0] == name for row in rows) for name in ("train", "validation", "test")}
    assert counts == {"train": 552, "validation": 111, "test": 177}
    lines = predictions.read_text().splitlines()
    assert lines == ["seed,index,predicted", *(f"0,{k}," for k in TEST.index)]
    with pytest.raises(ResultError, match=r"form\.toml: name: .* at least 1 character"):
        read_form(form)  # nobody hands in what was not filled in
    with pytest.raises(OutputExistsError, match=re.escape(f"{form}: exists already")):
        write_kit(tmp_path / "mine", "digits")


def test_filled_in_kit_becomes_an_entry_scored_here(kit: tuple[Path, Path], tmp_path: Path) -> None:
    stored = submit(*kit, tmp_path / "entries")
    result = stored.result
    predictions, _ = kit
    with predictions.open() as file:
        said = {(r["seed"], int(r["index"])): int(r["predicted"]) for r in csv.DictReader(file)}
    for record in result.seeds:
        right = [
            said[str(record.seed), k] == v for k, v in zip(TEST.index, TEST.labels, strict=True)
        ]
        assert record.test_accuracy == np.mean(right)
        assert record.train_seconds is None
        assert record.weights_file is None
    assert result.summary.validation_mean == pytest.approx(0.62, rel=1e-12)
    assert result.model.config == {"note": "layers"}
    assert stored.tier == "recomputed"
    assert stored.tracks == ("spiking",)  # its parameters are only claimed
    assert [board.entries[0].rank for board in build_boards([stored])] == [1]


def test_a_form_may_say_that_the_model_was_refitted(tmp_path: Path) -> None:
    predictions, form = fill_in(tmp_path / "mine")
    edit(form, "refit = false", "refit = true")
    stored = submit(predictions, form, tmp_path / "entries")
    assert [record.refit_epochs for record in stored.result.seeds] == [12] * 5
    (row,) = measured_rows(build_boards([stored]))
    assert row.refitted


def test_the_same_predictions_make_the_same_entry(kit: tuple[Path, Path], tmp_path: Path) -> None:
    submit(*kit, tmp_path / "entries")
    with pytest.raises(OutputExistsError, match="submitted already; --overwrite replaces it"):
        submit(*kit, tmp_path / "entries")


def test_fewer_seeds_or_no_validation_have_no_rank(tmp_path: Path) -> None:
    predictions, form = fill_in(tmp_path / "mine", seeds=4)
    stored = submit(predictions, form, tmp_path / "entries")
    assert build_boards([stored])[0].entries[0].reason == "4 seeds; a rank needs 5"
    predictions, form = fill_in(tmp_path / "other")
    edit(form, 'selected_on = "validation"', 'selected_on = "none"')
    edit(form, "validation_accuracy = 0.60\n", "")
    with pytest.raises(ResultError, match=r"seeds\.0\.validation_accuracy: is missing"):
        submit(predictions, form, tmp_path / "entries")


def test_all_that_is_wrong_with_a_form_is_told_at_once(tmp_path: Path) -> None:
    predictions, form = fill_in(tmp_path / "mine")
    edit(form, "parameters = 4321", 'parameters = "many"')
    edit(form, "ensemble = 1 ", "ensembles = 1 ")
    edit(form, "validation_accuracy = 0.60", "validation_accuracy = 60")
    with pytest.raises(ResultError) as raised:
        submit(predictions, form, tmp_path / "entries")
    said = [str(raised.value), *raised.value.details]
    assert len(said) >= 3
    assert any("model.parameters: must be a whole number, not 'many'" in line for line in said)
    assert any("unknown key 'ensembles'" in line and "'ensemble'?" in line for line in said)
    assert any("validation_accuracy: must be at most 1, not 60" in line for line in said)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('selected_on = "validation"', 'selected_on = "test"', "selected on the test split"),
        ("test_opened = 1 ", "test_opened = 40 ", "opened 40 times"),
        ("spiking = true", "spiking = false", "track spiking, but model.spiking is false"),
        (
            'protocol = "speakers-v1"',
            'protocol = "mine-v1"',
            "under mine-v1, but the data are digits",
        ),
        ('dataset = "digits"', 'dataset = "digit"', "unknown|no such file"),
        ("seed = 4\n", "seed = 5\n", "contains the seeds 0, 1, 2, 3, 4, the form 0, 1, 2, 3, 5"),
        ("seed = 4\n", "seed = 3\n", "a seed appears twice"),
        ("ensemble = 1 ", "ensemble = 0 ", "declared.ensemble: must be at least 1, not 0"),
        ("parameters = 4321", "parameters = nan", "model.parameters"),
        ("parameters = 4321", "parameters = 0", "model.parameters: must be at least 1, not 0"),
        ("validation_accuracy = 0.60", "validation_accuracy = nan", "seeds.0.validation_accuracy"),
        ("validation_accuracy = 0.60", "validation_accuracy = 1.2", "must be at most 1, not 1.2"),
        ('name = "My network"', 'name = "a\\u001b[2Jb"', "name: .* cannot be printed"),
        ("schema_version = 1", "schema_version = 2", "schema_version: must be 1, not 2"),
        ("citation", "cite", "cite: unknown key 'cite'"),
        ('# link = "https://', 'link = "javascript:alert(1)//', "link: must match"),
        ("spiking = true", 'name = "twice"\nspiking = true', "not readable as TOML"),
        ("parameters = 4321", "parameters = " + "9" * 5000, "not readable as TOML"),
        ('note = "layers"', "note = " + "[" * 40 + "]" * 40, "config: nested deeper than 16"),
        ('note = "layers"', "note = " + "[" * 9000 + "]" * 9000, "nested too deeply|TOML"),
    ],
)
def test_form_that_does_not_fit_is_refused(
    kit: tuple[Path, Path], tmp_path: Path, old: str, new: str, message: str
) -> None:
    edit(kit[1], old, new)
    with pytest.raises(SpikebenchError, match=message) as caught:
        submit(*kit, tmp_path / "entries")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "entries").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[:-1], "seed 4: 1 test samples are missing; splits.csv lists them"),
        (lambda lines: [*lines, "0,0,3"], "seed 0: 1 are not of the test split"),
        (lambda lines: [*lines, lines[1]], "line 887: sample .* of seed 0 appears twice"),
        (lambda lines: [lines[0]], "contains no predictions"),
        (lambda lines: [*lines[:-1], lines[-1].rsplit(",", 1)[0] + ",20"], "sample .*: class 20 is outside 0 … 19"),
        (lambda lines: ["index,predicted", *lines[1:]], "the first line must be seed,index,predicted"),
        (lambda lines: [*lines, "1,2"], "line 887 has 2 fields instead of 3"),
        (lambda lines: [*lines, "1,2,=1+1"], "'=1\\+1' is not a whole number"),
        (lambda lines: [*lines, "1,2,-1"], "'-1' is not a whole number"),
        (lambda lines: [*lines, "1,2,NaN"], "'NaN' is not a whole number"),
        (lambda lines: [*lines, "1,2," + "9" * 5000], "is not a whole number"),
        (lambda lines: [*lines, "1,2,٣"], "is not a whole number"),
        (lambda lines: [*lines, '1,2,"3'], "unexpected end of data"),
    ],
)  # fmt: skip
def test_predictions_that_do_not_fit_are_refused(
    kit: tuple[Path, Path], tmp_path: Path, change: object, message: str
) -> None:
    lines = kit[0].read_text().splitlines()
    kit[0].write_text("\n".join(change(lines)) + "\n", encoding="utf-8")  # type: ignore[operator]
    with pytest.raises(ResultError, match=message) as caught:
        submit(*kit, tmp_path / "entries")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert not (tmp_path / "entries").exists()


def test_huge_files_are_refused_unread(kit: tuple[Path, Path]) -> None:
    for path, read in zip(kit, (read_outside_predictions, read_form), strict=True):
        with path.open("r+b") as file:
            file.truncate(2 * 1024**3)
        with pytest.raises(ResultError, match="larger than"):
            read(path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    for read in (read_outside_predictions, read_form):
        with pytest.raises(ResultError, match="absent: no such file"):
            read(tmp_path / "absent")
