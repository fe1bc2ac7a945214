"""Types that the settings of several models share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from spikebench.kernels.names import Surrogate

Units = Annotated[int, Field(ge=1, le=65_536)]  # neurons of a layer
Range = tuple[float, float]
ReadoutReduction = Literal["max", "mean", "sum", "last", "softmax"]
MOST_LAYERS = 100
# Of models that once had fast_sigmoid only, which is omitted from files to keep the older format.
AnySurrogate = Annotated[Surrogate, Field(exclude_if=lambda name: name == "fast_sigmoid")]


class ModelConfig(BaseModel):
    """Configuration of a model: frozen, unknown keys refused, units in the names of the keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
