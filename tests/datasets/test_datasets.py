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
from urllib.parse import urlsplit

import numpy as np
import pytest
import scipy.signal
import soundfile

from spikebench.conversion.job import ConversionOptions
from spikebench.conversion.runner import convert
from spikebench.datasets import DATASETS, DatasetSpec, load_spec
from spikebench.datasets.digits import SPEC
from spikebench.datasets.recipe import load_recipe
from spikebench.datasets.shd_r import names as shd_r_names
from spikebench.datasets.spec import Card, Download, SpikePart
from spikebench.errors import SpikeFileError, UnknownNameError
from spikebench.naming.names import name_clips
from spikebench.protocol.splits import FIXED, PROTOCOLS
from spikebench.recordings.search import Clip
from spikebench.spike_files.reader import SpikeFile
from spikebench.store.locate import locate, resolve

ROOT = Path(__file__).resolve().parents[2]
AUDIO = ROOT / "data" / "digits"
needs_audio = pytest.mark.skipif(
    not AUDIO.is_dir(), reason="data/digits is only in the repository, not in a package"
)
NAMINGS = ("heidelberg-digits", "speech-commands", "fsdd")
ENGLISH = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
GERMAN = ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")


@pytest.fixture(params=DATASETS)
def registered(request: pytest.FixtureRequest) -> tuple[str, DatasetSpec]:
    name: str = request.param
    return name, load_spec(name)


@pytest.fixture(params=[name for name in DATASETS if load_spec(name).kind == "packaged"])
def packaged(request: pytest.FixtureRequest) -> tuple[str, DatasetSpec]:
    name: str = request.param
    return name, load_spec(name)


def downloads() -> list[tuple[str, Download]]:
    return [(name, one) for name in DATASETS for one in load_spec(name).downloads]


