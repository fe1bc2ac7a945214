"""The plan of a study: tasks, models, methods and seeds, checked before anything starts.

For every kind of task, model and seed there is one run per method; ``maml`` of spiking networks also with every number
of bits. The folder of a study::

    <task>/<model>/<method>/seed<k>/         a run, see :mod:`spikebench.fewshot.worker`
    <task>/<model>/maml-8bit/seed<k>/        the same with rounded inner steps
    fewshot.json, fewshot.csv, fewshot.md    the report; fewshot-test.… with --test
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from spikebench.errors import TrainingError, UnknownNameError
from spikebench.fewshot.settings import FewShotSettings, read_settings
from spikebench.fewshot.worker import RUN, FewShotJob, RunFile, Tested, build, open_tasks
from spikebench.learning.maml import SECOND_ORDER, Method
from spikebench.models import MODELS
from spikebench.models.base import model_class
from spikebench.protocol.few_shot import KINDS, Kind
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.records.strict_json import read_record
from spikebench.sweeps.study_folder import refuse_other_study

__all__ = ["METHODS", "Study", "plan_study"]

METHODS: tuple[Method, ...] = get_args(Method)
# Settings of the steps of meta-training, which the baseline does not take.
_OF_META = {("meta", key) for key in ("iterations", "tasks", "learning_rate")}


@dataclass(frozen=True)
class Study:
    """A study, fully checked.

    Attributes
    ----------
    selection
        The data, without the test split.
    settings
        All settings.
    output
        Folder of the study.
    tested
        Samples of the tasks of the evaluation.
    jobs
        All runs, seed by seed.
    """

    selection: SelectionData
    settings: FewShotSettings
    output: Path
    tested: Tested
    jobs: list[FewShotJob]


def plan_study(
    data: str,
    output: Path,
    *,
    kinds: Sequence[str] = (),
    models: Sequence[str] = (),
    methods: Sequence[str] = (),
    bits: Sequence[int] = (),
    seeds: int = 1,
    overrides: Sequence[str] = (),
    tested: Tested = "validation",
) -> Study:
    """Check everything that a study requires, before it starts.

    Parameters
    ----------
    data
        Name of a data set, or path of a spike file.
    output
        Folder of the study; nothing is written to it.
    kinds, models, methods
        Kinds of tasks, models, methods; by default all kinds, ``lif`` and ``gru``, all methods.
    bits
        Numbers of bits in the inner steps of ``maml`` of spiking networks, beside steps that are not rounded.
    seeds
        Number of seeds.
    overrides
        Changes of the settings.
    tested
        ``validation``, or ``test`` to open the test split.

    Returns
    -------
    Study
        For :func:`spikebench.fewshot.runner.run_study`.

    Raises
    ------
    SpikebenchError
        If a name or the data do not exist, a model cannot be used, tasks cannot be drawn, no run uses a setting, or a
        folder contains another run.
    """
    settings = read_settings(data, overrides)
    for what, names, known in (("task", kinds, KINDS), ("method", methods, METHODS)):
        for name in names:
            if name not in known:
                raise UnknownNameError(what, name, known)
    chosen = [kind for kind in KINDS if kind in kinds or not kinds]
    used = [method for method in METHODS if method in methods or not methods]
    networks = list(dict.fromkeys(models or ("lif", "gru")))
    for model in networks:
        model_class(model)
    for override in overrides:
        path = [part.strip() for part in override.partition("=")[0].split(".")]
        if why := _ignored(path[0], path[1], settings, chosen, networks, used):
            raise TrainingError(f"setting {override!r} would change nothing: {why}")
    if bits and not ("maml" in used and any(model_class(name).spiking for name in networks)):
        raise TrainingError(
            "--bits is for the method maml of spiking networks, which this study does not have; "
            "add --method maml and --model lif, or leave --bits out"
        )
    selection = open_selection(data)
    refuse_other_study(output, "fewshot", selection.dataset)
    jobs: list[FewShotJob] = []
    for seed in range(seeds):
        for kind in chosen:
            tasks = open_tasks(selection, settings, kind, "train")
            open_tasks(selection, settings, kind, "validation")
            for model in networks:
                for method in used:
                    rounded = bits if method == "maml" and model_class(model).spiking else ()
                    for b in (0, *rounded):
                        run = RunFile(
                            kind=kind,
                            model=model,
                            method=method,
                            bits=b,
                            seed=seed,
                            settings=settings,
                            dataset=selection.dataset,
                        )
                        if seed == 0 and b == 0:
                            build(run, data, tasks, tasks.n_outputs)
                        jobs.append(_job(run, data, output.absolute(), tested))
    return Study(selection, settings, output.absolute(), tested, jobs)


def _ignored(
    table: str,
    key: str,
    settings: FewShotSettings,
    kinds: Sequence[Kind],
    models: Sequence[str],
    methods: Sequence[Method],
) -> str:
    """Say why no run of the study uses a setting, and what would; nothing if one does."""
    meta = [method for method in methods if method != "finetune"]
    own = [model for model in models if settings.network(model).step_size]
    if table in KINDS and table not in kinds:
        return f"the study has no tasks {table}; add --task {table}, or leave the setting out"
    if table in KINDS and key == "words" and table != "pairs":
        return "only pairs are made of a chosen number of words; set pairs.words, or words.ways"
    if table in MODELS and table not in models:
        return f"the study has no model {table}; add --model {table}, or leave the setting out"
    if (table == "pretrain" or key == "finetune_step_sizes") and "finetune" not in methods:
        return "it is for the method finetune; add --method finetune, or leave the setting out"
    if (table == "inner" or (table, key) in _OF_META) and not meta:
        return "it is for meta-learning; add --method maml, or leave the setting out"
    if key in ("step_size", "step_factor") and not meta:
        return "finetune selects its step size; set evaluation.finetune_step_sizes"
    if (table, key) == ("meta", "kernels") and not set(methods) & set(SECOND_ORDER):
        return "it is for second derivatives; add --method maml, or leave the setting out"
    if (table, key) == ("inner", "step_size") and len(own) == len(models):
        return f"the step size is that of the model; set {own[0]}.step_size"
    return ""


def _job(run: RunFile, data: str, output: Path, tested: Tested) -> FewShotJob:
    method = f"{run.method}-{run.bits}bit" if run.bits else run.method
    folder = output / run.kind / run.model / method / f"seed{run.seed}"
    if (folder / RUN).exists() and not read_record(folder / RUN, RunFile).is_same(run):
        raise TrainingError(f"{folder}: contains another run; choose another folder with -o")
    return FewShotJob(folder, run, data, tested)


def kind_title(kind: Kind) -> str:
    """Name a kind of tasks in headings.

    Parameters
    ----------
    kind
        The kind.

    Returns
    -------
    str
        E.g. ``new speaker``.
    """
    return {"speaker": "new speaker", "words": "new words", "pairs": "new pairs of words"}[kind]
