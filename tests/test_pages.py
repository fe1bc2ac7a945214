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

import click
import numpy as np
import pytest
import soundfile
from conftest import ROOT
from helpers.commands import run
from helpers.synthetic_clips import write_clip
from matplotlib import pyplot

from cli.main import group, main
from spikebench.spike_files.writer import SpikeWriter

DOCS = ROOT / "docs"
PAGES = sorted(
    str(path.relative_to(DOCS))
    for path in (
        *DOCS.glob("*.md"),
        *(
            path
            for name in ("tutorials", "howto", "explanation", "reference", "methods")
            for path in (DOCS / name).glob("*.md")
        ),
    )
    if path.name != "own_model.md"  # tests/test_own_model_page.py
)
STUDIES = ("timing", "substrate", "continual", "fewshot", "prune")
DIGITS = ROOT / "data" / "digits"
SPEAKERS = ("anna", "ben", "carla", "david", "eva", "felix", "greta", "hans")

_CLUSTER = "needs a cluster; tests/test_cluster.py runs one on this machine"
_SNNTORCH = "needs a file of snnTorch; tests/models/test_nir_network.py makes one"
# Every block that is not run, with the reason that the page gives.
NOT_RUN = {
    "datasets.md": ["needs all 10,420 recordings"],
    "export.md": [_SNNTORCH],
    "leaderboard.md": [
        "needs predictions; tests/test_own_model_page.py has some",
        "trains for minutes; tests/leaderboard/test_studies.py submits such results",
        "needs a chip; tests/leaderboard/test_hardware.py fills in such a form",
        "changes an entry; howto/verify.md runs the same",
        "needs a key; tests/leaderboard/test_verification.py makes one",
        "needs other recordings; tests/evaluation/test_fresh.py makes some",
    ],
    "noise.md": [
        "needs recordings, and converts for minutes; tests/cli/test_noise.py runs such commands"
    ],
    "recordings.md": [
        "needs recordings named so; tests/naming/test_clip_names.py has other patterns",
        "needs these corpora; tests/naming has tables like theirs, tutorials/own_corpus.md runs one",
    ],
    "sweep.md": [
        "trains 12 networks; tests/cli/test_sweep.py trains smaller ones",
        _CLUSTER,
        _CLUSTER,
    ],
    "training.md": [
        "starts processes; tests/training/test_parallel.py and tests/cli/test_sweep.py run such commands"
    ],
    "viewing.md": [
        "serves a page until it is stopped; tests/cli/test_view.py opens it in a browser"
    ],
    "index.md": ["installs the package"],
    "tutorials/shd_in_five_minutes.md": ["downloads the published files"],
    "howto/cluster.md": ["installs packages", _CLUSTER, _CLUSTER],
    "howto/gpu.md": ["needs a GPU"],
    "howto/nir.md": [_SNNTORCH],
    "howto/real_shd.md": [
        "downloads the published files and the recordings, and converts 10,420 recordings"
    ],
}


