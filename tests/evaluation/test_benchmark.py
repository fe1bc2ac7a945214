"""A network of one's own in Python: batches without the test split, one counted test, an entry of the result."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.toy import N_CLASSES, N_UNITS, write_toy
from torch import nn

from cli.main import main
from leaderboard.claims.entry import read_entry
from spikebench import Benchmark, EventBatch, SpikebenchError, read_result
from spikebench.errors import OutputExistsError, ProtocolError, TrainingError


class Counts(nn.Module):
    """Linear on counts in two halves of the clip."""

    def __init__(self, n_units: int, n_classes: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(2 * n_units, 16)
        self.relu = nn.ReLU()
        self.readout = nn.Linear(16, n_classes)

    def forward(self, raster: torch.Tensor) -> torch.Tensor:
        halves = torch.cat([half.sum(1) for half in raster.chunk(2, 1)], 1)
        scores: torch.Tensor = self.readout(self.relu(self.hidden(halves)))
        return scores


class Returns(nn.Module):
    """Returns what it is told to."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        super().__init__()
        self.make, self.weight = make, nn.Parameter(torch.ones(1))

    def forward(self, raster: torch.Tensor) -> Any:  # noqa: ANN401
        return self.make(len(raster))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")


@pytest.fixture(scope="module")
def benchmark(data: Path) -> Benchmark:
    return Benchmark(data, batch_size=16, duration=0.3)


def trained(benchmark: Benchmark, seed: int = 0, epochs: int = 6) -> Counts:
    torch.manual_seed(seed)
    model = Counts(benchmark.n_units, benchmark.n_classes)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(epochs):
        for raster, labels in benchmark.train:
            loss = nn.functional.cross_entropy(model(raster), labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return model


def test_the_batches_are_rasters_of_training_and_validation_samples(benchmark: Benchmark) -> None:
    assert (benchmark.n_units, benchmark.n_classes, benchmark.n_steps) == (N_UNITS, N_CLASSES, 30)
    seen = list(benchmark.train)
    assert len(seen) == len(benchmark.train)
    raster, labels = seen[0]
    assert (raster.shape, raster.dtype) == ((16, 30, N_UNITS), torch.float32)
    assert (labels.shape, labels.dtype) == ((16,), torch.int64)
    assert float(raster[0].sum()) == 4 * N_UNITS  # counts of every spike
    assert sum(len(y) for _, y in seen) == benchmark.selection.dataset.split.train_samples
    in_file = torch.cat([y for _, y in benchmark.validation])
    assert in_file.tolist() == benchmark.selection.validation.labels.tolist()


def test_order_and_augmentation_follow_seed_and_epoch(data: Path) -> None:
    def epochs(seed: int, **options: Any) -> list[torch.Tensor]:  # noqa: ANN401
        made = Benchmark(data, duration=0.3, batch_size=200, seed=seed, **options)
        return [next(iter(made.train))[0] for _ in range(2)]

    first, second = epochs(1)
    assert torch.equal(first, epochs(1)[0])
    assert not torch.equal(first, second)
    assert not torch.equal(first, epochs(2)[0])
    changed = epochs(1, augmentation={"delete_probability": 0.5, "unit_jitter_percent": 5})[0]
    assert 0 < changed.sum() < 0.7 * first.sum()
    assert float(epochs(1, mode="binary", time_step=0.1)[0].max()) == 1
    assert epochs(1, group_units=4)[0].shape == (first.shape[0], 30, 3)


def test_the_test_split_is_not_handed_out(benchmark: Benchmark) -> None:
    with pytest.raises(ProtocolError, match=r"select on benchmark\.validation, then call"):
        _ = benchmark.test


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_step": 10}, r"time_step is in seconds, and 10 ms are 0\.01; got 10"),
        ({"time_step": -0.01}, r"Benchmark: input\.time_step_ms: "),
        ({"duration": 1000}, r"Benchmark: input\.duration_ms: "),
        ({"mode": "audio"}, r"audio"),
        ({"batch_size": 0}, r"Benchmark: training\.batch_size: "),
        ({"augmentation": {"noise": 1}}, r"Benchmark: augmentation\.noise: "),
    ],
)
def test_a_wrong_option_is_one_line(data: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message) as refused:
        Benchmark(data, **options)
    assert "\n" not in str(refused.value)


