"""``ssc``: the Spiking Speech Commands as their authors published them.

The MD5 hashes of the zip archives are listed by tonic and spikingjelly. The SHA-256 of the HDF5 files of validation
and test are listed by one project, spikescr-local-event-geometry, for the files that it verified; that of training is
not published. The order of the classes in ``extra/keys`` is not published either; it is read from the file.
"""

from __future__ import annotations

from spikebench.datasets.spec import Card, DatasetSpec, Download, SpikePart

SPEC = DatasetSpec(
    name="ssc",
    title="Spiking Speech Commands (SSC), as published",
    version="1.0",
    released="2019-08-17",
    kind="published",
    parts=(
        SpikePart(file="ssc_train.h5", split="train", md5=None, sha256=None),
        SpikePart(
            file="ssc_valid.h5",
            split="validation",
            md5=None,
            sha256="6365c36ff8c680c4b0caf27ca52faa59e14359db5810b528f40dd80e2bcb9210",
        ),
        SpikePart(
            file="ssc_test.h5",
            split="test",
            md5=None,
            sha256="37eb723ad795cfba2a85cb78de7f0f1f2115ddfbe71fa4c979a7722e31a16253",
        ),
    ),
    fingerprint="",
    downloads=(
        Download(
            file="ssc_train.h5.zip",
            urls=(
                "https://zenkelab.org/datasets/ssc_train.h5.zip",
                "https://compneuro.net/datasets/ssc_train.h5.zip",
            ),
            size_bytes=None,
            max_bytes=4_000_000_000,
            md5="d102be95e7144fcc0553d1f45ba94170",
            sha256=None,
            becomes="ssc_train.h5",
            members=r"(?:\./)?(?:[A-Za-z0-9_][\w.-]*/)?(?P<path>ssc_train\.h5)",
            max_unpacked_bytes=8_000_000_000,  # 75,466 samples of some 8,000 spikes: 2.6 GB
            max_members=1,
        ),
        Download(
            file="ssc_valid.h5.zip",
            urls=(
                "https://zenkelab.org/datasets/ssc_valid.h5.zip",
                "https://compneuro.net/datasets/ssc_valid.h5.zip",
            ),
            size_bytes=None,
            max_bytes=1_000_000_000,
            md5="b4eee3516a4a90dd0c71a6ac23a8ae43",
            sha256=None,
            becomes="ssc_valid.h5",
            members=r"(?:\./)?(?:[A-Za-z0-9_][\w.-]*/)?(?P<path>ssc_valid\.h5)",
            max_unpacked_bytes=1_500_000_000,
            max_members=1,
        ),
        Download(
            file="ssc_test.h5.zip",
            urls=(
                "https://zenkelab.org/datasets/ssc_test.h5.zip",
                "https://compneuro.net/datasets/ssc_test.h5.zip",
            ),
            size_bytes=None,
            max_bytes=2_000_000_000,
            md5="a35ff1e9cffdd02a20eb850c17c37748",
            sha256=None,
            becomes="ssc_test.h5",
            members=r"(?:\./)?(?:[A-Za-z0-9_][\w.-]*/)?(?P<path>ssc_test\.h5)",
            max_unpacked_bytes=3_000_000_000,
            max_members=1,
        ),
    ),
    audio="",
    naming="",
    n_units=700,
    n_classes=35,
    classes=(),
    sizes={"train": 75_466, "validation": 9_981, "test": 20_382},
    protocol="ssc-v1",
    validation_speakers=(),
    test_only_speakers=(),
    synthetic=False,
    licence="CC-BY-4.0",
    citation=(
        "Cramer, Stradmann, Schemmel, Zenke (2020): The Heidelberg Spiking Data Sets for the Systematic "
        "Evaluation of Spiking Neural Networks, doi:10.1109/TNNLS.2020.3044364; Warden (2018): Speech Commands, "
        "arXiv:1804.03209"
    ),
    source=(
        "https://zenkelab.org/resources/spiking-heidelberg-datasets-shd/; made by its authors from Google Speech "
        "Commands 0.02 with lauscher"
    ),
    card=Card(
        collection=(
            "Volunteers of a crowd-sourced campaign said single English words into their own devices for Google "
            "Speech Commands (Warden 2018): 105,829 recordings of 35 words, up to one second of 16 kHz each."
        ),
        processing=(
            "The authors converted each recording with lauscher: a hydrodynamic basilar membrane of 700 channels, "
            "hair cells with transmitter pools, and bushy cells. Times are float16 seconds from the first spike "
            "of a sample on. The input rate is not public."
        ),
        uses=(
            "Comparing classifiers of spikes on many speakers, with official splits by speaker: training, "
            "validation and test share no voice."
        ),
        limitations=(
            "float16 stores times above 0.5 s in steps of 0.49 ms. Recordings were screened for silence and wrong "
            "words, but some remain. The order of the classes is known from the file alone. "
            "The test split is not that of Speech Commands: it has 20 % of the speakers instead of 10 %."
        ),
        biases=(
            "Ages, genders, places and accents of the speakers were not kept, so missing groups are not known. "
            "The core words were said more often than the others."
        ),
        personal=(
            "Speakers are numbers. The recordings behind them are public and carry random identifiers, nothing "
            "else about a person."
        ),
    ),
)
