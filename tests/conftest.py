"""What several tests need: where the shared reference data lies, and seeded random numbers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

# Loops compile at their first call, and no test is timed.
settings.register_profile("compiled", deadline=None)
settings.load_profile("compiled")


@pytest.fixture(scope="session", autouse=True)
def data_folder() -> Iterator[Path]:
    """No test reads or fills the user's own folder of data sets, nor does what it starts."""
    before = os.environ.get("SPIKEBENCH_DATA")
    with tempfile.TemporaryDirectory(prefix="spikebench-data-") as folder:
        os.environ["SPIKEBENCH_DATA"] = folder
        yield Path(folder)
    if before is None:
        del os.environ["SPIKEBENCH_DATA"]
    else:
        os.environ["SPIKEBENCH_DATA"] = before


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20201118)


@pytest.fixture(scope="session")
def reference() -> Path:
    folder = SHARED / "reference"
    if not folder.is_dir():
        pytest.skip("the golden data (../shared/reference) is not here")
    return folder


@pytest.fixture(scope="session")
def recordings() -> Path:
    folder = SHARED / "data" / "heidelberg-digits"
    if not folder.is_dir():
        pytest.skip("the recordings (../shared/data/heidelberg-digits) are not here")
    return folder
