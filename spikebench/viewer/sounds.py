"""The recording and the reconstructed sound of a sample, as WAV."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import soundfile
from numpy.typing import NDArray

from spikebench.encoders.encoder import Spikes
from spikebench.errors import SpikebenchError
from spikebench.recordings.decoding import Recording
from spikebench.resynthesis.decoded import Decode, sound_of_spikes
from spikebench.resynthesis.sound import SoundDesign
from spikebench.spike_files.reader import SpikeFile

__all__ = ["LONGEST", "Sounds", "length_of"]

LONGEST = 600.0  # seconds
_AFTER = 0.05  # seconds after the last spike


def length_of(spikes: SpikeFile, index: int, times: NDArray[np.float64]) -> float:
    """Return the length of a sample [s].

    Parameters
    ----------
    spikes, index
        The sample.
    times
        Times of its spikes [s], float64, shape (spikes,).

    Returns
    -------
    float
        That of the recording, or until shortly after the last spike, whichever is longer.
    """
    stored = spikes.durations_s
    last = float(times.max(initial=0.0)) + _AFTER
    return max(last, 0.0 if stored is None else float(stored[index]))


class Sounds:
    """Sounds of the samples of a file.

    Parameters
    ----------
    spikes
        The file.
    frequencies
        Characteristic frequency of each unit [Hz], float64, shape (units,); None if unknown.
    find
        Finds the recording of a sample; raises SpikebenchError with the reason if it is not there.
    decode
        Gets the levels of the bands back, if the spikes are a code of levels.
    """

    def __init__(
        self,
        spikes: SpikeFile,
        frequencies: NDArray[np.float64] | None,
        find: Callable[[int], Recording],
        decode: Decode = lambda spikes, duration: None,
    ) -> None:
        self._spikes, self._frequencies, self._find = spikes, frequencies, find
        self._decode = decode

    def recording(self, index: int) -> bytes:
        """Return the recording of a sample.

        Parameters
        ----------
        index
            The sample.

        Returns
        -------
        bytes
            WAV of 16 bits, one channel.

        Raises
        ------
        SpikebenchError
            If it is not there, or longer than 600 s.
        """
        found = self._find(index)
        if found.duration > LONGEST:
            raise SpikebenchError(
                f"the recording lasts {found.duration:,.0f} s; at most {LONGEST:.0f} s are played"
            )
        return _wav(found.samples, found.sample_rate)

    def reconstructed(self, index: int) -> bytes:
        """Make a sound of the spikes of a sample.

        Parameters
        ----------
        index
            The sample.

        Returns
        -------
        bytes
            WAV of 16 bits, one channel.

        Raises
        ------
        SpikebenchError
            If the frequencies are unknown, or it is longer than 600 s.
        """
        times, units = self._spikes.events(index)
        duration = length_of(self._spikes, index, times)
        if reason := self.without_sound(duration):
            raise SpikebenchError(reason)
        assert self._frequencies is not None
        design = SoundDesign()
        spikes = Spikes(times, units.astype(np.uint16))
        sound = sound_of_spikes(spikes, self._frequencies, duration, self._decode, design)
        return _wav(sound, design.sample_rate)

    def without_sound(self, duration: float) -> str:
        """Return why a sample has no reconstructed sound; empty if it has one.

        Parameters
        ----------
        duration
            Its length [s].

        Returns
        -------
        str
            The reason.
        """
        if self._frequencies is None:
            return "the characteristic frequencies of the units are unknown"
        if duration > LONGEST:
            return f"the sample lasts {duration:,.0f} s; at most {LONGEST:.0f} s become a sound"
        return ""


def _wav(sound: NDArray[np.float64], sample_rate: int) -> bytes:
    buffer = io.BytesIO()
    clipped = sound.clip(-1, 1)
    soundfile.write(buffer, clipped, sample_rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()
