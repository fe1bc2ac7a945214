"""Named tables of the energy per operation, and the resulting energy.

::

    E = AC·addition + MAC·multiply_accumulate + active·neuron_update + (updates − active)·idle_neuron_update

AC and MAC are effective operations per sample, ``active`` the neuron updates with an input. A table may leave out
every energy except that of an addition. Without that of a multiply-accumulate, it gives no energy for models with
multiply-accumulates; without those of neuron updates, the updates are not charged. A table is a TOML file; two are
shipped in ``cost_tables/``, with their sources.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from spikebench.errors import ResultError, UnknownNameError
from spikebench.metrics.record import Energy, NotApplicable
from spikebench.records.fields import Record
from spikebench.records.problems import invalid

COST_TABLES = ("horowitz-45nm", "loihi")
MAX_TABLE_BYTES = 64 * 1024


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("contains characters that cannot be printed")
    return text


Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
Picojoules = Annotated[float, Field(strict=True, ge=0, le=1e12, allow_inf_nan=False)]


class CostTable(Record):
    """Energy per operation [pJ] of a technology, with the source of the figures."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    technology: Line
    source: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_printable)]
    addition_picojoules: Picojoules
    multiply_accumulate_picojoules: Picojoules | None = None
    neuron_update_picojoules: Picojoules | None = None
    idle_neuron_update_picojoules: Picojoules | None = None

    @property
    def charges_updates(self) -> bool:
        """Whether neuron updates have an energy."""
        return (self.neuron_update_picojoules, self.idle_neuron_update_picojoules) != (None, None)

    def energy(
        self,
        additions: float,
        multiply_accumulates: float | None,
        updates: float | None,
        updates_event: float | None,
    ) -> Energy:
        """Compute the energy of operations.

        Parameters
        ----------
        additions
            Effective AC per sample.
        multiply_accumulates
            Effective MAC per sample; None for a model without multiply-accumulates.
        updates, updates_event
            Neuron updates per sample, and those with an input. None for a model without neurons; if only
            ``updates_event`` is None, every update is charged as one with an input.

        Returns
        -------
        Energy
            Energy per sample, or the reason why there is none.
        """
        picojoules: float | NotApplicable
        active, idle = self.neuron_update_picojoules, self.idle_neuron_update_picojoules
        if multiply_accumulates is not None and self.multiply_accumulate_picojoules is None:
            reason = f"the table {self.name} has no multiply-accumulates, but the model has"
            picojoules = NotApplicable(not_applicable=reason)
        elif (active is not None or idle is not None) and updates is None:
            reason = f"the table {self.name} charges neuron updates, but the model has no neurons"
            picojoules = NotApplicable(not_applicable=reason)
        else:
            arrived = updates if updates_event is None else updates_event
            picojoules = (
                additions * self.addition_picojoules
                + (multiply_accumulates or 0) * (self.multiply_accumulate_picojoules or 0)
                + (arrived or 0) * (active or 0)
                + ((updates or 0) - (arrived or 0)) * (idle or 0)
            )
        return Energy(
            table=self.name,
            technology=self.technology,
            source=self.source,
            picojoules=picojoules,
        )


def read_cost_table(wanted: str) -> CostTable:
    """Read a shipped table by its name, or another table by its path.

    Parameters
    ----------
    wanted
        A name, or the path of a TOML file (ending in ``.toml``).

    Returns
    -------
    CostTable
        The validated table.

    Raises
    ------
    UnknownNameError
        If no table of that name is shipped.
    ResultError
        If the file cannot be read, does not match the schema, or has the name of a shipped table.
    """
    if not wanted.endswith(".toml"):
        if wanted not in COST_TABLES:
            raise UnknownNameError("cost table (or FILE.toml)", wanted, COST_TABLES)
        file = resources.files("spikebench.metrics") / "cost_tables" / f"{wanted}.toml"
        return CostTable.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    path = Path(wanted)
    try:
        if not path.is_file():
            raise ResultError(f"{path}: no such file")
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise ResultError(f"{path}: larger than {MAX_TABLE_BYTES} bytes; not a cost table")
        table = CostTable.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise invalid(ResultError, str(path), error, CostTable) from None
    except RecursionError:
        raise ResultError(f"{path}: nested too deeply") from None
    except (OSError, ValueError) as error:
        raise ResultError(f"{path}: not readable as TOML: {error}") from None
    if table.name in COST_TABLES and table != read_cost_table(table.name):
        raise ResultError(f"{path}: name: {table.name} is a shipped table; choose another name")
    return table


def read_cost_tables(wanted: Sequence[str]) -> list[CostTable]:
    """Read several tables with different names.

    Parameters
    ----------
    wanted
        As for :func:`read_cost_table`.

    Returns
    -------
    list of CostTable
        The tables, in the same order.

    Raises
    ------
    UnknownNameError, ResultError
        As :func:`read_cost_table`; and if two have the same name or there are more than 20.
    """
    tables = [read_cost_table(one) for one in wanted]
    names = [table.name for table in tables]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ResultError(f"two cost tables are named {twice}: give every table a different name")
    if len(tables) > 20:
        raise ResultError(f"{len(tables)} cost tables; a result holds at most 20")
    return tables
