"""The house stands as docs/architecture.md draws it: who imports whom, what help loads, what is public."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from conftest import ROOT

from cli.data import COMMANDS as DATA_COMMANDS
from cli.leaderboard import COMMANDS as LEADERBOARD_COMMANDS
from cli.main import COMMANDS
from spikebench.models import MODELS

PACKAGES = ("cochlea", "spikebench", "leaderboard", "cli")
TORCH = (
    "checkpoint",
    "device_batches",
    "device_cochlea",
    "device_executor",
    "events",
    "inference",
    "kernels",
    "models",
    "learning",
    "optimisation",
    "parallel",
    "precision",
    "prediction",
    "reproduction",
    "run",
    "tensorboard",
    "training",
    "evaluation",
    "measurement",
    "metrics/operations",
    "export_nir",
    "export_onnx",
)


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imports(path: Path) -> set[str]:
    """Names of all modules that a file imports, those inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_import_directions(path: Path) -> None:
    place = path.relative_to(ROOT)
    package = place.parts[0]
    for name in imports(path):
        if package == "cochlea":
            assert not within(
                name, "spikebench", "leaderboard", "cli", "torch", "h5py", "soundfile"
            )
        if package == "spikebench" and place.name != "__main__.py":
            assert not within(name, "leaderboard", "cli", "click", "rich")
            if place.name not in (
                "clip_encoding.py",
                "conversion.py",
                "conversion_job.py",
                "device_cochlea.py",
                "device_executor.py",
                "fresh_test.py",
                "heard_clip.py",
                "warm_encoding.py",
            ):
                assert not within(name, "cochlea")
            if within(name, "torch"):
                inner = place.relative_to(package).with_suffix("")
                assert inner.parts[0] in TORCH or inner.as_posix() in TORCH
        if package == "leaderboard":
            assert not within(name, "cli", "cochlea", "torch", "click")
            if within(name, "spikebench") and name != "spikebench":
                allowed = (
                    "results",
                    "record",
                    "run_record",
                    "scoring",
                    "strict_json",
                    "errors",
                    "metrics",
                    "datasets",
                    "protocol",
                    "splits",
                    "workers",
                    "__version__",
                )
                assert within(name, *(f"spikebench.{part}" for part in allowed))
        if package == "cli":
            assert not within(name, "torch", "numba", "h5py")


def run_python(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_help_loads_neither_torch_nor_numba() -> None:
    heavy = run_python(
        "import sys\nfrom cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('torch', 'numba', 'scipy', 'h5py', 'matplotlib') if m in sys.modules])"
    )
    assert heavy.endswith("[]\n")


@pytest.mark.parametrize(
    "module",
    ["spikebench.results", "spikebench.datasets", "spikebench.metrics.cost", "leaderboard.site"],
)
def test_light_modules_do_not_load_torch(module: str) -> None:
    assert run_python(f"import sys, {module}; print('torch' in sys.modules)") == "False\n"


@pytest.mark.parametrize(
    ("name", "place"),
    [
        (name, place)
        for registry in (COMMANDS, DATA_COMMANDS, LEADERBOARD_COMMANDS)
        for name, (place, _) in registry.items()
    ],
)
def test_command_registry(name: str, place: str) -> None:
    module, _, attribute = place.partition(":")
    command = getattr(import_module(module), attribute)
    assert command.name == name
    assert command.help
    assert all(
        option.help or option.name in ("seed", "device")
        for option in command.params
        if option.param_type_name == "option"
    )


def test_every_package_is_typed() -> None:
    assert all((ROOT / package / "py.typed").is_file() for package in PACKAGES)


def test_every_model_has_a_preset() -> None:
    presets = {path.stem for path in (ROOT / "spikebench" / "presets").glob("*.toml")}
    assert presets == set(MODELS)


def test_every_public_function_is_documented() -> None:
    for path in modules():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path}: {node.name}"
