"""Stored designs of the membrane are those computed, bit for bit, or are computed again."""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import platformdirs
import pytest

import cochlea
from cochlea import (
    BasilarMembraneCoeffs,
    BasilarMembraneParams,
    basilar_membrane,
    bushy_cell,
    hair_cell,
    inverse_transform,
    lane_transform,
    waiting_times,
)
from spikebench.encoders.cochlea import stored_design as module
from spikebench.encoders.cochlea.stored_design import design_path, stored_design

PARAMS = BasilarMembraneParams()
RATE, CHANNELS = 8000, 3


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SPIKEBENCH_DESIGNS")
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(module, "LEAST_CHANNELS", CHANNELS)
    stored_design.cache_clear()
    return tmp_path / "spikebench-designs"


def again(software: str = "x 1") -> BasilarMembraneCoeffs:
    stored_design.cache_clear()
    return stored_design(RATE, CHANNELS, PARAMS, software)


def bits(design: BasilarMembraneCoeffs) -> list[tuple[object, ...]]:
    window = design.window
    arrays = (design.edges, design.polynomials, design.n_panels, window.polynomials)
    return [
        (design.sample_rate, window.beta.hex(), window.i0_beta.hex()),
        *((a.dtype, a.shape, a.flags.writeable, a.tobytes()) for a in arrays),
    ]


def test_a_stored_design_has_the_same_bits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computed = bits(cochlea.design_basilar_membrane(RATE, CHANNELS, None, PARAMS))
    assert bits(again()) == computed
    assert [path.suffix for path in folder.iterdir()] == [".npz"]  # nothing partial is left
    monkeypatch.setattr(cochlea, "design_basilar_membrane", None)  # not called from here on
    assert bits(again()) == computed


def test_loops_are_compiled_while_the_design_is_computed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither waits for the other, and the interpreter switches between threads as before."""
    both, before = threading.Barrier(2), sys.getswitchinterval()
    compile_loops, compute = module._compile_loops, cochlea.design_basilar_membrane

    def compiled() -> None:
        both.wait(10)
        compile_loops()

    def computed(rate: int, n_channels: int, *rest: object) -> BasilarMembraneCoeffs:
        if n_channels == CHANNELS:
            both.wait(10)
        return compute(rate, n_channels, *rest)

    wanted = bits(compute(RATE, CHANNELS, None, PARAMS))
    monkeypatch.setattr(module, "_compile_loops", compiled)
    monkeypatch.setattr(cochlea, "design_basilar_membrane", computed)
    assert bits(again()) == wanted
    assert sys.getswitchinterval() == before


def test_an_error_of_the_design_is_raised(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise FloatingPointError("of the design")

    before = sys.getswitchinterval()
    monkeypatch.setattr(cochlea, "design_basilar_membrane", fail)
    with pytest.raises(FloatingPointError, match="of the design"):
        again()
    assert sys.getswitchinterval() == before
    assert not folder.exists()


def test_the_loops_of_a_conversion_are_compiled_ahead(folder: Path) -> None:
    """A conversion compiles nothing that is not compiled beside the design: the same types of all arguments."""
    kernels = (
        (basilar_membrane, "_filter_kernel"),
        (inverse_transform, "_weights_kernel"),
        (inverse_transform, "_interpolation_kernel"),
        (lane_transform, "_transform_kernel"),
        (hair_cell, "_hair_cell_kernel"),
        (bushy_cell, "_hazards_of_block"),
        (bushy_cell, "_bushy_cell_kernel"),
        (waiting_times, "_words_kernel"),
        (waiting_times, "_split_kernel"),
        (waiting_times, "_logarithm_kernel"),
    )
    again()
    membrane = again()  # read from the file
    known = [set(getattr(place, name).signatures) for place, name in kernels]
    assert all(known)
    preset = replace(cochlea.PRESETS["shd"], input_rate=None)
    cochlea.encode(np.sin(np.arange(900.0)), RATE, preset, CHANNELS, [1, 2], membrane)
    assert known == [set(getattr(place, name).signatures) for place, name in kernels]


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "text", "header", "encrypted"])
def test_damaged_files_are_computed_again(folder: Path, damage: str) -> None:
    whole = bits(again())
    (path,) = folder.iterdir()
    data = path.read_bytes()
    middle, flags = len(data) // 2, data.index(b"PK\1\2") + 8
    path.write_bytes(
        {
            "empty": b"",
            "cut": data[:middle],
            "flipped": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
            "text": b"not an archive",
            "header": data.replace(b"'shape': (3,)", b"'shape': (2,)"),
            "encrypted": data[:flags] + b"\1" + data[flags + 1 :],
        }[damage]
    )
    assert bits(again()) == whole
    assert path.read_bytes() == data


def test_a_cache_that_cannot_be_written_is_no_error(folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    assert again().n_panels.size == CHANNELS


def test_everything_that_determines_a_design_is_in_its_name(folder: Path) -> None:
    names = {
        design_path(RATE, CHANNELS, PARAMS, "x 1"),
        design_path(RATE + 1, CHANNELS, PARAMS, "x 1"),
        design_path(RATE, CHANNELS + 1, PARAMS, "x 1"),
        design_path(RATE, CHANNELS, replace(PARAMS, damping=0.2), "x 1"),
        design_path(RATE, CHANNELS, PARAMS, "x 2"),
    }
    assert len(names) == 5
    assert {path.parent for path in names} == {folder}


def test_the_designs_used_last_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 3)
    paths = [design_path(RATE, CHANNELS, PARAMS, f"x {k}") for k in range(5)]
    for age, path in zip((40, 30, 20), paths, strict=False):
        again(f"x {paths.index(path)}")
        os.utime(path, (time.time() - age,) * 2)
    again("x 0")  # read, and therefore newer than the others
    (folder / "removed.npz").symlink_to("by another process meanwhile")
    (folder / f".{paths[0].name}.0.partial").write_text("of a killed process")
    other = folder / "other"
    other.write_text("not a design")
    again("x 3")
    assert {path for path in folder.iterdir() if path.exists()} == {
        *(paths[0], paths[2], paths[3], other)
    }
    again("x 4")
    assert {path for path in folder.glob("*.npz") if path.exists()} == {
        *(paths[0], paths[3], paths[4])
    }


def test_the_folder_can_be_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIKEBENCH_DESIGNS", str(tmp_path / "named"))
    again()
    assert [path.suffix for path in (tmp_path / "named").iterdir()] == [".npz"]
    assert not folder.exists()


def test_few_channels_are_not_stored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_CHANNELS", CHANNELS + 1)
    again()
    assert not folder.exists()


def test_encode_takes_the_design_of_its_rate_only() -> None:
    samples = np.sin(np.arange(2000.0))
    membrane = cochlea.design_basilar_membrane(48000, CHANNELS)
    given = cochlea.encode(samples, 48000, "shd", CHANNELS, 1, membrane)
    own = cochlea.encode(samples, 48000, "shd", CHANNELS, 1)
    assert given.times.size > 0
    assert np.array_equal(given.times, own.times)
    with pytest.raises(
        ValueError, match="3 channels and a recording of 48000 Hz, not for 3 and 8000"
    ):
        cochlea.encode(samples, 8000, "lauscher", CHANNELS, 1, membrane)
    with pytest.raises(ValueError, match="not for 4 and 48000 Hz"):
        cochlea.encode(samples, 48000, "shd", 4, 1, membrane)
