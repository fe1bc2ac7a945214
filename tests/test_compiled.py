"""Watching numba compile: how long, and that the first loop is announced once."""

from __future__ import annotations

import time

import numpy as np
from numba import njit

from cli.progress.compiling import announce_compilation
from spikebench.compiled import watch_compilation


def test_only_compiling_counts() -> None:
    @njit
    def inner(x):  # noqa: ANN001, ANN202
        return x + 1

    @njit
    def outer(x):  # noqa: ANN001, ANN202
        return inner(x) * 2

    said: list[str] = []
    began = time.perf_counter()
    with watch_compilation(lambda: said.append("began")) as watch:
        assert outer(np.int64(3)) == 8
        took = time.perf_counter() - began
        assert (said, watch.loops) == (["began"], 1)  # the inner one belongs to the outer
        first = watch.seconds
        assert 0 < first < took
        assert outer(np.int64(4)) == 10
        assert (watch.loops, watch.seconds) == (1, first)
        assert outer(np.float64(4)) == 10
        assert (said, watch.loops) == (["began"], 2)
        assert watch.seconds > first
    with watch_compilation() as watch:
        assert outer(np.float64(5)) == 12
    assert (watch.loops, watch.seconds) == (0, 0.0)


def test_the_user_is_told(capsys) -> None:  # noqa: ANN001
    @njit
    def loop(x):  # noqa: ANN001, ANN202
        return x + 1

    with announce_compilation(quiet=False):
        loop(1)
        loop(1.0)
    assert capsys.readouterr().err.count("compiling loops for this processor") == 1
    with announce_compilation(quiet=False):
        loop(2)
    with announce_compilation(quiet=True):
        loop(np.float32(1))
    assert capsys.readouterr().err == ""
