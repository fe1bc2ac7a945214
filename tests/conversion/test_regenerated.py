"""The rules by which SHD and SSC are made again: sizes, order and stability."""

from __future__ import annotations

import re
from collections import Counter
from itertools import product
from pathlib import Path

import pytest
from conftest import SHARED

from spikebench.datasets.recipe import RECIPES, Recipe, load_recipe
from spikebench.datasets.shd_r import TRIALS, facts, names, names_of_test, parse_published_split
from spikebench.datasets.ssc_r import facts as ssc_facts
from spikebench.errors import ProtocolError, UnknownNameError

SPEECH_COMMANDS = SHARED / "data" / "speech-commands"


def parts(name: str) -> tuple[str, int, int, int]:
    found = re.fullmatch(r"lang-([a-z]+)_speaker-(\d\d)_trial-(\d+)_digit-(\d)", name)
    assert found
    return found[1], int(found[2]), int(found[3]), int(found[4])


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_what_its_name_says(name: str) -> None:
    recipe = load_recipe(name)
    assert isinstance(recipe, Recipe)
    assert recipe.spec.name == name
    assert name.endswith("-r")
    assert len(set(recipe.spec.classes)) == len(recipe.spec.classes) == recipe.spec.n_classes
    assert recipe.facts("no recording.wav") is None


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"known: shd-r, ssc-r\. Did you mean 'shd-r'"):
        load_recipe("shd")


def test_there_are_as_many_recordings_as_the_authors_say() -> None:
    assert len(names()) == len(set(names())) == 10_420
    assert sum(map(sum, TRIALS.values())) == 1_042


def test_the_sizes_are_the_published_ones() -> None:
    splits = Counter(known.split for name in names() if (known := facts(name)))
    assert splits == load_recipe("shd-r").spec.sizes == {"train": 8156, "test": 2264}


def test_speakers_4_and_5_are_test_and_no_others_wholly() -> None:
    by_speaker = Counter(parts(name)[1] for name in names_of_test())
    for speaker, (english, german) in TRIALS.items():
        if speaker in (4, 5):
            assert by_speaker[speaker] == 10 * (english + german)
        else:
            # 5 % of each language, rounded down, is at most one recording a language short of 5 %.
            assert 0 <= (english + german) / 2 - by_speaker[speaker] < 2


def test_digits_are_held_out_as_evenly_as_whole_numbers_allow() -> None:
    cells = Counter((*parts(name)[:2], parts(name)[3]) for name in names_of_test())
    for (speaker, counts), which in product(TRIALS.items(), (0, 1)):
        if speaker in (4, 5):
            continue
        language = ("english", "german")[which]
        held = [cells[language, speaker, digit] for digit in range(10)]
        assert sum(held) == counts[which] // 2
        assert max(held) - min(held) <= 1


def test_the_held_out_recordings_never_change() -> None:
    # A change of the rule is a change of the data set: it must not come unnoticed.
    held = sorted(name for name in names_of_test() if parts(name)[:2] == ("german", 6))
    assert held == [
        "lang-german_speaker-06_trial-0_digit-5",
        "lang-german_speaker-06_trial-12_digit-7",
        "lang-german_speaker-06_trial-17_digit-1",
        "lang-german_speaker-06_trial-1_digit-8",
        "lang-german_speaker-06_trial-2_digit-2",
        "lang-german_speaker-06_trial-7_digit-0",
        "lang-german_speaker-06_trial-8_digit-3",
        "lang-german_speaker-06_trial-8_digit-4",
        "lang-german_speaker-06_trial-9_digit-6",
    ]


def test_labels_are_in_the_published_order() -> None:
    known = facts("audio/lang-german_speaker-04_trial-14_digit-1.flac")
    assert known is not None
    assert (known.label, known.speaker, known.split) == ("eins", "4", "test")
    assert load_recipe("shd-r").spec.classes.index("eins") == 11
    assert (
        [facts(f"lang-english_speaker-00_trial-0_digit-{d}").label for d in range(10)]
        == list(  # type: ignore[union-attr]
            load_recipe("shd-r").spec.classes[:10]
        )
    )