def test_unknown_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpikebenchError, match="no_such"):
        Benchmark(tmp_path / "no_such.h5")


def test_a_result_becomes_an_entry(
    benchmark: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = [trained(benchmark, seed) for seed in (0, 1)]
    models[0].train()
    result = benchmark.evaluate(models, "all", extra_data="none", augmentation="mixup")
    assert models[0].training  # as before
    assert result.validation_accuracy == np.mean([benchmark.validate(one) for one in models])
    assert result.test_accuracy > 0.8
    assert str(result).startswith("Counts on toy, 2 seeds: test accuracy ")
    seeds = result.result.seeds
    assert [seed.test_opened for seed in seeds] == [1, 1]
    assert seeds[0].validation_accuracy is not None
    folder = result.save(tmp_path / "result")
    assert read_result(folder) == result.result
    with pytest.raises(OutputExistsError, match="contains a result already"):
        result.save(folder)
    with pytest.raises(SystemExit) as ended:
        main(["submit", str(folder), "--entries", str(tmp_path / "entries"), "--weights"])
    assert ended.value.code == 0
    assert "without a training log, others cannot repeat the training" in capsys.readouterr().out
    build = [
        "leaderboard",
        "build",
        "--entries",
        str(tmp_path / "entries"),
        "-o",
        str(tmp_path / "site"),
    ]
    with pytest.raises(SystemExit) as ended:
        main(build)
    assert ended.value.code == 0
    stored = read_entry(next(tmp_path.glob("entries/toy/*")))
    page = (tmp_path / "site" / "entries" / "toy" / f"{stored.entry.id}.html").read_text("utf-8")
    assert "how these were made is declared by its authors" in page
    assert "mixup" in page
    assert (stored.tier, stored.entry.track) == ("recomputed", "conventional-spikes")
    assert stored.entry.declared.augmentation == "mixup"
    assert not stored.parameters_counted


def test_weights_are_those_of_the_network(benchmark: Benchmark, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    model = trained(benchmark, epochs=1)
    folder = benchmark.evaluate(model).save(tmp_path / "result")
    again = Counts(benchmark.n_units, benchmark.n_classes)
    again.load_state_dict(load_file(folder / "weights-seed0.safetensors"))
    raster, _ = next(iter(benchmark.validation))
    assert torch.equal(again(raster), model(raster))


def test_every_test_of_other_weights_is_counted(data: Path, tmp_path: Path) -> None:
    benchmark = Benchmark(data, duration=0.3)
    model = trained(benchmark, epochs=1)

    def opened(**options: Any) -> int:  # noqa: ANN401
        return benchmark.evaluate(model, **options).result.seeds[0].test_opened

    assert [opened(), opened()] == [1, 1]  # the same weights
    with torch.no_grad():
        model.readout.bias += 1
    assert opened() == 2
    assert opened(seeds=[7]) == 1
    folder = benchmark.evaluate(model).save(tmp_path / "twice")
    with pytest.raises(SystemExit) as ended:
        main(["submit", str(folder), "--entries", str(tmp_path / "entries")])
    assert ended.value.code == 1


def test_costs_of_a_conventional_network(benchmark: Benchmark) -> None:
    found = benchmark.evaluate(trained(benchmark, epochs=1), "all").result
    assert not found.model.spiking
    metrics = found.seeds[0].metrics
    assert metrics is not None
    assert metrics.effective_ac == 16 * 2 * N_UNITS * 2  # four spikes of each unit, all in one half
    assert isinstance(metrics.operations, list)
    assert [(one.name, one.kind) for one in metrics.operations] == [
        ("hidden.weight", "AC"),
        ("readout.weight", "MAC"),
    ]
    assert metrics.neuron_updates == 16


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda n: torch.zeros(n, 5), r"scores are torch\.float32 \(12, 5\) for 12 samples of 3"),
        (lambda n: torch.zeros(n, 3, dtype=torch.int64), r"scores are torch\.int64"),
        (lambda n: torch.full((n, 3), np.nan), "scores are not finite"),
        (lambda n: (torch.zeros(n, 3), None), "returned a tuple .* return the scores alone"),
        (lambda n: None, "returned a NoneType"),
    ],
)
def test_wrong_scores_are_refused_before_the_test_is_opened(
    data: Path, make: Callable[[int], Any], message: str
) -> None:
    benchmark = Benchmark(data, batch_size=16, duration=0.3)
    with pytest.raises(TrainingError, match=message):
        benchmark.evaluate(Returns(make))
    with torch.no_grad():
        good = benchmark.evaluate(Returns(lambda n: torch.zeros(n, 3)))
    assert good.result.seeds[0].test_opened == 1


