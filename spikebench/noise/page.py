"""The page of finished studies, as Markdown.

The text is ``page.md`` in this folder; the short answer and everything after it come from the reports. The answer says
that something differs only where the 95 % interval of the difference does not include 0. What the data are is said
in words at the top, by the note of the study (:func:`read_note`).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from spikebench.errors import ResultError
from spikebench.noise.report import ALL, Area, AreaDifference, NoiseReport, NoiseRow, file_name
from spikebench.records.fields import Name
from spikebench.records.strict_json import read_record
from spikebench.timing.answers import Tested

__all__ = [
    "COMMAND_FILE",
    "page_text",
    "picture_name",
    "read_commands",
    "read_note",
    "read_reports",
]

COMMAND_FILE = "command.txt"
NOTE_FILE = "note.md"  # written by the user
_ANSWER = "<!-- the short answer -->"
_WAYS = {
    ("clean", "sound"): "sound",
    ("clean", "spikes"): "spikes",
    ("noise", "sound"): "sound, trained with noise",
    ("noise", "spikes"): "spikes, trained with noise",
}


def read_reports(folders: Sequence[Path]) -> list[NoiseReport]:
    """Read the reports of finished studies.

    Parameters
    ----------
    folders
        Folders of studies; of one with both reports, that on the test split is read.

    Returns
    -------
    list of NoiseReport
        In the same order.

    Raises
    ------
    ResultError
        If a folder has no report, or runs of it failed.
    """
    found = []
    names: tuple[Tested, ...] = ("test", "validation")
    for folder in folders:
        paths = [path for one in names if (path := folder / file_name(one, ".json")).is_file()]
        if not paths:
            raise ResultError(
                f"{folder}: has no {file_name('validation', '.json')}; finish the study first"
            )
        report = read_record(paths[0], NoiseReport)
        if report.failed:
            raise ResultError(f"{folder}: {len(report.failed)} runs failed; repeat the study first")
        found.append(report)
    return found


def read_commands(folders: Sequence[Path]) -> list[str]:
    """Read the commands of finished studies.

    Parameters
    ----------
    folders
        Folders of studies.

    Returns
    -------
    list of str
        Their commands, without the paths of this machine.

    Raises
    ------
    ResultError
        If one is missing.
    """
    paths = [folder / COMMAND_FILE for folder in folders]
    if missing := [path for path in paths if not path.is_file()]:
        raise ResultError(f"{missing[0]}: no such file; finish the study first")
    return [path.read_text(encoding="utf-8").strip() for path in paths]


def read_note(folder: Path) -> str:
    """Read what the user says of the data of a study, if anything.

    Parameters
    ----------
    folder
        Folder of the study.

    Returns
    -------
    str
        Contents of ``note.md`` in it; empty if there is none.
    """
    path = folder / NOTE_FILE
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def picture_name(stem: str, number: int) -> str:
    """Name the picture of a study.

    Parameters
    ----------
    stem
        Name of the page.
    number
        Number of the study, from 1.

    Returns
    -------
    str
        A file name.
    """
    return f"{stem}-{number}.png"


def page_text(
    reports: Sequence[NoiseReport], commands: Sequence[str], notes: Sequence[str], stem: str
) -> str:
    """Write the page.

    Parameters
    ----------
    reports
        The studies.
    commands, notes
        The command of each, and what is said of its data (:func:`read_note`).
    stem
        Name of the page; its pictures are in the folder ``images`` beside it.

    Returns
    -------
    str
        Markdown.
    """
    source = resources.files("spikebench") / "noise" / "page.md"
    answers = [
        line for report, note in zip(reports, notes, strict=True) for line in _answer(report, note)
    ]
    lines = [source.read_text(encoding="utf-8").rstrip().replace(_ANSWER, "\n".join(answers)), ""]
    studies = zip(reports, commands, strict=True)
    for number, (report, command) in enumerate(studies, start=1):
        lines += _study(report, command, f"images/{picture_name(stem, number)}")
    return "\n".join(lines).rstrip() + "\n"


def _answer(report: NoiseReport, note: str) -> list[str]:
    """Say what the data are and what a study found, no stronger than its intervals allow."""
    data = _data(report, "the data described next" if note else f"`{report.dataset.name}`")
    lines = [
        f"**The short answer**, from {report.samples:,} {report.tested} samples of {data}. Intervals are "
        "95 %, not adjusted for the number of comparisons.",
        "",
        *([note, ""] if note else []),
    ]
    for model in report.models:
        area = _area(report, model.name, "clean", "sound")
        clean = _row(report, model.name, "clean")
        if area is not None and clean is not None:
            lines.append(
                f"- `{model.name}`, trained without noise: {_percent(clean)} of the words as they were recorded, "
                f"{_percent(area)} on average over noise at {_range(report)}."
            )
    spikes = [one for one in report.differences if one.what == "spikes - sound"]
    noisy = [one for one in report.differences if one.what != "spikes - sound"]
    if spikes:
        lines.append(
            "- Damage done to spikes after the conversion, instead of to the sound, on average over the kinds "
            "of noise, which can differ in sign (table below): "
            + _verdicts(spikes, "looks more harmless", "looks more harmful")
        )
    if noisy:
        lines.append("- Training with noise: " + _verdicts(noisy, "helps", "harms"))
    return lines


def _losses(report: NoiseReport, model: str) -> str:
    """Say under which other conditions than noise a loss is significant, and under which none is."""
    rows = [
        row
        for row in report.rows
        if (row.model, row.trained_on, row.place) == (model, "clean", "sound")
        and row.kind not in ("clean", "white", "pink", "babble", "recorded")
    ]
    lost = [row for row in rows if row.change_high is not None and row.change_high < 0]
    same = [row for row in rows if row not in lost]
    said = []
    if lost:
        names = ", ".join(f"`{row.condition}` ({_signed(row.change or 0)})" for row in lost)
        said.append(f"significant under {names}.")
    if same:
        names = ", ".join(f"`{row.condition}`" for row in same)
        said.append(f"None that these samples could show under {names}.")
    return " ".join(said) or "not tested."


def _verdicts(found: Sequence[AreaDifference], more: str, less: str) -> str:
    groups: dict[str, list[str]] = {}
    for one in found:
        what = "makes no difference that these samples could show"
        if one.low is not None and one.low > 0:
            what = more
        elif one.high is not None and one.high < 0:
            what = less
        low, high = one.low, one.high
        interval = "" if low is None or high is None else f", {_signed(low)} … {_signed(high)}"
        groups.setdefault(what, []).append(
            f"`{one.model}` ({_signed(one.difference)} points{interval})"
        )
    return "; ".join(f"{what} for {', '.join(names)}" for what, names in groups.items()) + "."


def _range(report: NoiseReport) -> str:
    ratios = [
        row.strength for row in report.rows if row.kind in ("white", "pink", "babble", "recorded")
    ]
    known = [ratio for ratio in ratios if ratio is not None]
    kinds = list(dict.fromkeys(one.kind for one in report.areas if one.kind != ALL))
    return f"{min(known):g} … {max(known):g} dB ({', '.join(kinds)})".replace("-", "−")


def _data(report: NoiseReport, name: str) -> str:
    synthetic = " (synthetic voices)" if report.dataset.synthetic else ""
    encoder = f", encoder `{report.encoder}`" if report.encoder else ""
    return f"{name}{synthetic}{encoder}"


def _area(report: NoiseReport, model: str, trained_on: str, place: str) -> Area | None:
    """Return the area over all kinds, or over the only one."""
    kinds = {one.kind for one in report.areas}
    return report.area(model, trained_on, place, ALL if ALL in kinds else next(iter(kinds), ""))


def _row(report: NoiseReport, model: str, condition: str) -> NoiseRow | None:
    wanted: tuple[Name, ...] = (model, "clean", "sound", condition)
    return next(
        (
            row
            for row in report.rows
            if (row.model, row.trained_on, row.place, row.condition) == wanted
        ),
        None,
    )


def _study(report: NoiseReport, command: str, picture: str) -> list[str]:
    data, split = report.dataset, report.dataset.split
    seeds = max(len(model.seeds) for model in report.models)
    epochs = ", ".join(f"`{model.name}` {model.preset.training.epochs}" for model in report.models)
    ways = [way for way in _WAYS if any((row.trained_on, row.place) == way for row in report.rows)]
    return [
        f"## Measured on {data.name}",
        "",
        f"`{command}`",
        "",
        f"{report.software}; {_data(report, f'`{data.name}`')}, {split.train_samples:,} training and "
        f"{report.samples:,} {report.tested} samples ({split.rule}); {seeds} seed{'s' * (seeds > 1)}; "
        f"{len(report.seeds)} runs opened the test split {report.test_opened} times. Epochs, where a model has any: "
        f"{epochs}. Intervals: {report.interval}. Accuracies in %.",
        "",
        f"![Accuracy of every model over the ratio of signal to noise, and under other conditions]({picture})",
        "",
        "*Bands and bars are 95 % intervals.*",
        "",
        "Losses under other conditions than noise, trained without noise, in points. Significant: the 95 % interval of "
        "the paired difference excludes 0, not adjusted for the number of conditions.",
        "",
        *(f"- `{model.name}`: {_losses(report, model.name)}" for model in report.models),
        "",
        "| area over | model | " + " | ".join(_WAYS[way] for way in ways) + " |",
        "|---|---|" + "---|" * len(ways),
        *_area_rows(report, ways),
        "",
        "| condition | model | " + " | ".join(_WAYS[way] for way in ways) + " |",
        "|---|---|" + "---|" * len(ways),
        *_condition_rows(report, ways),
        "",
    ]


def _area_rows(report: NoiseReport, ways: Sequence[tuple[str, str]]) -> list[str]:
    lines = []
    for kind in dict.fromkeys(one.kind for one in report.areas):
        for model in report.models:
            found = [report.area(model.name, *way, kind) for way in ways]
            cells = ["–" if one is None else _percent(one, unit="") for one in found]
            lines.append(f"| {kind} | `{model.name}` | " + " | ".join(cells) + " |")
    return lines


def _condition_rows(report: NoiseReport, ways: Sequence[tuple[str, str]]) -> list[str]:
    rows: dict[tuple[str, str, str, str], NoiseRow] = {
        (row.condition, row.model, row.trained_on, row.place): row for row in report.rows
    }
    lines = []
    for condition in report.conditions:
        for model in report.models:
            found = [rows.get((condition, model.name, *way)) for way in ways]
            cells = ["–" if one is None else _percent(one, unit="") for one in found]
            lines.append(f"| `{condition}` | `{model.name}` | " + " | ".join(cells) + " |")
    return lines


def _percent(one: Area | NoiseRow, unit: str = " %") -> str:
    value = one.area if isinstance(one, Area) else one.accuracy
    text = f"{100 * value:.1f}{unit}"
    if one.low is not None and one.high is not None:
        text += f" ({100 * one.low:.1f} … {100 * one.high:.1f})"
    return text


def _signed(fraction: float) -> str:
    return f"{100 * fraction:+.1f}".replace("-", "−")
