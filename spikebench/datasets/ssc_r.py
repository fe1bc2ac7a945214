"""``ssc-r``: the Spiking Speech Commands, made again from Google Speech Commands.

**Recordings.** Version 0.02, 16 kHz WAV files ``word/SPEAKER_nohash_N.wav`` of 35 words. The published sizes
75,466 + 9,981 + 20,382 add up to 105,829, which is the size of version 0.02 (Warden 2018): SSC includes every
recording, and version 0.01 (64,727 recordings of 30 words) cannot be the source.

**Split.** Google's ``which_set`` on the speaker's part of the name with 10 % validation and 20 % test
(README of the data set); Google's own lists use 10 % and 10 %. The function orders the speakers, and the
first 10 % are validation with both settings, hence the 9,981 of Google's ``validation_list.txt`` for version 0.02.
Google's test recordings are all in this test split.

**Classes.** The order of the published ``extra/keys`` is not stated in any known text. The 35 words
are numbered in alphabetical order here, as in the loader of the raw recordings that the authors' group uses
for the same task. ``spikebench data compare`` compares classes by name, so that it finds a different order.

**Input rate.** The rate at which SSC was made is not public: the recordings have 16 kHz, lauscher 1.0.1 does not
resample, and the Heidelberg Digits have 48 kHz. Events (spikes) of 700 channels per sample, for 100
recordings of one second (every third of a sorted sample of 300: 30 words, 10 recordings each, of version 0.01):

===============================================  ======  ====================  ======
input                                            mean    standard deviation    median
===============================================  ======  ====================  ======
resampled to 48 kHz, preset ``shd``              8,121   2,305                  7,750
16 kHz as recorded, preset ``shd``               16,027  3,341                 15,466
16 kHz as recorded, preset ``lauscher``          12,599  2,852                 12,794
===============================================  ======  ====================  ======

Papers report about 8,000 events per sample of SSC. Resampling gives that number (8,121, its standard error 231).
Without resampling there are one and a half times or twice as many: at 16 kHz the hair cell runs at 8 kHz, where one
explicit Euler step empties the cleft more than once (its rates add up to 9,080 per second, and must stay below the
sample rate). All recordings are therefore resampled to 48 kHz. ``--native-rate`` keeps their rate, for a comparison
with the published counts, which would settle the question.

**Speakers.** The published ``extra/speaker`` holds numbers whose order is not public; here speakers are
numbered in the order of their names, which the file keeps.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from spikebench.datasets.recipe import Recipe
from spikebench.datasets.spec import Card, DatasetSpec, SpikePart
from spikebench.naming.conventions.convention import Facts
from spikebench.naming.conventions.speech_commands import SPEECH_COMMANDS, which_set

__all__ = ["RECIPE", "SPEC", "facts"]

VALIDATION_PERCENT, TEST_PERCENT = 10.0, 20.0
_NAME = re.compile(r"([0-9a-f]+)_nohash_\d+", re.ASCII)


def facts(path: str) -> Facts | None:
    """Return class, speaker and split of a recording.

    Parameters
    ----------
    path
        Its path; the name of its folder is the word.

    Returns
    -------
    Facts or None
        None if it is not a recording of the 35 words.
    """
    place = PurePosixPath(path.replace("\\", "/"))
    match = _NAME.fullmatch(place.stem)
    word = place.parent.name
    if match is None or word not in SPEECH_COMMANDS:
        return None
    return Facts(word, match[1], which_set(match[1], VALIDATION_PERCENT, TEST_PERCENT))


SPEC = DatasetSpec(
    name="ssc-r",
    title="Spiking Speech Commands, made again from Google Speech Commands 0.02",
    version="",
    released="",
    kind="made",
    parts=(SpikePart(file="ssc-r.h5", split="", md5=None, sha256=None),),
    fingerprint="",
    downloads=(),
    audio="speech-commands",
    naming="",
    n_units=700,
    n_classes=35,
    classes=SPEECH_COMMANDS,
    sizes={"train": 75_466, "validation": 9_981, "test": 20_382},
    protocol="ssc-v1",
    validation_speakers=(),
    test_only_speakers=(),
    synthetic=False,
    licence="CC-BY-4.0",
    citation=(
        "Cramer, Stradmann, Schemmel, Zenke (2020): The Heidelberg Spiking Data Sets for the Systematic "
        "Evaluation of Spiking Neural Networks, doi:10.1109/TNNLS.2020.3044364; Warden (2018), "
        "arXiv:1804.03209; made again with spikebench"
    ),
    source=(
        "Google Speech Commands 0.02: speech_commands_v0.02.tar.gz from "
        "https://storage.googleapis.com/download.tensorflow.org/data/, unpacked"
    ),
    card=Card(
        collection=(
            "Volunteers of a crowd-sourced campaign said single English words into their own devices for Google "
            "Speech Commands (Warden 2018): 105,829 recordings of 35 words, up to one second of 16 kHz each."
        ),
        processing=(
            "spikebench resamples each recording to 48 kHz and converts it by the preset shd, which follows "
            "lauscher: basilar membrane of 700 channels, hair cells, bushy cells. Times are float16 seconds from "
            "the first spike of a sample on, as in the published files."
        ),
        uses=(
            "Working on SSC from its recordings: other seeds, other channels, other cochleas. A result on ssc-r is "
            "not a result on SSC."
        ),
        limitations=(
            "Single spikes are not those of SSC: releases are random and the seeds of the authors are not known. "
            "The authors' input rate, order of classes and numbers of speakers are not known either; here they are "
            "48 kHz, alphabetical order and the order of names. Some recordings are cut off or wrongly labelled."
        ),
        biases=(
            "Ages, genders, places and accents of the speakers were not kept, so missing groups are not known. "
            "The core words were said more often than the others."
        ),
        personal=(
            "Speakers carry the random identifiers of the recordings, which are public; nothing else about a "
            "person is known."
        ),
    ),
)

RECIPE = Recipe(
    spec=SPEC,
    published="SSC",
    time_origin="first-spike",
    facts=facts,
    speakers_are_names=True,
    split_rule="which_set of Speech Commands on the speaker, 10 % validation and 20 % test",
)
