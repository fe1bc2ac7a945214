"""Specification of a data set, available before its file is opened.

Every module of this package defines one constant, ``SPEC``, with all fields as keywords, in the order of
:class:`DatasetSpec`. A data set is of one of four kinds:

==============  =====================================================================================
``packaged``    its spike file comes with the package
``published``   its spike files are downloaded as their authors made them
``made``        its spike file is made again from the recordings of another data set, by a recipe
``audio``       its recordings are downloaded and then converted
==============  =====================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["Card", "DatasetSpec", "Download", "Kind", "SpikePart"]

Kind = Literal["packaged", "published", "made", "audio"]


@dataclass(frozen=True)
class SpikePart:
    """One spike file of a data set.

    Attributes
    ----------
    file
        Its name in the data set's folder.
    split
        ``train``, ``validation`` or ``test`` if the whole file is that split; empty if the file stores the
        split of each sample.
    md5, sha256
        Hashes of the file, lower-case hexadecimal; None if not known, as for a file that the user makes. If
        only the MD5 of a published file is known, its SHA-256 is pinned on first use.
    """

    file: str
    split: str
    md5: str | None
    sha256: str | None


@dataclass(frozen=True)
class Download:
    """One file to download, and how it is unpacked.

    Attributes
    ----------
    file
        Its name.
    urls
        Its https addresses, tried in this order.
    size_bytes
        Its size; None if not known.
    max_bytes
        Largest size; a larger file is refused.
    md5, sha256
        Hashes of the downloaded file; as in :class:`SpikePart`.
    becomes
        Name of the one spike file in it; or, for an archive of recordings, the folder (ending in a
        slash) into which they are unpacked.
    members
        Regular expression that the whole path of a member in the archive must match to be unpacked; the group
        ``path`` is its path below that folder. Empty for gzip, which holds one file without a name.
    max_unpacked_bytes, max_members
        Limits over all unpacked members; more is refused.
    """

    file: str
    urls: tuple[str, ...]
    size_bytes: int | None
    max_bytes: int
    md5: str | None
    sha256: str | None
    becomes: str
    members: str
    max_unpacked_bytes: int
    max_members: int


@dataclass(frozen=True)
class Card:
    """Paragraphs of a data card, in plain text.

    Attributes
    ----------
    collection
        Who recorded whom, when and how.
    processing
        How the recordings were processed and converted into spikes.
    uses
        Suitable and unsuitable uses.
    limitations
        What is missing or distorted.
    biases
        Who and what is over- or under-represented.
    personal
        Information about persons in the data.
    """

    collection: str
    processing: str
    uses: str
    limitations: str
    biases: str
    personal: str


@dataclass(frozen=True)
class DatasetSpec:
    """One registered data set; every module of this package defines one, all fields in this order.

    Attributes
    ----------
    name
        Name on the command line.
    title
        Title of one line.
    version
        Version of the data by its authors; empty if the data depends on the version of spikebench.
    released
        Release date of that version, ISO date (or the year); empty if not known or if the user makes the data.
    kind
        See the docstring of the module.
    parts
        Its spike files, in the order training, validation, test.
    fingerprint
        Fingerprint of all parts together (:mod:`spikebench.spike_files.fingerprint`); empty if none is registered.
    downloads
        Files to download; empty for a data set in the package or made from another data set's recordings.
    audio
        Name of the data set whose recordings it is made from; its own for recordings; empty if no
        recordings are available.
    naming
        For kind ``audio``: name of the naming convention of its files in :mod:`spikebench.naming.names`.
    n_units, n_classes
        Numbers of input units and classes.
    classes
        Class names, index = label; empty if their order is stored in the file only.
    sizes
        Samples per split.
    protocol
        Name of the rules for training, selection and test (:mod:`spikebench.protocol.splits`).
    validation_speakers
        Speakers of the training split that are used for model selection instead of training; empty if there is an
        official validation split.
    test_only_speakers
        Speakers without a sample in the training split, if there are few.
    synthetic
        Whether all voices are synthetic.
    licence
        SPDX identifier of the data's licence.
    citation
        How to cite it, plain text.
    source
        Where it comes from and how it was made.
    card
        Paragraphs of the data card.
    """

    name: str
    title: str
    version: str
    released: str
    kind: Kind
    parts: tuple[SpikePart, ...]
    fingerprint: str
    downloads: tuple[Download, ...]
    audio: str
    naming: str
    n_units: int
    n_classes: int
    classes: tuple[str, ...]
    sizes: Mapping[str, int]
    protocol: str
    validation_speakers: tuple[int, ...]
    test_only_speakers: tuple[int, ...]
    synthetic: bool
    licence: str
    citation: str
    source: str
    card: Card
