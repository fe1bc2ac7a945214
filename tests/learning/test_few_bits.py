"""Weights of few bits: rounding, training with rounded weights, and what refuses them."""

from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from helpers.toy import write_toy
from hypothesis import given
from hypothesis.extra.numpy import arrays

from spikebench.errors import TrainingError
from spikebench.evaluation.measurement import measure_cost
from spikebench.learning.few_bits import (
    N_STEPS,
    connections,
    n_levels,
    round_tensors,
    rounded,
    rounded_in,
)
from spikebench.metrics.operations import footprint_of
from spikebench.models.base import Classifier, DataShape, model_class
from spikebench.presets.preset import TrainingSettings, read_preset
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.training.checkpoint import Epoch
from spikebench.training.inference import bin_samples, build_model, load_trained, run_model
from spikebench.training.loop import fit, start_run
from spikebench.training.run import WEIGHTS_FILE, load_tensors, save_tensors
from spikebench.training.run_record import RunRecord

SETTINGS = [
    *("input.time_step_ms=10", "input.duration_ms=300", "training.batch_size=16"),
    *("training.epochs=3", "model.hidden_units=[8]"),
]


@pytest.fixture(scope="module")
def selection(tmp_path_factory: pytest.TempPathFactory) -> SelectionData:
    return open_selection(str(write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")))


def start(folder: Path, selection: SelectionData, *more: str) -> RunRecord:
    return start_run(folder, "silif", read_preset("silif", None, [*SETTINGS, *more]), selection, 0)


finite = st.floats(-1e3, 1e3).filter(lambda x: x == 0 or abs(x) > 1e-6)


@given(arrays(np.float64, st.integers(1, 12), elements=finite), st.sampled_from([2, 3, 4, 8]))
def test_no_other_step_of_the_list_is_better(values: np.ndarray, bits: int) -> None:
    """Against an oracle that writes out every candidate with numpy."""
    most = 2 ** (bits - 1) - 1
    found = rounded(torch.from_numpy(values), bits).numpy()
    assert np.unique(found).size <= n_levels(bits)
    largest = np.abs(values).max()
    if largest == 0:
        assert not found.any()
        return
    errors = []
    for k in range(1, N_STEPS + 1):
        step = largest * (k / N_STEPS / most)
        errors.append(((np.clip(np.round(values / step), -most, most) * step - values) ** 2).sum())
    assert ((found - values) ** 2).sum() == pytest.approx(min(errors), rel=1e-9, abs=1e-300)
    assert np.all(found * values >= 0)  # no sign changes


def test_more_bits_are_closer_and_rounded_weights_stay() -> None:
    torch.manual_seed(0)
    weight = torch.randn(50, 40)
    errors = [float((rounded(weight, bits) - weight).norm()) for bits in (2, 4, 8)]
    assert errors[0] > 3 * errors[1] > 3 * 3 * errors[2] > 0
    assert rounded(weight, 2).unique().numel() == 3
    assert torch.equal(rounded(torch.zeros(3, 2), 4), torch.zeros(3, 2))
    tiny = torch.full((2, 2), 1e-45)  # a step would underflow to 0
    assert torch.isfinite(rounded(tiny, 8)).all()


def model_of(name: str, *settings: str) -> Classifier:
    preset, kind = read_preset(name, None, settings), model_class(name)
    shape = DataShape(20, 5, preset.input.n_steps, preset.input.time_step_ms * 1e-3, 0.01)
    return kind(kind.Config.model_validate(preset.model), shape)


def test_connections_are_weights_and_neither_delays_nor_neurons() -> None:
    delayed = model_of("delay_lif")
    assert set(connections(delayed)) == {"hidden.0", "readout.weight"}
    silif = model_of("silif")
    names = {"layers.0.input.weight", "layers.1.input.weight", "readout.weight"}
    assert set(connections(silif)) == names


def test_gradients_are_those_at_the_rounded_weights() -> None:
    torch.manual_seed(1)
    linear = torch.nn.Linear(3, 2, bias=False)
    linear.delay_parameters = lambda: []  # type: ignore[assignment]
    before, x = linear.weight.detach().clone(), torch.randn(4, 3)
    with rounded_in(linear, 2):  # type: ignore[arg-type]
        linear(x).square().sum().backward()
        inside = linear.weight.detach().clone()
    assert torch.equal(linear.weight, before)
    assert torch.equal(inside, rounded(before, 2))
    assert not torch.equal(inside, before)
    torch.testing.assert_close(linear.weight.grad, 2 * (x @ inside.T).T @ x)


def test_aware_training_validates_and_keeps_rounded_weights(
    tmp_path: Path, selection: SelectionData
) -> None:
    bits = ("training.weight_bits=2", "training.weight_average=0.5")
    lines: list[Epoch] = []
    done = fit(
        tmp_path / "whole",
        start(tmp_path / "whole", selection, *bits),
        selection,
        report=lambda line, _: lines.append(line),
    )
    model = load_trained(tmp_path / "whole", done)
    for name, weight in connections(model).items():
        assert np.unique(weight.detach().numpy()).size <= 3, name
    answers = run_model(model, bin_samples(selection.validation, done.preset), 16)
    assert answers.loss == pytest.approx(lines[done.selected_epoch - 1].validation_loss, rel=1e-6)
    _, note = load_tensors(tmp_path / "whole" / WEIGHTS_FILE)
    assert note["weight_bits"] == 2

    def stop(line: Epoch, _: int) -> None:
        if line.epoch == 2:
            raise KeyboardInterrupt

    folder = tmp_path / "parts"
    with pytest.raises(KeyboardInterrupt):
        fit(folder, start(folder, selection, *bits), selection, report=stop)
    fit(folder, start(folder, selection, *bits), selection)
    whole = (tmp_path / "whole" / WEIGHTS_FILE).read_bytes()
    assert (folder / WEIGHTS_FILE).read_bytes() == whole


def test_rounding_after_training_changes_nothing_before(
    tmp_path: Path, selection: SelectionData
) -> None:
    exact = fit(tmp_path / "exact", start(tmp_path / "exact", selection), selection)
    words = ("training.weight_bits=4", 'training.weight_rounding="after"')
    after = fit(tmp_path / "after", start(tmp_path / "after", selection, *words), selection)
    assert after.validation_accuracy == exact.validation_accuracy
    plain, few = load_trained(tmp_path / "exact", exact), load_trained(tmp_path / "after", after)
    for (name, weight), other in zip(
        connections(plain).items(), connections(few).values(), strict=True
    ):
        assert torch.equal(rounded(weight, 4), other), name
        assert not torch.equal(weight, other), name
    rest = set(plain.state_dict()) - set(connections(plain))
    assert all(torch.equal(plain.state_dict()[n], few.state_dict()[n]) for n in rest)


def test_weights_with_more_values_than_bits_are_refused(
    tmp_path: Path, selection: SelectionData
) -> None:
    done = fit(tmp_path, start(tmp_path, selection, "training.weight_bits=3"), selection)
    tensors, note = load_tensors(tmp_path / WEIGHTS_FILE)
    tensors["readout.weight"] = torch.randn_like(tensors["readout.weight"])
    save_tensors(tmp_path / WEIGHTS_FILE, tensors, note)
    with pytest.raises(TrainingError, match=r"readout.weight has .* values; 3 bits allow 7"):
        load_trained(tmp_path, done)


@pytest.mark.parametrize("bits", [0, 2, 5, 8])
def test_footprint_counts_bits(bits: int, tmp_path: Path, selection: SelectionData) -> None:
    record = start(tmp_path, selection, f"training.weight_bits={bits}")
    model = build_model(record)
    samples = bin_samples(selection.validation, record.preset)
    found = measure_cost(
        model, "silif", samples, samples.labels, 16, ["footprint"], weight_bits=bits
    )
    everything = [*model.parameters(), *model.buffers()]
    few = [one for one in model.parameters() if one.dim() == 2] if bits else []
    counted = [
        t.numel() * bits + 32 if any(t is one for one in few) else 8 * t.numel() * t.element_size()
        for t in everything
    ]
    assert found.footprint_bytes == -(-sum(counted) // 8)
    if not bits:
        assert found.footprint_bytes == footprint_of(model)


def test_weights_rounded_to_zero_cost_no_operations(
    tmp_path: Path, selection: SelectionData
) -> None:
    """Of two bits, counted by hand on the input: spikes of a unit times its weights that are not 0."""
    preset = read_preset("lif", None, SETTINGS)
    model = build_model(start_run(tmp_path, "lif", preset, selection, 0))
    samples = bin_samples(selection.validation, preset)
    before = measure_cost(model, "lif", samples, samples.labels, 16, ["operations", "sparsity"])
    model.load_state_dict(round_tensors(model, model.state_dict(), 2))
    after = measure_cost(model, "lif", samples, samples.labels, 16, ["operations", "sparsity"])
    weights = model.state_dict()["hidden.0"]
    assert torch.unique(weights).numel() == 3
    left = (weights != 0).sum(1).numpy()
    assert 0 < left.sum() < weights.numel()
    assert isinstance(before.operations, list)
    assert isinstance(after.operations, list)
    dense, rounded_ = before.operations[0], after.operations[0]
    assert dense.name == rounded_.name == "hidden.0"
    spikes = samples.counts()
    assert dense.effective == pytest.approx((spikes.sum() * weights.shape[1]) / len(samples))
    assert rounded_.effective == pytest.approx((spikes @ left).sum() / len(samples))
    assert (rounded_.dense, rounded_.zero_weights) == (dense.dense, weights.numel() - left.sum())
    assert before.connection_sparsity == 0
    zeros = sum(int((one == 0).sum()) for one in connections(model).values())
    everything = sum(one.numel() for one in connections(model).values())
    assert after.connection_sparsity == pytest.approx(zeros / everything)


def test_settings_that_cannot_be(tmp_path: Path, selection: SelectionData) -> None:
    assert not {"weight_bits", "weight_rounding"} & set(TrainingSettings().model_dump())
    for bits in (1, 9, -2):
        with pytest.raises(TrainingError, match="weight_bits"):
            read_preset("silif", None, [f"training.weight_bits={bits}"])
    with pytest.raises(TrainingError, match="no effect without weight_bits"):
        read_preset("silif", None, ['training.weight_rounding="after"'])
    preset = read_preset("svm", None, [*SETTINGS[:2], "training.weight_bits=4"])
    with pytest.raises(
        TrainingError, match=r"svm: .* does not round .*remove training.weight_bits"
    ):
        start_run(tmp_path, "svm", preset, selection, 0)
