"""Every registered data set keeps the contract; digits is what its documents say and comes out again."""

from __future__ import annotations

import ast
import csv
import dataclasses
import hashlib
import importlib
import inspect
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile

from spikebench.conversion import ConversionOptions, convert
from spikebench.datasets import DATASETS, DatasetSpec, load_spec, resolve
from spikebench.datasets.digits import SPEC
from spikebench.errors import SpikeFileError, UnknownNameError
from spikebench.spike_file import SpikeFile

ROOT = Path(__file__).resolve().parent.parent
AUDIO = ROOT / "data" / "digits"
needs_audio = pytest.mark.skipif(
    not AUDIO.is_dir(), reason="data/digits is only in the repository, not in a package"
)
ENGLISH = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
GERMAN = ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")


@pytest.fixture(params=DATASETS)
def registered(request: pytest.FixtureRequest) -> tuple[str, DatasetSpec]:
    name: str = request.param
    return name, load_spec(name)


class TestContract:
    """What every data set in the registry must keep."""

    def test_name_and_file_agree(self, registered: tuple[str, DatasetSpec]) -> None:
        name, spec = registered
        assert isinstance(spec, DatasetSpec)
        assert DATASETS[name] == f"spikebench.datasets.{name}:SPEC"
        assert spec.name == name
        assert re.fullmatch(r"[a-z][a-z0-9-]*", name)

    def test_module_gives_every_field_by_name_in_order(
        self, registered: tuple[str, DatasetSpec]
    ) -> None:
        name, _ = registered
        module = importlib.import_module(DATASETS[name].partition(":")[0])
        (call,) = (
            node
            for node in ast.walk(ast.parse(inspect.getsource(module)))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "DatasetSpec"
        )
        fields = [field.name for field in dataclasses.fields(DatasetSpec)]
        assert [keyword.arg for keyword in call.keywords] == fields
        assert call.args == []

    def test_texts_are_there_and_say_synthetic(self, registered: tuple[str, DatasetSpec]) -> None:
        _, spec = registered
        for text in (spec.title, spec.licence, spec.citation, spec.source):
            assert text.strip() == text != ""
            assert "\n" not in text
        said = [
            text for text in (spec.title, spec.citation, spec.source) if "synthetic" in text.lower()
        ]
        assert len(said) == (3 if spec.synthetic else 0)

    def test_file_is_the_pinned_one(self, registered: tuple[str, DatasetSpec]) -> None:
        name, spec = registered
        path, found = resolve(name)
        assert found is spec
        assert hashlib.sha256(path.read_bytes()).hexdigest() == spec.sha256

    def test_file_fits_the_specification(self, registered: tuple[str, DatasetSpec]) -> None:
        name, spec = registered
        path, _ = resolve(name)
        with SpikeFile(path) as file:
            assert file.n_units == spec.n_units
            assert len(file.keys) == spec.n_classes
            assert set(file.labels) == set(range(spec.n_classes))
            events = file.read()
            assert events.units.max() < spec.n_units

    def test_splits_are_disjoint_in_what_they_promise(
        self, registered: tuple[str, DatasetSpec]
    ) -> None:
        name, spec = registered
        path, _ = resolve(name)
        with SpikeFile(path) as file:
            split, speaker = np.array(file.splits), file.speakers
        by_speaker = {s: set(split[speaker == s]) for s in set(speaker.tolist())}
        assert {s for s, parts in by_speaker.items() if parts == {"test"}} == set(
            spec.test_only_speakers
        )
        assert set(spec.validation_speakers) <= {s for s in by_speaker if "train" in by_speaker[s]}
        assert not set(spec.validation_speakers) & set(spec.test_only_speakers)
        assert len(set(spec.validation_speakers)) == len(spec.validation_speakers) > 0


