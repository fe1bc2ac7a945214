"""Bars and the page of the measurements of ``convert.py``."""

from __future__ import annotations

from typing import Any, NamedTuple

FULL_CLIPS, FULL_AUDIO_S = 10_420, 2.09 * 3600  # the Heidelberg Digits
LEAST_CLIPS = 1000  # from which the full set may be extrapolated
LOAD_NOISE = 0.1  # of the expected share
GROWTH = 1.05  # of the peak of the first half: two long words may meet later on


class Bar(NamedTuple):
    """One bar: the measured and the required value; ``passed`` is None if it is not judged."""

    name: str
    measured: str
    asked: str
    passed: bool | None


def bars(result: dict[str, Any]) -> list[Bar]:
    """Compare measurements with requirements.

    Parameters
    ----------
    result
        Contents of ``convert.json``.

    Returns
    -------
    list of Bar
        The bars of the parts that were measured.
    """
    return [bar for name, part in result["parts"].items() for bar in _bars_of(name, part)]


def _bars_of(name: str, part: dict[str, Any]) -> list[Bar]:
    judges = {
        "peer": _peer_bars,
        "stages": _stages_bars,
        "start": _start_bars,
        "throughput": _throughput_bars,
        "load": _load_bars,
    }
    return judges[name](part) if name in judges else []


def _stages_bars(stages: dict[str, Any]) -> list[Bar]:
    """Judge the processor time of a word of 0.71 s."""
    per_word = stages["total_ms_per_clip"]
    words = f"one word of {stages['audio_s'] / stages['clips']:.2f} s, one core, warm"
    return [Bar(words, f"{per_word:.0f} ms", "≤ 110 ms", per_word <= 110)]


def _start_bars(start: dict[str, Any]) -> list[Bar]:
    return [
        Bar(f"{kind} start, one word", f"{seconds:.1f} s", f"≤ {most} s", seconds <= most)
        for kind, seconds, most in (("cold", start["cold_s"], 4), ("warm", start["warm_s"], 1))
    ]


def _load_bars(load: dict[str, Any]) -> list[Bar]:
    """Judge the share kept under load; the median of a few runs varies by a tenth."""
    kept = load["beside_per_s"] / load["alone_per_s"]
    least = (1 - LOAD_NOISE) * load["expected"]
    asked = f"≥ {100 * least:.0f} % ({100 * load['expected']:.0f} % less a tenth)"
    name = f"rate kept beside {load['busy']} busy processes"
    passed = kept >= least if load["load_before"] < 1 else None
    return [Bar(name, f"{100 * kept:.0f} %", asked, passed)]


def _peer_bars(peer: dict[str, Any]) -> list[Bar]:
    theirs, ours = peer["lauscher"], peer["spikebench"]
    judged = peer["channels"] == 700
    rows = (
        ("wall time per clip", "wall_s_per_clip", 200),
        ("CPU time per clip", "cpu_s_per_clip", 200),
        ("peak memory", "peak_bytes", 15),
    )
    found = []
    for name, key, least in rows:
        ratio = theirs[key] / ours[key]
        passed = ratio >= least if judged else None
        found.append(
            Bar(f"{name}, lauscher over spikebench", f"{ratio:,.0f} ×", f"≥ {least} ×", passed)
        )
    return found


def full_set_seconds(throughput: dict[str, Any]) -> float:
    """Return the wall time of all Heidelberg Digits [s], from the audio converted per second."""
    return float(throughput["wall_s"] / throughput["audio_s"] * FULL_AUDIO_S)


def is_measured(throughput: dict[str, Any]) -> bool:
    """Return whether all recordings were converted."""
    return bool(throughput["clips"] >= FULL_CLIPS)


def _throughput_bars(throughput: dict[str, Any]) -> list[Bar]:
    clips, minutes = throughput["clips"], full_set_seconds(throughput) / 60
    how = "measured" if is_measured(throughput) else f"extrapolated from {clips:,} clips"
    growth = throughput["peak_bytes"] / throughput["peak_bytes_first_half"]
    enough = clips >= LEAST_CLIPS
    return [
        Bar(
            f"all {FULL_CLIPS:,} Heidelberg Digits, {how}",
            f"{minutes:.1f} min",
            "≤ 60 min, aim 25",
            minutes <= 60 if enough else None,
        ),
        Bar(
            "peak memory, whole run over its first half",
            f"{growth:.2f} ×",
            f"≤ {GROWTH:.2f} ×",
            growth <= GROWTH if enough else None,
        ),
    ]


