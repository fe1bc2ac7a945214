"""Results that claim what they are not: other data under a known name, labels, parameters, another date."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.leaderboard_results import make_result
from helpers.toy import write_toy
from helpers.trained_entries import forge, make_trained_entry
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.checks.recomputation import verify_result
from leaderboard.checks.registered import _known_split, board_identity, check_registered
from leaderboard.claims.changes import refuse_backdated, refuse_withdrawn
from leaderboard.claims.entry import StoredEntry, make_entry, read_entry, withdraw, write_entry
from leaderboard.claims.reading import read_entries
from leaderboard.standings.ranking import build_boards
from spikebench.datasets import load_spec
from spikebench.errors import ResultError
from spikebench.protocol.opening import combined_sha256
from spikebench.protocol.results import DatasetRecord, Predictions, Split
from spikebench.protocol.splits import fixed_rule

SHD = load_spec("shd")
RECORD = DatasetRecord(
    name="shd",
    sha256=combined_sha256([part.sha256 or "" for part in SHD.parts]),
    n_units=700,
    classes=list(SHD.classes),
    synthetic=False,
    split=Split(
        protocol="shd-v1",
        rule=str(fixed_rule("shd-v1")),
        train_samples=6000,
        validation_samples=2156,
        test_samples=2264,
        validation_speakers=[0, 2],
        test_only_speakers=[4, 5],
    ),
)


def predictions(columns: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Predictions:
    index, label, speaker = columns
    return Predictions(index=index, label=label, predicted=label, speaker=speaker)


SHD_R_SPLIT, SHD_R_TEST = _known_split("shd-r") or (RECORD.split, None)
assert SHD_R_TEST is not None
INVENTED = predictions(
    (np.arange(2264), np.arange(2264, dtype=np.int64) % 20, 4 + np.arange(2264, dtype=np.int64) % 2)
)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Digits", "digits"),
        ("dígits", "digits"),
        ("SHD", "shd"),
        ("s h d", "shd"),
        ("shd_r", "shd-r"),
        ("SSC.", "ssc"),
        ("dig1ts", "digits"),
        ("diglts", "digits"),
        ("5hd", "shd"),
    ],
)
def test_a_name_that_reads_like_a_registered_one_is_refused(name: str, known: str) -> None:
    record = RECORD.model_copy(update={"name": name, "sha256": "0" * 64})
    with pytest.raises(ResultError, match=f"confused with the registered data set '{known}'"):
        check_registered(record, INVENTED, "result.json")


def test_labels_of_data_that_are_not_here_are_not_compared() -> None:
    assert not check_registered(RECORD, INVENTED, "result.json")
    assert not check_registered(RECORD.model_copy(update={"name": "own"}), INVENTED, "result.json")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_units", 70),
        ("classes", ["zero"] * 20),
        ("classes", list(SHD.classes[:10])),
        ("synthetic", True),
        ("split.test_samples", 2263),
        ("split.train_samples", 6001),
        ("split.test_only_speakers", [4]),
        ("sha256", "0" * 64),
        ("split.protocol", "shd-v9"),
        ("split.protocol", "speakers-v1"),
        ("split.rule", "x"),
        ("split.validation_speakers", [7, 99]),
        ("split.validation_samples", 0),
    ],
)
def test_what_the_package_knows_of_published_data_is_compared(field: str, value: object) -> None:
    if field.startswith("split."):
        split = RECORD.split.model_copy(update={field.removeprefix("split."): value})
        record = RECORD.model_copy(update={"split": split})
    else:
        record = RECORD.model_copy(update={field: value})
    with pytest.raises(ResultError, match="differs from that of the"):
        check_registered(record, INVENTED, "result.json")


SHD_R = RECORD.model_copy(
    update={
        "name": "shd-r",
        "sha256": "1" * 64,
        "fingerprint": load_spec("shd-r").fingerprint,
        "split": SHD_R_SPLIT,
    }
)


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": "own"},
        {"rule": "chosen by me"},
        {"validation_speakers": [0]},
        {"validation_samples": 1, "train_samples": 8155},
        {"test_only_speakers": []},
    ],
)
def test_the_split_of_shd_r_is_compared_without_the_data(change: dict[str, object]) -> None:
    record = SHD_R.model_copy(update={"split": SHD_R_SPLIT.model_copy(update=change)})
    with pytest.raises(ResultError, match=r"dataset\.split\.\w+ differs from that of the data set"):
        check_registered(record, predictions(SHD_R_TEST), "result.json")


@pytest.mark.parametrize(
    "columns",
    [
        (np.arange(2264), np.zeros(2264, np.int64), INVENTED.speaker),
        (np.arange(2264), INVENTED.label, np.full(2264, 77)),
    ],
)
def test_samples_that_the_test_split_of_shd_cannot_have(columns: tuple[Any, Any, Any]) -> None:
    with pytest.raises(ResultError, match="the test split of 'shd' has"):
        check_registered(RECORD, predictions(columns), "result.json")


def test_the_fingerprint_of_published_files_makes_no_board_of_its_own(tmp_path: Path) -> None:
    other = RECORD.model_copy(update={"fingerprint": "f" * 64})
    assert board_identity(RECORD) == board_identity(other) == RECORD.sha256
    own = RECORD.model_copy(update={"name": "own", "fingerprint": "f" * 64})
    assert board_identity(own) == own.identity


@pytest.mark.parametrize(
    "name",
    [
        "dіgits",
        "digіts",
        "ѕhd",
        "ѕѕс",
        "dıgits",
        "dɪgits",
        "digits²",
        "ｄｉｇｉｔｓ-2",
        "διgits",
        "d\u1175gits",
        "d\u0627gits",
        "d\u4e28gits",
    ],
)
def test_letters_that_look_like_others_are_refused(name: str) -> None:
    record = RECORD.model_copy(update={"name": name, "sha256": "0" * 64})
    with pytest.raises(ResultError, match="can look like another letter"):
        check_registered(record, INVENTED, "result.json")


@pytest.mark.parametrize("name", ["Wörter von Zoë", "日本語", "한국어", "कल", "own_words-2"])
def test_other_names_are_accepted(name: str) -> None:
    record = RECORD.model_copy(update={"name": name, "sha256": "0" * 64})
    assert not check_registered(record, INVENTED, "result.json")


def test_labels_of_shd_r_are_compared_without_the_data() -> None:
    assert check_registered(SHD_R, predictions(SHD_R_TEST), "result.json")
    with pytest.raises(ResultError, match="column index of the predictions differs"):
        check_registered(SHD_R, INVENTED, "result.json")
    with pytest.raises(ResultError, match=r"dataset\.fingerprint differs"):
        check_registered(
            SHD_R.model_copy(update={"fingerprint": None}),
            predictions(SHD_R_TEST),
            "result.json",
        )


@given(st.sampled_from([0, 1, 2]), st.integers(0, 2263), st.integers(1, 19))
def test_one_changed_value_is_found(column: int, row: int, by: int) -> None:
    columns = [values.copy() for values in SHD_R_TEST]
    columns[column][row] += by
    with pytest.raises(ResultError, match="of the predictions differs from the test split"):
        check_registered(SHD_R, predictions((columns[0], columns[1], columns[2])), "result.json")


def test_labels_and_speakers_are_those_of_the_file() -> None:
    """The digest is that of labels and speakers in ``shd-r_test.h5``, made of all recordings."""
    _, label, speaker = SHD_R_TEST
    digest = hashlib.sha256(np.stack([label, speaker], axis=1).astype("<i8").tobytes())
    assert digest.hexdigest() == "a8ab32fb6f44bb945e99d1eec89ebf389a32437b1bd525411fc8d262f82b895e"


def store(folder: Path, compared: bool = True, **options: object) -> StoredEntry:
    source = make_result(folder / "source", **options)  # type: ignore[arg-type]
    result = verify_result(source)
    entry = write_entry(source, folder, make_entry(result), result, overwrite=False)
    return replace(read_entry(entry), labels_compared=compared)


def test_labels_that_were_not_compared_rank_above_nobody(tmp_path: Path) -> None:
    good = store(tmp_path / "a", skill=0.5)
    invented = store(tmp_path / "b", compared=False, skill=0.99)
    (board,) = build_boards([good, invented])
    found = {one.stored.entry.id: (one.rank, one.reason) for one in board.entries}
    assert found[good.entry.id] == (1, "")
    assert found[invented.entry.id][0] is None
    assert "labels were not compared" in found[invented.entry.id][1]
    (alone,) = build_boards([invented])
    assert alone.entries[0].rank == 1


def test_a_withdrawn_result_gets_no_rank_under_another_date(tmp_path: Path) -> None:
    source = make_result(tmp_path / "source", skill=0.9)
    result = verify_result(source)
    first = write_entry(source, tmp_path / "e", make_entry(result), result, overwrite=False)
    withdraw(first, "trained on the test split")
    text = json.loads((source / "result.json").read_text())
    text["created"] = "2026-02-02T02:02:02+00:00"
    (source / "result.json").write_text(json.dumps(text))
    again = verify_result(source)
    entry = make_entry(again, submitted="2999-01-01")
    write_entry(source, tmp_path / "e", entry, again, overwrite=False)
    stored = read_entries([tmp_path / "e"])
    (board,) = build_boards(stored)
    assert [one.rank for one in board.entries] == [None, None]
    assert any(
        f"the same predictions as {first.name}, which was withdrawn before" == one.reason
        for one in board.entries
    )
    # A date before the withdrawal does not help: the check of a pull request refuses the predictions.
    with pytest.raises(ResultError, match=f"the same predictions as {first.name}, which was"):
        refuse_withdrawn([one for one in stored if one.entry.id == entry.id], stored)


def test_a_later_withdrawal_does_not_cover_an_earlier_one(tmp_path: Path) -> None:
    """Of three entries with the same predictions two are withdrawn, before and after the third was submitted."""
    source = make_result(tmp_path / "source", skill=0.9)
    dates = {"2026-01-05": "2026-01-10", "2026-01-20": None, "2026-01-06": "2026-02-01"}
    for number, (submitted, withdrawn) in enumerate(dates.items()):
        text = json.loads((source / "result.json").read_text())
        text["created"] = f"2026-01-0{number + 1}T02:02:02+00:00"
        (source / "result.json").write_text(json.dumps(text))
        result = verify_result(source)
        entry = make_entry(result, submitted=submitted)
        folder = write_entry(source, tmp_path / "e", entry, result, overwrite=False)
        if withdrawn:
            withdraw(folder, "a mistake")
            text = json.loads((folder / "entry.json").read_text())
            text["withdrawn"]["date"] = withdrawn
            (folder / "entry.json").write_text(json.dumps(text))
    stored = read_entries([tmp_path / "e"])
    for order in (stored, stored[::-1]):
        (board,) = build_boards(order)
        assert [one.rank for one in board.entries] == [None] * 3


def test_a_copy_that_is_withdrawn_does_not_cost_the_original_its_rank(tmp_path: Path) -> None:
    source = make_result(tmp_path / "source", skill=0.9)
    result = verify_result(source)
    entry = make_entry(result, submitted="2026-01-01")
    original = write_entry(source, tmp_path / "e", entry, result, overwrite=False)
    text = json.loads((source / "result.json").read_text())
    text["created"] = "2026-02-02T02:02:02+00:00"
    (source / "result.json").write_text(json.dumps(text))
    stolen = verify_result(source)
    copy = write_entry(source, tmp_path / "e", make_entry(stolen), stolen, overwrite=False)
    withdraw(copy, "to harm the original")
    stored = read_entries([tmp_path / "e"])
    (board,) = build_boards(stored)
    assert {one.stored.entry.id: one.rank for one in board.entries} == {
        original.name: 1,
        copy.name: None,
    }
    with pytest.raises(ResultError, match="a new entry must not be withdrawn"):
        refuse_withdrawn([one for one in stored if one.entry.id == copy.name], stored)
    # With a date before that of the original, the pull request that withdraws it is refused.
    refuse_backdated([f"toy-digits/{copy.name}"], stored)
    text = json.loads((copy / "entry.json").read_text())
    text["withdrawn"]["date"] = "2020-01-02"
    (copy / "entry.json").write_text(json.dumps(text))
    stored = read_entries([tmp_path / "e"])
    with pytest.raises(ResultError, match=f"is dated before {original.name}, which has the same"):
        refuse_backdated([f"toy-digits/{copy.name}"], stored)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    return make_trained_entry(folder, write_toy(folder / "toy.h5"), "lif")


def test_parameters_are_counted(trained: Path) -> None:
    stored = read_entry(trained)
    assert stored.parameters_counted
    assert stored.result.model.parameters == 12 * 24 + 24 * 3 + 3


def test_fewer_parameters_than_the_model_has_are_refused(trained: Path) -> None:
    before = {path: path.read_bytes() for path in trained.iterdir()}
    try:
        with pytest.raises(ResultError, match="as configured has 363 parameters, the result rec"):
            forge(trained, lambda result: result["model"].update(parameters=1))  # reads it again
    finally:
        for path, content in before.items():
            path.write_bytes(content)


def test_claimed_parameters_enter_no_track_that_limits_them(tmp_path: Path) -> None:
    source = make_result(tmp_path / "r", time_step_ms=10.0, model="cnn", spiking=False)
    result = verify_result(source)
    entry = write_entry(source, tmp_path / "e", make_entry(result), result, overwrite=False)
    stored = read_entry(entry)
    assert result.model.parameters < 100_000
    assert not stored.parameters_counted
    assert "constrained" not in stored.tracks
    assert "constrained" in replace(stored, parameters_counted=True).tracks
