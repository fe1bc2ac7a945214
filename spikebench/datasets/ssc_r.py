"""``ssc-r``: the Spiking Speech Commands, made again from Google Speech Commands.

**Recordings.** Version 0.02, 16 kHz WAV files ``word/SPEAKER_nohash_N.wav`` of 35 words. The published sizes
75,466 + 9,981 + 20,382 add up to 105,829, which is the size of version 0.02 (Warden 2018): every recording
is in, none is left out, and version 0.01 (64,727 recordings of 30 words) cannot be the source.

**Split.** Google's ``which_set`` on the speaker's part of the name with 10 % validation and 20 % test
(README of the data set); Google's own lists use 10 % and 10 %. The function puts the speakers in one order:
its first 10 % are validation in both, hence the 9,981 of Google's ``validation_list.txt`` for version 0.02,
and Google's test recordings are all in this test split.

**Classes.** The order of the published ``extra/keys`` is not stated in any text that we know. The 35 words
are numbered in alphabetical order here, as in the loader of the raw recordings that the authors' group uses
for the same task. ``spikebench data compare`` compares classes by name, so that it finds a different order.

**Input rate.** At which rate SSC was made is not public: the recordings have 16 kHz, lauscher 1.0.1 takes a
recording as it is, and the Heidelberg Digits have 48 kHz. Events (spikes) of 700 channels per sample, for 100
recordings of one second (every third of a sorted sample of 300: 30 words, 10 recordings each, of version 0.01):

===============================================  ======  ====================  ======
input                                            mean    standard deviation    median
===============================================  ======  ====================  ======
resampled to 48 kHz, preset ``shd``              8,121   2,305                  7,750
16 kHz as recorded, preset ``shd``               16,027  3,341                 15,466
16 kHz as recorded, preset ``lauscher``          12,599  2,852                 12,794
===============================================  ======  ====================  ======

Papers speak of about 8,000 events per sample of SSC. Resampling gives that (8,121, its standard error 231), the
recordings as they are give one and a half times or twice as many: at 16 kHz the hair cell runs at 8 kHz, where one
explicit Euler step empties the cleft more than once (its rates add up to 9,080 per second, and must stay below the
sample rate). So everything is resampled to 48 kHz. ``--native-rate`` makes the other file for whoever wants to
compare; the published counts, once somebody compares them, decide.

**Speakers.** The published ``extra/speaker`` holds numbers whose order is not public; here speakers are
numbered in the order of their names, which the file keeps.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from spikebench.clip_names import SPEECH_COMMANDS, Facts, which_set
from spikebench.datasets.recipe import Recipe

__all__ = ["RECIPE", "facts"]

VALIDATION_PERCENT, TEST_PERCENT = 10.0, 20.0
_NAME = re.compile(r"([0-9a-f]+)_nohash_\d+", re.ASCII)


def facts(path: str) -> Facts | None:
    """Tell class, speaker and split of a recording.

    Parameters
    ----------
    path
        Its path; the folder it lies in is the word.

    Returns
    -------
    Facts or None
        None if it is no recording of the 35 words.
    """
    place = PurePosixPath(path.replace("\\", "/"))
    match = _NAME.fullmatch(place.stem)
    word = place.parent.name
    if match is None or word not in SPEECH_COMMANDS:
        return None
    return Facts(word, match[1], which_set(match[1], VALIDATION_PERCENT, TEST_PERCENT))


RECIPE = Recipe(
    name="ssc-r",
    title="Spiking Speech Commands, made again from Google Speech Commands 0.02",
    published="SSC",
    keys=SPEECH_COMMANDS,
    sizes={"train": 75_466, "validation": 9_981, "test": 20_382},
    n_units=700,
    time_origin="first-spike",
    facts=facts,
    speakers_are_names=True,
    split_rule="which_set of Speech Commands on the speaker, 10 % validation and 20 % test",
    licence="CC-BY-4.0",
    citation=(
        "Cramer, Stradmann, Schemmel, Zenke (2020): The Heidelberg Spiking Data Sets for the Systematic "
        "Evaluation of Spiking Neural Networks, doi:10.1109/TNNLS.2020.3044364; Warden (2018), "
        "arXiv:1804.03209; made again with spikebench"
    ),
    source=(
        "Google Speech Commands 0.02: speech_commands_v0.02.tar.gz from "
        "http://download.tensorflow.org/data/, unpacked"
    ),
)
