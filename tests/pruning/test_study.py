"""A study of pruning: masked weights stay 0, interrupted runs end with the same numbers, the page says what holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.toy import write_toy

from spikebench.errors import TrainingError
from spikebench.learning.bptt import BackPropagation
from spikebench.learning.masked_descent import MaskedBackPropagation
from spikebench.learning.pruning_masks import random_masks
from spikebench.learning.ranks import Ranks
from spikebench.pruning.methods import parse_densities, parse_methods
from spikebench.pruning.page import finding
from spikebench.pruning.report import Estimate, PruningRow, rows_of
from spikebench.pruning.run import Job, PruningRun
from spikebench.pruning.settings import read_settings
from spikebench.pruning.speed import measured_times
from spikebench.pruning.study import plan_study, samples_of
from spikebench.pruning.training import START, make_model, train_pruned
from spikebench.training.inference import bin_samples
from spikebench.training.run import load_tensors
from spikebench.training.run_record import HISTORY_FILE

SETTINGS = [
    *("training.epochs=3", "input.duration_ms=300", "training.batch_size=16"),
    *("pruning.ntt.steps=4", "pruning.ntt.mask_every=2", "pruning.synflow_rounds=3"),
    *("training.weight_decay=0.1", "training.gradient_norm=1.0"),
]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_toy(tmp_path_factory.mktemp("toy") / "toy.h5", takes=2))


def job_of(toy: str, folder: Path, method: str, model: str = "mlp_counts") -> Job:
    more = ["model.hidden_units=[16]", *([] if model == "lif" else ["model.dropout=0.2"])]
    study = plan_study(
        toy,
        folder,
        models=[model],
        methods=[method],
        densities=["0.1"],
        seeds=1,
        settings=[*SETTINGS, *more],
    )
    return study.jobs[-1]


def without_times(result: PruningRun) -> PruningRun:
    return result.model_copy(update={"seconds": 0.0, "choice_seconds": 0.0})


@pytest.mark.parametrize(
    ("method", "model"),
    [("ntt", "lif"), ("ntt", "mlp_counts"), ("snip", "mlp_counts"), ("random", "lif")],
)
def test_an_interrupted_run_continues_with_the_same_numbers(
    toy: str, tmp_path: Path, method: str, model: str
) -> None:
    job = job_of(toy, tmp_path, method, model)
    whole = train_pruned(job, samples_of(job))
    assert len(whole.accuracies) == 1 + 3
    assert sum(one.kept for one in whole.kept) < 0.11 * sum(one.weights for one in whole.kept) + 2
    other = replace(job, folder=tmp_path / "other")
    for stop_at in (1, 2):  # ntt: in the transfer, then in training
        looks = 0

        def stop(at: int = stop_at) -> None:
            nonlocal looks
            looks += 1
            if looks == at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train_pruned(other, samples_of(job), stop)
    assert not (other.folder / "result.json").exists()
    again = train_pruned(other, samples_of(job))
    assert without_times(again) == without_times(whole)
    assert (other.folder / HISTORY_FILE).read_text() == (job.folder / HISTORY_FILE).read_text()
    starts = [load_tensors(one.folder / START)[0] for one in (job, other)]
    assert all(torch.equal(starts[0][name], starts[1][name]) for name in starts[0])
    with pytest.raises(TrainingError, match="contains another run; choose another folder"):
        train_pruned(replace(other, seed=1), samples_of(job))


def test_masked_weights_stay_exactly_zero(toy: str, tmp_path: Path) -> None:
    """After every step, with weight decay and clipping, and in a rule that continues from the state of another."""
    job = job_of(toy, tmp_path, "random")
    train = bin_samples(samples_of(job).train, job.preset)
    batches = [train.batch(torch.arange(k, k + 8).numpy()) for k in (0, 8, 16)]
    model, _ = make_model(job, train)
    masks = random_masks(model, 0.1, 0)
    rule = MaskedBackPropagation(model, job.preset, torch.ones(3), Ranks(), 0, masks=masks)
    parameters = dict(model.named_parameters())
    start = {name: p.detach().clone() for name, p in parameters.items()}
    for batch in batches:
        rule.update(batch, 0.1)
        for name, mask in masks.items():
            assert not parameters[name][~mask].any()
            assert not torch.equal(parameters[name][mask], start[name][mask])
    copy, _ = make_model(job, train)
    copy.load_state_dict(model.state_dict())
    resumed = MaskedBackPropagation(copy, job.preset, torch.ones(3), Ranks(), 0, masks=masks)
    resumed.load_state(rule.state())
    resumed.update(batches[0], 0.1)
    assert not any(dict(copy.named_parameters())[name][~mask].any() for name, mask in masks.items())


def test_without_masks_training_is_that_of_back_propagation(toy: str, tmp_path: Path) -> None:
    job = job_of(toy, tmp_path, "random")
    train = bin_samples(samples_of(job).train, job.preset)
    models = [make_model(job, train)[0].eval() for _ in range(2)]
    MaskedBackPropagation(models[0], job.preset, torch.ones(3), Ranks(), 0, masks={}).update(
        train.batch(torch.arange(8).numpy()), 0.1
    )
    BackPropagation(models[1], job.preset, torch.ones(3), Ranks(), 0).update(
        train.batch(torch.arange(8).numpy()), 0.1
    )
    states = [model.state_dict() for model in models]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def run_with(accuracies: list[float], accuracy: float) -> PruningRun:
    return PruningRun(
        identity="0" * 64,
        accuracies=accuracies,
        accuracy=accuracy,
        tested_samples=10,
        kept=[],
        effective_operations=10.0,
        dense_operations=100.0,
        spikes=1.0,
        choice_seconds=0.0,
        seconds=0.0,
    )


def test_rows_pair_seeds_and_count_epochs() -> None:
    dense = [(0, "d0", run_with([0.1, 0.5, 0.8], 0.8)), (1, "d1", run_with([0.1, 0.9, 1.0], 1.0))]
    ntt = [(0, "n0", run_with([0.1, 0.72, 0.6], 0.6)), (1, "n1", run_with([0.1, 0.2, 0.7], 0.7))]
    drawn = [(0, "r0", run_with([0.1, 0.2, 0.3], 0.3)), (1, "r1", "lost")]
    rows = rows_of("lif", {("dense", 1.0): dense, ("ntt", 0.03): ntt, ("random", 0.03): drawn})
    assert rows[0].epochs == pytest.approx((2 + 1) / 2)
    assert (rows[1].epochs, rows[1].reached) == (
        1.0,
        1,
    )  # 0.72 is 90 % of 0.8; the other does not reach 0.9
    assert rows[1].change is not None
    assert rows[1].change.value == pytest.approx(-0.25)
    assert rows[1].gain is not None
    assert rows[1].gain.value == pytest.approx(0.3)  # of the seed that both have
    assert (rows[2].epochs, len(rows[2].done), rows[2].seeds[1].failed) == (None, 1, "lost")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.02, 0.1, "confirmed for this network and data. Difference +6.0 points"),
        (-0.1, -0.02, "not confirmed: NTT is worse than random masks"),
        (-0.1, 0.02, "neither confirmed nor refuted"),
        (None, None, "not decided by these seeds"),
    ],
)
def test_the_finding_follows_the_interval(low: float | None, high: float | None, said: str) -> None:
    value = 0.06 if low is None or high is None else (low + high) / 2
    gain = Estimate(value=value, low=low, high=high)
    rows = [
        PruningRow(model="lif", method="ntt", density=0.03, seeds=[], gain=gain),
        PruningRow(model="lif", method="random", density=0.03, seeds=[]),
    ]
    assert f"here at 3 %: {said}" in finding(rows)[0]


def test_times_are_measured_once(toy: str, tmp_path: Path) -> None:
    job = job_of(toy, tmp_path, "random", "lif")
    batch = bin_samples(samples_of(job).train, job.preset).batch(torch.arange(4).numpy())
    path = tmp_path / "speed.json"
    first = measured_times(path, "a", batch, 8, [0.1])
    assert [(one.layer, one.density) for one in first] == [
        ("feed-forward", 1.0),
        ("feed-forward", 0.1),
        ("recurrent", 1.0),
        ("recurrent", 0.1),
    ]
    assert all(0 < one.forward_seconds < one.training_seconds for one in first)
    assert measured_times(path, "a", batch, 8, [0.1]) == first


def test_names_and_settings() -> None:
    assert parse_methods(["ntt,random", "ntt"]) == ["ntt", "random"]
    assert parse_densities(["0.01,1", "0.2"]) == [0.2, 0.01]
    with pytest.raises(TrainingError, match="at least one density below 1"):
        parse_densities([1.0])
    assert read_settings("shd-r").preset["input"]["group_units"] == 5
    changed = read_settings("digits", ["pruning.ntt.steps=7", "training.epochs=1"])
    assert changed.pruning.ntt.steps == 7
    for wrong, message in (
        ("pruning.ntt.step=7", r"pruning\.ntt\.step"),
        ("pruning.models.x=1", "models is not a table"),
        ("pruning.=1", r"must have the form table\.key=value"),
    ):
        with pytest.raises(TrainingError, match=message):
            read_settings("digits", [wrong])
