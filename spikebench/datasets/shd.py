"""``shd``: the Spiking Heidelberg Digits as their authors published them.

The MD5 hashes of the archives are listed in the authors' ``md5sums.txt``; norse lists them and those of the HDF5
files. The SHA-256 of the HDF5 files are listed by sc-neurocore and others who verified their downloads. No size
of an archive is published. The README of the data set gives 8,332 and 2,088 samples, the files hold 8,156
and 2,264.
"""

from __future__ import annotations

from spikebench.datasets.spec import Card, DatasetSpec, Download, SpikePart
from spikebench.naming.conventions.heidelberg_digits import HEIDELBERG_DIGITS

SPEC = DatasetSpec(
    name="shd",
    title="Spiking Heidelberg Digits (SHD), as published",
    version="1.0",
    released="2019-08-17",
    kind="published",
    parts=(
        SpikePart(
            file="shd_train.h5",
            split="train",
            md5="8e9877c85f29a28dd353ea6a54402667",
            sha256="2bddb4bd46732f09982b7d1631b7c29c19853c73d3d240e3eb32bba909bdd6c1",
        ),
        SpikePart(
            file="shd_test.h5",
            split="test",
            md5="207ad1295a0ab611e22d1734989c254e",
            sha256="47d8621a092cb483bea9448a93c0a3375a6726d370045090c2f7a77f70f95df3",
        ),
    ),
    fingerprint="",
    downloads=(
        Download(
            file="shd_train.h5.gz",
            urls=(
                "https://zenkelab.org/datasets/shd_train.h5.gz",
                "https://compneuro.net/datasets/shd_train.h5.gz",
            ),
            size_bytes=None,
            max_bytes=300_000_000,
            md5="d47c9825dee33347913e8ce0f2be08b0",
            sha256=None,
            becomes="shd_train.h5",
            members="",
            max_unpacked_bytes=300_000_000,  # 268,826,085 by sc-neurocore
            max_members=1,
        ),
        Download(
            file="shd_test.h5.gz",
            urls=(
                "https://zenkelab.org/datasets/shd_test.h5.gz",
                "https://compneuro.net/datasets/shd_test.h5.gz",
            ),
            size_bytes=None,
            max_bytes=100_000_000,
            md5="3062a80ec0c5719404d5b02e166543b1",
            sha256=None,
            becomes="shd_test.h5",
            members="",
            max_unpacked_bytes=100_000_000,  # 78,719,235 by sc-neurocore
            max_members=1,
        ),
    ),
    audio="",
    naming="",
    n_units=700,
    n_classes=20,
    classes=HEIDELBERG_DIGITS,
    sizes={"train": 8156, "test": 2264},
    protocol="shd-v1",
    validation_speakers=(0, 2),
    test_only_speakers=(4, 5),
    synthetic=False,
    licence="CC-BY-4.0",
    citation=(
        "Cramer, Stradmann, Schemmel, Zenke (2020): The Heidelberg Spiking Data Sets for the Systematic "
        "Evaluation of Spiking Neural Networks, doi:10.1109/TNNLS.2020.3044364"
    ),
    source=(
        "https://zenkelab.org/resources/spiking-heidelberg-datasets-shd/; made by its authors from the "
        "Heidelberg Digits with lauscher"
    ),
    card=Card(
        collection=(
            "Twelve speakers said the English and the German digits zero to nine, some 40 times each, for the "
            "Heidelberg Digits: studio recordings of 48 kHz, aligned and published as 10,420 FLAC files of 16 bit "
            "(Cramer et al. 2020)."
        ),
        processing=(
            "The authors converted each recording with lauscher: a hydrodynamic basilar membrane of 700 channels, "
            "hair cells with transmitter pools, and bushy cells. Times are float16 seconds from the first spike "
            "of a sample on."
        ),
        uses=(
            "Comparing classifiers that have to use spike timing. It has no validation split: models are "
            "selected here on the training samples of two speakers, never on the test split."
        ),
        limitations=(
            "float16 stores times above 1 s in steps of 0.98 ms. One sample is one isolated word of a quiet room. "
            "All clips were levelled to the same loudness. The recordings of the other ten speakers in the test split "
            "were drawn by no published rule. The README of the data set gives other sizes than the files."
        ),
        biases=(
            "Twelve voices, ten of them also in the test split: some 81 % of the test samples are of the two "
            "speakers without training data, so these two determine much of the accuracy."
        ),
        personal=(
            "Speakers are numbers; the files give gender, age and body height of each. Voices cannot be recovered "
            "from the spikes, but the recordings are public."
        ),
    ),
)
