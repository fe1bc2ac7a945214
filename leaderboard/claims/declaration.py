"""What the rules ask everybody to say: augmentation, extra data, ensembles, look-ahead, input.

A result of our trainer says most of it already; what it says and what is declared must agree.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from spikebench.errors import ResultError
from spikebench.protocol.results import Result

NONE = "none"

Track = Literal[
    "spiking",
    "conventional-spikes",
    "conventional-audio",
    "constrained",
    "few-shot",
    "continual",
    "online",
    "robust",
]
TRACKS: dict[str, str] = {
    "spiking": "spiking networks",
    "conventional-spikes": "conventional networks on spikes",
    "conventional-audio": "conventional networks on audio",
    "constrained": "constrained: 100 steps of 10 ms, at most 100,000 parameters",
    "few-shot": "few examples per class",
    "continual": "one task after another",
    "online": "learning while listening",
    "robust": "under noise and faults",
}
assert set(TRACKS) == set(get_args(Track))

CONSTRAINED_STEPS, CONSTRAINED_STEP_MS, CONSTRAINED_PARAMETERS = 100, 10.0, 100_000


def _check_printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return text


Line = AfterValidator(_check_printable)


class Declarations(BaseModel):
    """How a result was made, as far as it changes what it may be compared with.

    ``augmentation`` and ``extra_data`` are ``none`` or say what. ``ensemble`` counts the networks behind one
    answer. ``look_ahead``: an answer needs the whole clip; null where nobody said. ``input`` is what a time step holds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    augmentation: Annotated[str, Field(min_length=1, max_length=500), Line]
    extra_data: Annotated[str, Field(min_length=1, max_length=500), Line]
    ensemble: Annotated[int, Field(ge=1, le=10_000)]
    look_ahead: bool | None
    input: Literal["counts", "binary", "audio", "events", "other"]
    time_step_ms: Annotated[float, Field(gt=0, le=1e6)] | None
    time_steps: Annotated[int, Field(ge=1, le=10**9)] | None


def declare(result: Result) -> Declarations:
    """Say of a result of our trainer what it says of itself.

    Parameters
    ----------
    result
        Made by ``spikebench evaluate``.

    Returns
    -------
    Declarations
        Without extra data or ensembles, which our trainer does not know.

    Raises
    ------
    ResultError
        If the result does not say how spikes become steps.
    """
    settings = result.training.get("input")
    if not isinstance(settings, dict) or settings.get("mode") not in ("counts", "binary"):
        raise ResultError("the result does not say its input (training.input.mode)")
    step, duration = (
        _number(settings.get("time_step_ms")),
        _number(settings.get("duration_ms")),
    )
    try:
        return Declarations(
            augmentation=augmentation_of(result.training),
            extra_data=NONE,
            ensemble=1,
            look_ahead=result.model.look_ahead,
            input=settings["mode"],
            time_step_ms=step or None,
            time_steps=max(round(duration / step), 1) if step and duration else None,
        )
    except ValueError:
        raise ResultError("the result's training.input is not what our trainer writes") from None


def augmentation_of(training: dict[str, Any]) -> str:
    """Tell in words which random changes the settings of a training ask for.

    Parameters
    ----------
    training
        ``training`` of a result, or the same tables of a preset.

    Returns
    -------
    str
        ``none``, or every setting that is not 0.
    """
    said = []
    for table, names in (("training", ("unit_jitter_percent",)), ("augmentation", None)):
        settings = training.get(table)
        if not isinstance(settings, dict):
            continue
        said += [
            f"{str(name).replace('_', ' ')} {value:g}"
            for name, value in settings.items()
            if (names is None or name in names) and _number(value) > 0
        ]
    return ", ".join(said)[:500] or NONE


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e300 else 0.0


def tracks_of(track: str, parameters: int, declared: Declarations) -> tuple[str, ...]:
    """List the tracks of an entry: its own, and ``constrained`` if it keeps within its limits.

    Parameters
    ----------
    track
        Its own.
    parameters
        Trained numbers.
    declared
        What was declared.

    Returns
    -------
    tuple of str
        Its own first.
    """
    fits = (
        track in ("spiking", "conventional-spikes")
        and parameters <= CONSTRAINED_PARAMETERS
        and declared.time_step_ms == CONSTRAINED_STEP_MS
        and declared.time_steps is not None
        and declared.time_steps <= CONSTRAINED_STEPS
        and declared.ensemble == 1
    )
    return (track, "constrained") if fits and track != "constrained" else (track,)
