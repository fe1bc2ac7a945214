"""A network in a file of the user, from the shell: trained, resumed, tested, submitted, verified; hostile files."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
from pathlib import Path

import pytest
from helpers.commands import interrupted, run
from helpers.toy import write_toy
from safetensors.torch import load_file

from leaderboard.claims.entry import read_entry
from spikebench.errors import TrainingError
from spikebench.models import own_file
from spikebench.training.run import read_run

NETWORK = """\
import torch
from torch import nn


class MyNet(nn.Module):
    def __init__(self, n_units, n_classes, hidden=16, n_steps=0, time_step=0.0):
        super().__init__()
        assert (n_steps, time_step) == (30, 0.01)
        self.hidden = nn.Linear(n_units, hidden)
        self.cells = nn.GRU(hidden, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, n_classes)

    def forward(self, raster):
        return self.readout(self.cells(self.hidden(raster))[0]).amax(1)
"""
CONFIG = """\
[model]
hidden = 12
[input]
duration_ms = 300
[training]
epochs = 3
batch_size = 16
learning_rate = 1e-2
"""
BODY = "import torch\nfrom torch import nn\nclass MyNet(nn.Module):\n    def __init__(self, n, c):\n        {}\n"
FORWARD = BODY.format("super().__init__(); self.a = nn.Linear(n, c)") + (
    "    def forward(self, x):\n        {}\n"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own_file, "_NAMED", {})  # each command is one of a new process
    (tmp_path / "my_net.py").write_text(NETWORK, encoding="utf-8")
    (tmp_path / "my.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def forget() -> None:
    own_file._NAMED.clear()


def own(command: str, data: Path, *words: object) -> list[object]:
    given = [command, "--model", "my_net.py:MyNet", "--config", "my.toml", "--data", data]
    return [*given, "--quiet", *words]


def test_from_the_file_to_a_verified_entry(
    data: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sha256 = hashlib.sha256(NETWORK.encode()).hexdigest()
    code, out, err = run(
        capsys, *own("evaluate", data, "-o", "result", "--metrics", "all", "--seeds", 2)
    )
    assert (code, err) == (0, "")
    assert out.startswith("my_net.py:MyNet on toy, 2 seeds\n")
    result = json.loads(Path("result/result.json").read_text())
    assert (result["model"]["name"], result["model"]["code_sha256"]) == ("my_net.py:MyNet", sha256)
    assert result["model"]["config"] == {"hidden": 12}
    kinds = {one["name"]: one["kind"] for one in result["seeds"][0]["metrics"]["operations"]}
    assert kinds["hidden.weight"] == "AC"
    assert kinds["cells.weight_hh_l0"] == "MAC"
    record = read_run(Path("result/seed0"))
    assert (record.model, record.code_sha256) == ("my_net.py:MyNet", sha256)

    forget()
    code, out, err = run(capsys, "submit", "result", "--weights", "--entries", "entries")
    assert code == 0, err
    assert "verify needs the file my_net.py" in out
    (entry,) = Path("entries/toy").iterdir()
    stored = read_entry(entry)
    assert not stored.parameters_counted
    assert not [path for path in entry.rglob("*") if path.suffix == ".py"]

    code, _, err = run(capsys, "leaderboard", "build", "--entries", "entries", "-o", "site")
    assert code == 0, err
    page = Path(f"site/entries/toy/{entry.name}.html").read_text(encoding="utf-8")
    assert f"a file of its authors that is not part of the entry (SHA-256 {sha256})" in page
    verify = ["verify", entry, "--data", data, "--by", "me", "--quiet"]
    code, out, _ = run(capsys, "verify", entry)
    assert out.count("name it with --model my_net.py:MyNet, which runs its code") == 2
    code, _, err = run(capsys, *verify, "--training")
    assert code == 1
    assert "a file of its authors that is not in the entry" in err
    Path("other.py").write_text(NETWORK + "open('ran', 'w')\n", encoding="utf-8")
    code, _, err = run(capsys, *verify, "--training", "--model", "other.py:MyNet")
    assert code == 1
    assert "other.py: not run, because its SHA-256 is" in err
    assert not Path("ran").exists()
    shutil.move("my_net.py", "moved.py")
    code, out, err = run(capsys, *verify, "--inference", "--training", "--model", "moved.py:MyNet")
    assert code == 0, err
    assert {one.kind for one in read_entry(entry).verifications} == {"inference", "training"}


def test_a_run_is_resumed_and_tested_with_the_same_file_alone(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *own("train", data, "-o", "whole"))
    assert code == 0, err
    assert out.endswith("next: spikebench evaluate --checkpoint whole --model my_net.py:MyNet\n")
    weights = Path("whole/weights.safetensors").read_bytes()
    forget()
    code, _, err = run(capsys, "train", "--resume", "whole", "--quiet")
    assert (code, err.count("\n")) == (1, 1)
    assert "give --model my_net.py:MyNet with the path of the file (SHA-256" in err
    code, out, _ = run(
        capsys, "train", "--resume", "whole", "--model", "my_net.py:MyNet", "--quiet"
    )
    assert code == 0
    Path("my_net.py").write_text(NETWORK + "\n", encoding="utf-8")
    forget()
    again = ["evaluate", "--checkpoint", "whole", "--quiet", "-o", "tested"]
    code, _, err = run(capsys, *again, "--model", "my_net.py:MyNet")
    assert (code, "use the original file" in err) == (1, True)
    Path("my_net.py").write_text(NETWORK, encoding="utf-8")
    code, _, err = run(capsys, *again, "--model", "my_net.py:MyNet")
    assert code == 0, err
    assert Path("tested/weights-seed0.safetensors").read_bytes() == weights
    forget()
    code, _, err = run(capsys, "predict", "whole", data)
    assert (code, "train, evaluate and verify take it" in err) == (1, True)
    code, _, err = run(capsys, "train", "--resume", "whole", "--model", "lif")
    assert (code, "leave out --model" in err) == (2, True)


def test_an_interrupted_run_ends_as_an_uninterrupted_one(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--set", "training.epochs=40", "--set", "training.learning_rate=1e-3"]
    code, _, err = run(capsys, *own("train", data, "-o", "whole", *words))
    assert code == 0, err
    command = [str(word) for word in own("train", data, "-o", "run", *words)]
    code, err = interrupted(command, Path("run"), signal.SIGINT)
    assert code == 130
    assert "Resume with: spikebench train --resume run --model my_net.py:MyNet" in err
    again = ["train", "--resume", "run", "--model", "my_net.py:MyNet", "--quiet"]
    code, _, err = run(capsys, *again)
    assert code == 0, err
    first, second = (
        Path(folder, "weights.safetensors").read_bytes() for folder in ("whole", "run")
    )
    assert first == second


def test_few_bits_and_a_refit_as_for_a_built_in_model(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--refit", "--set", "training.weight_bits=4", "--set", "training.weight_average=0.9"]
    code, out, err = run(capsys, *own("evaluate", data, "-o", "result", *words))
    assert code == 0, err
    weights = load_file("result/weights-seed0.safetensors")
    assert len(weights["hidden.weight"].unique()) <= 15
    assert "refitted" in out


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\n", "no class 'MyNet' that is a torch.nn.Module; it has no torch.nn.Module of its"),
        ("from torch.nn import Linear as MyNet\n", "it has no torch.nn.Module of its own"),
        ("import torch\nclass Other(torch.nn.Module): pass\n", "it has Other: give --model"),
        ("raise OSError('no')\n", "running it raised OSError: no (line 1)"),
        ("import sys\n\nsys.exit('bye')\n", "running it raised SystemExit: bye (line 3)"),
        ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module' (line"),
        ("class MyNet(:\n", "running it raised SyntaxError: invalid syntax (line 1)"),
        ("x = '\x00'\n", "running it raised SyntaxError: "),
        (BODY.format("raise ValueError('a\\nb')"), "its constructor raised ValueError: a (line 5)"),
        (BODY.format("pass"), "its constructor does not call super().__init__()"),
        (BODY.format("super().__init__()"), "has no parameters that can be trained"),
        (FORWARD.format("return x.no_such"), "its forward raised AttributeError: 'Tensor' object"),
        (
            FORWARD.format("return self.a(x)"),
            "its scores are torch.float32 (2, 30, 3) for 2 sample",
        ),
        (FORWARD.format("return self.a(x).sum(1) * float('nan')"), "its scores are not finite"),
        (FORWARD.format("return self.a(x).sum(1).detach()"), "do not depend on its parameters"),
        (
            FORWARD.format("return self.a(x).sum(1).numpy()"),
            "its forward returned a ndarray instead",
        ),
        (
            FORWARD.format("return torch.sigmoid(self.a(x).sum(1)).mul_(2)"),
            "its gradient raised RuntimeError: one of the variables needed for gradient",
        ),
    ],
)
def test_a_hostile_file_is_one_line(
    source: str, message: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("my_net.py").write_text(source, encoding="utf-8")
    Path("my.toml").write_text(CONFIG.replace("hidden = 12", ""), encoding="utf-8")
    code, out, err = run(capsys, *own("train", data, "-o", "run"))
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert message in err
    assert not Path("run/run.json").exists()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("no_such.py:MyNet", "no_such.py: no such file"),
        ("folder.py:MyNet", "folder.py: not a file"),
        ("my_net.py", "no class is named; it has MyNet"),
        ("my_net.py:", "no class is named; it has MyNet"),
        ("my_net.py:mynet", "no class 'mynet'"),
        ("my_net.pyc:MyNet", "unknown model"),
    ],
)
def test_a_wrong_name_is_one_line(
    model: str, message: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("folder.py").mkdir()
    code, out, err = run(capsys, "train", "--model", model, "--data", data, "-o", "run")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert message in err


def test_a_large_or_binary_file_is_refused() -> None:
    Path("large.py").write_bytes(b"#" * (own_file.MAX_BYTES + 1))
    with pytest.raises(TrainingError, match="larger than"):
        own_file.load_code("large.py:MyNet")
    long = "N" * 300
    Path("long.py").write_text(NETWORK.replace("MyNet", long), encoding="utf-8")
    with pytest.raises(TrainingError, match="more than 200 characters"):
        own_file.load_code(f"long.py:{long}")
    Path("binary.py").write_bytes(bytes(range(128, 256)))
    with pytest.raises(TrainingError, match="running it raised SyntaxError"):
        own_file.load_code("binary.py:MyNet")


@pytest.mark.parametrize(
    ("words", "config", "message"),
    [
        ([], "[model]\nhiden = 3\n", "unexpected keyword argument 'hiden'"),
        ([], "[training]\nepoch = 3\n", "my.toml: training.epoch: "),
        ([], "model = 3\n", "my.toml: model: "),
        ([], "[model]\nhidden = nan\n", "model.hidden: must be a finite number"),
        ([], "[model]\nhidden = 2026-01-01\n", "model.hidden: must be a finite number"),
        ([], "input = 3\n", "my.toml: input: "),
        ([], "[regulariser]\nupper_strength = 1.0\n", "remove [regulariser]"),
        (["--learning", "eprop"], "", "is trained by bptt, not by eprop"),
        (["--set", "model.hidden=[3]"], "", "its constructor raised TypeError"),
        (["--set", "input.mode=audio"], "", "input.mode"),
    ],
)
def test_wrong_settings_are_one_line(
    words: list[str],
    config: str,
    message: str,
    data: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("my.toml").write_text(config, encoding="utf-8")
    given = own("train", data, "-o", "run", *words)
    if not config.startswith(("model", "input")):
        given += ["--set", "input.duration_ms=300"]
    code, out, err = run(capsys, *given)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert message in err
    assert not Path("run/run.json").exists()


def test_what_a_network_prints_is_not_in_the_json(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("loud.py").write_text(FORWARD.format("print('loud'); return self.a(x.mean(1))"))
    words = ["--data", data, "--set", "training.epochs=1", "-o", "loud", "--json", "--quiet"]
    code, out, err = run(capsys, "train", "--model", "loud.py:MyNet", *words)
    assert code == 0, err
    assert json.loads(out)
    assert "loud\n" in err


def test_a_network_that_changes_the_directory_does_not_move_the_result(
    data: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "elsewhere").mkdir()
    go = f"import os\nos.chdir({str(folder / 'elsewhere')!r})\n"
    lines = FORWARD.format(f"os.chdir({str(folder / 'elsewhere')!r}); return self.a(x.mean(1))")
    Path("goes.py").write_text(go + lines)
    words = ["--data", data, "--set", "training.epochs=1", "-o", "result", "--quiet"]
    code, _, err = run(capsys, "evaluate", "--model", "goes.py:MyNet", *words)
    assert (code, err) == (0, "")
    assert Path.cwd() == folder
    assert (folder / "result" / "result.json").is_file()
    assert list((folder / "elsewhere").iterdir()) == []
