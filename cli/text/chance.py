"""The warning for a network whose accuracy cannot be distinguished from chance."""

from __future__ import annotations

from collections.abc import Sequence

_LEVEL = 0.05
_REMEDY = (
    "check some spikes (spikebench plot) and the classes (spikebench info); try more training.epochs, another "
    "training.learning_rate or more recordings"
)


def chance_line(
    right: Sequence[int], class_sizes: Sequence[int], samples: str, tries: int = 1
) -> list[str]:
    """Warn if accuracies cannot be distinguished from chance.

    Parameters
    ----------
    right
        Number of correct predictions of each network.
    class_sizes
        Number of samples of each class, the same for all networks.
    samples
        Name of the samples, e.g. ``validation``.
    tries
        Number of epochs from which the best was selected on the same samples; else 1.

    Returns
    -------
    list of str
        One line; empty if every network is above chance. A different line if there are too few samples to decide.
    """
    from spikebench.metrics.chance import chance_level, p_of_chance

    if not sum(class_sizes):
        return []
    tries, total = max(tries, 1), sum(class_sizes)
    level = f"chance level {chance_level(class_sizes):.1%}"
    if p_of_chance(total, class_sizes, tries) > _LEVEL:
        best = f", in the best of {tries} epochs" if tries > 1 else ""
        return [
            f"TOO FEW SAMPLES: {total} {samples} samples cannot distinguish learning from chance, even if all "
            f"predictions were right{best} ({level}); take more recordings"
        ]
    weak = [n for n in right if p_of_chance(n, class_sizes, tries) > _LEVEL]
    if not weak:
        return []
    who = f"{len(weak)} of {len(right)} seeds " if len(right) > 1 else "the accuracy "
    best = f" in the best of {tries} epochs" if tries > 1 else ""
    found = f"{max(weak)} of {total} {samples} samples right{best}"
    return [f"AT CHANCE: {who}cannot be distinguished from chance ({found}, {level}); {_REMEDY}"]
