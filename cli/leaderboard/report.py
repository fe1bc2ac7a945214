"""``spikebench leaderboard report``: write the results as Markdown with pictures."""

from __future__ import annotations

from pathlib import Path

import click

from cli.leaderboard.selection import entries_option, read_checked


@click.command()
@entries_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("results.md"),
    show_default=True,
    help="Markdown file; the pictures are written to the folder images beside it.",
)
def report(entries: tuple[Path, ...], output: Path) -> None:
    """Write a table and a picture of costs per data set, as Markdown for a repository."""
    from leaderboard.claims.hardware import HARDWARE
    from leaderboard.claims.literature import read_literature
    from leaderboard.pages.report import by_data, report_markdown, unique_rows
    from leaderboard.standings.ranking import build_boards
    from leaderboard.standings.table import measured_rows
    from spikebench.plots.costs import Cost, draw_costs
    from spikebench.plots.sample import write_figure
    from spikebench.records.whole_files import write_text

    measured = measured_rows(build_boards(read_checked(entries)))
    rows = unique_rows(measured)
    chips = sum(row.track == HARDWARE for row in measured)
    output.parent.mkdir(parents=True, exist_ok=True)
    pictures = {}
    for name, group in by_data(rows).items():
        costs = [
            Cost(
                name=row.name,
                spiking=row.spiking,
                accuracy=row.test_accuracy,
                low=row.test_low,
                high=row.test_high,
                parameters=row.parameters,
                operations=None
                if row.effective_ac is None or row.effective_mac is None
                else row.effective_ac + row.effective_mac,
                spikes=row.spikes_per_sample if row.spiking else None,
            )
            for row in group
            if not row.task
        ]
        if not costs:
            continue
        picture = Path("images") / f"results-{name}.png"
        path = output.parent / picture
        path.parent.mkdir(parents=True, exist_ok=True)
        write_figure(draw_costs(costs, group[0].dataset), path)
        pictures[name] = picture.as_posix()
    write_text(output, report_markdown(rows, read_literature(), pictures))
    left = (
        f" Measurements on chips have tables of their own on the page: {chips} left out."
        if chips
        else ""
    )
    click.echo(f"Wrote {output}: {len(rows)} entries on {len(by_data(rows))} data sets.{left}")
