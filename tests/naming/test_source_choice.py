"""What ``auto`` takes: conventions that nearly all names fit, folders that are splits, and what it says of the rest."""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikebench.errors import SpikebenchError
from spikebench.naming.conventions.speech_commands import which_set
from spikebench.naming.names import ClipNames, name_clips
from spikebench.recordings.search import Clip

SC = [f"{word}/{i:08x}_nohash_0.wav" for word in ("no", "yes") for i in range(3)]
FSDD = [f"{d}_{who}_{t}.wav" for d in range(3) for who in ("jackson", "theo") for t in range(6)]


def clips(*names: str) -> list[Clip]:
    return [Clip(name, Path("/audio", name)) for name in names]


def named(*files: str, **sources: str) -> ClipNames:
    return name_clips(clips(*files), **sources)


def left_out(names: ClipNames) -> list[str]:
    return [one.file for one in names.skipped]


def test_background_noise_is_no_word_and_the_official_split_stays() -> None:
    names = named("_background_noise_/tap.wav", *SC)
    assert names.keys == ("no", "yes")
    assert left_out(names) == ["_background_noise_/tap.wav"]
    assert names.rules == ("sub-folders", "speech-commands", "speech-commands")
    assert names.splits == tuple(which_set(f"{i:08x}", 10, 10) for i in (0, 1, 2, 0, 1, 2))


def test_background_noise_may_be_a_third_of_the_files() -> None:
    names = named("_background_noise_/tap.wav", "no/0a_nohash_0.wav", "yes/0b_nohash_0.wav")
    assert (names.keys, names.rules[2]) == (("no", "yes"), "speech-commands")


def test_words_of_one_s_own_keep_speaker_and_split() -> None:
    names = named("hey/0a_nohash_0.wav", *SC)
    assert names.keys == ("hey", "no", "yes")
    assert (names.rules[2], left_out(names)) == ("speech-commands", [])


def test_one_stray_among_37_is_left_out_by_name() -> None:
    names = named(*FSDD, "calibration_tone.wav")
    assert names.rules == ("fsdd", "fsdd", "fsdd")
    assert left_out(names) == ["calibration_tone.wav"]
    assert names.skipped[0].reason == "name does not fit fsdd"
    assert min(names.labels.tolist()) == 0


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([*FSDD, *[f"x{i}.wav" for i in range(5)]], r"36 of 41 names fit fsdd.* --labels fsdd"),
        ([*SC, "x.wav"], r"6 of 7 names fit speech-commands.* e.g. x.wav.* --labels folders"),
    ],
)
def test_more_strays_stop_the_command(files: list[str], says: str) -> None:
    with pytest.raises(SpikebenchError, match=says):
        named(*files)
    assert len(named(*files, labels="none", speakers="none", split="none").clips) == len(files)


def test_ninety_percent_is_enough() -> None:
    assert left_out(named(*FSDD[:27], "a.wav", "b.wav", "c.wav")) == ["a.wav", "b.wav", "c.wav"]
    with pytest.raises(SpikebenchError, match="26 of 29 names fit fsdd"):
        named(*FSDD[:26], "a.wav", "b.wav", "c.wav")


def test_a_few_names_that_fit_by_chance_are_told_and_not_used() -> None:
    names = named(*FSDD[:3], *[f"r{i}.wav" for i in range(20)])
    assert (names.keys, left_out(names)) == ((), [])
    assert "3 of 23 names fit fsdd, which is not used (--labels fsdd)" in names.notices


def test_folders_called_train_test_and_eval_are_the_split() -> None:
    files = [f"{split}/{name}" for split in ("eval", "test", "train") for name in FSDD[:6]]
    names = named(*files)
    assert names.rules == ("fsdd", "fsdd", "sub-folders")
    assert Counter(names.splits) == {"train": 6, "test": 6, "validation": 6}
    assert "eval is validation" in names.notices[-1]


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("train", "evaluation"), ("train", "test")),
        (("train", "dev", "eval"), ("train", "validation", "test")),
        (("Training", "VALID", "Testing"), ("train", "validation", "test")),
        (("train", "validation", "test", "eval"), ("train", "validation", "test", "test")),
    ],
)
def test_words_for_splits(folders: tuple[str, ...], splits: tuple[str, ...]) -> None:
    names = named(*(f"{folder}/{word}/a.wav" for folder in folders for word in ("no", "yes")))
    assert names.keys == ("no", "yes")
    assert names.splits == tuple(split for split in splits for _ in range(2))


def test_a_class_may_be_called_train() -> None:
    names = named("ESC/dog/x.wav", "ESC/rain/x.wav", "ESC/train/x.wav")
    assert names.keys == ("dog", "rain", "train")
    assert names.splits == ("", "", "")
    assert "split: folders that look like splits are classes: train" in names.notices