def report(result: dict[str, Any]) -> str:
    """Format the measurements as Markdown.

    Parameters
    ----------
    result
        Contents of ``convert.json``.

    Returns
    -------
    str
        Markdown.
    """
    machine = result["machine"]
    versions = {k: v for k, v in machine.items() if k not in ("cpu", "cores", "memory_gib")}
    # Earlier files name the machine once, for all parts.
    parts = {name: {"machine": machine, **part} for name, part in result["parts"].items()}
    lines = [
        "# Cost of a conversion",
        "",
        "Made by `python benchmarks/convert.py`; its docstring describes the measurements.",
        "",
        f"{', '.join(f'{k} {v}' for k, v in versions.items())}. Parts are measured separately, on the day and the "
        "processor that their headings name; processors of one name may differ in speed, so figures of different "
        "days are not to be compared.",
        "",
        "| bar | measured | asked | | on |",
        "|---|---|---|---|---|",
    ]
    words = {True: "pass", False: "**fail**", None: "not judged"}
    lines += [
        f"| {b.name} | {b.measured} | {b.asked} | {words[b.passed]} | {_origin(part)} |"
        for name, part in parts.items()
        for b in _bars_of(name, part)
    ]
    pages = {
        "peer": _peer_page,
        "stages": _stages_page,
        "start": _start_page,
        "throughput": _throughput_page,
        "load": _load_page,
        "workers": _workers_page,
    }
    for name, page in pages.items():
        if name in parts:
            lines += ["", *page(parts[name])]
    return "\n".join(lines) + "\n"


def _origin(part: dict[str, Any]) -> str:
    """Return the day and the machine of a measurement."""
    machine = part["machine"]
    return f"{part['created'][:10]}, {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB"


def _mib(size: float) -> str:
    return f"{size / 2**20:,.0f}"


def _commands(part: dict[str, Any]) -> str:
    return "; ".join(f"`{command}`" for command in part["commands"])


