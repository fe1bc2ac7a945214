"""Declarations required by the rules: augmentation, extra data, ensembles, look-ahead, input.

A result of our trainer already contains most of them; the result and the declarations must agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from spikebench.errors import ResultError
from spikebench.protocol.results import Result

NONE = "none"
AUDIO = "conventional-audio"

Track = Literal[
    "spiking",
    "conventional-spikes",
    "conventional-audio",
    "constrained",
    "few-shot",
    "continual",
    "online",
    "robust",
    "hardware",
]
TRACKS: dict[str, str] = {
    "spiking": "spiking networks",
    "conventional-spikes": "conventional networks on spikes",
    "conventional-audio": "conventional networks on audio",
    "constrained": "constrained: 100 steps of 10 ms, at most 100,000 parameters",
    "few-shot": "few examples per class",
    "continual": "one task after another",
    "online": "online learning",
    "robust": "with pruned weights, on an imperfect chip, or in noise",
    "hardware": "measured on chips",
}
assert set(TRACKS) == set(get_args(Track))
# Tracks of studies, and the commands that make their results.
STUDY_TRACKS = {
    "few-shot": "spikebench fewshot",
    "continual": "spikebench continual",
    "robust": "spikebench prune, spikebench substrate, spikebench noise",
}

CONSTRAINED_STEPS, CONSTRAINED_STEP_MS, CONSTRAINED_PARAMETERS = 100, 10.0, 100_000


def _check_printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("contains characters that cannot be printed")
    return text


Line = AfterValidator(_check_printable)


class Declarations(BaseModel):
    """Properties of a result that determine what it may be compared with.

    ``augmentation`` and ``extra_data`` are ``none`` or a description. ``ensemble`` is the number of networks behind one
    prediction. ``look_ahead`` is true if a prediction needs the whole clip, null if unknown. ``input`` is the content
    of a time step.
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
    """Derive the declarations of a result made by our trainer, or by ``Benchmark.evaluate``.

    Parameters
    ----------
    result
        Made by ``spikebench evaluate``, or of a network that was trained elsewhere.

    Returns
    -------
    Declarations
        Without extra data, which our trainer does not support, and with the networks of ``model.members``, unless the
        result declares them (``training.declared`` of ``Benchmark.evaluate``).

    Raises
    ------
    ResultError
        If the result does not record its input: how spikes are binned, or that it is audio.
    """
    settings = result.training.get("input")
    if not isinstance(settings, dict) or settings.get("mode") not in ("counts", "binary", "audio"):
        raise ResultError("the result does not record its input (training.input.mode)")
    said = result.training.get("declared")
    own = said if isinstance(said, dict) else {}
    step, duration = (
        _number(settings.get("time_step_ms")),
        _number(settings.get("duration_ms")),
    )
    try:
        return Declarations(
            augmentation=own.get("augmentation") or augmentation_of(result.training),
            extra_data=own.get("extra_data", NONE),
            ensemble=own.get("ensemble", _members(result.model.config)),
            look_ahead=result.model.look_ahead,
            input=own.get("input", settings["mode"]),
            time_step_ms=step or None,
            time_steps=max(round(duration / step), 1) if step and duration else None,
        )
    except ValueError:
        raise ResultError(
            "the result's training.input differs from the format of our trainer"
        ) from None


def augmentation_of(training: dict[str, Any]) -> str:
    """Describe the augmentation in the settings of a training.

    Parameters
    ----------
    training
        ``training`` of a result, or the corresponding tables of a preset.

    Returns
    -------
    str
        ``none``, or every setting that is not 0.
    """
    changes = []
    for table, names in (("training", ("unit_jitter_percent",)), ("augmentation", None)):
        settings = training.get(table)
        if not isinstance(settings, dict):
            continue
        changes += [
            f"{str(name).replace('_', ' ')} {value:g}"
            for name, value in settings.items()
            if (names is None or name in names) and _number(value) > 0
        ]
    return ", ".join(changes)[:500] or NONE


def _members(config: Mapping[str, object]) -> int:
    """Return the number of networks of a model of our trainer."""
    members = config.get("members", 1)
    return members if isinstance(members, int) else 1


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e300 else 0.0


def is_online(result: Result) -> bool:
    """Ask whether a model was trained by a rule whose memory does not grow with the length of the input.

    Parameters
    ----------
    result
        The result.

    Returns
    -------
    bool
        True for the rules ``eprop``, ``local_losses``, ``superspike``, and ``rtrl`` but for its gradients
        ``bptt`` and ``truncated``.
    """
    learning = result.training.get("learning")
    settings = learning if isinstance(learning, dict) else {}
    gradient = settings.get("gradient", "block_diagonal")
    return settings.get("rule") in ("eprop", "local_losses", "superspike") or (
        settings.get("rule") == "rtrl" and gradient in ("block_diagonal", "exact")
    )


def own_track(result: Result) -> str:
    """Return the track of a result made by our trainer.

    Parameters
    ----------
    result
        The result.

    Returns
    -------
    str
        That of its study; ``online`` if it was trained so; else ``spiking``, ``conventional-spikes`` or
        ``conventional-audio``, according to the model and its input.
    """
    if result.study is not None:
        return result.study.track
    if is_online(result):
        return "online"
    if result.model.spiking:
        return "spiking"
    settings = result.training.get("input")
    is_audio = isinstance(settings, dict) and settings.get("mode") == "audio"
    return AUDIO if is_audio else "conventional-spikes"


def tracks_of(track: str, parameters: int | None, declared: Declarations) -> tuple[str, ...]:
    """List the tracks of an entry: its own, and ``constrained`` if it is within its limits.

    Parameters
    ----------
    track
        Track of the entry.
    parameters
        Number of trained parameters; None if it is only claimed, which no limit admits.
    declared
        Declarations of the entry.

    Returns
    -------
    tuple of str
        The entry's own track first.
    """
    fits = (
        track in ("spiking", "conventional-spikes")
        and parameters is not None
        and parameters <= CONSTRAINED_PARAMETERS
        and declared.time_step_ms == CONSTRAINED_STEP_MS
        and declared.time_steps is not None
        and declared.time_steps <= CONSTRAINED_STEPS
        and declared.ensemble == 1
    )
    return (track, "constrained") if fits and track != "constrained" else (track,)
