"""What several tests need: where the shared reference data lies, and seeded random numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


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
