"""Imported graphs: our exports give the model's scores, graphs of snnTorch its spikes; what is not read is named."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
import torch
from helpers.nir_interpreter import run_graph
from numpy.typing import NDArray

from spikebench.errors import TrainingError
from spikebench.models.nir_network import NirNetwork, NirRules, read_nir, rules_of

STEP = 0.01


def ones(n: int, value: float = 1.0) -> NDArray[np.float64]:
    return np.full(n, value)


def chain(*nodes: nir.ir.NIRNode, **metadata: object) -> nir.NIRGraph:
    """Connect nodes between an input and an output."""
    first = nodes[0].input_type["input"] if nodes[0].input_type else [3]
    last = nodes[-1].output_type["output"]
    named = {"input": nir.Input(np.array(first))}
    named |= {f"n{k}": node for k, node in enumerate(nodes)}
    named["output"] = nir.Output(np.array(last))
    names = list(named)
    return nir.NIRGraph(named, list(pairwise(names)), metadata=metadata)


def weights(n_in: int, n_out: int, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return rng.normal(0.3, 1.0, (n_out, n_in)).astype(np.float32)


def cuba(n: int, tau_syn: float = 0.01, tau_mem: float = 0.02) -> nir.CubaLIF:
    return nir.CubaLIF(
        *(ones(n, tau_syn), ones(n, tau_mem), ones(n), ones(n, 0.0), ones(n)),
        v_reset=ones(n, 0.0),
        w_in=ones(n, 1 / (1 - np.exp(-STEP / tau_syn))),
    )


@pytest.mark.parametrize("reduction", ["max", "mean", "sum", "last"])
@pytest.mark.parametrize("recurrent", [False, True])
def test_a_graph_as_export_writes_it_equals_the_slow_reader(
    reduction: str, recurrent: bool, tmp_path: Path
) -> None:
    graph = chain(
        nir.Linear(weights(6, 9)),
        cuba(9),
        nir.Linear(weights(9, 4, 1)),
        nir.LI(ones(4, 0.05), ones(4), ones(4, 0.0)),
        readout_reduction=reduction,
        readout_bias=np.linspace(-1, 1, 4),
        time_step_ms=STEP * 1e3,
        refractory_steps=1,
    )
    if recurrent:
        graph = nir.NIRGraph(
            graph.nodes | {"back": nir.Linear(weights(9, 9, 2) * 0.2)},
            [*graph.edges, ("n1", "back"), ("back", "n1")],
            metadata=graph.metadata,
        )
    cells = np.random.default_rng(3).poisson(0.3, (2, 30, 6)).astype(np.float32)
    nir.write(tmp_path / "net.nir", graph)
    network = read_nir(tmp_path / "net.nir", STEP)
    assert network.rules == NirRules(reduction=reduction, refractory_steps=1, step_s=STEP)
    with torch.no_grad():
        scores = network(torch.from_numpy(cells)).numpy()
    for row, one in zip(scores, cells, strict=True):
        _, expected, margin = run_graph(graph, one)
        assert margin > 1e-5  # so that rounding changes no spike
        np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["zero", "subtract", "synaptic"])
def test_a_graph_of_snntorch_gives_its_spikes(kind: str) -> None:
    pytest.importorskip("nirtorch")
    snn = pytest.importorskip("snntorch")
    from snntorch.export_nir import export_to_nir

    def decays(n: int, value: float) -> torch.Tensor:
        return torch.full((n,), value)

    torch.manual_seed(1)
    known = {"reset_mechanism": "zero", "init_hidden": True}
    rules = {"discretisation": "euler", "step_s": 1e-4}
    if kind == "synaptic":
        hidden = snn.RSynaptic(alpha=0.6, beta=0.8, linear_features=8, **known)
        last = snn.Synaptic(decays(4, 0.5), decays(4, 0.7), torch.ones(4), output=True, **known)
        rules["refractory_steps"] = 1
    else:
        known["reset_mechanism"] = kind
        hidden = snn.Leaky(decays(8, 0.9), torch.ones(8), **known)
        last = snn.Leaky(decays(4, 0.7), torch.ones(4), output=True, **known)
        rules["reset"] = "value" if kind == "zero" else "subtract_later"
    net = torch.nn.Sequential(
        torch.nn.Linear(6, 8), hidden, torch.nn.Linear(8, 4, bias=False), last
    )
    with torch.no_grad():
        net[0].weight *= 4
        net[2].weight *= 4
    with pytest.warns(DeprecationWarning, match="nirtorch"):
        graph = export_to_nir(net, torch.zeros(1, 6), ignore_dims=[0])
    network = NirNetwork(graph, STEP, NirRules.model_validate(rules))
    cells = torch.from_numpy(np.random.default_rng(4).poisson(0.5, (5, 40, 6)).astype(np.float32))
    hidden.reset_mem()
    last.reset_mem()
    with torch.no_grad():
        counts = sum(net(cells[:, t])[0] for t in range(40))
        found = network(cells)
    assert counts.sum() > 20
    torch.testing.assert_close(found, counts, rtol=0, atol=1e-4)


def test_the_rules_of_reset_and_time() -> None:
    """One neuron, by hand: v doubles its input of 0.6 within Euler steps of half a time constant."""
    graph = chain(nir.LIF(ones(1, 2 * STEP), ones(1), ones(1, 0.0), ones(1, 0.5), ones(1, 0.1)))
    x = torch.full((1, 4, 1), 0.8)
    tries = {
        # v = 0.4, 0.6 → spike
        ("value", 0): [0, 1, 0, 1],  # 0.1 → 0.45, 0.625
        ("subtract", 0): [0, 1, 0, 1],  # 0.1 as well
        ("value", 1): [0, 1, 0, 0],  # held at 0.1 for a step, then 0.45
    }
    for (reset, refractory), spikes in tries.items():
        rules = NirRules(
            discretisation="euler",
            reset=reset,
            refractory_steps=refractory,  # type: ignore[arg-type]
        )
        outputs = [NirNetwork(graph, STEP, rules)(x[:, :t]).item() for t in range(1, 5)]
        assert outputs == list(np.cumsum(spikes)), (reset, refractory)
    exact = NirNetwork(chain(nir.LI(ones(1, STEP), ones(1), ones(1, 0.0))), STEP)
    assert exact(x[:, :1]).item() == pytest.approx(0.8 * (1 - np.exp(-1)))


def test_delays_scales_thresholds_and_a_skip_connection() -> None:
    graph = nir.NIRGraph(
        {
            "input": nir.Input(np.array([2])),
            "late": nir.Delay(np.array([0.0, 2 * STEP])),
            "scale": nir.Scale(np.array([3.0, 5.0])),
            "limit": nir.Threshold(np.array([1.0, 6.0])),
            "output": nir.Output(np.array([2])),
        },
        [
            *(("input", "late"), ("late", "scale"), ("scale", "limit"), ("limit", "output")),
            ("input", "output"),
        ],
    )
    x = torch.tensor([[[1.0, 1.0], [0.0, 2.0], [0.0, 0.0], [0.0, 0.0]]])
    # unit 0: 3 ≥ 1 in step 0; unit 1: 5 < 6 in step 2, 10 ≥ 6 in step 3; plus the input itself
    torch.testing.assert_close(NirNetwork(graph, STEP)(x), torch.tensor([[2.0, 4.0]]))


def test_it_learns() -> None:
    network = NirNetwork(
        chain(nir.Affine(weights(6, 9), ones(9)), cuba(9), nir.Linear(weights(9, 4, 1))), STEP
    )
    network(torch.ones(2, 12, 6)).square().sum().backward()
    gradients = {name: p.grad for name, p in network.named_parameters()}
    assert len(gradients) == 4
    assert all(g is not None and g.abs().sum() > 0 for g in gradients.values()), gradients


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    linear = nir.Linear(weights(3, 2))
    tries: list[tuple[nir.NIRGraph, dict[str, Any], str]] = [
        (
            chain(linear, nir.LI(ones(2, 0.0), ones(2), ones(2, 0.0))),
            {},
            "node n1: a time constant is not",
        ),
        (
            chain(linear, nir.LI(ones(2, 0.001), ones(2), ones(2, 0.0))),
            {"discretisation": "euler"},
            "node n1: a time constant of 0.001 s is below the step of 0.01 s",
        ),
        (chain(linear, nir.Delay(ones(2, 0.0155))), {}, "node n1: a delay is not a multiple"),
        (
            chain(linear, readout_bias=ones(3)),
            {},
            "readout_bias of the metadata has 3 values for 2",
        ),
        (
            nir.NIRGraph(
                {
                    "input": nir.Input(np.array([3])),
                    "a": linear,
                    "output": nir.Output(np.array([2])),
                },
                [("input", "a")],
            ),
            {},
            "no path leads from the input to the output",
        ),
    ]
    pool = nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))
    unread = nir.NIRGraph(
        {"input": nir.Input(np.array([3])), "p": pool, "output": nir.Output(np.array([2]))},
        [("input", "p"), ("p", "output")],
        type_check=False,
    )
    tries.append(
        (unread, {}, "p is of kind SumPool2d, which is not supported; supported are Linear")
    )
    for graph, rules, reason in tries:
        with pytest.raises(TrainingError, match=reason):
            NirNetwork(graph, STEP, NirRules(**rules))
    with pytest.raises(TrainingError, match=r"metadata: reduction: .*"):
        rules_of({"readout_reduction": "median"})
    with pytest.raises(TrainingError, match="the graph has 3 inputs, the raster 5 units"):
        NirNetwork(chain(linear), STEP)(torch.zeros(1, 2, 5))
    (tmp_path / "no.nir").write_bytes(b"nothing")
    with pytest.raises(TrainingError, match=r"no\.nir: is not a NIR file"):
        read_nir(tmp_path / "no.nir", STEP)
    with pytest.raises(TrainingError, match=r"absent\.nir: no such file"):
        read_nir(tmp_path / "absent.nir", STEP)


def test_numbers_that_are_not_finite_or_not_real_name_their_node() -> None:
    for values, reason in (
        (np.full((4, 3), np.nan), "node n0: a parameter is not finite"),
        (np.full((4, 3), 1e300), "node n0: a parameter is not finite"),
        (np.full((4, 3), 1j), "node n0: a parameter does not consist of real numbers"),
    ):
        with pytest.raises(TrainingError, match=reason):
            NirNetwork(chain(nir.Linear(values)), STEP)
    with pytest.raises(TrainingError, match="node n0: a parameter is not finite"):
        NirNetwork(chain(nir.Delay(np.full(3, np.nan))), STEP)


def test_what_the_input_does_not_reach_is_not_left_out_silently() -> None:
    graph = chain(nir.Linear(weights(3, 4)))
    graph.nodes["x"] = nir.Affine(weights(4, 4), ones(4))  # its bias would reach the output
    graph.edges.append(("x", "output"))
    with pytest.raises(TrainingError, match="node x leads to output, but no path"):
        NirNetwork(graph, STEP)


def test_a_second_output_is_refused() -> None:
    graph = chain(nir.Linear(weights(3, 4)))
    graph.nodes["second"] = nir.Output(np.array([4]))
    graph.edges.append(("n0", "second"))
    with pytest.raises(TrainingError, match=r"several outputs .output, second.; one is read"):
        NirNetwork(graph, STEP)


def test_a_size_without_numbers_takes_no_memory() -> None:
    graph = nir.NIRGraph(
        {"input": nir.Input(np.array([2**40])), "output": nir.Output(np.array([2**40]))},
        [("input", "output")],
    )
    with pytest.raises(TrainingError, match="has 1,099,511,627,776 outputs; 1 to 1,000,000"):
        NirNetwork(graph, STEP)


def test_a_small_file_with_a_huge_array_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.nir"
    nir.write(path, chain(nir.Linear(weights(3, 4))))
    with h5py.File(path, "r+") as file:
        del file["node/nodes/n0/weight"]
        file.create_dataset("node/nodes/n0/weight", (4, 2**40), "f4", chunks=(4, 1024))
    with pytest.raises(TrainingError, match=r"its arrays have 17,592,186,0.* bytes, more than"):
        read_nir(path, STEP)
