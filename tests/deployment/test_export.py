"""Exported models answer as ours do: NIR spike for spike, ONNX score for score; the rest is refused by name."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import nir
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from helpers.batches import batch_of
from helpers.nir_interpreter import run_graph
from helpers.stacked_recurrent import StackedConfig, StackedRecurrent
from helpers.toy import N_CLASSES, N_UNITS, write_toy
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from spikebench.deployment.export import NO_ONNX, ONNX, Format, describe, export_run, fits_nir
from spikebench.deployment.nir_graph import spiking_network
from spikebench.deployment.onnx_graph import _Graph, svm
from spikebench.errors import ExportError, OutputError, OutputExistsError, TrainingError
from spikebench.kernels.neuron import Neuron
from spikebench.kernels.recurrent_delays import RecurrentDelays
from spikebench.kernels.scan import Adaptation
from spikebench.models import MODELS
from spikebench.models.base import Classifier, DataShape, model_class
from spikebench.models.configs.svm import CountSVMConfig
from spikebench.models.nir_network import read_nir
from spikebench.models.spiking_layer import Delays
from spikebench.models.svm import CountSVM
from spikebench.presets.preset import read_preset
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.training.inference import bin_samples, build_model, load_trained
from spikebench.training.loop import fit, start_run
from spikebench.training.run import WEIGHTS_FILE, read_run, save_tensors, write_run

INPUT = ["input.time_step_ms=10", "input.duration_ms=250", "training.epochs=2"]


@pytest.fixture(scope="module")
def selection(tmp_path_factory: pytest.TempPathFactory) -> SelectionData:
    return open_selection(str(write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")))


def trained(folder: Path, selection: SelectionData, model: str, *settings: str) -> Path:
    preset = read_preset(model, None, [*INPUT, *settings])
    fit(folder, start_run(folder, model, preset, selection, 0), selection)
    return folder


def untrained(folder: Path, selection: SelectionData, model: str, *settings: str) -> Path:
    """A run whose selected weights are its first ones: they do not depend on how a machine rounds."""
    preset = read_preset(model, None, [*INPUT, *settings])
    record = start_run(folder, model, preset, selection, 0)
    weights = build_model(record).state_dict()
    if "readout.bias" in weights:
        weights["readout.bias"] = torch.linspace(-1, 1, N_CLASSES)
    save_tensors(folder / WEIGHTS_FILE, weights, {})
    write_run(folder, record.model_copy(update={"status": "trained"}))
    return folder


def raster(run: Path, selection: SelectionData, n: int = 7) -> torch.Tensor:
    binned = bin_samples(selection.validation, read_run(run).preset)
    return binned.batch(np.arange(0, len(binned), len(binned) // n)[:n]).dense()


@torch.no_grad()
def answer(run: Path, cells: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Hidden spikes of every layer, and scores, of the model itself."""
    output = load_trained(run, read_run(run)).eval()(batch_of(cells))
    return [spikes.dense() for spikes in output.spikes], output.scores


MAX = "model.readout=max"
BY_SPIKES, STRONG = "model.adapt_to_membrane=[0,0]", "model.init_fluctuation=2"
SPIKING = [
    ("lif", ["model.hidden_units=[20]", "model.init_fluctuation=2", MAX], ["hidden_1"]),
    (
        "lif",
        ["model.hidden_units=[16, 12, 8]", "model.init_fluctuation=3", "model.tau_syn_ms=5", MAX],
        ["hidden_1", "hidden_2", "hidden_3"],
    ),
    (
        "rlif",
        ["model.hidden_units=20", "model.recurrent_scale=2", "model.init_fluctuation=2", MAX],
        ["hidden"],
    ),
    *(
        (
            "lif",
            ["model.hidden_units=[9]", "model.init_fluctuation=2", f"model.readout={how}"],
            ["hidden_1"],
        )
        for how in ("mean", "sum", "last")
    ),
    (
        "adlif",
        [BY_SPIKES, "model.hidden_units=[16]", "model.recurrent_scale=2", STRONG],
        ["hidden"],
    ),
    (
        "adlif",
        [
            *(BY_SPIKES, "model.hidden_units=[16, 12]", "model.recurrent=false", STRONG),
            *("model.readout_skip_ms=100", MAX),
        ],
        ["hidden_1", "hidden_2"],
    ),
]


