"""The command view as somebody starts it: its address, what it refuses, how it ends."""

from __future__ import annotations

import json
import signal
import socket
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.commands import Started, run
from helpers.toy import write_toy

DIGITS = Path(__file__).parents[2] / "data" / "digits"


def started(folder: Path, *words: object) -> tuple[Started, str, str]:
    """Start it; the command, its address, and what it said."""
    command = Started(folder, "view", *words, "--no-browser")
    deadline = time.monotonic() + 60
    while "\n" not in (said := command.stdout.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert said.startswith("http://127.0.0.1:"), command.ends()
    assert said.endswith("/ (Ctrl-C ends it)\n")
    return command, said.split()[0], said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    write_toy(tmp_path / "toy.h5")
    command, address, said = started(tmp_path, "toy.h5")
    with urllib.request.urlopen(f"{address}api/file", timeout=20) as answer:
        assert json.load(answer)["samples"] == 96
    with urllib.request.urlopen(f"{address}api/sample/3", timeout=20) as answer:
        facts = json.load(answer)
    assert facts["no_recording"] == (
        "the file names no recording (give the recording or its folder with --audio)"
    )
    command.send_signal(number)
    assert command.ends(20) == (0, said, "")


@pytest.mark.skipif(not DIGITS.is_dir(), reason="the recordings (data/digits) are not here")
def test_recordings_of_digits(tmp_path: Path) -> None:
    command, address, said = started(tmp_path, "digits", "--audio", DIGITS)
    with urllib.request.urlopen(f"{address}api/recording/3", timeout=20) as answer:
        assert answer.read(4) == b"RIFF"
    command.send_signal(signal.SIGINT)
    assert command.ends(20) == (0, said, "")


def test_refusals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_toy(tmp_path / "toy.h5")
    Path("text.h5").write_text("not a spike file")
    Path("empty.h5").touch()
    Path("folder").mkdir()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        tries: list[tuple[tuple[object, ...], int, str]] = [
            (("text.h5",), 1, "text.h5: "),
            (("empty.h5",), 1, "empty.h5: "),
            (("folder",), 1, "'folder' is a folder, not a spike file"),
            (("nothing.h5",), 1, "no such file: 'nothing.h5'"),
            (("digit",), 1, "Did you mean 'digits'?"),
            (("toy.h5", "--port", port), 1, f"port {port} of 127.0.0.1: address already in use"),
            (("toy.h5", "--run", "folder"), 1, "folder: not a run"),
        ]
        for words, expected, reason in tries:
            code, out, err = run(capsys, "view", *words, "--no-browser")
            assert (code, out) == (expected, ""), words
            assert reason in err
            assert err.count("\n") == 1, err
    assert run(capsys, "view", "toy.h5", "--audio", "none")[0] == 2


@pytest.mark.parametrize(("kind", "opened"), [("desktop", True), ("terminal", False)])
def test_a_browser_that_takes_the_terminal_is_not_opened(
    monkeypatch: pytest.MonkeyPatch, kind: str, opened: bool
) -> None:
    import webbrowser

    from cli.view import _open

    seen: list[str] = []
    bases = {"desktop": webbrowser.BaseBrowser, "terminal": webbrowser.GenericBrowser}
    browser = bases[kind]("x")

    def tell(url: str, new: int = 0, autoraise: bool = True) -> bool:
        seen.append(url)
        return True

    open_: Callable[..., bool] = tell
    monkeypatch.setattr(browser, "open", open_)
    monkeypatch.setattr(webbrowser, "get", lambda: browser)
    _open("http://127.0.0.1:1/t/")
    assert seen == ["http://127.0.0.1:1/t/"] * opened