class TestResolve:
    def test_a_path_is_taken_as_it_is(self, tmp_path: Path) -> None:
        path = tmp_path / "own.h5"
        path.write_bytes(b"anything")
        assert resolve(str(path)) == (path, None)

    def test_a_registered_name_comes_before_a_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("digits").write_bytes(b"anything")
        assert resolve("digits")[1] is SPEC
        assert resolve("./digits") == (Path("digits"), None)

    @pytest.mark.parametrize(
        "path", ["missing.h5", "folder/missing", "/missing", "./digits", "a\nb.h5"]
    )
    def test_a_missing_file_is_called_so(
        self, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SpikeFileError, match=r"^no such file: ") as caught:
            resolve(path)
        assert "\n" not in str(caught.value)

    def test_a_folder_points_to_convert(self, tmp_path: Path) -> None:
        with pytest.raises(
            SpikeFileError, match=r"is a folder, not a spike file.*spikebench convert"
        ):
            resolve(str(tmp_path))

    @pytest.mark.parametrize("name", ["digit", "DIGITS", "", "x" * 5000, "a\0b"])
    def test_an_unknown_name_lists_the_known(self, name: str) -> None:
        with pytest.raises(
            UnknownNameError, match=r"unknown data set .*; known: .*\bdigits\b"
        ) as caught:
            resolve(name)
        assert caught.value.name == name

    def test_the_closest_name_is_offered(self) -> None:
        with pytest.raises(UnknownNameError, match=r"Did you mean 'digits'\?"):
            load_spec("digts")

    def test_a_damaged_file_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = bytearray(resolve("digits")[0].read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / "datasets").mkdir()
        (tmp_path / SPEC.file).write_bytes(content)
        monkeypatch.setattr("importlib.resources.files", lambda package: tmp_path)
        with pytest.raises(SpikeFileError, match=r"'digits'.*is damaged.*reinstall"):
            resolve("digits")

    def test_a_lost_file_is_called_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("importlib.resources.files", lambda package: tmp_path)
        with pytest.raises(SpikeFileError, match=r"'digits'.*No such file.*reinstall"):
            resolve("digits")

    def test_looking_up_loads_nothing_heavy(self) -> None:
        code = (
            "import sys; from spikebench.datasets import resolve; resolve('digits');"
            "print(sorted({'torch', 'numba', 'h5py', 'cochlea'} & set(sys.modules)))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def digits() -> Iterator[SpikeFile]:
    with SpikeFile(resolve("digits")[0]) as file:
        yield file


class TestDigits:
    def test_classes_are_those_of_shd(self, digits: SpikeFile) -> None:
        assert digits.keys == ENGLISH + GERMAN

    def test_every_speaker_says_every_digit_three_times(self, digits: SpikeFile) -> None:
        said = Counter(zip(digits.speakers.tolist(), digits.labels.tolist(), strict=True))
        assert set(said) == {(s, k) for s in range(14) for k in range(20)}
        assert set(said.values()) == {3}

    def test_seen_and_unseen_voices_are_both_tested(self, digits: SpikeFile) -> None:
        test = np.array(digits.splits) == "test"
        unseen = np.isin(digits.speakers, SPEC.test_only_speakers)
        assert test[unseen].all()
        assert 0.05 < test[~unseen].mean() < 0.11
        assert set(digits.speakers[test & ~unseen]) == set(range(14)) - {4, 5}
        assert set(digits.labels[test & ~unseen]) == set(range(20))

    def test_the_file_is_small_and_says_how_it_was_made(self, digits: SpikeFile) -> None:
        assert digits.path.stat().st_size <= 3_200_000
        made = digits.provenance
        assert (made["preset"], made["seed"], digits.n_units) == ("shd", 0, 70)
        assert made["source_root"] == "data/digits"
        assert made["synthetic_voices"] == 1


def _band_levels(path: Path) -> np.ndarray:
    """Level of a clip in 12 bands from 300 to 7500 Hz, dB around their mean."""
    samples, rate = soundfile.read(path)
    frequency, power = scipy.signal.welch(samples, rate, nperseg=512)
    edges = np.geomspace(300, 7500, 13)
    inside = (frequency >= edges[:-1, None]) & (frequency < edges[1:, None])
    level = 10 * np.log10(inside @ power / inside.sum(1) + 1e-15)
    return level - level.mean()


@needs_audio
class TestRecordings:
    def test_the_table_and_the_file_agree(self, digits: SpikeFile) -> None:
        with (AUDIO / "splits.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["path"] for row in rows] == list(digits.sources)
        assert [row["label"] for row in rows] == [digits.keys[k] for k in digits.labels]
        assert [int(row["speaker"]) for row in rows] == digits.speakers.tolist()
        assert [row["split"] for row in rows] == list(digits.splits)

    def test_the_folder_holds_these_recordings_and_no_others(self, digits: SpikeFile) -> None:
        found = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in AUDIO.glob("*.flac")}
        assert found == dict(zip(digits.sources, digits.sha256, strict=True))

    def test_no_sound_occurs_twice_and_all_are_small_mono_and_called_synthetic(self) -> None:
        sounds, size = set(), 0
        for path in sorted(AUDIO.glob("*.flac")):
            size += path.stat().st_size
            with soundfile.SoundFile(path) as file:
                assert (file.samplerate, file.channels) == (16_000, 1)
                assert file.comment.startswith("synthetic voice")
                samples = file.read(dtype="int16")
            assert samples[0] == samples[-1] == 0
            assert 0.2 * 16_000 < len(samples) < 16_000
            assert 2**13 < np.abs(samples.astype(int)).max() < 2**15
            sounds.add(hashlib.sha256(samples.tobytes()).digest())
        assert len(sounds) == 840
        assert size <= 6_000_000

    def test_voices_differ_in_more_than_pitch(self, digits: SpikeFile) -> None:
        # Twelve wide bands: they show the vocal tract, not the harmonics.
        bands = np.array([_band_levels(AUDIO / name) for name in digits.sources])
        german = digits.labels >= 10
        for language in (german, ~german):
            voices = [bands[language & (digits.speakers == s)].mean(0) for s in range(14)]
            distance = [
                np.sqrt(np.mean((one - other) ** 2)) for one, other in combinations(voices, 2)
            ]
            assert (
                min(distance) > 1.0
            )  # dB; here 1.6 is the least, one voice under two numbers has 0.2

    def test_a_few_recordings_give_the_same_spikes_again(
        self, digits: SpikeFile, tmp_path: Path
    ) -> None:
        wanted = [0, 301, 555, 839]
        (tmp_path / "audio").mkdir()
        for index in wanted:
            shutil.copy(AUDIO / digits.sources[index], tmp_path / "audio")
        made = digits.provenance
        options = ConversionOptions(
            made["preset"],
            digits.n_units,
            seed=made["seed"],
            labels=made["labels_from"],
            speakers=made["speakers_from"],
            split=str(AUDIO / "splits.csv"),
        )
        convert(tmp_path / "audio", tmp_path / "again.h5", options, jobs=1)
        with SpikeFile(tmp_path / "again.h5") as again:
            assert again.sources == tuple(digits.sources[index] for index in wanted)
            for position, index in enumerate(wanted):
                assert again.labels[position] == digits.labels[index]
                times, units = again.events(position)
                np.testing.assert_array_equal(units, digits.events(index)[1])
                np.testing.assert_array_equal(times, digits.events(index)[0])
