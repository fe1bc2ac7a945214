"""SHD and SSC again: what is in which file, in which order, and when a file is kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.synthetic_clips import tone, write_clip

from spikebench.conversion.regeneration import make
from spikebench.conversion.runner import ConversionReport
from spikebench.datasets.recipe import Recipe, load_recipe
from spikebench.datasets.shd_r import names, names_of_test
from spikebench.errors import (
    AudioError,
    ConversionStateError,
    OutputExistsError,
    ProtocolError,
    SpikebenchError,
    SpikeFileError,
)
from spikebench.naming.conventions.speech_commands import which_set
from spikebench.spike_files.reader import SpikeFile
from spikebench.spike_files.report import find_problems

Make = Callable[..., list[ConversionReport]]


def small(name: str, sizes: Mapping[str, int] | None = None) -> Recipe:
    """The recipe of a data set with 20 channels."""
    recipe = load_recipe(name)
    spec = replace(recipe.spec, n_units=20, sizes=sizes or recipe.spec.sizes)
    return replace(recipe, spec=spec)


SHD, SSC = small("shd-r"), small("ssc-r")
TRAIN = ("lang-english_speaker-00_trial-0_digit-7", "lang-german_speaker-11_trial-2_digit-1")
TEST = ("lang-english_speaker-04_trial-1_digit-0", "lang-german_speaker-05_trial-0_digit-9")


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    folder = tmp_path / "digits"
    for i, name in enumerate((*TRAIN, *TEST)):
        write_clip(folder / "audio" / f"{name}.flac", tone(48_000, 0.06, 300.0 * (i + 1)), 48_000)
    return folder


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """Two recordings of two speakers in every split of SSC, and background noise."""
    folder = tmp_path / "words"
    speakers: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for number in range(100):
        name = f"{number:08x}"
        if len(found := speakers[which_set(name)]) < 2:
            found.append(name)
    for i, name in enumerate(sorted(name for found in speakers.values() for name in found)):
        for k, word in enumerate(("yes", "bed")):
            clip = tone(16_000, 0.06, 300.0 + 50 * (2 * i + k))
            write_clip(folder / word / f"{name}_nohash_0.wav", clip)
    write_clip(folder / "_background_noise_" / "pink.wav")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Make:
    def call(recipe: Recipe, audio: Path, **more: object) -> list[ConversionReport]:
        return make(recipe, audio, tmp_path / "out", jobs=1, **more)  # type: ignore[arg-type]

    return call


def sources(path: Path) -> list[str]:
    with SpikeFile(path) as file:
        return [Path(source).stem for source in file.sources or ()]


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_files_are_laid_out_and_named_as_published(digits: Path, tmp_path: Path, run: Make) -> None:
    notes: list[str] = []
    reports = run(SHD, digits, notify=notes.append)
    out = tmp_path / "out"
    assert [report.file for report in reports] == [out / "shd-r_train.h5", out / "shd-r_test.h5"]
    assert notes[0] == (
        "NOT COMPLETE: found 2 of 8,156 train, 2 of 2,264 test recordings; the output is only a part of shd-r"
    )
    assert sources(out / "shd-r_train.h5") == list(TRAIN)
    with SpikeFile(out / "shd-r_test.h5") as file:
        assert file.keys == SHD.spec.classes
        assert file.labels.tolist() == [0, 19]
        assert file.speakers.tolist() == [4, 5]
        assert file.speaker_names == ()
        assert file.splits == ("test", "test")
        made = file.provenance
        times, _ = file.events(0)
    assert times[0] == 0
    assert np.array_equal(times.astype(np.float16), times)
    assert (made["dataset"], made["licence"]) == ("shd-r", "CC-BY-4.0")
    assert "hd_audio.tar.gz" in made["made_again_from"]
    assert "5 %" in made["split_from"]
    assert (made["time_origin"], made["time_dtype"]) == ("first spike", "float16")
    assert (made["samples_published"], made["recordings_found"], made["complete"]) == (2264, 2, 0)
    assert find_problems(out / "shd-r_test.h5") == []


def test_a_file_is_complete_only_with_every_sample(digits: Path, tmp_path: Path, run: Make) -> None:
    tiny = small("shd-r", sizes={"train": 2, "test": 2})
    notes: list[str] = []
    (digits / "audio" / f"{TEST[0]}.flac").write_bytes(b"fLaC")
    train, test = run(tiny, digits, notify=notes.append)
    assert not any("NOT COMPLETE" in note for note in notes)
    assert (train.skipped, [one.file for one in test.skipped]) == ([], [f"audio/{TEST[0]}.flac"])
    for report, complete in ((train, 1), (test, 0)):
        with SpikeFile(report.file) as file:
            assert file.provenance["complete"] == complete
    again = run(tiny, digits)[1]
    assert [one.file for one in again.skipped] == [f"audio/{TEST[0]}.flac"]


def test_speakers_agree_between_the_files_of_ssc(words: Path, tmp_path: Path, run: Make) -> None:
    notes: list[str] = []
    reports = run(SSC, words, notify=notes.append)
    assert [report.file.name for report in reports] == [
        "ssc-r_train.h5",
        "ssc-r_valid.h5",
        "ssc-r_test.h5",
    ]
    assert "left out _background_noise_/pink.wav: not a recording of ssc-r" in notes
    assert not any(report.skipped for report in reports)
    everyone = set()
    for report, split in zip(reports, ("train", "validation", "test"), strict=True):
        with SpikeFile(report.file) as file:
            names = file.speaker_names
            assert names == tuple(sorted(names))
            assert len(names) == 6
            assert set(file.splits or ()) == {split}
            assert [names[i] for i in file.speakers] == [
                Path(source).stem.partition("_")[0] for source in file.sources or ()
            ]
            assert {file.keys[i] for i in file.labels} == {"bed", "yes"}
            assert file.provenance["resampled_rate_hz"] == 48_000
            everyone |= set(file.speakers.tolist())
    assert everyone == set(range(6))


def test_one_file_holds_every_split(words: Path, tmp_path: Path, run: Make) -> None:
    (report,) = run(SSC, words, one_file=True, native_rate=True, time_dtype="float32", seed=3)
    assert report.file == tmp_path / "out" / "ssc-r.h5"
    with SpikeFile(report.file) as file:
        assert set(file.splits or ()) == {"train", "validation", "test"}
        made = file.provenance
    assert (made["seed"], made["samples_published"]) == (3, 105_829)
    assert "resampled_rate_hz" not in made
    split = run(SSC, words, native_rate=True, time_dtype="float32", seed=3)
    assert sum(one.spikes for one in split) == report.spikes


def test_a_split_without_recordings_has_no_file(digits: Path, tmp_path: Path, run: Make) -> None:
    for name in TEST:
        (digits / "audio" / f"{name}.flac").unlink()
    notes: list[str] = []
    run(SHD, digits, notify=notes.append)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["shd-r_train.h5"]
    assert "shd-r_test.h5: not made, no recording of its split was found" in notes


class TestRepeated:
    """The same command keeps finished files and resumes unfinished ones."""

    def test_finished_files_are_kept(self, digits: Path, run: Make) -> None:
        before = [report.file.read_bytes() for report in run(SHD, digits)]
        notes: list[str] = []
        ticks: list[tuple[int, int]] = []
        reports = run(SHD, digits, notify=notes.append, progress=lambda *tick: ticks.append(tick))
        assert [report.file.read_bytes() for report in reports] == before
        assert [report.resumed for report in reports] == [2, 2]
        assert all(report.spikes and report.audio_seconds > 0.1 for report in reports)
        assert "shd-r_train.h5: exists already, made by the same request" in notes
        assert ticks[-1] == (4, 4)

    def test_an_interrupted_one_goes_on(
        self, digits: Path, tmp_path: Path, run: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = [report.file.read_bytes() for report in run(SHD, digits)]
        out = tmp_path / "out"
        (out / "shd-r_test.h5").unlink()
        with monkeypatch.context() as patch:
            patch.setattr("spikebench.conversion.runner.write_samples", interrupt)
            with pytest.raises(KeyboardInterrupt):
                run(SHD, digits)
        assert (out / "shd-r_test.h5.partial").exists()
        reports = run(SHD, digits)
        assert [report.resumed for report in reports] == [2, 2]
        assert [report.file.read_bytes() for report in reports] == whole
        assert sorted(path.name for path in out.iterdir()) == ["shd-r_test.h5", "shd-r_train.h5"]

    def test_an_interrupted_one_does_not_become_another(
        self, digits: Path, run: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("spikebench.conversion.runner.write_samples", interrupt)
            with pytest.raises(KeyboardInterrupt):
                run(SHD, digits)
        with pytest.raises(ConversionStateError, match=r"split_from was .* --restart"):
            run(replace(SHD, split_rule="another"), digits)
        restarted = run(replace(SHD, split_rule="another"), digits, restart=True)
        assert [report.resumed for report in restarted] == [0, 0]

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"seed": 7}, "seed was 0, is 7"),
            ({"time_dtype": "float32"}, 'time_dtype was "float16", is "float32"'),
            ({"native_rate": True}, "parameters.input_rate was 48000, is null"),
        ],
    )
    def test_another_request_is_refused_before_anything_is_done(
        self, digits: Path, tmp_path: Path, run: Make, change: dict[str, object], told: str
    ) -> None:
        before = run(SHD, digits)[1].file.read_bytes()
        (tmp_path / "out" / "shd-r_train.h5").unlink()
        with pytest.raises(OutputExistsError, match=f"shd-r_test.h5: exists .*: {told} .--overw"):
            run(SHD, digits, **change)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["shd-r_test.h5"]
        assert run(SHD, digits, overwrite=True, **change)[1].file.read_bytes() != before

    def test_other_recordings_are_noticed(self, digits: Path, run: Make) -> None:
        run(SHD, digits)
        clip = digits / "audio" / f"{TRAIN[0]}.flac"
        write_clip(clip, tone(48_000, 0.06, 111.0), 48_000)
        with pytest.raises(
            OutputExistsError, match=f"{TRAIN[0]}.flac has changed since it was made"
        ):
            run(SHD, digits)
        clip.unlink()
        with pytest.raises(OutputExistsError, match="made from other recordings"):
            run(SHD, digits)

    def test_somebody_else_s_file_is_not_touched(
        self, digits: Path, tmp_path: Path, run: Make
    ) -> None:
        (tmp_path / "out").mkdir()
        other = tmp_path / "out" / "shd-r_train.h5"
        other.write_text("no")
        with pytest.raises(SpikeFileError, match=r"shd-r_train.h5: is not an HDF5 file"):
            run(SHD, digits)
        assert other.read_text() == "no"


class TestPublishedLists:
    """The authors' lists decide who is test, and the order."""

    @pytest.fixture
    def lists(self, tmp_path: Path) -> tuple[Path, Path]:
        """Lists as the archive has them: training and test recordings, the last first."""
        test = names_of_test()
        # Of ours one training and one held-out recording change places.
        theirs = (test - {min(n for n in test if "speaker-00" in n)}) | {TRAIN[0]}
        train = sorted(set(names()) - theirs, reverse=True)
        for name, content in (("train", train), ("test", sorted(theirs, reverse=True))):
            (tmp_path / f"{name}_filenames.txt").write_text("".join(f"{n}.flac\n" for n in content))
        return tmp_path / "train_filenames.txt", tmp_path / "test_filenames.txt"

    def test_split_and_order(
        self, digits: Path, tmp_path: Path, run: Make, lists: tuple[Path, Path]
    ) -> None:
        write_clip(digits / "audio" / "lang-german_speaker-03_trial-2_digit-1.flac", rate=48_000)
        assert TRAIN[0] not in names_of_test()
        run(SHD, digits, published_test=lists[1])
        out = tmp_path / "out"
        assert sources(out / "shd-r_test.h5") == sorted((*TEST, TRAIN[0]), reverse=True)
        trained = sources(out / "shd-r_train.h5")
        assert trained == sorted(trained)
        with SpikeFile(out / "shd-r_test.h5") as file:
            assert file.provenance["split_from"].startswith("as published: test_filenames.txt of ")
        run(SHD, digits, published_test=lists[1], published_train=lists[0], overwrite=True)
        assert sources(out / "shd-r_test.h5") == sorted((*TEST, TRAIN[0]), reverse=True)
        assert sources(out / "shd-r_train.h5") == trained[::-1]
        (report,) = run(
            SHD, digits, published_test=lists[1], published_train=lists[0], one_file=True
        )
        assert sources(report.file) == [*trained[::-1], *sorted((*TEST, TRAIN[0]), reverse=True)]

    def test_wrong_lists_are_refused_by_name(
        self, digits: Path, tmp_path: Path, run: Make, lists: tuple[Path, Path]
    ) -> None:
        train, test = lists
        for wrong, told in (
            ({"published_test": train}, r"train_filenames.txt: .* is missing: speakers 4 and 5"),
            (
                {"published_test": test, "published_train": test},
                r"test_filenames.txt: .* is in the list: speakers 4 and 5",
            ),
            ({"published_test": tmp_path / "no.txt"}, "no.txt: no such file or directory"),
        ):
            with pytest.raises(ProtocolError, match=told):
                run(SHD, digits, **wrong)
        both = train.read_text().replace(
            "lang-english_speaker-00_trial-1_digit-0.flac", f"{TRAIN[0]}.flac"
        )
        train.write_text(both)
        with pytest.raises(ProtocolError, match=f"train_filenames.txt: {TRAIN[0]} is in both"):
            run(SHD, digits, published_test=test, published_train=train)
        train.write_bytes(b"x" * (2 * 2**20 + 1))
        with pytest.raises(ProtocolError, match=r"train_filenames.txt: larger than 2 MiB"):
            run(SHD, digits, published_test=train)
        train.write_bytes(b"\xff")
        with pytest.raises(ProtocolError, match=r"train_filenames.txt: is not a text file"):
            run(SHD, digits, published_test=train)
        with pytest.raises(SpikebenchError, match="give the list of the test recordings as well"):
            run(SHD, digits, published_train=train)
        with pytest.raises(SpikebenchError, match="ssc-r: the split follows from the file names"):
            run(SSC, digits, published_test=test)
        assert not (tmp_path / "out").exists()


