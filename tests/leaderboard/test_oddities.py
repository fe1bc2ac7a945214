"""What looks odd is told: copies, speakers and languages that stand out. Honest entries are left in peace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.leaderboard_results import edit_json, make_result, sha256
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from leaderboard.checks.breakdown import LANGUAGES, Breakdown, GroupAccuracy, break_down
from leaderboard.checks.recomputation import check_result
from leaderboard.claims.entry import StoredEntry, make_entry
from leaderboard.standings.oddities import _is_rare, _shared_mistakes, flag, flag_copies
from spikebench.protocol.results import Predictions, Result, read_predictions, write_predictions
from spikebench.protocol.scoring import score, summarise

Change = Callable[[Predictions, int], np.ndarray]


def rewrite(folder: Path, change: Change) -> Result:
    """Change what was predicted and make the whole result follow from it."""
    result, predictions, _ = check_result(folder, "not looked at")
    seeds = []
    for record, said in zip(result.seeds, predictions, strict=True):
        other = said.model_copy(update={"predicted": change(said, record.seed)})
        path = folder / record.predictions_file
        write_predictions(path, other)
        scores = vars(score(other, result.dataset)) | {"predictions_sha256": sha256(path)}
        seeds.append(record.model_copy(update=scores))
    changed = result.model_copy(update={"seeds": seeds, "summary": summarise(seeds)})
    (folder / "result.json").write_text(changed.model_dump_json())
    return changed


def store(folder: Path, change: Change | None = None, **options: object) -> StoredEntry:
    make_result(folder, **options)  # type: ignore[arg-type]
    if change is not None:
        rewrite(folder, change)
    result, predictions, _ = check_result(folder, "not looked at")
    entry = make_entry(result)
    return StoredEntry(entry, result, folder, break_down(predictions, result.dataset.classes))


def flags(*entries: StoredEntry) -> list[list[str]]:
    return [list(stored.flags) for stored in flag(entries)]


def test_honest_entries_have_no_flags(tmp_path: Path) -> None:
    entries = [
        store(tmp_path / str(k), skill=0.3 + 0.05 * k, model=f"m{k}", test_samples=600)
        for k in range(10)
    ]
    assert flags(*entries) == [[]] * 10
    assert flag_copies(entries, entries) == {}


def test_equal_predictions_of_two_seeds_and_two_entries_are_found(tmp_path: Path) -> None:
    first = store(tmp_path / "a", model="a")
    copied = read_predictions(tmp_path / "a" / "predictions-seed3.csv").predicted
    second = store(tmp_path / "b", lambda said, seed: copied, model="b")
    other = store(tmp_path / "c", lambda said, seed: copied, model="c", data_sha256="cd" * 32)
    found = flags(first, second, other)
    assert found[0] == [f"the same predictions as {second.entry.id} (here seed 3)"]
    assert found[1] == [
        "seeds 0, 1, 2, 3, 4 have the same predictions: a model without randomness, or one run counted several times",
        f"the same predictions as {first.entry.id} (here seed 0, 1, 2, 3, 4)",
    ]
    assert len(found[2]) == 1  # on other data


def test_copied_mistakes_are_found_though_some_were_mended(tmp_path: Path) -> None:
    first = store(tmp_path / "a", model="a", skill=0.5, test_samples=600)
    copied = read_predictions(tmp_path / "a" / "predictions-seed2.csv").predicted

    def mended(said: Predictions, seed: int) -> np.ndarray:
        wrong = np.flatnonzero(copied != said.label)
        changed = copied.copy()
        changed[wrong[: wrong.size // 12]] = said.label[wrong[: wrong.size // 12]]
        return changed

    second = store(tmp_path / "b", mended, model="b", test_samples=600)
    honest = store(tmp_path / "c", model="c", skill=0.5, test_samples=600, seeds=2)
    found = flag_copies([second], [first, second, honest])
    (text,) = found[second.entry.id]
    assert f"of {np.sum(copied != np.arange(600) % 4)} mistakes are the same as those of" in text
    assert first.entry.id in text


def test_shared_mistakes_by_hand() -> None:
    # Right is -1. Same wrong answer at samples 1 and 4; either is wrong at 0, 1, 3, 4.
    one = np.array([[2, 3, -1, -1, 0]])
    other = np.array([[-1, 3, -1, 1, 0], [-1, -1, -1, -1, -1]])
    assert _shared_mistakes(one, other) == (2, 4)
    assert _shared_mistakes(other, one) == (2, 4)


def test_speaker_whose_labels_were_copied_is_found(tmp_path: Path) -> None:
    def known(said: Predictions, seed: int) -> np.ndarray:
        return np.where(said.speaker == 5, said.label, said.predicted)

    stored = store(tmp_path / "a", known, skill=0.3, test_samples=600)
    text, unseen, above = flags(stored)[0]
    assert text.startswith("speaker 5 is recognised far better (100.0% of 100) than the others")
    assert unseen.startswith("speakers without training data are recognised better")
    assert "far above the validation" in above


def test_language_that_differs_from_what_is_usual_is_found(tmp_path: Path) -> None:
    classes = LANGUAGES["English"] + LANGUAGES["German"]

    def english(said: Predictions, seed: int) -> np.ndarray:
        return np.where(said.label < 10, said.label, said.predicted)

    options = {"classes": classes, "test_samples": 600, "skill": 0.4}
    odd = store(tmp_path / "odd", english, **options)
    (text,) = [text for text in flags(odd)[0] if "English" in text]
    assert text.startswith("English is recognised")
    assert "better than the rest (100.0% against 4" in text
    assert text.endswith("what is usual is not known: fewer than 4 entries on these data")
    # Where every entry has the gap it is usual, and the one without it is odd.
    others = [store(tmp_path / f"o{k}", english, model=f"m{k}", **options) for k in range(4)]
    plain = store(tmp_path / "plain", model="plain", **options)
    found = flags(odd, *others, plain)
    assert not any("English" in text for said in found[:5] for text in said)
    (text,) = [text for text in found[5] if "English is recognised" in text]
    usual = float(text.rpartition("usual on these data: +")[2].rstrip("%"))
    assert 40 < usual < 70  # the gap of five of the six


def test_a_weak_model_may_know_one_language_better(tmp_path: Path) -> None:
    """The small GRU of a newcomer: English 34.5 % worse than German, and both far from perfect."""
    classes = LANGUAGES["English"] + LANGUAGES["German"]

    def knows(english: float, german: float) -> Callable[[Predictions, int], np.ndarray]:
        def answers(said: Predictions, seed: int) -> np.ndarray:
            rng = np.random.default_rng(seed)
            right = rng.random(said.label.size) < np.where(said.label < 10, english, german)
            return np.where(right, said.label, (said.label + rng.integers(1, 20, right.size)) % 20)

        return answers

    options = {"classes": classes, "test_samples": 600}
    weak = store(tmp_path / "weak", knows(0.36, 0.70), model="weak", **options)
    strong = store(tmp_path / "strong", knows(0.60, 0.99), model="strong", **options)
    found = flags(weak, strong)
    assert not any("English" in text for text in found[0])
    assert any(text.startswith("English is recognised") for text in found[1])


def test_test_accuracy_far_above_validation_is_found(tmp_path: Path) -> None:
    folder = make_result(tmp_path / "a")
    result, predictions, _ = check_result(folder, "not looked at")
    seeds = [record.model_copy(update={"validation_accuracy": 0.6}) for record in result.seeds]
    result = result.model_copy(update={"seeds": seeds, "summary": summarise(seeds)})
    broken_down = break_down(predictions, result.dataset.classes)
    stored = StoredEntry(make_entry(result), result, folder, broken_down)
    (text,) = flags(stored)[0]
    assert text.startswith(
        f"test accuracy ({result.summary.test_mean:.1%}) is far above the validation"
    )


def test_breakdown_by_hand() -> None:
    said = Predictions(
        index=np.array([3, 1, 2, 0]),
        label=np.array([0, 1, 1, 0]),
        predicted=np.array([0, 1, 0, 1]),
        speaker=np.array([7, 7, 2, -1]),
    )
    again = said.model_copy(update={"predicted": said.label})
    found = break_down([said, again], ["zero", "null"])
    assert found.speakers == (GroupAccuracy("2", 1, 0.5), GroupAccuracy("7", 2, 1.0))
    assert found.languages == (GroupAccuracy("English", 2, 0.75), GroupAccuracy("German", 2, 0.75))
    assert len(set(found.fingerprints)) == 2
    assert break_down([said], ["zero", "one"]).languages == ()
    assert break_down([said], ["yes", "null"]).languages == ()


def test_fingerprint_does_not_depend_on_the_order_of_the_lines() -> None:
    rows = np.array([[0, 0, 1, 2], [1, 1, 1, 2], [2, 0, 0, 3]]).T
    shuffled = rows[:, [2, 0, 1]]
    names = ("index", "label", "predicted", "speaker")
    one, other = (Predictions(**dict(zip(names, r, strict=True))) for r in (rows, shuffled))
    assert break_down([one], ["a", "b"]) == break_down([other], ["a", "b"])


def test_gaps_between_seeds_are_found(tmp_path: Path) -> None:
    stored = store(tmp_path / "a", seeds=3)
    for numbers, odd in [([4, 2, 3], False), ([0, 1, 7], True)]:
        seeds = [
            record.model_copy(update={"seed": number})
            for record, number in zip(stored.result.seeds, numbers, strict=True)
        ]
        result = stored.result.model_copy(update={"seeds": seeds})
        found = flags(StoredEntry(stored.entry, result, stored.folder, stored.breakdown))[0]
        said = ["the seeds 0, 1, 7 have gaps between them: were others left out?"]
        assert found == (said if odd else [])


@pytest.mark.parametrize("speakers", [0, 1, 3])
def test_few_speakers_are_no_oddity(tmp_path: Path, speakers: int) -> None:
    stored = store(tmp_path / "a")
    shares = tuple(GroupAccuracy(str(k), 20, float(k == 0)) for k in range(speakers))
    stored = StoredEntry(stored.entry, stored.result, stored.folder, Breakdown(speakers=shares))
    assert not [text for text in flags(stored)[0] if text.startswith("speaker ")]


def test_edited_claims_never_reach_the_flags(tmp_path: Path) -> None:
    folder = make_result(tmp_path / "a")
    edit_json(folder / "result.json", "summary", "test_mean", value=0.99)
    with pytest.raises(Exception, match="test_mean is claimed"):
        check_result(folder, "not looked at")


@given(
    samples=st.integers(1, 400),
    right=st.floats(0, 1),
    rest=st.floats(0, 1),
    of=st.integers(1, 2000),
    bound=st.sampled_from([1e-4, 0.05, 0.3]),
)
def test_one_side_of_the_test_decides_as_both(
    samples: int, right: float, rest: float, of: int, bound: float
) -> None:
    share = GroupAccuracy("a", samples, round(right * samples) / samples)
    others = [GroupAccuracy("b", of, rest)]
    chance = (rest * of + 1) / (of + 2)
    p_value = binomtest(round(right * samples), samples, chance).pvalue
    assert _is_rare(share, others, bound) == (p_value < bound)


def test_refitted_entries_are_compared_with_each_other(tmp_path: Path) -> None:
    """More training data raises test above the validation accuracy from before the refit: usual if refitted."""
    entries = [store(tmp_path / str(k), model=f"m{k}", skill=0.5 + 0.02 * k) for k in range(8)]

    def lifted(stored: StoredEntry, validation: float, refit: bool) -> StoredEntry:
        seeds = [
            record.model_copy(
                update={
                    "validation_accuracy": validation,
                    "refit_epochs": record.selected_epoch if refit else None,
                }
            )
            for record in stored.result.seeds
        ]
        result = stored.result.model_copy(update={"seeds": seeds, "summary": summarise(seeds)})
        return StoredEntry(stored.entry, result, stored.folder, stored.breakdown)

    mean = [stored.result.summary.test_mean for stored in entries]
    plain = [lifted(one, m, False) for one, m in zip(entries[:4], mean[:4], strict=True)]
    refitted = [lifted(one, m - 0.15, True) for one, m in zip(entries[4:], mean[4:], strict=True)]
    assert flags(*plain, *refitted) == [[]] * 8
    # One among others is judged as they are, and a plain one with that gap is odd.
    assert any("far above the validation" in text for text in flags(*plain, refitted[0])[4])
    odd = lifted(entries[3], mean[3] - 0.15, False)
    assert any("far above the validation" in text for text in flags(*plain[:3], odd, *refitted)[3])


def test_validation_speakers_of_a_refit_are_no_strangers(tmp_path: Path) -> None:
    """Speakers 0 to 2 trained, 3 selected, 4 and 5 are new: known better than 0 to 2, but not than 0 to 3."""

    def said(predictions: Predictions, seed: int) -> np.ndarray:
        wrong = (predictions.label + 1) % 4
        rank = np.arange(predictions.label.size) // 6
        right = np.where(predictions.speaker >= 4, rank % 10 < 7, rank % 10 < 6)
        right |= predictions.speaker == 3
        return np.where(right, predictions.label, wrong)

    stored = store(tmp_path / "a", said, test_samples=2400)
    assert any(
        "speakers without training data are recognised better" in text for text in flags(stored)[0]
    )
    seeds = [one.model_copy(update={"refit_epochs": 3}) for one in stored.result.seeds]
    result = stored.result.model_copy(update={"seeds": seeds})
    refitted = StoredEntry(stored.entry, result, stored.folder, stored.breakdown)
    assert not any("without training data" in text for text in flags(refitted)[0])
