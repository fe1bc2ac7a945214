"""Write the report of ``gpu.sh`` as a page."""

from __future__ import annotations

from typing import Any

WHOLE = 480  # s, asked of the whole command


def page(report: dict[str, Any]) -> str:
    """Write the page.

    Parameters
    ----------
    report
        As ``gpu.py`` stores it.

    Returns
    -------
    str
        Markdown.
    """
    found = {stage["stage"]: stage["result"] for stage in report["stages"]}
    lines = [
        f"# On one {report['machine']['device']}",
        "",
        f"`{report['command']}`, {report['date'][:10]}. "
        + ", ".join(f"{key} {value}" for key, value in report["machine"].items())
        + ".",
        "",
        "## Bars",
        "",
        *table(("bar", "measured", "asked", ""), bars(report)),
        "## Checks against the CPU",
        "",
        *table(("check", "", "measured", "most", ""), checks(report)),
        *training(found),
        *epoch(found.get("epoch", {})),
        *conversion(found.get("conversion", {})),
        *accuracy(found.get("accuracy", {})),
        "## Stages",
        "",
        *table(("stage", "", "s", "at most", "command"), stages(report)),
    ]
    for stage in report["stages"]:
        if stage["status"] != "finished":
            log = [f"    {line}" for line in stage.get("log", [])]
            lines += [f"Last lines of {stage['stage']}:", "", *log, ""]
    return "\n".join(lines).rstrip() + "\n"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Write a table."""
    cells = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {c} |" for c in cells), ""]


def bars(report: dict[str, Any]) -> list[tuple[str, ...]]:
    """List the bars of all stages, and the time of the command."""
    rows = [one for stage in report["stages"] for one in stage["result"].get("bars", [])]
    listed = [(one["bar"], one["measured"], one["asked"], verdict(one["pass"])) for one in rows]
    seconds = report["seconds"]
    last = ("whole command", f"{seconds:.0f} s", f"≤ {WHOLE} s", verdict(seconds <= WHOLE))
    return [*listed, last]


def verdict(passed: bool) -> str:
    """Name the outcome of a bar."""
    return "pass" if passed else "MISSED"


def checks(report: dict[str, Any]) -> list[tuple[str, ...]]:
    """List the checks: those with a number, those that failed, and the number of tests."""
    rows: list[tuple[str, ...]] = []
    for stage in report["stages"]:
        listed = stage["result"].get("checks", [])
        passed = sum(one["pass"] for one in listed)
        if stage["stage"] == "tests":
            verdict_ = "equal" if listed and passed == len(listed) else "FAILED"
            rows.append(("tests", "passed", str(passed), f"of {len(listed)}", verdict_))
            listed = [one for one in listed if not one["pass"]]
        for one in listed:
            numbers = [f"{one[key]:.1e}" if key in one else "–" for key in ("value", "most")]
            rows.append((one["check"], one["what"], *numbers, "pass" if one["pass"] else "FAILED"))
        missing = stage["result"].get("expected", len(stage["result"].get("checks", [])))
        missing -= len(stage["result"].get("checks", []))
        if missing:
            rows.append(
                (stage["stage"], "checks that were not reached", str(missing), "0", "FAILED")
            )
    return rows


def stages(report: dict[str, Any]) -> list[tuple[str, ...]]:
    """List the stages."""
    return [
        (
            stage["stage"],
            stage["status"],
            f"{stage['seconds']:.0f}",
            f"{max(stage['limit_s'], 0):.0f}",
            f"`{stage['command']}`",
        )
        for stage in report["stages"]
    ]


def training(found: dict[str, Any]) -> list[str]:
    """Tabulate the steps of all libraries."""
    lines = []
    for name in ("training", "more-training"):
        part = found.get(name, {})
        for title, rows in part.get("shapes", {}).items():
            lines += [f"## A training step, {title}", "", f"{part['data']}; batches of 128.", ""]
            body = [
                (library, one["error"], "", "", "")
                if "error" in one
                else (
                    f"{library} {one['version']}",
                    f"{1e3 * one['median_s']:.2f}",
                    f"{one['peak_bytes'] / 2**20:.0f}",
                    f"{one['hidden_spikes']:,.0f}",
                    f"{one['warm_up_s']:.1f}",
                )
                for library, one in rows.items()
            ]
            head = (
                "library",
                "ms per step",
                "peak MiB",
                "hidden spikes per sample",
                "first steps, s",
            )
            lines += table(head, body)
    return lines


def epoch(found: dict[str, Any]) -> list[str]:
    """Describe the epochs."""
    if not found:
        return []
    seconds = ", ".join(f"{one:.2f}" for one in found["seconds"])
    return [
        "## An epoch",
        "",
        f"{found['data']}; {found['shape']}: {seconds} s; first steps {found['first_steps_s']:.1f} s.",
        "",
    ]


def conversion(found: dict[str, Any]) -> list[str]:
    """Tabulate the conversion."""
    if not found:
        return []
    device = found["device"]
    rows = [
        ("encoding on the device", f"{device['device_times_real_time']:,.3g}"),
        (
            "the same, preparing on one core in turn",
            f"{device['with_preparation_times_real_time']:,.3g}",
        ),
        ("one core of the CPU", f"{device['cpu_one_core_times_real_time']:,.3g}"),
    ]
    lines = [
        "## Conversion",
        "",
        f"{device['clips']} clips, {device['audio_s']:.1f} s of audio, {device['channels']} channels, preset `shd`; "
        f"largest error of p_fire {device['p_fire_error']:.1e}; peak memory of the device "
        f"{device['peak_device_bytes'] / 2**30:.1f} GiB.",
        "",
        *table(("", "× real time"), rows),
    ]
    spent = sorted(device["device_stages_s"].items(), key=lambda item: -item[1])
    if spent:
        lines += table(("time of the device", "s"), [(name, f"{s:.3f}") for name, s in spent])
    if "whole" in found:
        whole = found["whole"]
        lines += [
            f"From recordings to the spike file: {whole['samples']:,} samples in {whole['seconds']:.1f} s.",
            "",
        ]
    return lines


def accuracy(found: dict[str, Any]) -> list[str]:
    """Tabulate the accuracies."""
    if not found:
        return []
    rows = [
        (title, f"{100 * value:.1f}", f"{found['seconds'][title]:.0f}")
        for title, value in found["test"].items()
    ]
    head = ("", "test %", "s for training and test")
    return [f"## Accuracy of `{found['model']}`, one seed", "", *table(head, rows)]
