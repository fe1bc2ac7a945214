"""Kinds of pictures of ``spikebench plot``: from files, results and runs to figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.shared.plot_compared import draw_files, draw_pareto
from cli.shared.sample import characteristic_frequencies, find_recording, recording_finder

if TYPE_CHECKING:
    from spikebench.plots.panels import Figure
    from spikebench.plots.sample import Stages
    from spikebench.recordings.decoding import Recording
    from spikebench.spike_files.reader import SpikeFile

_MAX_STAGE_ROWS = 350
_CLASS_BINS, _CLASS_ROWS = 100, 70
_TONES_HZ, _TONES, _CURVES = (20.0, 24_000.0), 800, 10


@dataclass(frozen=True)
class Request:
    """What is to be drawn: source, sample, recordings, stages, and the file with the sample for a run."""

    source: str
    index: int
    audio: Path | None
    stages: bool
    data: str


def _draw_sample(request: Request) -> Figure:
    from spikebench.plots.sample import Sample, draw_sample
    from spikebench.spike_files.reader import SpikeFile
    from spikebench.store.locate import resolve

    file, _ = resolve(request.source)
    with SpikeFile(file) as spikes:
        _require_sample(spikes, request.index)
        times, units = spikes.events(request.index)
        recording = find_recording(
            spikes,
            request.index,
            request.audio,
            required=request.stages or request.audio is not None,
            without="no spectrogram",
        )
        stages = _stages(spikes, recording) if request.stages and recording else None
        sample = Sample(times, units, spikes.n_units, _title(spikes, request.index))
        return draw_sample(sample, characteristic_frequencies(spikes), recording, stages)


def _draw_classes(request: Request) -> Figure:
    from spikebench.errors import SpikebenchError
    from spikebench.plots.classes import draw_class
    from spikebench.plots.panels import panels
    from spikebench.records.text import printable
    from spikebench.spike_files.averages import class_averages
    from spikebench.spike_files.reader import SpikeFile
    from spikebench.store.locate import resolve

    file, _ = resolve(request.source)
    with SpikeFile(file) as spikes:
        if not spikes.keys or not (spikes.labels >= 0).any():
            raise SpikebenchError(f"{printable(str(file))}: its samples have no named classes")
        # To the end of the longest sample that has spikes.
        duration = max((t.max(initial=0.0) for _, _, t, _ in spikes.blocks()), default=0.0) or 1.0
        grouped = -(-spikes.n_units // _CLASS_ROWS)
        means = class_averages(spikes, _CLASS_BINS, duration, grouped)
        keys, n_units = spikes.keys, spikes.n_units
    there = [k for k, mean in enumerate(means) if mean[0, 0] == mean[0, 0]]  # not NaN
    highest = float(means[there].max()) or 1.0
    cell = f"{1e3 * duration / _CLASS_BINS:.3g} ms and {grouped} unit{'s' * (grouped > 1)}"
    title = f"{file.name}: mean spikes per sample, in cells of {cell}"
    figure, axes = panels(len(there), title, columns=5, size=(2.2, 1.8))
    for panel, k in zip(axes, there, strict=True):
        image = draw_class(panel, means[k], duration, n_units, keys[k], highest)
        panel.label_outer()
    figure.supxlabel("time [s]", fontsize=9)
    figure.supylabel("unit", fontsize=9)
    figure.colorbar(image, ax=axes, shrink=0.5)
    return figure


def _draw_frequencies(request: Request) -> Figure:
    from spikebench.errors import SpikebenchError
    from spikebench.plots.frequencies import draw_frequency_map
    from spikebench.plots.panels import panels
    from spikebench.records.text import printable
    from spikebench.spike_files.reader import SpikeFile
    from spikebench.store.locate import resolve

    file, _ = resolve(request.source)
    with SpikeFile(file) as spikes:
        frequencies = characteristic_frequencies(spikes)
    if frequencies is None:
        raise SpikebenchError(
            f"{printable(str(file))}: the encoder of its spikes is unknown or has no characteristic frequencies"
        )
    figure, (panel,) = panels(1, f"{file.name}: frequency map")
    draw_frequency_map(panel, frequencies)
    return figure


def _draw_tuning(request: Request) -> Figure:
    import numpy as np

    from spikebench.encoders.cochlea.stages import membrane_tuning
    from spikebench.plots.frequencies import draw_tuning
    from spikebench.plots.panels import panels
    from spikebench.spike_files.reader import SpikeFile
    from spikebench.store.locate import resolve

    file, _ = resolve(request.source)
    frequencies = np.geomspace(*_TONES_HZ, _TONES)
    with SpikeFile(file) as spikes:
        shown = np.linspace(0, spikes.n_units - 1, min(_CURVES, spikes.n_units)).round()
        units = [int(unit) for unit in shown]
        response = membrane_tuning(spikes, frequencies, units)
    figure, (panel,) = panels(1, f"{file.name}: tuning curves of the membrane")
    draw_tuning(panel, frequencies, response, units)
    return figure


def _draw_confusion(request: Request) -> Figure:
    import numpy as np

    from spikebench.errors import ResultError
    from spikebench.plots.confusion import draw_confusion
    from spikebench.plots.panels import panels
    from spikebench.protocol.results import read_result

    result = read_result(Path(request.source))
    if not all(seed.confusion for seed in result.seeds):
        raise ResultError(
            f"{request.source}: has no confusion matrix, because few-shot tasks have none"
        )
    matrix = np.array([seed.confusion for seed in result.seeds], dtype=np.int64).sum(0)
    side = max(4.5, 0.32 * len(result.dataset.classes) + 1.5)
    seeds = f"{len(result.seeds)} seed{'s' * (len(result.seeds) > 1)}"
    accuracy = f"mean test accuracy {100 * result.summary.test_mean:.1f} %"
    title = f"{result.model.name} on {result.dataset.name}, {seeds}: {accuracy}"
    figure, (panel,) = panels(1, title, size=(side, side))
    draw_confusion(panel, matrix, result.dataset.classes)
    return figure


def _draw_latency(request: Request) -> Figure:
    from spikebench.errors import ResultError
    from spikebench.metrics.record import Latency
    from spikebench.plots.latency import draw_latency
    from spikebench.plots.panels import panels
    from spikebench.protocol.results import read_result

    result = read_result(Path(request.source))
    measured = {
        f"seed {seed.seed}": seed.metrics.latency
        for seed in result.seeds
        if seed.metrics is not None and isinstance(seed.metrics.latency, Latency)
    }
    if not measured:
        raise ResultError(
            f"{request.source}: has no latency; measure it with: spikebench evaluate --metrics latency"
        )
    figure, (panel,) = panels(1, f"{result.model.name} on {result.dataset.name}")
    draw_latency(panel, list(measured.values()), list(measured))
    return figure


def _draw_training(request: Request) -> Figure:
    from spikebench.deployment.restored import runs_or_restored
    from spikebench.errors import TrainingError
    from spikebench.plots.panels import panels
    from spikebench.plots.training import draw_accuracy, draw_loss
    from spikebench.training.run import read_run
    from spikebench.training.run_record import collect_log

    with runs_or_restored(Path(request.source)) as runs:
        logs = [collect_log(run, read_run(run)) for run in runs]
    if not any(log.history for log in logs):
        raise TrainingError(f"{request.source}: has no epochs")
    record = logs[0].run
    figure, axes = panels(2, f"{record.model} on {record.dataset.name}", columns=2, size=(5.0, 3.6))
    draw_loss(axes[0], logs, [f"seed {log.run.seed}" for log in logs])
    draw_accuracy(axes[1], logs)
    return figure


def _draw_parameters(request: Request) -> Figure:
    from spikebench.deployment.inspection import learned_values
    from spikebench.deployment.restored import runs_or_restored
    from spikebench.plots.network import draw_values
    from spikebench.plots.panels import panels
    from spikebench.training.inference import load_trained
    from spikebench.training.run import read_run

    with runs_or_restored(Path(request.source)) as runs:
        record = read_run(runs[0])
        found = learned_values(load_trained(runs[0], record))
    title = f"{record.model} on {record.dataset.name}, seed {record.seed}: learned values"
    figure, axes = panels(len(found), title, columns=2, size=(5.0, 3.2))
    for panel, (what, layers) in zip(axes, found.items(), strict=True):
        draw_values(panel, layers, what)
    return figure


def _draw_activity(request: Request) -> Figure:
    from spikebench.deployment.file_samples import FileSamples
    from spikebench.deployment.inspection import hidden_activity
    from spikebench.deployment.prediction import Listener
    from spikebench.deployment.restored import runs_or_restored
    from spikebench.plots.network import draw_activity
    from spikebench.plots.panels import panels
    from spikebench.spike_files.reader import SpikeFile
    from spikebench.store.locate import resolve

    file, _ = resolve(request.data)
    with SpikeFile(file) as spikes, runs_or_restored(Path(request.source)) as runs:
        listener = Listener(runs[0])
        _require_sample(spikes, request.index)
        samples = FileSamples(listener, spikes, recording_finder(spikes, request.audio))
        layers = hidden_activity(listener, samples.sample(request.index))
        model = f"{listener.record.model}, seed {listener.record.seed}"
        title = f"{model}: {_title(spikes, request.index)}"
    figure, axes = panels(len(layers), title, size=(8.0, 2.8))
    for number, (panel, layer) in enumerate(zip(axes, layers, strict=True), 1):
        draw_activity(panel, *layer, f"hidden layer {number}")
        panel.set_xlim(0, listener.n_steps * listener.time_step)
    axes[-1].set_xlabel("time [s]")
    return figure


# Name -> function, options that it needs, and options that it may have.
KINDS: dict[str, tuple[Callable[[Request], Figure], tuple[str, ...], tuple[str, ...]]] = {
    "sample": (_draw_sample, ("--index",), ("--audio", "--stages")),
    "classes": (_draw_classes, (), ()),
    "frequencies": (_draw_frequencies, (), ()),
    "tuning": (_draw_tuning, (), ()),
    "comparison": (lambda request: draw_files(request.source, request.data), ("--data",), ()),
    "confusion": (_draw_confusion, (), ()),
    "pareto": (lambda request: draw_pareto(Path(request.source)), (), ()),
    "latency": (_draw_latency, (), ()),
    "training": (_draw_training, (), ()),
    "parameters": (_draw_parameters, (), ()),
    "activity": (_draw_activity, ("--index", "--data"), ("--audio",)),
}


def _require_sample(spikes: SpikeFile, index: int) -> None:
    from spikebench.errors import SpikebenchError

    if index >= spikes.n_samples:
        raise SpikebenchError(
            f"{spikes.path}: there is no sample {index}; the file has {spikes.n_samples}, counted from 0"
        )


def _stages(spikes: SpikeFile, recording: Recording) -> Stages:
    from spikebench.encoders.cochlea.stages import trace_sample
    from spikebench.plots.sample import Stages

    step = -(-spikes.n_units // _MAX_STAGE_ROWS)
    channels = range(0, spikes.n_units, step)
    trace = trace_sample(spikes, recording, channels)
    return Stages(channels, trace.velocity, trace.p_fire, trace.sample_rate)


def _title(spikes: SpikeFile, index: int) -> str:
    label = int(spikes.labels[index])
    parts = [f"{spikes.path.name}, sample {index}"]
    if spikes.provenance.get("synthetic_voices"):
        parts.append("synthetic voice")
    if 0 <= label < len(spikes.keys):
        parts.append(f"“{spikes.keys[label]}”")
    if spikes.speakers[index] >= 0:
        parts.append(f"speaker {spikes.speakers[index]}")
    if spikes.sources:
        piece = f"#{spikes.segments[index]}" if spikes.segments is not None else ""
        parts.append(spikes.sources[index] + piece)
    return "  ·  ".join(parts)
