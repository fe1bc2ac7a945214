"""Packages as docs/architecture.md describes them: who imports whom, what help loads, what is public."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from conftest import ROOT

from cli.data import COMMANDS as DATA_COMMANDS
from cli.leaderboard import COMMANDS as LEADERBOARD_COMMANDS
from cli.main import COMMANDS
from spikebench.learning import LEARNING_RULES
from spikebench.models import MODELS
from spikebench.presets.preset import OWN_PRESETS

PACKAGES = ("cochlea", "spikebench", "leaderboard", "cli")
# Bottom up: each imports only those before it.
LAYERS = {
    "spikebench": (
        *(
            "errors",
            "records",
            "workers",
            "cluster",
            "compiled",
            "time_left",
            "recordings",
            "degradation",
        ),
        *(
            "naming",
            "spike_files",
            "datasets",
            "store",
            "bands",
            "encoders",
            "conversion",
            "events",
        ),
        *(
            "mel",
            "resynthesis",
            "kernels",
            "metrics",
            "models",
            "presets",
            "protocol",
            "learning",
            "training",
        ),
        *(
            "deployment",
            "evaluation",
            "fidelity",
            "sweeps",
            "codes",
            "timing",
            "noise",
            "patterns",
            "substrate",
            "continual",
            "fewshot",
            "pruning",
            "doctor",
            "plots",
            "viewer",
            "__main__",
        ),
    ),
    "leaderboard": ("program", "checks", "claims", "standings", "pages"),
}
# For the leaderboard: what it uses of spikebench.
OF_SPIKEBENCH = (
    *("errors", "workers", "records", "naming", "datasets", "store", "metrics", "protocol"),
)
TORCH = (
    "encoders/device",
    "encoders/cochlea/chirp_z",
    "encoders/cochlea/device_",
    "encoders/cochlea/reference",
    "encoders/cochlea/triton",
    "kernels",
    "events/batches",
    "events/moments",
    "mel/batches",
    "metrics/operations",
    "models",
    "learning",
    "training",
    "deployment",
    "evaluation",
    "sweeps/worker",
    "substrate",
    "continual/training",
    "fewshot/tasks",
    "fewshot/worker",
    "pruning/speed",
    "pruning/training",
    "doctor",
)
COUNTING = "spikebench.evaluation.reproduction"
COCHLEA = "encoders/cochlea"  # everything else knows encoders


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


def layer(name: str) -> str:
    return (*name.split("."), "")[1]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_import_directions(path: Path) -> None:
    place = path.relative_to(ROOT)
    package, inner = place.parts[0], place.relative_to(place.parts[0]).as_posix()
    own = place.with_suffix("").parts[1]
    for name in imports(path):
        if package == "cochlea":
            assert not within(
                name, "spikebench", "leaderboard", "cli", "torch", "h5py", "soundfile"
            )
        if package == "spikebench" and own != "__main__":
            assert not within(name, "leaderboard", "cli", "click", "rich")
            assert not within(name, "cochlea") or inner.startswith(COCHLEA)
            assert not within(name, "torch") or inner.startswith(TORCH)
        if package == "leaderboard":
            assert not within(name, "cli", "cochlea", "torch", "click")
            if within(name, "spikebench") and layer(name):
                runs = within(name, "spikebench.training.run_record")
                # Counts parameters, inside a function: the rest of the leaderboard does not load torch.
                runs |= inner == "checks/size.py" and within(name, COUNTING)
                assert runs or layer(name) in (*OF_SPIKEBENCH, "__version__")
        if package == "cli":
            assert not within(name, "torch", "numba", "h5py")
        assert not within(name, "matplotlib") or inner.startswith("plots")
        floors = LAYERS.get(package, ())
        if within(name, package) and own in floors and layer(name) in floors:
            assert floors.index(layer(name)) <= floors.index(own), f"imports {name}, above it"


@pytest.mark.parametrize("package", list(LAYERS))
def test_every_folder_is_a_layer(package: str) -> None:
    there = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
    there |= {path.stem for path in (ROOT / package).glob("*.py")} - {"__init__"}
    assert there == set(LAYERS[package])


def test_the_page_shows_the_layers_in_order() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
    shown = [name.rstrip("/") for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert shown == list(LAYERS["spikebench"][:-1])


@pytest.mark.parametrize(
    "folder",
    sorted({path.parent for path in modules()} - {ROOT / "cli", ROOT / "cochlea"}),
    ids=lambda folder: str(folder.relative_to(ROOT)),
)
def test_a_package_lists_its_files(folder: Path) -> None:
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    registry = ("datasets", "conventions", "models", "data", "leaderboard", "spikebench")
    if folder.name in registry:
        pytest.skip("a registry lists its files in a dict, the others are listed on the page")
    listed = re.findall(r"^    (\w+)/?  ", text, re.MULTILINE)
    there = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    there |= {path.parent.name for path in folder.glob("*/__init__.py")}
    assert sorted(listed) == sorted(there)


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
    [
        "spikebench.protocol.results",
        "spikebench.datasets",
        "spikebench.metrics.cost",
        "leaderboard.pages.site",
    ],
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


def test_every_preset_of_a_data_set_or_learning_rule_is_read() -> None:
    folders = {path.parent for path in (ROOT / "spikebench" / "presets").glob("*/*.toml")}
    assert {folder.name for folder in folders} <= {*OWN_PRESETS.values(), *LEARNING_RULES}
    assert {path.stem for folder in folders for path in folder.iterdir()} <= set(MODELS)


def test_every_public_function_is_documented() -> None:
    for path in modules():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path}: {node.name}"
