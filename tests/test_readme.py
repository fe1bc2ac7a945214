"""The README's commands run, in order, in an empty folder with a few recordings.

They run in this process, whose imports they share.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import ROOT
from helpers.synthetic_clips import write_clip

from cli.main import main
from spikebench.spike_files.writer import SpikeWriter

README = (ROOT / "README.md").read_text(encoding="utf-8")
DIGITS = ROOT / "data" / "digits"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(1)
    if not DIGITS.is_dir():
        pytest.skip("the recordings (data/digits) are not here")
    folder = tmp_path_factory.mktemp("readme")
    (folder / "recordings").mkdir()
    # Other files than those of the data set: predict refuses recordings of its test split.
    for clip in sorted(DIGITS.glob("lang-*_speaker-0[0145]_trial-0_digit-[01].flac")):
        samples, rate = soundfile.read(clip, dtype="int16")
        soundfile.write(folder / "recordings" / f"{clip.stem}.wav", samples, rate)
    assert len(list((folder / "recordings").iterdir())) == 16
    # A few recordings, named like those behind SHD and SSC, and a file laid out as published.
    (folder / "hd_audio").mkdir()
    for clip in sorted(DIGITS.glob("lang-*_speaker-0[04]_trial-0_digit-0.flac")):
        shutil.copy(clip, folder / "hd_audio")
    for word in ("yes", "no"):
        write_clip(folder / "speech_commands" / word / "0a7c2a8d_nohash_0.wav")
    with SpikeWriter(folder / "shd_test.h5", 700, ["zero", "null"], {}, "float16") as writer:
        for i in range(20):
            times = np.sort(rng.random(500))
            writer.append(times, rng.integers(700, size=500), label=i % 2)
    return folder


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def say(code: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run lines of Python, as if they stood in a file; what they print."""
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
    return capsys.readouterr().out


def command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0, f"{words}: {capsys.readouterr().err}"


def test_the_commands_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # As on a machine of one core: worker processes would take longer to start than the work takes.
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0}, raising=False)
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(lines) == 23
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "spikebench"
        if "--model" in words:  # one epoch is enough to see that the command runs
            words += ["--set", "training.epochs=1"]
        command(words, capsys)
    for made in (
        *("out.png", "lif/result.json", "leaderboard-site/index.html", "tested/result.json"),
        *("again/shd-r_test.h5", "closeness.png", "predicted.png", "model.nir"),
        "compared.png",
    ):
        assert (folder / made).stat().st_size > 0


def test_the_python_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = blocks("python")
    assert re.fullmatch(r"\[0\.0.*\] \[[ \d]+\]\n", say(first, capsys))
    if not (folder / "out.h5").exists():
        command(["convert", "recordings", "out.h5", "--channels", "70"], capsys)
        capsys.readouterr()
    assert re.fullmatch(r"\d+ spikes of '\w+'\n", say(second, capsys))
    assert "torch.Size([64, 100, 70]) torch.Size([64, " in say(third, capsys)


def test_the_python_of_the_page_on_training_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    shapes = "torch.Size([8, 20]) torch.Size([8, 128]) torch.Size([70, 128])"
    assert shapes in say(code, capsys)


def test_the_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
