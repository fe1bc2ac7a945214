"""Copies of recordings: found by spikes and by files, named by convert and validate, kept in one split."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.synthetic_clips import tone, write_clip
from hypothesis import given
from hypothesis import strategies as st

from cli.main import main
from spikebench.conversion.job import ConversionOptions
from spikebench.conversion.runner import ConversionReport, convert
from spikebench.errors import ProtocolError
from spikebench.naming.conventions.speech_commands import SPEECH_COMMANDS
from spikebench.protocol.opening import open_selection, open_test
from spikebench.protocol.splits import SampleColumns, partition
from spikebench.spike_files.copies import MIN_SPIKES, CopyFinder, describe_copies
from spikebench.spike_files.reader import SpikeFile
from spikebench.spike_files.remarks import find_remarks
from spikebench.spike_files.writer import SpikeWriter

OPTIONS = ConversionOptions(n_channels=20)
FILE = "a" * 64


def train_of(seed: int, size: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.sort(rng.random(size).astype(np.float32)), rng.integers(0, 20, size)


def write(
    path: Path, samples: list[tuple[int, str, str]], speakers: list[int] | None = None
) -> Path:
    """Write samples of (seed of the spikes, split, SHA-256); two classes in turn."""
    with SpikeWriter(path, 20, ["a", "b"], {}) as writer:
        for k, (seed, split, sha256) in enumerate(samples):
            writer.append(
                *train_of(seed),
                label=k % 2,
                speaker=-1 if speakers is None else speakers[k],
                split=split,
                sha256=sha256,
            )
    return path


def test_the_same_spikes_or_the_same_file_are_a_copy(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", [(0, "", ""), (1, "", FILE), (0, "", ""), (2, "", FILE)])
    finder = CopyFinder()
    with SpikeFile(path) as spikes:
        finder.add_file(spikes)
    assert finder.firsts().tolist() == [0, 1, 0, 1]
    by_file = CopyFinder()
    with SpikeFile(path) as spikes:
        by_file.add_file(spikes, by_spikes=False)
    assert by_file.firsts().tolist() == [0, 1, 2, 1]


def test_copies_of_copies_are_one_recording() -> None:
    finder = CopyFinder()
    finder.add(*train_of(0), "x")
    finder.add(*train_of(1), "y")
    finder.add(*train_of(0), "y")  # the spikes of the first, the file of the second
    assert finder.firsts().tolist() == [0, 0, 0]


def test_a_spike_at_another_time_or_unit_is_another_recording() -> None:
    times, units = train_of(0)
    finder = CopyFinder()
    later, other = times.copy(), units.copy()
    later[-1] = np.nextafter(later[-1], np.float32(2))
    other[0] = (other[0] + 1) % 20
    for sample in ((times, units), (later, units), (times, other)):
        finder.add(*sample)
    assert finder.firsts().tolist() == [0, 1, 2]


def test_few_spikes_can_agree_by_chance() -> None:
    finder = CopyFinder()
    for size in (0, 0, 1, 1, MIN_SPIKES - 1, MIN_SPIKES - 1, MIN_SPIKES, MIN_SPIKES):
        finder.add(*train_of(0, size))
    assert finder.firsts().tolist() == [0, 1, 2, 3, 4, 5, 6, 6]


def test_pieces_of_one_recording_are_no_copies(tmp_path: Path) -> None:
    with SpikeWriter(tmp_path / "a.h5", 20, ["a"], {}) as writer:
        for seed in (1, 2):
            writer.append(*train_of(seed), sha256=FILE, segment=seed, start_s=float(seed))
    with SpikeFile(tmp_path / "a.h5") as spikes:
        assert find_remarks(spikes) == []


def test_what_is_said_of_copies_by_hand() -> None:
    names = ["a.wav", "b.wav", "c.wav", "d.wav", "e.wav"]
    assert describe_copies(np.arange(5), names, names, names, names) == []
    assert describe_copies(
        np.array([0, 0, 2, 0, 2]),
        names,
        ["x", "x", "x", "", "x"],
        ["1", "1", "1", "1", "2"],
        ["train", "train", "train", "train", "test"],
    ) == [
        "3 recordings are copies of others: a.wav = b.wav = d.wav, c.wav = e.wav",
        "copies of one recording have different labels: a.wav (x) = b.wav (x) = d.wav (none)",
        "copies of one recording have different speakers: c.wav (1) = e.wav (2)",
        "WARNING: copies of one recording are in different splits, 1 in all: c.wav (train) = e.wav (test); some "
        "samples are used for training and also for selection or testing, so accuracy is too high. "
        "Keep the copies in one split only",
    ]


def test_of_many_copies_those_that_differ_are_shown() -> None:
    firsts = np.array([0] * 6 + [6, 6, 8, 8, 10, 10, 12, 12])
    names = [f"{k}.wav" for k in range(14)]
    lines = describe_copies(firsts, names, ["x"] * 5 + ["y"] * 9, [""] * 14, [""] * 14)
    assert lines == [
        "9 recordings are copies of others: 0.wav = 1.wav = 2.wav = 3.wav = 2 more, 6.wav = 7.wav, 8.wav = 9.wav, "
        "and 2 more recordings",
        "copies of one recording have different labels: 0.wav (x) = 1.wav (x) = 2.wav (x) = 5.wav (y) = 2 more",
    ]


def convert_folder(
    folder: Path, output: Path, labels: str = "auto"
) -> tuple[ConversionReport, list[str]]:
    notes: list[str] = []
    options = replace(OPTIONS, labels=labels)
    return convert(folder, output, options, jobs=1, notify=notes.append), notes


def test_convert_and_validate_name_copies_in_other_splits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "audio"
    for k, name in enumerate(("train/yes/1", "train/no/1", "test/yes/1", "test/no/1")):
        write_clip(folder / f"{name}.wav", tone(frequency=300.0 * (k + 1)))
    shutil.copy(folder / "train/yes/1.wav", folder / "test/no/copy.wav")
    report, notes = convert_folder(folder, tmp_path / "a.h5")
    pair = "test/no/copy.wav{} = train/yes/1.wav{}"
    told = [
        f"1 recording is a copy of another: {pair.format('', '')}",
        f"copies of one recording have different labels: {pair.format(' (no)', ' (yes)')}",
        f"WARNING: copies of one recording are in different splits, 1 in all: {pair.format(' (test)', ' (train)')}; ",
    ]
    for lines in (notes[-3:], report.remarks):
        assert [line[: len(start)] for line, start in zip(lines, told, strict=True)] == told
    for words in (
        ["validate", str(tmp_path / "a.h5")],
        ["validate", "--json", str(tmp_path / "a.h5")],
    ):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert not ended.value.code
    out, _, document = capsys.readouterr().out.partition("no problem found\n")
    assert f"a.h5: {told[2]}" in out
    said = json.loads(document)
    assert said["valid"]
    assert tuple(said["remarks"]) == report.remarks


def test_clips_without_a_spike_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.h5"
    with SpikeWriter(path, 20, ["a"], {}) as writer:
        writer.append(*train_of(0), source="loud.wav")
        writer.append([], [], source="soft.wav")
    with SpikeFile(path) as spikes:
        assert find_remarks(spikes) == ["1 of 2 samples without a spike: soft.wav"]
    with pytest.raises(SystemExit):
        main(["info", str(path)])
    assert "without spikes   1" in capsys.readouterr().out


def test_a_class_of_which_every_clip_was_left_out_is_no_output(tmp_path: Path) -> None:
    folder = tmp_path / "audio"
    for word in ("zero", "one", "two"):
        write_clip(folder / word / "1.wav", tone(frequency=500 + 100 * len(word)))
    write_clip(folder / "maybe" / "1.wav", np.zeros((1600, 1)))
    report, notes = convert_folder(folder, tmp_path / "a.h5")
    assert report.classes == ("one", "two", "zero")
    with SpikeFile(tmp_path / "a.h5") as spikes:
        assert spikes.keys == report.classes
        assert spikes.sources is not None
        assert [spikes.keys[label] for label in spikes.labels] == [
            source.partition("/")[0] for source in spikes.sources
        ]
    assert "classes dropped, since none of their recordings could be used: 1 of 4: maybe" in notes


def test_classes_of_a_convention_stay_and_are_told(tmp_path: Path) -> None:
    for word in ("yes", "no"):
        write_clip(
            tmp_path / "audio" / word / "0a7c2a8d_nohash_0.wav", tone(frequency=300.0 * len(word))
        )
    report, notes = convert_folder(tmp_path / "audio", tmp_path / "a.h5", "speech-commands")
    assert report.classes == SPEECH_COMMANDS
    assert any(
        line.startswith(
            "classes of speech-commands without recordings, kept as outputs: 33 of 35: backward, bed"
        )
        for line in notes
    )


def facts(
    speakers: list[int], firsts: list[int] | None = None, marks: list[str] | None = None
) -> SampleColumns:
    n = len(speakers)
    return SampleColumns(
        where="x.h5",
        labels=np.arange(n) % 2,
        speakers=np.array(speakers),
        marks=np.array(marks or [""] * n, dtype=str),
        keys=("a", "b"),
        firsts=None if firsts is None else np.array(firsts),
    )


def test_single_samples_are_chosen_with_their_copies() -> None:
    # 20 recordings, each there twice.
    some = facts([-1] * 40, firsts=[k - 20 if k >= 20 else k for k in range(40)])
    found = partition(some)
    parts = [set((part % 20).tolist()) for part in (found.train, found.validation, found.test)]
    assert sum(map(len, parts)) == 20
    assert [part.size for part in (found.train, found.validation, found.test)] == [26, 6, 8]
    assert (found.copies, "copies" in found.record.rule) == (0, False)


def test_copies_among_speakers_are_left_out_of_what_trains() -> None:
    speakers = np.repeat(np.arange(10), 4).tolist()
    alone = partition(facts(speakers))
    held, chosen, used = (part.tolist() for part in (alone.test, alone.validation, alone.train))
    firsts = np.arange(40)
    for copies in (
        (held[0], used[0]),
        (held[1], chosen[0]),
        (chosen[1], used[1]),
        (used[2], used[3]),
    ):
        firsts[max(copies)] = min(copies)
    found = partition(facts(speakers, firsts.tolist()))
    assert found.test.tolist() == held
    assert found.validation.tolist() == chosen[1:]
    assert found.train.tolist() == used[2:]
    assert found.record.rule.endswith("; copies of test or validation samples left out: 3")


def test_an_authors_split_is_kept_and_counted() -> None:
    speakers = np.repeat(np.arange(10), 4).tolist()
    marks = ["test" if s < 3 else "train" for s in speakers]
    alone = partition(facts(speakers, marks=marks))
    firsts = np.arange(40)
    firsts[alone.train[0]] = firsts[alone.train[1]] = 0
    found = partition(facts(speakers, firsts.tolist(), marks))
    for name in ("train", "validation", "test"):
        assert getattr(found, name).tolist() == getattr(alone, name).tolist()
    assert found.copies == 1
    assert found.record.rule == (
        f"{alone.record.rule}; test samples that are copies of others, as the file marks them: 1"
    )


def test_the_fixed_protocols_do_not_move_a_sample() -> None:
    speakers = np.repeat(np.arange(12), 2).tolist()
    marks = ["test" if s in (4, 5) else "validation" if s == 1 else "train" for s in speakers]
    for protocol in ("shd-v1", "ssc-v1"):
        alone = partition(facts(speakers, marks=marks), protocol)
        found = partition(facts(speakers, [0] * 24, marks), protocol)
        assert found.record == alone.record
        assert found.train.tolist() == alone.train.tolist()
        assert (alone.copies, found.copies) == (0, 4)


@given(
    speakers=st.lists(st.integers(0, 7), min_size=12, max_size=40) | st.just([-1] * 30),
    copies=st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=12),
    fold=st.none() | st.integers(0, 7),
)
def test_no_recording_is_in_two_splits_of_our_making(
    speakers: list[int], copies: list[tuple[int, int]], fold: int | None
) -> None:
    n = len(speakers)
    firsts = np.arange(n)
    for one, other in copies:
        a, b = firsts[one % n], firsts[other % n]
        firsts[firsts == max(a, b)] = min(a, b)
    try:
        found = partition(facts(speakers, firsts.tolist()), fold=fold)
    except ProtocolError:
        return
    parts = [set(firsts[part]) for part in (found.train, found.validation, found.test)]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]
    assert found.copies == 0


def test_without_copies_nothing_changes() -> None:
    for speakers in ([-1] * 30, np.repeat(np.arange(10), 3).tolist()):
        alone, found = (partition(facts(speakers, f)) for f in (None, list(range(30))))
        assert alone.record == found.record
        assert replace(alone, record=found.record).train.tolist() == found.train.tolist()


def test_an_opened_file_keeps_copies_together(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", [(k % 20, "", "") for k in range(40)])
    selection = open_selection(str(path))
    parts = [
        {index % 20 for index in part.index.tolist()}
        for part in (selection.train, selection.validation, open_test(selection))
    ]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 20
    assert selection.test_copies == 0


def test_train_and_evaluate_warn_of_copies_that_the_author_put_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(
        tmp_path / "a.h5",
        [(k if k < 39 else 0, "test" if k > 29 else "train", "") for k in range(40)],
        np.repeat(np.arange(10), 4).tolist(),
    )
    for words in (
        ["train", "--model", "svm", "--data", "a.h5", "-o", "run"],
        ["evaluate", "--checkpoint", "run", "-o", "result"],
        ["train", "--model", "svm", "--data", "a.h5", "-o", "quiet", "--quiet"],
    ):
        with pytest.raises(SystemExit):
            main(words)
        err = capsys.readouterr().err
        assert err.count("WARNING: 1 of 10 test samples are copies") == ("--quiet" not in words)
