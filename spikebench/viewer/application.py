"""From a requested path to the bytes of the response.

::

    /                     the page; its style and scripts beside it
    /api/file             names, numbers and statistics of the file; the classes of the model
    /api/samples?…        a page of the list
    /api/sample/K         facts of a sample, and why it has no sound or no answer, if it has none
    /api/spikes/K         n times [s] in float64, then n units in uint16, little-endian, in order of time
    /api/recording/K      WAV
    /api/sound/K          WAV, made of the spikes
    /api/answers/K        what the model answers over the time heard
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl

import numpy as np
from numpy.typing import NDArray

from spikebench.errors import SpikebenchError
from spikebench.records.text import printable
from spikebench.spike_files.reader import SpikeFile
from spikebench.viewer.catalogue import ORDERS, Catalogue, Choice
from spikebench.viewer.sounds import Sounds, length_of

__all__ = ["Application", "Model", "Response"]

PAGE = Path(__file__).with_name("page")
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
_JSON, _WAV, _BINARY = "application/json", "audio/wav", "application/octet-stream"
_MOST_ROWS = 500
_INTEGER = re.compile(r"-?[0-9]{1,10}", re.ASCII)


@dataclass(frozen=True)
class Response:
    """Status, content type and bytes."""

    status: HTTPStatus
    kind: str
    body: bytes


class Model(Protocol):
    """What the page needs of a trained model; see :class:`spikebench.viewer.answers.Answers`."""

    model: str
    classes: list[str]

    def refusal(self, index: int) -> str:
        """Return why the model does not answer a sample; empty if it does."""
        ...

    def over_time(self, index: int) -> dict[str, Any]:
        """Let the model answer a sample."""
        ...


class Application:
    """The page and its data; calls from several threads are answered one after another.

    Parameters
    ----------
    spikes
        The file.
    frequencies
        Characteristic frequency of each unit [Hz], float64, shape (units,); None if unknown.
    sounds
        Sounds of its samples.
    model
        A trained model, if one is to answer.

    Raises
    ------
    SpikeFileError
        If the file cannot be read.
    """

    def __init__(
        self,
        spikes: SpikeFile,
        frequencies: NDArray[np.float64] | None,
        sounds: Sounds,
        model: Model | None = None,
    ) -> None:
        self._spikes, self._frequencies = spikes, frequencies
        self._sounds, self._model = sounds, model
        self._catalogue = Catalogue(spikes)
        self._files = {path.name: path for path in sorted(PAGE.iterdir()) if path.suffix in _TYPES}
        self._reading, self._answering = threading.Lock(), threading.Lock()
        self._of_sample: dict[str, Callable[[int], Response]] = {
            "sample": lambda k: _as_json(self._facts(k)),
            "spikes": lambda k: Response(HTTPStatus.OK, _BINARY, self._events(k)),
            "recording": lambda k: Response(HTTPStatus.OK, _WAV, sounds.recording(k)),
            "sound": lambda k: Response(HTTPStatus.OK, _WAV, sounds.reconstructed(k)),
        }

    def respond(self, path: str, query: str = "") -> Response:
        """Answer a request.

        Parameters
        ----------
        path
            Without the leading slash, not decoded: a percent sign is in no known path.
        query
            What follows the question mark.

        Returns
        -------
        Response
            404 for an unknown path or sample, 400 for a query that cannot be read, 422 with ``reason`` if
            the sample cannot be read or has no such sound or answer.
        """
        name = path or "index.html"
        if name in self._files:
            file = self._files[name]
            return Response(HTTPStatus.OK, _TYPES[file.suffix], file.read_bytes())
        if name == "api/file":
            return _as_json(self._describe())
        if name == "api/samples":
            return self._list(query)
        asked = re.fullmatch("api/([a-z]+)/([0-9]{1,10})", name, re.ASCII)
        known = {*self._of_sample, *(["answers"] if self._model else [])}
        if not asked or asked[1] not in known:
            return _refused(HTTPStatus.NOT_FOUND, "there is no such page")
        kind, index = asked[1], int(asked[2])
        if index >= len(self._catalogue):
            return _refused(HTTPStatus.NOT_FOUND, f"there is no sample {index}")
        try:
            return self._sample(kind, index)
        except SpikebenchError as error:
            return _refused(HTTPStatus.UNPROCESSABLE_ENTITY, printable(str(error)))

    def _sample(self, kind: str, index: int) -> Response:
        if kind == "answers" and self._model is not None:
            with self._answering:  # the list stays usable while a model computes
                return _as_json(self._model.over_time(index))
        with self._reading:
            return self._of_sample[kind](index)

    def _describe(self) -> dict[str, Any]:
        cf = self._frequencies
        model = None
        if self._model is not None:
            model = {"name": self._model.model, "classes": self._model.classes}
        return self._catalogue.describe() | {
            "frequencies": None if cf is None else [float(f"{f:.5g}") for f in cf],
            "model": model,
        }

    def _list(self, query: str) -> Response:
        try:
            values = _read_query(query)
        except ValueError as error:
            return _refused(HTTPStatus.BAD_REQUEST, str(error))
        integers = {name: value for name, value in values.items() if isinstance(value, int)}
        choice = Choice(
            label=integers.get("class"),
            speaker=integers.get("speaker"),
            split=integers.get("split"),
            order=str(values.get("order", ORDERS[0])),
        )
        chosen = self._catalogue.choose(choice)
        first, count = max(integers.get("from", 0), 0), integers.get("count", 100)
        rows = chosen[first : first + min(max(count, 0), _MOST_ROWS)]
        answer: dict[str, Any] = {
            "total": chosen.size,
            "from": first,
            "rows": [self._catalogue.row(int(k)) for k in rows],
        }
        if "find" in integers:
            found = np.flatnonzero(chosen == integers["find"])
            answer["position"] = int(found[0]) if found.size else -1
        return _as_json(answer)

    def _facts(self, index: int) -> dict[str, Any]:
        times, _ = self._spikes.events(index)
        duration = length_of(self._spikes, index, times)
        reason = ""
        try:
            self._sounds.recording(index)
        except SpikebenchError as error:
            reason = printable(str(error))
        return {
            "row": self._catalogue.row(index),
            "source": self._catalogue.source(index),
            "length": round(duration, 6),
            "no_recording": reason,
            "no_sound": self._sounds.without_sound(duration),
            "no_answer": self._model.refusal(index) if self._model else "",
        }

    def _events(self, index: int) -> bytes:
        times, units = self._spikes.events(index)
        order = np.argsort(times, kind="stable")
        return times[order].astype("<f8").tobytes() + units[order].astype("<u2").tobytes()


def _read_query(query: str) -> Mapping[str, int | str]:
    """Read a query of integers and an order; raise ValueError with the reason."""
    known = ("class", "speaker", "split", "from", "count", "find", "order")
    found: dict[str, int | str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, max_num_fields=len(known)):
        if name not in known:
            raise ValueError(f"unknown: {printable(name)[:40]}")
        if name == "order":
            if value not in ORDERS:
                raise ValueError(f"order: one of {', '.join(ORDERS)}")
            found[name] = value
        elif _INTEGER.fullmatch(value):
            found[name] = int(value)
        else:
            raise ValueError(f"{name}: not an integer")
    return found


def _as_json(value: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Response(status, _JSON, text.encode())


def _refused(status: HTTPStatus, reason: str) -> Response:
    return _as_json({"reason": reason}, status)
