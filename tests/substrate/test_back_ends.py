"""Emulated substrates: the ideal limit, fixed patterns, noise, saturation, and integers calculated by hand."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from helpers.batches import batch_of

from spikebench.events.batches import EventBatch
from spikebench.kernels.choice import choose_kernels
from spikebench.kernels.neuron import Neuron
from spikebench.learning.in_the_loop import Network, Recording, Substrate, Weights
from spikebench.substrate.analog import Analog, Fleet
from spikebench.substrate.fixed_point import FixedPoint
from spikebench.substrate.ideal import Ideal
from spikebench.substrate.integers import to_integers
from spikebench.substrate.settings import AnalogSettings, FixedPointSettings

KERNELS = choose_kernels("cpu", "reference")
NETWORK = Network(6, 3, 0.4, 0.6, 0.9, Neuron())
PERFECT = AnalogSettings(
    tau_mem_mismatch=0,
    tau_syn_mismatch=0,
    threshold_mismatch=0,
    gain_mismatch=0,
    weight_bits=16,
    readout_bits=16,
    readout_noise_lsb=0,
    membrane_noise=0,
    current_range=1e3,
    membrane_range=100.0,
    readout_range=10.0,
)


def weights(recurrent: bool = True) -> Weights:
    generator = torch.Generator().manual_seed(1)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    back = drawn(6, 6) if recurrent else None
    return Weights(drawn(5, 6), back, drawn(6, 3))


def batch(seed: int = 0) -> EventBatch:
    raster = np.random.default_rng(seed).random((4, 20, 5)) < 0.3
    return batch_of(torch.from_numpy(raster).float())


def ran(substrate: Substrate, recurrent: bool = True, seed: int = 0) -> Recording:
    substrate.configure(weights(recurrent))
    return substrate.run(batch(seed))


def analog(settings: AnalogSettings, device: int = 0, trial: int = 0) -> Analog:
    return Analog(NETWORK, settings, KERNELS, device, trial)


@pytest.mark.parametrize("recurrent", [True, False])
def test_a_perfect_analog_device_is_the_software(recurrent: bool) -> None:
    expected = ran(Ideal(NETWORK, KERNELS), recurrent)
    found = ran(analog(PERFECT), recurrent)
    assert expected.spikes.sum() > 10
    torch.testing.assert_close(found.spikes, expected.spikes, rtol=0, atol=0)
    # Half a step of the converters, and weights of 16 bits.
    torch.testing.assert_close(found.membranes, expected.membranes, rtol=0, atol=5e-3)
    torch.testing.assert_close(found.readout, expected.readout, rtol=0, atol=5e-4)
    assert {one.dtype for one in vars(found).values()} == {torch.float32}


@pytest.mark.parametrize("recurrent", [True, False])
def test_wide_integers_are_the_software(recurrent: bool) -> None:
    settings = FixedPointSettings(weight_bits=16, state_bits=32, fraction_bits=8, decay_bits=18)
    expected = ran(Ideal(NETWORK, KERNELS), recurrent)
    found = ran(FixedPoint(NETWORK, settings, KERNELS), recurrent)
    torch.testing.assert_close(found.spikes, expected.spikes, rtol=0, atol=0)
    torch.testing.assert_close(found.membranes, expected.membranes, rtol=0, atol=2e-3)


def test_fixed_patterns_belong_to_the_device() -> None:
    settings = AnalogSettings(membrane_noise=0, readout_noise_lsb=0)
    first, again, other = (ran(analog(settings, device)) for device in (0, 0, 1))
    assert torch.equal(first.membranes, again.membranes)
    assert not torch.equal(first.membranes, other.membranes)
    device = analog(AnalogSettings(gain_mismatch=0))
    assert np.all(device.gain == 1)
    assert 0.3 < device.tau_mem.min() < 1 < device.tau_mem.max() < 3


def test_one_neuron_of_a_device_calculated_by_hand() -> None:
    network = Network(1, 1, 0.5, 0.5, 0.5, Neuron())
    device = Analog(network, PERFECT, KERNELS, 0, 0)
    device.tau_mem[:], device.tau_syn[:], device.gain[:], device.threshold[:] = 2.0, 0.5, 1.5, 0.5
    device.configure(Weights(torch.ones(1, 1), torch.full((1, 1), -1.0), torch.ones(1, 1)))
    recording = device.run(batch_of(torch.tensor([[[1.0], [0.0], [0.0]]])))
    beta, alpha = 0.5 ** (1 / 2), 0.5 ** (1 / 0.5)
    u0 = (1 - beta) * 1.5  # 0.439: below the threshold of 0.5
    i1 = alpha * 1.5
    u1 = beta * u0 + (1 - beta) * i1
    i2 = alpha * i1
    u2 = beta * u1 + (1 - beta) * i2
    assert max(u0, u1, u2) < 0.5
    assert recording.spikes.sum() == 0
    np.testing.assert_allclose(recording.membranes.ravel(), [u0, u1, u2], rtol=0, atol=2e-3)


def test_trials_differ_and_can_be_repeated() -> None:
    device = analog(AnalogSettings())
    first, second = ran(device), ran(device)
    assert not torch.equal(first.membranes, second.membranes)
    same = analog(AnalogSettings())
    assert torch.equal(ran(same).membranes, first.membranes)
    assert torch.equal(ran(same).membranes, second.membranes)
    assert not torch.equal(ran(analog(AnalogSettings(), trial=1)).membranes, first.membranes)


def test_noise_has_its_strength() -> None:
    quiet = AnalogSettings(membrane_noise=0.05, membrane_range=1.0, readout_bits=16)
    device = analog(quiet)
    device.configure(Weights(torch.zeros(5, 6), None, torch.zeros(6, 3)))
    nothing = batch_of(torch.zeros(200, 60, 5))
    last = device.run(nothing).membranes[:, -1].numpy()
    decay = 0.6 ** (1 / device.tau_mem)
    np.testing.assert_allclose(last.std(0), 0.05 / np.sqrt(1 - decay**2), rtol=0.25)


def test_converters_and_saturation_limit_what_is_recorded() -> None:
    settings = AnalogSettings(membrane_range=0.5, readout_range=0.05, readout_bits=4)
    recording = ran(analog(settings))
    levels = torch.unique(recording.membranes) / (0.5 / 7)
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-5)
    assert levels.abs().max().item() == pytest.approx(7, rel=1e-6)
    assert recording.readout.abs().max() == pytest.approx(0.05, rel=1e-6)
    assert recording.spikes.sum() == 0  # no membrane reaches a threshold near 1


def test_a_fleet_has_another_device_in_every_trial() -> None:
    settings = AnalogSettings(membrane_noise=0, readout_noise_lsb=0)
    fleet, same = (Fleet(NETWORK, settings, KERNELS, seed=3) for _ in range(2))
    first, second = ran(fleet), ran(fleet)
    assert not torch.equal(first.membranes, second.membranes)
    assert torch.equal(ran(same).membranes, first.membranes)


def test_integers_of_a_digital_chip_calculated_one_by_one() -> None:
    """Every state in Python's integers, with truncation towards 0."""
    settings = FixedPointSettings(weight_bits=4, state_bits=8, fraction_bits=2, decay_bits=4)
    chip = FixedPoint(NETWORK, settings, KERNELS)
    written, events = weights(), batch()
    recording = ran(chip)
    (into, back), step = to_integers([written.input, written.recurrent], 4)
    threshold, most, one = round(Fraction(4) / Fraction(step)), 127, 16
    a, b = round(0.4 * one), round(0.6 * one)

    def limited(value: int) -> int:
        return max(-most, min(most, value))

    def shifted(value: int) -> int:
        return -(-value // one) if value < 0 else value // one

    raster = events.dense().int().tolist()
    for sample, rows in enumerate(raster):
        syn, mem, fired = [0] * 6, [0] * 6, [0] * 6
        for t, row in enumerate(rows):
            before = fired
            fired = [0] * 6
            for j in range(6):
                arriving = sum(int(into[i, j]) * row[i] for i in range(5))
                arriving += sum(int(back[i, j]) * before[i] for i in range(6))
                syn[j] = limited(shifted(a * syn[j]) + 4 * arriving)
                mem[j] = limited(shifted(b * mem[j] + (one - b) * syn[j])) * (1 - before[j])
                fired[j] = int(mem[j] >= threshold)
            assert recording.spikes[sample, t].int().tolist() == fired
            expected = [value * step / 4 for value in mem]
            np.testing.assert_allclose(recording.membranes[sample, t], expected, rtol=1e-6)
    assert recording.spikes.sum() > 0


def test_weights_have_their_bits() -> None:
    (integers,), step = to_integers([torch.tensor([-3.1, 0.2, 1.0])], 6)
    assert integers.tolist() == [-31, 2, 10]
    assert step == pytest.approx(0.1)
    assert to_integers([torch.zeros(2)], 6)[1] == 1


def test_a_substrate_without_weights_is_refused() -> None:
    for substrate in (
        analog(PERFECT),
        FixedPoint(NETWORK, FixedPointSettings(), KERNELS),
        Ideal(NETWORK, KERNELS),
        Fleet(NETWORK, PERFECT, KERNELS, 0),
    ):
        with pytest.raises(ValueError, match="call configure first"):
            substrate.run(batch())