class TestFolder:
    """What may be wrong with the folder of recordings."""

    def test_none_at_all_tells_where_they_are(
        self, digits: Path, tmp_path: Path, run: Make
    ) -> None:
        with pytest.raises(AudioError, match=r"contains no recording of ssc-r; .*v0\.02\.tar\.gz"):
            run(SSC, digits)
        with pytest.raises(AudioError, match=r"gone: is not a folder; .*hd_audio\.tar\.gz"):
            run(SHD, tmp_path / "gone")
        (tmp_path / "empty").mkdir()
        with pytest.raises(AudioError, match=r"empty: no audio in it .*hd_audio\.tar\.gz"):
            run(SHD, tmp_path / "empty")

    def test_two_copies_are_refused(self, digits: Path, run: Make) -> None:
        shutil.copytree(digits / "audio", digits / "copy")
        with pytest.raises(
            AudioError, match=r"audio/.*flac and copy/.*flac are the same recording"
        ):
            run(SHD, digits)

    def test_many_strangers_are_counted(self, digits: Path, run: Make) -> None:
        for i in range(6):
            write_clip(digits / f"other-{i}.wav")
        notes: list[str] = []
        run(SHD, digits, notify=notes.append)
        assert notes[0] == "left out 6 files that are not recordings of shd-r: other-0.wav, …"

    def test_the_output_folder_is_a_file(self, digits: Path, tmp_path: Path, run: Make) -> None:
        (tmp_path / "out").write_text("")
        with pytest.raises(SpikeFileError, match="out: is a file, not a folder"):
            run(SHD, digits)
