"""Beside every ``--device`` stands what is known about GPUs."""

from __future__ import annotations

import click
import pytest
import torch
from conftest import ROOT
from helpers.commands import run

from cli.main import group
from spikebench.doctor import machine
from spikebench.doctor.gpu_status import GPU_STATUS


def all_commands(found: click.Group, *words: str) -> dict[str, click.Command]:
    context = click.Context(found)
    commands: dict[str, click.Command] = {}
    for name in found.list_commands(context):
        command = found.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            commands |= all_commands(command, *words, name)
        else:
            commands[" ".join((*words, name))] = command
    return commands


def test_the_help_of_every_device_says_what_is_known_about_gpus() -> None:
    helps = {
        name: option.help or ""
        for name, command in all_commands(group).items()
        for option in command.params
        if isinstance(option, click.Option) and "--device" in option.opts
    }
    assert {"convert", "data make", "train", "evaluate", "predict", "verify"} <= set(helps)
    assert [name for name, said in helps.items() if GPU_STATUS not in said] == []


@pytest.mark.parametrize("page", ["README.md", "docs/howto/gpu.md", "docs/evidence.md"])
def test_the_pages_say_the_same(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert GPU_STATUS in " ".join(text.split())
    measured = (ROOT / "benchmarks" / "results").glob("gpu-*.json")
    assert list(measured) == [], "a GPU has been measured: GPU_STATUS is out of date"


def test_the_doctor_says_it_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    class Properties:
        name, total_memory = "A GPU", 80 * 2**30

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: Properties)
    found = machine._gpu()
    assert (found.state, found.found) == ("note", f"A GPU, 80 GiB. {GPU_STATUS}")


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_without_a_gpu_nothing_is_written(
    command: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    folder = tmp_path_factory.mktemp("device")
    monkeypatch.chdir(folder)
    words = (command, "--model", "lif", "--data", "digits", "-o", "out", "--device", "cuda")
    code, _, err = run(capsys, *words)
    assert (code, list(folder.iterdir())) == (1, [])
    assert err == "spikebench: device cuda: torch finds no CUDA device; use --device cpu\n"
