"""Running untrusted models from other people's results.

All inputs are untrusted. A configuration is first built without memory (on torch's meta device), so that its size is
known before anything is allocated. Weights are compared with it by their header, and are loaded as safetensors only.
Data are found by a registered name or a path given by the user, never by a path in an entry.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from spikebench.datasets import DATASETS
from spikebench.errors import ProtocolError, ResultError, out_of_memory
from spikebench.evaluation.measurement import measure_cost
from spikebench.events.dataset import SpikeDataset
from spikebench.metrics.cost import GROUPS
from spikebench.metrics.cost_table import COST_TABLES, read_cost_table
from spikebench.models.own_file import class_of
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.protocol.results import DatasetRecord, ModelRecord, Predictions, SeedRecord
from spikebench.records.problems import first_problem
from spikebench.records.text import printable
from spikebench.spike_files.layout import MAX_UNITS
from spikebench.training.inference import (
    bin_samples,
    build_model,
    find_device,
    load_weights,
    one_thread,
    place,
    run_model,
)
from spikebench.training.run_record import RunRecord

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

MOST_PARAMETERS = 20_000_000
MOST_STEPS = 10_000
MOST_CELLS = 2**28  # in the raster of one batch
MOST_ITEMS = 100  # in a list of the model's settings: layers, or a grid to choose from
LONGEST_TIME_CONSTANT = 10_000  # time steps
MOST_MEMORY = 8 * 2**30
COUNTS_AGREE = 0.01
CURVES_AGREE = 0.01
_DTYPES = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64"}


def open_claimed(
    claimed: DatasetRecord, data: str | None = None, audio: Path | None = None
) -> SelectionData:
    """Open the data of a result.

    Parameters
    ----------
    claimed
        The data as recorded in the result.
    data
        A registered name, or the path of a spike file; by default the registered data set of the claimed name.
    audio
        Folder of the recordings, for a model on audio.

    Returns
    -------
    SelectionData
        Opened for selection; the test split stays closed.

    Raises
    ------
    ProtocolError
        If the data differ (SHA-256, classes, split, …), or their location is not given.
    UnknownNameError, SpikeFileError, DataError
        If they are not on this machine.
    """
    if data is None:
        if claimed.name not in DATASETS:
            raise ProtocolError(
                f"data {claimed.name!r} are not a registered data set; give their file with --data FILE.h5 "
                f"(SHA-256 {claimed.sha256[:12]}…)"
            )
        data = claimed.name
    selection = open_selection(data, audio=audio)
    found = selection.dataset.model_copy(
        update={"name": claimed.name}
    )  # a file may have another name
    if field := found.first_difference(claimed):
        raise ProtocolError(f"{data}: not the data of the result ({claimed.name}): {field} differs")
    return selection


def expected_weights(
    run: RunRecord, n_samples: int, *, large: bool = False
) -> tuple[dict[str, torch.Tensor], int | None]:
    """Describe the weights that a configuration requires, without allocating them.

    Parameters
    ----------
    run
        Untrusted configuration.
    n_samples
        Number of samples, the upper limit of a batch.
    large
        If true, do not limit its size.

    Returns
    -------
    weights : dict of Tensor
        The expected weights: tensors without contents, by name.
    n_parameters : int or None
        Number of trained parameters; None if it follows only from the weights (the number of support vectors).

    Raises
    ------
    ResultError
        If it is too large.
    UnknownNameError, TrainingError
        If the model does not exist, or cannot be built.
    """
    settings, table = run.preset.input, run.preset.model
    steps = settings.n_steps
    units = run.dataset.n_units if run.preset.mel is None else run.preset.mel.bands
    cells = min(run.preset.training.batch_size, n_samples) * steps * units
    longest = max(
        (
            min(value, 1e300)
            / settings.time_step_ms  # JSON integers can exceed the range of floats
            for name, value in table.items()
            if name.endswith("_ms") and isinstance(value, int | float)
        ),
        default=0.0,
    )
    items = max((len(value) for value in table.values() if isinstance(value, list)), default=0)
    if units > MAX_UNITS:
        raise ResultError(
            f"the data have {units} units according to the run; at most {MAX_UNITS} are read"
        )
    _bound("time steps", steps, MOST_STEPS, large)
    _bound("cells in the raster of a batch", cells, MOST_CELLS, large)
    _bound("items in a list of the model's settings", items, MOST_ITEMS, large)
    _bound("time steps in a time constant", longest, LONGEST_TIME_CONSTANT, large)
    kind = class_of(run.model, run.code_sha256)
    try:
        kind.Config.model_validate(table)
    except ValidationError as error:
        raise ResultError(f"model {run.model}: {first_problem(error, kind.Config)}") from None
    # The code of a network of the user, who has named its file, may need numbers in its constructor.
    with torch.device("meta") if run.code_sha256 is None else nullcontext():
        model = build_model(run)
    state = model.state_dict()
    _bound("parameters", sum(tensor.numel() for tensor in state.values()), MOST_PARAMETERS, large)
    is_known = all(tensor.numel() for tensor in state.values())
    return state, model.n_parameters() if is_known else None


def check_size(
    run: RunRecord, claimed: ModelRecord, n_samples: int, *, large: bool = False
) -> dict[str, torch.Tensor]:
    """Check the size that a configuration requires, before anything is allocated.

    Parameters
    ----------
    run
        Untrusted configuration.
    claimed
        The model as described in its result.
    n_samples
        Number of samples, the upper limit of a batch.
    large
        If true, do not limit its size.

    Returns
    -------
    dict of Tensor
        The expected weights: tensors without contents, by name.

    Raises
    ------
    ResultError
        If it is too large, or differs from the result.
    UnknownNameError, TrainingError
        If the model does not exist, or cannot be built.
    """
    state, n_parameters = expected_weights(run, n_samples, large=large)
    check_config(run, claimed)
    if n_parameters is not None and n_parameters != claimed.parameters:
        raise ResultError(
            f"the run's model has {n_parameters:,} parameters, the result records {claimed.parameters:,}"
        )
    return state


def check_config(run: RunRecord, claimed: ModelRecord) -> None:
    """Compare the configuration of a model in a result with that of its run, where defaults are filled in.

    Parameters
    ----------
    run
        Untrusted configuration, which :func:`expected_weights` has accepted.
    claimed
        The model as described in its result.

    Raises
    ------
    ResultError
        If a setting of the result is another one in the run.
    """
    kind = class_of(run.model, run.code_sha256)
    config = kind.Config.model_validate(run.preset.model).model_dump(mode="json")
    for name, value in claimed.config.items():
        if config.get(name) != value:
            raise ResultError(
                f"model.config.{name[:80]} of the result differs from that of its run"
            )


def _bound(what: str, found: float, most: int, large: bool) -> None:
    if found > most and not large:
        raise ResultError(
            f"requires {found:,.0f} {what}, at most {most:,} are accepted from others; "
            "use --large to accept more"
        )


def check_header(weights: Path, expected: dict[str, torch.Tensor], *, large: bool = False) -> None:
    """Compare the header of a weights file with a model, without reading the weights.

    Parameters
    ----------
    weights
        Untrusted safetensors file.
    expected
        From :func:`check_size`. A dimension of 0 (support vectors) may have any size, the same in all tensors.
    large
        If true, do not limit its size.

    Raises
    ------
    ResultError
        If the file cannot be read, does not fit, or is too large.
    """
    found: dict[str, tuple[str, list[int]]] = {}
    try:
        with safe_open(weights, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118
                part = file.get_slice(name)
                found[name] = (str(part.get_dtype()), [int(n) for n in part.get_shape()])
    except (SafetensorError, OSError, ValueError) as error:
        reason = printable(str(error))
        raise ResultError(f"{weights}: not readable as safetensors: {reason}") from None
    if found.keys() != expected.keys():
        odd = min(found.keys() ^ expected.keys())
        raise ResultError(f"{weights}: {odd[:80]!r} is missing, or does not belong to this model")
    free: set[int] = set()
    total = 0
    for name, (dtype, shape) in found.items():
        wanted = list(expected[name].shape)
        fits = len(shape) == len(wanted) and all(
            n in (0, size) for n, size in zip(wanted, shape, strict=True)
        )
        if not fits or dtype != _DTYPES.get(expected[name].dtype):
            raise ResultError(
                f"{weights}: {name} is {dtype} {shape} instead of {expected[name].dtype} {wanted}"
            )
        free |= {size for n, size in zip(wanted, shape, strict=True) if n == 0}
        total += int(np.prod(shape, dtype=object))
    if len(free) > 1:
        raise ResultError(f"{weights}: its support vectors and coefficients do not match")
    _bound("numbers in its weights", total, MOST_PARAMETERS, large)


def predict_again(
    weights: Path,
    run: RunRecord,
    claimed: ModelRecord,
    samples: SpikeDataset,
    device: str = "cpu",
    *,
    large: bool = False,
) -> Predictions:
    """Compute the predictions of untrusted weights.

    Parameters
    ----------
    weights
        A safetensors file.
    run
        The configuration of the weights; its ``dataset`` must have the units and classes of the samples.
    claimed
        The model as described in the result.
    samples
        The samples to classify.
    device
        ``cpu`` or ``cuda``.
    large
        If true, do not limit their size.

    Returns
    -------
    Predictions
        In the order of the samples.

    Raises
    ------
    ResultError
        If anything does not fit or is too large.
    TrainingError
        If the weights are damaged or not finite, or the device is not available.
    """
    state = check_size(run, claimed, len(samples), large=large)
    check_header(weights, state, large=large)
    where = find_device(device)
    with bounded_memory(large, device), one_thread():
        try:
            model = load_weights(weights, run)
            if model.n_parameters() != claimed.parameters:
                raise ResultError(
                    f"{weights}: has {model.n_parameters():,} parameters, the result records {claimed.parameters:,}"
                )
            binned = bin_samples(samples, run.preset)
            answers = run_model(place(model, where, run), binned, run.preset.training.batch_size)
        except (MemoryError, RuntimeError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            if out_of_memory(error):
                reason = "not enough memory"
            raise ResultError(f"{weights}: cannot be run: {reason[:200]}") from None
    return Predictions(
        index=samples.index,
        label=samples.labels,
        predicted=answers.predicted,
        speaker=samples.speakers,
    )


def measure_again(
    weights: Path,
    run: RunRecord,
    claimed: SeedRecord,
    samples: SpikeDataset,
    predicted: NDArray[np.int64],
    device: str = "cpu",
    *,
    large: bool = False,
) -> str:
    """Measure the costs of one seed again and compare them with the result.

    Parameters
    ----------
    weights, run
        As for :func:`predict_again`, which has checked their size.
    claimed
        The record of the seed in the result; metrics may be missing.
    samples
        The test split.
    predicted
        Predictions of the model computed here, int64, shape (samples,).
    device
        ``cpu`` or ``cuda``.
    large
        As for :func:`predict_again`.

    Returns
    -------
    str
        The first metric that differs, with both values; empty if all agree. Counts agree within
        :data:`COUNTS_AGREE` of their value (another order of summation can shift a spike), accuracies over time
        within :data:`CURVES_AGREE`. Energies by a table that is not part of the package are not compared; their counts
        are.
    """
    tables = [read_cost_table(name) for name in COST_TABLES]
    with bounded_memory(large, device), one_thread():
        model = place(load_weights(weights, run), find_device(device), run)
        binned = bin_samples(samples, run.preset)
        size = run.preset.training.batch_size
        bits = run.preset.training.weight_bits
        here = measure_cost(model, run.model, binned, predicted, size, GROUPS, tables, bits)
    recorded = claimed.metrics.model_dump() if claimed.metrics else {}
    found = here.model_dump()
    if claimed.spikes_per_sample is not None:
        recorded["spikes_per_sample"] = claimed.spikes_per_sample
        found["spikes_per_sample"] = found["spikes_per_inference"]
    return next(
        (
            f"{name} is claimed {str(recorded[name])[:120]}, measured again {str(found[name])[:120]}"
            for name in recorded
            if recorded[name] is not None and not _agree(recorded[name], found[name])
        ),
        "",
    )


def _agree(claimed: Any, found: Any) -> bool:  # noqa: ANN401
    """Compare two metrics, part by part."""
    if isinstance(claimed, dict) and isinstance(found, dict):
        if "accuracy" in claimed:  # the latency curve; the first moment above 95 % follows from it
            curves = zip(claimed["accuracy"], found["accuracy"], strict=False)
            return claimed["times_s"] == found["times_s"] and all(
                abs(a - b) <= CURVES_AGREE for a, b in curves
            )
        return claimed.keys() == found.keys() and all(
            _agree(value, found[name])
            for name, value in claimed.items()
            if name not in ("technology", "source", "not_applicable")
        )
    if isinstance(claimed, list) and isinstance(found, list):
        if claimed and "table" in claimed[0]:
            here = {one["table"]: one for one in found}
            return all(_agree(one, here.get(one["table"], one)) for one in claimed)
        pairs = zip(claimed, found, strict=False)
        return len(claimed) == len(found) and all(_agree(a, b) for a, b in pairs)
    if isinstance(claimed, int | float) and isinstance(found, int | float):
        return math.isclose(claimed, found, rel_tol=COUNTS_AGREE, abs_tol=1e-9)
    return type(claimed) is type(found) and claimed == found


@contextmanager
def bounded_memory(large: bool = False, device: str = "cpu") -> Iterator[None]:
    """Limit the memory of this process to 8 GiB more than it uses now, where the system reports its use (Linux).

    An allocation beyond the limit raises an error. Without the limit, the system could kill any process.

    Parameters
    ----------
    large
        If true, set no limit.
    device
        ``cpu``; for other devices no limit is set, since their drivers map more memory than they use.

    Yields
    ------
    None
    """
    used = _data_bytes()
    if large or used is None or resource is None or device != "cpu":
        yield
        return
    before: tuple[Any, Any] = resource.getrlimit(resource.RLIMIT_DATA)
    bound = used + MOST_MEMORY
    tightest = min(one for one in (*before, bound) if one != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_DATA, (tightest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _data_bytes() -> int | None:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    kilobytes = [line.split()[1] for line in lines if line.startswith("VmData:")]
    return int(kilobytes[0]) * 1024 if kilobytes else None
