"""Ending a command that runs until the user stops it."""

from __future__ import annotations

import signal

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


def end_on_signals() -> None:
    """Raise KeyboardInterrupt on Ctrl-C, on SIGTERM, and when the terminal is closed."""
    for name in _SIGNALS:
        if number := getattr(signal, name, None):
            signal.signal(number, signal.default_int_handler)
