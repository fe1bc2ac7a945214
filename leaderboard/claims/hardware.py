"""Measurements on a chip: power, energy, latency and throughput, as the people who measured them state them.

Accuracy is recomputed from the predictions of the chip, as for every entry. The physical figures cannot be recomputed
here: they are claims, with unit, uncertainty, instrument and method. Units are part of the names, SI without prefix.

    energy_per_sample_j           total energy of an inference on one sample, idle power included
    dynamic_energy_per_sample_j   the same above idle power
    idle_power_w                  powered, the network loaded, no input
    active_power_w                mean while it processes one sample after another
    latency_s                     from ``latency_from`` to the answer
    throughput_per_s              samples per second in continuous operation

All refer to ``scope`` and the rails in ``supply``, ``batch_size`` samples at a time, and are means over ``samples``
samples of the test split.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from leaderboard.claims.declaration import Line
from spikebench.records.fields import Count

__all__ = ["FIGURES", "HARDWARE", "POWER_FACTOR", "Figure", "Hardware", "hardware_form"]

HARDWARE = "hardware"  # the track
POWER_FACTOR = 2.0

Basis = Literal["measured", "derived", "simulated"]
DeviceKind = Literal[
    "digital neuromorphic",
    "mixed-signal neuromorphic",
    "fpga",
    "microcontroller",
    "accelerator",
    "gpu",
    "cpu",
    "other",
]
Scope = Literal["cores", "chip", "board", "system"]
Included = Literal["network", "input", "output", "off-chip memory", "encoder", "host"]
Pace = Literal["real time", "accelerated"]


def _check_day(text: str) -> str:
    day = date.fromisoformat(text)  # raises ValueError for a day that does not exist
    if day > datetime.now(UTC).date() + timedelta(days=1):  # it may be tomorrow elsewhere
        raise ValueError(f"{text} is in the future")
    return text


def _check_words(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


_Words = Annotated[str, Field(min_length=1, max_length=300), Line, AfterValidator(_check_words)]
_Day = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$"), AfterValidator(_check_day)]
_Positive = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False, strict=True)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Figure(_Part):
    """A physical figure in the unit of its name.

    ``uncertainty`` is half the width of its 95 % interval, in the same unit. ``basis`` is ``measured``, ``derived``
    (energy: active power divided by throughput) or ``simulated`` (by tools, from a data sheet, of a netlist).
    """

    value: _Positive
    uncertainty: _Positive
    basis: Basis

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.uncertainty > self.value:
            raise ValueError("the uncertainty is larger than the value")
        return self

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.value - self.uncertainty

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.value + self.uncertainty


class Hardware(_Part):
    """Device, conditions and figures of a measurement.

    ``supply`` names the rails and their voltages, ``includes`` what the power of these rails feeds, ``samples`` the
    number of test samples over which the figures are means, ``repetitions`` how often they were measured.
    """

    device: _Words
    kind: DeviceKind
    technology_nm: _Positive | None = None
    chips: Annotated[Count, Field(ge=1)] = 1
    scope: Scope
    supply: _Words
    includes: Annotated[list[Included], Field(min_length=1, max_length=6)]
    pace: Pace
    batch_size: Annotated[Count, Field(ge=1)]
    samples: Annotated[Count, Field(ge=1)]
    repetitions: Annotated[Count, Field(ge=1)]
    ambient_celsius: Annotated[float, Field(ge=-273.15, le=300, strict=True)] | None = None
    instrument: _Words
    method: Annotated[str, Field(min_length=1, max_length=2000), Line, AfterValidator(_check_words)]
    measured_by: _Words
    measured_on: _Day
    latency_from: Literal["first input", "last input"] | None = None
    energy_per_sample_j: Figure | None = None
    dynamic_energy_per_sample_j: Figure | None = None
    idle_power_w: Figure | None = None
    active_power_w: Figure | None = None
    latency_s: Figure | None = None
    throughput_per_s: Figure | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if "network" not in self.includes:
            raise ValueError(
                "includes must contain network: the figures are of the chip that runs it"
            )
        if len(set(self.includes)) < len(self.includes):
            raise ValueError("includes names a part twice")
        if all(getattr(self, name) is None for name in FIGURES):
            raise ValueError(f"contains no figure; give at least one of {', '.join(FIGURES)}")
        if self.latency_s is not None and self.latency_from is None:
            raise ValueError("latency_from is missing; say from where latency_s counts")
        _check_order(self, "idle_power_w", "active_power_w")
        _check_order(self, "dynamic_energy_per_sample_j", "energy_per_sample_j")
        self._check_derived()
        return self

    @property
    def contradiction(self) -> str:
        """Why energy, power and throughput cannot all be right; empty if they agree or one of them is missing.

        In continuous operation, energy per sample is active power divided by throughput. They may differ, because
        power and energy can be measured in different phases, but not by more than a factor of :data:`POWER_FACTOR`.
        """
        energy, power, rate = (
            self.energy_per_sample_j,
            self.active_power_w,
            self.throughput_per_s,
        )
        if energy is None or power is None or rate is None:
            return ""
        factor = energy.value * rate.value / power.value
        if 1 / POWER_FACTOR <= factor <= POWER_FACTOR:
            return ""
        return f"the energy per sample is {factor:.2g} times active power divided by throughput"

    def _check_derived(self) -> None:
        energy, power, rate = (
            self.energy_per_sample_j,
            self.active_power_w,
            self.throughput_per_s,
        )
        if energy is None or energy.basis != "derived":
            return
        if power is None or rate is None:
            raise ValueError(
                "energy_per_sample_j is derived, which needs active_power_w and throughput_per_s"
            )
        highest = power.high / rate.low if rate.low > 0 else float("inf")
        if not power.low / rate.high <= energy.high or not energy.low <= highest:
            raise ValueError(
                f"energy_per_sample_j is {energy.value:g}, but active_power_w / throughput_per_s is "
                f"{power.value / rate.value:g}; are the units right?"
            )


# Name of a figure: its unit, and what it is.
FIGURES: dict[str, tuple[str, str]] = {
    "energy_per_sample_j": ("J", "Energy per sample"),
    "dynamic_energy_per_sample_j": ("J", "Energy per sample above idle"),
    "idle_power_w": ("W", "Idle power"),
    "active_power_w": ("W", "Active power"),
    "latency_s": ("s", "Latency"),
    "throughput_per_s": ("1/s", "Throughput"),
}


def _check_order(hardware: Hardware, less: str, more: str) -> None:
    small, large = getattr(hardware, less), getattr(hardware, more)
    if small is not None and large is not None and small.low > large.high:
        raise ValueError(f"{less} ({small.value:g}) is more than {more} ({large.value:g})")


_FORM = """\
# What was measured on the chip. Units are part of the names: joules, watts, seconds. Figures without a measurement are
# left out, never 0. docs/leaderboard.md says what makes figures comparable.
[hardware]
device = ""                        # name, revision and board
kind = "digital neuromorphic"      # {kinds}
# technology_nm = 28
chips = 1
scope = "chip"                     # what the figures are of: cores, chip, board, system
supply = ""                        # the measured rails and their voltages, such as "VDD 0.8 V and VDDIO 1.8 V"
includes = ["network"]             # what these rails feed: {included}
pace = "accelerated"               # input in real time, or accelerated: as fast as the chip takes it
batch_size = 1
samples = {samples}                      # test samples over which the figures are means; all of them for a rank
repetitions = 1                    # how often they were measured
# ambient_celsius = 23.0
instrument = ""                    # maker, type, sampling rate, shunt, such as "N6705C, 10 kHz"
method = ""                        # how, in one line: where it was measured, when the interval begins and ends
measured_by = ""                   # people or laboratory
measured_on = ""                   # 2026-01-31
latency_from = "last input"        # latency_s counts from the last input, or from the first input

