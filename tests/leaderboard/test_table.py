"""The rows that page, terminal and downloads show: means by hand, what is not known, harmless cells."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from helpers.leaderboard_results import make_metrics, make_result

from leaderboard.checks.recomputation import verify_result
from leaderboard.claims.entry import StoredEntry, Withdrawal, make_entry
from leaderboard.claims.literature import read_literature
from leaderboard.claims.tier import SeedCheck, Verification
from leaderboard.standings.ranking import build_boards
from leaderboard.standings.table import (
    Row,
    entry_json,
    literature_csv,
    measured_csv,
    measured_rows,
    to_json,
)
from spikebench.metrics.record import Energy, Metrics, NotApplicable

FORMULA = '=HYPERLINK("http://a.example")'


def store(folder: Path, **options: Any) -> StoredEntry:  # noqa: ANN401
    result = verify_result(make_result(folder, **options))
    return StoredEntry(make_entry(result, FORMULA), result, folder)


def rows(*entries: StoredEntry) -> list[Row]:
    return measured_rows(build_boards(entries))


def test_costs_are_means_over_the_seeds(tmp_path: Path) -> None:
    (row,) = rows(store(tmp_path / "r", seeds=2, metrics=[make_metrics(10), make_metrics(30)]))
    assert (row.effective_ac, row.effective_mac) == (20.0, 0.0)
    assert row.spikes_per_inference == 20 / 16
    assert row.latency_to_95_percent_s == 0.75
    assert row.footprint_bytes == 46_160
    assert row.energy_picojoules == {"horowitz-45nm": 18.0}


UNKNOWN = NotApplicable(not_applicable="it multiplies")


def test_what_one_seed_does_not_know_is_unknown_and_never_0(tmp_path: Path) -> None:
    loihi = Energy(table="loihi", technology="14 nm", source="Davies", picojoules=UNKNOWN)
    other = make_metrics(
        30, effective_ac=UNKNOWN, effective_mac=None, latency=UNKNOWN, energy=[loihi]
    )
    (row,) = rows(store(tmp_path / "r", seeds=2, metrics=[make_metrics(10), other]))
    assert row.effective_ac is row.effective_mac is row.latency_to_95_percent_s is None
    assert row.energy_picojoules == {"horowitz-45nm": None, "loihi": None}
    assert row.spikes_per_inference == 20 / 16
    (row,) = rows(store(tmp_path / "s", seeds=2, metrics=[make_metrics(10), None]))
    assert row.effective_ac is row.footprint_bytes is row.spikes_per_inference is None
    (row,) = rows(store(tmp_path / "t", seeds=1, metrics=[Metrics(energy=UNKNOWN)]))
    assert row.energy_picojoules == {}


def verified(stored: StoredEntry) -> StoredEntry:
    check = Verification(
        kind="inference",
        by="Lab",
        when="2026-02-03T04:05:06+00:00",
        software="spikebench 0.2",
        environment={"cpu": "x86"},
        command="spikebench verify --inference",
        data_sha256="ab" * 32,
        result_sha256=stored.entry.result_sha256,
        entry_sha256=stored.entry.sha256,
        seeds=[SeedCheck(seed=0, accuracy=0.8, agreement=1.0)],
        mean=0.8,
        claimed_interval=stored.result.summary.test_interval,
    )
    entry = stored.entry.model_copy(
        update={
            "withdrawn": Withdrawal(date="2026-03-01", reason="the data leaked"),
            "link": "https://example.org/x",
            "citation": "=A. Smith, 2026",
        }
    )
    return replace(
        stored, entry=entry, verifications=(check,), signers=("lab@example.org",), flags=("odd",)
    )


def test_tier_track_declarations_and_what_was_verified(tmp_path: Path) -> None:
    stored = verified(store(tmp_path / "r", seeds=2, time_step_ms=10.0))
    first, second = rows(stored)
    assert [row.track for row in (first, second)] == ["spiking", "constrained"]
    assert first.tier == second.tier == "verified-inference"
    assert (first.augmentation, first.ensemble, first.input) == ("none", 1, "binary")
    assert (first.time_step_ms, first.time_steps, first.look_ahead) == (10.0, 100, None)
    assert [(v.kind, v.by, v.when[:10], v.trusted) for v in first.verified] == [
        ("inference", "Lab", "2026-02-03", "lab@example.org")
    ]
    assert first.flags == ("odd",)
    assert first.withdrawn == "withdrawn on 2026-03-01: the data leaked"
    assert first.rank is None
    assert first.protocol_in_use
    assert first.page == f"entries/toy-digits/{stored.entry.id}.html"


def test_csv_has_flat_harmless_cells(tmp_path: Path) -> None:
    stored = store(tmp_path / "r", seeds=2, metrics=[make_metrics(10), make_metrics(30)])
    text = measured_csv(rows(verified(stored)))
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["name"] == "'" + FORMULA
    assert row["citation"] == "'=A. Smith, 2026"
    assert row["energy_picojoules"] == "horowitz-45nm: 18.0"
    assert (
        row["verified"] == "inference Lab 2026-02-03T04:05:06+00:00 spikebench 0.2 lab@example.org"
    )
    assert row["flags"] == "odd"
    assert row["look_ahead"] == ""
    assert row["synthetic"] == "yes"


def test_json_of_rows_and_of_one_entry(tmp_path: Path) -> None:
    stored = verified(store(tmp_path / "r"))
    content = json.loads(to_json(rows(stored), read_literature()))
    assert content["schema_version"] == 2
    (row,) = content["measured"]
    assert row["test_accuracy"] == stored.result.summary.test_mean
    assert row["verified"][0]["by"] == "Lab"
    assert len(content["literature"]) == 102
    whole = json.loads(entry_json(stored))
    assert whole["result"] == stored.result.model_dump(mode="json")
    assert whole["entry"] == stored.entry.model_dump(mode="json")
    assert whole["flags"] == ["odd"]
    assert whole["verifications"][0]["environment"] == {"cpu": "x86"}


def test_literature_survives_its_own_csv() -> None:
    rows = list(csv.DictReader(io.StringIO(literature_csv(read_literature()), newline="")))
    assert [row["method"] for row in rows] == [r.method for r in read_literature()]
    assert measured_csv([]).startswith(
        "dataset,synthetic,protocol,protocol_in_use,data_sha256,data_fingerprint,tier,track,rank,"
    )
    assert json.loads(to_json([], []))["measured"] == []
