"""Conventional models as ONNX graphs: float32 ``raster`` (batch, time, unit) in, float32 ``scores`` (batch, class) out.

The raster of a model on audio holds the levels of its mel bands [dB], a unit per band.

The graphs are built operator by operator: they contain only the model, and the same weights give the
same bytes, whereas the exporters of PyTorch store a trace with the paths of source files.
``tests/deployment/test_export.py`` compares each graph with its model. Operators: https://onnx.ai/onnx/operators,
version 17.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from spikebench import __version__
from spikebench.errors import ExportError

if TYPE_CHECKING:
    from torch import Tensor

    from spikebench.models.base import Classifier
    from spikebench.models.cnn import CNN, PictureNetwork
    from spikebench.models.gated_network import GatedNetwork
    from spikebench.models.gru import GRU
    from spikebench.models.linear_bins import LinearBins
    from spikebench.models.lstm import LSTM
    from spikebench.models.mel_cnn import MelCNN
    from spikebench.models.mlp_counts import CountMLP
    from spikebench.models.svm import CountSVM
    from spikebench.models.tcn import TCN

_OPERATORS, _FORMAT = 17, 8  # read by onnxruntime 1.12 (2022) and later
_MAX_BYTES = 2**31 - 2**20  # largest size of a protocol buffer, less the graph itself
_MEANING = "scores[k] belongs to classes[k]; the largest wins, of equal ones the first"


class _Graph:
    """Nodes and constants, in the order in which they are added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def constant(self, name: str, value: Tensor | NDArray[Any]) -> str:
        array = value if isinstance(value, np.ndarray) else value.detach().numpy()
        self.constants[name] = np.ascontiguousarray(array)
        return name

    def add(self, operator: str, *inputs: str, n_outputs: int = 1, **attributes: Any) -> str:  # noqa: ANN401
        outputs = [f"{operator.lower()}_{len(self.nodes)}_{k}" for k in range(n_outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), outputs, **attributes))
        return outputs[0]

    def finish(self, scores: str, model: Classifier, about: dict[str, Any]) -> bytes:
        """Name the output, check the graph, and serialise it."""
        size = sum(array.nbytes for array in self.constants.values())
        if size > _MAX_BYTES:
            raise ExportError(
                f"model {about['model']} has {size / 2**30:.1f} GiB of numbers, and an ONNX file holds at most 2 GiB; "
                "train a smaller model"
            )
        self.nodes.append(helper.make_node("Identity", [scores], ["scores"]))
        shape = model.shape
        raster: list[str | int | None] = ["batch", shape.n_steps, shape.n_units]
        answer: list[str | int | None] = ["batch", shape.n_classes]
        graph = helper.make_graph(
            self.nodes,
            about["model"],
            [helper.make_tensor_value_info("raster", TensorProto.FLOAT, raster)],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, answer)],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items()],
        )
        made = helper.make_model(
            graph,
            producer_name="spikebench",
            producer_version=__version__,
            opset_imports=[helper.make_opsetid("", _OPERATORS)],
            ir_version=_FORMAT,
        )
        texts = {name: str(value) for name, value in about.items()}
        helper.set_model_props(made, texts | {"score": _MEANING})
        onnx.checker.check_model(made, full_check=True)
        content: bytes = made.SerializeToString(deterministic=True)
        return content


def _values(graph: _Graph, model: Classifier) -> str:
    """Return the input of a network: the raster, or standardised levels of mel bands."""
    if not model.on_audio:
        return "raster"
    mean = graph.constant("band_mean", model.get_buffer("band_mean"))
    deviation = graph.constant("band_deviation", model.get_buffer("band_deviation"))
    return graph.add("Div", graph.add("Sub", "raster", mean), deviation)


def lstm(model: LSTM, about: dict[str, Any]) -> bytes:
    """Export :class:`spikebench.models.lstm.LSTM`.

    Parameters
    ----------
    model
        Trained model.
    about
        Description of the run, for the metadata.

    Returns
    -------
    bytes
        An ONNX file.
    """
    return _gated(model, about, "LSTM", [0, 3, 1, 2])


def gru(model: GRU, about: dict[str, Any]) -> bytes:
    """Export :class:`spikebench.models.gru.GRU`.

    Parameters
    ----------
    model
        Trained model.
    about
        Description of the run, for the metadata.

    Returns
    -------
    bytes
        An ONNX file.
    """
    return _gated(model, about, "GRU", [1, 0, 2], linear_before_reset=1)


