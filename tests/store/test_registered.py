from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.synthetic_clips import tone, write_clip

from spikebench.conversion.regeneration import make
from spikebench.datasets.recipe import Recipe, Registered, load_recipe
from spikebench.datasets.shd_r import columns, digests, names
from spikebench.spike_files.fingerprint import Part, fingerprint, sample_digests
from spikebench.spike_files.reader import SpikeFile
from spikebench.store.locate import resolve
from spikebench.store.registered import DIGEST_DIGITS, compare_fingerprint, find_differences

TRAIN = ("lang-english_speaker-00_trial-0_digit-7", "lang-german_speaker-11_trial-2_digit-1")
TEST = ("lang-english_speaker-04_trial-1_digit-0", "lang-german_speaker-05_trial-0_digit-9")
NAMES = (*TRAIN, *TEST)


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    for i, name in enumerate(NAMES):
        write_clip(tmp_path / "audio" / f"{name}.flac", tone(48_000, 0.05, 300.0 * (i + 1)), 48_000)
    return tmp_path / "audio"


@pytest.fixture
def recipe(audio: Path, tmp_path: Path) -> Recipe:
    """A data set of these four recordings, as somebody registered it."""
    found = load_recipe("shd-r")
    spec = replace(found.spec, n_units=20, sizes={"train": 2, "test": 2})
    small = replace(found, spec=spec, registered=None)
    files = [report.file for report in make(small, audio, tmp_path / "registered", jobs=1)]
    marks, samples = {}, {}
    for path in files:
        marks[path.name] = fingerprint([Part(path)])
        with SpikeFile(path) as file:
            for source, digest in zip(file.sources or (), sample_digests(file), strict=True):
                samples[Path(source).stem] = digest.hex()[:DIGEST_DIGITS]
    return replace(small, registered=Registered(marks, lambda: samples, columns))


@pytest.fixture
def remake(recipe: Recipe, tmp_path: Path) -> Callable[..., list[Path]]:
    def call(folder: Path, **options: object) -> list[Path]:
        reports = make(recipe, folder, tmp_path / "again", jobs=1, **options)  # type: ignore[arg-type]
        return [report.file for report in reports]

    return call


def test_other_folders_formats_and_workers_give_the_data_set(
    audio: Path, recipe: Recipe, tmp_path: Path, remake: Callable[..., list[Path]]
) -> None:
    import soundfile

    for number, name in enumerate(NAMES):
        samples, rate = soundfile.read(audio / f"{name}.flac", dtype="int16")
        folder = tmp_path / "elsewhere" / f"{9 - number} of my speakers"
        folder.mkdir(parents=True)
        soundfile.write(folder / f"{name}.WAV", samples, rate, format="WAV")
    files = remake(tmp_path / "elsewhere")
    found = find_differences(recipe, files)
    assert found is not None
    assert found.is_registered
    (line,) = found.lines()
    assert line.startswith("this is shd-r: shd-r_train.h5, shd-r_test.h5, 4 recordings with the")
    alone = find_differences(recipe, files[1:])
    assert alone is not None
    assert (alone.is_registered, alone.expected) == (True, 2)


def test_recordings_that_are_missing_different_or_extra_are_named(
    audio: Path, recipe: Recipe, remake: Callable[..., list[Path]]
) -> None:
    (audio / f"{TRAIN[1]}.flac").unlink()
    write_clip(audio / f"{TEST[0]}.flac", tone(48_000, 0.05, 2000.0), 48_000)
    another = "lang-english_speaker-00_trial-1_digit-7"
    write_clip(audio / f"{another}.flac", tone(48_000, 0.05, 500.0), 48_000)
    found = find_differences(recipe, remake(audio))
    assert found is not None
    assert (found.missing, found.different, found.extra) == (
        [TRAIN[1]],
        [TEST[0]],
        [f"{another}.flac"],
    )
    assert found.lines() == [
        "this is not shd-r as registered",
        f"1 of 4 recordings missing: {TRAIN[1]}",
        f"1 of 4 recordings different from the registered ones: {TEST[0]}",
        f"1 recording is extra: {another}.flac",
    ]


def test_another_seed_is_given_as_the_reason(
    audio: Path, recipe: Recipe, remake: Callable[..., list[Path]]
) -> None:
    found = find_differences(recipe, remake(audio, seed=1))
    assert found is not None
    assert sorted(found.different) == sorted(NAMES)
    assert found.lines()[-1] == "shd-r_test.h5: made with seed 1, shd-r is made with 0"


def test_nothing_is_said_of_a_data_set_that_nobody_registered(recipe: Recipe) -> None:
    assert find_differences(replace(recipe, registered=None), []) is None


def test_files_of_a_data_set_that_comes_with_the_package(tmp_path: Path) -> None:
    path, spec = resolve("digits")
    copy = tmp_path / "copy.h5"
    copy.write_bytes(path.read_bytes())
    assert spec is not None
    assert compare_fingerprint(spec, [copy]).lines() == [
        "this is digits: digits, 840 recordings with the registered spikes "
        f"(fingerprint {spec.fingerprint[:16]}…)"
    ]
    with h5py.File(copy, "r+") as file:
        file["labels"][0] = 19 - file["labels"][0]
    (first, second) = compare_fingerprint(spec, [copy]).lines()
    assert first == "this is not digits as registered"
    assert second.endswith(f"registered is {spec.fingerprint[:16]}…")


def test_every_recording_is_registered() -> None:
    found = digests()
    assert list(found) == sorted(names())
    assert len(set(found.values())) == 10_420
    assert all(len(digest) == DIGEST_DIGITS and int(digest, 16) >= 0 for digest in found.values())
    registered = load_recipe("shd-r").registered
    assert registered is not None
    assert list(registered.fingerprints) == ["shd-r.h5", "shd-r_train.h5", "shd-r_test.h5"]
    assert all(len(mark) == 64 and int(mark, 16) for mark in registered.fingerprints.values())


def test_some_real_recordings_give_the_registered_samples(recordings: Path, tmp_path: Path) -> None:
    """Two recordings at 700 channels: another machine, another version, the same spikes."""
    recipe = load_recipe("shd-r")
    assert recipe.registered is not None
    chosen = ("lang-english_speaker-00_trial-0_digit-0", "lang-german_speaker-05_trial-0_digit-9")
    for name in chosen:
        (tmp_path / "some").mkdir(exist_ok=True)
        (tmp_path / "some" / f"{name}.flac").symlink_to(recordings / f"{name}.flac")
    found = find_differences(
        recipe, [one.file for one in make(recipe, tmp_path / "some", tmp_path / "out", jobs=1)]
    )
    assert found is not None
    assert (found.different, found.extra) == ([], [])
    assert len(found.missing) == 10_418
    assert found.expected == 10_420
    assert np.isin(chosen, found.missing).sum() == 0
