"""Damage done to spikes after the conversion: what is added, removed and moved."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from spikebench.degradation.conditions import parse_condition
from spikebench.degradation.degraded import generator_of
from spikebench.events.cache import FlatEvents
from spikebench.events.dataset import SpikeDataset
from spikebench.noise.after_conversion import damage_spikes, has_counterpart
from spikebench.recordings.named import NamedRecordings, Piece

N_UNITS = 10
CF = np.geomspace(8000, 100, N_UNITS)


def made(
    sizes: list[int], speakers: list[int], first_unit: int = 0, seconds: float = 0.5
) -> SpikeDataset:
    rng = np.random.default_rng(len(sizes))
    spikes = [
        (
            np.sort(rng.random(size)) * seconds,
            first_unit + rng.integers(0, N_UNITS - first_unit, size),
        )
        for size in sizes
    ]
    events = FlatEvents.from_samples(
        spikes, N_UNITS, np.zeros(len(sizes), np.int64), np.array(speakers)
    )
    events.durations[:] = seconds
    pieces = tuple(Piece(f"{k}.wav", f"{k:064x}") for k in range(len(sizes)))
    return SpikeDataset(events, recordings=NamedRecordings(Path("x"), Path("x.h5"), pieces))


SAMPLES = made([200, 0, 1, 40], [0, 0, 1, 2])
TRAIN = made([300] * 12, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, -1])


def damaged(name: str, seed: int = 0, cf: np.ndarray | None = CF) -> SpikeDataset:
    return damage_spikes(SAMPLES, TRAIN, parse_condition(name), seed, cf)


@pytest.mark.parametrize("kind", ["white", "pink", "babble"])
@pytest.mark.parametrize("ratio", [-5, 0, 10, 30])
def test_as_many_spikes_are_added_as_the_ratio_says(kind: str, ratio: int) -> None:
    found = damaged(f"{kind}:{ratio}dB")
    for own, other in zip(SAMPLES, found, strict=False):
        assert other.times.size == own.times.size + round(own.times.size * 10 ** (-ratio / 10))
        assert (np.diff(other.times) >= 0).all()
        kept = {*zip(own.times.astype(np.float32).tolist(), own.units.tolist(), strict=True)}
        assert kept <= {*zip(other.times.tolist(), other.units.tolist(), strict=True)}
        assert other.times.size == 0 or other.times.max() <= own.duration
        assert other.duration == own.duration
    assert found.index.tolist() == SAMPLES.index.tolist()


def test_white_noise_is_likely_in_proportion_to_frequency_and_pink_noise_everywhere() -> None:
    many = made([40_000], [0])
    for name, expected in (("white:0dB", CF / CF.sum()), ("pink:0dB", np.full(N_UNITS, 0.1))):
        found = damage_spikes(many, TRAIN, parse_condition(name), 0, CF)
        counts = np.bincount(found[0].units, minlength=N_UNITS) - np.bincount(
            many[0].units, minlength=N_UNITS
        )
        error = 4.5 * np.sqrt(40_000 * expected * (1 - expected))
        assert (np.abs(counts - 40_000 * expected) <= error).all(), name
    unknown = damage_spikes(many, TRAIN, parse_condition("white:0dB"), 0, None)
    counts = np.bincount(unknown[0].units) - np.bincount(many[0].units)
    assert (np.abs(counts - 4000) <= 4.5 * math.sqrt(4000)).all()


def test_babble_is_of_other_known_speakers() -> None:
    train = made([300] * 4, [0, 0, 1, -1])
    found = damaged_by(train, "babble:0dB")
    own = {
        *zip(SAMPLES[0].times.astype(np.float32).tolist(), SAMPLES[0].units.tolist(), strict=True)
    }
    said = {*zip(train[2].times.astype(np.float32).tolist(), train[2].units.tolist(), strict=True)}
    added = {*zip(found[0].times.tolist(), found[0].units.tolist(), strict=True)} - own
    assert len(added) == 200
    assert added <= said
    # Where there is less than is asked for, all of it is added.
    assert damaged_by(train, "babble:-20dB")[0].times.size == 500
    assert damaged_by(made([5], [0]), "babble:0dB")[0].times.size == 200


def damaged_by(train: SpikeDataset, name: str) -> SpikeDataset:
    return damage_spikes(SAMPLES, train, parse_condition(name), 0, CF)


def test_stronger_noise_holds_the_weaker() -> None:
    for kind in ("white", "pink"):
        few, many = (damaged(f"{kind}:{ratio}dB")[0] for ratio in (10, 0))
        assert {*few.times.tolist()} <= {*many.times.tolist()}


def test_echoes_of_a_room_come_later_by_its_decay() -> None:
    many = made([60_000], [0], seconds=50.0)
    many.events.durations[:] = 60.0  # all echoes are heard
    found = damage_spikes(many, TRAIN, parse_condition("reverb:500ms"), 0, CF)[0]
    assert found.times.size == 120_000
    # Each unit has twice its spikes; the sum of all times moves by the mean delay of the echoes.
    delay = (found.times.astype(float).sum() - 2 * many[0].times.sum()) / 60_000
    assert delay == pytest.approx(0.5 / (6 * math.log(10)), rel=0.05)
    assert np.bincount(found.units).tolist() == (2 * np.bincount(many[0].units)).tolist()
    many.events.durations[:] = 0.0  # the last spike is then the end
    assert (
        119_000
        < damage_spikes(many, TRAIN, parse_condition("reverb:500ms"), 0, CF)[0].times.size
        < 120_000
    )


def test_a_telephone_silences_units() -> None:
    inside = (CF >= 300) & (CF <= 3400)
    found = damaged("telephone")[0]
    assert found.units.tolist() == SAMPLES[0].units[inside[SAMPLES[0].units]].tolist()
    assert has_counterpart(parse_condition("telephone"), CF)
    assert not has_counterpart(parse_condition("telephone"), None)


def test_speed_scales_times() -> None:
    found = damaged("speed:1.25")[0]
    assert_allclose(found.times, SAMPLES[0].times / 1.25, rtol=1e-6)
    assert found.duration == 0.4


def test_packets_are_those_of_the_recording() -> None:
    found = damaged("loss:40%", seed=3)[0]
    lost = generator_of(3, "loss", f"{0:064x}").random(25) < 0.4
    packet = [int(time / 0.02) for time in SAMPLES[0].times]
    kept = [k for k, one in enumerate(packet) if not lost[one]]
    assert found.times.tolist() == SAMPLES[0].times[kept].astype(np.float32).tolist()
    assert not damaged("loss:100%")[0].times.size


def test_what_has_no_counterpart_is_refused() -> None:
    for name in ("clipping:20dB", "level:20dB", "recorded:5dB"):
        assert not has_counterpart(parse_condition(name), CF)
        with pytest.raises(ValueError, match="has no counterpart"):
            damaged(name)
    assert damaged("clean") is SAMPLES


def test_damage_depends_on_recording_kind_and_seed() -> None:
    for name in ("white:5dB", "babble:5dB", "reverb:500ms", "loss:20%"):
        first, again, other = (damaged(name, seed)[0] for seed in (0, 0, 1))
        assert first.times.tolist() == again.times.tolist() != other.times.tolist()