def _gated(
    model: GatedNetwork,
    about: dict[str, Any],
    operator: str,
    order: list[int],
    **attributes: int,
) -> bytes:
    """Export layers of cells; ``order`` lists PyTorch's gates in the order of ONNX.

    LSTM: input, forget, cell, output as input, output, forget, cell. GRU: reset, update, new as update, reset, new.
    """
    graph = _Graph()
    hidden = graph.add("Transpose", _values(graph, model), perm=[1, 0, 2])  # (time, batch, unit)
    direction = graph.constant("direction", np.array([1]))
    for layer in range(model.layers.num_layers):
        weights: dict[str, NDArray[np.float32]] = {}
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            gates = getattr(model.layers, f"{kind}_l{layer}").detach().numpy()
            gates = np.split(gates, len(order))
            weights[kind] = np.concatenate([gates[k] for k in order])
        bias = np.concatenate([weights["bias_ih"], weights["bias_hh"]])
        states = graph.add(
            operator,
            hidden,
            graph.constant(f"input_{layer}", weights["weight_ih"][None]),
            graph.constant(f"recurrent_{layer}", weights["weight_hh"][None]),
            graph.constant(f"bias_{layer}", bias[None]),
            hidden_size=model.layers.hidden_size,
            **attributes,
        )
        hidden = graph.add("Squeeze", states, direction)
    trace = graph.add("MatMul", hidden, graph.constant("readout", model.readout.weight.T))
    trace = graph.add("Add", trace, graph.constant("readout_bias", model.readout.bias))
    return graph.finish(graph.add("ReduceMax", trace, axes=[0], keepdims=0), model, about)


