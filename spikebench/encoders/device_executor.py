"""A device behind the Executor interface of the standard library, encoding recordings in batches.

Processes of this machine decode, resample and level the recordings. The prepared recordings are collected
into batches and encoded on the device (:class:`spikebench.encoders.encoder.DeviceEncoder`). The composition of the
batches depends on timing and changes no spike.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

import numpy as np

from spikebench.encoders.clip import EncodedClip, EncodingSettings, each_piece, encode_clip
from spikebench.encoders.device import find_device
from spikebench.encoders.encoder import Spikes
from spikebench.recordings.decoding import Recording
from spikebench.workers import available_cores, worker_pool

__all__ = ["BATCH", "device_executor"]

BATCH = 64  # maximum number of recordings that run together; memory may limit it further

P = ParamSpec("P")
T = TypeVar("T")


class _Ready(NamedTuple):
    """A clip before encoding: its usable pieces, prepared, with their seeds."""

    clip: EncodedClip
    prepared: list[Any]
    seeds: list[list[int]]


@contextlib.contextmanager
def device_executor(device: str, jobs: int | None = None) -> Iterator[Executor]:
    """Open an executor that runs :func:`spikebench.encoders.clip.encode_clip` only.

    Parameters
    ----------
    device
        As for :func:`spikebench.encoders.device.find_device`.
    jobs
        Processes that prepare recordings; by default one per core.

    Yields
    ------
    Executor
        Submit at least two batches ahead, so that the device is never idle.

    Raises
    ------
    SpikebenchError
        If the device cannot be used.
    """
    find_device(device)
    with worker_pool(jobs or available_cores(), "spikebench.encoders.clip") as pool:
        executor = _Device(device, pool)
        try:
            yield executor
        finally:
            executor.shutdown(cancel_futures=True)


class _Device(Executor):
    def __init__(self, device: str, pool: Executor) -> None:
        self._device, self._pool = device, pool
        self._ready: queue.Queue[tuple[Future[EncodedClip], EncodingSettings, _Ready] | None] = (
            queue.Queue()
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        if fn is not encode_clip:
            raise TypeError(f"a device executor runs encode_clip only, got {fn!r}")
        outer: Future[EncodedClip] = Future()
        settings = cast("EncodingSettings", args[1])

        def hand_over(prepared: Future[_Ready]) -> None:
            error = prepared.exception()
            if error is None:
                self._ready.put((outer, settings, prepared.result()))
            else:
                outer.set_exception(error)

        self._pool.submit(_prepare_clip, *cast("Any", args)).add_done_callback(hand_over)
        return cast("Future[T]", outer)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the thread that feeds the device."""
        if cancel_futures:
            with contextlib.suppress(queue.Empty):
                while True:
                    self._ready.get_nowait()
        self._ready.put(None)
        if wait:
            self._thread.join()

    def _run(self) -> None:
        while (first := self._ready.get()) is not None:
            batch = [first]
            with contextlib.suppress(queue.Empty):
                while len(batch) < BATCH:
                    item = self._ready.get_nowait()
                    if item is None:
                        self._ready.put(None)  # after this batch
                        break
                    batch.append(item)
            try:
                clips = self._encode(batch[0][1], [ready for _, _, ready in batch])
            except BaseException as error:  # passed on to the callers that wait for the results
                for future, _, _ in batch:
                    future.set_exception(error)
                continue
            for (future, _, _), clip in zip(batch, clips, strict=True):
                future.set_result(clip)

    def _encode(self, settings: EncodingSettings, batch: list[_Ready]) -> list[EncodedClip]:
        prepared = [one for ready in batch for one in ready.prepared]
        seeds = [seed for ready in batch for seed in ready.seeds]
        encoder = settings.encoder.on_device()
        spikes = iter(encoder.encode_prepared(prepared, seeds, self._device))
        clips = []
        for ready in batch:
            pieces = []
            for piece in ready.clip.pieces:
                if not piece.reason:
                    times, units = next(spikes)
                    piece = replace(piece, times=times, units=units)
                pieces.append(piece)
            clips.append(replace(ready.clip, pieces=tuple(pieces)))
        return clips


def _prepare_clip(data: bytes, settings: EncodingSettings) -> _Ready:
    """Do the part that needs no device; runs in another process."""
    prepared: list[Any] = []
    seeds: list[list[int]] = []
    encoder = settings.encoder.on_device()

    def keep(recording: Recording, seed: list[int]) -> Spikes:
        prepared.append(encoder.prepare(recording.samples, recording.sample_rate))
        seeds.append(seed)
        return Spikes(np.empty(0), np.empty(0, np.uint16))

    return _Ready(each_piece(data, settings, keep), prepared, seeds)