class TestContract:
    """What every data set in the registry must keep."""

    def test_name_and_file_agree(self, registered: tuple[str, DatasetSpec]) -> None:
        name, spec = registered
        assert isinstance(spec, DatasetSpec)
        assert DATASETS[name] == f"spikebench.datasets.{name.replace('-', '_')}:SPEC"
        assert spec.name == name
        assert re.fullmatch(r"[a-z][a-z0-9-]*", name)

    def test_module_gives_every_field_by_name_in_order(
        self, registered: tuple[str, DatasetSpec]
    ) -> None:
        name, _ = registered
        module = importlib.import_module(DATASETS[name].partition(":")[0])
        calls: dict[str, list[ast.Call]] = {}
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call):
                calls.setdefault(ast.unparse(node.func), []).append(node)
        assert len(calls["DatasetSpec"]) == len(calls["Card"]) == 1
        for kind in (DatasetSpec, SpikePart, Download, Card):
            fields = [field.name for field in dataclasses.fields(kind)]
            for call in calls.get(kind.__name__, []):
                assert [keyword.arg for keyword in call.keywords] == fields
                assert call.args == []

    def test_texts_are_there_and_say_synthetic(self, registered: tuple[str, DatasetSpec]) -> None:
        _, spec = registered
        paragraphs = dataclasses.astuple(spec.card)
        for text in (spec.title, spec.licence, spec.citation, spec.source, *paragraphs):
            assert text.strip() == text != ""
            assert "\n" not in text
        assert all(text.endswith((".", ")")) for text in paragraphs)
        said = [
            text for text in (spec.title, spec.citation, spec.source) if "synthetic" in text.lower()
        ]
        assert len(said) == (3 if spec.synthetic else 0)
        assert ("synthetic" in spec.card.collection) == spec.synthetic

    def test_versions_are_dated(self, registered: tuple[str, DatasetSpec]) -> None:
        _, spec = registered
        assert re.fullmatch(r"(\d+(\.\d+)*)?", spec.version)
        assert re.fullmatch(r"(20\d\d(-\d\d-\d\d)?)?", spec.released)
        assert bool(spec.version) == (spec.kind != "made")

    def test_kind_says_where_files_come_from(self, registered: tuple[str, DatasetSpec]) -> None:
        name, spec = registered
        assert bool(spec.downloads) == (spec.kind in ("published", "audio"))
        if spec.kind == "audio":
            assert (spec.audio, spec.naming in NAMINGS) == (name, True)
        elif spec.kind == "made":
            assert load_spec(spec.audio).kind == "audio"
            assert load_recipe(name).spec is spec
            assert spec.naming == ""
        else:
            assert (spec.audio, spec.naming) == ("", "")

    def test_sizes_and_classes(self, registered: tuple[str, DatasetSpec]) -> None:
        _, spec = registered
        order = [split for split in ("train", "validation", "test") if split in spec.sizes]
        assert list(spec.sizes) == order
        assert {"train", "test"} <= set(order)
        assert all(size > 0 for size in spec.sizes.values())
        assert len(set(spec.classes)) == len(spec.classes)
        assert len(spec.classes) in (0, spec.n_classes)
        if whole := [part.split for part in spec.parts if part.split]:
            assert whole == order
        else:
            assert len(spec.parts) == 1

    def test_splits_follow_the_protocol(self, registered: tuple[str, DatasetSpec]) -> None:
        _, spec = registered
        assert spec.protocol in PROTOCOLS
        assert bool(spec.validation_speakers) != ("validation" in spec.sizes)
        for speakers in (spec.validation_speakers, spec.test_only_speakers):
            assert list(speakers) == sorted(set(speakers))
        assert not set(spec.validation_speakers) & set(spec.test_only_speakers)
        if spec.protocol in FIXED:
            fixed = FIXED[spec.protocol]
            assert (spec.validation_speakers, spec.test_only_speakers) == (
                fixed.validation,
                fixed.test_only,
            )

    def test_hashes_are_hashes(self, registered: tuple[str, DatasetSpec]) -> None:
        _, spec = registered
        for one in (*spec.parts, *spec.downloads):
            assert one.md5 is None or re.fullmatch(r"[0-9a-f]{32}", one.md5)
            assert one.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", one.sha256)
            assert spec.kind not in ("made", "audio") or one in spec.downloads or not one.sha256
        known = [hash_ for one in (*spec.parts, *spec.downloads) for hash_ in (one.md5, one.sha256)]
        assert len(set(known) - {None}) == len([hash_ for hash_ in known if hash_])
        if spec.kind == "packaged":
            assert all(part.sha256 for part in spec.parts)
        if spec.kind == "published":
            assert all(one.md5 or one.sha256 for one in spec.downloads)

    def test_parts_are_plain_file_names(self, registered: tuple[str, DatasetSpec]) -> None:
        _, spec = registered
        names = [part.file for part in spec.parts]
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[a-z][a-z_-]*\.h5", name) for name in names)

    def test_downloads_become_the_parts_or_a_folder(
        self, registered: tuple[str, DatasetSpec]
    ) -> None:
        _, spec = registered
        becomes = [one.becomes for one in spec.downloads]
        if spec.kind == "published":
            assert becomes == [part.file for part in spec.parts]
        else:
            assert all(re.fullmatch(r"[a-z]+/", folder) for folder in becomes)

    def test_packaged_files_are_the_pinned_ones(self, packaged: tuple[str, DatasetSpec]) -> None:
        name, spec = packaged
        found, by = locate(name)
        assert by is spec
        for (path, split), part in zip(found, spec.parts, strict=True):
            assert (path.name, split) == (part.file, part.split)
            assert hashlib.sha256(path.read_bytes()).hexdigest() == part.sha256

    def test_packaged_files_fit_the_specification(self, packaged: tuple[str, DatasetSpec]) -> None:
        name, spec = packaged
        with SpikeFile(resolve(name)[0]) as file:
            assert file.n_units == spec.n_units
            assert file.keys == spec.classes
            assert set(file.labels) == set(range(spec.n_classes))
            assert Counter(file.splits) == spec.sizes
            assert file.read().units.max() < spec.n_units
            split, speaker = np.array(file.splits), file.speakers
        by_speaker = {s: set(split[speaker == s]) for s in set(speaker.tolist())}
        assert {s for s, parts in by_speaker.items() if parts == {"test"}} == set(
            spec.test_only_speakers
        )
        assert set(spec.validation_speakers) <= {s for s in by_speaker if "train" in by_speaker[s]}


