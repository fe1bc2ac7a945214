"""``heidelberg-digits``: the recordings behind SHD, converted as they are.

The layout of the archive is known from two programs: the folder ``audio`` with the recordings, and beside it
``train_filenames.txt`` and ``test_filenames.txt``. No hash and no size of ``hd_audio.tar.gz`` is published.

The test split here is speakers 4 and 5 only; ``shd-r`` adds 5 % of the other speakers' recordings as SHD does.
``speaker_db.json`` (gender, age, body height) is not unpacked, because it is not used.
"""

from __future__ import annotations

from spikebench.datasets.spec import Card, DatasetSpec, Download, SpikePart
from spikebench.naming.conventions.heidelberg_digits import HEIDELBERG_DIGITS, NAME_PATTERN

SPEC = DatasetSpec(
    name="heidelberg-digits",
    title="Heidelberg Digits, 10,420 recordings of English and German digits",
    version="1.0",
    released="",
    kind="audio",
    parts=(SpikePart(file="heidelberg-digits.h5", split="", md5=None, sha256=None),),
    fingerprint="",
    downloads=(
        Download(
            file="hd_audio.tar.gz",
            urls=(
                "https://zenkelab.org/datasets/hd_audio.tar.gz",
                "https://compneuro.net/datasets/hd_audio.tar.gz",
            ),
            size_bytes=None,
            max_bytes=2_000_000_000,
            md5=None,
            sha256=None,
            becomes="audio/",
            members=(
                r"(?:\./)?(?:(?!audio/)[A-Za-z0-9_][\w.-]*/)?(?:audio/(?=lang-))?(?P<path>"
                rf"{NAME_PATTERN}\.flac"
                r"|(?:train|test)_filenames\.txt"
                r"|(?:README|LICENSE)(?:\.md|\.txt)?)"
            ),
            max_unpacked_bytes=2_000_000_000,  # 2.09 h of 48 kHz and 16 bit are 0.72 GB without compression
            max_members=12_000,
        ),
    ),
    audio="heidelberg-digits",
    naming="heidelberg-digits",
    n_units=700,
    n_classes=20,
    classes=HEIDELBERG_DIGITS,
    sizes={"train": 8580, "test": 1840},
    protocol="speakers-v1",
    validation_speakers=(0, 2),
    test_only_speakers=(4, 5),
    synthetic=False,
    licence="CC-BY-4.0",
    citation=(
        "Cramer, Stradmann, Schemmel, Zenke (2020): The Heidelberg Spiking Data Sets for the Systematic "
        "Evaluation of Spiking Neural Networks, doi:10.1109/TNNLS.2020.3044364"
    ),
    source=(
        "https://zenkelab.org/resources/spiking-heidelberg-datasets-shd/; its hd_audio.tar.gz, then spikebench "
        "convert with the preset shd"
    ),
    card=Card(
        collection=(
            "Twelve speakers said the English and the German digits zero to nine, some 40 times each: studio "
            "recordings of 48 kHz and 24 bit, aligned and published as 10,420 FLAC files of 16 bit (Cramer et al. "
            "2020)."
        ),
        processing=(
            "The authors cut, aligned and levelled the recordings; their ends are faded. spikebench converts each "
            "at 48 kHz by the preset shd into spikes of 700 channels, times from the start of the clip."
        ),
        uses=(
            "Isolated words of few speakers: hearing models, classifiers of spikes, and generalisation to voices "
            "without training data. It is not SHD: the test split differs."
        ),
        limitations=(
            "One isolated word per clip, in a quiet studio, all at the same loudness. Spikes are random: another "
            "seed gives other spikes, equal in distribution."
        ),
        biases=(
            "Twelve voices. The test split is two of them, so the accuracy applies to these two. Speakers "
            "did not all say the digits equally often: 19 to 65 times per digit and language."
        ),
        personal=(
            "Voices of twelve people, by number. The archive also contains gender, age and body height of each, "
            "which are left out here."
        ),
    ),
)
