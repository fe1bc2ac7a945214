"""Whether the same recordings give the same spikes everywhere, and how sensitive spikes are to rounding.

::

    python benchmarks/same_spikes.py --digits data/digits --commands FOLDER --heidelberg FOLDER

**Settings.** Recordings are converted in a separate process under each of these settings, and all spikes are
compared bit for bit with those of the first:

- default settings, one BLAS and OpenMP thread
- two threads (every tenth recording)
- numpy without AVX-512, AVX2 and FMA3, if the processor has them (``NPY_DISABLE_CPU_FEATURES``; every tenth)
- loops compiled for any processor of the architecture (``NUMBA_CPU_NAME=generic``; every tenth)
- these three together (all recordings)
- the oldest and the newest numpy, scipy, numba, soxr and soundfile that ``pyproject.toml`` allows, each in its own
  virtual environment (``--environments FOLDER``; pip must reach an index): the oldest on all recordings, the newest
  on every tenth, since they are usually those of the first setting

**Rounding.** The membrane velocity of some recordings is perturbed by a relative error of stated size, drawn
for every value, and the channels whose spikes differ are counted. Their number is proportional to the error, so it
can be extrapolated to rounding errors. The errors that really occur are the differences between the settings above.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NAMES = ("numpy", "scipy", "numba", "soxr", "soundfile")
ONE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
TWO = dict.fromkeys(ONE, "2")
GENERIC = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
ERRORS = (1e-4, 1e-5, 1e-6, 1e-7)


def worker(listed: Path) -> None:
    """Convert the recordings of a list and print the SHA-256 of the spikes of each (run in its own process)."""
    sys.path.insert(0, str(ROOT))
    import numpy as np

    import cochlea
    from spikebench.encoders.clip import EncodingSettings, encode_clip
    from spikebench.encoders.cochlea.cpu import Cochlea

    task = json.loads(listed.read_text())
    digests = []
    for path, channels in task["clips"]:
        settings = EncodingSettings(
            Cochlea.from_preset("shd", channels), 0, 60.0, None, keep_offset=True
        )
        encoded = encode_clip(Path(path).read_bytes(), settings)
        (piece,) = encoded.pieces
        digest = hashlib.sha256(piece.times.astype("<f8").tobytes())
        digest.update(piece.units.astype("<u2").tobytes())
        digests.append([digest.hexdigest(), int(piece.times.size)])
    enabled = vector_instructions()
    velocity = cochlea.trace(
        np.sin(np.arange(9600) * 0.1) + np.sin(np.arange(9600) * 0.731),
        48_000,
        channels=range(0, 700, 50),
    ).velocity
    print(
        json.dumps(
            {
                "digests": digests,
                "software": Cochlea.software(),
                "numpy features": enabled,
                "velocity": [value.hex() for value in velocity.ravel()[::97].tolist()],
            }
        )
    )


def vector_instructions() -> list[str]:
    """List the enabled processor features by which numpy dispatches its loops."""
    from numpy._core import _multiarray_umath as numpy_core

    features = numpy_core.__cpu_features__
    return [name for name in numpy_core.__cpu_dispatch__ if features.get(name)]


def without_vectors(python: str) -> dict[str, str]:
    """Give the variables that disable these features (X86_V3 is AVX2 and FMA3, X86_V4 AVX-512)."""
    ask = "import runpy, sys; print(*runpy.run_path(sys.argv[1])['vector_instructions']())"
    done = subprocess.run([python, "-c", ask, __file__], capture_output=True, text=True, check=True)
    return {"NPY_DISABLE_CPU_FEATURES": done.stdout.strip()}


def run(python: str, clips: Sequence[tuple[str, int]], extra: Mapping[str, str]) -> dict[str, Any]:
    """Convert under one setting, with its own cache of compiled loops."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "clips.json")
        listed.write_text(json.dumps({"clips": list(clips)}))
        environment = {**os.environ, **ONE, **extra, "NUMBA_CACHE_DIR": folder}
        done = subprocess.run(
            [python, __file__, "--worker", str(listed)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise SystemExit(f"{python}: {done.stderr.strip()}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def oldest() -> list[str]:
    """List the oldest versions that pyproject.toml allows."""
    text = (ROOT / "pyproject.toml").read_text()
    return [
        f"{name}=={version}.*" if version.count(".") < 2 else f"{name}=={version}"
        for name in NAMES
        for version in re.findall(rf'^    "{name}>=([0-9.]+)[",]', text, re.MULTILINE)
    ]


def environment(folder: Path, name: str, wanted: Sequence[str]) -> str:
    """Make a virtual environment unless it exists, and return its interpreter."""
    python = folder / name / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / name)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *wanted], check=True)
        subprocess.run(
            [*pip, "--no-deps", str(ROOT)], check=True
        )  # for its version number; the code that runs is that of this folder
    return str(python)


def settings(environments: Path | None) -> dict[str, tuple[str, dict[str, str], int]]:
    """List the settings: interpreter, environment variables, and the step through the recordings."""
    here = sys.executable
    no_vectors = without_vectors(here)
    found = {
        "as it is, one thread": (here, {}, 1),
        "two threads": (here, TWO, 10),
        "numpy without AVX-512, AVX2, FMA3": (here, no_vectors, 10),
        "loops for any processor": (here, GENERIC, 10),
        "these three together": (here, {**TWO, **no_vectors, **GENERIC}, 1),
    }
    if environments is not None:
        old = environment(environments, "oldest", oldest())
        found["oldest versions"] = (old, {}, 1)
        found["newest versions"] = (environment(environments, "newest", NAMES), {}, 10)
    return found


