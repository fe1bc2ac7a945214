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


# Folders and files of tests by the loops that they compile first, of the networks or of the cochlea.
NETWORKS = (
    "models",
    "kernels",
    "learning",
    "training",
    "sweeps",
    "timing",
    "fewshot",
    "metrics",
    "deployment",
    "test_readme.py",
    "test_pages.py",
    "test_notebooks.py",
)
COCHLEA = (
    "cochlea",
    "encoders",
    "conversion",
    "recordings",
    "datasets",
    "fidelity",
    "store",
    "spike_files",
)


def pytest_configure(config: pytest.Config) -> None:
    """Let all tests and what they start share one new folder of designs of the membrane, instead of the user's."""
    if not hasattr(config, "workerinput"):  # workers take it from the process that starts them
        folder = tempfile.TemporaryDirectory(prefix="spikebench-designs-")
        config.add_cleanup(folder.cleanup)
        os.environ["SPIKEBENCH_DESIGNS"] = folder.name


@pytest.hookimpl(trylast=True)  # when those that are not asked for are gone
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let two workers, each with half of the tests, begin with loops that the other does not compile.

    What one has compiled the other reads from the cache; compiling takes longer than most tests.
    """
    parts: dict[str, list[pytest.Item]] = {}
    for item in items:
        parts.setdefault(Path(os.path.relpath(item.path, ROOT / "tests")).parts[0], []).append(item)
    networks, cochlea = (
        [item for name in names for item in parts.pop(name, [])] for names in (NETWORKS, COCHLEA)
    )
    others = [item for part in parts.values() for item in part]
    before, half = [*networks, *others], len(items) // 2
    items[:] = [*before[:half], *cochlea, *before[half:]]


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