def _peer_page(peer: dict[str, Any]) -> list[str]:
    lines = [
        f"## Side by side ({_origin(peer)})",
        "",
        f"The same clips ({', '.join(peer['clips'])}), {peer['channels']} channels, all cores.",
        "",
        "| | clips | wall s/clip | CPU s/clip | wall s per s of audio | peak MiB | command |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in ("lauscher", "spikebench"):
        row = peer[name]
        lines.append(
            f"| {name} | {row['clips']} | {row['wall_s_per_clip']:.3f} | {row['cpu_s_per_clip']:.3f} "
            f"| {row['wall_s_per_audio_s']:.3f} | {_mib(row['peak_bytes'])} | {_commands(row)} |"
        )
    return lines


def _stages_page(stages: dict[str, Any]) -> list[str]:
    speeds = stages["speeds"]
    ours = [row["stage"] for row in stages["stages"] if row.get("library", 0.0) > row["limit"]]
    without_library = (
        f" (of {', '.join(ours)}, which is our own code, the first two)" if ours else ""
    )
    lines = [
        f"## Stages ({_origin(stages)})",
        "",
        f"{stages['clips']} words, {stages['channels']} channels, on one core, warm ({_commands(stages)}): "
        f"{stages['total_ms_per_clip']:.0f} ms per clip of {stages['audio_s'] / stages['clips']:.2f} s. "
        f"Milliseconds per clip; the limit is the largest of the three before it{without_library}, which "
        "`benchmarks/convert_stages.py` computes from these speeds, measured in the same run:",
        f"copies of a block {speeds['copy_block_bytes_per_s'] / 1e9:.0f} GB/s (larger than the caches: "
        f"{speeds['copy_memory_bytes_per_s'] / 1e9:.0f} GB/s), {speeds['operations_per_s'] / 1e9:.0f}·10⁹ additions "
        f"and multiplications, {speeds['divisions_per_s'] / 1e9:.1f}·10⁹ divisions per second.",
        "",
        "| stage | measured | share | bytes | operations | library alone | limit | over the limit |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in stages["stages"]:
        share = f"{100 * row['ms'] / stages['total_ms_per_clip']:.0f} %"
        at_least = [_ms(row.get(key, 0.0)) for key in ("bytes", "operations", "library", "limit")]
        over = f"{row['ms'] / row['limit']:.1f} ×" if row["limit"] else "–"
        lines.append(
            f"| {row['stage']} | {row['ms']:.1f} | {share} | {' | '.join(at_least)} | {over} |"
        )
    limit = sum(row["limit"] for row in stages["stages"])
    total = stages["total_ms_per_clip"]
    lines.append(f"| all | {total:.1f} | 100 % | | | | {limit:.1f} | {total / limit:.1f} × |")
    return lines


def _ms(value: float) -> str:
    return f"{value:.1f}" if value else "–"


def _start_page(start: dict[str, Any]) -> list[str]:
    return [
        f"## Start ({_origin(start)})",
        "",
        f"{_commands(start)}, one word of {start['audio_s']:.2f} s, from start to end: {start['cold_s']:.1f} s with "
        f"empty caches, {start['warm_s']:.1f} s with full ones.",
    ]


def _throughput_page(run: dict[str, Any]) -> list[str]:
    how = "measured" if is_measured(run) else "extrapolated by seconds of audio"
    return [
        f"## A long run ({_origin(run)})",
        "",
        f"{_commands(run)}: {run['clips']:,} words, {run['audio_s']:,.0f} s of audio, in {run['wall_s']:.1f} s "
        f"from start to end ({run['cpu_s']:.1f} s of CPU time): {run['clips'] / run['wall_s']:.2f} clips/s, "
        f"{run['wall_s'] / run['audio_s']:.3f} s per second of audio. All {FULL_CLIPS:,} recordings "
        f"({FULL_AUDIO_S / 3600:.2f} h), {how}: {full_set_seconds(run) / 60:.1f} min. Peak memory "
        f"{_mib(run['peak_bytes_first_half'])} MiB until half of the time, "
        f"{_mib(run['peak_bytes'])} MiB until the end.",
    ]


def _load_page(load: dict[str, Any]) -> list[str]:
    alone, beside = load["alone_per_s"], load["beside_per_s"]
    n, cores, workers, busy = load["clips"], load["cores"], load["workers"], load["busy"]
    return [
        f"## Under load ({_origin(load)})",
        "",
        f"{_commands(load)}: {n} words by {workers} workers on {cores} cores, alone and beside {busy} processes that "
        f"compute without a pause, {load['rounds']} times each, alternately; medians: {alone:.2f} clips/s alone, "
        f"{beside:.2f} clips/s beside them, {100 * beside / alone:.0f} % of it. With equal shares for "
        f"{workers + busy} runnable processes on {cores} cores, {100 * load['expected']:.0f} % are expected. CPU time: "
        f"{load['alone_cpu_s_per_clip']:.3f} s/clip alone, {load['beside_cpu_s_per_clip']:.3f} s/clip beside them. "
        f"Load average before: {load['load_before']:.1f}.",
    ]


def loss_per_worker(one: dict[str, Any], two: dict[str, Any]) -> float:
    """Return the share of a worker that is lost per additional worker: rate₂ = 2·rate₁/(1 + loss).

    Parameters
    ----------
    one, two
        Measurements on one and on two workers.

    Returns
    -------
    float
        0 if two workers are twice as fast; not below 0.
    """
    return float(max(2 * two["wall_s_per_audio_s"] / one["wall_s_per_audio_s"] - 1, 0.0))


def _workers_page(workers: dict[str, Any]) -> list[str]:
    lines = [
        f"## Workers ({_origin(workers)})",
        "",
        "| workers | clips/s | s per s of audio | CPU s/clip of the coordinator | command |",
        "|---|---|---|---|---|",
    ]
    for name, row in workers.items():
        if name in ("created", "machine"):
            continue
        # The CPU time of the first process includes the server of local processes.
        coordinator = f"{row['main_cpu_s_per_clip']:.4f}" if name.startswith("cluster") else "–"
        lines.append(
            f"| {name} | {1 / row['wall_s_per_clip']:.2f} | {row['wall_s_per_audio_s']:.3f} | {coordinator} "
            f"| {_commands(row)} |"
        )
    lines.append("")
    for kind in ("local", "cluster"):
        loss = loss_per_worker(workers[f"{kind}-1"], workers[f"{kind}-2"])
        lines.append(f"Efficiency lost per worker, {kind}: {100 * loss:.1f} %.")
    return lines