NAMES = ["one", "three", "rlif", "mean", "sum", "last", "adlif", "two adlif"]


@pytest.mark.parametrize("mode", ["counts", "binary"])
@pytest.mark.parametrize(("model", "settings", "layers"), SPIKING, ids=NAMES)
def test_nir_spikes_as_the_model(
    model: str,
    settings: list[str],
    layers: list[str],
    mode: str,
    tmp_path: Path,
    selection: SelectionData,
) -> None:
    run = untrained(tmp_path / "run", selection, model, *settings, f"input.mode={mode}")
    export_run(run, "nir", tmp_path / "model.nir")
    graph = nir.read(tmp_path / "model.nir")
    cells = raster(run, selection)
    assert (cells.max() > 1) == (mode == "counts")
    spikes, scores = answer(run, cells)
    assert [0.02 < float(layer.mean()) < 0.5 for layer in spikes] == [True] * len(layers)
    for k, sample in enumerate(cells.numpy()):
        traces, theirs, distance = run_graph(graph, sample)
        assert distance > 1e-5  # so far from every threshold, float32 cannot move a spike
        for name, layer in zip(layers, spikes, strict=True):
            assert np.array_equal(traces[name], layer[k].numpy())
        assert_allclose(theirs, scores[k].numpy(), rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        imported = read_nir(tmp_path / "model.nir", time_step=0.01)(cells)
    assert_allclose(imported.numpy(), scores.numpy(), rtol=1e-4, atol=1e-5)


def test_adaptation_counts(tmp_path: Path, selection: SelectionData) -> None:
    """Without the integrator of adaptation there are other spikes, so the test above would see it."""
    run = untrained(tmp_path / "run", selection, "adlif", *SPIKING[6][1])
    export_run(run, "nir", tmp_path / "model.nir")
    sample = raster(run, selection)[0].numpy()
    graph = nir.read(tmp_path / "model.nir")
    assert ("hidden", "adaptation") in graph.edges
    assert ("adaptation", "hidden") in graph.edges
    assert graph.metadata["refractory_steps"] == 0
    spikes = run_graph(graph, sample)[0]["hidden"]
    graph.nodes["adaptation"].r[:] = 0
    assert run_graph(graph, sample)[0]["hidden"].sum() > spikes.sum()


def test_every_rule_of_the_metadata_counts(tmp_path: Path, selection: SelectionData) -> None:
    """Another time step, no silent step or no feedback give other spikes, so the test above would see them."""
    run = untrained(tmp_path / "run", selection, "rlif", *SPIKING[2][1])
    export_run(run, "nir", tmp_path / "model.nir")
    sample = raster(run, selection)[0].numpy()

    def spikes(edges: int | None = None, **changes: float) -> NDArray[np.float64]:
        graph = nir.read(tmp_path / "model.nir")
        graph.metadata |= changes
        if edges is not None:
            graph.nodes["recurrent_weights"].weight[:] = 0
        return run_graph(graph, sample)[0]["hidden"]

    right = spikes()
    assert not np.array_equal(right, spikes(refractory_steps=0))
    assert not np.array_equal(right, spikes(time_step_ms=5.0))
    assert not np.array_equal(right, spikes(edges=0))


def test_a_nir_file_by_hand(tmp_path: Path, selection: SelectionData) -> None:
    run = untrained(tmp_path / "run", selection, "rlif", "model.hidden_units=5", MAX)
    export_run(run, "nir", tmp_path / "model.nir")
    graph = nir.read(tmp_path / "model.nir")
    assert sorted(graph.edges) == [
        ("hidden", "readout_weights"),
        ("hidden", "recurrent_weights"),
        ("hidden_weights", "hidden"),
        ("input", "hidden_weights"),
        ("readout", "output"),
        ("readout_weights", "readout"),
        ("recurrent_weights", "hidden"),
    ]
    weights = load_trained(run, read_run(run)).state_dict()
    for node, name in (
        ("hidden_weights", "input"),
        ("recurrent_weights", "recurrent"),
        ("readout_weights", "readout.weight"),
    ):
        assert np.array_equal(graph.nodes[node].weight, weights[name].numpy().T)
    neurons = graph.nodes["hidden"]
    config = read_preset("rlif").model
    assert_allclose(neurons.tau_mem, [config.get("tau_mem_ms", 20) * 1e-3] * 5, rtol=1e-15)
    assert_allclose(neurons.tau_syn, [config.get("tau_syn_ms", 10) * 1e-3] * 5, rtol=1e-15)
    # A spike of weight 1 adds 1 to the current: w_in·(1 − α) = 1.
    assert_allclose(neurons.w_in * (1 - np.exp(-0.01 / neurons.tau_syn)), np.ones(5), rtol=1e-14)
    said = graph.metadata
    assert json.loads(said["classes"]) == ["up", "down", "shift"]
    expected = {
        "model": "rlif",
        "dataset": "toy",
        "time_step_ms": 10,
        "n_steps": 25,
        "n_units": N_UNITS,
        "input_mode": read_preset("rlif").input.mode,
        "selected_on": "validation",
        "refractory_steps": 1,
        "readout_reduction": "max",
    }
    assert {name: said[name] for name in expected} == expected
    assert said["readout_bias"].tolist() == [-1, 0, 1]
    assert said["edge_tolerance_us"] == 0.5
    assert "fold" not in said
    assert describe(read_run(run).model_copy(update={"fold": 3}))["fold"] == 3


@pytest.mark.parametrize("reduction", ["max", "mean", "sum", "last", "softmax"])
def test_what_is_made_of_the_trace_is_said(
    reduction: str, tmp_path: Path, selection: SelectionData
) -> None:
    run = untrained(tmp_path / "run", selection, "lif", "model.hidden_units=[5]")
    model: Any = load_trained(run, read_run(run))
    model.readout.reduction = reduction
    graph = nir.read(io.BytesIO(spiking_network(model, describe(read_run(run)))))
    assert graph.metadata["readout_reduction"] == reduction
    assert reduction[:3] in graph.metadata["score"]


CONVENTIONAL = [
    ("lstm", ["model.hidden_units=9"]),
    ("lstm", ["model.hidden_units=9", "model.layers=3"]),
    ("gru", ["model.hidden_units=9", "model.layers=2"]),
    ("cnn", ["model.image_units=8", "model.filters=[3, 4, 5]", "model.dense_units=6"]),
    ("cnn", ["input.mode=binary", "model.filters=[3, 4, 5]", "model.dense_units=6"]),
    *(
        ("tcn", ["model.channels=7", f"model.blocks={n}", f"model.readout={how}"])
        for n, how in ((1, "max"), (2, "mean"), (2, "last"))
    ),
    ("mlp_counts", ["model.hidden_units=[6, 5]"]),
    ("svm", []),  # the classes of the toy differ in time alone; the next test has others
    ("linear_bins", ["model.C=[0.1]"]),
]


@pytest.mark.parametrize(
    ("model", "settings"),
    CONVENTIONAL,
    ids=[f"{k}-{model}" for k, (model, _) in enumerate(CONVENTIONAL)],
)
def test_onnx_scores_as_the_model(
    model: str, settings: list[str], tmp_path: Path, selection: SelectionData
) -> None:
    run = trained(tmp_path / "run", selection, model, *settings)
    export_run(run, "onnx", tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for n in (1, 7):
        cells = raster(run, selection, n)
        _, scores = answer(run, cells)
        (theirs,) = session.run(["scores"], {"raster": cells.numpy()})
        assert theirs.shape == (n, N_CLASSES)
        assert theirs.dtype == np.float32
        assert_allclose(theirs, scores.numpy(), rtol=1e-4, atol=1e-5)
        assert theirs.argmax(1).tolist() == scores.argmax(1).tolist()
    said = session.get_modelmeta().custom_metadata_map
    assert (said["model"], said["dataset"]) == (model, "toy")
    assert json.loads(said["classes"]) == ["up", "down", "shift"]
    assert (float(said["time_step_ms"]), int(said["n_steps"])) == (10, 25)
    assert said["input_mode"] == read_run(run).preset.input.mode


@pytest.mark.parametrize("kernel", ["rbf", "linear", "poly"])
@pytest.mark.parametrize("present", [[0, 1, 2, 3, 4], [0, 2, 4]])
def test_the_svm_votes_alike(present: list[int], kernel: str, rng: np.random.Generator) -> None:
    shape = DataShape(n_units=6, n_classes=5, n_steps=4, time_step=0.01, input_rate=1.0)
    labels = rng.choice(present, 160)
    counts = rng.poisson(3 + 2 * np.eye(5, 6)[labels])
    model = CountSVM(CountSVMConfig(kernel=kernel), shape)  # type: ignore[arg-type]
    model.fit_counts((counts[:80], labels[:80]), (counts[80:], labels[80:]))
    cells = rng.multinomial(counts, [0.25] * 4).transpose(0, 2, 1).astype(np.float32)
    session = onnxruntime.InferenceSession(svm(model, {"model": "svm"}))
    (scores,) = session.run(["scores"], {"raster": cells})
    assert np.array_equal(scores, model(batch_of(torch.from_numpy(cells))).scores.numpy())
    assert set(scores.argmax(1)) == set(present)


@pytest.mark.parametrize("model", [pytest.param("rlif", marks=pytest.mark.slow), "cnn"])
def test_the_same_run_gives_the_same_bytes(
    model: str, tmp_path: Path, selection: SelectionData
) -> None:
    run = trained(tmp_path / "run", selection, model)
    form: Format = "nir" if model_class(model).spiking else "onnx"
    first = export_run(run, form, tmp_path / "first")
    # Another process orders its sets in another way.
    words = ["export", str(run), f"--{form}", str(tmp_path / "second")]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, "-m", "cli.main", *words], check=True, env=environment, capture_output=True
    )
    content = (tmp_path / "first").read_bytes()
    assert content == (tmp_path / "second").read_bytes()
    assert str(tmp_path).encode() not in content
    assert first.record == read_run(run)


