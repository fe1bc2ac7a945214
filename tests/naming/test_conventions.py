"""Naming conventions: what each reads in the published names, and that no two read the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from spikebench.errors import SpikebenchError, UnknownNameError
from spikebench.naming.conventions import CONVENTIONS, load_convention
from spikebench.naming.conventions.convention import Facts
from spikebench.naming.names import name_clips
from spikebench.recordings.search import Clip

# Convention, path, what it says.
EXAMPLES = [
    (
        "heidelberg-digits",
        "lang-german_speaker-04_trial-1_digit-5.flac",
        Facts("fünf", "04", "test"),
    ),
    ("fsdd", "recordings/7_jackson_32.wav", Facts("seven", "jackson", "train")),
    ("speech-commands", "data/yes/0a7c2a8d_nohash_0.wav", Facts("yes", "0a7c2a8d", "train")),
    ("audiomnist", "data/01/0_01_49.wav", Facts("zero", "01")),
    ("audiomnist", "9_60_0.wav", Facts("nine", "60")),
    ("tidigits", "tidigits/train/man/ae/1a.wav", Facts("one", "man-ae", "train")),
    ("tidigits", "test/girl/bc/ZB.WAV", Facts("zero", "girl-bc", "test")),
    ("tidigits", "test/boy/xy/oa.wav", Facts("oh", "boy-xy", "test")),
    ("tidigits", "woman/ac/z9z6531a.wav", Facts(None, "woman-ac", None)),
    ("common-voice", "en/clips/common_voice_en_123.mp3", Facts()),
    ("common-voice", "clips/common_voice_zh-CN_18527388.mp3", Facts()),
    ("esc50", "audio/1-100032-A-0.wav", Facts("dog", "100032", fold=1)),
    ("esc50", "5-9-B-49.wav", Facts("hand_saw", "9", fold=5)),
    ("esc50", "2-1-A-45.wav", Facts("train", "1", fold=2)),
    ("urbansound8k", "audio/fold5/100032-3-0-0.wav", Facts("dog_bark", "100032", fold=5)),
    ("urbansound8k", "344-9-1-12.wav", Facts("street_music", "344")),
]
STRANGERS = [
    ("heidelberg-digits", "lang-french_speaker-04_trial-1_digit-7.flac"),
    ("fsdd", "17_jackson_32.wav"),
    ("audiomnist", "02/0_01_0.wav"),
    ("tidigits", "train/dog/ae/1a.wav"),
    ("tidigits", "train/man/ae/0a.wav"),
    ("common-voice", "common_voice_123.mp3"),
    ("esc50", "1-100032-A-50.wav"),
    ("esc50", "6-100032-A-0.wav"),
    ("urbansound8k", "fold5/100032-13-0-0.wav"),
]


def clip(name: str) -> Clip:
    return Clip(name, Path("/audio", name))


@pytest.mark.parametrize("name", CONVENTIONS)
def test_every_convention_is_known_by_its_name(name: str) -> None:
    convention = load_convention(name)
    assert convention.name == name
    assert name in {example[0] for example in EXAMPLES}
    assert convention.keys is None or len(set(convention.keys)) == len(convention.keys)


def test_an_unknown_convention_offers_the_closest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'esc50'"):
        load_convention("esc-50")


@pytest.mark.parametrize(("name", "path", "facts"), EXAMPLES)
def test_published_names_are_read(name: str, path: str, facts: Facts) -> None:
    convention = load_convention(name)
    assert convention.read(clip(path)) == facts
    assert facts.label is None or facts.label in (convention.keys or ())
    others = [other for other in CONVENTIONS if load_convention(other).read(clip(path))]
    assert others == [name]


@pytest.mark.parametrize(("name", "path"), STRANGERS)
def test_other_names_are_not(name: str, path: str) -> None:
    assert load_convention(name).read(clip(path)) is None


def urban() -> Iterator[str]:
    for fold in (1, 2, 10):
        for kind in (0, 3):
            yield f"fold{fold}/{100 + fold}-{kind}-0-0.wav"


def test_folds_of_urbansound8k_are_splits_and_no_classes() -> None:
    names = name_clips([clip(path) for path in urban()])
    assert (len(names.keys), names.labels.tolist()) == (10, [0, 3] * 3)
    assert names.splits == ("train",) * 4 + ("test",) * 2
    assert names.speakers.tolist() == [101, 101, 102, 102, 110, 110]
    other = name_clips([clip(path) for path in urban()], "urbansound8k:test_fold=1")
    assert other.splits == ("test",) * 2 + ("train",) * 4


def test_a_part_of_the_folds_leaves_the_test_fold_where_it_is() -> None:
    names = name_clips([clip(path) for path in urban() if "fold10" not in path])
    assert set(names.splits) == {"train"}


def test_a_split_without_recordings_is_warned_of() -> None:
    names = name_clips([clip(f"audio/{fold}-{fold}7-A-0.wav") for fold in (1, 2)])
    assert "WARNING: split: no recording is in test" in names.notices
    names = name_clips([clip(f"audio/{fold}-{fold}7-A-0.wav") for fold in (1, 5)])
    assert not [line for line in names.notices if line.startswith("WARNING: split")]


def test_esc50_tests_on_fold_5() -> None:
    names = name_clips([clip(f"audio/{fold}-{fold}7-A-0.wav") for fold in range(1, 6)])
    assert names.splits == ("train",) * 4 + ("test",)
    assert len(names.keys) == 50


def test_speakers_of_audiomnist_are_no_classes() -> None:
    files = [
        f"{who:02}/{digit}_{who:02}_{k}.wav"
        for who in (1, 2, 60)
        for digit in (0, 7)
        for k in (0, 1)
    ]
    names = name_clips([clip(path) for path in files])
    assert names.rules[:2] == ("audiomnist", "audiomnist")
    assert names.labels.tolist() == [0, 0, 7, 7] * 3
    assert set(names.speakers.tolist()) == {1, 2, 60}


def test_several_digits_of_tidigits_are_left_out_by_name() -> None:
    files = [f"{s}/man/ae/{what}a.wav" for s in ("test", "train") for what in ("1", "z", "1z3")]
    names = name_clips([clip(path) for path in files])
    assert [one.file for one in names.skipped] == ["test/man/ae/1z3a.wav", "train/man/ae/1z3a.wav"]
    assert names.skipped[0].reason == "names no class of tidigits"
    assert names.splits == ("test", "test", "train", "train")
    assert [names.keys[k] for k in names.labels] == ["one", "zero"] * 2


@pytest.fixture
def common_voice(tmp_path: Path) -> list[Clip]:
    for table, number, who in (("train", 1, "a"), ("dev", 2, "b"), ("test", 3, "c")):
        (tmp_path / f"{table}.tsv").write_text(
            f'client_id\tpath\tsentence\n{who}\tcommon_voice_en_{number}.mp3\tSay "yes; no\n'
        )
    files = [f"clips/common_voice_en_{i}.mp3" for i in range(1, 5)]
    return [Clip(name, tmp_path / name) for name in files]


@pytest.mark.parametrize("source", ["auto", "common-voice"])
def test_common_voice_is_read_from_its_tables(common_voice: list[Clip], source: str) -> None:
    names = name_clips(common_voice, source)
    assert names.keys == ('Say "yes; no',)
    assert names.speaker_names == ("a", "b", "c")
    assert names.splits == ("train", "validation", "test")
    assert [one.reason for one in names.skipped] == ["is in none of train.tsv, dev.tsv, test.tsv"]


def test_common_voice_in_its_folder_of_clips(common_voice: list[Clip]) -> None:
    inside = [Clip(one.path.name, one.path) for one in common_voice]
    assert name_clips(inside).splits == ("train", "validation", "test")


def test_common_voice_without_its_tables(tmp_path: Path) -> None:
    clips = [Clip("common_voice_en_1.mp3", tmp_path / "x" / "common_voice_en_1.mp3")]
    assert any("none of train.tsv, dev.tsv" in line for line in name_clips(clips).notices)
    with pytest.raises(SpikebenchError, match=r"none of train.tsv, dev.tsv, test.tsv is in"):
        name_clips(clips, "common-voice")


def test_a_clip_without_a_class_is_left_out_where_a_convention_is_asked_for() -> None:
    names = name_clips(
        [clip("hey/0a_nohash_0.wav"), clip("yes/0a_nohash_0.wav")], "speech-commands"
    )
    assert [one.reason for one in names.skipped] == ["names no class of speech-commands"]
