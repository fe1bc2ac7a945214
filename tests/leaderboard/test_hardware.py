"""Measurements on chips: a form, claims that must make sense, ranks of what was measured, a table of their own."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.commands import run
from helpers.forms import N, fill_in, fill_in_chip

from leaderboard.claims.entry import ENTRY_FILE, StoredEntry, read_entry, write_entry
from leaderboard.claims.hardware import Figure
from leaderboard.claims.outside import outside_result, read_form, write_kit
from leaderboard.pages.report import unique_rows
from leaderboard.pages.site import build_site
from leaderboard.standings.chips import chip_rows, chip_tables, chips_csv, in_si
from leaderboard.standings.oddities import flag
from leaderboard.standings.ranking import build_boards
from leaderboard.standings.table import measured_rows
from spikebench.errors import ResultError


@pytest.fixture
def kit(tmp_path: Path) -> tuple[Path, Path]:
    return fill_in_chip(tmp_path / "mine")


def submit(predictions: Path, form: Path, entries: Path) -> StoredEntry:
    with outside_result(predictions, form) as (folder, result, entry):
        target = write_entry(folder, entries, entry, result, overwrite=False)
    return read_entry(target)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def changed(stored: StoredEntry, name: str, **fields: object) -> StoredEntry:
    """Return the entry with another id and other fields of its measurement."""
    assert stored.entry.hardware is not None
    hardware = stored.entry.hardware.model_copy(update=fields)
    entry = stored.entry.model_copy(update={"id": name, "name": name, "hardware": hardware})
    return replace(stored, entry=entry)


def energy(value: float, half: float = 1e-5, basis: str = "measured") -> Figure:
    return Figure.model_validate({"value": value, "uncertainty": half, "basis": basis})


def test_an_empty_form_is_refused_and_a_filled_one_makes_an_entry(
    kit: tuple[Path, Path], tmp_path: Path
) -> None:
    form, _, _ = write_kit(tmp_path / "empty", "digits", hardware=True)
    with pytest.raises(ResultError) as raised:
        read_form(form)
    said = "\n".join([str(raised.value), *raised.value.details])
    for place in ("hardware.device", "hardware.instrument", "hardware.idle_power_w.value"):
        assert place in said
    stored = submit(*kit, tmp_path / "entries")
    hardware = stored.entry.hardware
    assert hardware is not None
    assert (hardware.device, hardware.samples) == ("Made-up chip, rev. A", N)
    assert stored.tracks == ("hardware",)
    assert stored.tier == "recomputed"
    assert 0.5 < stored.result.summary.test_mean < 0.75  # from the predictions
    (row,) = chip_rows(build_boards([stored]))
    assert (row.rank, row.energy_per_sample_j, row.idle_power_basis) == (1, 0.0012, "measured")
    assert row.latency_uncertainty_s == pytest.approx(0.0002)
    assert unique_rows(measured_rows(build_boards([stored]))) == []
    assert flag([stored])[0].flags == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("value = 0.0012", "value = -0.0012", r"energy_per_sample_j\.value: must be more than 0"),
        ("value = 0.0012", "value = nan", r"energy_per_sample_j\.value: must be"),
        ("value = 0.0012", "value = inf", r"energy_per_sample_j\.value: must be"),
        ("value = 0.0012", "value = 1e12", r"energy_per_sample_j\.value: must be at most"),
        ("value = 0.0012", 'value = "1.2 mJ"', r"energy_per_sample_j\.value: must be a number"),
        ("value = 0.0012", "value = true", r"energy_per_sample_j\.value: must be a number"),
        ('measured_on = "2026-01-31"', 'measured_on = "2099-01-31"', "is in the future"),
        ('instrument = "Source meter, 1 kHz"', 'instrument = "   "', "must not be blank"),
        ("uncertainty = 6e-05", "uncertainty = 0.0", "uncertainty: must be more than 0"),
        ("uncertainty = 6e-05", "uncertainty = 0.1", "the uncertainty is larger than the value"),
        ("uncertainty = 6e-05\n", "", "energy_per_sample_j.uncertainty: is missing"),
        ('basis = "measured"', 'basis = "felt"', "basis: must be"),
        ("[hardware.energy_per_sample_j]", "[hardware.energy_per_sample]", "unknown key"),
        ("[hardware.energy_per_sample_j]", "[hardware.energy_per_sample_mj]", "unknown key"),
        ("value = 0.02\n", "value = 20.0\n", r"idle_power_w \(20\) is more than active_power_w"),
        ('basis = "measured"', 'basis = "derived"', ""),
        ('measured_on = "2026-01-31"', 'measured_on = "2026-02-31"', "measured_on"),
        ('instrument = "Source meter, 1 kHz"', 'instrument = ""', "instrument"),
        ('method = "mean', 'method = "a\\u001b[2Jmean', "cannot be printed"),
        ('includes = ["network"]', 'includes = ["host"]', "includes must contain network"),
        ('latency_from = "last input"', "", "latency_from is missing"),
        (f"samples = {N} ", f"samples = {N + 1} ", f"but there are {N} test samples"),
        ("batch_size = 1", "batch_size = 0", "batch_size: must be at least 1"),
        ('track = "hardware"', 'track = "spiking" ', "belong to the track hardware, not spiking"),
        ('method = "mean', 'method = "see /home/anna/x: mean', "a path of a machine"),
    ],
)
def test_claims_that_cannot_be_right_are_refused(
    kit: tuple[Path, Path], tmp_path: Path, old: str, new: str, message: str
) -> None:
    edit(kit[1], old, new)
    if not message:  # a derived energy that follows from power and throughput
        assert submit(*kit, tmp_path / "entries").entry.hardware is not None
        return
    with pytest.raises(ResultError, match=message) as caught:
        submit(*kit, tmp_path / "entries")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "entries").exists()


def test_a_derived_energy_must_follow_from_power_and_throughput(kit: tuple[Path, Path]) -> None:
    edit(kit[1], 'basis = "measured"', 'basis = "derived"')
    edit(kit[1], "value = 0.0012", "value = 1.2")
    edit(kit[1], "uncertainty = 6e-05", "uncertainty = 0.1")
    with pytest.raises(
        ResultError,
        match=r"is 1\.2, but active_power_w / throughput_per_s is 0\.0012; are the units",
    ):
        read_form(kit[1])


def test_a_kit_without_predictions_is_refused(tmp_path: Path) -> None:
    predictions, form = fill_in_chip(tmp_path / "mine")
    predictions.write_text("seed,index,predicted\n")
    with pytest.raises(ResultError, match="contains no predictions"):
        submit(predictions, form, tmp_path / "entries")
    predictions.unlink()
    with pytest.raises(ResultError, match="no such file"):
        submit(predictions, form, tmp_path / "entries")


def test_other_tracks_contain_no_measurements(tmp_path: Path) -> None:
    predictions, form = fill_in(tmp_path / "mine", seeds=1)
    edit(form, 'track = "spiking"', 'track = "hardware"')
    with pytest.raises(ResultError, match="--kit FOLDER --hardware` writes a form"):
        submit(predictions, form, tmp_path / "entries")


def test_changed_claims_of_an_entry_are_refused(kit: tuple[Path, Path], tmp_path: Path) -> None:
    stored = submit(*kit, tmp_path / "entries")
    entry = json.loads((stored.folder / ENTRY_FILE).read_text())
    entry["hardware"]["idle_power_w"]["value"] = -1
    (stored.folder / ENTRY_FILE).write_text(json.dumps(entry))
    with pytest.raises(ResultError, match=r"hardware\.idle_power_w\.value"):
        read_entry(stored.folder)
    del entry["hardware"]
    (stored.folder / ENTRY_FILE).write_text(json.dumps(entry))
    with pytest.raises(ResultError, match="track hardware needs the measurements of a chip"):
        read_entry(stored.folder)


def test_only_what_was_measured_alike_is_ranked(kit: tuple[Path, Path], tmp_path: Path) -> None:
    base = submit(*kit, tmp_path / "entries")
    entries = [
        changed(base, "second", energy_per_sample_j=energy(2e-3)),
        changed(base, "first", energy_per_sample_j=energy(1e-3, 1e-4)),
        changed(base, "tied", energy_per_sample_j=energy(1.05e-3)),
        changed(base, "derived", energy_per_sample_j=energy(1e-6, 1e-7, "derived")),
        changed(base, "simulated", energy_per_sample_j=energy(1e-6, 1e-7, "simulated")),
        changed(base, "none", energy_per_sample_j=None),
        changed(base, "part", samples=N - 1),
        changed(base, "board", scope="board"),
        changed(base, "batched", batch_size=8),
        changed(base, "slow", pace="real time"),
    ]
    rows = {row.id: row for row in chip_rows(build_boards(entries))}
    assert {name: (row.rank, row.tied) for name, row in rows.items() if row.rank} == {
        "first": (1, True),
        "tied": (1, True),
        "second": (3, False),
        "board": (1, False),
        "batched": (1, False),
        "slow": (1, False),
    }
    assert (
        rows["derived"].unranked_reason
        == "its energy per sample is derived; a rank needs a measured one"
    )
    assert rows["none"].unranked_reason == "no energy per sample"
    assert (
        rows["part"].unranked_reason == f"measured on {N - 1} of {N} test samples; a rank needs all"
    )
    sizes = [len(table.rows) for table in chip_tables(rows.values())]
    assert sorted(sizes) == [1, 1, 1, 7]


def test_a_chip_that_guesses_has_no_rank(tmp_path: Path) -> None:
    stored = submit(*fill_in_chip(tmp_path / "mine", skill=0.0), tmp_path / "entries")
    (row,) = chip_rows(build_boards([stored]))
    assert (row.rank, row.unranked_reason) == (None, "the accuracy is not above chance")


def test_power_that_contradicts_the_energy_is_an_oddity(tmp_path: Path) -> None:
    stored = submit(*fill_in_chip(tmp_path / "mine", energy=0.0001), tmp_path / "entries")
    (flags,) = (one.flags for one in flag([stored]))
    assert flags == ("the energy per sample is 0.083 times active power divided by throughput",)


@pytest.mark.parametrize(("energy", "factor"), [(0.0001, "0.083"), (1.2, "1e+03"), (0.0012, "")])
def test_submit_and_verify_tell_energy_that_contradicts_power(
    energy: float, factor: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predictions, form = fill_in_chip(tmp_path / "mine", energy=energy)
    entries = ("--entries", tmp_path / "entries")
    code, out, _ = run(capsys, "submit", predictions, "--form", form, *entries)
    said = f"the energy per sample is {factor} times active power divided by throughput"
    assert (code, said in out, "check the form" in out) == (0, bool(factor), bool(factor))
    (entry,) = (tmp_path / "entries" / "digits").iterdir()
    code, out, _ = run(capsys, "verify", entry)
    assert (code, said in out, "measurement:" in out) == (0, bool(factor), bool(factor))
    code, out, _ = run(capsys, "verify", entry, "--json")
    assert json.loads(out)["contradiction"] == (said if factor else None)
    again = ("--form", form, *entries, "--overwrite", "--json")
    code, out, _ = run(capsys, "submit", predictions, *again)
    assert json.loads(out)["contradiction"] == (said if factor else None)


def test_the_page_has_a_table_of_chips_and_escapes_it(
    kit: tuple[Path, Path], tmp_path: Path
) -> None:
    edit(kit[1], 'device = "Made-up chip, rev. A"', 'device = "<script>alert(1)</script>"')
    edit(kit[1], 'measured_by = "Lab"', 'measured_by = "=1+1"')
    stored = submit(*kit, tmp_path / "entries")
    build_site([stored], [], tmp_path / "site")
    index = (tmp_path / "site" / "index.html").read_text()
    assert "Measured on chips" in index
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in index
    assert "<script>alert" not in index
    assert "1.2 mJ" in index
    data = json.loads((tmp_path / "site" / "leaderboard.json").read_text())
    assert (data["measured"], len(data["hardware"])) == ([], 1)
    with (tmp_path / "site" / "hardware.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["measured_by"] == "'=1+1"
    assert float(row["active_power_w"]) == 0.03
    page = (tmp_path / "site" / "entries" / "digits" / f"{stored.entry.id}.html").read_text()
    assert "by energy per sample" in page
    assert "Source meter, 1 kHz" in page
    assert "<script>alert" not in page
    assert next(csv.reader(io.StringIO(chips_csv([]))))[0] == "dataset"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.0012, "J", "1.2 mJ"), (3.2e-8, "J", "32 nJ"), (5e-13, "J", "0.5 pJ"), (1.0, "W", "1 W"),
     (2500.0, "W", "2.5 kW"), (25.0, "1/s", "25 1/s"), (1234.5, "1/s", "1,234 1/s"), (0.1234, "s", "123 ms")],
)  # fmt: skip
def test_values_are_written_with_prefixes(value: float, unit: str, text: str) -> None:
    assert in_si(value, unit) == text


def test_the_way_of_a_chip_team(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(capsys, "submit", "--kit", "mine", "--hardware", "--data", "digits")
    assert code == 0
    assert "fill in what you measured meanwhile" in out
    assert "[hardware.energy_per_sample_j]" in (tmp_path / "mine" / "form.toml").read_text()
    code, _, err = run(
        capsys, "submit", "mine/predictions.csv", "--hardware", "--form", "mine/form.toml"
    )
    assert (code, "leave out --hardware" in err) == (2, True)
    predictions, form = fill_in_chip(tmp_path / "chip")
    code, out, _ = run(capsys, "submit", predictions, "--form", form, "--entries", "entries")
    assert code == 0
    assert "Tracks: hardware." in out
    code, out, _ = run(capsys, "leaderboard", "show", "--entries", "entries")
    assert code == 0
    assert "Recomputed: measured on chips" in out
    assert "1.2 mJ" in out
    code, out, _ = run(capsys, "leaderboard", "show", "--entries", "entries", "--json")
    assert json.loads(out)["hardware"][0]["device"] == "Made-up chip, rev. A"
