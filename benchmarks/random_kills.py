"""Whether commands that are killed at any moment give, when repeated, the result of an uninterrupted one.

    python benchmarks/random_kills.py [--kills 100] [--seed 0] [--commands evaluate sweep submit make train]

Each command runs once without interruption. Then, as often as ``--kills`` says in all, it runs again in a new folder,
is killed with its workers (SIGKILL) at a moment drawn uniformly from the last 70 % of the time that it took (before, it
loads libraries), and is repeated once, which must succeed. All files are then compared with those of the uninterrupted
command, apart from times in them:

* **evaluate**: two seeds of ``lif`` with all cost metrics; the test split must be opened once per seed.
* **sweep**: two settings, two workers. **train**: one run with a refit. **submit**: an entry with weights.
* **make**: ``data make shd-r`` of sixteen recordings, two workers.

A command that is killed after its last file was written refuses, when repeated, to replace it; that is no difference.

Data: a toy data set, and synthetic recordings named like the Heidelberg Digits. Writes nothing; prints a line per kill
that left another result, and a summary.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from helpers.leaderboard_results import make_result  # noqa: E402
from helpers.synthetic_clips import tone, write_clip  # noqa: E402
from helpers.toy import write_toy  # noqa: E402

TIMES = {"created", "train_seconds", "test_seconds", "run_sha256", "submitted", "result_sha256"}
TIMES |= {"weights_sha256", "seconds"}  # a header of weights has the training time


@dataclass(frozen=True)
class Case:
    """A command and the folder in which it works."""

    words: str
    prepare: Callable[[Path], None]
    outputs: tuple[str, ...]


def toy(folder: Path) -> None:
    """Prepare a data set."""
    write_toy(folder / "toy.h5")


def result(folder: Path) -> None:
    """Prepare a result of five seeds."""
    make_result(folder / "result")


def spec(folder: Path) -> None:
    """Prepare a sweep of two settings."""
    toy(folder)
    (folder / "spec.toml").write_text(
        'model = "lif"\ndata = "toy.h5"\nseeds = 1\n[settings]\n"input.duration_ms" = 300\n'
        '"training.epochs" = 6\n[grid]\n"training.learning_rate" = [0.01, 0.02]\n'
    )


def digits(folder: Path) -> None:
    """Prepare sixteen recordings."""
    for speaker in (0, 4):
        for digit in range(8):
            name = f"lang-english_speaker-{speaker:02d}_trial-0_digit-{digit}.flac"
            write_clip(folder / "audio" / name, tone(seconds=0.1, frequency=300.0 + 40 * digit))


TRAIN = "--set input.duration_ms=300 --set training.epochs=8 --quiet"
CASES = {
    "evaluate": Case(
        f"evaluate --model lif --data toy.h5 --seeds 2 --metrics all -o out {TRAIN}", toy, ("out",)
    ),
    "train": Case(f"train --model lif --data toy.h5 --refit -o out {TRAIN}", toy, ("out",)),
    "sweep": Case("sweep spec.toml -o out --workers 2 --quiet", spec, ("out",)),
    "submit": Case("submit result --weights --entries entries", result, ("entries",)),
    "make": Case(
        "data make shd-r --audio audio -o made --one-file --jobs 2 --quiet",
        digits,
        ("made",),
    ),
}


def run(case: Case, folder: Path, kill_after: float | None) -> int:
    """Run a command; kill it after some seconds, if it still runs then."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *shlex.split(case.words)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "SPIKEBENCH_DATA": str(folder / ".cache")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, err = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return -9
    if process.returncode:
        print(f"  exit code {process.returncode}: {err.decode()[-300:].strip()}")
    return process.returncode


def contents(case: Case, folder: Path) -> dict[str, Any]:
    """Read every file that a command made, without times."""
    found: dict[str, Any] = {}
    for output in case.outputs:
        for path in sorted((folder / output).rglob("*")):
            name = path.relative_to(folder).as_posix()
            if not path.is_file() or path.name in (".lock", ".data"):
                continue
            data = path.read_bytes()
            if path.suffix == ".json":
                found[name] = timeless(json.loads(data))
            elif path.name.endswith("history.csv"):
                found[name] = timeless(list(csv.DictReader(data.decode().splitlines())))
            elif path.suffix == ".safetensors":
                found[name] = tensors(path)
            elif path.name == "sweep.csv":
                continue  # seconds are in sweep.json, left out there
            else:
                found[name] = data
    return found


def tensors(path: Path) -> dict[str, bytes]:
    """Read the tensors of a file, without its header."""
    from safetensors.numpy import load_file

    return {name: value.tobytes() for name, value in load_file(path).items()}


def timeless(value: Any) -> Any:  # noqa: ANN401
    """Leave times out of a JSON value."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k not in TIMES and "second" not in k}
    if isinstance(value, list):
        return [timeless(one) for one in value]
    return value


def difference(name: str, expected: dict[str, Any], found: dict[str, Any]) -> str:
    """Say where a file differs: the path in JSON, else the name of the file."""
    one, other, place = expected.get(name), found.get(name), name
    while type(one) is type(other) and isinstance(one, dict | list) and len(one) == len(other):
        keys = list(one) if isinstance(one, dict) else list(range(len(one)))
        missing = isinstance(one, dict) and one.keys() != other.keys()
        key = None if missing else next((k for k in keys if one[k] != other[k]), None)
        if key is None:
            break
        one, other, place = one[key], other[key], f"{place}.{key}"
    return f"{place}: {str(one)[:200]} ≠ {str(other)[:200]}"


def main() -> None:
    """Kill and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", nargs="+", choices=list(CASES), default=list(CASES))
    asked = parser.parse_args()
    draw = random.Random(asked.seed)
    bad = done = early = 0
    with tempfile.TemporaryDirectory() as temporary:
        for number, name in enumerate(asked.commands):
            case = CASES[name]
            whole = Path(temporary) / name
            whole.mkdir()
            case.prepare(whole)
            assert run(case, whole, None) == 0, f"{name} fails without a kill"
            shutil.rmtree(whole)
            whole.mkdir()  # once more, now that everything is compiled
            case.prepare(whole)
            began = time.monotonic()
            run(case, whole, None)
            took = time.monotonic() - began
            expected = contents(case, whole)
            share = len(range(number, asked.kills, len(asked.commands)))
            for k in range(share):
                folder = Path(temporary) / f"{name}-{k}"
                folder.mkdir()
                case.prepare(folder)
                moment = draw.uniform(0.3, 1.0) * took
                killed = run(case, folder, moment) == -9
                early += not killed
                finished = contents(case, folder) == expected
                code = run(case, folder, None) if killed else 0
                found = contents(case, folder)
                differing = sorted(
                    one
                    for one in expected.keys() | found.keys()
                    if expected.get(one) != found.get(one)
                )
                done += 1
                if differing or (code and not finished):
                    bad += 1
                    print(
                        f"{name}, killed after {moment:.2f} of {took:.2f} s: "
                        + "; ".join(difference(one, expected, found) for one in differing[:6]),
                        flush=True,
                    )
                shutil.rmtree(folder)
            print(f"{name}: {share} kills within {took:.1f} s", flush=True)
    print(f"{done} kills ({early} came after the end): {bad} left another result")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
