"""Models: one readable file each, named here as strings so that the list costs no import.

The contract of a model ``M`` with its configuration ``C``:

* ``C`` is a frozen pydantic model; every key of a physical quantity ends in its unit; ``C()`` is valid.
* ``M.Config is C`` and ``M(config: C, shape: DataShape)`` is a ``torch.nn.Module`` whose parameters and
  buffers are all there is to save.
* ``M.forward(batch)`` takes a :class:`spikebench.events.batches.EventBatch` and returns
  :class:`spikebench.models.base.Output`; it makes the raster (``batch.dense()``) only if it needs it.
* ``M.forward_chunk(batch, state)`` takes the next chunk of clips, if the model can answer chunk by chunk.
* ``M.account(batch)`` runs once more and says what that cost, see :mod:`spikebench.metrics.operations`; without it, the
  metrics of operations and activity are "not applicable" to the model.
* ``M.spiking`` says whether hidden units spike, ``M.looks_ahead`` whether an answer needs the whole clip.
* A network of spiking layers states them once, in ``M.hidden_layers()``: its base class
  :class:`spikebench.models.spiking_network.SpikingNetwork` derives ``forward``, ``forward_chunk``, ``account`` and the
  export to NIR from that list.
* ``M.learning`` names the learning rule that trains it, see :mod:`spikebench.learning`: ``bptt``, or ``counts`` for a
  ``CountClassifier`` with ``fit_counts``, which learns from spike counts at once (see ``svm``).
"""

from __future__ import annotations

from spikebench.errors import UnknownNameError

MODELS = {
    "lif": "spikebench.models.lif:LIF",
    "rlif": "spikebench.models.rlif:RecurrentLIF",
    "adlif": "spikebench.models.adlif:AdaptiveLIF",
    "delay_lif": "spikebench.models.delay_lif:DelayLIF",
    "lstm": "spikebench.models.lstm:LSTM",
    "cnn": "spikebench.models.cnn:CNN",
    "svm": "spikebench.models.svm:CountSVM",
}


def check_model_name(name: str) -> None:
    """Raise if no model has this name.

    Parameters
    ----------
    name
        Name of a model.

    Raises
    ------
    UnknownNameError
        If the registry does not hold it.
    """
    if name not in MODELS:
        raise UnknownNameError("model", name, MODELS)