@pytest.mark.parametrize(("name", "one"), downloads(), ids=lambda value: getattr(value, "file", ""))
class TestDownloads:
    """What is fetched comes by https, from mirrors of the same file, and within bounds."""

    def test_addresses(self, name: str, one: Download) -> None:
        parts = [urlsplit(url) for url in one.urls]
        assert {part.scheme for part in parts} == {"https"}
        assert len({part.path for part in parts}) == 1
        assert len({part.netloc for part in parts}) == len(parts) > 0
        assert all(part.query == part.fragment == "" for part in parts)

    def test_bounds(self, name: str, one: Download) -> None:
        assert one.max_bytes > 0
        assert one.max_unpacked_bytes > 0
        assert one.max_members > 0
        if one.size_bytes is not None:
            assert one.size_bytes <= one.max_bytes <= 2 * one.size_bytes

    def test_members(self, name: str, one: Download) -> None:
        gzip = one.file.endswith(".gz") and not one.file.endswith(".tar.gz")
        assert (one.members == "") == gzip
        if not gzip:
            assert re.compile(one.members, re.ASCII).groupindex == {"path": 1}
            for hostile in (
                "",
                "/",
                "../{}",
                "/{}",
                "a/../{}",
                "../../{}",
                "{}/",
                "{}\n",
                "{}.exe",
            ):
                for member in MEMBERS[one.file]:
                    assert re.fullmatch(one.members, hostile.format(member)) is None


WORD = "lang-german_speaker-04_trial-14_digit-1.flac"
MEMBERS = {
    "ssc_train.h5.zip": {"ssc_train.h5": "ssc_train.h5", "x/ssc_train.h5": "ssc_train.h5"},
    "ssc_valid.h5.zip": {"ssc_valid.h5": "ssc_valid.h5"},
    "ssc_test.h5.zip": {"ssc_test.h5": "ssc_test.h5"},
    "hd_audio.tar.gz": {
        f"audio/{WORD}": WORD,
        f"./audio/{WORD}": WORD,
        f"hd_audio/audio/{WORD}": WORD,
        f"./hd_audio/audio/{WORD}": WORD,
        "test_filenames.txt": "test_filenames.txt",
        "./hd_audio/train_filenames.txt": "train_filenames.txt",
        "README.md": "README.md",
        "hd_audio/LICENSE": "LICENSE",
    },
    "speech_commands_v0.02.tar.gz": {
        "./yes/0a7c2a8d_nohash_0.wav": "yes/0a7c2a8d_nohash_0.wav",
        "backward/0a7c2a8d_nohash_12.wav": "backward/0a7c2a8d_nohash_12.wav",
        "./testing_list.txt": "testing_list.txt",
        "validation_list.txt": "validation_list.txt",
        "./README.md": "README.md",
        "./LICENSE": "LICENSE",
    },
    "free-spoken-digit-dataset-1.0.10.zip": {
        "free-spoken-digit-dataset-1.0.10/recordings/7_jackson_32.wav": "7_jackson_32.wav",
        "free-spoken-digit-dataset-1.0.10/README.md": "README.md",
    },
}
LEFT_OUT = {
    "hd_audio.tar.gz": [
        "speaker_db.json",
        "audio/README.md",
        "audio/test_filenames.txt",
        f"a/b/audio/{WORD}",
        "audio/lang-english_speaker-٠٤_trial-14_digit-1.flac",
        "audio/lang-french_speaker-04_trial-14_digit-1.flac",
    ],
    "speech_commands_v0.02.tar.gz": [
        "./_background_noise_/pink_noise.wav",
        "./yess/0a7c2a8d_nohash_0.wav",
        "./yes/._0a7c2a8d_nohash_0.wav",
        "speech/yes/0a7c2a8d_nohash_0.wav",
    ],
    "free-spoken-digit-dataset-1.0.10.zip": [
        "free-spoken-digit-dataset-1.0.10/metadata.py",
        "free-spoken-digit-dataset-1.0.9/recordings/7_jackson_32.wav",
        "7_jackson_32.wav",
    ],
    "ssc_train.h5.zip": ["ssc_test.h5", "__MACOSX/._ssc_train.h5"],
}


class TestMembers:
    @pytest.mark.parametrize("file", MEMBERS)
    def test_what_is_taken_and_where_it_goes(self, file: str) -> None:
        ((_, one),) = [found for found in downloads() if found[1].file == file]
        for member, goes in MEMBERS[file].items():
            match = re.fullmatch(one.members, member)
            assert match is not None, member
            assert match["path"] == goes

    @pytest.mark.parametrize("file", LEFT_OUT)
    def test_what_is_left_out(self, file: str) -> None:
        ((_, one),) = [found for found in downloads() if found[1].file == file]
        taken = [member for member in LEFT_OUT[file] if re.fullmatch(one.members, member)]
        assert taken == []


