"""The public names of the package, loaded when they are first used.

::

    SpikeFile          read a spike file
    SpikeDataset       samples of a spike file or a data set, for any loader
    Collate            batches of events from samples, with time bins
    EventBatch         such a batch; ``dense()`` makes a raster
    augmentation       random changes of samples (module)
    open_selection     the training and validation samples of a data set, without the test split
    convert            recordings into a spike file
    ConversionOptions  options of a conversion
    make_encoder       an encoder by its name: from the samples of a recording to spikes
    read_preset        settings of a model
    train              train a model and select it on validation samples
    Benchmark          the protocol for a network that your own code trains
    evaluate           test trained models once and write a result
    read_result        read such a result
    accuracy           share of correct predictions
    confusion_matrix   counts per class and predicted class
    seed_interval      confidence interval of a mean over seeds
    speaker_interval   confidence interval of an accuracy over speakers
    compare_predictions    paired tests between models on the same test samples
    choose_kernels     event-driven layers for your own networks
    Neuron             settings of their neurons
    SpikebenchError    base class of all errors of the package

Everything else may change without notice.
"""

import importlib
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

__version__ = _version("spikebench")

PUBLIC = {
    "SpikeFile": "spikebench.spike_files.reader:SpikeFile",
    "SpikeDataset": "spikebench.events.dataset:SpikeDataset",
    "Collate": "spikebench.events.batches:Collate",
    "EventBatch": "spikebench.events.batches:EventBatch",
    "augmentation": "spikebench.events.augmentation:",
    "open_selection": "spikebench.protocol.opening:open_selection",
    "convert": "spikebench.conversion.runner:convert",
    "ConversionOptions": "spikebench.conversion.job:ConversionOptions",
    "make_encoder": "spikebench.encoders.encoder:make_encoder",
    "read_preset": "spikebench.presets.preset:read_preset",
    "train": "spikebench.training.train:train",
    "Benchmark": "spikebench.evaluation.benchmark:Benchmark",
    "evaluate": "spikebench.evaluation.final_test:evaluate",
    "read_result": "spikebench.protocol.results:read_result",
    "accuracy": "spikebench.metrics.classification:accuracy",
    "confusion_matrix": "spikebench.metrics.classification:confusion_matrix",
    "seed_interval": "spikebench.metrics.classification:seed_interval",
    "speaker_interval": "spikebench.metrics.classification:speaker_interval",
    "compare_predictions": "spikebench.metrics.significance:compare_predictions",
    "choose_kernels": "spikebench.kernels.choice:choose_kernels",
    "Neuron": "spikebench.kernels.neuron:Neuron",
    "SpikebenchError": "spikebench.errors:SpikebenchError",
}

if TYPE_CHECKING:
    from spikebench.conversion.job import ConversionOptions as ConversionOptions
    from spikebench.conversion.runner import convert as convert
    from spikebench.encoders.encoder import make_encoder as make_encoder
    from spikebench.errors import SpikebenchError as SpikebenchError
    from spikebench.evaluation.benchmark import Benchmark as Benchmark
    from spikebench.evaluation.final_test import evaluate as evaluate
    from spikebench.events import augmentation as augmentation
    from spikebench.events.batches import Collate as Collate
    from spikebench.events.batches import EventBatch as EventBatch
    from spikebench.events.dataset import SpikeDataset as SpikeDataset
    from spikebench.kernels.choice import choose_kernels as choose_kernels
    from spikebench.kernels.neuron import Neuron as Neuron
    from spikebench.metrics.classification import accuracy as accuracy
    from spikebench.metrics.classification import confusion_matrix as confusion_matrix
    from spikebench.metrics.classification import seed_interval as seed_interval
    from spikebench.metrics.classification import speaker_interval as speaker_interval
    from spikebench.metrics.significance import compare_predictions as compare_predictions
    from spikebench.presets.preset import read_preset as read_preset
    from spikebench.protocol.opening import open_selection as open_selection
    from spikebench.protocol.results import read_result as read_result
    from spikebench.spike_files.reader import SpikeFile as SpikeFile
    from spikebench.training.train import train as train

__all__ = ["__version__", *PUBLIC]  # noqa: PLE0604


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in PUBLIC:
        raise AttributeError(f"module 'spikebench' has no attribute {name!r}")
    module, _, attribute = PUBLIC[name].partition(":")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        from spikebench.errors import NEEDS_TORCH

        raise ModuleNotFoundError(f"spikebench.{name}: {NEEDS_TORCH}", name="torch") from None
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    return sorted(__all__)
