"""Cost metrics of a model, from its operations on all test samples; ``docs/metrics.md`` is the specification.

Counts are means per sample over all samples, independent of the batches. A metric without meaning for a model is
:class:`NotApplicable`, with the reason; 0 is written only if 0 was counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from spikebench.errors import UnknownNameError
from spikebench.metrics.cost_table import CostTable
from spikebench.metrics.record import Energy, LayerOperations, NotApplicable

if TYPE_CHECKING:
    from spikebench.metrics.operations import Account, Bundle

GROUPS = ("footprint", "sparsity", "operations", "updates", "spikes", "latency", "energy")


def read_groups(text: str) -> list[str]:
    """Parse a list of groups of metrics.

    Parameters
    ----------
    text
        ``all``, or names of groups separated by commas.

    Returns
    -------
    list of str
        Groups in the order of ``GROUPS``; energy adds the groups of the counts from which it is computed.

    Raises
    ------
    UnknownNameError
        If there is no such group.
    """
    names = {name.strip() for name in text.split(",")} - {""}
    for name in sorted(names or {text}):
        if name not in (*GROUPS, "all"):
            raise UnknownNameError("group of metrics", name, (*GROUPS, "all"))
    if "energy" in names:
        names |= {"operations", "updates"}
    return [group for group in GROUPS if group in names or "all" in names]


def cost_metrics(
    groups: Iterable[str],
    model: str,
    spiking: bool,
    footprint: int,
    account: Account | None,
    tables: Sequence[CostTable],
) -> dict[str, Any]:
    """Compute the metrics of some groups; all except latency, which needs more than one pass.

    Parameters
    ----------
    groups
        Names of the groups.
    model
        Name of the model, used in reasons.
    spiking
        Whether its hidden units spike.
    footprint
        Bytes of parameters and buffers.
    account
        Operations of the model on all samples; None if the model does not count them.
    tables
        Cost tables for the energy.

    Returns
    -------
    dict
        Fields of :class:`spikebench.metrics.record.Metrics`.
    """
    made: dict[str, Any] = {}
    for group in groups:
        if group == "footprint":
            made["footprint_bytes"] = footprint
        elif group in _FIELDS and account is None:
            reason = _not(f"the model {model} does not count its operations (no account)")
            made |= dict.fromkeys(_FIELDS[group], reason)
        elif group == "sparsity":
            assert account is not None
            made |= _sparsity(account, model)
        elif group == "operations":
            assert account is not None
            made |= _operations(account)
        elif group == "updates":
            assert account is not None
            made |= _updates(account, model)
        elif group == "spikes":
            assert account is not None
            made |= _spikes(account, model, spiking)
        elif group == "energy":
            assert account is not None
            made["energy"] = _energy(account, tables)
    missing = account.not_counted if account is not None else {}
    return made | {name: _not(missing[name]) for name in made.keys() & missing}


_FIELDS = {
    "sparsity": ("connection_sparsity", "activation_sparsity", "input_sparsity"),
    "operations": ("effective_ac", "effective_mac", "dense_operations", "operations"),
    "updates": ("neuron_updates", "neuron_updates_event"),
    "spikes": ("spikes_per_inference", "spikes_per_neuron"),
    "energy": ("energy",),
}


def _not(reason: str) -> NotApplicable:
    return NotApplicable(not_applicable=reason)


def _sparsity(account: Account, model: str) -> dict[str, float | NotApplicable]:
    weights = sum(bundle.weights for bundle in account.bundles)
    zeros = sum(bundle.zero_weights for bundle in account.bundles)
    hidden = [layer for layer in account.layers if layer.nonzero is not None]
    outputs = sum(layer.updates for layer in hidden)
    nonzero = sum(layer.nonzero or 0 for layer in hidden)
    return {
        "connection_sparsity": zeros / weights if weights else _not(f"{model} has no weights"),
        "activation_sparsity": 1 - nonzero / outputs
        if outputs
        else _not(f"{model} has no hidden neurons"),
        "input_sparsity": _not(f"the input of {model} is sound, not spikes")
        if account.input_nonzero is None
        else 1 - account.input_nonzero / account.input_cells,
    }


def _operations(account: Account) -> dict[str, Any]:
    return {
        "effective_ac": _effective(account, "AC"),
        "effective_mac": _effective(account, "MAC"),
        "dense_operations": sum(bundle.dense for bundle in account.bundles) / account.samples,
        "operations": [_layer(bundle, account.samples) for bundle in account.bundles],
    }


def _effective(account: Account, kind: str) -> float:
    return sum(b.effective for b in account.bundles if b.kind == kind) / account.samples


def _layer(bundle: Bundle, samples: int) -> LayerOperations:
    return LayerOperations(
        name=bundle.name,
        kind=bundle.kind,
        effective=bundle.effective / samples,
        dense=bundle.dense / samples,
        weights=bundle.weights,
        zero_weights=bundle.zero_weights,
    )


def _updates(account: Account, model: str) -> dict[str, float | NotApplicable]:
    every, event = _update_means(account)
    none = _not(f"{model} has no neurons")
    always = _not(f"the units of {model} are computed regardless of their input")
    return {
        "neuron_updates": none if every is None else every,
        "neuron_updates_event": (none if every is None else always) if event is None else event,
    }


def _update_means(account: Account) -> tuple[float | None, float | None]:
    if not account.layers:
        return None, None
    event = [layer.updates_event for layer in account.layers]
    known = [n for n in event if n is not None]
    return (
        sum(layer.updates for layer in account.layers) / account.samples,
        sum(known) / account.samples if len(known) == len(event) else None,
    )


def _spikes(account: Account, model: str, spiking: bool) -> dict[str, float | NotApplicable]:
    if not spiking:
        return dict.fromkeys(_FIELDS["spikes"], _not(f"the hidden units of {model} do not spike"))
    hidden = [layer for layer in account.layers if layer.nonzero is not None and layer.spikes]
    spikes = sum(layer.nonzero or 0 for layer in hidden) / account.samples
    each = account.samples * account.n_steps
    neurons = sum(layer.neurons or layer.updates // each for layer in hidden)
    if not neurons:
        return dict.fromkeys(_FIELDS["spikes"], _not(f"{model} has no layer of spiking neurons"))
    return {"spikes_per_inference": spikes, "spikes_per_neuron": spikes / neurons}


def _energy(account: Account, tables: Sequence[CostTable]) -> list[Energy]:
    multiplies = any(bundle.kind == "MAC" for bundle in account.bundles)
    mac = _effective(account, "MAC") if multiplies else None
    updates, updates_event = _update_means(account)
    found = [
        table.energy(
            additions=_effective(account, "AC"),
            multiply_accumulates=mac,
            updates=updates,
            updates_event=updates_event,
        )
        for table in tables
    ]
    reason = account.not_counted.get("neuron_updates_event")
    if reason is None:
        return found
    return [
        energy.model_copy(update={"picojoules": _not(reason)}) if table.charges_updates else energy
        for table, energy in zip(tables, found, strict=True)
    ]
