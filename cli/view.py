"""``spikebench view``: a page for looking at a spike file and listening to it, on this machine only."""

from __future__ import annotations

import contextlib
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.shared.ending import end_on_signals
from cli.shared.sample import encoder_behind, recording_finder

if TYPE_CHECKING:
    from spikebench.spike_files.reader import SpikeFile
    from spikebench.viewer.answers import Answers
    from spikebench.viewer.application import Application


@click.command()
@click.argument("data", metavar="FILE")
@click.option(
    "--audio",
    type=click.Path(path_type=Path, exists=True),
    help="The folder of recordings that was converted.  [default: as stored in FILE]",
)
@click.option(
    "--run",
    type=click.Path(path_type=Path, file_okay=False),
    help="A finished run, or a result or entry with weights (its first seed): show how its predictions "
    "develop during a sample.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port of the page.  [default: any free one]",
)
@click.option("--no-browser", is_flag=True, help="Print the address only.")
def view(data: str, audio: Path | None, run: Path | None, port: int, no_browser: bool) -> None:
    """Look at the samples of FILE and listen to them, in a browser on this machine, until Ctrl-C.

    The page lists the samples by class, speaker and split, shows their spikes down to single ones, and plays the
    recording (if it is available and its SHA-256 is the one stored in FILE) and a sound made of the spikes. With --run
    it shows how the predictions of a trained model develop during a sample; there are none for samples of the test
    split of its data, which evaluate opens and counts. No data leave this machine. FILE is a spike file or the name of
    a data set.
    """
    from spikebench.spike_files.reader import SpikeFile
    from spikebench.store.locate import resolve
    from spikebench.viewer.server import PageServer

    file, _ = resolve(data)
    # The model reads through an object of its own, while the page reads through the other.
    with SpikeFile(file) as spikes, SpikeFile(file) as heard, PageServer(port) as server:
        model = None if run is None else _model(heard, audio, run)
        server.application = _application(spikes, audio, model)
        end_on_signals()
        with contextlib.suppress(KeyboardInterrupt):
            click.echo(f"{server.address} (Ctrl-C ends it)")
            if not no_browser:
                threading.Thread(target=_open, args=[server.address], daemon=True).start()
            server.serve_forever()


def _application(spikes: SpikeFile, audio: Path | None, model: Answers | None) -> Application:
    from spikebench.viewer.application import Application
    from spikebench.viewer.sounds import Sounds

    encoder = encoder_behind(spikes)
    frequencies = None if encoder is None else encoder.characteristic_frequencies()
    decode = {} if encoder is None else {"decode": encoder.decode}
    sounds = Sounds(spikes, frequencies, recording_finder(spikes, audio), **decode)
    return Application(spikes, frequencies, sounds, model)


def _model(spikes: SpikeFile, audio: Path | None, run: Path) -> Answers:
    from spikebench.deployment.prediction import Listener
    from spikebench.deployment.restored import runs_or_restored
    from spikebench.viewer.answers import Answers

    with runs_or_restored(run) as runs:
        return Answers(Listener(runs[0]), spikes, recording_finder(spikes, audio))


def _open(address: str) -> None:
    """Open the browser of the desktop, never one that takes the terminal."""
    with contextlib.suppress(webbrowser.Error):
        browser = webbrowser.get()
        if type(browser) is not webbrowser.GenericBrowser:
            browser.open(address)
