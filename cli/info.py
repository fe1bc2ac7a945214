"""``spikebench info``: show the contents of a spike file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

_HEADINGS = {
    "class": "class",
    "label": "label",
    "speaker": "speaker",
    "name": "name",
    "split": "split",
    "samples": "samples",
    "spikes_mean": "spikes, mean",
    "spikes_median": "median",
    "last_spike_s_mean": "last spike [s], mean",
}


@click.command()
@click.argument("data", metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(data: str, as_json: bool) -> None:
    """Show the contents of FILE, how it was made, its fingerprint, and statistics per class and speaker.

    FILE is a spike file or the name of a data set.
    """
    from cli.text.parameters import parameter_lines
    from spikebench.records.text import printable
    from spikebench.store.locate import resolve

    file, _ = resolve(data)
    report, tables = _report(file)
    if as_json:
        for name, table in tables.items():
            report[name] = table.to_dict(orient="records")
        click.echo(json.dumps(report, ensure_ascii=False))
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False, soft_wrap=True)
    provenance = report.pop("provenance")
    for name, value in report.items():
        console.print(f"{name.replace('_', ' '):<16} {value}")
    nested = {name: value for name, value in provenance.items() if isinstance(value, dict)}
    for name, value in provenance.items():
        if name not in nested:
            console.print(f"  {printable(name):<20} {printable(str(value))}")
    for name, values in nested.items():
        console.print(f"  {printable(name)}")
        for line in parameter_lines(values):
            console.print(f"    {line}")
    for name, table in tables.items():
        _print_table(console, name.replace("_", " "), table)


def _report(file: Path) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    from spikebench.spike_files.fingerprint import Part, fingerprint
    from spikebench.spike_files.reader import SpikeFile
    from spikebench.spike_files.report import group_statistics, sample_table

    with SpikeFile(file) as spikes:
        events = spikes.read()
        samples = sample_table(spikes, events)
        report: dict[str, Any] = {
            "file": str(file),
            "bytes": file.stat().st_size,
            "samples": spikes.n_samples,
            "units": spikes.n_units,
            "spikes": int(events.offsets[-1]),
            "without_spikes": int((spikes.spike_counts == 0).sum()),
            "classes": len(spikes.keys),
            "speakers": len(set(spikes.speakers.tolist()) - {-1}),
            "fingerprint": fingerprint([Part(file)]),
        }
        if spikes.durations_s is not None:
            report["audio_seconds"] = round(float(spikes.durations_s.sum()), 6)
        report["provenance"] = spikes.provenance
        tables = {"per_class": group_statistics(samples, ["label", "class"])}
        if report["speakers"]:
            by_speaker = group_statistics(samples, ["speaker"])
            names = spikes.speaker_names
            if names:
                known = [names[i] if 0 <= i < len(names) else "" for i in by_speaker["speaker"]]
                by_speaker.insert(1, "name", known)
            tables["per_speaker"] = by_speaker
        if spikes.splits is not None:
            tables["per_split"] = group_statistics(samples, ["split"])
    return report, tables


def _print_table(console: Console, title: str, table: pd.DataFrame) -> None:
    from rich import box
    from rich.table import Table

    drawn = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in table.columns:
        text = column in ("class", "split", "name")
        drawn.add_column(_HEADINGS[column], justify="left" if text else "right")
    for row in table.itertuples(index=False):
        drawn.add_row(*(_cell(value) for value in row))
    console.print(drawn)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}" if value < 100 else f"{value:,.0f}"
    from rich.markup import escape

    from spikebench.records.text import printable

    return escape(printable(str(value)))
