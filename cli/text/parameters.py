"""Parameters of a conversion as lines of name, value and unit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

# Units as in the tables in the modules of the cochlea; other parameters have no unit.
UNITS = {
    "input_rate": "Hz",
    "ramp": "s",
    "basilar_membrane.stiffness_base": "g s⁻² cm⁻²",
    "basilar_membrane.stiffness_offset": "g s⁻² cm⁻²",
    "basilar_membrane.stiffness_decay": "1/cm",
    "basilar_membrane.mass": "g cm⁻²",
    "basilar_membrane.scala_height": "cm",
    "basilar_membrane.fluid_density": "g cm⁻³",
    "basilar_membrane.length": "cm",
    "hair_cell.replenish_rate": "1/s",
    "hair_cell.release_rate": "1/s",
    "hair_cell.loss_rate": "1/s",
    "hair_cell.reuptake_rate": "1/s",
    "hair_cell.reprocess_rate": "1/s",
    "hair_cell.firing_rate": "1/s",
    "bushy_cell.tau_dead": "s",
    "bushy_cell.tau_mem": "s",
    "bushy_cell.tau_syn": "s",
    "bushy_cell.tau_ref": "s",
    "bushy_cell.weight": "1/s",
}
NO_UNIT = (
    "level",
    "basilar_membrane.damping",
    "hair_cell.permeability_offset",
    "hair_cell.permeability_scale",
    "hair_cell.pool_size",
    "bushy_cell.n_trains",
)
_DEPTH = 4


def parameter_lines(parameters: Mapping[str, object]) -> list[str]:
    """Format nested parameters as lines.

    Parameters
    ----------
    parameters
        Names and values; a value may itself be such a mapping. Untrusted.

    Returns
    -------
    list of str
        ``name  value unit``; the names of nested levels are joined with dots.
    """
    from spikebench.records.text import printable

    rows = [(printable(name), printable(value)) for name, value in _flat(parameters, "", _DEPTH)]
    names = max((len(name) for name, _ in rows), default=0)
    values = max((len(value) for name, value in rows if name in UNITS), default=0)
    return [
        f"{name:<{names}}  {value:<{values}}  {UNITS.get(name, '')}".rstrip()
        for name, value in rows
    ]


def _flat(values: Mapping[str, object], above: str, depth: int) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping) and value and depth > 1:
            yield from _flat(value, f"{name}.", depth - 1)
        elif isinstance(value, str):
            yield name, value
        elif isinstance(value, float):
            yield name, f"{value:.12g}"
        else:
            yield name, "none" if value is None else json.dumps(value, ensure_ascii=False)
