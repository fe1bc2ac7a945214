"""Small published data sets on a server of the tests."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np

from spikebench.datasets.spec import Card, DatasetSpec, Download, SpikePart
from spikebench.spike_files.writer import SpikeWriter


def spec(kind: str, parts: tuple[SpikePart, ...], downloads: tuple[Download, ...]) -> DatasetSpec:
    """Make a small data set called toy."""
    return DatasetSpec(
        name="toy",
        title="Toy",
        version="",
        released="",
        kind=kind,  # type: ignore[arg-type]
        parts=parts,
        fingerprint="",
        downloads=downloads,
        audio="toy" if kind == "audio" else "",
        naming="{label}_{speaker}" if kind == "audio" else "",
        n_units=8,
        n_classes=2,
        classes=("a", "b"),
        sizes={"train": 2},
        protocol="speakers-v1",
        validation_speakers=(),
        test_only_speakers=(),
        synthetic=True,
        licence="CC0-1.0",
        citation="nobody",
        source="nowhere",
        card=Card("", "", "", "", "", ""),
    )


def download(file: str, url: str, becomes: str, members: str = "") -> Download:
    return Download(
        file=file,
        urls=(url,),
        size_bytes=None,
        max_bytes=10**6,
        md5=None,
        sha256=None,
        becomes=becomes,
        members=members,
        max_unpacked_bytes=10**6,
        max_members=10,
    )


def spike_file(folder: Path) -> bytes:
    path = folder / "made.h5"
    with SpikeWriter(path, 8, ["a", "b"], {}) as writer:
        for i in range(2):
            times, units = np.array([0.1, 0.2]), np.array([1, 2])
            writer.append(times, units, label=i, speaker=i, duration_s=0.5)
    return path.read_bytes()


def tar(clips: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as file:
        for name, clip in clips.items():
            info = tarfile.TarInfo(name)
            info.size = len(clip)
            file.addfile(info, io.BytesIO(clip))
    return data.getvalue()
