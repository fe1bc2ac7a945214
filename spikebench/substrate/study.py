"""The plan of a study: trainings and conditions, checked before anything starts.

For every seed, and without and with activity regularisation, one network is trained in software and one with device
number ``seed`` in the loop. On the analog substrate, another one without regularisation is trained with a new random
device in every batch; copies of the digital substrate do not differ. All runs of a seed start from the same weights.
The weights after the last epoch are kept: none are selected on the samples that are tested. The folder of a study::

    software/plain/seed0/       weights.safetensors, run.json, answers-validation.json
    software/sparse/seed0/      … with activity regularisation
    loop/plain/seed0/ …         device 0 in the loop
    robust/plain/seed0/ …       random devices in the loop
    substrate.json, .csv, .md, .png    the report; substrate-test.… with --test
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from pydantic import Field

from spikebench import __version__
from spikebench.errors import ResultError, TrainingError
from spikebench.events.batches import BinnedSamples
from spikebench.learning.in_the_loop import network_of
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.protocol.results import DatasetRecord
from spikebench.records.fields import Count, NonNegative, Record
from spikebench.records.strict_json import read_record
from spikebench.records.text import shareable
from spikebench.substrate.settings import Settings, SubstrateName, read_settings
from spikebench.sweeps.study_folder import refuse_other_study
from spikebench.sweeps.study_settings import refuse_unused
from spikebench.training.inference import bin_samples, build_model
from spikebench.training.run_record import RunRecord

__all__ = ["ACTIVITIES", "RUN_FILE", "Activity", "Job", "LoopRun", "Study", "Trained", "plan_study"]

Trained = Literal["software", "loop", "robust"]
Activity = Literal["plain", "sparse"]
Tested = Literal["validation", "test"]
ACTIVITIES: tuple[Activity, ...] = get_args(Activity)
RUN_FILE = "run.json"


class LoopRun(Record):
    """Contents of ``run.json``: what was trained, what it took, and how often the test split was opened for it.

    ``seconds_per_batch`` is the processor time of a training step, forward and backward; ``recorded_bytes`` the memory
    of the recording of a batch. ``opened_for`` are the weights and devices for which the test split was opened last, so
    that the same test counts once, also if it was interrupted.
    """

    format_version: Literal[1] = 1
    software: str
    model: str
    substrate: SubstrateName
    trained: Trained
    activity: Activity
    seed: Count
    settings: Settings
    dataset: DatasetRecord
    train_samples: Count
    loss: list[float] = Field(default=[])
    seconds_per_batch: NonNegative = 0.0
    recorded_bytes: Count = 0
    weights_sha256: str = ""
    test_opened: Count = Field(default=0, exclude_if=lambda opened: not opened)
    opened_for: str = Field(default="", exclude_if=lambda opening: not opening)

    @property
    def identity(self) -> str:
        """What must be equal in the same run, as text."""
        measured = {"software", "loss", "seconds_per_batch", "recorded_bytes", "weights_sha256"}
        measured |= {"test_opened", "opened_for"}
        return self.model_dump_json(exclude=measured)


@dataclass(frozen=True)
class Job:
    """One network to train.

    Attributes
    ----------
    folder
        Its folder.
    run
        What is trained.
    is_trained
        Whether it was trained before.
    """

    folder: Path
    run: LoopRun
    is_trained: bool


@dataclass(frozen=True)
class Study:
    """A study, fully checked.

    Attributes
    ----------
    selection
        The data, without the test split.
    train
        The training samples that are used, with their time bins.
    output
        Folder of the study.
    model, substrate, seeds
        What is trained and where, and the number of seeds and devices.
    settings
        All settings.
    tested
        The samples that are tested.
    jobs
        All trainings.
    """

    selection: SelectionData
    train: BinnedSamples
    output: Path
    model: str
    substrate: SubstrateName
    seeds: int
    settings: Settings
    tested: Tested
    jobs: list[Job]

    def record(self, job: Job) -> RunRecord:
        """Describe a network and its training as the training loop needs it."""
        return _record(self.selection, self.train, job.run)


def plan_study(
    data: str,
    output: Path,
    *,
    model: str = "rlif",
    substrate: SubstrateName = "analog",
    seeds: int = 3,
    settings: Sequence[str] = (),
    tested: Tested = "validation",
) -> Study:
    """Check everything that a study requires, before it starts.

    Parameters
    ----------
    data
        Name of a data set, or path of a spike file.
    output
        Folder of the study; nothing is written to it.
    model
        ``lif`` or ``rlif``.
    substrate
        The substrate in the loop.
    seeds
        Seeds of networks, and devices.
    settings
        Changes of settings, as for :func:`spikebench.substrate.settings.read_settings`.
    tested
        ``validation``, or ``test`` to open the test split.

    Returns
    -------
    Study
        For :func:`spikebench.substrate.runner.run_study`.

    Raises
    ------
    SpikebenchError
        If a model or the data do not exist, or the data are damaged.
    TrainingError
        If a setting is out of range, the model does not fit the substrate, or a folder contains another run.
    """
    chosen = read_settings(model, data, settings)
    if chosen.preset.mel is not None:
        raise TrainingError(
            f"model {model} works on audio, a substrate on spikes; choose lif or rlif"
        )
    refuse_unused(model, chosen.preset, True)
    selection = open_selection(data)
    refuse_other_study(output, "substrate", selection.dataset)
    rows = np.arange(0, len(selection.train), chosen.train.every_sample)
    train = bin_samples(selection.train.subset(rows), chosen.preset)
    jobs = []
    for seed in range(seeds):
        for activity in ACTIVITIES:
            for trained in _kinds(substrate, activity):
                run = LoopRun(
                    software=f"spikebench {__version__}",
                    model=model,
                    substrate=substrate,
                    trained=trained,
                    activity=activity,
                    seed=seed,
                    settings=chosen,
                    dataset=selection.dataset,
                    train_samples=len(train),
                )
                folder = output.absolute() / trained / activity / f"seed{seed}"
                jobs.append(_found(folder, run))
    network_of(build_model(_record(selection, train, jobs[0].run)))
    return Study(selection, train, output.absolute(), model, substrate, seeds, chosen, tested, jobs)


def _kinds(substrate: SubstrateName, activity: Activity) -> list[Trained]:
    """List what is trained; random devices without activity regularisation only, and only if devices differ."""
    kinds: list[Trained] = ["software", "loop"]
    return [*kinds, "robust"] if substrate == "analog" and activity == "plain" else kinds


def _found(folder: Path, run: LoopRun) -> Job:
    """Make a job; one that is done before is used."""
    path = folder / RUN_FILE
    if not path.exists():
        return Job(folder, run, False)
    try:
        before = read_record(path, LoopRun)
    except ResultError:
        before = None
    if before is None or before.identity != run.identity:
        raise TrainingError(f"{folder}: contains another run; choose another folder with -o")
    return Job(folder, before, True)


def _record(selection: SelectionData, train: BinnedSamples, run: LoopRun) -> RunRecord:
    sparse = run.activity == "sparse"
    cells = len(train) * train.n_steps * train.n_units
    return RunRecord(
        software=run.software,
        model=run.model,
        preset=run.settings.regularised() if sparse else run.settings.preset,
        data=shareable(selection.data),
        dataset=selection.dataset,
        input_rate=train.n_events / cells,
        seed=run.seed,
    )
