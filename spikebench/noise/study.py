"""The plan of a study: models, conditions and runs, checked before anything starts.

Every run is tested on the recordings of the tested samples under every condition, and on spikes that are damaged after
the conversion. Runs that are trained already may be given; others are trained, with ``noisy_training`` also a second
time with noise in the training recordings. The folder of a study::

    <model>/clean/seed<k>/         the run trained on the recordings as they are, unless it is given
    <model>/noise/seed<k>/         the run trained with noise (:mod:`spikebench.noise.training`)
    …/answers-validation.json      the predictions of each run under each condition; answers-test.json with --test
    conversions/                   the spikes of degraded recordings (:mod:`spikebench.noise.conversions`)
    noise.json, noise.csv          the report; noise-test.json, noise-test.csv
    results/<model>-clean/         results for the leaderboard, with --test
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from spikebench.degradation.conditions import Condition, select_conditions
from spikebench.degradation.degraded import Sources
from spikebench.degradation.sources import gather_babble, read_noise
from spikebench.errors import TrainingError
from spikebench.noise.conversions import Ear, ear_of
from spikebench.noise.samples import recordings_of
from spikebench.noise.training import TRAINING_KINDS, training_condition, training_recordings
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.sweeps.study_entries import Entry, entries_of
from spikebench.sweeps.study_folder import refuse_other_study
from spikebench.timing.answers import Tested
from spikebench.training.loop import start_run
from spikebench.training.run import RUN_FILE, data_path, find_runs, read_run

__all__ = ["Job", "Settings", "Study", "TrainedOn", "plan_study", "sources_of"]

TrainedOn = Literal["clean", "noise"]


@dataclass(frozen=True)
class Settings:
    """What is done to the recordings.

    Attributes
    ----------
    conditions
        The conditions, ``clean`` first.
    seed
        Seed of all random numbers.
    noise
        Folder of recordings of the user; None if there is none.
    """

    conditions: tuple[Condition, ...]
    seed: int
    noise: Path | None

    @property
    def training_kinds(self) -> list[str]:
        """Kinds of noise for training with noise."""
        chosen = {one.kind for one in self.conditions}
        return [kind for kind in TRAINING_KINDS if kind in chosen]


@dataclass(frozen=True)
class Job:
    """One run.

    Attributes
    ----------
    entry, seed
        What is trained.
    trained_on
        With what training recordings.
    folder, answers
        Folder of the run, and the file of its predictions.
    is_trained
        Whether it was trained before.
    """

    entry: Entry
    seed: int
    trained_on: TrainedOn
    folder: Path
    answers: Path
    is_trained: bool


@dataclass(frozen=True)
class Study:
    """A study, fully checked.

    Attributes
    ----------
    selection
        The data, opened with their recordings, without the test split.
    output
        Folder of the study.
    entries, settings
        Models, and what is done to the recordings.
    tested
        The samples that are tested.
    jobs
        All runs; those trained on clean recordings come first.
    ear
        How the recordings were converted to spikes; None if all models work on audio.
    """

    selection: SelectionData
    output: Path
    entries: list[Entry]
    settings: Settings
    tested: Tested
    jobs: list[Job]
    ear: Ear | None

    @property
    def audio(self) -> Path:
        """Folder of the recordings."""
        assert self.selection.audio is not None
        return self.selection.audio


def plan_study(
    audio: Path,
    output: Path,
    conditions: Sequence[str] = (),
    *,
    data: str | None = None,
    runs: Sequence[Path] = (),
    models: Sequence[str] = (),
    seeds: int = 1,
    settings: Sequence[str] = (),
    noise: Path | None = None,
    noise_seed: int = 0,
    noisy_training: bool = False,
    tested: Tested = "validation",
) -> Study:
    """Check everything that a study requires, before it starts.

    Parameters
    ----------
    audio
        Folder of the recordings behind the samples.
    output
        Folder of the study; nothing is written to it.
    conditions
        Names, as for :func:`spikebench.degradation.conditions.select_conditions`.
    data
        Name of a data set, or path of a spike file; by default that of the given runs.
    runs
        Finished runs, or folders of them.
    models, seeds, settings
        Models to train, the number of their seeds, and changes of their presets.
    noise
        Folder of recordings of the user, or None.
    noise_seed
        Seed of what is done to the recordings, not negative.
    noisy_training
        Whether to train every run a second time, with noise in the training recordings.
    tested
        ``validation``, or ``test`` to open the test split.

    Returns
    -------
    Study
        For :func:`spikebench.noise.runner.run_study`.

    Raises
    ------
    SpikebenchError
        If a condition, a model, the data or the recordings do not exist, or are damaged.
    TrainingError
        If a run is not finished or cannot be used, a setting is out of range, or a folder contains another run.
    ProtocolError
        If a run is of other data or another split.
    """
    chosen = tuple(select_conditions(conditions, has_recorded=noise is not None))
    what = Settings(chosen, noise_seed, noise.absolute() if noise else None)
    if noisy_training and not what.training_kinds:
        raise TrainingError(
            f"training with noise needs a condition of noise, one of: {', '.join(TRAINING_KINDS)}"
        )
    folders = [run for given in runs for run in find_runs(given)]
    selection = open_selection(_data_of(folders, data), audio=audio.absolute())
    output = output.absolute()
    refuse_other_study(output, "noise", selection.dataset)
    entries = entries_of(
        selection, folders, models, seeds, settings, tested, "spikes or recordings"
    )
    _check_presets([entry for entry in entries if None in entry.seeds.values()], selection)
    on_spikes = any(not entry.on_audio for entry in entries)
    recordings = recordings_of(selection.train)
    ear = ear_of(recordings.spike_file) if on_spikes else None
    next(iter(recordings.of([0]).read()))  # a wrong folder is reported before anything is trained
    _noise.cache_clear()  # the folder may have changed since an earlier study of this process
    sources = sources_of(selection, what.noise)
    kinds: dict[TrainedOn, str] = {"clean": ""}
    if noisy_training:
        mixed = training_recordings(selection, what.training_kinds, noise_seed, sources)
        kinds["noise"] = training_condition(mixed)
    jobs = [
        _job(entry, seed, kind, condition, output, selection, tested)
        for kind, condition in kinds.items()
        for entry in entries
        for seed in entry.seeds
    ]
    return Study(selection, output, entries, what, tested, jobs, ear)


def sources_of(selection: SelectionData, noise: Path | None) -> Sources:
    """Return the recorded noise of a study.

    Parameters
    ----------
    selection
        The data, opened with their recordings.
    noise
        Folder of recordings of the user, or None.

    Returns
    -------
    Sources
        Babble of the training split, and the recordings of the user.

    Raises
    ------
    AudioError
        If a recording of the user cannot be used.
    """
    train = selection.train
    babble = gather_babble(recordings_of(train), train.speakers.tolist())
    return Sources(babble, None if noise is None else _noise(noise))


_noise = lru_cache(maxsize=1)(read_noise)


def _data_of(runs: Sequence[Path], data: str | None) -> str:
    if data is not None:
        if (Path(data) / RUN_FILE).is_file():
            raise TrainingError(f"{data}: is a run; give the data set with --data")
        return data
    if not runs:
        raise TrainingError(
            "a model to be trained needs data: give --data, or --encoder to make them"
        )
    return data_path(runs[0], read_run(runs[0]))


def plain(selection: SelectionData, entry: Entry) -> SelectionData:
    """Return data as a model takes them: with recordings only if it works on audio.

    Parameters
    ----------
    selection
        The data, opened with their recordings.
    entry
        The model.

    Returns
    -------
    SelectionData
        The same samples.
    """
    return selection if entry.on_audio else replace(selection, audio=None)


def _check_presets(entries: Sequence[Entry], selection: SelectionData) -> None:
    """Refuse settings with which a model cannot be built or trained here."""
    with tempfile.TemporaryDirectory() as scratch:
        for number, entry in enumerate(entries):
            folder = Path(scratch, str(number))
            try:
                start_run(folder, entry.model, entry.preset, plain(selection, entry), seed=0)
            except (TrainingError, ValueError) as error:
                raise TrainingError(f"model {entry.model}: {error}") from None


def _job(
    entry: Entry,
    seed: int,
    trained_on: TrainedOn,
    condition: str,
    output: Path,
    selection: SelectionData,
    tested: Tested,
) -> Job:
    folder = output / entry.name / trained_on / f"seed{seed}"
    answers = folder / f"answers-{tested}.json"
    given = entry.seeds[seed] if trained_on == "clean" else None
    is_trained = given is not None
    if given is None and (folder / RUN_FILE).exists():
        record = read_run(folder)
        is_trained = record.status == "trained"
        found = (record.model, record.preset, record.seed, record.condition, record.refit)
        asked = (entry.model, entry.preset, seed, condition, False)
        if found != asked or record.dataset.first_difference(selection.dataset):
            raise TrainingError(f"{folder}: contains another run; choose another folder with -o")
    return Job(entry, seed, trained_on, given or folder, answers, is_trained)
