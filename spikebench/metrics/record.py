"""The cost metrics of one seed in a result; ``docs/metrics.md`` defines each.

A metric is a number, or :class:`NotApplicable` with the reason, or null if it was not requested. A metric is
never 0 because it could not be computed.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from spikebench.records.fields import Count, Fraction, Name, NonNegative, Record

Reason = Annotated[str, Field(min_length=1, max_length=300)]


class NotApplicable(Record):
    """The reason why a metric has no value for this model."""

    not_applicable: Reason


class LayerOperations(Record):
    """Operations of one bundle of weights, per sample over all its steps.

    ``kind`` is ``AC`` (additions) if the inputs are spikes, else ``MAC``.
    """

    name: Name
    kind: Literal["AC", "MAC"]
    effective: NonNegative
    dense: NonNegative
    weights: Count
    zero_weights: Count


class Latency(Record):
    """Accuracy over time, and the time from which on it stays above 95 % of the final accuracy."""

    times_s: Annotated[list[NonNegative], Field(min_length=1, max_length=10_000)]
    accuracy: Annotated[list[Fraction], Field(min_length=1, max_length=10_000)]
    to_95_percent_s: NonNegative

    @model_validator(mode="after")
    def _one_accuracy_per_time(self) -> Self:
        if len(self.times_s) != len(self.accuracy):
            raise ValueError("as many times as accuracies")
        return self


class Energy(Record):
    """Energy of the operations by a named cost table; the counts are separate metrics."""

    table: Name
    technology: Name
    source: Annotated[str, Field(min_length=1, max_length=500)]
    picojoules: NonNegative | NotApplicable


class Metrics(Record):
    """Cost metrics of one seed, counts per sample as means over the test samples."""

    footprint_bytes: Count | NotApplicable | None = None
    connection_sparsity: Fraction | NotApplicable | None = None
    activation_sparsity: Fraction | NotApplicable | None = None
    input_sparsity: Fraction | NotApplicable | None = None
    effective_ac: NonNegative | NotApplicable | None = None
    effective_mac: NonNegative | NotApplicable | None = None
    dense_operations: NonNegative | NotApplicable | None = None
    operations: Annotated[list[LayerOperations], Field(max_length=1000)] | NotApplicable | None = (
        None
    )
    neuron_updates: NonNegative | NotApplicable | None = None
    neuron_updates_event: NonNegative | NotApplicable | None = None
    spikes_per_inference: NonNegative | NotApplicable | None = None
    spikes_per_neuron: NonNegative | NotApplicable | None = None
    latency: Latency | NotApplicable | None = None
    energy: Annotated[list[Energy], Field(max_length=20)] | NotApplicable | None = None
