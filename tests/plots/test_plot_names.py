"""Names of files are drawn letter by letter, whatever mathematics they look like."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import ROOT

from cli.main import main
from spikebench.plots.sample import plain


def test_dollars_are_no_mathematics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    name = r"a$\frac$.h5"
    shutil.copy(ROOT / "spikebench" / "datasets" / "digits.h5", name)
    with pytest.raises(SystemExit) as caught:
        main(["plot", name, "--index", "0", "-o", "x.png"])
    assert caught.value.code == 0
    assert (tmp_path / "x.png").stat().st_size > 1000
    assert plain("a$b\n") == r"a\$b\n"
    capsys.readouterr()
