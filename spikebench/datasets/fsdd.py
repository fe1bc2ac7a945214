"""``fsdd``: the Free Spoken Digit Dataset, version 1.0.10, converted as it is.

Version 1.0.10 is the first with six speakers and 3,000 recordings; 1.0.9, whose SHA-256 TensorFlow Datasets lists,
has five and 2,500. SHA-256 and size of the zip archive of 1.0.10 are published in a source audit of another project;
git makes the same bytes of the tag (commit d6938f9bf1545aa66d8489fc9f1385a7abd64282) in the Pacific time zone.

The README of the data set defines trials 0 to 4 as the test split. There is no validation split, so a sixth of the
speakers, which is one, is held out. Speakers are numbered in the order of their names (george 0, jackson 1, lucas 2,
nicolas 3, theo 4, yweweler 5); the first in the order of SHA-256("validation:<speaker>") is 2.
"""

from __future__ import annotations

from spikebench.datasets.spec import Card, DatasetSpec, Download, SpikePart
from spikebench.naming.conventions.fsdd import FSDD

SPEC = DatasetSpec(
    name="fsdd",
    title="Free Spoken Digit Dataset 1.0.10, 3,000 recordings of six speakers",
    version="1.0.10",
    released="2020-08-12",
    kind="audio",
    parts=(SpikePart(file="fsdd.h5", split="", md5=None, sha256=None),),
    fingerprint="",
    downloads=(
        Download(
            file="free-spoken-digit-dataset-1.0.10.zip",
            urls=(
                "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.zip",
            ),
            size_bytes=16_419_872,
            max_bytes=20_000_000,
            md5=None,
            sha256="c680098f5d2355ba7cc4bd8b0ca9e0a24c00ebe3b4c552208889a4d28d4fbc2b",
            becomes="audio/",
            members=(
                r"free-spoken-digit-dataset-1\.0\.10/"
                r"(?:recordings/)?(?P<path>[0-9]_[a-z]+_[0-9]{1,2}\.wav|README\.md)"
            ),
            max_unpacked_bytes=40_000_000,
            max_members=3_500,
        ),
    ),
    audio="fsdd",
    naming="fsdd",
    n_units=700,
    n_classes=10,
    classes=FSDD,
    sizes={"train": 2700, "test": 300},
    protocol="speakers-v1",
    validation_speakers=(2,),
    test_only_speakers=(),
    synthetic=False,
    licence="CC-BY-SA-4.0",
    citation=(
        "Jackson and contributors (2020): Free Spoken Digit Dataset, version 1.0.10, "
        "https://github.com/Jakobovski/free-spoken-digit-dataset"
    ),
    source=(
        "https://github.com/Jakobovski/free-spoken-digit-dataset, tag v1.0.10, then spikebench convert with the "
        "preset shd"
    ),
    card=Card(
        collection=(
            "Six volunteers recorded themselves saying the English digits zero to nine, 50 times each, and "
            "contributed the recordings to a public repository between 2016 and 2020: mono WAV files of 8 kHz."
        ),
        processing=(
            "Contributors cut their recordings into words and trimmed silence at both ends. spikebench resamples "
            "each to 48 kHz and converts it by the preset shd into spikes of 700 channels."
        ),
        uses=(
            "A small set of human voices for first experiments and for checking a conversion. Speakers of the test "
            "split are also in training, except for the validation speaker, so the accuracy indicates little about "
            "new voices."
        ),
        limitations=(
            "8 kHz recordings contain nothing above 4 kHz, so channels above stay nearly silent. 22 minutes in all. "
            "The test split is the first five trials of every speaker and digit, not another recording session."
        ),
        biases="Six men, four of them with an accent that is not American (metadata.py of the data set).",
        personal=(
            "Voices of six people who published them, under first names or user names of their choice. Gender and "
            "accent are listed in the repository and are left out here."
        ),
    ),
)