class TestFacts:
    """Numbers of single data sets, against what else is known about them."""

    def test_recordings_are_split_otherwise_than_what_is_made_of_them(self) -> None:
        for made, audio, total in (
            ("shd-r", "heidelberg-digits", 10_420),
            ("ssc-r", "speech-commands", 105_829),
        ):
            sizes = [load_spec(name).sizes for name in (made, audio)]
            assert [sum(size.values()) for size in sizes] == [total, total]
            assert sizes[0]["train"] != sizes[1]["train"]

    def test_made_sets_have_the_splits_of_the_published(self) -> None:
        for made in ("shd-r", "ssc-r"):
            one, other = load_spec(made), load_spec(made[:3])
            assert one.protocol == other.protocol
            assert one.sizes == other.sizes
            assert one.validation_speakers == other.validation_speakers

    def test_heidelberg_digits_are_counted_by_name(self) -> None:
        clips = [Clip(f"{name}.flac", Path(f"{name}.flac")) for name in shd_r_names()]
        named = name_clips(clips, "heidelberg-digits")
        spec = load_spec("heidelberg-digits")
        assert Counter(named.splits) == spec.sizes
        assert named.keys == spec.classes
        test = {s for s, split in zip(named.speakers, named.splits, strict=True) if split == "test"}
        assert test == set(spec.test_only_speakers)

    def test_fsdd_is_counted_by_name(self) -> None:
        people = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
        paths = [f"{d}_{who}_{k}.wav" for d in range(10) for who in people for k in range(50)]
        named = name_clips([Clip(path, Path(path)) for path in paths], "fsdd")
        spec = load_spec("fsdd")
        assert Counter(named.splits) == spec.sizes
        assert (named.keys, named.speaker_names) == (spec.classes, people)
        order = sorted(
            range(6), key=lambda k: hashlib.sha256(f"validation:{k}".encode()).hexdigest()
        )
        assert spec.validation_speakers == (order[0],)


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
        (tmp_path / "datasets" / SPEC.parts[0].file).write_bytes(content)
        monkeypatch.setattr("importlib.resources.files", lambda package: tmp_path)
        with pytest.raises(SpikeFileError, match=r"'digits'.*is damaged.*reinstall"):
            resolve("digits")

    def test_a_lost_file_is_called_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("importlib.resources.files", lambda package: tmp_path)
        with pytest.raises(SpikeFileError, match=r"'digits'.*no such file.*reinstall"):
            resolve("digits")

    def test_what_is_not_there_has_a_remedy(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path))
        for name in DATASETS:
            if load_spec(name).kind == "packaged":
                continue
            told = (
                rf"^data set '{name}': {tmp_path}.*\.h5 is missing; 'spikebench data get {name}' "
            )
            for find in (resolve, locate):
                with pytest.raises(SpikeFileError, match=told) as caught:
                    find(name)
                assert "\n" not in str(caught.value)

    def test_one_file_that_is_there_is_found(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path))
        path = tmp_path / "fsdd" / "fsdd.h5"
        path.parent.mkdir()
        path.write_bytes(b"anything")
        assert resolve("fsdd") == (path, load_spec("fsdd"))
        assert locate("fsdd") == (((path, ""),), load_spec("fsdd"))

    def test_several_files_are_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path))
        (tmp_path / "shd").mkdir()
        paths = [tmp_path / "shd" / f"shd_{split}.h5" for split in ("train", "test")]
        paths[0].write_bytes(b"anything")
        with pytest.raises(SpikeFileError, match=r"shd_test\.h5 is missing"):
            locate("shd")
        paths[1].write_bytes(b"anything")
        with pytest.raises(SpikeFileError, match=r"'shd' has 2 files; give one of .*train.*test"):
            resolve("shd")
        assert locate("shd")[0] == ((paths[0], "train"), (paths[1], "test"))
        assert resolve(str(paths[1])) == (paths[1], None)

    def test_looking_up_loads_nothing_heavy(self) -> None:
        code = (
            "import sys; from spikebench.datasets import DATASETS, load_spec;"
            "from spikebench.store.locate import resolve;"
            "resolve('digits'); [load_spec(name) for name in DATASETS];"
            "print(sorted({'torch', 'numba', 'h5py', 'cochlea', 'requests'} & set(sys.modules)))"
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
