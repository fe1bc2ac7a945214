"""Predictions of a trained model: for whole clips, over time, and chunk by chunk.

The prediction at time t is that for the clip up to t followed by silence, so it exists for every model. Models with a
state (``forward_chunk``) can also be run chunk by chunk; after the last chunk their scores are those of the whole
clip. Confidence is the softmax of the scores, which is relative to the other classes and not a calibrated probability.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.deployment.closed import copies_of_test
from spikebench.deployment.recording import MelSample, encode_recording, mel_recording
from spikebench.errors import ProtocolError, SpikeFileError
from spikebench.events.batches import Collate, EventBatch
from spikebench.events.cache import open_events
from spikebench.events.dataset import Sample, SpikeDataset
from spikebench.events.moments import spread_moments, up_to
from spikebench.mel.batches import mel_batch, padded_levels
from spikebench.models.base import Classifier
from spikebench.protocol.opening import is_data_of, recordings_of_test
from spikebench.protocol.results import PUBLISHED_ENCODING
from spikebench.recordings.search import Clip
from spikebench.records.whole_files import file_sha256
from spikebench.spike_files.reader import SpikeFile
from spikebench.training.inference import find_device, load_trained, one_thread, place
from spikebench.training.run import data_path, find_run, read_run
from spikebench.training.run_record import RunRecord

_BATCH = 128


@dataclass(frozen=True)
class TimedScores:
    """Scores and predictions of a model.

    Attributes
    ----------
    times : ndarray of float64, shape (moment,)
        End of the part of the clips that was used [s].
    scores : ndarray of float32, shape (moment, sample, class)
        Scores at each moment.
    """

    times: NDArray[np.float64]
    scores: NDArray[np.float32]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Class with the highest score, int64, shape (moment, sample)."""
        predicted: NDArray[np.int64] = self.scores.argmax(2)
        return predicted

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Softmax of the highest score, float64, shape (moment, sample)."""
        scores = self.scores.astype(np.float64)
        powers = np.exp(scores - scores.max(2, keepdims=True))
        confidence: NDArray[np.float64] = 1 / powers.sum(2)
        return confidence

    def decided(self) -> NDArray[np.float64]:
        """Return when each prediction changed for the last time.

        Returns
        -------
        ndarray of float64, shape (sample,)
            First moment from which on the prediction does not change [s].
        """
        agrees = self.predicted == self.predicted[-1]
        from_then = np.logical_and.accumulate(agrees[::-1], axis=0)[::-1]
        decided: NDArray[np.float64] = self.times[from_then.argmax(0)]
        return decided


class Listener:
    """A trained model that classifies clips.

    Parameters
    ----------
    folder
        A finished run, or a folder of one run.
    device
        ``cpu`` or ``cuda``.

    Attributes
    ----------
    record : RunRecord
        The run.
    data : str
        Name or path of the data on which it was trained.

    Raises
    ------
    TrainingError
        If the run is not finished or damaged, or the device is not available.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        folder = find_run(folder)
        self.record: RunRecord = read_run(folder)
        self.data = data_path(folder, self.record)
        self._test_recordings: frozenset[str] | None = None
        self.device = find_device(device)
        self.model: Classifier = place(
            load_trained(folder, self.record), self.device, self.record
        ).eval()
        settings = self.record.preset.input
        self.n_steps, self.time_step = settings.n_steps, settings.time_step_ms * 1e-3
        mel = self.record.preset.mel
        self.design = None if mel is None else mel.design(settings.time_step_ms)

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return self.record.dataset.classes

    def open_file(self, path: Path) -> SpikeDataset:
        """Open a spike file to classify.

        Parameters
        ----------
        path
            A file in the published layout.

        Returns
        -------
        SpikeDataset
            Its samples.

        Raises
        ------
        ProtocolError
            If it holds samples of the test split of the data that the run was trained on.
        SpikeFileError
            If it cannot be read or has another number of units, or the model works on recordings.
        """
        if self.design is not None:
            raise SpikeFileError(
                f"{path}: holds spikes, but {self.record.model} works on recordings; give recordings or their folder"
            )
        sha256 = file_sha256(path)
        if is_data_of(self.data, self.record.dataset, path, sha256):
            raise ProtocolError(
                f"{path}: belongs to {self.record.dataset.name}, on which this run was trained; open its test "
                "split with: spikebench evaluate --checkpoint RUN"
            )
        self._refuse_test_samples(path)
        samples = SpikeDataset(open_events(path, sha256))
        self.require_units(path, samples.n_units)
        return samples

    def require_units(self, path: Path, n_units: int) -> None:
        """Refuse a spike file with another number of units than the data on which the model was trained.

        Parameters
        ----------
        path
            The file.
        n_units
            Number of its units.

        Raises
        ------
        SpikeFileError
            If the numbers differ.
        """
        expected = self.record.dataset.n_units
        if n_units != expected:
            raise SpikeFileError(
                f"{path}: has {n_units} units, the model was trained on {expected}; "
                f"convert with --channels {expected}"
            )

    def _refuse_test_samples(self, path: Path) -> None:
        """Refuse a file with samples of the test split: of its recordings, or with its spikes."""
        with SpikeFile(path) as file:
            same = int(copies_of_test(self.data, file).sum())
        if same:
            raise ProtocolError(
                f"{path}: {same} of its samples are in the test split of {self.record.dataset.name}, on which this run "
                "was trained; classify other samples, or open the test split with: spikebench evaluate --checkpoint RUN"
            )

    def _recordings_of_test(self) -> frozenset[str]:
        if self._test_recordings is None:
            self._test_recordings = recordings_of_test(self.data)
        return self._test_recordings

    def refuse_test_recording(self, path: Path) -> None:
        """Refuse a recording of the test split of the data on which the model was trained.

        Parameters
        ----------
        path
            The recording.

        Raises
        ------
        ProtocolError
            If the file is one of them, by its SHA-256.
        """
        known = self._recordings_of_test()
        if known and file_sha256(path) in known:
            raise ProtocolError(
                f"{path}: is in the test split of {self.record.dataset.name}, on which this run was trained; classify "
                "other recordings, or open the test split with: spikebench evaluate --checkpoint RUN"
            )

    def encode(self, clip: Clip, seed: int = 0) -> Sample | MelSample:
        """Encode a recording like those on which the model was trained.

        Parameters
        ----------
        clip
            The recording.
        seed
            Seed of a conversion to spikes.

        Returns
        -------
        Sample or MelSample
            Its spikes, or its mel features for a model on audio.

        Raises
        ------
        AudioError
            If it cannot be used.
        UnknownNameError
            If there is no such encoder or preset.
        """
        if self.design is not None:
            return mel_recording(clip, self.design)
        encoding = self.record.encoding or PUBLISHED_ENCODING
        return encode_recording(clip, self.record.dataset.n_units, encoding, seed)

    def answer(self, samples: Sequence[Sample | MelSample]) -> TimedScores:
        """Classify whole clips.

        Parameters
        ----------
        samples
            At least one.

        Returns
        -------
        TimedScores
            Scores at one moment, the end.
        """
        return self.over_time(samples, 1)

    def over_time(self, samples: Sequence[Sample | MelSample], n_moments: int) -> TimedScores:
        """Classify the parts of the clips up to several moments.

        Parameters
        ----------
        samples
            At least one.
        n_moments
            Number of moments, evenly spread; the last is the end.

        Returns
        -------
        TimedScores
            Scores at each moment.
        """
        steps = spread_moments(self.n_steps, n_moments)
        parts = []
        for batch in self.batches(samples):
            parts.append([self._scores(up_to(batch, int(step))) for step in steps])
        scores = np.concatenate([np.stack(part) for part in parts], axis=1)
        return TimedScores(steps * np.float64(self.time_step), scores)

    def live(
        self, sample: Sample | MelSample, chunk: float
    ) -> Iterator[tuple[float, NDArray[np.float32]]]:
        """Run one clip chunk by chunk, and yield the scores after each.

        Parameters
        ----------
        sample
            The clip.
        chunk
            Length of a chunk [s]; at least one bin.

        Yields
        ------
        time : float
            End of the part of the clip that was used [s].
        scores : ndarray of float32, shape (class,)
            Scores; after the last chunk those of :meth:`answer`.

        Raises
        ------
        TrainingError
            If the model needs whole clips.
        """
        steps = max(round(chunk / self.time_step), 1)
        (batch,) = self.batches([sample])
        state = None
        for first in range(0, self.n_steps, steps):
            last = min(first + steps, self.n_steps)
            with torch.no_grad(), one_thread():
                scores, state = self.model.forward_chunk(batch.window(first, last), state)
            yield last * self.time_step, scores[0].cpu().numpy()

    def batches(self, samples: Sequence[Sample | MelSample]) -> Iterator[EventBatch]:
        """Make batches of samples, as the model takes them.

        Parameters
        ----------
        samples
            Any number.

        Yields
        ------
        EventBatch
            At most 128 samples, in order, on the device of the model.
        """
        for first in range(0, len(samples), _BATCH):
            part = [samples[k] for k in range(first, min(first + _BATCH, len(samples)))]
            yield self._collate(part).to(self.device)

    def _collate(self, samples: list[Sample | MelSample]) -> EventBatch:
        if self.design is None:
            settings = self.record.preset.input
            collate = Collate(
                self.record.dataset.n_units,
                time_step=self.time_step,
                n_steps=self.n_steps,
                mode=settings.mode,
                group_units=settings.group_units,
            )
            return collate([one for one in samples if isinstance(one, Sample)])
        heard = [one.levels for one in samples if isinstance(one, MelSample)]
        levels = padded_levels(heard, self.n_steps, self.design)
        lengths = np.array([min(len(one), self.n_steps) for one in heard])
        unknown = np.full(len(heard), -1)
        return mel_batch(levels, lengths, unknown, self.time_step, self.design.floor)

    @torch.no_grad()
    def _scores(self, batch: EventBatch) -> NDArray[np.float32]:
        with one_thread():
            scores: NDArray[np.float32] = self.model(batch).scores.cpu().numpy()
        return scores
