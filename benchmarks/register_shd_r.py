"""Register digests and fingerprints of ``shd-r``, made of all 10,420 recordings.

::

    spikebench data make shd-r --audio AUDIO -o FOLDER
    python benchmarks/register_shd_r.py FOLDER

Writes ``spikebench/datasets/shd-r.digests`` (per recording, in the order of the names) and the fingerprints in
``spikebench/datasets/shd_r.py``: of both files, and of the one file that ``--one-file`` makes of the same samples.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from spikebench.datasets.shd_r import SPEC, names
from spikebench.spike_files.fingerprint import Part, combine, fingerprint, sample_digests
from spikebench.spike_files.reader import SpikeFile
from spikebench.store.registered import DIGEST_DIGITS

PACKAGE = Path(__file__).parents[1] / "spikebench" / "datasets"
FILES = ("shd-r_train.h5", "shd-r_test.h5")


def main() -> None:
    """Read both files and write their digests and fingerprints."""
    parser = argparse.ArgumentParser(description="Register shd-r.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    samples: dict[str, tuple[bytes, str]] = {}
    for name in FILES:
        with SpikeFile(folder / name) as file:
            marks = file.splits or [""] * file.n_samples
            for source, digest, split in zip(
                file.sources or (), sample_digests(file), marks, strict=True
            ):
                samples[Path(source).stem] = (digest, split)
    if sorted(samples) != sorted(names()):
        raise SystemExit(f"{folder}: holds {len(samples):,} of {len(names()):,} recordings")
    ordered = [samples[name] for name in sorted(samples)]
    lines = [digest.hex()[:DIGEST_DIGITS] for digest, _ in ordered]
    (PACKAGE / "shd-r.digests").write_text("\n".join(lines) + "\n", encoding="ascii")
    digests, splits = zip(*ordered, strict=True)
    marks_of = {name: fingerprint([Part(folder / name)]) for name in FILES}
    whole = combine(SPEC.n_units, SPEC.classes, digests, splits)
    text = (PACKAGE / "shd_r.py").read_text(encoding="utf-8")
    text = re.sub(r'fingerprint="[^"]*"', f'fingerprint="{whole}"', text)
    for name, mark in marks_of.items():
        text = re.sub(rf'"{name}": "[^"]*"', f'"{name}": "{mark}"', text)
    (PACKAGE / "shd_r.py").write_text(text, encoding="utf-8")
    print(f"shd-r.h5 {whole}", *(f"{name} {mark}" for name, mark in marks_of.items()), sep="\n")


if __name__ == "__main__":
    main()
