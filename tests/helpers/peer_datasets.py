"""A folder of spikebench data export as datasets (Hugging Face) opens it: run among the peers.

python tests/helpers/peer_datasets.py FILE.h5 FOLDER exports the file, opens the folder, and writes the columns of each
split to FOLDER-SPLIT.npz; a list of arrays is stored as its sizes and one array.
"""

from __future__ import annotations

import contextlib
import json
import sys

import datasets
import numpy as np

from cli.main import main as spikebench


def main(file: str, folder: str) -> None:
    """Export and open."""
    with contextlib.suppress(SystemExit):
        spikebench(["data", "export", file, "-o", folder, "--test", "--json"])
    opened = datasets.load_from_disk(folder)
    for name, split in opened.items():
        split.with_format("numpy")
        columns = {key: np.array(split[key]) for key in ("label", "speaker", "index", "duration_s")}
        for key in ("times_s", "units"):
            rows = [np.array(row) for row in split.with_format("numpy")[key]]
            columns |= {f"{key}_sizes": np.array([row.size for row in rows])}
            columns |= {key: np.concatenate(rows)}
        np.savez(f"{folder}-{name}.npz", **columns)
    train = opened["train"]
    again = train.map(lambda row: {"n": len(row["units"])}).shuffle(seed=1)  # it is a data set
    assert sum(again["n"]) == sum(map(len, train["units"]))
    print(json.dumps({"names": train.features["label"].names, "license": train.info.license}))


if __name__ == "__main__":
    main(*sys.argv[1:])
