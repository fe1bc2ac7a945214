from pathlib import Path

import pytest

from spikebench.errors import SpikebenchError, UnknownNameError
from spikebench.naming.conventions.fsdd import FSDD
from spikebench.naming.conventions.speech_commands import SPEECH_COMMANDS, which_set
from spikebench.naming.names import name_clips
from spikebench.naming.notices import NO_SPEAKERS
from spikebench.recordings.search import Clip

SHARED = Path(__file__).parents[3] / "shared" / "data" / "speech-commands"


def clips(*names: str) -> list[Clip]:
    return [Clip(name, Path("/audio", name)) for name in names]


def test_auto_takes_sub_folders_first() -> None:
    names = name_clips(clips("no/a.wav", "yes/a.wav", "yes/b.wav", "x.wav"))
    assert names.keys == ("no", "yes")
    assert names.labels.tolist() == [0, 1, 1, -1]
    assert names.speakers.tolist() == [-1] * 4
    assert set(names.splits) == {""}
    assert names.notices == [
        "labels: 2 classes from sub-folders: no, yes",
        "labels: 1 recording has no label there, which is written as -1",
        NO_SPEAKERS,
    ]


def test_folders_that_name_a_split_are_no_classes() -> None:
    names = name_clips(clips("train/no/a.wav", "train/yes/a.wav", "valid/yes/b.wav"))
    assert names.keys == ("no", "yes")
    assert names.splits == ("train", "train", "validation")


def test_auto_knows_heidelberg_digits_in_one_folder() -> None:
    names = name_clips(
        clips(
            "lang-english_speaker-00_trial-1_digit-3.flac",
            "lang-german_speaker-04_trial-1_digit-0.flac",
        )
    )
    assert len(names.keys) == 20
    assert [names.keys[i] for i in names.labels] == ["three", "null"]
    assert names.labels.tolist() == [3, 10]
    assert names.speakers.tolist() == [0, 4]
    assert names.splits == ("train", "test")
    assert "speakers 4 and 5 are test" in names.notices[-1]


def test_auto_finds_nothing_and_says_so() -> None:
    names = name_clips(clips("a.wav", "b.wav"))
    assert (names.keys, names.labels.tolist()) == ((), [-1, -1])
    assert names.notices == [
        "labels: none found, every label is -1 (choose a source with --labels)",
        NO_SPEAKERS,
    ]


def test_speech_commands() -> None:
    names = name_clips(
        clips("no/0a_nohash_0.wav", "yes/0a_nohash_1.wav", "yes/1b_nohash_0.wav"),
        labels="speech-commands",
    )
    assert names.keys == SPEECH_COMMANDS
    assert [names.keys[i] for i in names.labels] == ["no", "yes", "yes"]
    assert names.speakers.tolist() == [0, 0, 1]
    assert names.speaker_names == ("0a", "1b")
    assert names.splits == tuple(which_set(speaker, 10, 10) for speaker in ("0a", "0a", "1b"))
    assert list(SPEECH_COMMANDS) == sorted(SPEECH_COMMANDS)
    assert len(SPEECH_COMMANDS) == 35


def test_speech_commands_are_split_by_google_s_lists_not_by_ssc() -> None:
    speaker = next(x for x in map("{:08x}".format, range(100)) if 20 < percent(x) < 30)
    names = name_clips(clips(f"yes/{speaker}_nohash_0.wav"), labels="speech-commands")
    assert (names.splits, which_set(speaker)) == (("train",), "test")


def percent(speaker: str) -> int:
    """Where a speaker lies in the order of ``which_set``."""
    return next(k for k in range(1, 102) if which_set(speaker, k, 0) == "validation")


def test_fsdd() -> None:
    names = name_clips(
        clips("7_jackson_4.wav", "recordings/0_theo_5.wav", "9_jackson_49.wav", "README.wav"),
        labels="fsdd",
    )
    assert names.keys == FSDD == tuple("zero one two three four five six seven eight nine".split())  # noqa: SIM905
    assert names.labels.tolist() == [7, 0, 9]
    assert names.speaker_names == ("jackson", "theo")
    assert names.splits == ("test", "train", "train")
    assert [one.file for one in names.skipped] == ["README.wav"]


