"""Compute the cost of converting SHD, SSC and 1,000 hours from the rates measured by ``convert.py``.

    python benchmarks/cost.py [--price 0.05] [--write]

Prints the table of ``docs/cost.md``; ``--write`` writes it to the page. Needs part ``workers`` of
``benchmarks/results/convert.json``. Only the lengths below and the price are entered by hand.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from convert_report import loss_per_worker

HERE = Path(__file__).resolve().parent
MEASURED = HERE / "results" / "convert.json"
PAGE = HERE.parent / "docs" / "cost.md"
BEGIN, END = "<!-- made by benchmarks/cost.py --write: begin -->", "<!-- end -->"
PRICE = 0.05  # $ per core and hour: an assumption, not an offer
MORE_WORKERS = (16, 64)  # beyond what was measured


class Corpus(NamedTuple):
    """A set of recordings; ``rate`` names the measurement with similar recordings."""

    name: str
    hours: float
    rate: str


CORPORA = (
    Corpus("SHD: 10,420 clips, 2.09 h", 2.09, "local-1"),
    Corpus("SSC: 105,829 clips, 29 h", 29.0, "speech-1"),
    Corpus("1,000 hours", 1000.0, "local-1"),
)


def wall_seconds(corpus: Corpus, kind: str, count: int, workers: dict[str, Any]) -> float:
    """Return the time that some workers need for a corpus.

    Parameters
    ----------
    corpus
        The recordings to convert.
    kind
        ``local`` or ``cluster``.
    count
        Number of workers, of one core each.
    workers
        Part ``workers`` of ``convert.json``.

    Returns
    -------
    float
        Seconds: audio · s₁/N · (1 + loss·(N − 1)), s₁ being the seconds per second of audio on one worker.
    """
    one = workers[f"{kind}-1"]
    relative = 1.0  # cost of such recordings relative to the words of the worker measurements
    if corpus.rate in workers:
        relative = (
            workers[corpus.rate]["wall_s_per_audio_s"] / workers["local-1"]["wall_s_per_audio_s"]
        )
    loss = loss_per_worker(one, workers[f"{kind}-2"])
    alone = 3600 * corpus.hours * one["wall_s_per_audio_s"] * relative
    return float(alone / count * (1 + loss * (count - 1)))


def dollars(seconds: float, kind: str, count: int, price: float) -> float:
    """Return the price of the cores: those of the workers, and on a cluster one for scheduler and command."""
    return seconds / 3600 * (count + (kind == "cluster")) * price


def table(result: dict[str, Any], price: float = PRICE) -> str:
    """Format the costs as a table.

    Parameters
    ----------
    result
        Contents of ``convert.json`` with part ``workers``.
    price
        Price of one core for one hour [$].

    Returns
    -------
    str
        Markdown.
    """
    machine, workers = result["machine"], result["parts"]["workers"]
    losses = {
        kind: loss_per_worker(workers[f"{kind}-1"], workers[f"{kind}-2"])
        for kind in ("local", "cluster")
    }
    coordinator = workers["cluster-2"]["main_cpu_s_per_clip"]
    rows = [("local", 1), ("local", 2), ("cluster", 1), ("cluster", 2)]
    rows += [("cluster", count) for count in MORE_WORKERS]
    lines = [
        f"Measured {workers['created'][:10]} on {machine['cores']} cores of {machine['cpu']}: one worker needs "
        f"{workers['local-1']['wall_s_per_audio_s']:.3f} s per second of audio (local), "
        f"{workers['cluster-1']['wall_s_per_audio_s']:.3f} s (Dask). Efficiency lost per worker: "
        f"{100 * losses['local']:.1f} % (local), {100 * losses['cluster']:.1f} % (Dask). The command that "
        f"distributes the clips needs {1000 * coordinator:.1f} ms of CPU time per clip, so the rate cannot exceed "
        f"{1 / coordinator:,.0f} clips per second. At {price:g} $ per core and hour:",
        "",
        f"| workers | efficiency | {' | '.join(corpus.name for corpus in CORPORA)} |",
        f"|---|---|{'---|' * len(CORPORA)}",
    ]
    for kind, count in rows:
        cells = []
        for corpus in CORPORA:
            seconds = wall_seconds(corpus, kind, count, workers)
            cells.append(f"{seconds:,.0f} s, {dollars(seconds, kind, count, price):,.2f} $")
        name = f"{count} {'local' if kind == 'local' else 'Dask'}"
        efficiency = f"{100 / (1 + losses[kind] * (count - 1)):.0f} %"
        how = "" if count <= 2 else ", extrapolated"
        lines.append(f"| {name}{how} | {efficiency} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def replaced(page: str, content: str) -> str:
    """Replace the table between the two marks.

    Parameters
    ----------
    page
        Text of ``docs/cost.md``.
    content
        From :func:`table`.

    Returns
    -------
    str
        The text with the table.

    Raises
    ------
    ValueError
        If a mark is missing.
    """
    if BEGIN not in page or END not in page.partition(BEGIN)[2]:
        raise ValueError(f"{PAGE.name}: the marks {BEGIN} … {END} are missing")
    head, _, rest = page.partition(BEGIN)
    return f"{head}{BEGIN}\n\n{content}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Print or write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--price", type=float, default=PRICE, help="$ per core and hour")
    parser.add_argument("--write", action="store_true", help="into docs/cost.md")
    options = parser.parse_args()
    if options.price != PRICE and options.write:
        parser.error(f"docs/cost.md is written with the price that it states, {PRICE:g} $")
    try:
        result = json.loads(MEASURED.read_text(encoding="utf-8"))
        content = table(result, options.price)
        if options.write:
            page = replaced(PAGE.read_text(encoding="utf-8"), content)
            PAGE.write_text(page, encoding="utf-8")
    except FileNotFoundError as error:
        sys.exit(f"error: {error.filename}: not there; python benchmarks/convert.py makes it")
    except KeyError as error:
        sys.exit(f"error: {MEASURED.name}: {error} not measured: convert.py --parts workers")
    except ValueError as error:
        sys.exit(f"error: {error}")
    print(content, end="")


if __name__ == "__main__":
    main()
