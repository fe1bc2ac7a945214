"""What a run of a study keeps of its test: the predictions for every sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from spikebench.events.dataset import SpikeDataset
from spikebench.protocol.results import Predictions
from spikebench.records.fields import Count, Record

__all__ = ["TestAnswers"]

_Numbers = Annotated[list[Count], Field(max_length=10_000_000)]


class TestAnswers(Record):
    """Predictions of one run for test samples: one row of ``predicted`` per training after which they were made."""

    __test__: ClassVar[bool] = False  # no class of tests

    index: _Numbers
    label: _Numbers
    speaker: Annotated[list[int], Field(max_length=10_000_000)]
    predicted: Annotated[list[_Numbers], Field(min_length=1, max_length=10_000)]

    @classmethod
    def of(cls, samples: SpikeDataset, predicted: Sequence[NDArray[np.int64]]) -> TestAnswers:
        """Make the record of predictions for samples, one array per training."""
        return cls(
            index=samples.index.tolist(),
            label=samples.labels.tolist(),
            speaker=samples.speakers.tolist(),
            predicted=[row.tolist() for row in predicted],
        )

    @property
    def predictions(self) -> Predictions:
        """Those after the last training, sorted by index."""
        return Predictions(
            index=np.array(self.index, np.int64),
            label=np.array(self.label, np.int64),
            predicted=np.array(self.predicted[-1], np.int64),
            speaker=np.array(self.speaker, np.int64),
        ).in_order()

    @property
    def stages(self) -> NDArray[np.int64]:
        """All predictions, int64, shape (trainings, samples), sorted by index."""
        order = np.argsort(np.array(self.index), kind="stable")
        return np.array(self.predicted, np.int64)[:, order]
