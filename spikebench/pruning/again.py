"""Training a result of pruned networks again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spikebench.errors import ResultError
from spikebench.evaluation.reproduction import bounded_memory, open_claimed
from spikebench.protocol.results import Predictions, Result
from spikebench.protocol.studies import PruningStudy as StudyRecord
from spikebench.pruning.run import read_result
from spikebench.pruning.runner import run_study
from spikebench.pruning.settings import model_preset, read_settings
from spikebench.pruning.study import PruningStudy, plan_study
from spikebench.sweeps.study_again import answers_of, check_again, settings_of
from spikebench.sweeps.study_watch import StudyProgress

__all__ = ["plan_again", "train_again"]


def plan_again(
    result: Result, folder: Path, data: str | None = None, *, large: bool = False
) -> PruningStudy:
    """Plan the study of a result again; nothing is trained, and the test split stays closed.

    Parameters
    ----------
    result
        Untrusted result of a pruned network.
    folder
        Folder of the runs; interrupted runs in it are resumed.
    data
        A registered name, or the path of a spike file; by default the registered data set of the claimed name.
    large
        If true, do not limit the size of models and inputs.

    Returns
    -------
    PruningStudy
        For :func:`train_again`; it has the dense network beside the pruned one.

    Raises
    ------
    SpikebenchError
        If the result is of another study, does not state all its settings, or is too large, or the data differ.
    """
    if not isinstance(result.study, StudyRecord):
        raise ResultError("the result is not one of a pruned network")
    given, name = settings_of(result, "pruning"), result.model.name
    selection = open_claimed(result.dataset, data)
    settings = read_settings(selection.data, given)
    preset = model_preset(name, selection.data, settings, given)
    check_again(result, selection, preset, settings, "pruning", large=large)
    with bounded_memory(large):
        return plan_study(
            selection.data,
            folder,
            models=[name],
            methods=[result.study.method],
            densities=[str(result.training["study"].get("density", ""))],
            seeds=len(result.seeds),
            settings=given,
            tested="test",
        )


def train_again(
    study: PruningStudy,
    kept: int,
    *,
    large: bool = False,
    progress: Callable[[StudyProgress], None] = lambda state: None,
) -> list[Predictions]:
    """Train every seed again, and test it once.

    Parameters
    ----------
    study
        From :func:`plan_again`.
    kept
        Weights that the result claims to keep.
    large
        If true, do not limit the memory.
    progress
        Called about every second, and after every run.

    Returns
    -------
    list of Predictions
        One per seed.

    Raises
    ------
    ResultError
        If a training fails, or another number of weights is kept.
    """
    with bounded_memory(large):
        run_study(study, progress=progress)
    runs = [read_result(job) for job in study.jobs if job.method in study.methods]
    for run in runs:
        found = sum(one.kept for one in run.kept) if run else kept
        if found != kept:
            raise ResultError(f"study.kept is claimed {kept:,}, trained again {found:,}")
    return answers_of([run.answers if run else None for run in runs])
