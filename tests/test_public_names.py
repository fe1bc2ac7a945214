"""The public names of the package: a closed list, loaded late, and all that examples and documents use."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from helpers.toy import write_toy

import spikebench

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))


def test_the_list_is_closed_and_documented() -> None:
    documented = re.findall(r"^    (\w+)  +\w", spikebench.__doc__ or "", re.MULTILINE)
    assert documented == list(spikebench.PUBLIC)
    assert set(dir(spikebench)) == {"__version__", *spikebench.PUBLIC}
    with pytest.raises(AttributeError, match="module 'spikebench' has no attribute 'Protocol'"):
        _ = spikebench.Protocol  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", spikebench.PUBLIC)
def test_a_name_is_there_and_documented(name: str) -> None:
    assert getattr(spikebench, name).__doc__


def test_a_type_checker_sees_the_same_names() -> None:
    tree = ast.parse(Path(spikebench.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        (alias,) = node.names
        seen[alias.asname] = f"{node.module}:{alias.name}"
    assert seen.pop("augmentation") == "spikebench.events:augmentation"
    assert seen == {k: v for k, v in spikebench.PUBLIC.items() if k != "augmentation"}


def test_importing_the_package_loads_nothing_else() -> None:
    code = "import sys, spikebench; print([m for m in ('numpy', 'torch', 'numba') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def code_of(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return text
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("path", [*DOCUMENTS, *EXAMPLES], ids=lambda path: path.name)
def test_documents_and_examples_use_public_names_alone(path: Path) -> None:
    for node in ast.walk(ast.parse(code_of(path))):
        if isinstance(node, ast.Import):
            assert not [a.name for a in node.names if a.name.startswith("spikebench.")]
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("spikebench"):
            assert node.module == "spikebench"
            assert {alias.name for alias in node.names} <= set(spikebench.__all__)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert node.value.id != "spikebench" or node.attr in spikebench.__all__


def test_train_evaluate_and_read_from_python(tmp_path: Path) -> None:
    data = str(write_toy(tmp_path / "toy.h5"))
    for seed in (0, 1):
        folder = tmp_path / "runs" / f"seed{seed}"
        run = spikebench.train(
            "lif", data, folder, seed=seed, settings=["input.duration_ms=300", "training.epochs=2"]
        )
        assert (run.status, run.epochs, run.test_opened) == ("trained", 2, 0)
    selection = spikebench.open_selection(data)
    written = spikebench.evaluate(
        sorted((tmp_path / "runs").iterdir()), selection, tmp_path / "result", "from Python"
    )
    assert spikebench.read_result(tmp_path / "result") == written
    assert [seed.test_opened for seed in written.seeds] == [1, 1]
