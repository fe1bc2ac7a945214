"""The pages of docs/ that lead a reader: their commands and Python run, in order, in a folder with recordings.

Comments in the pages say what is different here:

    <!-- not run: REASON -->            the next block is not run; NOT_RUN lists all of them
    <!-- run with: shd=digits -->       words of the next block are replaced
    <!-- file: table.csv -->            the next block is the contents of a file

As in the test of README.md, one epoch is enough to see that a training command runs.
"""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from glob import glob
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import ROOT
from helpers.commands import run
from matplotlib import pyplot

from spikebench.spike_files.writer import SpikeWriter

DOCS = ROOT / "docs"
PAGES = sorted(
    str(path.relative_to(DOCS))
    for path in (
        DOCS / "index.md",
        *(
            path
            for name in ("tutorials", "howto", "explanation", "reference")
            for path in (DOCS / name).glob("*.md")
        ),
    )
)
DIGITS = ROOT / "data" / "digits"
SPEAKERS = ("anna", "ben", "carla", "david", "eva", "felix", "greta", "hans")

_CLUSTER = "needs a cluster; tests/test_cluster.py runs one on this machine"
# Every block that is not run, with the reason that the page gives.
NOT_RUN = {
    "index.md": ["installs the package"],
    "tutorials/shd_in_five_minutes.md": ["downloads the published files"],
    "howto/cluster.md": ["installs packages", _CLUSTER, _CLUSTER],
    "howto/gpu.md": ["needs a GPU"],
    "howto/nir.md": ["needs a file of snnTorch; tests/models/test_nir_network.py makes one"],
    "howto/real_shd.md": [
        "downloads the published files and the recordings, and converts 10,420 recordings"
    ],
}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, with the comment before it."""

    language: str
    text: str
    comment: str
    value: str


def blocks(page: str) -> Iterator[Block]:
    text = (DOCS / page).read_text(encoding="utf-8")
    fenced = r"(?:^<!-- (not run|run with|file): (.*?) -->\n)?^```([^\n]*)\n(.*?)^```$"
    for comment, value, language, body in re.findall(fenced, text, re.MULTILINE | re.DOTALL):
        yield Block(language, body, comment, value)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of two words by eight voices, by word and by speaker; a part of the Heidelberg Digits, so to speak."""
    if not DIGITS.is_dir():
        pytest.skip("the recordings (data/digits) are not here")
    folder = tmp_path_factory.mktemp("pages")
    for number, speaker in enumerate(SPEAKERS):
        for digit, word in enumerate(("zero", "one")):
            clip = f"lang-english_speaker-{number:02}_trial-0_digit-{digit}.flac"
            samples, rate = soundfile.read(DIGITS / clip, dtype="int16")
            for name in (f"recordings/{word}/{speaker}_0.wav", f"corpus/{speaker}/{word}_0.wav"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(folder / name, samples, rate)
    (folder / "hd_audio").mkdir()
    for clip in sorted(DIGITS.glob("lang-*_speaker-0[04]_trial-0_digit-0.flac")):
        shutil.copy(clip, folder / "hd_audio")
    rng = np.random.default_rng(1)
    with SpikeWriter(folder / "shd_test.h5", 700, ["zero", "null"], {}, "float16") as writer:
        for i in range(20):
            writer.append(np.sort(rng.random(500)), rng.integers(700, size=500), label=i % 2)
    shutil.copy(DOCS / "examples" / "any_program.py", folder)
    return folder


@pytest.fixture
def inside(material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "page"
    shutil.copytree(material, folder)
    monkeypatch.chdir(folder)
    # As on a machine of one core: worker processes would take longer to start than the work takes.
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0}, raising=False)
    return folder


def words_of(line: str) -> list[str]:
    """The words of a line of shell, with names of files filled in where there is a star."""
    found = [sorted(glob(word)) if "*" in word else [word] for word in shlex.split(line)]
    assert all(found), f"{line}: no such file"
    return [name for names in found for name in names]


def run_line(
    line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program, *words = words_of(line)
    if program == "python":
        monkeypatch.setattr(sys, "argv", words)
        runpy.run_path(words[0], run_name="__main__")
        return
    assert program == "spikebench", line
    if words[0] in ("train", "evaluate") and "--model" in words:
        words += ["--set", "training.epochs=1"]
    code, _, err = run(capsys, *words)
    assert code == (3 if "tabled.h5" in line and words[0] == "convert" else 0), f"{line}: {err}"


def run_block(
    block: Block, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = block.text
    if block.comment == "run with":
        old, new = block.value.split("=")
        assert re.search(rf"\b{old}\b", text), f"{old} is not in the block"
        text = re.sub(rf"\b{old}\b", new, text)
    if block.comment == "file":
        Path(block.value).write_text(text, encoding="utf-8")
    elif block.language == "python":
        exec(compile(text, "page", "exec"), {"__name__": "__main__"})
        pyplot.close("all")
        assert capsys.readouterr().out
    elif block.language == "sh":
        for line in text.splitlines():
            run_line(line, capsys, monkeypatch)
    else:
        assert block.language in ("{toctree}", "{eval-rst}", "{command-help}")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs(
    page: str, inside: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for block in blocks(page):
        if block.comment != "not run":
            run_block(block, capsys, monkeypatch)


def test_what_is_not_run_is_listed_with_its_reason() -> None:
    found = {
        page: reasons
        for page in PAGES
        if (reasons := [block.value for block in blocks(page) if block.comment == "not run"])
    }
    assert found == NOT_RUN
    total = sum(len(list(blocks(page))) for page in PAGES)
    assert sum(map(len, found.values())) < total / 4


def test_every_comment_belongs_to_a_block() -> None:
    for page in PAGES:
        text = (DOCS / page).read_text(encoding="utf-8")
        assert text.count("<!--") == sum(1 for block in blocks(page) if block.comment), page


def test_every_page_of_a_folder_is_in_the_table_of_contents() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^([\w./-]+)$", index, re.MULTILINE))
    there = {page.removesuffix(".md") for page in PAGES} - {"index"}
    there |= {path.stem for path in DOCS.glob("*.md")} - {"index"}
    there |= {f"notebooks/{path.stem}" for path in (DOCS / "notebooks").glob("*.ipynb")}
    assert there <= listed
