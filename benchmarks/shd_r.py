"""Tabulate ``shd-r``, made of all recordings, and the known properties of the published files.

    spikebench data make shd-r --audio AUDIO -o FOLDER --json > made.json
    python benchmarks/shd_r.py FOLDER made.json [--also SHD-R.h5 --layout "folders and formats"]

Writes ``benchmarks/results/shd-r.json`` and ``….md``. The published sizes are those quoted in
``docs/driven-spikes.md``; the files themselves were not available.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from spikebench.datasets.recipe import load_recipe
from spikebench.encoders.cochlea.cpu import Cochlea
from spikebench.spike_files.fingerprint import Part, fingerprint
from spikebench.spike_files.reader import SpikeFile

RESULTS = Path(__file__).parent / "results"
PUBLISHED = {
    "train": {"samples": 8156, "megabytes": 268},
    "test": {"samples": 2264, "megabytes": 79},
}


def describe(path: Path) -> dict[str, object]:
    """Measure one file."""
    with SpikeFile(path) as spikes:
        counts = spikes.spike_counts
        durations = spikes.durations_s
        assert durations is not None
        return {
            "samples": int(counts.size),
            "spikes": int(counts.sum()),
            "spikes_per_sample": float(counts.mean()),
            "sd": float(counts.std(ddof=1)),
            "quantiles_5_50_95": [float(q) for q in np.quantile(counts, [0.05, 0.5, 0.95])],
            "audio_seconds": float(durations.sum()),
            "bytes": path.stat().st_size,
            "complete": int(spikes.provenance["complete"]),
            "level": spikes.provenance["parameters"]["level"],
        }


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("made", type=Path, help="output of data make --json")
    parser.add_argument(
        "--also", type=Path, help="one file, made from another copy of the recordings"
    )
    parser.add_argument("--layout", default="", help="folders and formats of that copy")
    parser.add_argument("--note", default="", help="other work on the machine at the same time")
    options = parser.parse_args()
    files = {split: describe(options.folder / f"shd-r_{split}.h5") for split in PUBLISHED}
    made = json.loads(options.made.read_text())
    wall = sum(one["wall_seconds"] for one in made["files"])
    record = {
        "date": datetime.now(UTC).date().isoformat(),
        "software": Cochlea.software(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "wall_seconds": wall,
        "note": options.note,
        "registered": made["registered"] and made["registered"]["is_registered"],
        "fingerprints": made["registered"] and [*made["registered"]["fingerprints"].values()],
        "files": files,
    }
    if options.also:
        with SpikeFile(options.also) as spikes:
            record["second_layout"] = {
                "layout": options.layout,
                "samples": spikes.n_samples,
                "spikes": int(spikes.spike_counts.sum()),
                "fingerprint": fingerprint([Part(options.also)]),
            }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "shd-r.json").write_text(json.dumps(record, indent=1) + "\n")
    lines = [
        "# shd-r: all 10,420 Heidelberg Digits",
        "",
        "`spikebench data make shd-r --audio AUDIO -o FOLDER`, then `python benchmarks/shd_r.py FOLDER "
        "made.json`; "
        f"{record['software']}, {record['date']}, {record['cores']} cores: {wall / 60:.1f} minutes"
        f"{f' ({options.note})' if options.note else ''}.",
        "",
        "As registered: " + ("yes" if record["registered"] else "no") + ".",
        "",
        "| | samples | spikes per sample, mean ± sd | 5 % … median … 95 % | audio | bytes per spike | file "
        "| published |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for split, one in files.items():
        low, middle, high = one["quantiles_5_50_95"]
        lines.append(
            f"| {split} | {one['samples']:,} | {one['spikes_per_sample']:,.0f} ± {one['sd']:,.0f} | "
            f"{low:,.0f} … {middle:,.0f} … {high:,.0f} | {one['audio_seconds'] / 3600:.2f} h | "
            f"{one['bytes'] / one['spikes']:.2f} | {one['bytes'] / 1e6:.0f} MB, {one['bytes'] / 2**20:.0f} MiB | "
            f"{PUBLISHED[split]['samples']:,} samples, {PUBLISHED[split]['megabytes']} MB or MiB |"
        )
    if options.also:
        second = record["second_layout"]
        registered = load_recipe("shd-r").registered
        known = (
            registered is not None and second["fingerprint"] == registered.fingerprints["shd-r.h5"]
        )
        lines += [
            "",
            f"Regenerated with `--one-file` from a copy of the recordings ({second['layout']}): "
            f"{second['samples']:,} samples, {second['spikes']:,} spikes, fingerprint `{second['fingerprint']}`, "
            + ("as registered." if known else "NOT as registered."),
        ]
    (RESULTS / "shd-r.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
