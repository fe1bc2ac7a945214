"""``spikebench predict``: apply a trained model to spike files and recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.shared.device import training_device

if TYPE_CHECKING:
    from spikebench.deployment.prediction import Listener, TimedScores
    from spikebench.deployment.recording import MelSample
    from spikebench.events.dataset import Sample
    from spikebench.recordings.search import Clip

_SHOWN = 20  # predictions printed in a terminal


@click.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.argument(
    "sources",
    nargs=-1,
    required=True,
    metavar="FILE.h5|DATA|AUDIO…",
    type=click.Path(path_type=Path),
)
@click.option(
    "--labels",
    metavar="SOURCE",
    help="Source of the true classes of recordings: auto, folders, a table … as in convert.",
)
@click.option(
    "--over-time",
    "n_moments",
    type=click.IntRange(2, 10_000),
    metavar="N",
    help="Predict at N moments as well, with silence after each moment.",
)
@click.option(
    "--live",
    "chunk_ms",
    type=click.FloatRange(0.01, 60_000),
    metavar="MS",
    help="Process chunks of this length and predict after each; one clip at a time.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**63 - 1),
    help="Seed of the conversion.",
)
@training_device
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write all predictions to this CSV file. Text that a spreadsheet would take for a formula (=, +, -, @) gets "
    "an apostrophe before it; --json changes nothing.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Plot the table of --over-time: .png, .pdf or .svg.",
)
@click.option("--overwrite", is_flag=True, help="Replace existing outputs.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def predict(
    run: Path,
    sources: tuple[Path, ...],
    labels: str | None,
    n_moments: int | None,
    chunk_ms: float | None,
    seed: int,
    device: str,
    output: Path | None,
    plot: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Apply a trained model to spike files, recordings, and folders of recordings.

    RUN is the folder of a finished run, or of a result with one run. DATA is the name of a data set. Recordings are
    converted like those of its data set. The confidence is
    the softmax of the scores: it compares classes and is not a calibrated probability.

    With --over-time a table shows, for increasing lengths of the input, how many predictions are right (where
    classes are known) and how many are final. With --live a network processes a clip chunk by chunk and keeps its
    state; after the last chunk its prediction is that for the whole clip.

    Data on which the run was trained are refused: only evaluate opens their test split, because it counts the
    openings.

    Exit codes: 0 all recordings classified, 3 some left out (they are listed), 4 none usable, 1 and 2 refused.
    """
    if plot is not None and n_moments is None:
        raise click.UsageError("--plot needs --over-time N")
    if chunk_ms is not None and not chunk_ms > 0:
        raise click.UsageError("--live takes a positive length in ms")
    if chunk_ms is not None and (n_moments is not None or output is not None):
        raise click.UsageError("--live cannot be combined with --over-time or -o; leave them out")
    if plot is not None and plot.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise click.UsageError(f"--plot writes .png, .pdf or .svg, not {plot.name!r}")
    from spikebench.deployment.prediction import Listener
    from spikebench.records.whole_files import refuse_existing

    for path in (output, plot):
        if path is not None:
            refuse_existing(path, overwrite)
    listener = Listener(run, device)
    names, samples, truth, left_out = _gather(listener, _files_of(sources), labels, seed)
    synthetic = listener.record.dataset.synthetic
    if synthetic:
        click.echo(
            f"this model was trained on synthetic voices ({listener.record.dataset.name}) and has heard no person; its "
            "answers to recordings of people say little",
            err=True,
        )
    longer = _print_longer(listener, samples)
    if chunk_ms is not None:
        _print_live(listener, names, samples, truth, chunk_ms * 1e-3, as_json)
        _end(left_out, len(samples))
        return
    answers = listener.over_time(samples, n_moments or 1)
    rows = _rows(listener, names, truth, answers)
    summary = _summary(truth, answers)
    summary |= {"left_out": left_out, "longer_than_input": longer}
    summary |= {"trained_on_synthetic_voices": synthetic}
    if output is not None:
        _write_csv(output, rows)
    if plot is not None:
        _draw(plot, listener, truth, answers)
    if as_json:
        click.echo(json.dumps({**summary, "answers": rows}, indent=2))
    else:
        _print_summary(rows, summary, n_moments is not None, output)
    _end(left_out, len(samples))


