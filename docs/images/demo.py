"""Record the demo of the README: run its commands and write what they print as a picture of a terminal.

    python docs/images/demo.py          # writes docs/images/demo.svg; about a minute

Everything in the picture was printed by the commands, in a temporary folder with 16 of the packaged recordings.
Progress is left out, since the output is not a terminal.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[2]
COMMANDS = (
    "spikebench convert recordings/ out.h5 --channels 70 --labels heidelberg-digits",
    "spikebench plot out.h5 --index 0 --audio recordings/ -o word.png",
    "spikebench evaluate --model lif --data digits --seed 0 -o lif",
    'spikebench submit lif --name "LIF, 128 units" --entries entries',
    "spikebench leaderboard show --entries entries",
)
_WIDTH = 96
_FONT = re.compile(
    r"\s*@font-face \{.*?\}", re.DOTALL
)  # loaded from another address; the viewer's font is used


def main() -> None:
    """Run the commands and write the picture."""
    console = Console(record=True, width=_WIDTH, file=StringIO(), highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        recordings = Path(folder, "recordings")
        recordings.mkdir()
        for clip in sorted(
            (ROOT / "data" / "digits").glob("lang-*_speaker-0[0145]_trial-0_digit-[01].flac")
        ):
            shutil.copy(clip, recordings)
        for command in COMMANDS:
            _, *words = shlex.split(command)
            done = subprocess.run(  # noqa: S603 - the commands above
                [sys.executable, "-m", "cli.main", *words],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=_environment(),
                check=True,
            )
            console.print(Text.assemble(("$ ", "green"), (command, "bold")))
            if done.stdout:
                console.print(Text(done.stdout.rstrip("\n")))
            console.print()
    svg = _FONT.sub("", console.export_svg(title="spikebench", unique_id="demo"))
    Path(__file__).with_suffix(".svg").write_text(svg, encoding="utf-8")


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": str(_WIDTH - 2)}


if __name__ == "__main__":
    main()
