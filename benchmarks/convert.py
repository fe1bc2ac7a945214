"""Measure the cost of conversion, with lauscher 1.0.1: time, memory, start, length, load, workers.

    python benchmarks/convert.py [--parts peer,stages,start,throughput,load,workers] [--lauscher PYTHON]
        [--audio FOLDER] [--speech FOLDER] [--clips 1000] [--lauscher-clips 2]

Needs an idle machine for about ten minutes on two cores. Writes ``convert.json`` and ``convert.md``
(``benchmarks/results/``, or ``--output``); with ``--parts`` the other parts keep their earlier measurements
if those were made on the same machine with the same versions. Exit code 1 if a bar is missed. To measure all
Heidelberg Digits instead of extrapolating: ``--parts throughput --audio FOLDER --clips 10420``.

PYTHON is the interpreter of an environment that has lauscher, made by::

    python -m venv lauscher-env
    lauscher-env/bin/pip install lauscher==1.0.1

Without it such an environment is made in a temporary folder. ``convert_parts.py`` describes the parts and the
figures per clip, ``process_tree.py`` defines wall time, CPU time and memory, ``convert_stages.py`` defines the
limits of the stages.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import soundfile
from convert_parts import PARTS, Bench, find_words
from convert_report import bars, report
from process_tree import CommandError

from spikebench.errors import SpikebenchError
from spikebench.workers import available_cores

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "shared" / "data"


def machine() -> dict[str, Any]:
    """Describe the machine and the versions that matter."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = ("spikebench", "numpy", "scipy", "numba", "distributed")
    try:
        versions = {name: version(name) for name in names}
    except PackageNotFoundError as error:
        raise CommandError(f"{error.name} is missing: pip install '.[dev]'") from None
    facts = dict(map(str.strip, line.split(":", 1)) for line in reversed(lines) if ":" in line)
    cpu = facts.get("model name", platform.machine())
    if "cpu family" in facts:  # a virtual machine may hide which of the processors of a name it has
        cpu += f" (family {facts['cpu family']}, model {facts['model']})"
    return {
        "cpu": cpu,
        "cores": available_cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
        **versions,
    }


def earlier(file: Path, here: dict[str, Any]) -> dict[str, Any]:
    """Read the earlier measurements if they were made on this machine with these versions."""
    if not file.exists():
        return {}
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
        if result["machine"] == here:
            return dict(result["parts"])
    except (ValueError, KeyError, TypeError):
        raise CommandError(f"{file}: is not an earlier result; remove it") from None
    print(
        f"{file}: measured on another machine or with other versions; starting over",
        file=sys.stderr,
    )
    return {}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", default=",".join(PARTS), help="some of: %(default)s")
    parser.add_argument(
        "--audio", type=Path, default=DATA / "heidelberg-digits", help="48 kHz words"
    )
    parser.add_argument(
        "--speech", type=Path, default=DATA / "speech-commands", help="16 kHz words"
    )
    parser.add_argument("--lauscher", type=Path, metavar="PYTHON", help="interpreter with lauscher")
    parser.add_argument("--lauscher-clips", type=int, default=2)
    parser.add_argument("--clips", type=int, default=1000, help="clips of part throughput")
    parser.add_argument(
        "--channels", type=int, default=700, help="bars are judged for the default only"
    )
    parser.add_argument("--output", type=Path, default=HERE / "results")
    options = parser.parse_args()
    options.parts = options.parts.split(",")
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    if min(options.lauscher_clips, options.clips, options.channels) < 1:
        parser.error("clips and channels must be at least 1")
    if options.lauscher and not options.lauscher.is_file():
        parser.error(f"--lauscher {options.lauscher}: no such interpreter")
    if options.lauscher:  # not resolved: an environment's interpreter is a link
        options.lauscher = options.lauscher.absolute()
    return options


def main() -> None:
    """Run the parts; each is written as soon as it is finished."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # unwinds: ends what runs
    try:
        words, here = find_words(options.audio), machine()
        file = options.output / "convert.json"
        parts = earlier(file, here)
        options.output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="spikebench-") as scratch:
            for name in options.parts:
                print(f"part {name}", file=sys.stderr)
                created = datetime.now(UTC).isoformat(timespec="seconds")
                measured = PARTS[name](Bench(Path(scratch), words, options))
                parts[name] = {"created": created, "machine": here, **measured}
                result = {"machine": here, "parts": {x: parts[x] for x in PARTS if x in parts}}
                file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        page = report(result)
        file.with_suffix(".md").write_text(page, encoding="utf-8")
    except (CommandError, SpikebenchError, soundfile.SoundFileError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    print(page, end="")
    if any(bar.passed is False for bar in bars(result)):
        sys.exit(1)


if __name__ == "__main__":
    main()
