"""A click and a tone as spikes, and a few steps of training: whether the parts work together on this machine.

Clicks and tones are computed, so no file is read. A tone must excite the channels of its frequency, and a network must
fit four samples better after a few steps of its learning rule than before.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from spikebench.doctor.finding import Finding
from spikebench.encoders import DEFAULT_ENCODER
from spikebench.encoders.encoder import make_encoder

_UNITS, _RATE = 70, 16_000  # as the packaged data set; Hz
_TONE = 1000.0  # Hz
_OCTAVE = 0.5  # distance from the tone within which most spikes must lie
_STEPS = 20


def run_self_test(*, trains: bool = True) -> list[Finding]:
    """Encode a click and a tone, and train a small network.

    Parameters
    ----------
    trains
        Whether PyTorch is there to train with.

    Returns
    -------
    list of Finding
        One for each of the two.
    """
    found = [_tried("encoding", _encode)]
    return [*found, _tried("training", _train)] if trains else found


def _tried(name: str, test: Callable[[], tuple[bool, str]]) -> Finding:
    began = time.perf_counter()
    try:
        is_right, found = test()
    except Exception as error:  # whatever is wrong with the machine
        text = str(error).splitlines()[0] if str(error) else ""
        is_right, found = False, f"{type(error).__name__}: {text}"
    found = f"{found}; {time.perf_counter() - began:.1f} s"
    if is_right:
        return Finding(name, "ok", found)
    return Finding(
        name,
        "broken",
        found,
        "reinstall spikebench with its packages in a new environment; if that does not help, report "
        "'spikebench doctor --json'",
    )


def _encode() -> tuple[bool, str]:
    encoder = make_encoder(DEFAULT_ENCODER, None, _UNITS)
    frequencies = encoder.characteristic_frequencies()
    assert frequencies is not None
    times = np.arange(round(0.2 * _RATE)) / _RATE
    click = np.where(np.arange(times.size) == times.size // 2, 1.0, 0.0)
    tone = 0.1 * np.sin(2 * np.pi * _TONE * times)
    clicked, heard = (encoder.encode(sound, _RATE, [0]) for sound in (click, tone))
    counts = np.bincount(heard.units, minlength=_UNITS)
    best = float(frequencies[int(counts.argmax())])
    is_right = clicked.units.size > 0 and abs(np.log2(best / _TONE)) < _OCTAVE
    return is_right, (
        f"a click of {clicked.units.size} spikes; most spikes of a tone of {_TONE:g} Hz in the channel of {best:.0f} Hz"
    )


def _train() -> tuple[bool, str]:
    """Two classes: early or late spikes in half of the units."""
    import torch

    from spikebench.events.batches import BinnedSamples
    from spikebench.events.cache import FlatEvents
    from spikebench.events.dataset import SpikeDataset
    from spikebench.learning.bptt import BackPropagation
    from spikebench.learning.ranks import Ranks
    from spikebench.models.base import DataShape
    from spikebench.models.configs.lif import LIFConfig
    from spikebench.models.lif import LIF
    from spikebench.presets.preset import read_preset
    from spikebench.training.inference import one_thread

    rng = np.random.default_rng(0)
    labels = np.array([0, 1, 0, 1])
    clips = [
        (
            np.sort(rng.uniform(0.1 * label, 0.1 + 0.1 * label, 200)),
            rng.integers(0, 20, 200) + 20 * label,
        )
        for label in labels.tolist()
    ]
    samples = SpikeDataset(FlatEvents.from_samples(clips, 40, labels))
    binned = BinnedSamples(samples, 0.01, 20, "counts")
    preset = read_preset("lif", overrides=["training.unit_jitter_percent=0"])
    shape = DataShape(n_units=40, n_classes=2, n_steps=20, time_step=0.01, input_rate=0.25)
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LIF(LIFConfig(hidden_units=(32,)), shape)
        rule = BackPropagation(model, preset, torch.ones(2), Ranks(), 0)
        batch = binned.batch(np.arange(4))
        losses = [rule.update(batch, 0.01) for _ in range(_STEPS)]
    is_right = bool(np.isfinite(losses).all()) and losses[-1] < losses[0]
    return is_right, f"loss {losses[0]:.3f}, after {_STEPS} steps {losses[-1]:.3f}"
