"""Results of studies on the packaged digits: drawn predictions, everything else honestly computed from them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from spikebench.protocol.noise_answers import NoiseAnswers
from spikebench.protocol.opening import SplitLabels, read_split_labels
from spikebench.protocol.results import ModelRecord
from spikebench.protocol.stages import Queries, drawn_labels
from spikebench.protocol.studies import (
    ContinualStudy,
    FewShotStudy,
    NoiseStudy,
    PruningStudy,
    Study,
    SubstrateStudy,
)
from spikebench.protocol.task_groups import class_groups
from spikebench.sweeps.study_results import TestedSeed, write_study_result
from spikebench.sweeps.test_answers import TestAnswers


@cache
def digits() -> SplitLabels:
    return read_split_labels("digits")


def few_shot_study(**changes: Any) -> FewShotStudy:  # noqa: ANN401
    said = {"task": "speaker", "method": "maml", "bits": 0, "ways": 5, "shots": 1, "queries": 2}
    return FewShotStudy.model_validate({**said, "words": 10, "tested_tasks": 40, **changes})


def continual_study(sequence: str = "pairs", method: str = "si:1") -> ContinualStudy:
    data = digits()
    groups = list(class_groups(sequence, data.dataset.classes).values())
    only = data.dataset.split.test_only_speakers
    speakers = [[s] for s in np.unique(data.test.speakers).tolist() if s not in only]
    said = {"sequence": sequence, "method": method, "tasks": groups or speakers}
    return ContinualStudy.model_validate(said)


def noise_study(**changes: Any) -> NoiseStudy:  # noqa: ANN401
    names = [f"{kind}:{ratio}dB" for kind in ("white", "babble") for ratio in (-5, 10, 30)]
    said = {"trained": "clean", "encoder": "cochlea", "conditions": names, "noise_seed": 0}
    return NoiseStudy.model_validate({**said, **changes})


STUDIES: dict[str, Study] = {
    "pruning": PruningStudy(method="snip", weights=11_520, kept=346),
    "substrate": SubstrateStudy(
        substrate="analog", condition="in the loop", activity="plain", settings={"weight_bits": 6}
    ),
}


def answers_of(study: Study, seed: int, skill: float) -> TestAnswers | NoiseAnswers | Queries:
    rng = np.random.default_rng(seed)
    data = digits()
    index, label, speaker = data.test.index, data.test.labels, data.test.speakers
    if isinstance(study, FewShotStudy):
        drawn = list(drawn_labels(study, data.dataset, seed, label, speaker))
        task = np.repeat(np.arange(len(drawn)), [len(one) for one in drawn])
        asked = np.concatenate([np.array(one, np.int64) for one in drawn])
        wrong = rng.integers(0, study.ways, asked.size)
        return task, asked, np.where(rng.random(asked.size) < skill, asked, wrong)
    if isinstance(study, NoiseStudy):
        wrong = (label + 1) % 20
        rows = [
            np.where(rng.random(label.size) < skill * (k + 1) / len(study.conditions), label, wrong)
            for k in range(len(study.conditions))
        ]
        return NoiseAnswers(index, label, speaker, np.stack(rows))
    n_stages, partner = 1, {c: (c + 1) % 20 for c in range(20)}
    if isinstance(study, ContinualStudy):
        n_stages = study.n_stages
        if study.is_part:
            kept = np.isin(speaker, study.tasks)
            index, label, speaker = index[kept], label[kept], speaker[kept]
        elif study.is_told:
            partner = {c: g[(g.index(c) + 1) % len(g)] for g in study.tasks for c in g}
    wrong = np.array([partner[c] for c in label.tolist()])
    rows = [np.where(rng.random(label.size) < skill, label, wrong) for _ in range(n_stages)]
    return TestAnswers(
        index=index.tolist(),
        label=label.tolist(),
        speaker=speaker.tolist(),
        predicted=[row.tolist() for row in rows],
    )


def make_study_result(folder: Path, study: Study, seeds: int = 2, skill: float = 0.6) -> Path:
    """Write the result of a study of a network that is right with the probability `skill`."""
    return write_study_result(
        folder,
        "row",
        "spikebench prune digits --test",
        digits().dataset,
        ModelRecord(name="lif", spiking=True, parameters=11_540, config={}, look_ahead=False),
        {"input": {"mode": "counts", "time_step_ms": 10.0, "duration_ms": 1000.0}},
        study,
        [
            TestedSeed(
                seed=seed,
                answers=answers_of(study, seed, skill),
                validation_accuracy=skill,
                epochs=3,
                selected_epoch=3,
                selected_on="none",
                test_opened=1,
                train_seconds=1.0,
            )
            for seed in range(seeds)
        ],
    )


def edit_result(folder: Path, *path: str | int, value: object) -> None:
    """Change one value of ``result.json``."""
    said = json.loads((folder / "result.json").read_text())
    place = said
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (folder / "result.json").write_text(json.dumps(said))