MADE = (
    "convert recordings out.h5 --channels 70",
    "train --model lif --data digits --set training.epochs=1 -o run",
    "evaluate --model lif --data digits --set training.epochs=1 -o lif",
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, with the comment before it."""

    language: str
    text: str
    comment: str
    value: str


def blocks(page: str) -> Iterator[Block]:
    text = (DOCS / page).read_text(encoding="utf-8")
    fenced = r"(?:^<!-- (not run|run with|run in|file): (.*?) -->\n)?^```([^\n]*)\n(.*?)^```$"
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
    (folder / "data").symlink_to(ROOT / "data")
    for word in ("yes", "no"):
        write_clip(folder / "speech_commands" / word / "0a7c2a8d_nohash_0.wav")
    (folder / "hd_audio").mkdir()
    for clip in sorted(DIGITS.glob("lang-*_speaker-0[04]_trial-0_digit-0.flac")):
        shutil.copy(clip, folder / "hd_audio")
    rng = np.random.default_rng(1)
    with SpikeWriter(folder / "shd_test.h5", 700, ["zero", "null"], {}, "float16") as writer:
        for i in range(20):
            writer.append(np.sort(rng.random(500)), rng.integers(700, size=500), label=i % 2)
    shutil.copy(DOCS / "examples" / "any_program.py", folder)
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.chdir(folder)
    for line in MADE:  # what the pages suppose that the reader has made
        with pytest.raises(SystemExit) as ended:
            main([*line.split(), "--quiet"])
        assert ended.value.code == 0
    monkeypatch.undo()
    return folder


@pytest.fixture
def inside(material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "page"
    shutil.copytree(material, folder, symlinks=True)
    monkeypatch.chdir(folder)
    # As on a machine of one core: worker processes would take longer to start than the work takes.
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0}, raising=False)
    return folder


def words_of(line: str) -> list[str]:
    """The words of a line of shell, with names of files filled in where there is a star."""
    words = shlex.split(line, comments=True)
    found = [sorted(glob(word)) if "*" in word else [word] for word in words]
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
    if "--page" in words:
        return  # of finished studies, of which tests of their own write pages
    if words[0] in STUDIES:
        words = ["digits" if word == "shd-r" else word for word in words]
        words += [] if "--dry-run" in words else ["--dry-run"]
    if words[0] in ("train", "evaluate") and "--model" in words:
        words += ["--set", "training.epochs=1"]
    if words[0] == "patterns":
        words += ["--task", "random:1", "--seeds", "1", "--set", "presentations=10"]
    code, _, err = run(capsys, *words)
    assert code == (3 if "tabled.h5" in line and words[0] == "convert" else 0), f"{line}: {err}"


def run_block(
    block: Block, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = block.text
    if block.comment == "run with":
        for change in block.value.split(", "):
            old, new = change.split("=")
            assert re.search(rf"\b{old}\b", text), f"{old} is not in the block"
            text = re.sub(rf"\b{old}\b", new, text)
    if block.comment == "run in":
        assert block.value == "clone"
        monkeypatch.chdir(ROOT)
    if block.comment == "file":
        Path(block.value).write_text(text, encoding="utf-8")
    elif block.language == "python":
        exec(compile(text, "page", "exec"), {"__name__": "__main__"})
        pyplot.close("all")
        assert capsys.readouterr().out
    elif block.language == "sh" or (not block.language and text.startswith("spikebench ")):
        for line in text.splitlines():
            run_line(line, capsys, monkeypatch)
    else:
        assert block.language in ("text", "{toctree}", "{eval-rst}", "{command-help}"), text


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs(
    page: str, inside: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if page.startswith(("tutorials", "howto")):  # these make everything themselves
        for made in ("run", "lif"):
            shutil.rmtree(made)
        Path("out.h5").unlink()
    here = [block for block in blocks(page) if block.comment != "not run"]
    here.sort(key=lambda block: block.comment != "file")  # some pages show a file after its use
    for block in here:
        run_block(block, capsys, monkeypatch)
        monkeypatch.chdir(inside)


def test_what_is_not_run_is_listed_with_its_reason() -> None:
    found = {
        page: reasons
        for page in PAGES
        if (reasons := [block.value for block in blocks(page) if block.comment == "not run"])
    }
    assert found == NOT_RUN
    for reason in (reason for reasons in found.values() for reason in reasons):
        for test in re.findall(r"tests/[\w/.]*\w", reason):
            assert (ROOT / test).exists(), reason
        for other in re.findall(r"(?:howto|tutorials)/\w+\.md", reason):
            assert other in PAGES, reason
    total = sum(len(list(blocks(page))) for page in PAGES)
    assert sum(map(len, found.values())) < total / 4


def test_every_command_that_is_not_run_has_options_that_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parsed as click does, with types and choices."""
    monkeypatch.chdir(tmp_path)
    for name in ("FOLDER", "recordings", "data/digits", "lif/seed0"):
        Path(name).mkdir(parents=True)
    parsed = 0
    for page in PAGES:
        for block in blocks(page):
            lines = block.text.splitlines() if block.comment == "not run" else []
            for line in (one for one in lines if one.startswith("spikebench ")):
                command: click.Command = group
                words = shlex.split(line, comments=True)[1:]
                while isinstance(command, click.Group):
                    found = command.get_command(click.Context(command), words.pop(0))
                    assert found is not None, line
                    command = found
                if "--sign" in words:  # names a key of the reader, which must exist
                    words[words.index("--sign") + 1] = str(ROOT / "README.md")
                assert command.make_context("spikebench", words).params, line
                parsed += 1
    assert parsed >= 20


def test_every_comment_belongs_to_a_block() -> None:
    for page in PAGES:
        text = (DOCS / page).read_text(encoding="utf-8")
        # Some older pages have marks of the programs that write parts of them.
        strict = Path(page).parent.name in ("tutorials", "howto", "explanation", "reference")
        comments = "<!--" if strict else r"<!-- (?:not run|run with|run in|file):"
        found = len(re.findall(comments, text))
        assert found == sum(1 for block in blocks(page) if block.comment), page


def test_every_page_of_a_folder_is_in_the_table_of_contents() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^([\w./-]+)$", index, re.MULTILINE))
    there = {page.removesuffix(".md") for page in PAGES} - {"index"}
    there |= {path.stem for path in DOCS.glob("*.md")} - {"index"}
    there |= {f"notebooks/{path.stem}" for path in (DOCS / "notebooks").glob("*.ipynb")}
    assert there <= listed
