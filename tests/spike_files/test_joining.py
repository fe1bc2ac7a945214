"""Joining spike files: the parts of a conversion give its one file, and what does not belong together is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikebench.errors import OutputError, SpikeFileError
from spikebench.spike_files.fingerprint import sample_digests
from spikebench.spike_files.joining import join_files
from spikebench.spike_files.reader import SpikeFile
from spikebench.spike_files.writer import SpikeWriter

NAMES = ("a.wav", "b.wav", "c.wav", "d.wav", "e.wav")


def digests(path: Path) -> list[bytes]:
    with SpikeFile(path) as file:
        return sample_digests(file)


def write(
    path: Path,
    names: Sequence[str],
    provenance: Mapping[str, Any] | None = None,
    units: int = 5,
    keys: Sequence[str] = ("x", "y"),
    kind: str = "float16",
) -> Path:
    """Write samples whose contents follow from their names, those after c.wav as test samples."""
    made = {"encoder": "e", "seed": 3, "complete": 1, **(provenance or {})}
    with SpikeWriter(path, units, keys, made, time_dtype=kind) as writer:
        for name in names:
            rng = np.random.default_rng(list(name.encode()))
            times = np.sort(rng.random(7)).astype(kind)
            writer.append(
                times,
                rng.integers(0, units, 7),
                label=ord(name[0]) % 2,
                speaker=ord(name[0]),
                split="test" if name > "c.wav" else "train",
                source=name,
                sha256=name[0] * 64,
                sample_rate_hz=16_000,
                duration_s=1.0,
                audio_channels=2,
            )
    return path


def test_the_parts_give_the_whole(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.h5", NAMES)
    one = write(tmp_path / "one.h5", NAMES[1:4], {"complete": 0, "source_root": "r"})
    other = write(tmp_path / "other.h5", ["e.wav", "a.wav"], {"source_root": "r"})
    assert join_files([one, other], tmp_path / "joined.h5") == 5
    with SpikeFile(whole) as expected, SpikeFile(tmp_path / "joined.h5") as found:
        assert found.provenance.items() >= {"encoder": "e", "seed": 3, "source_root": "r"}.items()
        assert "complete" not in found.provenance
        assert found.sources == NAMES
        for name in ("splits", "sha256", "keys", "n_units", "time_dtype"):
            assert getattr(found, name) == getattr(expected, name), name
        for name in ("labels", "speakers", "durations_s", "sample_rates_hz", "audio_channels"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        for index in range(5):
            for here, there in zip(found.events(index), expected.events(index), strict=True):
                np.testing.assert_array_equal(here, there)
    assert digests(tmp_path / "joined.h5") == digests(whole)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"units": 6}, r"differs from .*one\.h5 in its units \(6, not 5\)"),
        ({"keys": ("x", "z")}, "in its classes"),
        ({"kind": "float32"}, "in its type of the times"),
        ({"provenance": {"seed": 4}}, r"differs from .* in its attribute seed \(4, not 3\)"),
        ({"provenance": {"more": 1}}, "in its attribute more"),
        ({"names": ["a.wav"]}, r"a\.wav is in .*one\.h5 too"),
    ],
)
def test_other_conversions_and_repeated_recordings_are_refused(
    tmp_path: Path, other: dict[str, Any], reason: str
) -> None:
    one = write(tmp_path / "one.h5", NAMES[:2])
    two = write(tmp_path / "two.h5", **{"names": NAMES[2:], **other})
    with pytest.raises(SpikeFileError, match=reason):
        join_files([one, two], tmp_path / "joined.h5")
    assert not (tmp_path / "joined.h5").exists()


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one.h5", NAMES[:2]), write(tmp_path / "two.h5", NAMES[2:])
    with pytest.raises(OutputError, match=r"one\.h5"):
        join_files([one, two], one)
    before = one.read_bytes()
    with pytest.raises(SpikeFileError, match=r"missing\.h5"):
        join_files([one, tmp_path / "missing.h5"], tmp_path / "joined.h5")
    assert one.read_bytes() == before


def test_a_file_given_twice_is_refused(tmp_path: Path) -> None:
    """Without names of recordings nothing else would notice that every sample is there twice."""
    with SpikeWriter(tmp_path / "one.h5", 5, ("x", "y"), {}) as writer:
        writer.append(np.array([0.1], np.float16), np.array([1]), label=0, speaker=0)
    with pytest.raises(SpikeFileError, match=r"one\.h5: is given twice"):
        join_files(
            [tmp_path / "one.h5", tmp_path / ".." / tmp_path.name / "one.h5"], tmp_path / "j"
        )
    assert not (tmp_path / "j").exists()