def test_classes_called_train_and_test_are_warned_of() -> None:
    names = named("dog/x.wav", "test/x.wav", "train/x.wav")
    assert names.keys == ("dog", "test", "train")
    assert any("WARNING: classes that look like splits" in line for line in names.notices)


def test_a_class_called_train_below_splits() -> None:
    files = [f"{s}/{c}/x.wav" for s in ("test", "train") for c in ("dog", "rain", "train")]
    names = named(*files)
    assert names.keys == ("dog", "rain", "train")
    assert names.splits == ("test",) * 3 + ("train",) * 3


def test_where_two_levels_look_like_splits_the_upper_one_is() -> None:
    files = [f"{s}/{c}/x.wav" for s in ("test", "train") for c in ("dev", "test", "train")]
    names = named(*files)
    assert names.keys == ("dev", "test", "train")
    assert names.splits == ("test",) * 3 + ("train",) * 3
    # Archives that unpack into a folder of their own name say it twice.
    names = named(*(f"{s}/{s}/{c}/x.wav" for s in ("test", "train") for c in ("cat", "dog")))
    assert (names.keys, names.splits) == (("cat", "dog"), ("test", "test", "train", "train"))


def test_cousins_decide_too() -> None:
    assert named("animals/dog/x.wav", "vehicles/train/x.wav").keys == ("dog", "train")


def test_a_stray_beside_splits_is_left_out() -> None:
    files = [f"{s}/{c}/{i}.wav" for s in ("test", "train") for c in ("no", "yes") for i in range(5)]
    names = named(*files, "noise/x.wav", "x.wav")
    assert left_out(names) == ["noise/x.wav", "x.wav"]
    assert names.keys == ("no", "yes")
    assert Counter(names.splits) == {"train": 10, "test": 10}


def test_many_beside_splits_stop_the_command() -> None:
    files = [f"{s}/{c}/x.wav" for s in ("extra", "test", "train") for c in ("no", "yes")]
    with pytest.raises(SpikebenchError, match=r"4 of 6 recordings .* \(test, train\).*--split"):
        named(*files)
    assert named(*files, split="none").keys == ("no", "yes")
    names = named(*files, split="folders")
    assert names.splits == ("", "", "test", "test", "train", "train")


def test_a_folder_that_looks_like_a_split_and_is_not_used_is_named() -> None:
    names = named(*(f"train/{name}" for name in SC))
    assert names.rules[2] == "speech-commands"
    assert "not used as such: train" in names.notices[-1]


def test_folders_that_begin_like_splits_are_named() -> None:
    files = [f"{s}/{c}/x.wav" for s in ("dev-other", "train-clean-100") for c in ("no", "yes")]
    (notice,) = (line for line in named(*files).notices if "look like splits" in line)
    assert "not used as such: dev-other, train-clean-100 (to use them" in notice
    quiet = [
        named("test tone/a.wav", "dog/a.wav"),
        named(*files, split="{split}-{x}/{label}/{take}"),
    ]
    assert not any("look like splits" in line for names in quiet for line in names.notices)


def test_all_below_train_is_train() -> None:
    assert named("train/no/a.wav", "train/yes/a.wav").splits == ("train", "train")


