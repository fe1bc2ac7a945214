"""Read randomly changed files as the commands do: entries, weights, checkpoints, archives, label tables, presets.

    python benchmarks/fuzz.py [--minutes 10] [--seed 0] [--targets entry weights checkpoint archive table preset]

Each target has valid files. Again and again one of them is mutated (bytes; or values, keys and structure where the file
is JSON, TOML or CSV) and read as the commands do. A file may be read or refused; it is a finding if

* anything but a SpikebenchError is raised, which would be a traceback for a user,
* the message has several lines or control characters,
* it takes more than 20 s, or the peak memory of the process rises by more than 1 GiB (later files are compared with the
  peak that earlier ones left),
* an archive writes outside of its folder (the folders above, as far as its members name them, are searched), leaves a
  link or a temporary file, or gives more than it may.

Prints the number of files per target, how many were refused, and every finding; ``--keep FOLDER`` keeps their files.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tarfile
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import torch  # noqa: E402
from helpers.synthetic_clips import tone, write_clip  # noqa: E402
from helpers.toy import write_toy  # noqa: E402
from helpers.trained_entries import make_trained_entry  # noqa: E402
from helpers.verifications import claim_verification  # noqa: E402

from leaderboard.claims.entry import read_entry  # noqa: E402
from leaderboard.claims.tier import write_verifications  # noqa: E402
from spikebench.datasets.spec import Download  # noqa: E402
from spikebench.errors import SpikebenchError  # noqa: E402
from spikebench.learning.bptt import BackPropagation  # noqa: E402
from spikebench.learning.ranks import Ranks  # noqa: E402
from spikebench.naming.names import name_clips  # noqa: E402
from spikebench.presets.preset import read_preset  # noqa: E402
from spikebench.protocol.opening import open_selection  # noqa: E402
from spikebench.recordings.search import find_clips  # noqa: E402
from spikebench.store.unpacking import unpack_recordings  # noqa: E402
from spikebench.training.checkpoint import load_checkpoint  # noqa: E402
from spikebench.training.inference import build_model, load_weights  # noqa: E402
from spikebench.training.loop import fit, start_run  # noqa: E402
from spikebench.training.run import read_run  # noqa: E402

MOST_SECONDS = 20
MOST_GROWTH = 2**30
MOST_MEMORY = 16 * 2**30  # models of any size are built, and must fail in one line
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2, 255, 2**31, 2**63, -(2**63), 10**400, 0.5, -0.0, 1e308),
    *(
        float("inf"),
        float("-inf"),
        float("nan"),
        "",
        "0",
        "a" * 5000,
        "../../etc/passwd",
        "/etc/passwd",
    ),
    *(
        "\u202egnp.exe",
        "\x1b[2J",
        "\0",
        "\ud800",
        "=1+1",
        "<script>alert(1)</script>",
        "ｄｉｇｉｔｓ",
    ),
    *([], {}, [[]], [1] * 1000, {"a": 1}, [[[[[[[[[[[[]]]]]]]]]]]]),
)


class TooLongError(BaseException):
    """Raised by a timer; no handler of errors catches it."""


def mutate_bytes(data: bytes, draw: random.Random) -> bytes:
    """Change, insert, repeat, move or cut bytes."""
    out = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 4, 16])):
        place = draw.randrange(len(out) + 1)
        length = draw.choice([1, 1, 2, 4, 8, 64, 1024])
        kind = draw.randrange(7)
        if kind == 0:
            out[place : place + length] = draw.randbytes(length)
        elif kind == 1:
            out[place:place] = draw.randbytes(length)
        elif kind == 2:
            del out[place : place + length]
        elif kind == 3:
            del out[place:]
        elif kind == 4:
            out[place:place] = out[place : place + length] * draw.choice([1, 2, 100])
        elif kind == 5:
            number = draw.choice([0, 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1])
            out[place : place + 8] = struct.pack(draw.choice("<>") + "Q", number)
        else:
            out[place : place + 1] = draw.choice(
                [b"\0", b"\n", b'"', b",", b"\xff", b"{", b"[", b"e"]
            )
    return bytes(out)


def mutate_json(value: Any, draw: random.Random) -> Any:  # noqa: ANN401
    """Replace, remove, rename or repeat one value anywhere."""
    places = list(_places(value))
    for _ in range(draw.choice([1, 1, 1, 2, 5])):
        inside, key = draw.choice(places)
        kind = draw.randrange(6)
        with contextlib.suppress(KeyError, IndexError):
            if kind <= 2:
                inside[key] = draw.choice(VALUES)
            elif kind == 3:
                del inside[key]
            elif isinstance(inside, dict):
                inside[draw.choice([*inside, "more", "__class__", ""])] = inside[key]
            else:
                inside.insert(draw.randrange(len(inside) + 1), inside[key])
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in list(keys):
        yield value, key
        yield from _places(value[key])


def mutate_text(text: str, draw: random.Random) -> str:
    """Replace a word, repeat or remove a line, or insert nested brackets."""
    lines = text.splitlines()
    for _ in range(draw.choice([1, 1, 2, 4])):
        place = draw.randrange(len(lines))
        kind = draw.randrange(6)
        words = lines[place].replace("=", " = ").replace(",", " , ").split(" ")
        if kind == 0:
            words[draw.randrange(len(words))] = str(draw.choice(VALUES))
            lines[place] = "".join(words)
        elif kind == 1:
            words[draw.randrange(len(words))] = json.dumps(draw.choice(VALUES), default=str)
            lines[place] = "".join(words)
        elif kind == 2:
            lines.insert(place, lines[draw.randrange(len(lines))])
        elif kind == 3 and len(lines) > 1:
            del lines[place]
        elif kind == 4:
            lines[place] += draw.choice([" ", ",,,", '"', "#", "\0", "[" * 2000, "{a=" * 500, "\r"])
        else:
            lines[place] = lines[draw.randrange(len(lines))] + lines[place]
    return draw.choice(["\n", "\n", "\r\n", "\r"]).join(lines) + "\n"


class Target:
    """Kinds of files: :meth:`make` writes one into a folder, :meth:`read` reads it."""

    def __init__(self, folder: Path, toy: Path) -> None:
        self.folder, self.toy = folder, toy

    def make(self, place: Path, draw: random.Random) -> None:
        """Write a mutated file."""
        raise NotImplementedError

    def read(self, place: Path) -> None:
        """Read it as a command does."""
        raise NotImplementedError


class Entries(Target):
    """Entries of a network and of a classifier of counts, with weights and logs."""

    def __init__(self, folder: Path, toy: Path) -> None:
        super().__init__(folder, toy)
        self.entries = [
            make_trained_entry(folder / model, toy, model, seeds=2, epochs=2)
            for model in ("lif", "svm")
        ]
        self.stored = {entry: read_entry(entry) for entry in self.entries}

    def make(self, place: Path, draw: random.Random) -> None:
        """Write a mutated file."""
        entry = draw.choice(self.entries)
        shutil.copytree(entry, place / entry.name)
        if draw.random() < 0.2:
            verification = claim_verification(self.stored[entry])
            write_verifications(place / entry.name, [verification])
        name = draw.choice(sorted(path.name for path in (place / entry.name).iterdir()))
        path = place / entry.name / name
        if path.suffix == ".json" and draw.random() < 0.8:
            content = mutate_json(json.loads(path.read_text()), draw)
            path.write_text(json.dumps(content), errors="surrogatepass")
        else:
            path.write_bytes(mutate_bytes(path.read_bytes(), draw))
        if name == "result.json" and draw.random() < 0.9:  # deeper than the SHA-256
            record = json.loads((place / entry.name / "entry.json").read_text())
            record["result_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
            (place / entry.name / "entry.json").write_text(json.dumps(record))

    def read(self, place: Path) -> None:
        """Read it as a command does."""
        (entry,) = place.iterdir()
        read_entry(entry)


class Weights(Target):
    """Weights of a run: safetensors."""

    file = "weights.safetensors"

    def __init__(self, folder: Path, toy: Path) -> None:
        super().__init__(folder, toy)
        self.run = folder / "run"
        selection = open_selection(str(toy))
        words = ["input.duration_ms=300", "training.epochs=1", "model.hidden_units=[24]"]
        fit(
            self.run,
            start_run(self.run, "lif", read_preset("lif", None, words), selection, 0),
            selection,
        )
        self.record = read_run(self.run)

    def make(self, place: Path, draw: random.Random) -> None:
        """Write a mutated file."""
        data = (self.run / self.file).read_bytes()
        if draw.random() < 0.7:  # the header is JSON
            length = int.from_bytes(data[:8], "little")
            header = json.dumps(mutate_json(json.loads(data[8 : 8 + length]), draw)).encode(
                "utf-8", "surrogatepass"
            )
            data = len(header).to_bytes(8, "little") + header + data[8 + length :]
        else:
            data = mutate_bytes(data, draw)
        (place / self.file).write_bytes(data)

    def read(self, place: Path) -> None:
        """Read it as a command does."""
        load_weights(place / self.file, self.record)


class Checkpoints(Weights):
    """Checkpoints of a run that is not finished."""

    file = "checkpoint.safetensors"

    def __init__(self, folder: Path, toy: Path) -> None:
        super().__init__(folder, toy)

        class StopError(Exception):
            pass

        def stop(*_: object) -> None:
            raise StopError

        run = folder / "unfinished"
        selection = open_selection(str(toy))
        words = ["input.duration_ms=300", "training.epochs=3", "model.hidden_units=[24]"]
        with contextlib.suppress(StopError):
            fit(
                run,
                start_run(run, "lif", read_preset("lif", None, words), selection, 0),
                selection,
                report=stop,
            )
        self.run, self.record = run, read_run(run)

    def read(self, place: Path) -> None:
        """Read it as a command does."""
        model = build_model(self.record)
        rule = BackPropagation(model, self.record.preset, torch.ones(1), Ranks(), self.record.seed)
        load_checkpoint(place, self.record, model, rule)


class Archives(Target):
    """Tar and zip files with members that climb, link, repeat, are sparse, or larger than they say."""

    names = (
        *("top/audio/a.wav", "top/audio/deep/b.wav", "top/audio/../../../x.wav", "/tmp/x.wav"),
        *(
            "top/audio/a.wav/b.wav",
            "top/audio/",
            "top/audio/..wav",
            "top/audio/\u202e.wav",
            "./top/audio/c.wav",
        ),
        *(
            "top/audio/" + "d" * 300 + ".wav",
            "top/audio/con.wav",
            "top/audio/A.WAV",
            "top/other.txt",
            "",
        ),
    )

    def make(self, place: Path, draw: random.Random) -> None:
        """Write a mutated file."""
        raw = io.BytesIO()
        is_zip = draw.random() < 0.4
        usual = draw.random() < 0.5
        names = self.names[:2] if usual else self.names
        members = [draw.choice(names) for _ in range(draw.randrange(1, 7))]
        if is_zip:
            with zipfile.ZipFile(raw, "w", draw.choice([0, 8])) as archive:
                for name in members:
                    info = zipfile.ZipInfo(name or "x")
                    info.compress_type = draw.choice([0, 8, 12, 14])
                    info.external_attr = draw.choice([0o100644, 0o120777, 0o040755]) << 16
                    archive.writestr(info, self._content(draw))
        else:
            mode = draw.choice(["w", "w:gz"])
            with tarfile.open(fileobj=raw, mode=mode, format=draw.choice([0, 1, 2])) as archive:  # type: ignore[call-overload]
                for name in members:
                    member = tarfile.TarInfo(name)
                    content = self._content(draw)
                    member.size = len(content)
                    member.type = draw.choice(
                        [tarfile.REGTYPE] * 5 + [b"1", b"2", b"3", b"5", b"6"]
                    )
                    member.linkname = draw.choice(["", "/etc/passwd", "../../x", "top/audio/a.wav"])
                    member.mode = draw.choice([0o644, 0o4777, 0])
                    with contextlib.suppress(ValueError):  # a name too long for the format
                        archive.addfile(member, io.BytesIO(content) if member.isreg() else None)
        data = raw.getvalue()
        if draw.random() < 0.5:
            data = mutate_bytes(data, draw)
        (place / ("a.zip" if is_zip else "a.tar.gz")).write_bytes(data)

    def _content(self, draw: random.Random) -> bytes:
        sizes = [0, 3, 3, 2_000, 9_000, 100_000, 5_000_000]
        return b"\0" * draw.choices(sizes, [9, 9, 9, 9, 2, 1, 1])[0]

    def read(self, place: Path) -> None:
        """Read it as a command does."""
        (archive,) = place.iterdir()
        download = Download(
            file=archive.name,
            urls=(),
            size_bytes=None,
            max_bytes=10**9,
            md5=None,
            sha256=None,
            becomes="audio/",
            members=r"(?:\./)?top/audio/(?P<path>.+\.wav)",
            max_unpacked_bytes=10_000,
            max_members=4,
        )
        refused = None
        try:
            unpack_recordings(archive, download, place / "audio")
        except SpikebenchError as error:
            refused = error
        outside = [Path("/tmp/x.wav"), *(parent / "x.wav" for parent in place.parents)]
        assert not any(path.exists() for path in outside)
        found = [path for path in place.rglob("*") if path != archive]
        assert all(path == place / "audio" or place / "audio" in path.parents for path in found)
        assert not any(path.is_symlink() for path in found)
        files = [path for path in found if path.is_file()]
        assert len(files) <= download.max_members
        assert sum(path.stat().st_size for path in files) <= download.max_unpacked_bytes
        assert not any(path.stat().st_mode & 0o7111 for path in files)
        if refused:
            assert not found
            raise refused


class Tables(Target):
    """Tables of labels for a folder of recordings."""

    text = (
        "path,label,speaker,split\na/0.wav,zero,anna,train\na/1.wav,one,anna,train\n"
        "b/0.wav,zero,ben,validation\nb/1.wav,one,ben,test\n"
    )

    def __init__(self, folder: Path, toy: Path) -> None:
        super().__init__(folder, toy)
        for name in ("a/0.wav", "a/1.wav", "b/0.wav", "b/1.wav"):
            write_clip(folder / "audio" / name, tone(seconds=0.05))
        self.clips = find_clips(folder / "audio")[0]

    def make(self, place: Path, draw: random.Random) -> None:
        """Write a mutated file."""
        data = mutate_text(self.text, draw).encode("utf-8", "surrogatepass")
        if draw.random() < 0.3:
            data = mutate_bytes(data, draw)
        (place / "table.csv").write_bytes(data)

    def read(self, place: Path) -> None:
        """Read it as a command does."""
        source = str(place / "table.csv")
        names = name_clips(self.clips, source, source, source)
        assert len(names.labels) == len(names.clips) <= len(self.clips)


class Presets(Weights):
    """Presets of three models."""

    models = ("lif", "delay_lif", "cnn")

    def make(self, place: Path, draw: random.Random) -> None:
        """Write a mutated file."""
        model = draw.choice(self.models)
        text = (ROOT / "spikebench" / "presets" / f"{model}.toml").read_text()
        data = mutate_text(text, draw).encode("utf-8", "surrogatepass")
        (place / f"{model}.toml").write_bytes(
            mutate_bytes(data, draw) if draw.random() < 0.2 else data
        )

    def read(self, place: Path) -> None:
        """Read it as a command does."""
        (file,) = place.iterdir()
        preset = read_preset(file.stem, file)
        build_model(self.record.model_copy(update={"model": file.stem, "preset": preset}))


TARGETS: dict[str, Callable[[Path, Path], Target]] = {
    "entry": Entries,
    "weights": Weights,
    "checkpoint": Checkpoints,
    "archive": Archives,
    "table": Tables,
    "preset": Presets,
}


def attempt(target: Target, place: Path) -> tuple[bool, str]:
    """Read a file; say whether it was refused, and what was wrong with that."""

    def too_long(_signal: int, _frame: FrameType | None) -> None:
        raise TooLongError

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(MOST_SECONDS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused, problem = False, ""
    try:
        target.read(place)
    except SpikebenchError as error:
        refused = True
        text = "\n".join([str(error), *error.details])
        if not str(error) or not all(line.isprintable() for line in text.split("\n")):
            problem = f"message with control characters: {text[:300]!r}"
        elif len(str(error).splitlines()) != 1:
            problem = f"message of several lines: {text[:300]!r}"
    except TooLongError:
        problem = f"took more than {MOST_SECONDS} s"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        problem = "".join(traceback.format_exception(error)[-3:])
    finally:
        signal.alarm(0)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    if not problem and grown > MOST_GROWTH:
        problem = f"memory grew by {grown / 2**20:.0f} MiB"
    return refused, problem


def main() -> None:
    """Make, read and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--targets", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--keep", type=Path, help="keep the files of findings here")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    found = 0
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["SPIKEBENCH_DATA"] = str(Path(temporary, "data"))
        toy = write_toy(Path(temporary, "toy.h5"))
        for name in asked.targets:
            folder = Path(temporary, name)
            folder.mkdir()
            target = TARGETS[name](folder, toy)
            files = refusals = 0
            seen: set[str] = set()
            until = time.monotonic() + 60 * asked.minutes / len(asked.targets)
            while time.monotonic() < until:
                draw = random.Random(f"{asked.seed} {name} {files}")
                place = folder / "place"
                place.mkdir()
                target.make(place, draw)
                refused, problem = attempt(target, place)
                files += 1
                refusals += refused
                if problem and problem not in seen:
                    seen.add(problem)
                    print(f"{name} {files - 1}: {problem}", flush=True)
                    if asked.keep:
                        shutil.copytree(place, asked.keep / f"{name}-{files - 1}", symlinks=True)
                shutil.rmtree(place)
            found += len(seen)
            print(
                f"{name}: {files:,} files, {refusals:,} refused, {len(seen)} findings", flush=True
            )
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
