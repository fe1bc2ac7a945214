"""A graph of the Neuromorphic Intermediate Representation (NIR) as a network that runs in PyTorch.

NIR describes neurons by differential equations and leaves their discretisation to the reader. One bin of the raster is
one step of time dt::

    exponential   y[t] = a·y[t−1] + (1 − a)·u[t],   a = exp(−dt/τ)       exact for an input that is constant in a step
    euler         y[t] = y[t−1] + (dt/τ)·(u[t] − y[t−1])                 forward Euler, as snnTorch and others export
    norse         as euler, but  I[t] = (1 − dt/τ_syn)·I[t−1] + u[t]  and, for IF,  v[t] = v[t−1] + r·x
    rockpool      I[t] = α·(I[t−1] + u[t]),   v[t] = β·v[t−1] + u[t]·dt/(τ·β),   LI: y[t] = a·y[t−1] + u[t]·dt/τ
                  α, β, a = exp(−dt/τ)

    LIF           y = v, u = v_leak + r·x
    CubaLIF       first I with τ_syn and u = w_in·x, then v with τ_mem and u = v_leak + r·I
    IF            v[t] = v[t−1] + dt·r·x
    LI, CubaLI, I the same without spikes
    S[t] = 1 if v[t] ≥ v_threshold else 0;  in the steps of the refractory time after a spike, v is v_reset
    v ← v_reset where S = 1; ``reset`` of the rules selects v ← v − v_threshold, at once or in the next step, or
    S[t] = ⌊v[t]/v_threshold⌋ and v ← v − S·v_threshold

``Linear``, ``Affine``, ``Scale``, ``Threshold``, ``Delay`` (whole steps), ``Flatten`` (of one axis), ``Identity``,
``Input``, ``Output`` and nested graphs are read; other nodes are refused. An edge that closes a cycle carries the value
of the step before. Weights have gradients, and the derivative of a spike is that of a fast sigmoid, so that an imported
network can be trained further; the other parameters are fixed.

Source: Pedersen et al. (2024), doi 10.1038/s41467-024-52259-9; the package ``nir``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import nn

from spikebench.errors import TrainingError
from spikebench.events.batches import EventBatch
from spikebench.models.nir_edges import flattened, ordered
from spikebench.models.nir_nodes import Delay, Neurons, NirRules, array, make_part
from spikebench.records.problems import first_problem
from spikebench.records.text import printable

__all__ = ["NirNetwork", "NirRules", "number_said", "read_nir", "rules_of", "said_by"]

MAX_BYTES = 256 * 1024 * 1024
_MOST_UNITS = 1_000_000  # of a node

T = TypeVar("T")


class NirNetwork(nn.Module):
    """A network from a graph of NIR.

    Parameters
    ----------
    graph
        A ``nir.NIRGraph`` with one input and one output.
    time_step
        Width of a bin of the raster [s].
    rules
        What NIR leaves open; by default what the metadata of the graph say, as files of ``spikebench export`` do.

    Raises
    ------
    TrainingError
        If the graph has nodes that are not read, or is not connected from its input to its output.
    """

    def __init__(self, graph: Any, time_step: float, rules: NirRules | None = None) -> None:  # noqa: ANN401
        super().__init__()
        self.rules = rules or rules_of(dict(graph.metadata or {}))
        step = self.rules.step_s or time_step
        nodes, edges = flattened(graph)
        kinds = {name: type(node).__name__ for name, node in nodes.items()}
        outer = [str(name) for name in graph.nodes]
        inputs, outputs = (
            [name for name in outer if kinds.get(name) == kind] for kind in ("Input", "Output")
        )
        self._order, self._sources = ordered(kinds, edges, inputs, outputs)
        self._keys = {name: f"{k}_{_identifier(name)}" for k, name in enumerate(self._order)}
        self.parts = nn.ModuleDict()
        for name in self._order:
            part = make_part(name, nodes[name], kinds[name], self.rules, step)
            if part is not None:
                self.parts[self._keys[name]] = part
        self._sizes = {name: _size(name, nodes[name]) for name in self._order}
        self.n_inputs = self._sizes[self._order[0]]
        self.n_outputs = self._sizes[self._order[-1]]
        bias = (graph.metadata or {}).get("readout_bias")
        values = np.zeros(self.n_outputs) if bias is None else _bias(bias)
        if values.shape != (self.n_outputs,):
            raise TrainingError(
                f"readout_bias of the metadata has {values.size} values for {self.n_outputs} outputs"
            )
        self.bias = nn.Parameter(torch.from_numpy(values.astype(np.float32)))
        self.look_ahead, self.takes_events = False, True

    def forward(self, batch: torch.Tensor | EventBatch) -> torch.Tensor:
        """Compute the scores.

        Parameters
        ----------
        batch
            Raster, float32 (batch, time, input), or events. With events, the score is taken over the steps that each
            clip lasts, as the built-in models do, except the maximum, which is over all steps.

        Returns
        -------
        Tensor of float32, shape (batch, output)
            The scores.

        Raises
        ------
        TrainingError
            If the number of units is not that of the graph.
        """
        raster = batch.dense() if isinstance(batch, EventBatch) else batch
        lengths = batch.lengths if isinstance(batch, EventBatch) else None
        if raster.shape[2] != self.n_inputs:
            raise TrainingError(
                f"the graph has {self.n_inputs} inputs, the raster {raster.shape[2]} units; set group_units "
                "(--group-units), or choose its data with --data"
            )
        n = raster.shape[0]
        states = {
            name: part.begin(n)
            for name, part in self.parts.items()
            if isinstance(part, Neurons | Delay)
        }
        before = {name: raster.new_zeros(n, size) for name, size in self._sizes.items()}
        trace = []
        for t in range(raster.shape[1]):
            now: dict[str, torch.Tensor] = {}
            for name in self._order:
                sources = self._sources[name]
                arriving = [now.get(source, before[source]) for source in sources]
                x = torch.stack(arriving).sum(0) if arriving else raster[:, t]
                now[name] = self._run(self._keys[name], x, states)
            before = now
            trace.append(now[self._order[-1]])
        return self._scores(torch.stack(trace, 1), lengths)

    def _run(
        self, key: str, x: torch.Tensor, states: dict[str, dict[str, torch.Tensor]]
    ) -> torch.Tensor:
        """Advance one node by a step; inputs, outputs and flattening pass their input on."""
        if key not in self.parts:
            return x
        if key in states:
            x, states[key] = self.parts[key](x, states[key])
            return x
        x = self.parts[key](x)
        return x

    def _scores(self, trace: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
        """Reduce the output (batch, time, output) over time."""
        reduction, steps = self.rules.reduction, torch.arange(trace.shape[1], device=trace.device)
        lasting = steps.new_full((len(trace),), steps.numel())
        if lengths is not None and reduction != "max":
            lasting = lengths.clamp(min=1).long()
        if reduction == "last":
            return trace[torch.arange(len(trace), device=trace.device), lasting - 1] + self.bias
        ends = lasting[:, None]
        inside = (steps < ends) & (steps >= (ends - 1).clamp(max=self.rules.skip_steps))
        if reduction == "max":
            return trace.masked_fill(~inside[..., None], -math.inf).amax(1) + self.bias
        if reduction == "softmax":
            return (torch.softmax(trace + self.bias, 2) * inside[..., None]).sum(1)
        total = (trace * inside[..., None]).sum(1)
        if reduction == "mean":
            total = total / inside.sum(1, keepdim=True)
        return total + self.bias


def said_by(path: Path) -> dict[str, Any]:
    """Read the metadata of a file of NIR.

    Parameters
    ----------
    path
        An HDF5 file that ``nir.write`` has written.

    Returns
    -------
    dict
        Text and numbers by name; empty if the file has none.

    Raises
    ------
    TrainingError
        If the file cannot be read.
    """
    return _read(path, lambda graph: dict(graph.metadata or {}))


def read_nir(
    path: Path, time_step: float, rules: NirRules | Mapping[str, Any] | None = None
) -> NirNetwork:
    """Read a file of NIR as a network.

    Parameters
    ----------
    path
        An HDF5 file that ``nir.write`` has written.
    time_step
        Width of a bin of the raster [s].
    rules
        What NIR leaves open; by default what the metadata of the file say.

    Returns
    -------
    NirNetwork
        The network, on the CPU.

    Raises
    ------
    TrainingError
        If the file cannot be read, has nodes that are not read, or a rule is out of range.
    """
    given = rules if rules is None or isinstance(rules, NirRules) else _checked(dict(rules), "rule")
    return _read(path, lambda graph: NirNetwork(graph, time_step, given))


def _read(path: Path, use: Callable[[Any], T]) -> T:
    shown = printable(str(path))
    try:
        import nir
    except ImportError:
        raise TrainingError(
            "reading NIR needs the package nir: pip install 'spikebench[export]'"
        ) from None
    try:
        if not path.is_file():
            raise TrainingError("no such file")
        if path.stat().st_size == 0:
            raise TrainingError("empty file")
        if path.stat().st_size > MAX_BYTES:
            raise TrainingError(f"larger than {MAX_BYTES} bytes; not a network")
        _check_declared(path)
        graph = nir.read(path, type_check=False)
        _check_types(graph)
        return use(graph)
    except TrainingError as error:
        raise TrainingError(f"{shown}: {error}") from None
    except Exception as error:  # whatever a damaged file makes h5py and nir raise
        reason = printable(str(error).strip() or type(error).__name__)[:200]
        raise TrainingError(f"{shown}: is not a NIR file: {reason}") from None


def _check_types(graph: Any) -> None:  # noqa: ANN401
    """Check the shapes along the edges; norse and Rockpool write those of an example with its batch axis."""
    try:
        graph.infer_types()
        graph.check_types()
    except ValueError:
        ends = [node for node in graph.nodes.values() if type(node).__name__ in ("Input", "Output")]
        if not sum(map(_drop_batch_axes, ends)):
            raise
        graph.infer_types()
        graph.check_types()


def _drop_batch_axes(node: Any) -> bool:  # noqa: ANN401
    """Remove the leading axes of length 1 of an input or output; return whether there are any."""
    shape = np.ravel(next(iter(node.output_type.values())))
    wide = np.flatnonzero(shape[:-1] != 1)
    kept = shape[wide[0] if wide.size else -1 :]
    node.input_type, node.output_type = {"input": kept}, {"output": kept}
    return kept.size < shape.size


def _check_declared(path: Path) -> None:
    """Refuse arrays that are far larger than the file, before they are read."""
    import h5py

    sizes: list[int] = []

    def add(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            sizes.append(int(item.size or 0) * item.dtype.itemsize)

    with h5py.File(path, "r") as file:
        file.visititems(add)
    if sum(sizes) > MAX_BYTES:
        raise TrainingError(
            f"its arrays have {sum(sizes):,} bytes, more than {MAX_BYTES:,}; not a network"
        )


def rules_of(metadata: Mapping[str, Any]) -> NirRules:
    """Read the rules in the metadata of a graph, as ``spikebench export`` writes them.

    Parameters
    ----------
    metadata
        Of the graph.

    Returns
    -------
    NirRules
        Defaults where the metadata say nothing.

    Raises
    ------
    TrainingError
        If a rule is not known.
    """
    names = {
        "readout_reduction": "reduction",
        "readout_skip_steps": "skip_steps",
        "refractory_steps": "refractory_steps",
    }
    found = {rule: _plain(metadata[name]) for name, rule in names.items() if name in metadata}
    if "time_step_ms" in metadata:
        found["step_s"] = number_said(metadata, "time_step_ms") * 1e-3
    return _checked(found, "metadata")


def number_said(metadata: Mapping[str, Any], name: str) -> float:
    """Read a number in the metadata of a graph.

    Parameters
    ----------
    metadata, name
        Of the graph, and which of them.

    Returns
    -------
    float
        The number.

    Raises
    ------
    TrainingError
        If it is not a finite number.
    """
    try:
        value = float(metadata[name])
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise TrainingError(f"metadata: {name} is not a finite number")
    return value


def _checked(rules: dict[str, Any], what: str) -> NirRules:
    try:
        return NirRules.model_validate(rules)
    except ValidationError as error:
        raise TrainingError(f"{what}: {first_problem(error)}") from None


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Turn a number of numpy into one of Python."""
    return value.item() if isinstance(value, np.generic) else value


def _bias(values: Any) -> NDArray[np.float64]:  # noqa: ANN401
    try:
        return array(values).ravel()
    except TrainingError as error:
        raise TrainingError(f"readout_bias of the metadata: {error}") from None


def _size(name: str, node: Any) -> int:  # noqa: ANN401
    shape = node.output_type.get("output")
    if shape is None:
        raise TrainingError(f"node {printable(name)} does not say its size")
    size = math.prod(int(length) for length in np.ravel(shape))
    if not 1 <= size <= _MOST_UNITS:
        raise TrainingError(
            f"node {printable(name)} has {size:,} outputs; 1 to {_MOST_UNITS:,} are read"
        )
    return size


def _identifier(name: str) -> str:
    return "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in name)[:60]