def _files_of(sources: tuple[Path, ...]) -> list[Path]:
    """Replace the names of data sets by their spike files; a name takes precedence over a file of that name."""
    from spikebench.datasets import DATASETS
    from spikebench.store.locate import locate

    files: list[Path] = []
    for source in sources:
        if str(source) in DATASETS or not source.exists():
            files += [path for path, _ in locate(str(source))[0]]
        else:
            files.append(source)
    return files


def _end(left_out: int, answered: int) -> None:
    """Raise an error with the exit code of convert if recordings were left out."""
    from spikebench.errors import PartialConversionError

    if left_out:
        raise PartialConversionError(f"{left_out} left out, {answered} classified")


def _print_longer(listener: Listener, samples: list[Sample | MelSample]) -> int:
    """Report how many recordings are longer than the input of the model."""
    length = listener.n_steps * listener.time_step
    longer = sum(_length(sample) > length + listener.time_step for sample in samples)
    if longer:
        what = "recording is" if longer == 1 else "recordings are"
        click.echo(
            f"{longer} {what} longer than the {length:g} s of input of the model; the rest is ignored",
            err=True,
        )
    return longer


def _length(sample: Sample | MelSample) -> float:
    """Return the length of a recording [s]; the time of its last spike if its length is not known."""
    from spikebench.events.dataset import Sample

    if isinstance(sample, Sample) and not sample.duration > 0:
        return float(sample.times[-1]) if len(sample.times) else 0.0
    return sample.duration


def _gather(
    listener: Listener, sources: list[Path], labels: str | None, seed: int
) -> tuple[list[str], list[Sample | MelSample], list[int], int]:
    """Return names, encoded samples and classes (-1: unknown), and how many recordings were left out."""
    from spikebench.protocol.labels import number_labels
    from spikebench.recordings.search import find_clips
    from spikebench.records.text import printable

    names: list[str] = []
    samples: list[Sample | MelSample] = []
    truth: list[int] = []
    left_out = 0
    for source in sources:
        if source.suffix.lower() in (".h5", ".hdf5"):
            data = listener.open_file(source)
            names += [f"{printable(str(source))}#{k}" for k in data.index]
            samples += [data[k] for k in range(len(data))]
            truth += number_labels(data.labels, data.keys, listener.classes).tolist()
            continue
        clips, skipped = find_clips(source)
        left_out += sum(skip.files for skip in skipped)
        for skip in skipped:
            click.echo(f"left out: {printable(str(source))}/{skip.file}: {skip.reason}", err=True)
        known = _label_names(clips, labels)
        for clip in clips:
            listener.refuse_test_recording(clip.path)
            sample = _encode(listener, clip, seed)
            if sample is None:
                left_out += 1
            else:
                names.append(printable(str(clip.path)))
                samples.append(sample)
                name = known.get(clip.relative)
                truth.append(listener.classes.index(name) if name in listener.classes else -1)
    if not samples:
        from spikebench.errors import NothingConvertedError

        raise NothingConvertedError("no recording could be used")
    return names, samples, truth, left_out


def _label_names(clips: list[Clip], labels: str | None) -> dict[str, str]:
    if labels is None:
        return {}
    from spikebench.naming.names import name_clips

    found = name_clips(clips, labels, "none", "none")
    return {
        clip.relative: found.keys[label]
        for clip, label in zip(found.clips, found.labels.tolist(), strict=True)
        if label >= 0
    }


def _encode(listener: Listener, clip: Clip, seed: int) -> Sample | MelSample | None:
    from spikebench.errors import AudioError

    try:
        return listener.encode(clip, seed)
    except AudioError as error:
        click.echo(f"left out: {error}", err=True)
        return None


def _rows(
    listener: Listener, names: list[str], truth: list[int], answers: TimedScores
) -> list[dict[str, Any]]:
    from spikebench.records.text import printable

    predicted, confidence = answers.predicted[-1], answers.confidence[-1]
    decided = answers.decided()
    several = answers.times.size > 1
    return [
        {
            "clip": name,
            "answer": printable(listener.classes[predicted[k]]),
            "confidence": round(float(confidence[k]), 4),
            **({"class": printable(listener.classes[truth[k]])} if truth[k] >= 0 else {}),
            **({"decided_after_ms": round(float(decided[k]) * 1e3, 3)} if several else {}),
        }
        for k, name in enumerate(names)
    ]


