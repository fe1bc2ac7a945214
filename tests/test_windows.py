"""What can be tested of Windows without it: no module needs what it lacks, and files, locks and workers do without.

Not tested: Windows itself. Its paths, consoles and signals are not imitated.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="imitated on Linux only")

TESTS = Path(__file__).parent


def run_like_windows(folder: Path, code: str) -> list[str]:
    """Run code in another process where Windows is imitated; return the lines that it prints."""
    begin = f"import sys; sys.path.insert(0, {str(TESTS)!r})\n"
    begin += "from helpers.like_windows import pretend\npretend()\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", begin + code],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


IMPORTS = """
import importlib, pkgutil
names = []
for package in ("cochlea", "spikebench", "leaderboard", "cli"):
    found = importlib.import_module(package)
    names += [one.name for one in pkgutil.walk_packages(found.__path__, package + ".")]
names = [name for name in names if not name.endswith("__main__") and ".triton" not in name]
failed = []
for name in names:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name in ("fcntl", "resource", "termios", "pwd", "grp"):
            failed.append((name, str(error)))
    except (ImportError, AttributeError) as error:
        failed.append((name, str(error)))
print(len(names) > 400, failed)
"""


def test_every_module_can_be_imported(tmp_path: Path) -> None:
    assert run_like_windows(tmp_path, IMPORTS) == ["True []"]


FILES = """
import os
from pathlib import Path
from spikebench.records.locks import fcntl, file_lock, locking
from spikebench.records.whole_files import *
from spikebench.records.whole_files import partial_file, partial_folder, remove_partials, whole_file
assert fcntl is None
for text in ("old", "new"):
    write_text(Path("a.txt"), text)
with whole_file(Path("b.txt")) as partial:
    partial.write_text("b")
with partial_file(Path("c")) as file, partial_folder(Path("d")) as folder:
    (folder / "inside").write_text("x")
    Path(".e.00.partial").write_text("left")
    Path(".f.00.partial").mkdir()
    remove_partials(Path())
    print(file.exists(), folder.exists(), Path(".e.00.partial").exists(), Path(".f.00.partial").exists())
    with locking(folder) as state:
        print(state)
    folder.rename("d")
def busy():
    raise KeyError("busy")
with file_lock(Path(".lock"), busy):
    print(Path(".lock").read_text() == "")
    try:
        with file_lock(Path(".lock"), busy):
            print("twice")
    except KeyError as error:
        print(error)
with file_lock(Path(".lock"), busy):
    print("again")
print(Path("a.txt").read_text(), Path("b.txt").read_text(), *sorted(os.listdir()))
"""


def test_files_are_renamed_and_locks_are_held(tmp_path: Path) -> None:
    assert run_like_windows(tmp_path, FILES) == [
        "True True False False",
        "busy",
        "True",
        "'busy'",
        "again",
        "new b .lock a.txt b.txt d",
    ]


WORKERS = """
import operator, signal
import h5py
from spikebench.spike_files.reader import SpikeFile
from spikebench.store.locate import resolve
from spikebench.workers import available_cores, prepare_workers, worker_pool
prepare_workers("spikebench.records.text")
with worker_pool(2, "spikebench.time_left") as pool:
    print(pool.submit(operator.add, 1, 2).result(), pool.submit(signal.getsignal, 2).result() == 1)
file, _ = resolve("digits")
with SpikeFile(file) as spikes, h5py.File(file) as same:
    times, units = spikes.events(3)
    print((times == same["spikes/times"][3]).all(), (units == same["spikes/units"][3]).all())
print(available_cores() >= 1)
"""


def test_workers_are_started_anew_and_spikes_are_read(tmp_path: Path) -> None:
    assert run_like_windows(tmp_path, WORKERS) == ["3 True", "True True", "True"]
