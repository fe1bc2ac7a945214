"""A slow reader of NIR graphs that knows nothing of our models: nodes, edges, metadata, float64."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

Trace = NDArray[np.float64]


class Node:
    """One node with its state; called once per step with the sum of what arrives."""

    def __init__(self, node: nir.ir.NIRNode, metadata: dict[str, Any]) -> None:
        self.node = node
        self.time_step = metadata["time_step_ms"] * 1e-3
        self.refractory_steps = metadata["refractory_steps"]
        n = int(np.prod(node.output_type["output"]))
        self.current, self.membrane = np.zeros(n), np.zeros(n)
        self.silent = np.zeros(n, int)
        self.nearest_to_threshold = np.inf

    def approach(self, value: Trace, driven: Trace, tau: Trace) -> Trace:
        decay = np.exp(-self.time_step / tau)
        return decay * value + (1 - decay) * driven

    def step(self, x: Trace) -> Trace:
        node = self.node
        if isinstance(node, nir.Linear):
            return node.weight.astype(np.float64) @ x
        if isinstance(node, nir.LI):
            self.membrane = self.approach(self.membrane, node.v_leak + node.r * x, node.tau)
            return self.membrane
        if isinstance(node, nir.CubaLIF | nir.LIF):
            filtered = isinstance(node, nir.CubaLIF)
            if filtered:
                self.current = self.approach(self.current, node.w_in * x, node.tau_syn)
            driven = node.v_leak + node.r * (self.current if filtered else x)
            free = self.approach(self.membrane, driven, node.tau_mem if filtered else node.tau)
            self.membrane = np.where(self.silent > 0, node.v_reset, free)
            distance = self.membrane - node.v_threshold
            self.nearest_to_threshold = min(self.nearest_to_threshold, np.abs(distance).min())
            spikes = distance >= 0
            self.silent = np.where(spikes, self.refractory_steps, np.maximum(self.silent - 1, 0))
            self.membrane = np.where(spikes, node.v_reset, self.membrane)
            return spikes.astype(np.float64)
        assert isinstance(node, nir.Input | nir.Output), type(node)
        return x


def run_graph(graph: nir.NIRGraph, raster: Trace) -> tuple[dict[str, Trace], Trace, float]:
    """Traces of all nodes, (time, unit) each; the scores; the least distance of a membrane from its threshold."""
    order = ["input"]
    for name in order:
        order += [b for a, b in graph.edges if a == name and b not in order]
    assert set(order) == set(graph.nodes)
    nodes = {name: Node(graph.nodes[name], graph.metadata) for name in order}
    sources = {name: [a for a, b in graph.edges if b == name] for name in order}
    before = {name: np.zeros(graph.nodes[name].output_type["output"]) for name in order}
    steps_of: dict[str, list[Trace]] = {name: [] for name in order}
    for row in raster.astype(np.float64):
        now: dict[str, Trace] = {}
        for name in order:
            # What has not spoken in this step closes a cycle: its value is that of the step before.
            arriving = [now.get(source, before[source]) for source in sources[name]]
            now[name] = nodes[name].step(sum(arriving) if arriving else row)
            steps_of[name].append(now[name])
        before = now
    traces = {name: np.stack(steps) for name, steps in steps_of.items()}
    skipped = graph.metadata.get("readout_skip_steps", 0)
    trace = traces["output"][skipped:]  # of a clip that lasts as long as the bins
    reduced = {
        "max": trace.max(0),
        "mean": trace.mean(0),
        "sum": trace.sum(0),
        "last": trace[-1],
    }[graph.metadata["readout_reduction"]]
    scores = graph.metadata["readout_bias"] + reduced
    return traces, scores, min(node.nearest_to_threshold for node in nodes.values())
