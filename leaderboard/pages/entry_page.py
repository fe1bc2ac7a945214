"""The page of one entry: all its data, and how to reproduce it.

Texts and lists are truncated, so that no entry can inflate its page; the full data are beside it as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from leaderboard.claims.entry import StoredEntry, printable
from leaderboard.claims.hardware import FIGURES
from leaderboard.claims.tier import THIS_MACHINE
from leaderboard.pages.charts import Curve, latency_curve, shades, worst_confusions
from leaderboard.pages.templating import cost, render
from leaderboard.standings.table import Row
from spikebench.metrics.record import Energy, Metrics, NotApplicable
from spikebench.protocol.results import Result
from spikebench.training.run_record import LOGS_FILE

MAX_SHOWN_SEEDS = 20
MAX_SHOWN_CHARACTERS = 4000
MAX_SHOWN_CLASSES = 64
MAX_SHOWN_SPEAKERS = 100
MAX_SHOWN_LAYERS = 40
_STYLES, _SCRIPTS = ("base.css", "entry.css"), ("entry.js",)

_COSTS = {
    "footprint_bytes": ("Memory footprint", "bytes of parameters and buffers"),
    "connection_sparsity": ("Connection sparsity", "fraction of the weights that are 0"),
    "activation_sparsity": ("Activation sparsity", "fraction of the hidden outputs that are 0"),
    "input_sparsity": ("Input sparsity", "fraction of the input cells that are 0"),
    "effective_ac": ("Additions (AC)", "synaptic operations on spikes, per sample"),
    "effective_mac": ("Multiply-accumulates (MAC)", "synaptic operations on values, per sample"),
    "dense_operations": ("Dense operations", "the same, if no input and no weight were 0"),
    "neuron_updates": ("Neuron updates", "units × steps, per sample"),
    "neuron_updates_event": ("… at which a spike arrived", "per sample"),
    "spikes_per_inference": ("Spikes per inference", "of the hidden neurons, per sample"),
    "spikes_per_neuron": ("Spikes per neuron", "hidden, per sample"),
}


@dataclass(frozen=True)
class Weights:
    """The weights of one seed: name of the file, SHA-256, and whether it is in the folder of the entry."""

    seed: int
    file: str
    sha256: str
    is_there: bool


@dataclass(frozen=True)
class Cost:
    """One line of the table of costs: the mean over the seeds, or the reason why there is none."""

    name: str
    meaning: str
    value: str
    reason: str


@dataclass(frozen=True)
class Charge:
    """The energy by one cost table, mean over the seeds, with its operations."""

    table: str
    technology: str
    source: str
    picojoules: str
    reason: str


@dataclass(frozen=True)
class Group:
    """Accuracy of one speaker or language."""

    name: str
    kind: str
    samples: int
    accuracy: float


@dataclass(frozen=True)
class Layer:
    """Operations of one bundle of weights, mean over the seeds."""

    name: str
    kind: str
    effective: float
    dense: float
    weights: int


def render_entry(stored: StoredEntry, rows: Sequence[Row], index: str, source: str = "") -> str:
    """Render the page of an entry.

    Parameters
    ----------
    stored
        The entry.
    rows
        Rows of the entry on all its boards, its own track first.
    index
        Name of the index page, two folders up.
    source
        Identifies all inputs of the page; stored in its head.

    Returns
    -------
    str
        HTML that needs no other file.
    """
    result = stored.result
    metrics = [seed.metrics or Metrics() for seed in result.seeds]
    classes = [printable(name)[:40] for name in result.dataset.classes]
    # Few-shot tasks have none.
    matrices = [seed.confusion for seed in result.seeds if seed.confusion]
    confusion = np.array(matrices or [[[0]]]).sum(axis=0)
    return render(
        "entry.html.j2",
        _STYLES,
        _SCRIPTS,
        index=index,
        source=source,
        row=rows[0],
        measured=stored.entry.hardware,
        figures=FIGURES,
        rows=rows,
        n_classes=len(classes),
        rule=_cut(printable(result.dataset.split.rule)),
        command=_cut(printable(result.command)),
        repetition=_repetition(result),
        own_code=result.model.code_sha256 is not None,
        folder=f"leaderboard/entries/{stored.entry.dataset}/{stored.entry.id}",
        can_be_repeated=(stored.folder / LOGS_FILE).is_file(),
        weights=_weights(stored)[:MAX_SHOWN_SEEDS],
        verifications=list(zip(stored.verifications, stored.trusted, strict=True))[-5:],
        this_machine=THIS_MACHINE,
        seeds=result.seeds[:MAX_SHOWN_SEEDS],
        hidden_seeds=max(len(result.seeds) - MAX_SHOWN_SEEDS, 0),
        costs=_costs(metrics, rows[0]),
        charges=_charges(metrics, rows[0]),
        layers=_layers(metrics)[:MAX_SHOWN_LAYERS],
        hidden_layers=max(len(_layers(metrics)) - MAX_SHOWN_LAYERS, 0),
        curve=_curve(metrics),
        classes=classes if len(classes) <= MAX_SHOWN_CLASSES else [],
        confusion=_confusion(confusion) if len(classes) <= MAX_SHOWN_CLASSES else [],
        mistakes=[
            (classes[label], classes[said], times, of)
            for label, said, times, of in worst_confusions(confusion)
        ],
        speakers=_speakers(stored)[:MAX_SHOWN_SPEAKERS],
        hidden_speakers=max(len(stored.breakdown.speakers) - MAX_SHOWN_SPEAKERS, 0),
        languages=[
            Group(one.name, "", one.samples, one.accuracy) for one in stored.breakdown.languages
        ],
        settings=_settings(result),
        environment=[
            (printable(key)[:60], printable(value)[:200])
            for key, value in list(result.environment.items())[:20]
        ],
    )


def _repetition(result: Result) -> str:
    """Say what keeps others from repeating the training; empty if nothing does."""
    model = result.model
    if model.code_sha256 is not None:
        return (
            f"The network is {_cut(printable(model.name))}, a file of its authors that is not part of the entry "
            f"(SHA-256 {model.code_sha256}). Whoever has the file can repeat the training: "
            "spikebench verify ENTRY --training --model FILE.py:CLASS."
        )
    if result.study is not None:
        return (
            "The command repeats the study; results depend on the settings below and on the version of the program. "
            "Accuracies follow from the predictions."
        )
    if any(seed.run_file is None for seed in result.seeds):
        return (
            "The entry has no training log, so others can repeat neither its training nor its inference. Its "
            "accuracies follow from its predictions; how these were made is declared by its authors."
        )
    return ""


def _weights(stored: StoredEntry) -> list[Weights]:
    return [
        Weights(
            record.seed,
            printable(record.weights_file),
            record.weights_sha256 or "",
            (stored.folder / record.weights_file).is_file(),
        )
        for record in stored.result.seeds
        if record.weights_file
    ]


def _costs(metrics: Sequence[Metrics], row: Row) -> list[Cost]:
    """List every measured metric; a metric that one seed lacks has no mean."""
    found = []
    for name, (title, meaning) in _COSTS.items():
        values = [getattr(one, name) for one in metrics]
        if any(value is not None for value in values):
            found.append(Cost(title, meaning, *_mean(values)))
    latencies = [one.latency for one in metrics]
    if any(value is not None for value in latencies):
        reason = _reason(latencies)
        value = (
            "–" if row.latency_to_95_percent_s is None else f"{row.latency_to_95_percent_s:.3g} s"
        )
        meaning = "seconds of a clip until accuracy stays above 95 % of the final one"
        found.append(Cost("Latency", meaning, value, reason))
    return found


def _mean(values: Sequence[float | NotApplicable | None]) -> tuple[str, str]:
    known = [float(value) for value in values if isinstance(value, int | float)]
    if len(known) < len(values):
        return "–", _reason(values)
    return cost(float(np.mean(known))), ""


def _reason(values: Sequence[object]) -> str:
    reasons = dict.fromkeys(
        printable(value.not_applicable) for value in values if isinstance(value, NotApplicable)
    )
    missing = ["not measured for every seed"] if None in values else []
    return "; ".join([*reasons, *missing][:3])


def _charges(metrics: Sequence[Metrics], row: Row) -> list[Charge]:
    found: dict[str, list[Energy]] = {}
    for one in metrics:
        for energy in one.energy if isinstance(one.energy, list) else []:
            found.setdefault(printable(energy.table), []).append(energy)
    return [
        Charge(
            table,
            printable(energies[0].technology),
            printable(energies[0].source),
            cost(row.energy_picojoules[table]),
            _reason([energy.picojoules for energy in energies]),
        )
        for table, energies in found.items()
    ]


def _layers(metrics: Sequence[Metrics]) -> list[Layer]:
    seeds = [one.operations for one in metrics if isinstance(one.operations, list)]
    names = [[(layer.name, layer.kind) for layer in seed] for seed in seeds]
    if len(seeds) < len(metrics) or any(other != names[0] for other in names):
        return []
    return [
        Layer(
            printable(same[0].name),
            same[0].kind,
            float(np.mean([layer.effective for layer in same])),
            float(np.mean([layer.dense for layer in same])),
            same[0].weights,
        )
        for same in zip(*seeds, strict=True)
    ]


def _curve(metrics: Sequence[Metrics]) -> Curve | None:
    curves = [one.latency for one in metrics]
    if not all(curves) or any(isinstance(one, NotApplicable) for one in curves):
        return None
    found = [one for one in curves if one is not None and not isinstance(one, NotApplicable)]
    if any(one.times_s != found[0].times_s for one in found):
        return None
    return latency_curve(found)


def _confusion(confusion: NDArray[np.int64]) -> list[Markup]:
    """Render the cells of every row: only counts and shades, so there is nothing to escape."""
    return [
        Markup("".join(map(_cell, *row)))
        for row in zip(confusion.tolist(), shades(confusion).tolist(), strict=True)
    ]


@lru_cache(maxsize=10_000)
def _cell(count: int, shade: int) -> str:
    return f'<td class="shade{shade}">{count}</td>' if shade else f"<td>{count}</td>"


def _speakers(stored: StoredEntry) -> list[Group]:
    split, refitted = stored.result.dataset.split, stored.result.is_refitted
    kinds = dict.fromkeys(split.test_only_speakers, "unseen")
    kinds |= dict.fromkeys(split.validation_speakers, "seen" if refitted else "validation")
    return [
        Group(one.name, kinds.get(int(one.name), "seen"), one.samples, one.accuracy)
        for one in stored.breakdown.speakers
    ]


def _settings(result: Result) -> list[tuple[str, str]]:
    return [
        (title, _cut(json.dumps(value, indent=2, ensure_ascii=True)))
        for title, value in [("Model", result.model.config), ("Training", result.training)]
        if value
    ]


def _cut(text: str) -> str:
    if len(text) <= MAX_SHOWN_CHARACTERS:
        return text
    return (
        text[:MAX_SHOWN_CHARACTERS] + "\n… (truncated; the full text is in the JSON of this entry)"
    )
