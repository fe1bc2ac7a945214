"""What is said of a network that learned nothing that can be seen."""

from __future__ import annotations

from collections.abc import Sequence

_LEVEL = 0.05
_REMEDY = (
    "look at some spikes (spikebench plot) and the classes (spikebench info); try more training.epochs, another "
    "training.learning_rate, or more recordings"
)


def chance_line(
    right: Sequence[int], class_sizes: Sequence[int], samples: str, tries: int = 1
) -> list[str]:
    """Say that accuracies cannot be told from chance, where that is so.

    Parameters
    ----------
    right
        Right answers of each network.
    class_sizes
        Samples of each class, the same for all networks.
    samples
        What the samples are called, as ``validation``.
    tries
        Of how many epochs these are the best; more than one where the same samples selected.

    Returns
    -------
    list of str
        One line, or none.
    """
    from spikebench.metrics.chance import chance_level, p_of_chance

    if not sum(class_sizes):
        return []
    tries = max(tries, 1)
    weak = [n for n in right if p_of_chance(n, class_sizes, tries) > _LEVEL]
    if not weak:
        return []
    who = f"{len(weak)} of {len(right)} seeds " if len(right) > 1 else ""
    best = f" in the best of {tries} epochs" if tries > 1 else ""
    found = f"{max(weak)} of {sum(class_sizes)} {samples} samples right{best}"
    level = f"guessing gets {chance_level(class_sizes):.1%}"
    return [f"AT CHANCE: {who}cannot be told from guessing ({found}, {level}); {_REMEDY}"]