def test_models_of_several_kinds_or_seeds_are_refused(benchmark: Benchmark) -> None:
    small, other = Counts(N_UNITS, 3), Returns(lambda n: torch.zeros(n, 3))
    with pytest.raises(TrainingError, match="test different networks separately"):
        benchmark.evaluate([small, other])
    with pytest.raises(TrainingError, match="as many different seeds"):
        benchmark.evaluate([small, small], seeds=[1, 1])
    for name in ("a\nb", "x" * 201):
        with pytest.raises(TrainingError, match="one printable line"):
            benchmark.evaluate(small, name=name)
    with pytest.raises(TrainingError, match=r"takes a torch\.nn\.Module"):
        benchmark.evaluate([])


def test_tensors_that_cannot_be_kept_are_refused(benchmark: Benchmark) -> None:
    lazy = nn.Sequential(nn.Flatten(), nn.LazyLinear(3))
    with pytest.raises(TrainingError, match=r"1\.weight has no size yet"):
        benchmark.evaluate(lazy)
    model = Counts(N_UNITS, 3)
    model.register_buffer("mask", torch.tensor([-np.inf]))
    with pytest.raises(TrainingError, match=r"mask is not finite.*persistent=False"):
        benchmark.evaluate(model)


def test_a_network_on_events(data: Path) -> None:
    class OnEvents(Counts):
        def forward(self, batch: EventBatch) -> torch.Tensor:  # type: ignore[override]
            return super().forward(batch.dense())

    events = Benchmark(data, duration=0.3, events=True)
    batch, labels = next(iter(events.train))
    assert isinstance(batch, EventBatch)
    assert torch.equal(batch.labels, labels)
    model = OnEvents(N_UNITS, 3)
    rasters = Benchmark(data, duration=0.3)
    plain = Counts(N_UNITS, 3)
    plain.load_state_dict(model.state_dict())
    assert (
        events.evaluate(model).files["predictions-seed0.csv"]
        == rasters.evaluate(plain).files["predictions-seed0.csv"]
    )


def test_a_full_disk_leaves_the_result_in_memory(benchmark: Benchmark, tmp_path: Path) -> None:
    result = benchmark.evaluate(Counts(N_UNITS, 3))
    (tmp_path / "file").touch()
    with pytest.raises(SpikebenchError, match="cannot be written"):
        result.save(tmp_path / "file" / "result")
    saved = result.save(tmp_path / "result")
    assert json.loads((saved / "result.json").read_text())["command"] == ""


def test_what_is_held_is_printed() -> None:
    benchmark = Benchmark("digits", time_step=0.02)
    assert repr(benchmark) == (
        "Benchmark(digits; 50 bins of 20 ms, 70 units, counts; 20 classes; 552 training and 111 validation samples; "
        "test: not handed out)"
    )
    first = benchmark.selection.train[0]
    assert repr(first).startswith(
        f"Sample({first.times.size:,} spikes, label {first.label}, speaker "
    )
    unknown = first._replace(label=-1, speaker=-1, duration=-1.0)
    assert repr(unknown) == f"Sample({first.times.size:,} spikes)"
