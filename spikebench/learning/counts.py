"""Models that are fitted to spike counts at once, by an algorithm of their own.

The model is a :class:`spikebench.models.base.CountClassifier`. Validation selects among the settings of its grid, and
a refit uses the selected ones. There are no epochs, and no state is kept between updates.
"""

from __future__ import annotations

from collections.abc import Mapping

from spikebench.errors import TrainingError
from spikebench.events.batches import BinnedSamples
from spikebench.learning.ranks import Ranks
from spikebench.learning.rule import LearningRule
from spikebench.models.base import Classifier, CountClassifier
from spikebench.presets.preset import Preset


class CountFit(LearningRule):
    """Fit the spike counts of all samples."""

    updates = "once"

    @classmethod
    def check(cls, name: str, model: Classifier, preset: Preset, ranks: Ranks) -> None:
        """Refuse models without ``fit_counts``, and the cases that all rules refuse."""
        if not isinstance(model, CountClassifier):
            raise TrainingError(
                f"model {name} cannot be fitted to spike counts (it is not a CountClassifier); "
                "choose another learning rule, such as bptt"
            )
        super().check(name, model, preset, ranks)

    def fit(
        self, train: BinnedSamples, validation: BinnedSamples | None, choice: Mapping[str, float]
    ) -> dict[str, float]:
        """Fit all counts; validation selects among the settings of the model."""
        assert isinstance(self.model, CountClassifier)  # guaranteed by check
        if train.labels.min() == train.labels.max():
            raise TrainingError(
                "all training samples are of one class; a classifier is fitted to two or more"
            )
        counts = (self.model.counts_of(train), train.labels)
        if validation is None:
            self.model.refit_counts(counts, choice)
            return dict(choice)
        return self.model.fit_counts(counts, (self.model.counts_of(validation), validation.labels))