@pytest.mark.parametrize(
    ("model", "form", "message"),
    [
        ("lstm", "nir", r"model lstm has no neurons that NIR can express; export it with --onnx$"),
        ("cnn", "nir", r"model cnn has no neurons that NIR can express; export it with --onnx$"),
        ("svm", "nir", r"model svm has no neurons that NIR can express; export it with --onnx$"),
        (
            "lif",
            "onnx",
            r"model lif is a spiking model, and ONNX has no spiking neurons; export it with --nir",
        ),
        ("rlif", "onnx", r"model rlif is a spiking model, .*; export it with --nir$"),
        (
            "adlif",
            "nir",
            r"no node: adaptation that follows the .*: train with --set model.adapt_to",
        ),
        ("delay_lif", "nir", r"no node: individual delays of connections, but Delay of NIR"),
        ("c_silif", "nir", r"no node: batch normalisation between weights and neurons$"),
        ("event_ssm", "nir", r"model event_ssm has no neurons that NIR can express$"),
        ("event_ssm", "onnx", r"model event_ssm takes single events, .* ONNX graph is a raster$"),
    ],
)
def test_what_a_format_cannot_express_is_refused_by_name(
    model: str, form: Format, message: str, tmp_path: Path, selection: SelectionData
) -> None:
    run = untrained(tmp_path / "run", selection, model)
    with pytest.raises(ExportError, match=message):
        export_run(run, form, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_every_model_has_its_format_or_a_reason() -> None:
    fits = {}
    for name in MODELS:
        kind = model_class(name)
        fits[name] = fits_nir(kind(kind.Config(), DataShape(6, 5, 12, 0.01, 1.0)))
    assert all(model_class(name).spiking for name in MODELS if fits[name])
    known = {"lif": True, "rlif": True, "adlif": False, "delay_lif": False, "lstm": False}
    known |= {"hetero_rlif": True, "rec_delay_lif": False}
    assert {name: fits[name] for name in known} == known
    assert not set(ONNX) & set(NO_ONNX)
    assert {*ONNX, *NO_ONNX} == {name for name in MODELS if not model_class(name).spiking}


@pytest.mark.parametrize(
    "change",
    [
        {"neuron": Neuron(reset="subtract")},
        {"neuron": Neuron(reset="restart")},  # after a layer with a silent step
        {"adaptation": Adaptation(*torch.tensor([0.9, 0.0, 0.0]))},
        {"adaptation": Adaptation(*torch.tensor([0.9, 0.1, 0.0])), "tau_syn_ms": 0.0},
        {"delays": Delays(torch.zeros(6, 4), 1)},
        {"recurrent_delays": RecurrentDelays(torch.zeros(4), 1)},
    ],
    ids=["reset", "two resets", "adaptation", "membrane", "delays", "recurrent delays"],
)
def test_nir_has_no_node_for_other_layers(
    change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = StackedRecurrent(StackedConfig(), DataShape(6, 5, 12, 0.01, 1.0))
    assert fits_nir(model)
    first, second = model.hidden_layers()
    monkeypatch.setattr(model, "hidden_layers", lambda: [first, replace(second, **change)])
    assert not fits_nir(model)


def test_a_network_that_was_stated_only_is_exported() -> None:
    """Two recurrent layers, their time constants of the membrane learned per neuron; no code of NIR covers them."""
    torch.manual_seed(2)
    model = StackedRecurrent(StackedConfig(), DataShape(6, 5, 25, 0.01, 0.2))
    about = {"model": "stacked", "n_units": 6, "n_steps": 25, "time_step_ms": 10.0}
    graph = nir.read(io.BytesIO(spiking_network(model, about)))
    assert {edge for edge in graph.edges if "recurrent" in "".join(edge)} == {
        ("hidden_1", "recurrent_1_weights"),
        ("recurrent_1_weights", "hidden_1"),
        ("hidden_2", "recurrent_2_weights"),
        ("recurrent_2_weights", "hidden_2"),
    }
    cells = torch.poisson(torch.full((4, 25, 6), 0.2), torch.Generator().manual_seed(1))
    with torch.no_grad():
        output = model(batch_of(cells))
    assert [0.02 < float(s.dense().mean()) < 0.5 for s in output.spikes] == [True, True]
    for k, sample in enumerate(cells.numpy()):
        traces, scores, distance = run_graph(graph, sample)
        assert distance > 1e-5
        for name, spikes in zip(("hidden_1", "hidden_2"), output.spikes, strict=True):
            assert np.array_equal(traces[name], spikes.dense()[k].numpy())
        assert_allclose(scores, output.scores[k].numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("spiking", "form", "message"),
    [
        (
            True,
            "nir",
            "model new has neurons for which NIR has no node: adaptation that follows the membrane pot",
        ),
        (True, "onnx", "model new is a spiking model, and ONNX has no spiking neurons$"),
        (False, "nir", "model new has no neurons that NIR can express$"),
        (False, "onnx", "model new has no ONNX graph in spikebench yet$"),
    ],
)
def test_a_model_of_tomorrow_is_refused_by_name(
    spiking: bool,
    form: Format,
    message: str,
    tmp_path: Path,
    selection: SelectionData,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = "adlif" if spiking else "cnn"
    run = untrained(tmp_path / "run", selection, kept)
    write_run(run, read_run(run).model_copy(update={"model": "new"}))
    monkeypatch.setitem(MODELS, "new", MODELS[kept])
    with pytest.raises(ExportError, match=message):
        export_run(run, form, tmp_path / "model")


@pytest.mark.parametrize(("model", "form"), [("lif", "nir"), ("lstm", "onnx")])
def test_a_missing_package_is_named_with_the_remedy(
    model: str,
    form: Format,
    tmp_path: Path,
    selection: SelectionData,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = untrained(tmp_path / "run", selection, model)
    monkeypatch.setitem(sys.modules, form, None)
    monkeypatch.delitem(sys.modules, f"spikebench.deployment.{form}_graph", raising=False)
    with pytest.raises(ExportError, match=rf"--{form} needs .*pip install 'spikebench\[export\]'"):
        export_run(run, form, tmp_path / "model")


def test_only_a_finished_run_is_exported(tmp_path: Path, selection: SelectionData) -> None:
    preset = read_preset("lif", None, INPUT)
    start_run(tmp_path / "result" / "seed0", "lif", preset, selection, 0)
    with pytest.raises(
        TrainingError, match="seed0: training is not finished; first run: spikebench tr"
    ):
        export_run(tmp_path / "result" / "seed0", "nir", tmp_path / "model.nir")
    with pytest.raises(TrainingError, match="seed0: training is not finished"):
        export_run(tmp_path / "result", "nir", tmp_path / "model.nir")
    start_run(tmp_path / "result" / "seed1", "lif", preset, selection, 1)
    with pytest.raises(
        TrainingError,
        match=r"result: is not a run but contains 2 runs, seed0, seed1; give one: .*d0$",
    ):
        export_run(tmp_path / "result", "nir", tmp_path / "model.nir")
    with pytest.raises(TrainingError, match="not a run"):
        export_run(tmp_path, "nir", tmp_path / "model.nir")


def test_what_is_there_is_kept(
    tmp_path: Path, selection: SelectionData, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, path = untrained(tmp_path / "run", selection, "lif"), tmp_path / "model.nir"
    path.write_text("mine")
    with pytest.raises(OutputExistsError, match=r"model\.nir: exists already \(--overwrite"):
        export_run(run, "nir", path)
    with pytest.raises(OutputError, match="there is no folder"):
        export_run(run, "nir", tmp_path / "nowhere" / "model.nir")

    def fail(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="no space left"):
            export_run(run, "nir", path, overwrite=True)
    assert path.read_text() == "mine"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.nir", "run"]
    export_run(run, "nir", path, overwrite=True)
    assert nir.read(path).metadata["model"] == "lif"


def test_more_than_a_protocol_buffer_holds_is_refused() -> None:
    graph, model = _Graph(), Classifier.__new__(Classifier)
    # 4 GiB that take no memory: one number, seen from everywhere.
    graph.constants["readout"] = np.broadcast_to(np.float32(1), (2**20, 2**10))
    with pytest.raises(ExportError, match=r"model lstm has 4\.0 GiB of numbers, and an ONNX file"):
        graph.finish("readout", model, {"model": "lstm"})


def test_an_onnx_file_holds_the_model_and_nothing_else(
    tmp_path: Path, selection: SelectionData
) -> None:
    run = trained(tmp_path / "run", selection, "cnn")
    export_run(run, "onnx", tmp_path / "model.onnx")
    made = onnx.load(tmp_path / "model.onnx")
    assert {node.op_type for node in made.graph.node} == {
        *("MatMul", "Sqrt", "Unsqueeze", "Conv", "BatchNormalization", "Relu", "MaxPool"),
        *("Flatten", "Gemm", "Identity"),
    }
    assert not any(node.metadata_props or node.doc_string for node in made.graph.node)