def _curves(truth: list[int], answers: TimedScores) -> dict[str, Any]:
    """Compute shares at each moment: right predictions among clips of known class, final ones among all."""
    import numpy as np

    classes = np.array(truth)
    known = classes >= 0
    final = (answers.predicted == answers.predicted[-1]).mean(1)
    curves = {"confidence, mean": answers.confidence.mean(1), "answers as at the end": final}
    if known.any():
        right = (answers.predicted == classes)[:, known].mean(1)
        curves = {"accuracy": right, **curves}
    return curves


def _summary(truth: list[int], answers: TimedScores) -> dict[str, Any]:
    curves = _curves(truth, answers)
    summary: dict[str, Any] = {"clips": len(truth)}
    if "accuracy" in curves:
        summary["with_known_class"] = sum(label >= 0 for label in truth)
        summary["accuracy"] = round(float(curves["accuracy"][-1]), 6)
    if answers.times.size > 1:
        summary["over_time"] = [
            {
                "time_ms": round(float(time) * 1e3, 3),
                **{name: round(float(values[k]), 6) for name, values in curves.items()},
            }
            for k, time in enumerate(answers.times)
        ]
    return summary


def _print_summary(
    rows: list[dict[str, Any]], summary: dict[str, Any], over_time: bool, output: Path | None
) -> None:
    width = max(len(row["clip"]) for row in rows[:_SHOWN])
    for row in rows[:_SHOWN]:
        line = f"{row['clip']:<{width}}  {row['answer']:<12} {row['confidence']:6.1%}"
        if "class" in row:
            line += "  right" if row["class"] == row["answer"] else f"  wrong: {row['class']}"
        if over_time:
            line += f"  decided after {row['decided_after_ms']:g} ms"
        click.echo(line)
    if len(rows) > _SHOWN:
        click.echo(
            f"… and {len(rows) - _SHOWN} more" + ("" if output else "; -o FILE.csv writes all")
        )
    if over_time:
        names = [name for name in summary["over_time"][0] if name != "time_ms"]
        click.echo("input [ms]  " + "  ".join(names))
        for moment in summary["over_time"]:
            shares = "  ".join(f"{moment[name]:>{len(name)}.1%}" for name in names)
            click.echo(f"{moment['time_ms']:>10g}  {shares}")
    if "accuracy" in summary:
        n = summary["with_known_class"]
        click.echo(
            f"accuracy {summary['accuracy']:.1%} of {n} whose class is known; not a result under the protocol"
        )


def _print_live(
    listener: Listener,
    names: list[str],
    samples: list[Sample | MelSample],
    truth: list[int],
    chunk: float,
    as_json: bool,
) -> None:
    import numpy as np

    from spikebench.deployment.prediction import TimedScores
    from spikebench.records.text import printable

    for name, sample, label in zip(names, samples, truth, strict=True):
        for time, scores in listener.live(sample, chunk):
            now = TimedScores(np.array([time]), scores[None, None])
            answer = {
                "clip": name,
                "time_ms": round(time * 1e3, 3),
                "answer": printable(listener.classes[now.predicted[0, 0]]),
                "confidence": round(float(now.confidence[0, 0]), 4),
            }
            if as_json:
                click.echo(json.dumps(answer))
            else:
                click.echo(
                    f"{name}  {answer['time_ms']:>8g} ms  {answer['answer']:<12} {answer['confidence']:6.1%}"
                )
        if label >= 0 and not as_json:
            click.echo(f"{name}  is {printable(listener.classes[label])}")


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    from spikebench.records.csv_text import csv_text
    from spikebench.records.whole_files import write_text

    columns = list(dict.fromkeys(name for row in rows for name in row))
    write_text(path, csv_text([columns, *([row.get(one, "") for one in columns] for row in rows)]))


def _draw(path: Path, listener: Listener, truth: list[int], answers: TimedScores) -> None:
    from spikebench.plots.predictions import draw_over_time
    from spikebench.plots.sample import write_figure

    curves = _curves(truth, answers)
    chance = 1 / len(listener.classes) if "accuracy" in curves else None
    title = f"{listener.record.model}, {len(truth)} clips"
    write_figure(draw_over_time(answers.times, curves, chance, title), path)