def test_a_table_s_split_comes_before_that_of_folders(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,label,split\ntrain/a.wav,x,test\ntest/b.wav,y,train\n")
    names = named("train/a.wav", "test/b.wav", labels=str(tmp_path / "t.csv"))
    assert names.splits == ("test", "train")
    assert "not used as such: test, train" in names.notices[-1]


def test_names_of_one_corpus_do_not_overrule_classes_that_are_folders() -> None:
    """``1_bark_3`` fits FSDD by chance."""
    names = named("cat/2_meow_7.wav", "dog/1_bark_3.wav")
    assert names.keys == ("cat", "dog")
    assert any("2 of 2 names fit fsdd, but sub-folders are taken" in x for x in names.notices)
    with_stray = named("cat/2_meow_7.wav", *(f"dog/{i}_bark_3.wav" for i in range(9)), "cat/x.wav")
    assert (with_stray.skipped, with_stray.rules[2]) == ([], "nothing")


@pytest.mark.parametrize("folders", [("p01", "p02"), ("1", "2"), ("train", "test")])
def test_folders_that_are_hardly_classes_give_way_to_a_convention(folders: tuple[str, str]) -> None:
    names = named(*(f"{folder}/{name}" for folder in folders for name in FSDD[:4]))
    assert names.rules[0] == "fsdd"


@pytest.mark.parametrize(
    ("files", "looks"),
    [
        (["01/a.wav", "02/a.wav"], "plain numbers (01, 02)"),
        (["spk1/a.wav", "spk2/a.wav"], "speakers (spk1, spk2)"),
        (["anna/anna_7.wav", "bob/bob_7.wav"], "parts of the file names (anna, bob)"),
        (["door_slam/x-door_slam.wav", "rain/x-rain.wav"], "parts of the file names"),
    ],
)
def test_classes_that_look_like_something_else_are_warned_of(files: list[str], looks: str) -> None:
    names = named(*files)
    assert len(names.keys) == 2
    assert any(f"WARNING: classes that look like {looks}" in line for line in names.notices)


def test_ordinary_classes_are_not_warned_of() -> None:
    assert not any("WARNING" in line for line in named("cat/a.wav", "dog/concat_1.wav").notices)


def test_many_class_names_are_shortened() -> None:
    names = named(*(f"class-number-{i:03}/a.wav" for i in range(60)))
    line = names.notices[0]
    assert line.startswith("labels: 60 classes from sub-folders: class-number-000, ")
    assert line.endswith(", …, class-number-059")
    assert len(line) < 160


def test_classes_of_one_recording_each_are_doubted() -> None:
    files = [f"{chr(97 + i)}/x.wav" for i in range(25)]
    assert (
        "labels: most classes have a single recording; check the source of labels (--labels)"
        in named(*files).notices
    )


def test_a_word_written_in_two_ways_is_one_class_and_read_by_its_real_name() -> None:
    nfc, nfd = (unicodedata.normalize(form, "fünf") for form in ("NFC", "NFD"))
    names = named(f"{nfc}/a.wav", f"{nfd}/b.wav", "vier/a.wav")
    assert names.keys == ("fünf", "vier")
    assert names.labels.tolist() == [0, 0, 1]
    assert [clip.relative for clip in names.clips][1] == f"{nfd}/b.wav"


def test_patterns_and_speakers_are_compared_composed() -> None:
    nfc, nfd = (unicodedata.normalize(form, "jürgen") for form in ("NFC", "NFD"))
    names = named(
        f"für-{nfc}_1.wav",
        unicodedata.normalize("NFD", f"für-{nfd}_2.wav"),
        labels="für-{speaker}_{label}",
    )
    assert (names.speaker_names, names.keys) == (("jürgen",), ("1", "2"))


def test_folds_with_classes_below_are_splits() -> None:
    files = [f"fold{f}/{c}/x.wav" for f in (1, 2, 10) for c in ("cat", "dog")]
    names = named(*files)
    assert names.keys == ("cat", "dog")
    assert names.splits == ("train",) * 4 + ("test",) * 2
    assert "fold 10 is test" in names.notices[-1]
    other = named(*files, split="folders:test_fold=2")
    assert other.splits == ("train",) * 2 + ("test",) * 2 + ("train",) * 2


def test_folds_are_no_classes_unless_asked_for() -> None:
    files = ["fold1/a.wav", "fold2/b.wav"]
    assert named(*files).keys == ()
    assert named(*files).splits == ("train", "test")
    names = named(*files, labels="folders")
    assert names.keys == ("fold1", "fold2")
    assert any("WARNING: classes that look like folds" in line for line in names.notices)


def test_a_pattern_may_name_the_fold() -> None:
    files = ["a_1_dog.wav", "a_2_dog.wav", "a_x_dog.wav"]
    names = named(*files, labels="{speaker}_{fold}_{label}:test_fold=1")
    assert (names.splits, left_out(names)) == (("test", "train"), ["a_x_dog.wav"])


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("folders:test_fold=9", r"there is no such fold \(found: 1, 2\)"),
        ("folders:test_fold=x", "test_fold=x: is not a number"),
        ("folders:path=x", "only tables have columns"),
        ("esc50:fold=1", "only tables have columns"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(source: str, says: str) -> None:
    with pytest.raises(SpikebenchError, match=says):
        named("fold1/a.wav", "fold2/b.wav", split=source)


WORDS = st.sampled_from(["alpha", "beta", "Gamma", "delta", "ünit", "x1"])


@given(st.lists(st.lists(WORDS, max_size=3), min_size=1, max_size=8))
def test_ordinary_folders_are_read_as_they_always_were(trees: list[list[str]]) -> None:
    """The class is the last folder; fewer than two classes are none."""
    files = ["/".join([*folders, f"r{i}.wav"]) for i, folders in enumerate(trees)]
    names = named(*files)
    words = [folders[-1] if folders else None for folders in trees]
    expected = words if len(set(words) - {None}) > 1 else [None] * len(words)
    assert [names.keys[k] if k >= 0 else None for k in names.labels] == expected
    assert (set(names.splits), names.skipped, set(names.speakers)) == ({""}, [], {-1})
