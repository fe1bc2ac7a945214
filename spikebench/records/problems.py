"""Failed validations in plain words: what is wrong, where, and what would be right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from spikebench.errors import SpikebenchError, UnknownNameError

_LONGEST_VALUE = 40  # characters of a wrong value that are shown
_NUMBER, _WHOLE = "a number", "a whole number"
_KINDS = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), _WHOLE),
    **dict.fromkeys(("float_type", "float_parsing"), _NUMBER),
    "finite_number": "a finite number",
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("string_type", "string_unicode"), "text"),
    **dict.fromkeys(("tuple_type", "list_type"), "a list"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "a table of keys"),
}
# Words before a limit, and the name of the limit in the context of the problem.
_LIMITS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
_LENGTHS = {
    "too_short": ("at least", "min_length", "item"),
    "too_long": ("at most", "max_length", "item"),
    "string_too_short": ("at least", "min_length", "character"),
    "string_too_long": ("at most", "max_length", "character"),
}

Failure = TypeVar("Failure", bound=SpikebenchError)


def invalid(
    failure: type[Failure],
    source: str,
    error: ValidationError,
    kind: type[BaseModel] | None = None,
    before: str = "",
) -> Failure:
    """Make the exception for what a user wrote: the first problem in the message, the others in its details.

    Parameters
    ----------
    failure
        Class of the exception.
    source
        What was read, e.g. the path of a file.
    error
        Exception raised by pydantic.
    kind
        Type that was validated.
    before
        Place of the validated table, e.g. ``model``.

    Returns
    -------
    SpikebenchError
        To be raised.
    """
    return gathered(failure, [f"{source}: {one}" for one in problems(error, kind, before)])


def gathered(failure: type[Failure], lines: list[str]) -> Failure:
    """Make an exception of several problems.

    Parameters
    ----------
    failure
        Class of the exception.
    lines
        The problems; at least one.

    Returns
    -------
    SpikebenchError
        With the first problem as its message, and the others as its details.
    """
    more = len(lines) - 1
    made = failure(lines[0] + (f" (and {more} more)" if more else ""))
    made.details = tuple(lines[1:])
    return made


def first_problem(error: ValidationError, kind: type[BaseModel] | None = None) -> str:
    """Describe the first problem of a failed validation in one line, with its place.

    Parameters
    ----------
    error
        Exception raised by pydantic.
    kind
        Type that was validated; if given, the message on an unknown key lists the known keys.

    Returns
    -------
    str
        ``place: problem``, and the number of further problems.
    """
    found = problems(error, kind)
    more = len(found) - 1
    return found[0] + (f" (and {more} more)" if more else "")


def problems(
    error: ValidationError, kind: type[BaseModel] | None = None, before: str = ""
) -> list[str]:
    """Describe all problems of a failed validation, one line each.

    Parameters
    ----------
    error
        Exception raised by pydantic.
    kind
        Type that was validated; if given, the message on an unknown key lists the known keys, and that on a value that
        is not a list shows one.
    before
        Place of the validated table, e.g. ``model``.

    Returns
    -------
    list of str
        ``place: problem``.
    """
    found = error.errors(include_url=False)
    places = [one["loc"] for one in found]
    # A list with a wrong item also counts as too short, since pydantic leaves the item out.
    return [
        _described(one, kind, before)
        for one in found
        if one["type"] != "too_short"
        or not any(
            place != one["loc"] and place[: len(one["loc"])] == one["loc"] for place in places
        )
    ]


def _described(problem: Mapping[str, Any], kind: type[BaseModel] | None, before: str) -> str:
    parts = [_shown(str(part)) for part in problem["loc"]]
    place = ".".join([*([before] if before else []), *parts])
    what = _words(problem, parts, kind)
    if problem["type"] == "extra_forbidden" and kind is not None:
        what = _unknown_key(parts, kind) or what
    elif not place and problem["type"] != "value_error":
        place = "top level"
    return (f"{place}: " if place else "") + what


def _words(problem: Mapping[str, Any], place: list[str], kind: type[BaseModel] | None) -> str:
    """Put one problem in words."""
    what, context = problem["type"], problem.get("ctx", {})
    if what == "missing":
        return "is missing"
    if what == "extra_forbidden":
        return "unknown key"
    if what == "literal_error":
        return f"must be {_choices(context['expected'])}{_instead(problem)}"
    if what in _LIMITS:
        words, limit = _LIMITS[what]
        least = context[limit]
        shown = f"{least:g}" if isinstance(least, float) else f"{least:,}"
        return f"must be {words} {shown}{_instead(problem)}"
    if what in _LENGTHS:
        words, limit, of = _LENGTHS[what]
        return f"must have {words} {context[limit]:,} {of}{'s' * (context[limit] != 1)}"
    if what == "string_pattern_mismatch":
        return f"must match {context['pattern']}"
    if what not in _KINDS:
        return str(problem["msg"]).removeprefix("Value error, ")
    example = _example(place, kind) if what in ("tuple_type", "list_type") else ""
    return f"must be {_KINDS[what]}{example}{_instead(problem)}"


def _choices(expected: str) -> str:
    """Turn ``'a', 'b' or 'c'`` of pydantic into ``one of 'a', 'b' or 'c'``; a single one stands alone."""
    return f"one of {expected}" if " or " in expected else expected


def _instead(problem: Mapping[str, Any]) -> str:
    """Show a wrong value, unless it is long or a container."""
    value = problem["input"]
    if isinstance(value, str):
        text = repr(value) if value.isprintable() else ascii(value)
    elif (
        value is None or isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**64)
    ):
        text = repr(value)
    else:
        return ""
    return f", not {text}" if len(text) <= _LONGEST_VALUE else ""


def _example(place: list[str], kind: type[BaseModel] | None) -> str:
    """Return an example of a list, from the default of its field."""
    for part in place[:-1]:
        field = kind.model_fields.get(part) if kind is not None else None
        kind = record_of(field.annotation) if field is not None else None
    field = kind.model_fields.get(place[-1]) if kind is not None and place else None
    default = field.default if field is not None else None
    return f" such as {list(default)}" if isinstance(default, tuple | list) and default else ""


def _shown(key: str) -> str:
    """Escape an untrusted key for a terminal."""
    short = key if len(key) <= 80 else f"{key[:80]}…"
    return short if short.isprintable() else ascii(short)


def record_of(annotation: object) -> type[BaseModel] | None:
    """Return the record that a field holds.

    Parameters
    ----------
    annotation
        Type of the field: a record, or an optional one.

    Returns
    -------
    type or None
        The class of the record; None for a field that holds none.
    """
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def is_open_list(annotation: object) -> bool:
    """Return whether a field is a list of any length.

    Parameters
    ----------
    annotation
        Type of the field.

    Returns
    -------
    bool
        True for ``tuple[X, ...]`` and ``list[X]``.
    """
    return get_origin(annotation) is list or (
        get_origin(annotation) is tuple and get_args(annotation)[-1:] == (Ellipsis,)
    )


def _unknown_key(place: list[str], kind: type[BaseModel]) -> str:
    """Return a message with the known keys at the place of an unknown one."""
    for part in place[:-1]:
        inner = record_of(kind.model_fields[part].annotation) if part in kind.model_fields else None
        if inner is None:
            return ""
        kind = inner
    return str(UnknownNameError("key", place[-1], kind.model_fields))
