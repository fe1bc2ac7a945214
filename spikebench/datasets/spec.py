"""What is known about a data set before its file is opened.

Every module of this package holds one constant, ``SPEC``, with every field by name, in this order. A data set
is of one of four kinds:

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
        ``train``, ``validation`` or ``test`` where the whole file is that split; empty where the file marks
        its samples itself.
    md5, sha256
        Of the file, lower-case hexadecimal; None where not known, which it cannot be for a file that the
        user makes. A published file of which only the MD5 is known has its SHA-256 pinned on first use.
    """

    file: str
    split: str
    md5: str | None
    sha256: str | None


@dataclass(frozen=True)
class Download:
    """One file that is downloaded, and what it becomes.

    Attributes
    ----------
    file
        Its name, as users know it.
    urls
        Where it is, https only; tried in this order.
    size_bytes
        Its size where it is known.
    max_bytes
        More is refused.
    md5, sha256
        Of the file as downloaded; as in :class:`SpikePart`.
    becomes
        Name of the one spike file that it holds; or, of an archive of recordings, the folder (ending in a
        slash) that they go to.
    members
        Regular expression that a member's whole path in the archive must match to be taken; the group
        ``path`` is where it goes below that folder. Empty for gzip, which holds one file without a name.
    max_unpacked_bytes, max_members
        Of all members that are taken; more is refused.
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
    """What a data card says beside numbers; plain text, one paragraph each.

    Attributes
    ----------
    collection
        Who recorded whom, when and how.
    processing
        What was done to the recordings, and what made the spikes.
    uses
        What it is good for, and what not.
    limitations
        What it lacks or distorts.
    biases
        Who and what is over- or under-represented.
    personal
        What it tells about persons.
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
        What users type.
    title
        One line for people.
    version
        Of the data, as their authors count; empty where what is made depends on the version of spikebench.
    released
        When that version came out, ISO date (or the year); empty where it is not known or made by the user.
    kind
        See the module.
    parts
        Its spike files, in the order training, validation, test.
    fingerprint
        Fingerprint of all parts together (:mod:`spikebench.spike_files.fingerprint`); empty if none is registered.
    downloads
        What is fetched for it; empty for what is in the package or made from another data set's recordings.
    audio
        Name of the data set whose recordings it is made from; its own for recordings; empty where no
        recordings are at hand.
    naming
        For ``audio``: what :mod:`spikebench.naming.names` calls the way its files are named.
    n_units, n_classes
        Inputs and classes.
    classes
        Class names, index = label; empty where only the file knows their order.
    sizes
        Samples per split.
    protocol
        Name of the rules by which it trains, selects and tests (:mod:`spikebench.protocol.splits`).
    validation_speakers
        Speakers of the training split that select models instead of training them; empty where there is an
        official validation split.
    test_only_speakers
        Speakers without a sample in the training split, where there are few.
    synthetic
        Whether no human voice is in it.
    licence
        SPDX identifier of the data's licence.
    citation
        How to cite it, plain text.
    source
        Where it comes from and how it was made.
    card
        What a data card says beside all this.
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