def compare(first: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Count the recordings whose spikes differ, and find the largest difference of the velocity."""
    pairs = zip(first["digests"], other["digests"], strict=True)
    mine, theirs = ([float.fromhex(value) for value in one["velocity"]] for one in (first, other))
    peak = max(map(abs, mine))
    return {
        "software": other["software"],
        "numpy features": other["numpy features"],
        "recordings": len(other["digests"]),
        "spikes": sum(count for _, count in other["digests"]),
        "different": sum(a != b for a, b in pairs),
        "velocity": max(abs(a - b) for a, b in zip(mine, theirs, strict=True)) / peak,
    }


def rounding(clips: Sequence[str]) -> list[dict[str, Any]]:
    """Count the channels whose spikes change with an error of the velocity."""
    import numpy as np
    from numpy.typing import NDArray

    import cochlea
    from cochlea import HairCellCoeffs, pipeline
    from spikebench.encoders.clip import clip_seed
    from spikebench.recordings.decoding import read_clip

    Floats = NDArray[np.float64]
    rng = np.random.default_rng(0)
    exact = pipeline.hair_cell_block
    rows = []
    recordings = [read_clip(Path(path)) for path in clips]

    def spikes_of_channels() -> list[bytes]:
        found = []
        for one in recordings:
            seed = clip_seed(0, one.samples, one.sample_rate)
            spikes = cochlea.encode(one.samples, one.sample_rate, seed=seed)
            order = np.argsort(spikes.units, kind="stable")
            ends = np.searchsorted(spikes.units[order], np.arange(701))
            times = spikes.times[order]
            found += [times[a:b].tobytes() for a, b in pairwise(ends)]
        return found

    truth = spikes_of_channels()
    for error in ERRORS:

        def changed(block: Floats, coeffs: HairCellCoeffs, error: float = error) -> None:
            block *= 1.0 + error * rng.uniform(-1.0, 1.0, block.shape)
            exact(block, coeffs)

        pipeline.hair_cell_block = changed  # type: ignore[assignment]
        try:
            other = spikes_of_channels()
        finally:
            pipeline.hair_cell_block = exact
        moved = sum(a != b for a, b in zip(truth, other, strict=True))
        rows.append({"error": error, "channels": len(truth), "changed": moved, "clips": len(clips)})
    return rows


def report(found: dict[str, dict[str, Any]], rows: list[dict[str, Any]], command: str) -> str:
    """Format the results as Markdown."""
    lines = [
        "# Reproducibility of spikes",
        "",
        f"Made by `{command}`. Spikes are compared bit for bit with those of the first line, recording by recording; "
        "velocity: largest difference at 14 channels of one sound, relative to its peak.",
        "",
        "| setting | versions | vector instructions of numpy | recordings | spikes "
        "| recordings with different spikes | velocity |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in found.items():
        versions = re.sub(r"^.*\((.*)\)$", r"\1", one["software"])
        features = ", ".join(one["numpy features"]) or "disabled"
        lines.append(
            f"| {name} | {versions} | {features} | {one['recordings']:,} | {one['spikes']:,} "
            f"| {one['different']} | {one['velocity']:.1e} |"
        )
    clips = rows[0]["clips"]
    lines += [
        "",
        f"With a random error of every value of the membrane velocity, {clips} Heidelberg recordings, 700 channels:",
        "",
        "| relative error up to | channels with different spikes | per clip | per clip and unit of error |",
        "|---|---|---|---|",
    ]
    for row in rows:
        per_clip = row["changed"] / clips
        lines.append(
            f"| {row['error']:.0e} | {row['changed']:,} of {row['channels']:,} | {per_clip:.2f} "
            f"| {per_clip / row['error']:.1e} |"
        )
    return "\n".join(lines) + "\n"


def some(folder: Path, count: int | None, channels: int) -> list[tuple[str, int]]:
    """Take evenly spaced recordings from a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".wav", ".flac"))
    step = 1 if count is None else max(len(paths) // count, 1)
    return [(str(path), channels) for path in paths[::step][:count]]


def main() -> None:
    """Run all settings and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--digits", type=Path, default=ROOT / "data" / "digits")
    parser.add_argument("--commands", type=Path, help="folder of Speech Commands; 300 are taken")
    parser.add_argument(
        "--heidelberg", type=Path, help="folder of Heidelberg Digits; 300 are taken"
    )
    parser.add_argument(
        "--environments", type=Path, help="folder for environments of other versions"
    )
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results")
    args = parser.parse_args()
    if args.worker:
        worker(args.worker)
        return
    clips = some(args.digits, None, 70)
    for folder in (args.commands, args.heidelberg):
        clips += some(folder, 300, 700) if folder else []
    done: dict[str, dict[str, Any]] = {}
    first: dict[str, Any] = {}
    for name, (python, extra, step) in settings(args.environments).items():
        result = run(python, clips[::step], extra)
        first = first or result
        done[name] = compare({**first, "digests": first["digests"][::step]}, result)
        print(name, done[name], flush=True)
    rows = rounding([path for path, _ in some(args.heidelberg or args.digits, 20, 700)])
    command = (
        "python benchmarks/same_spikes.py --digits data/digits --commands FOLDER --heidelberg FOLDER "
        "--environments FOLDER"
    )
    page = report(done, rows, command)
    (args.results / "same-spikes.md").write_text(page, encoding="utf-8")
    (args.results / "same-spikes.json").write_text(
        json.dumps({"settings": done, "rounding": rows}, indent=1) + "\n", encoding="utf-8"
    )
    print(page)


if __name__ == "__main__":
    main()
