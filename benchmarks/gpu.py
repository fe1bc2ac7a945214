"""Check every path of a GPU against the CPU and measure its speed, in at most eight minutes: ``benchmarks/gpu.sh``.

    benchmarks/gpu.sh [--data DATA] [--interpret]

Stages run one after the other, each in a process of its own, the most important first. A stage may use its own time
and what earlier ones left; then it is stopped, and the page says "not finished". A stage that fails is reported, and
the others go on. Writes ``benchmarks/results/gpu-DEVICE.json`` and ``….md``, DEVICE being the name of the GPU.

``--data`` is the spike file or data set of the training stages: by default ``shd-r`` if it is on this machine, else
random spikes of the same number. ``--interpret`` runs every stage on tiny shapes in Triton's interpreter on the CPU,
to try the script: its speeds mean nothing, and the report is written to a temporary folder.

Exit codes: 0 all stages finished and no check failed; 1 a check or a stage failed, or a stage did not finish;
2 PyTorch finds no CUDA device.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import gpu_report

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS = HERE / "results"
SECONDS = 470.0  # of all stages together
INTERPRETED_SECONDS = 1800.0
NO_CUDA = "torch finds no CUDA device (--interpret tries the script without one)"
GPU_TESTS = (
    "tests/kernels/test_triton_kernels.py",
    "tests/kernels/test_compiled_networks.py",
    "tests/encoders/cochlea/test_device_cochlea.py",
    "tests/encoders/test_device_executor.py",
)
LOG_LINES = 15  # of a stage that did not finish, in the report


class Stage(NamedTuple):
    """A stage: its time relative to the others, and its command, which writes a file of JSON or of JUnit."""

    name: str
    share: float
    command: list[str]
    output: Path


def list_stages(folder: Path, data: str, interpret: bool) -> list[Stage]:
    """List the stages, the most important first.

    Parameters
    ----------
    folder
        For the files that the stages write.
    data
        Data of the training stages, or empty.
    interpret
        Whether the kernels run in Triton's interpreter.

    Returns
    -------
    list of Stage
        In their order.
    """
    python = [sys.executable]
    device = ["--device", "cuda"]
    if interpret:
        python += [str(HERE / "gpu_interpreted.py")]
        device = ["--device", "cpu", "--tiny"]
    xml = folder / "tests.xml"
    pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={xml}"]
    if interpret:  # the operators of the interpreter against their fakes
        pytest += [GPU_TESTS[1], "-k", "every_operator"]
    else:
        workers = str(min(os.cpu_count() or 1, 8))
        pytest += [*GPU_TESTS, "-n", workers, "-m", "not slow"]
        pytest += ["-k", "(gpu or cuda) and not without"]
    stages = [Stage("tests", 110, [*python, *pytest], xml)]
    script = str(HERE / "gpu_checks.py")
    file = folder / "checks.json"
    stages.append(Stage("checks", 80, [*python, script, str(file), *device], file))
    for name, share in (
        ("training", 50),
        ("epoch", 40),
        ("conversion", 40),
        ("accuracy", 90),
        ("more-training", 60),
    ):
        file = folder / f"{name}.json"
        words = [str(HERE / "gpu_speed.py"), name, str(file), *device]
        words += ["--data", data] if data else []
        stages.append(Stage(name, share, [*python, *words], file))
    return stages


def run_stage(stage: Stage, limit: float, folder: Path) -> dict[str, Any]:
    """Run a stage and stop it, with all its processes, at the limit.

    Parameters
    ----------
    stage
        The stage.
    limit
        Seconds that it may use.
    folder
        For its log.

    Returns
    -------
    dict
        ``status`` ("finished", "failed" or "not finished"), ``seconds``, ``limit_s``, ``command``, what the stage wrote
        as ``result``, and the last lines of its log unless it finished.
    """
    log = folder / f"{stage.name}.log"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).strip(":"),
        "PYTHONUNBUFFERED": "1",
    }
    began = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            stage.command,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=environment,
            start_new_session=True,
        )
        try:
            status = "failed" if process.wait(max(limit, 0)) else "finished"
        except subprocess.TimeoutExpired:
            status = "not finished"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    found: dict[str, Any] = {
        "stage": stage.name,
        "status": status,
        "seconds": time.perf_counter() - began,
        "limit_s": limit,
        "command": shown(stage.command, folder),
        "result": read_output(stage.output),
    }
    if status != "finished":
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        found["log"] = lines[-LOG_LINES:]
    return found


def run_stages(
    stages: list[Stage],
    seconds: float,
    folder: Path,
    report: Callable[[list[dict[str, Any]]], None] = lambda done: None,
) -> list[dict[str, Any]]:
    """Run the stages within a time; ``report`` gets those that are done, after each.

    Parameters
    ----------
    stages
        The stages.
    seconds
        Of all of them together; each gets its share, and what earlier ones left.
    folder
        For logs.
    report
        Called after every stage.

    Returns
    -------
    list of dict
        One per stage, as :func:`run_stage`.
    """
    began = time.perf_counter()
    unit = seconds / sum(stage.share for stage in stages)
    done: list[dict[str, Any]] = []
    until = began
    for stage in stages:
        until += stage.share * unit
        done.append(run_stage(stage, until - time.perf_counter(), folder))
        print(f"{stage.name}: {done[-1]['status']}, {done[-1]['seconds']:.0f} s", flush=True)
        report(done)
    return done


def read_output(path: Path) -> dict[str, Any]:
    """Read what a stage wrote: JSON, or the outcomes of tests as checks; empty if there is nothing."""
    if not path.exists():
        return {}
    if path.suffix == ".json":
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    checks = []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        wrong = [part for part in case if part.tag in ("failure", "error", "skipped")]
        reason = wrong[0].get("message", "").splitlines()[:1] if wrong else []
        row = {"check": case.get("name"), "what": " ".join(reason), "pass": not wrong}
        # In the interpreter there is no CUDA device; on a GPU no test may be skipped.
        if not (wrong and wrong[0].tag == "skipped" and "no CUDA device" in row["what"]):
            checks.append(row)
    return {"checks": checks}


def shown(command: list[str], folder: Path) -> str:
    """Write a command as on the page: paths within the project, and no temporary folder."""
    words = ["python" if word == sys.executable else word for word in command]
    text = " ".join(word if " " not in word else f'"{word}"' for word in words)
    return text.replace(f"{folder}/", "").replace(f"{ROOT}/", "")


def exit_code(stages: list[dict[str, Any]]) -> int:
    """Return 1 if a stage did not finish, or a check failed or is missing, else 0."""
    for stage in stages:
        checks = stage["result"].get("checks", [])
        missing = stage["result"].get("expected", len(checks)) != len(checks)
        missing = missing or (stage["stage"] == "tests" and not checks)
        if stage["status"] != "finished" or missing or not all(one["pass"] for one in checks):
            return 1
    return 0


def describe_device(interpret: bool) -> dict[str, str]:
    """Name the device, its driver and the software; empty if PyTorch finds no CUDA device."""
    import torch

    if not interpret and not torch.cuda.is_available():
        return {}
    name = "Triton's interpreter" if interpret else torch.cuda.get_device_name()
    driver = "none"
    if not interpret and shutil.which("nvidia-smi"):
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        driver = (done.stdout.splitlines() or ["unknown"])[0].strip()
    software = {name: version(name) for name in ("spikebench", "torch", "triton", "numpy")}
    return {
        "device": name,
        "driver": driver,
        "CUDA of torch": torch.version.cuda or "none",
        "CPU cores": str(os.cpu_count()),
        **software,
    }


def main(words: list[str] | None = None) -> int:
    """Run all stages and write the report; return the exit code."""
    parser = argparse.ArgumentParser(prog="gpu.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="", help="of the training stages: a file, or a name")
    parser.add_argument("--interpret", action="store_true", help="tiny shapes, without a GPU")
    options = parser.parse_args(words)
    facts = describe_device(options.interpret)
    if not facts:
        print(NO_CUDA, file=sys.stderr)
        return 2
    date = datetime.now(UTC).isoformat(timespec="seconds")
    command = "benchmarks/gpu.sh" + (" --interpret" if options.interpret else "")
    command += f" --data {Path(options.data).name}" if options.data else ""
    began = time.perf_counter()
    results = Path(tempfile.mkdtemp(prefix="gpu-")) if options.interpret else RESULTS
    name = re.sub(r"[^a-z0-9]+", "-", facts["device"].lower()).strip("-")

    def write(done: list[dict[str, Any]]) -> None:
        report = {
            "date": date,
            "command": command,
            "machine": facts,
            "seconds": time.perf_counter() - began,
            "limit_s": INTERPRETED_SECONDS if options.interpret else SECONDS,
            "stages": done,
        }
        text = json.dumps(report, indent=1) + "\n"
        (results / f"gpu-{name}.json").write_text(text, encoding="utf-8")
        (results / f"gpu-{name}.md").write_text(gpu_report.page(report), encoding="utf-8")

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        stages = list_stages(folder, options.data, options.interpret)
        seconds = INTERPRETED_SECONDS if options.interpret else SECONDS
        done = run_stages(stages, seconds, folder, write)
    print(f"report: {results / f'gpu-{name}.md'}")
    return exit_code(done)


if __name__ == "__main__":
    sys.exit(main())
