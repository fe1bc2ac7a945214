"""Compared spike files in a terminal: a verdict for every measure, and its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spikebench.fidelity.comparison import Comparison
    from spikebench.fidelity.measures import Measure

_PAIRED_BY = {
    "sha256": "the same recordings, by their SHA-256",
    "source": "the same recordings, by their paths",
    "order": "pairs in the order of the files",
    "choice": "one sample each",
    "": "no pairs: all samples of both files",
}
_FLOOR_FROM = {
    "seed": "{repeat}, another seed",
    "halves": "halves of each file against each other",
    "": "not known; give --repeat FILE2, the same recordings converted with another seed",
}


def comparison_lines(
    comparison: Comparison, data: str, other: str, repeat: str | None
) -> list[str]:
    """Format a comparison as text.

    Parameters
    ----------
    comparison
        The measured comparison.
    data, other, repeat
        The files, as given on the command line.

    Returns
    -------
    list of str
        Lines.
    """
    from spikebench.fidelity.measures import NAMES
    from spikebench.records.text import printable

    lines = []
    for title, name, total, left_out in zip(
        ("FILE", "OTHER"), (data, other), comparison.totals, comparison.left_out, strict=True
    ):
        rest = f", {left_out:,} left out" if left_out else ""
        noun = "sample" if total.spikes.size == 1 else "samples"
        lines.append(f"{title:<12}{printable(name)}: {total.spikes.size:,} {noun}{rest}")
    lines += [
        f"{'compared':<12}{_PAIRED_BY[comparison.pairing.by]}; "
        f"times in steps of {1e3 * comparison.resolution:.3g} ms",
        f"{'equal files':<12}"
        + printable(_FLOOR_FROM[comparison.floor_from].format(repeat=repeat)),
        "",
    ]
    for key, one in comparison.measures.items():
        lines.append(f"{NAMES[key]:<20}{one.verdict}")
        lines.append(f"    {_WORDS[key](one)}")
    return [*lines, *_class_lines(comparison)]


def _class_lines(comparison: Comparison) -> list[str]:
    from spikebench.records.text import printable

    lines = []
    if comparison.class_order in ("permuted", "different"):
        lines.append(
            f"classes             their names are {comparison.class_order} in the two files"
        )
    ratios = [(one.means[0] / one.means[1], one.name) for one in comparison.classes if one.means[1]]
    if len(ratios) > 1:
        (low, lowest), (high, highest) = (
            (ratio, printable(name)) for ratio, name in (min(ratios), max(ratios))
        )
        lines.append(
            f"{'classes':<20}spikes per sample from × {low:.3f} ({lowest}) to × {high:.3f} ({highest})"
        )
    return lines


def _two_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 99.5 else f"{value:.2g}"


def _distance(one: Measure, percent: bool = True) -> str:
    def show(value: float) -> str:
        return f"{_two_digits(100 * value)} %" if percent else f"{value:.2g} ms"

    if one.distance is None:
        return "distance not known"
    floor = "" if one.floor is None else f" (equal files {show(one.floor)})"
    return f"distance {show(one.distance)}{floor}"


def _profile(one: Measure) -> str:
    f = one.figures
    correlation = "" if f["correlation"] is None else f"; correlation {f['correlation']:.3f}"
    together = "" if f["units_together"] == 1 else f" ({f['units_together']:.0f} channels together)"
    return (
        f"{f['mean_file']:.3g} and {f['mean_with']:.3g}{together}, × {f['ratio']:.3f}; "
        f"{_distance(one)}{correlation}"
    )


def _spikes(one: Measure) -> str:
    f = one.figures
    means = " and ".join(
        f"{f[f'mean_{name}']:,.0f}"
        + ("" if f[f"sd_{name}"] is None else f" ± {f[f'sd_{name}']:,.0f}")
        for name in ("file", "with")
    )
    return f"{means}, × {f['ratio']:.3f}; {_distance(one)}"


def _intervals(one: Measure) -> str:
    f = one.figures
    if one.distance is None:
        return f"{f['intervals_file']:.0f} and {f['intervals_with']:.0f} intervals"
    return f"median {f['median_ms_file']:.3g} and {f['median_ms_with']:.3g} ms; {_distance(one)}"


def _spontaneous(one: Measure) -> str:
    f = one.figures
    rates = " and ".join(
        "no tail" if f[f"rate_per_s_{name}"] is None else f"{f[f'rate_per_s_{name}']:.3f}"
        for name in ("file", "with")
    )
    ratio = "" if f["ratio"] is None else f", × {f['ratio']:.3f}"
    seconds = f"{f['tail_seconds_file']:.3g} and {f['tail_seconds_with']:.3g} s"
    return f"{rates} per second and unit{ratio}, in tails of {seconds}; {_distance(one)}"


def _time(one: Measure) -> str:
    f = one.figures
    first = " and ".join(
        f"{f[f'first_spike_ms_{name}']:.2f} ms ({100 * (f[f'first_spike_at_0_share_{name}'] or 0):.0f} % at 0)"
        for name in ("file", "with")
    )
    if "lag_ms" not in f:
        return f"first spike at {first}; {_distance(one, percent=False)}"
    if f["lag_ms"] is None:
        return f"first spike at {first}"
    return (
        f"first spike at {first}; FILE shifted by {f['lag_ms']:+.2f} ms fits best\n"
        f"    raster correlation {f['raster_correlation']:.3f}; {_distance(one)}"
    )


_WORDS = {
    "channels": _profile,
    "bands": _profile,
    "spikes": _spikes,
    "intervals": _intervals,
    "spontaneous": _spontaneous,
    "time": _time,
}
