"""Entries for tests of the page: one honest result, whose figures are then chosen by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers.leaderboard_results import make_metrics, make_result

from leaderboard.checks.recomputation import verify_result
from leaderboard.claims.entry import StoredEntry, Withdrawal, make_entry
from leaderboard.claims.literature import Report, read_literature
from leaderboard.claims.tier import SeedCheck, Verification
from spikebench.metrics.record import Latency, NotApplicable
from spikebench.protocol.results import Interval, Result

NOT_COUNTED = NotApplicable(not_applicable="it is not counted here")


def base_result(folder: Path, **options: Any) -> Result:  # noqa: ANN401
    """Make the result that entries are chosen from; six seeds."""
    return verify_result(make_result(folder, seeds=6, test_samples=24, **options))


def choose(
    base: Result,
    name: str,
    test: float,
    parameters: int,
    *,
    half: float = 0.02,
    operations: float | None = None,
    spikes: float | None = None,
    latency: float | None = None,
    spiking: bool = True,
    model: str = "lif",
    dataset: str = "toy-digits",
    protocol: str = "speakers-v1",
    seeds: int = 5,
    selected_on: str = "validation",
    steps_of_10_ms: int | None = None,
    verified: bool = False,
    withdrawn: bool = False,
    **words: str,
) -> StoredEntry:
    """Choose the figures of an entry; a cost that is not given is not applicable."""
    interval = Interval(low=test - half, high=test + half, method="seeds, t")
    curve = Latency(times_s=[0.25, 0.5, 1.0], accuracy=[0.2, 0.6, 0.8], to_95_percent_s=1.0)
    counted = NOT_COUNTED if operations is None else operations
    metrics = make_metrics(
        operations or 0.0,
        effective_ac=counted if spiking else 0.0,
        effective_mac=0.0 if spiking else counted,
        spikes_per_inference=NOT_COUNTED if spikes is None else spikes,
        energy=NOT_COUNTED if operations is None else make_metrics(operations).energy,
        latency=NOT_COUNTED
        if latency is None
        else curve.model_copy(update={"to_95_percent_s": latency}),
    )
    chosen = {
        "metrics": metrics,
        "test_accuracy": test,
        "unseen_accuracy": test - 0.05,
        "spikes_per_sample": spikes,
        "selected_on": selected_on,
    }
    split = base.dataset.split.model_copy(update={"protocol": protocol})
    result = base.model_copy(
        update={
            "dataset": base.dataset.model_copy(update={"name": dataset, "split": split}),
            "model": base.model.model_copy(
                update={"name": model, "spiking": spiking, "parameters": parameters}
            ),
            "seeds": [seed.model_copy(update=chosen) for seed in base.seeds[:seeds]],
            "summary": base.summary.model_copy(
                update={
                    "seeds": seeds,
                    "test_mean": test,
                    "test_interval": interval,
                    "validation_mean": test + 0.01,
                }
            ),
        }
    )
    entry = make_entry(result, name, submitted="2026-01-03", **words)
    if steps_of_10_ms:
        time = {"time_step_ms": 10.0, "time_steps": steps_of_10_ms}
        entry = entry.model_copy(update={"declared": entry.declared.model_copy(update=time)})
    if withdrawn:
        gone = Withdrawal(date="2026-03-01", reason="the data leaked")
        entry = entry.model_copy(update={"withdrawn": gone})
    checks = (_verification(entry.result_sha256, test, interval),) if verified else ()
    return StoredEntry(
        entry,
        result,
        Path(),
        verifications=checks,
        signers=("lab@example.org",) * len(checks),
        parameters_counted=True,
        labels_compared=True,
    )


def _verification(sha256: str, test: float, interval: Interval) -> Verification:
    return Verification(
        kind="inference",
        by="Lab",
        when="2026-02-03T04:05:06+00:00",
        software="spikebench 0.2",
        environment={"cpu": "x86"},
        command="spikebench verify --inference",
        data_sha256="ab" * 32,
        result_sha256=sha256,
        entry_sha256=sha256,
        seeds=[SeedCheck(seed=0, accuracy=test, agreement=1.0)],
        mean=test,
        claimed_interval=interval,
    )


def chosen_entries(base: Result) -> list[StoredEntry]:
    """Choose entries of every kind; the tests know their figures and names."""
    return [
        choose(base, "Alpha", 0.90, 50_000, operations=12_000, spikes=700, latency=0.75, seeds=6),
        choose(base, "Gamma", 0.89, 90_000, spikes=900, model="adlif", note="with moths inside"),
        choose(
            base,
            "Beta",
            0.80,
            20_000,
            operations=9_000,
            spikes=500,
            latency=0.5,
            steps_of_10_ms=100,
            authors="A. Smith",
        ),
        choose(base, "Delta", 0.70, 11_000, operations=3_000, spikes=90, latency=0.25, seeds=1),
        choose(base, "Gone", 0.85, 45_000, withdrawn=True),
        choose(base, "Conv", 0.82, 200_000, operations=1e6, spiking=False, model="lstm"),
        choose(base, "Checked", 0.75, 15_000, operations=5_000, spikes=300, verified=True),
        choose(base, "Other", 0.60, 30_000, spiking=False, model="cnn", dataset="other-words"),
        choose(base, "Old", 0.65, 12_000, protocol="speakers-v0", selected_on="none"),
    ]


def few_reports() -> Sequence[Report]:
    """Choose reported numbers of every kind: axe-core takes its time over each."""
    return read_literature()[::5]