# uncertainty: half the width of the 95 % interval, in the same unit; basis: measured, derived (energy: active power
# divided by throughput) or simulated. Only a measured energy gets a rank.
[hardware.energy_per_sample_j]     # total, idle power included
value = 0.0
uncertainty = 0.0
basis = "measured"

[hardware.idle_power_w]            # powered, network loaded, no input
value = 0.0
uncertainty = 0.0
basis = "measured"

[hardware.active_power_w]          # mean while it processes one sample after another
value = 0.0
uncertainty = 0.0
basis = "measured"

[hardware.latency_s]
value = 0.0
uncertainty = 0.0
basis = "measured"

[hardware.throughput_per_s]        # samples per second in continuous operation
value = 0.0
uncertainty = 0.0
basis = "measured"

# [hardware.dynamic_energy_per_sample_j]   # above idle power
# value = 0.0
# uncertainty = 0.0
# basis = "derived"
"""


def hardware_form(test_samples: int) -> str:
    """Write the table ``[hardware]`` of a form, to be filled in.

    Parameters
    ----------
    test_samples
        Number of test samples.

    Returns
    -------
    str
        TOML that is refused as it is.
    """
    kinds, included = ", ".join(get_args(DeviceKind)), ", ".join(get_args(Included))
    return _FORM.format(kinds=kinds, included=included, samples=test_samples)
