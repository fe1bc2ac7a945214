"""Using models: build from a run, move to a device, compute predictions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from spikebench.errors import TrainingError, out_of_memory
from spikebench.events.batches import BinnedSamples
from spikebench.events.dataset import SpikeDataset
from spikebench.kernels.choice import choose_kernels
from spikebench.learning.few_bits import too_many_values
from spikebench.learning.rule import device_of
from spikebench.mel.batches import MelSamples
from spikebench.mel.cache import Progress, mel_frames, silent
from spikebench.models.base import Classifier, DataShape
from spikebench.models.own_file import class_of
from spikebench.presets.preset import Preset
from spikebench.records.problems import first_problem
from spikebench.training.checkpoint import check_tensors
from spikebench.training.run import WEIGHTS_FILE, load_tensors
from spikebench.training.run_record import RunRecord


def build_model(record: RunRecord) -> Classifier:
    """Build the model of a run with its initial weights, which are determined by the seed.

    Parameters
    ----------
    record
        The run.

    Returns
    -------
    Classifier
        On the CPU.

    Raises
    ------
    TrainingError
        If the preset's input or ``[model]`` table does not fit the model.
    """
    check_input(record.model, record.preset, record.code_sha256)
    kind = class_of(record.model, record.code_sha256)
    settings = record.preset.input
    try:
        config = kind.Config.model_validate(record.preset.model)
    except ValidationError as error:
        raise TrainingError(f"model {record.model}: {first_problem(error, kind.Config)}") from None
    shape = DataShape(
        n_units=record.preset.n_inputs(record.dataset.n_units),
        n_classes=len(record.dataset.classes),
        n_steps=settings.n_steps,
        time_step=settings.time_step_ms * 1e-3,
        input_rate=record.input_rate or 0.0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(record.seed, 0))
        try:
            return kind(config, shape)
        except (RuntimeError, MemoryError, ArithmeticError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            if out_of_memory(error):
                reason = "not enough memory; make the model smaller ([model] in the preset)"
            raise TrainingError(f"model {record.model} cannot be built: {reason}") from None


def check_input(model: str, preset: Preset, code_sha256: str | None = None) -> None:
    """Refuse a preset for another kind of input than that of a model.

    Parameters
    ----------
    model
        Name of the model.
    preset
        Settings.
    code_sha256
        SHA-256 of the file of a network of the user.

    Raises
    ------
    TrainingError
        If one is for spikes and the other for audio, or the file is not one that the user has named.
    """
    audio = class_of(model, code_sha256).on_audio
    if audio != (preset.mel is not None):
        needed = 'audio: set input.mode = "audio" and [mel]' if audio else "spikes: remove [mel]"
        raise TrainingError(f"model {model} works on {needed}, or choose another preset")


def bin_samples(
    samples: SpikeDataset, preset: Preset, progress: Progress = silent
) -> BinnedSamples:
    """Bin samples with the settings of a preset; for a model on audio, open the mel features of their recordings.

    Parameters
    ----------
    samples
        Events in seconds.
    preset
        Settings.
    progress
        Called after every recording whose features are computed, with their number and total.

    Returns
    -------
    BinnedSamples
        Ready for batches.

    Raises
    ------
    TrainingError
        If mel features are needed and the samples were opened without their recordings, or the settings do not fit.
    DataError, AudioError
        If a recording is missing, is another one, or cannot be used.
    """
    settings = preset.input
    if preset.mel is not None:
        if samples.recordings is None:
            raise TrainingError(
                "the input of this model is audio: give the folder of the recordings with --audio FOLDER"
            )
        frames = mel_frames(samples.recordings, preset.mel.design(settings.time_step_ms), progress)
        return MelSamples(samples, frames, settings.time_step_ms * 1e-3, settings.n_steps)
    return BinnedSamples(
        samples,
        time_step=settings.time_step_ms * 1e-3,
        n_steps=settings.n_steps,
        mode=settings.mode,
        group_units=settings.group_units,
    )


@dataclass(frozen=True)
class ModelPredictions:
    """Predictions of a model for some samples.

    Attributes
    ----------
    predicted : ndarray of int64, shape (samples,)
        Class of each sample.
    loss : float
        Mean cross-entropy.
    spikes_per_sample : float or None
        Mean number of hidden spikes per sample; 0 for a model without any, None for one that does not show them.
    """

    predicted: NDArray[np.int64]
    loss: float
    spikes_per_sample: float | None


@torch.no_grad()
def run_model(
    model: Classifier, samples: BinnedSamples, batch_size: int, part: range | None = None
) -> ModelPredictions:
    """Compute the predictions of a model.

    Parameters
    ----------
    model
        On any device.
    samples
        Binned samples.
    batch_size
        Samples at a time.
    part
        Range of the samples to use; by default all.

    Returns
    -------
    ModelPredictions
        Predictions for these samples.
    """
    model.eval()
    device = device_of(model)
    predicted, loss, spikes = [np.zeros(0, np.int64)], 0.0, 0.0
    part = range(len(samples)) if part is None else part
    for start in range(part.start, part.stop, batch_size):
        chosen = np.arange(start, min(start + batch_size, part.stop))
        output = model(samples.batch(chosen).to(device))
        labels = torch.from_numpy(samples.labels[chosen]).to(device)
        loss += float(torch.nn.functional.cross_entropy(output.scores, labels, reduction="sum"))
        spikes += sum(layer.units.numel() for layer in output.spikes)
        predicted.append(output.scores.argmax(1).cpu().numpy())
    n = max(len(part), 1)
    shown = spikes / n if model.shows_spikes else None
    return ModelPredictions(np.concatenate(predicted), loss / n, shown)


def place(model: Classifier, device: torch.device, record: RunRecord) -> Classifier:
    """Move a model to a device, and choose its kernels for it.

    Parameters
    ----------
    model
        On any device.
    device
        Target device.
    record
        The run, whose preset names the kernels.

    Returns
    -------
    Classifier
        The same model.

    Raises
    ------
    TrainingError
        If there are no such kernels for the device.
    """
    model.kernels = choose_kernels(device, record.preset.training.kernels)
    return model.to(device)


def load_trained(folder: Path, record: RunRecord) -> Classifier:
    """Build the model of a finished run with the selected weights.

    Parameters
    ----------
    folder, record
        The run.

    Returns
    -------
    Classifier
        On the CPU.

    Raises
    ------
    TrainingError
        If the run is not finished or its weights do not fit.
    """
    if record.status != "trained":
        raise TrainingError(
            f"{folder}: training is not finished; first run: spikebench train --resume {folder}"
        )
    return load_weights(folder / WEIGHTS_FILE, record)


def load_weights(path: Path, record: RunRecord) -> Classifier:
    """Build the model of a run with the weights of a file.

    Parameters
    ----------
    path
        Weights as safetensors.
    record
        The run of the weights.

    Returns
    -------
    Classifier
        On the CPU.

    Raises
    ------
    TrainingError
        If names, shapes or types do not fit, a number is not finite, or there are more different weights than the bits
        of the preset allow.
    """
    model = build_model(record)
    tensors, _ = load_tensors(path)
    try:
        model.load_state_dict(tensors)
        check_tensors(tensors, model.state_dict())
    except RuntimeError as error:
        raise TrainingError(f"{path}: {str(error).splitlines()[-1].strip()}") from None
    except ValueError as error:
        raise TrainingError(f"{path}: {error}") from None
    bits = record.preset.training.weight_bits
    if bits and (problem := too_many_values(model, bits)):
        raise TrainingError(f"{path}: {problem}")
    return model


def find_device(name: str) -> torch.device:
    """Return a device by its name; there is no fallback to another one.

    Parameters
    ----------
    name
        ``cpu`` or ``cuda``.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    TrainingError
        If it is not available.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError("device cuda: torch finds no CUDA device; use --device cpu")
    return torch.device(name)


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch to one thread of the CPU, and restore the number of threads afterwards.

    Layers of some hundred units are too small to parallelise: on a machine of two cores an epoch of ``lif``,
    ``lstm`` and ``cnn`` (1,920 samples of 700 units) took 6 to 18 times as long with two threads as with
    one. With one thread the weights also do not depend on the number of cores.

    Yields
    ------
    None
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def seed_of(seed: int, epoch: int) -> int:
    """Derive the seed of one epoch; epoch 0 is used for the initial weights.

    Parameters
    ----------
    seed
        Seed of the run.
    epoch
        Number of the epoch.

    Returns
    -------
    int
        In 0 … 2⁶³ − 1.
    """
    return int(
        np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(1)
    )
