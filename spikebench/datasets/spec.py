"""What is known about a data set before its file is opened."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetSpec:
    """One registered data set; every module of this package defines one, all fields in this order.

    Attributes
    ----------
    name
        What users type.
    title
        One line for people.
    file
        POSIX path of the spike file inside the package ``spikebench``.
    sha256
        Of that file, lower-case hexadecimal; anything else is refused.
    n_units, n_classes
        Inputs and classes.
    synthetic
        Whether no human voice is in it.
    validation_speakers
        Speakers of the training split that select models instead of training them.
    test_only_speakers
        Speakers without a sample in the training split.
    licence
        SPDX identifier of the data's licence.
    citation
        How to cite it, plain text.
    source
        Where it comes from and how it was made.
    """

    name: str
    title: str
    file: str
    sha256: str
    n_units: int
    n_classes: int
    synthetic: bool
    validation_speakers: tuple[int, ...]
    test_only_speakers: tuple[int, ...]
    licence: str
    citation: str
    source: str
