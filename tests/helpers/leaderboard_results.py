"""Result folders for the tests: drawn predictions, everything else honestly computed from them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from spikebench.metrics.classification import (
    accuracy,
    confusion_matrix,
    seed_interval,
    speaker_interval,
)
from spikebench.metrics.record import Energy, Latency, LayerOperations, Metrics
from spikebench.presets.preset import Preset
from spikebench.protocol.results import (
    DatasetRecord,
    Interval,
    ModelRecord,
    Predictions,
    Result,
    SeedRecord,
    Split,
    Summary,
    write_predictions,
    write_result,
)
from spikebench.training.run_record import LoggedEpoch, RunLog, RunRecord, write_run_log

CLASSES = ["zero", "one", "two", "three"]
DATA_SHA256 = "ab" * 32


def make_result(
    folder: Path,
    *,
    seeds: int = 5,
    skill: float = 0.8,
    model: str = "lif",
    spiking: bool = True,
    dataset: str = "toy-digits",
    classes: list[str] | None = None,
    test_samples: int = 120,
    config: dict[str, Any] | None = None,
    data_sha256: str = DATA_SHA256,
    time_step_ms: float = 5.0,
    protocol: str = "speakers-v1",
    logs: bool = False,
    metrics: list[Metrics | None] | None = None,
) -> Path:
    """Write a result folder of a model that is right with the probability `skill`."""
    classes = classes or CLASSES
    folder.mkdir(parents=True)
    records = [
        _make_seed(folder, seed, skill, spiking, classes, test_samples) for seed in range(seeds)
    ]
    if metrics:
        records = [
            record.model_copy(update={"metrics": one})
            for record, one in zip(records, metrics, strict=True)
        ]
    test = np.array([record.test_accuracy for record in records])
    interval = (
        Interval(**dict(zip(("low", "high", "method"), seed_interval(test), strict=True)))
        if seeds > 1
        else records[0].test_interval
    )
    validation = [r.validation_accuracy for r in records if r.validation_accuracy is not None]
    result = Result(
        created="2026-01-02T03:04:05+00:00",
        software="spikebench 0.1.0",
        command=f"spikebench evaluate --model {model} --seeds {seeds} -o result",
        dataset=DatasetRecord(
            name=dataset,
            sha256=data_sha256,
            n_units=70,
            classes=classes,
            synthetic=dataset == "toy-digits",
            split=Split(
                protocol=protocol,
                rule="validation: speaker 3 of the training split",
                train_samples=400,
                validation_samples=80,
                test_samples=test_samples,
                validation_speakers=[3],
                test_only_speakers=[4, 5],
            ),
        ),
        model=ModelRecord(
            name=model,
            spiking=spiking,
            parameters=128 * (70 + len(classes)) + len(classes),
            config=config or {"hidden_units": [128], "tau_mem_ms": 20.0},
        ),
        training=_preset(time_step_ms).model_dump(
            mode="json", include={"input", "training", "regulariser", "augmentation"}
        ),
        seeds=records,
        summary=Summary(
            seeds=seeds,
            validation_mean=float(np.mean(validation)),
            test_mean=float(test.mean()),
            test_std=float(test.std(ddof=1)) if seeds > 1 else None,
            test_interval=interval,
        ),
        environment={"python": "3.11.9", "torch": "2.13.0", "device": "cpu"},
    )
    if logs:
        result = result.model_copy(
            update={"seeds": [_log(folder, result, record) for record in result.seeds]}
        )
    write_result(folder, result)
    return folder


def make_metrics(additions: float = 12_000.0, **changes: Any) -> Metrics:  # noqa: ANN401
    """Metrics of one seed of a network that only adds, at 0.9 pJ an addition."""
    values: dict[str, Any] = {
        "footprint_bytes": 46_160,
        "connection_sparsity": 0.0,
        "activation_sparsity": 0.9,
        "effective_ac": additions,
        "effective_mac": 0.0,
        "dense_operations": 10 * additions,
        "operations": [
            LayerOperations(
                name="hidden.weight",
                kind="AC",
                effective=additions,
                dense=10 * additions,
                weights=8_960,
                zero_weights=0,
            )
        ],
        "spikes_per_inference": additions / 16,
        "latency": Latency(
            times_s=[0.25, 0.5, 0.75, 1.0], accuracy=[0.2, 0.6, 0.78, 0.8], to_95_percent_s=0.75
        ),
        "energy": [
            Energy(
                table="horowitz-45nm",
                technology="45 nm",
                source="Horowitz (2014)",
                picojoules=0.9 * additions,
            )
        ],
    }
    return Metrics(**(values | changes))


def _preset(time_step_ms: float) -> Preset:
    return Preset.model_validate(
        {"input": {"time_step_ms": time_step_ms, "duration_ms": 1000.0, "mode": "binary"}}
    )


def _log(folder: Path, result: Result, record: SeedRecord) -> SeedRecord:
    """Write the log of a run whose selected epoch is the best on validation."""
    run = RunRecord(
        software=result.software,
        model=result.model.name,
        preset=_preset(result.training["input"]["time_step_ms"]),
        data=result.dataset.name,
        dataset=result.dataset,
        input_rate=0.01,
        status="trained",
        **record.model_dump(
            include={
                "seed",
                "epochs",
                "selected_epoch",
                "validation_accuracy",
                "selected_on",
                "test_opened",
            }
        ),
    )
    best = record.validation_accuracy or 0.0
    history = [
        LoggedEpoch(
            epoch=epoch,
            validation_accuracy=best - 0.001 * abs(epoch - record.selected_epoch),
        )
        for epoch in range(1, record.epochs + 1)
    ]
    path = folder / f"run-seed{record.seed}.json"
    write_run_log(path, RunLog(run=run, history=history))
    return record.model_copy(update={"run_file": path.name, "run_sha256": sha256(path)})


def _make_seed(
    folder: Path, seed: int, skill: float, spiking: bool, classes: list[str], n: int
) -> SeedRecord:
    generator = np.random.default_rng([seed, round(1000 * skill)])
    label = np.arange(n) % len(classes)
    speaker = np.arange(n) % 6
    guess = generator.integers(0, len(classes), n)
    predicted = np.where(generator.random(n) < skill, label, guess)
    path = folder / f"predictions-seed{seed}.csv"
    write_predictions(
        path,
        Predictions(index=np.arange(n), label=label, predicted=predicted, speaker=speaker),
    )
    weights = folder / f"weights-seed{seed}.safetensors"
    shapes = {
        "hidden.0": (70, 128),
        "readout.weight": (128, len(classes)),
        "readout.bias": (len(classes),),
    }
    tensors = {name: np.full(shape, seed, np.float32) for name, shape in shapes.items()}
    save_file(tensors, weights, metadata={"note": "{}"})
    correct = label == predicted
    low, high, method = speaker_interval(correct, speaker)
    return SeedRecord(
        seed=seed,
        validation_accuracy=min(skill + 0.01 * seed, 1.0),
        test_accuracy=accuracy(label, predicted),
        test_interval=Interval(low=low, high=high, method=method),
        seen_accuracy=float(correct[speaker < 3].mean()),
        unseen_accuracy=float(correct[speaker >= 4].mean()),
        confusion=confusion_matrix(label, predicted, len(classes)).tolist(),
        spikes_per_sample=812.5 + seed if spiking else None,
        epochs=30,
        selected_epoch=20 + seed % 10,
        selected_on="validation",
        test_opened=1,
        train_seconds=41.2,
        test_seconds=0.7,
        predictions_file=path.name,
        predictions_sha256=sha256(path),
        weights_file=weights.name,
        weights_sha256=sha256(weights),
    )


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def edit_json(path: Path, *keys: str | int, value: object) -> None:
    """Change one place of a JSON file."""
    content = json.loads(path.read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(content))
