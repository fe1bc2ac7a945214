"""Metrics from counts, by hand; what has no meaning for a model says so; hostile cost tables."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from spikebench.errors import ResultError, UnknownNameError
from spikebench.evaluation.measurement import measure_cost
from spikebench.events.batches import BinnedSamples, EventBatch
from spikebench.events.dataset import SpikeDataset
from spikebench.metrics.cost import GROUPS, cost_metrics, read_groups
from spikebench.metrics.cost_table import (
    COST_TABLES,
    CostTable,
    read_cost_table,
    read_cost_tables,
)
from spikebench.metrics.latency import latency_of
from spikebench.metrics.operations import Account, Bundle, Layer
from spikebench.metrics.record import Latency, Metrics, NotApplicable
from spikebench.models import MODELS
from spikebench.models.base import Classifier, CountClassifier, DataShape, Output, model_class
from spikebench.models.configs.base import ModelConfig
from spikebench.spike_files.writer import SpikeWriter
from spikebench.training.inference import run_model

# Of four samples of 10 steps and 6 inputs; 8 hidden neurons and 2 read-outs, one recurrent bundle.
SPIKING = Account(
    samples=4,
    n_steps=10,
    input_cells=240,
    input_nonzero=60,
    bundles=[
        Bundle("input", "AC", effective=400, dense=1920, weights=48, zero_weights=8),
        Bundle("recurrent", "AC", 90, 2304, 64, 40),
        Bundle("readout.weight", "AC", 20, 640, 16, 0),
    ],
    layers=[Layer(320, 200, 24), Layer(80, 18, None)],
)
CONVENTIONAL = Account(
    samples=4,
    n_steps=10,
    input_cells=240,
    input_nonzero=240,
    bundles=[Bundle("a", "AC", 100, 200, 50, 0), Bundle("b", "MAC", 1000, 2000, 50, 5)],
    layers=[Layer(80, None, 20), Layer(20, None, None)],
)


def of(groups: str, spiking: bool, account: Account | None, *tables: CostTable) -> Metrics:
    return Metrics(**cost_metrics(read_groups(groups), "m", spiking, 4096, account, tables))


def test_every_metric_of_a_spiking_network_by_hand() -> None:
    found = of("all", True, SPIKING, *read_cost_tables(COST_TABLES))
    assert found.footprint_bytes == 4096
    assert found.connection_sparsity == 48 / 128
    assert found.activation_sparsity == 1 - 24 / 320  # the read-out is not hidden
    assert found.input_sparsity == 1 - 60 / 240
    assert (found.effective_ac, found.effective_mac) == (510 / 4, 0)
    assert found.dense_operations == (1920 + 2304 + 640) / 4
    assert isinstance(found.operations, list)
    recurrent = found.operations[1]
    assert recurrent.model_dump() == {
        "name": "recurrent",
        "kind": "AC",
        "effective": 22.5,
        "dense": 576,
        "weights": 64,
        "zero_weights": 40,
    }
    assert (found.neuron_updates, found.neuron_updates_event) == (400 / 4, 218 / 4)
    assert (found.spikes_per_inference, found.spikes_per_neuron) == (24 / 4, 24 / 4 / 8)
    assert isinstance(found.energy, list)
    horowitz, loihi = found.energy
    assert horowitz.table == "horowitz-45nm"
    assert horowitz.picojoules == pytest.approx(127.5 * 0.9, rel=1e-12)
    # 54.5 of 100 updates had something arrive.
    expected = 127.5 * 23.6 + 54.5 * 81 + 45.5 * 52
    assert loihi.picojoules == pytest.approx(expected, rel=1e-12)
    assert "Davies" in loihi.source
    assert "simulated" in loihi.technology


def test_a_network_that_is_silent_has_counted_zeros() -> None:
    silent = Account(1, 10, 60, 0, [Bundle("w", "AC", 0, 480, 48, 0)], [Layer(80, 0, 0)])
    found = of("all", True, silent, *read_cost_tables(COST_TABLES))
    assert (found.activation_sparsity, found.input_sparsity) == (1, 1)
    assert (found.effective_ac, found.spikes_per_inference, found.spikes_per_neuron) == (0, 0, 0)
    assert (found.neuron_updates, found.neuron_updates_event) == (80, 0)
    assert isinstance(found.energy, list)
    assert [one.picojoules for one in found.energy] == [0, 80 * 52]


def test_what_has_no_meaning_for_a_conventional_network_says_so() -> None:
    found = of("all", False, CONVENTIONAL, *read_cost_tables(COST_TABLES))
    assert (found.effective_ac, found.effective_mac, found.neuron_updates) == (25, 250, 25)
    assert found.input_sparsity == 0
    assert found.activation_sparsity == 1 - 20 / 80
    for metric in (found.neuron_updates_event, found.spikes_per_inference, found.spikes_per_neuron):
        assert isinstance(metric, NotApplicable)
    assert isinstance(found.energy, list)
    assert found.energy[0].picojoules == pytest.approx(25 * 0.9 + 250 * 4.6, rel=1e-12)
    assert found.energy[1].picojoules == NotApplicable(
        not_applicable="the table loihi has no multiply-accumulates, but the model has"
    )


def test_a_model_that_multiplies_with_nothing_is_still_one_that_multiplies() -> None:
    silent = Account(1, 1, 1, 0, [Bundle("w", "MAC", 0, 4, 4, 4)], [Layer(1, None, 0)])
    found = of("energy", False, silent, read_cost_table("loihi"))
    assert isinstance(found.energy, list)
    assert isinstance(found.energy[0].picojoules, NotApplicable)
    assert found.effective_mac == 0


def test_without_neurons_or_weights_there_is_nothing_to_divide_by() -> None:
    table = CostTable(
        name="mine",
        technology="x",
        source="y",
        addition_picojoules=1.0,
        multiply_accumulate_picojoules=2.0,
        neuron_update_picojoules=3.0,
    )
    found = of("all", False, Account(1, 1, 1, 1), table)
    for metric in (
        found.connection_sparsity,
        found.activation_sparsity,
        found.neuron_updates,
        found.neuron_updates_event,
    ):
        assert isinstance(metric, NotApplicable)
    assert isinstance(found.energy, list)
    assert found.energy[0].picojoules == NotApplicable(
        not_applicable="the table mine charges neuron updates, but the model has no neurons"
    )


def test_a_model_that_does_not_say_is_not_applicable_never_0() -> None:
    found = of("all", True, None, *read_cost_tables(COST_TABLES))
    assert found.footprint_bytes == 4096
    others = found.model_dump(exclude={"footprint_bytes", "latency"})
    reason = "the model m does not count its operations (no account)"
    assert all(value == {"not_applicable": reason} for value in others.values())


def test_updates_without_event_are_charged_one_by_one() -> None:
    table = CostTable(
        name="mine",
        technology="x",
        source="y",
        addition_picojoules=0.0,
        neuron_update_picojoules=3.0,
        idle_neuron_update_picojoules=1.0,
    )
    assert table.energy(7, None, 10, None).picojoules == 30
    assert table.energy(7, None, 10, 4).picojoules == 4 * 3 + 6 * 1


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("all", list(GROUPS)),
        ("latency, footprint", ["footprint", "latency"]),
        ("energy", ["operations", "updates", "energy"]),  # with the counts it is made of
        ("spikes,spikes,", ["spikes"]),
    ],
)
def test_groups(text: str, groups: list[str]) -> None:
    assert read_groups(text) == groups


@pytest.mark.parametrize("text", ["", "accuracy", "footprint,sparsty", ","])
def test_unknown_groups(text: str) -> None:
    with pytest.raises(UnknownNameError, match="unknown group of metrics"):
        read_groups(text)


def test_only_what_was_asked_for_is_there() -> None:
    found = of("sparsity", True, SPIKING).model_dump(exclude_none=True)
    assert set(found) == {"connection_sparsity", "activation_sparsity", "input_sparsity"}


def test_latency_counts_from_the_last_rise() -> None:
    # 95 % of 40 are 38.
    found = latency_of([0.1, 0.2, 0.3, 0.4, 0.5], [39, 37, 38, 41, 40], 80)
    assert found == Latency(
        times_s=[0.1, 0.2, 0.3, 0.4, 0.5],
        accuracy=[39 / 80, 37 / 80, 38 / 80, 41 / 80, 40 / 80],
        to_95_percent_s=0.3,
    )
    early = latency_of([0.5, 1.0], [19, 20], 20)
    assert isinstance(early, Latency)
    assert early.to_95_percent_s == 0.5
    assert isinstance(latency_of([0.5, 1.0], [3, 0], 20), NotApplicable)


@pytest.mark.parametrize(
    ("times", "correct"), [([], []), ([1.0], [1, 2]), ([1.0], [21]), ([1.0], [-1])]
)
def test_latency_of_numbers_that_do_not_fit(times: list[float], correct: list[int]) -> None:
    with pytest.raises(ValueError, match=r"counts of 20 samples"):
        latency_of(times, correct, 20)


class Hearing(Classifier):
    """Says 1 as soon as it has heard a spike, else 0."""

    Config = ModelConfig
    spiking = False

    def forward(self, batch: EventBatch) -> Output:
        assert batch.n_steps == 10
        heard = (batch.offsets.diff() > 0).long()
        return Output(torch.nn.functional.one_hot(heard, 2).float())


def hearing(path: Path) -> tuple[Hearing, BinnedSamples]:
    with SpikeWriter(path, 2, ["silence", "sound"], {}) as writer:
        for time, label in ((0.05, 1), (0.25, 0), (0.75, 1)):
            writer.append(np.array([time]), np.array([0]), label=label, speaker=0)
    samples = BinnedSamples(SpikeDataset(str(path)), 0.1, 10, "counts")
    return Hearing(ModelConfig(), DataShape(2, 2, 10, 0.1, 0.1)), samples


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_latency_by_hand(tmp_path: Path, batch_size: int) -> None:
    model, samples = hearing(tmp_path / "three.h5")
    predicted = run_model(model, samples, batch_size).predicted
    found = measure_cost(model, "hearing", samples, predicted, batch_size, ["latency"]).latency
    # The first is right from 0.1 s on, the second until it hears its spike after 0.2 s, the third from 0.8 s on. As
    # many are right at 0.1 s as in the end, but it does not stay so.
    assert isinstance(found, Latency)
    assert found.times_s == pytest.approx([k / 10 for k in range(1, 11)], rel=1e-12)
    assert found.accuracy == [2 / 3, 2 / 3, *[1 / 3] * 5, *[2 / 3] * 3]
    assert found.to_95_percent_s == pytest.approx(0.8, rel=1e-12)


def test_a_model_without_an_account_is_measured_as_far_as_it_goes(tmp_path: Path) -> None:
    model, samples = hearing(tmp_path / "three.h5")
    found = measure_cost(model, "hearing", samples, np.array([1, 1, 1]), 2, GROUPS)
    assert found.footprint_bytes == 0  # it has no numbers at all
    assert isinstance(found.latency, Latency)
    assert isinstance(found.effective_ac, NotApplicable)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> BinnedSamples:
    """24 samples of 12 units, drawn at random: some cells have two spikes, some samples end early."""
    path, rng = tmp_path_factory.mktemp("drawn") / "drawn.h5", np.random.default_rng(8)
    with SpikeWriter(path, 12, ["a", "b", "c"], {}) as writer:
        for k in range(24):
            n = int(rng.integers(5, 60))
            times = np.sort(rng.random(n)) * rng.uniform(0.1, 0.3)
            writer.append(times, rng.integers(0, 12, n), label=k % 3, speaker=0)
    return BinnedSamples(SpikeDataset(str(path)), 0.01, 30, "counts")


@pytest.mark.parametrize("name", list(MODELS))
def test_the_last_short_batch_counts_by_its_samples(name: str, drawn: BinnedSamples) -> None:
    torch.manual_seed(0)
    kind = model_class(name)
    model = kind(kind.Config(), DataShape(12, 3, 30, 0.01, 0.1)).eval()
    if isinstance(model, CountClassifier):
        model.fit_counts(*((model.counts_of(drawn), drawn.labels) for _ in range(2)))
    tables = read_cost_tables(COST_TABLES)
    found = []
    for batch_size in (24, 7, 1):  # 24 samples: one batch; 7, 7, 7, 3; one by one
        predicted = run_model(model, drawn, batch_size).predicted
        found.append(measure_cost(model, name, drawn, predicted, batch_size, GROUPS, tables))
    assert found[0] == found[1] == found[2]
    whole = found[0]
    assert None not in [getattr(whole, field) for field in Metrics.model_fields]
    assert isinstance(whole.effective_ac, float)
    assert isinstance(whole.effective_mac, float)
    adds = name not in ("cnn", "mlp_counts", "svm") and not model.on_audio
    assert (whole.effective_ac > 0) == adds
    assert (whole.effective_mac > 0) == (not model.spiking and name != "linear_bins")
    raster = drawn.batch(np.arange(24)).dense()
    assert whole.input_sparsity == 1 - int(torch.count_nonzero(raster)) / raster.numel()
    if model.spiking:
        spikes = run_model(model, drawn, 24).spikes_per_sample
        assert whole.spikes_per_inference == pytest.approx(spikes, rel=1e-12)


def test_shipped_tables() -> None:
    horowitz, loihi = read_cost_tables(COST_TABLES)
    assert (horowitz.addition_picojoules, horowitz.multiply_accumulate_picojoules) == (0.9, 4.6)
    assert (loihi.addition_picojoules, loihi.multiply_accumulate_picojoules) == (23.6, None)
    assert (loihi.neuron_update_picojoules, loihi.idle_neuron_update_picojoules) == (81, 52)
    assert [horowitz.name, loihi.name] == list(COST_TABLES)
    assert all("doi:" in table.source for table in (horowitz, loihi))
    folder = Path(sys.modules[CostTable.__module__].__file__ or "").parent / "cost_tables"
    assert {path.stem for path in folder.iterdir()} == set(COST_TABLES)


OWN = 'name = "mine"\ntechnology = "a chip"\nsource = "measured"\naddition_picojoules = 2\n'


def test_an_own_table(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(OWN)
    table = read_cost_table(str(path))
    assert table.energy(10, None, None, None).picojoules == 20
    assert [t.name for t in read_cost_tables([str(path), "loihi"])] == ["mine", "loihi"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OWN + "addition_picojoules = 3\n", "not readable as TOML"),
        (OWN.replace("2", "-1"), "addition_picojoules: must be at least 0, not -1"),
        (OWN.replace("2", "nan"), "addition_picojoules: must be a finite number"),
        (OWN.replace("2", "inf"), "addition_picojoules: must be a finite number"),
        (OWN.replace("2", "1e400"), "addition_picojoules: must be a finite number"),
        (OWN.replace("2", "true"), "addition_picojoules: must be a number, not True"),
        (OWN.replace("2", '"2"'), "addition_picojoules: must be a number, not '2'"),
        (OWN.replace("2", "9" * 5000), "not readable as TOML"),
        (OWN.replace("2", "9" * 400), "addition_picojoules: must be "),
        (OWN + "adition_picojoules = 1\n", "Did you mean 'addition_picojoules'"),
        (OWN + '"\\u001b[31mred" = 1\n', "x1b.31mred"),
        (OWN + f"{'k' * 9000} = 1\n", "kkk…: unknown key"),
        (OWN.replace("mine", "../mine"), "name: must match"),
        (OWN.replace("mine", "<script>"), "name: must match"),
        (OWN.replace("mine", "loihi"), "loihi is a shipped table"),
        (
            OWN.replace("a chip", "\\u001b[2J"),
            "technology: contains characters that cannot be printed",
        ),
        (
            OWN.replace("a chip", "\\u202e"),
            "technology: contains characters that cannot be printed",
        ),
        (OWN.replace("measured", ""), "source: must have at least 1 char"),
        (OWN.replace("measured", "x" * 501), "source: must have at most 500 char"),
        ("", "name: is missing"),
        ("a = " + "[" * 50_000, "nested too deeply|not readable"),
        ("#" * 70_000, "larger than 65536 bytes"),
        ("\udcff", "not readable as TOML"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_in_one_line(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ResultError, match=message.replace("[", r"\[")) as refused:
        read_cost_table(str(path))
    said = str(refused.value)
    assert said.startswith(str(path))
    assert said.isprintable()
    assert len(said) < 600


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'loihi'"):
        read_cost_table("loihy")
    for name in ("missing.toml", "folder.toml", "pipe.toml"):
        path = tmp_path / name
        if name == "folder.toml":
            path.mkdir()
        if name == "pipe.toml":
            os.mkfifo(path)
        with pytest.raises(ResultError, match="no such file"):
            read_cost_table(str(path))
    own = tmp_path / "own.toml"
    own.write_text(OWN)
    with pytest.raises(ResultError, match="two cost tables are named mine"):
        read_cost_tables([str(own), str(own)])
    with pytest.raises(ValidationError, match="frozen"):
        read_cost_table(str(own)).name = "other"