def cnn(model: CNN, about: dict[str, Any]) -> bytes:
    """Export :class:`spikebench.models.cnn.CNN`.

    Parameters
    ----------
    model
        Trained model.
    about
        Description of the run, for the metadata.

    Returns
    -------
    bytes
        An ONNX file.
    """
    graph, n_units = _Graph(), model.shape.n_units
    # The sum over the units of a row, as a product with zeros and ones: counts stay exact.
    rows = np.zeros((n_units, model.rows), np.float32)
    rows[np.arange(n_units), np.arange(n_units) * model.rows // n_units] = 1
    image = graph.add("Sqrt", graph.add("MatMul", "raster", graph.constant("rows", rows)))
    return _picture_network(graph, model, image, about)


def mel_cnn(model: MelCNN, about: dict[str, Any]) -> bytes:
    """Export :class:`spikebench.models.mel_cnn.MelCNN`.

    Parameters
    ----------
    model
        Trained model.
    about
        Description of the run, for the metadata.

    Returns
    -------
    bytes
        An ONNX file.
    """
    graph = _Graph()
    return _picture_network(graph, model, _values(graph, model), about)


def _picture_network(
    graph: _Graph, model: PictureNetwork, image: str, about: dict[str, Any]
) -> bytes:
    """Export convolutions on a picture, shape (batch, time, row)."""
    image = graph.add("Unsqueeze", image, graph.constant("channel", np.array([1])))
    layers: Any = model.features
    for number, (convolution, norm) in enumerate(zip(layers[0::4], layers[1::4], strict=True)):
        kernel = graph.constant(f"kernel_{number}", convolution.weight)
        image = graph.add("Conv", image, kernel, pads=[1, 1, 1, 1])
        moments = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
        names = [graph.constant(f"norm_{number}_{k}", value) for k, value in enumerate(moments)]
        image = graph.add("BatchNormalization", image, *names, epsilon=norm.eps)
        image = graph.add("Relu", image)
        image = graph.add("MaxPool", image, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    hidden = graph.add("Flatten", image)
    head: Any = model.head
    dense, readout = head[2], head[5]
    hidden = graph.add("Relu", _affine(graph, hidden, "dense", dense))
    return graph.finish(_affine(graph, hidden, "readout", readout), model, about)


def _affine(graph: _Graph, x: str, name: str, layer: Any) -> str:  # noqa: ANN401
    weight = graph.constant(name, layer.weight)
    return graph.add("Gemm", x, weight, graph.constant(f"{name}_bias", layer.bias), transB=1)


def svm(model: CountSVM, about: dict[str, Any]) -> bytes:
    """Export :class:`spikebench.models.svm.CountSVM`; float64 between counts and votes, as in the model.

    Parameters
    ----------
    model
        Trained model.
    about
        Description of the run, for the metadata.

    Returns
    -------
    bytes
        An ONNX file.
    """
    graph = _Graph()
    counts = graph.add("ReduceSum", "raster", graph.constant("time", np.array([1])), keepdims=0)
    x = graph.add("Cast", counts, to=TensorProto.DOUBLE)
    x = graph.add("Sub", x, graph.constant("mean", model.mean))
    x = graph.add("Div", x, graph.constant("scale", model.scale))
    kernel = _svm_kernel(graph, x, model)
    decisions = graph.add(
        "MatMul", kernel, graph.constant("coefficients", model.coefficients.numpy().T)
    )
    decisions = graph.add("Add", decisions, graph.constant("intercepts", model.intercepts))
    # Every pair of classes has one vote: it goes to the first if the decision is positive, else to the second.
    n_classes = model.shape.n_classes
    first, second = (np.eye(n_classes, dtype=np.float32)[k] for k in np.triu_indices(n_classes, 1))
    positive = graph.add("Greater", decisions, graph.constant("zero", np.zeros(1)))
    for_first = graph.add("Cast", positive, to=TensorProto.FLOAT)
    votes = graph.add("MatMul", for_first, graph.constant("votes", first - second))
    votes = graph.add("Add", votes, graph.constant("votes_otherwise", second.sum(0)))
    return graph.finish(votes, model, about)


def _svm_kernel(graph: _Graph, x: str, model: CountSVM) -> str:
    support, gamma, config = model.support.numpy(), float(model.gamma[0]), model.config
    if config.kernel == "linear":
        return graph.add("MatMul", x, graph.constant("support", support.T))
    if config.kernel == "poly":
        product = graph.add("MatMul", x, graph.constant("support", gamma * support.T))
        offset = graph.constant("offset", np.array([config.poly_offset]))
        degree = graph.constant("degree", np.array([float(config.degree)]))
        return graph.add("Pow", graph.add("Add", product, offset), degree)
    # −γ·|x − s|² = 2γ·x·s − γ·|s|² − γ·|x|²
    product = graph.add("MatMul", x, graph.constant("support", 2 * gamma * support.T))
    lengths = graph.constant("support_squared", -gamma * np.sum(support**2, 1))
    square = graph.add("ReduceSumSquare", x, axes=[1], keepdims=1)
    square = graph.add("Mul", square, graph.constant("gamma", np.array([gamma])))
    return graph.add("Exp", graph.add("Sub", graph.add("Add", product, lengths), square))


def linear_bins(model: LinearBins, about: dict[str, Any]) -> bytes:
    """Export :class:`spikebench.models.linear_bins.LinearBins`.

    Parameters
    ----------
    model
        Trained model.
    about
        Description of the run, for the metadata.

    Returns
    -------
    bytes
        An ONNX file.
    """
    graph = _Graph()
    return graph.finish(
        _affine(graph, graph.add("Flatten", "raster"), "weight", model), model, about
    )


def mlp_counts(model: CountMLP, about: dict[str, Any]) -> bytes:
    """Export :class:`spikebench.models.mlp_counts.CountMLP`.

    Parameters
    ----------
    model
        Trained model.
    about
        Description of the run, for the metadata.

    Returns
    -------
    bytes
        An ONNX file.
    """
    graph = _Graph()
    counts = graph.add("ReduceSum", "raster", graph.constant("time", np.array([1])), keepdims=0)
    x = graph.add("Log", graph.add("Add", counts, graph.constant("one", np.ones(1, np.float32))))
    ones = graph.constant("scale", np.ones(model.shape.n_units, np.float32))
    x = graph.add("LayerNormalization", x, ones, axis=1, epsilon=1e-5)
    layers: Any = model.layers
    for number, layer in enumerate(layers[0:-1:3]):
        x = graph.add("Relu", _affine(graph, x, f"dense_{number}", layer))
    return graph.finish(_affine(graph, x, "readout", layers[-1]), model, about)


def tcn(model: TCN, about: dict[str, Any]) -> bytes:
    """Export :class:`spikebench.models.tcn.TCN`.

    Parameters
    ----------
    model
        Trained model.
    about
        Description of the run, for the metadata.

    Returns
    -------
    bytes
        An ONNX file.
    """
    graph = _Graph()
    x = graph.add("Transpose", _values(graph, model), perm=[0, 2, 1])  # (batch, channel, time)
    blocks: Any = model.blocks
    for number, block in enumerate(blocks):
        y = x
        for part in ("first", "second"):
            layer, norm = getattr(block, part), getattr(block, f"{part}_norm")
            name = f"{part}_{number}"
            y = graph.add(
                "Conv",
                y,
                graph.constant(name, layer.weight),
                pads=[layer.n_past, 0],
                dilations=list(layer.dilation),
            )
            moments = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
            names = [graph.constant(f"{name}_{k}", value) for k, value in enumerate(moments)]
            y = graph.add("Relu", graph.add("BatchNormalization", y, *names, epsilon=norm.eps))
        if hasattr(block.past_them, "weight"):
            kernel = graph.constant(f"past_{number}", block.past_them.weight)
            bias = graph.constant(f"past_{number}_bias", block.past_them.bias)
            x = graph.add("Conv", x, kernel, bias)
        x = graph.add("Relu", graph.add("Add", y, x))
    hidden = graph.add("Transpose", x, perm=[0, 2, 1])
    trace = graph.add("MatMul", hidden, graph.constant("readout", model.readout.weight.T))
    trace = graph.add("Add", trace, graph.constant("readout_bias", model.readout.bias))
    if model.reduction == "last":
        trace = graph.add("Gather", trace, graph.constant("last", np.array([-1])), axis=1)
    operator = "ReduceMean" if model.reduction == "mean" else "ReduceMax"
    return graph.finish(graph.add(operator, trace, axes=[1], keepdims=0), model, about)