def test_auto_knows_fsdd_in_one_folder() -> None:
    names = name_clips(clips("7_jackson_4.wav", "0_theo_5.wav"))
    assert names.rules == ("fsdd", "fsdd", "fsdd")
    assert [names.keys[i] for i in names.labels] == ["seven", "zero"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data/speech-commands")
def test_which_set_gives_the_official_lists() -> None:
    for split, name in (("validation", "validation_list.txt"), ("test", "testing_list.txt")):
        lines = (SHARED / name).read_text().split()
        speakers = {Path(line).name.partition("_nohash_")[0] for line in lines}
        assert len(speakers) > 100
        assert {which_set(speaker, 10.0, 10.0) for speaker in speakers} == {split}


def test_a_pattern_names_label_speaker_and_split() -> None:
    names = name_clips(
        clips("train_anna_en_7_take1.wav", "test_bob_de_7_take2.wav", "odd.wav"),
        labels="{split}_{speaker}_{language}_{digit}_take{take}",
    )
    assert names.keys == ("de-7", "en-7")
    assert names.labels.tolist() == [1, 0]
    assert names.speaker_names == ("anna", "bob")
    assert names.splits == ("train", "test")
    assert [(one.file, one.reason.partition(" fit")[0]) for one in names.skipped] == [
        ("odd.wav", "name does not")
    ]


def test_the_group_label_stands_alone() -> None:
    names = name_clips(clips("7-x.wav", "10-y.wav"), labels="{label}-{other}")
    assert names.keys == ("7", "10")  # as numbers, not "10" < "7"


def test_a_pattern_may_reach_into_folders() -> None:
    names = name_clips(clips("anna/one/1.wav", "bob/two/1.wav"), labels="{speaker}/{word}/{take}")
    assert (names.keys, names.speaker_names) == (("one", "two"), ("anna", "bob"))


def test_a_table_names_clips_by_path_or_name(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("\ufeffpath,label,speaker,split\na/1.wav,x,3,Train\n2.wav,y,,\n")
    names = name_clips(clips("a/1.wav", "b/2.wav", "b/3.wav"), labels=str(table))
    assert names.keys == ("x", "y")
    assert names.speakers.tolist() == [3, -1]
    assert names.splits == ("train", "")
    assert [one.file for one in names.skipped] == ["b/3.wav"]


def test_sources_may_differ(tmp_path: Path) -> None:
    names = name_clips(
        clips("yes/anna_1.wav", "no/bob_2.wav"), labels="folders", speakers="{speaker}_{take}"
    )
    assert names.labels.tolist() == [1, 0]
    assert names.speaker_names == ("anna", "bob")


def test_none_means_none() -> None:
    names = name_clips(clips("yes/0a_nohash_0.wav"), "none", "none", "none")
    assert (names.labels.tolist(), names.speakers.tolist(), names.splits) == ([-1], [-1], ("",))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{a}{b}", "two groups touch; put text between them"),
        ("{a}-{a}", "{a} is not a valid name, or occurs twice"),
        ("{a b}", "{a b} is not a valid name"),
        ("{a}}", "braces do not match"),
        ("{}", "{} is not a valid name"),
        ("{speaker}_nohash_{take}", "gives no label for any recording"),
        ("heidelberg-digits", "heidelberg-digits: gives no label for any recording"),
        ("gone.csv", "gone.csv: no such file"),
    ],
)
def test_a_source_that_cannot_be_used_is_refused(source: str, message: str) -> None:
    with pytest.raises(SpikebenchError, match=message):
        name_clips(clips("yes/0a_nohash_0.wav"), labels=source)


def test_an_unknown_source_offers_the_closest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'folders'"):
        name_clips(clips("a.wav"), labels="folder")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,speaker\nx,1\n", "must name a column path"),
        ("path,other\na.wav,1\n", "at least one of label, speaker, split"),
        ("path,label\na.wav,x,y\n", "line 2: number of fields is 3, not 2"),
        ("path,label\na.wav\n", "line 2: number of fields is 1, not 2"),
        ("path,label\na.wav,x\na.wav,y\n", "line 3: 'a.wav' occurs twice"),
        ('path,label\n"a.wav,x\n', "not readable as CSV"),
        ("path,speaker\na.wav,1\n", "gives no label for any recording"),
    ],
)
def test_a_broken_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(SpikebenchError, match=message):
        name_clips(clips("a.wav"), labels=str(tmp_path / "t.csv"))


def test_an_unknown_split_is_a_clip_left_out(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,split\na.wav,holdout\nb.wav,test\n")
    names = name_clips(clips("a.wav", "b.wav"), split=str(tmp_path / "t.csv"))
    assert [clip.relative for clip in names.clips] == ["b.wav"]
    assert "unknown split 'holdout'" in names.skipped[0].reason


def test_a_long_name_does_not_take_for_ever() -> None:
    """A regular expression that goes back would need 200⁶ steps."""
    long, short = "_" * 200 + ".wav", "1_2_3_4_5_6x.wav"
    names = name_clips(clips(short, long), "{a}_{b}_{c}_{d}_{e}_{f}x", "none", "none")
    assert names.keys == ("1-2-3-4-5-6",)
    assert len(names.clips) + len(names.skipped) == 2
    assert names.labels.tolist() == [0]


def test_a_class_is_text_whatever_the_folder_is_called() -> None:
    names = name_clips(clips("caf\udce9/a.wav", "tea/b.wav"))
    assert all(key.encode("utf-8") for key in names.keys)
    assert "tea" in names.keys