@pytest.mark.parametrize(
    "path",
    [
        "lang-french_speaker-00_trial-0_digit-0.flac",
        "lang-english_speaker-12_trial-0_digit-0.flac",
        "lang-english_speaker-00_trial-49_digit-0.flac",
        "lang-english_speaker-00_trial-00_digit-0.flac",
        "lang-english_speaker-00_trial-٣_digit-0.flac",
        "",
    ],
)
def test_what_is_no_recording_has_no_facts(path: str) -> None:
    assert facts(path) is None


def test_a_folder_and_a_suffix_change_nothing() -> None:
    name = "lang-english_speaker-03_trial-2_digit-7"
    assert facts(name) == facts(f"somewhere/{name}.flac") == facts(f"C:\\audio\\{name}.wav")


@pytest.fixture
def published() -> list[str]:
    """A list as the authors' archive holds it: all of speakers 4 and 5, and 424 others."""
    own = sorted(names_of_test())
    swapped = "lang-english_speaker-00_trial-0_digit-0"
    assert swapped not in own
    at = next(i for i, name in enumerate(own) if parts(name)[1] == 0)
    return [f"{name}.flac" for name in (*own[:at], swapped, *own[at + 1 :])]


def test_the_published_list_decides_where_it_is_given(published: list[str]) -> None:
    test = parse_published_split("\n".join(published) + "\n")
    name = "lang-english_speaker-00_trial-0_digit-0"
    ours, theirs = facts(name), facts(name, test)
    assert ours is not None
    assert theirs is not None
    assert (ours.split, theirs.split) == ("train", "test")
    assert Counter(known.split for n in names() if (known := facts(n, test)))["test"] == 2264


def test_a_wrong_published_list_is_refused(published: list[str]) -> None:
    with pytest.raises(ProtocolError, match=r"line 1: '\\x1b\[0m' is not a recording"):
        parse_published_split("\x1b[0m\n")
    with pytest.raises(ProtocolError, match=r"line 2265: .* is listed twice"):
        parse_published_split("\n".join([*published, published[0]]))
    with pytest.raises(
        ProtocolError, match=r"speaker-04.* is missing: speakers 4 and 5 are only in the test"
    ):
        parse_published_split("\n".join(n for n in published if "speaker-04_trial-0_" not in n))
    few = [n for n in published if parts(n.removesuffix(".flac"))[1] in (4, 5)]
    with pytest.raises(ProtocolError, match="1840 names; the published test split has 2264"):
        parse_published_split("\n".join(few))


def test_ssc_is_all_of_version_2() -> None:
    assert sum(load_recipe("ssc-r").spec.sizes.values()) == 105_829
    assert len(load_recipe("ssc-r").spec.classes) == 35


def test_ssc_reads_word_speaker_and_split() -> None:
    known = ssc_facts("speech/yes/0a7c2a8d_nohash_0.wav")
    assert known is not None
    assert (known.label, known.speaker) == ("yes", "0a7c2a8d")
    other = ssc_facts("no/0a7c2a8d_nohash_3.wav")
    assert other is not None
    assert other.split == known.split
    assert ssc_facts("_background_noise_/doing_the_dishes.wav") is None
    assert ssc_facts("yess/0a7c2a8d_nohash_0.wav") is None


@pytest.mark.parametrize(
    ("listed", "split"), [("validation_list.txt", "validation"), ("testing_list.txt", "test")]
)
def test_google_s_own_lists_lie_within_the_splits(listed: str, split: str) -> None:
    path: Path = SPEECH_COMMANDS / listed
    if not path.is_file():
        pytest.skip("the recordings (../shared/data/speech-commands) are not here")
    found = Counter(
        known.split for line in path.read_text().splitlines() if (known := ssc_facts(line))
    )
    assert found == {split: {"validation": 6798, "test": 6835}[split]}
