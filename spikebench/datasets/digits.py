"""``digits``: synthetic spoken digits, the data set that comes with the package; see ``data/README.md``."""

from __future__ import annotations

from spikebench.datasets.spec import DatasetSpec

SPEC = DatasetSpec(
    name="digits",
    title="Synthetic spoken digits, English and German, 14 synthetic voices",
    file="datasets/digits.h5",
    sha256="5223205a8a6956182242ae4ef47419e58a2d3e9a46d083a5b6422b32471f4090",
    n_units=70,
    n_classes=20,
    synthetic=True,
    validation_speakers=(2, 3),
    test_only_speakers=(4, 5),
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
)
