"""``digits``: synthetic spoken digits, the data set that comes with the package; see ``data/README.md``."""

from __future__ import annotations

from spikebench.datasets.spec import Card, DatasetSpec, SpikePart
from spikebench.naming.conventions.heidelberg_digits import HEIDELBERG_DIGITS

SPEC = DatasetSpec(
    name="digits",
    title="Synthetic spoken digits, English and German, 14 synthetic voices",
    version="2",
    released="2026",
    kind="packaged",
    parts=(
        SpikePart(
            file="digits.h5",
            split="",
            md5=None,
            sha256="a97763287e3358b438865b472fdf312e7bf4a89103845eaf0187f0d509964352",
        ),
    ),
    fingerprint="498bd921ced54be2a70d53c3dcd6f539f7fd6987027645f9bc24835b75d294dd",
    downloads=(),
    audio="",
    naming="",
    n_units=70,
    n_classes=20,
    classes=HEIDELBERG_DIGITS,
    sizes={"train": 663, "test": 177},
    protocol="speakers-v1",
    validation_speakers=(2, 3),
    test_only_speakers=(4, 5),
    synthetic=True,
    licence="CC-BY-4.0",
    citation=(
        "the spikebench developers: digits, synthetic spoken digits as spikes, version 2 (2026); "
        "classes and layout after Cramer, Stradmann, Schemmel, Zenke (2020), "
        "doi:10.1109/TNNLS.2020.3044364"
    ),
    source=(
        "synthetic voices of espeak-ng 1.51, rendered by data/make_digits.py; "
        "spikebench convert, preset shd, 70 channels, seed 0"
    ),
    card=Card(
        collection=(
            "No person was recorded. Fourteen synthetic voices of the formant synthesiser espeak-ng speak the "
            "English digits zero to nine and the German digits null to neun, three times each: 840 clips. "
            "Tempo, pitch, intonation, formants and loudness differ from rendering to rendering."
        ),
        processing=(
            "Each word is resampled to 16 kHz, cut out, faded at both ends, scaled to a peak of -6 to -1 dB and "
            "rounded to 12 bits; then converted by the preset shd with 70 channels and seed 0."
        ),
        uses=(
            "First experiments and tests: it comes with the package and trains in a minute. It supports no claim "
            "about speech, and none about the performance of a model on SHD."
        ),
        limitations=(
            "840 samples and 70 instead of 700 channels. The intelligibility of the voices was not measured. "
            "The amount of variation between renderings was chosen with knowledge of accuracies on the test split."
        ),
        biases=(
            "All voices come from one synthesiser. English has several accents, German one. Real voices differ "
            "in more ways than these."
        ),
        personal="It contains no human voice and no information about a person.",
    ),
)
