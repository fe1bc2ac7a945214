"""``speech-commands``: Google Speech Commands 0.02, converted as it is.

SHA-256 and size of the archive are listed by torchaudio and TensorFlow Datasets. Splits are Google's own,
``validation_list.txt`` and ``testing_list.txt``: 10 % and 10 % of the speakers. SSC and ``ssc-r`` test on 20 %.
"""

from __future__ import annotations

from spikebench.datasets.spec import Card, DatasetSpec, Download, SpikePart
from spikebench.naming.conventions.speech_commands import SPEECH_COMMANDS

SPEC = DatasetSpec(
    name="speech-commands",
    title="Google Speech Commands 0.02, 105,829 recordings of 35 words",
    version="0.02",
    released="2018-04-11",
    kind="audio",
    parts=(SpikePart(file="speech-commands.h5", split="", md5=None, sha256=None),),
    fingerprint="",
    downloads=(
        Download(
            file="speech_commands_v0.02.tar.gz",
            urls=(
                "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
            ),
            size_bytes=2_428_923_189,
            max_bytes=2_500_000_000,
            md5=None,
            sha256="af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
            becomes="audio/",
            members=(
                r"(?:\./)?(?P<path>"
                rf"(?:{'|'.join(SPEECH_COMMANDS)})/[0-9a-f]{{1,16}}_nohash_[0-9]{{1,3}}\.wav"
                r"|(?:validation|testing)_list\.txt"
                r"|README\.md|LICENSE)"
            ),
            max_unpacked_bytes=5_000_000_000,  # at most 32 kB a recording: 3.4 GB
            max_members=110_000,
        ),
    ),
    audio="speech-commands",
    naming="speech-commands",
    n_units=700,
    n_classes=35,
    classes=SPEECH_COMMANDS,
    sizes={"train": 84_843, "validation": 9_981, "test": 11_005},
    protocol="ssc-v1",
    validation_speakers=(),
    test_only_speakers=(),
    synthetic=False,
    licence="CC-BY-4.0",
    citation=(
        "Warden (2018): Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition, arXiv:1804.03209"
    ),
    source=(
        "https://arxiv.org/abs/1804.03209; its speech_commands_v0.02.tar.gz, then spikebench convert with the "
        "preset shd"
    ),
    card=Card(
        collection=(
            "Volunteers of a crowd-sourced campaign of Google said single English words, prompted by a web page, "
            "into their own devices and in places of their choice (Warden 2018)."
        ),
        processing=(
            "Google converted the recordings to 16 kHz and 16 bit, cut them to the loudest second and screened them "
            "for silence and wrong words. spikebench resamples each to 48 kHz and converts it by the preset shd "
            "into spikes of 700 channels. The background noise of the archive is left out."
        ),
        uses=(
            "Single words of many speakers under everyday conditions, with official splits by speaker: training, "
            "validation and test share no voice. Its test split is not that of SSC."
        ),
        limitations=(
            "Isolated words of at most one second; recording quality was not controlled and varies; some labels are "
            "wrong. All 35 words are classes here; a common task has ten words, silence and all other words."
        ),
        biases=(
            "Ages, genders, places and accents of the speakers were not kept, so missing groups are not known. "
            "The core words were said more often than the others."
        ),
        personal=(
            "Voices of people who gave them for publication, under random identifiers; nothing else about them "
            "was kept. A voice can identify a person."
        ),
    ),
)
