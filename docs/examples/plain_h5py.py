"""Read a spike file with h5py alone: the layout in which SHD and SSC were published.

python docs/examples/plain_h5py.py FILE.h5
"""

from __future__ import annotations

import sys

import h5py
import numpy as np


def main(path: str) -> None:
    """Print what the file holds, and the raster of its first sample."""
    with h5py.File(path) as file:
        labels, names = file["labels"][:], [name.decode() for name in file["extra/keys"][:]]
        n_units = int(file.attrs.get("n_units", 700))
        # float16 in published files: convert before any arithmetic.
        times = file["spikes/times"][0].astype(np.float64)
        units = file["spikes/units"][0].astype(np.int64)
    print(f"{len(labels)} samples of {len(names)} classes on {n_units} units")
    # Half-open bins of 10 ms from t = 0; 0.5 µs keep a spike on an edge in the bin that begins there.
    raster = np.zeros((100, n_units), dtype=np.int64)
    bins = ((times + 0.5e-6) / 0.01).astype(np.int64)
    inside = bins < len(raster)
    np.add.at(raster, (bins[inside], units[inside]), 1)
    print(
        f"class of the first sample: {names[labels[0]]!r}, {raster.sum()} spikes in 100 bins of 10 ms"
    )


if __name__ == "__main__":
    main(sys.argv[1])
