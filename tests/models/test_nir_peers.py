"""Files of NIR that other libraries have written give the spike counts of these libraries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from helpers.peers import needs_peer, run_peer

from spikebench.models.nir_network import read_nir

ROCKPOOL = {"discretisation": "rockpool", "reset": "subtract_all"}
RULES: dict[str, dict[str, dict[str, object]]] = {
    "norse": {kind: {"discretisation": "norse"} for kind in ("lif", "box", "iaf")},
    "rockpool": {"lif": ROCKPOOL, "single": ROCKPOOL | {"reset": "subtract"}, "neuron": ROCKPOOL},
    "spikingjelly": {"lif": {"discretisation": "euler"}, "if": {}},
}


@pytest.mark.parametrize("library", RULES)
def test_files_of_another_library_give_its_counts(library: str, tmp_path: Path) -> None:
    needs_peer(library)
    run_peer(ROOT / "tests" / "helpers" / "peer_nir.py", library, str(tmp_path))
    for kind, rules in RULES[library].items():
        theirs = np.load(tmp_path / f"{library}-{kind}.npz")
        raster, expected = (torch.from_numpy(theirs[name]) for name in ("raster", "counts"))
        assert expected.sum().abs() > 5, kind
        found = counts(tmp_path / f"{library}-{kind}.nir", raster, rules)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
        if rules:  # they matter
            other = counts(tmp_path / f"{library}-{kind}.nir", raster, {})
            assert not torch.allclose(other, expected, rtol=1e-2, atol=1e-2), kind


def counts(file: Path, raster: torch.Tensor, rules: dict[str, object]) -> torch.Tensor:
    with torch.no_grad():
        answer: torch.Tensor = read_nir(file, time_step=0.01, rules=rules)(raster)
    return answer
