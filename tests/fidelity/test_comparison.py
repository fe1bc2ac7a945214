"""Comparing spike files: measures by hand, pairs, shifts, resolution, and the values for equal files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from spikebench.errors import SpikebenchError, SpikeFileError
from spikebench.events.raster import bin_spikes
from spikebench.fidelity.alignment import (
    LAGS,
    Pairing,
    choose_pair,
    find_source,
    lag_correlations,
    pair_samples,
)
from spikebench.fidelity.comparison import Comparison, compare_spikes
from spikebench.fidelity.measures import NAMES, Measure, compute_measures
from spikebench.fidelity.spike_list import SpikeList, read_spike_list
from spikebench.fidelity.summary import (
    FINEST,
    FLOAT16,
    Samples,
    Totals,
    interval_edges,
    merge,
    summarize,
    time_resolution,
)
from spikebench.spike_files.reader import SpikeFile
from spikebench.spike_files.writer import SpikeWriter

N_UNITS = 20
Sample = tuple[NDArray[np.float64], NDArray[np.int64]]


def listed(times: list[float], units: list[int], resolution: float = 1e-3) -> SpikeList:
    n_units = max(units, default=0) + 1
    return SpikeList(Path("x.csv"), np.array(times), np.array(units), n_units, resolution)


def summed(sample: SpikeList) -> Totals:
    return merge(summarize(sample, [0], sample.resolution))


def word(rng: np.random.Generator, rate: float = 1.0, delay: float = 0.0) -> Sample:
    """Return a driven part of 0.2 s and a tail of 0.2 s."""
    driven = rng.poisson(400 * rate)
    quiet = rng.poisson(40)
    times = np.concatenate([0.2 * rng.random(driven), 0.2 + 0.2 * rng.random(quiet)]) + 0.01 + delay
    units = np.concatenate([(N_UNITS * rng.random(driven) ** 2), N_UNITS * rng.random(quiet)])
    order = np.argsort(times)
    # On the grid of the conversion, as files of ours are.
    return np.rint(times[order] / FINEST) * FINEST, units[order].astype(np.int64)


def write(
    path: Path,
    samples: list[Sample],
    time_dtype: str = "float32",
    columns: list[dict[str, Any]] | None = None,
) -> SpikeFile:
    with SpikeWriter(path, N_UNITS, ["a", "b"], {}, time_dtype) as writer:
        for (times, units), column in zip(samples, columns or [{}] * len(samples), strict=True):
            writer.append(times, units, **column)
    return SpikeFile(path)


def paired(
    first: Samples, second: Samples, repeat: Samples | None = None, by: str = "order"
) -> Comparison:
    everything = list(range(first.n_samples))
    pairing = Pairing(everything, everything, by)
    return compare_spikes(first, second, pairing, (repeat, pairing) if repeat else None)


class TestSums:
    def test_intervals_are_those_of_single_units(self) -> None:
        # Unit 0: 0, 4 and 10 ms. Unit 1: 1 and 2 ms. Unit 2: one spike.
        total = summed(listed([0, 1e-3, 2e-3, 3e-3, 4e-3, 10e-3], [0, 1, 1, 2, 0, 0]))
        edges = interval_edges(1e-3)
        found = np.repeat(edges, total.intervals).tolist()
        assert found == [1, 4, 6]
        assert total.channels.tolist() == [3, 2, 1]
        assert total.first.tolist() == [0.0]

    def test_times_are_taken_in_steps(self) -> None:
        fine = summed(listed([0.0107, 0.0115, 0.0121], [0, 0, 0]))
        coarse = summed(listed([0.010, 0.011, 0.012], [0, 0, 0]))
        assert fine.intervals.tolist() == coarse.intervals.tolist()
        assert_allclose(fine.first, [0.010], rtol=1e-12)

    def test_the_tail_is_what_follows_the_driven_part(self) -> None:
        # 0 … 10 ms: 100 spikes. The tail starts 20 ms later, at 30 ms, and ends with the spike at 230 ms;
        # within it are spikes at 80 and 130 ms, none at 25 ms.
        times = [*np.linspace(0, 9.9e-3, 100).tolist(), 25e-3, 80e-3, 130e-3, 230e-3]
        total = summed(listed(times, [0] * 103 + [3]))
        assert (total.tails, total.tail_spikes) == (1, 2)
        assert_allclose(total.tail_seconds, 0.2, rtol=1e-12)
        assert_allclose(total.rate, 2 / 0.2 / 4, rtol=1e-12)

    def test_without_a_tail_the_rate_is_not_known(self) -> None:
        total = summed(listed(np.linspace(0, 0.1, 50).tolist(), [0] * 50))
        assert (total.tails, total.tail_spikes, total.tail_seconds) == (0, 0, 0.0)
        assert np.isnan(total.rate)

    def test_the_rate_is_right_on_average(self, rng: np.random.Generator) -> None:
        parts = []
        for _ in range(300):
            quiet = 2.0 * rng.random(rng.poisson(2.0 * 30))
            times = np.sort(np.concatenate([0.02 * rng.random(400), 0.05 + quiet]))
            parts.append(summed(listed(times.tolist(), [9] * times.size)))
        total = merge(parts)
        # 30 spikes a second in 10 units; 18,000 spikes, so 3 standard errors are 2.2 %.
        assert_allclose(total.rate, 3.0, rtol=0.0225)

    def test_groups_hold_every_sample_once(self, tmp_path: Path, rng: np.random.Generator) -> None:
        file = write(tmp_path / "a.h5", [word(rng) for _ in range(37)])
        groups = summarize(file, range(37), FINEST)
        assert len(groups) == 16
        assert {part.spikes.size for part in groups} == {2, 3}
        total = merge(groups)
        assert sorted(total.spikes.tolist()) == sorted(file.spike_counts.tolist())
        assert total.channels.tolist() == np.bincount(file.read().units, minlength=N_UNITS).tolist()

    def test_a_sample_without_spikes_is_counted(self) -> None:
        total = summed(listed([], []))
        assert total.spikes.tolist() == [0]
        assert total.first.size == total.intervals.sum() == 0


class TestMeasures:
    def test_by_hand(self) -> None:
        # a: units 4, 2, 0 spikes; b: 1, 2, 3. Σ|a − b| = 6, both sums 6.
        a = summed(listed([1e-3 * i for i in range(6)], [0, 0, 0, 0, 1, 1]))
        b = summed(listed([1e-3 * i for i in range(6)], [0, 1, 1, 2, 2, 2]))
        a = Totals(**{**vars(a), "channels": np.array([4, 2, 0])})
        measures = compute_measures(a, b, 1e-3)
        assert list(measures) == list(NAMES)
        assert measures["channels"].distance == 1.0
        assert measures["channels"].figures["ratio"] == 1.0
        correlation = measures["channels"].figures["correlation"]
        assert correlation is not None
        assert_allclose(correlation, -1.0, rtol=1e-12)
        assert measures["spikes"].distance == 0.0
        assert measures["spontaneous"].distance is None
        assert measures["spontaneous"].verdict == "not measured: too few spikes"

    def test_counts_by_their_distribution(self) -> None:
        base = summed(listed([0.0], [0]))
        a = Totals(**{**vars(base), "spikes": np.array([1, 2, 3, 4])})
        b = Totals(**{**vars(base), "spikes": np.array([3, 4, 5, 6, 7])})
        # At 2 the shares are 2/4 and 0, at 4 they are 1 and 2/5: the largest difference is 3/5.
        distance = compute_measures(a, b, 1e-3)["spikes"].distance
        assert distance is not None
        assert_allclose(distance, 0.6, rtol=1e-12)

    @pytest.mark.parametrize(
        ("distance", "floor", "verdict"),
        [
            (0.0, None, "equal"),
            (0.2, None, "the distance of equal files is not known"),
            (0.2, 0.0, "differs, but equal files would not"),
            (0.1, 0.2, "as close as equal files (0.50 × their distance)"),
            (0.3, 0.2, "close: 1.5 × the distance of equal files"),
            (0.5, 0.2, "differs: 2.5 × the distance of equal files"),
        ],
    )
    def test_verdicts(self, distance: float, floor: float | None, verdict: str) -> None:
        assert Measure("spikes", distance, {}, floor).verdict == verdict


class TestShift:
    def test_a_shift_is_found(self, rng: np.random.Generator) -> None:
        times, units = word(rng, delay=0.03)
        curve = lag_correlations((times + 0.00325, units), (times, units), N_UNITS)
        best = int(np.argmax(curve))
        assert_allclose(LAGS[best], -0.00325, rtol=1e-9)
        assert_allclose(curve[best], 1.0, rtol=1e-9)

    def test_against_dense_rasters(self, rng: np.random.Generator) -> None:
        first, second = word(rng), word(rng)
        curve = lag_correlations(first, second, N_UNITS)
        end = max(first[0].max(), second[0].max())
        n_steps = int((end + 0.04) / 1e-3) + 2
        fixed = bin_spikes(second[0] + 0.02, second[1], 1e-3, n_steps, N_UNITS)
        for place in (0, 33, 80, 160):
            moved = bin_spikes(first[0] + (0.02 + LAGS[place]), first[1], 1e-3, n_steps, N_UNITS)
            expected = np.corrcoef(moved.ravel(), fixed.ravel())[0, 1]
            assert_allclose(curve[place], expected, rtol=1e-9)

    def test_a_spike_at_the_end_of_time_costs_no_memory(self) -> None:
        far = np.array([0.1, 9e4]), np.array([0, 1])
        assert lag_correlations(far, far, 2)[80] == 1.0


class TestResolution:
    def test_of_files_and_tables(self, tmp_path: Path, rng: np.random.Generator) -> None:
        samples = [word(rng)]
        assert time_resolution(write(tmp_path / "a.h5", samples), [0]) == FINEST
        half = write(tmp_path / "b.h5", samples, time_dtype="float16")
        assert time_resolution(half, [0]) == FLOAT16
        assert time_resolution(listed([0.0], [0], 1e-3), [0]) == 1e-3
        assert time_resolution(listed([0.0], [0], 0.0), [0]) == FINEST

    def test_storage_as_float16_is_no_difference(
        self, tmp_path: Path, rng: np.random.Generator
    ) -> None:
        samples = [word(rng) for _ in range(32)]
        a = write(tmp_path / "a.h5", samples)
        b = write(tmp_path / "b.h5", samples, time_dtype="float16")
        comparison = paired(a, b)
        assert comparison.resolution == FLOAT16
        distance = comparison.measures["intervals"].distance
        assert distance is not None
        assert distance < 0.02
        assert comparison.measures["time"].figures["lag_ms"] == 0.0


class TestPairs:
    @pytest.fixture
    def files(self, tmp_path: Path, rng: np.random.Generator) -> tuple[SpikeFile, SpikeFile]:
        columns = [
            {"source": f"w/{i}.wav", "sha256": f"{i:064x}", "label": i % 2} for i in range(4)
        ]
        first = write(tmp_path / "a.h5", [word(rng) for _ in range(4)], columns=columns)
        turned = [columns[3], {}, columns[0]]
        return first, write(tmp_path / "b.h5", [word(rng) for _ in range(3)], columns=turned)

    def test_by_hash(self, files: tuple[SpikeFile, SpikeFile]) -> None:
        assert pair_samples(*files) == Pairing([0, 3], [2, 0], "sha256")
        comparison = compare_spikes(*files, pair_samples(*files))
        assert comparison.left_out == (2, 1)
        assert [(one.name, one.samples) for one in comparison.classes] == [
            ("a", (1, 1)),
            ("b", (1, 1)),
        ]

    def test_by_path_where_there_is_no_hash(self, tmp_path: Path, rng: np.random.Generator) -> None:
        files = [
            write(
                tmp_path / f"{name}.h5", [word(rng)] * 3, columns=[{"source": s} for s in sources]
            )
            for name, sources in (("a", "xyz"), ("b", "yzz"))
        ]
        # z occurs twice in the second file, so it is ambiguous.
        assert pair_samples(files[0], files[1]) == Pairing([1], [0], "source")

    def test_in_order_and_not_at_all(self, files: tuple[SpikeFile, SpikeFile]) -> None:
        with pytest.raises(SpikebenchError, match="not 4 and 3 samples"):
            pair_samples(*files, "order")
        assert pair_samples(*files, "none") == Pairing([0, 1, 2, 3], [0, 1, 2], "")
        assert pair_samples(files[0], files[0], "order").second == [0, 1, 2, 3]

    def test_one_sample(self, files: tuple[SpikeFile, SpikeFile]) -> None:
        table = listed([0.0], [N_UNITS - 1])
        assert choose_pair(files[0], table, 2, None) == Pairing([2], [0], "choice")
        assert choose_pair(*files, 3, None) == Pairing([3], [0], "choice")
        assert choose_pair(*files, None, 2) == Pairing([0], [2], "choice")
        with pytest.raises(SpikebenchError, match=r"the 4 samples of the first file \(--index\)"):
            choose_pair(files[0], table, None, None)
        with pytest.raises(SpikebenchError, match=r"the 3 samples of the other file \(--with-ind"):
            choose_pair(*files, 1, None)
        with pytest.raises(SpikebenchError, match="there is no sample 4"):
            choose_pair(files[0], table, 4, None)

    def test_a_source_by_name(self, files: tuple[SpikeFile, SpikeFile]) -> None:
        assert [find_source(files[0], name) for name in ("w/1.wav", "1.wav", "1")] == [1, 1, 1]
        with pytest.raises(SpikebenchError, match="no sample was made from a recording '9'"):
            find_source(files[0], "9")
        with pytest.raises(SpikebenchError, match="does not list the recordings of its samples"):
            find_source(listed([0.0], [0]), "1")


class TestFloors:
    def test_a_file_equals_itself(self, tmp_path: Path, rng: np.random.Generator) -> None:
        file = write(tmp_path / "a.h5", [word(rng) for _ in range(5)])
        comparison = paired(file, file)
        assert {one.verdict for one in comparison.measures.values()} == {"equal"}

    def test_other_samples_of_one_kind_are_as_close_as_halves(
        self, tmp_path: Path, rng: np.random.Generator
    ) -> None:
        files = [
            write(tmp_path / f"{i}.h5", [word(rng) for _ in range(n)])
            for i, n in enumerate((60, 100))
        ]
        comparison = compare_spikes(files[0], files[1], pair_samples(files[0], files[1]))
        assert comparison.floor_from == "halves"
        for one in comparison.measures.values():
            assert one.ratio is not None
            # The floor is exceeded in 5 % of cases, and then by little.
            assert one.ratio < 1.5, one.key

    def test_more_spikes_and_a_delay_are_told(
        self, tmp_path: Path, rng: np.random.Generator
    ) -> None:
        a = write(tmp_path / "a.h5", [word(rng) for _ in range(60)])
        b = write(tmp_path / "b.h5", [word(rng, rate=1.15, delay=0.005) for _ in range(60)])
        measures = compare_spikes(a, b, pair_samples(a, b)).measures
        told = {key for key, one in measures.items() if one.verdict.startswith("differs")}
        assert told >= {"channels", "spikes", "time"}
        assert "spontaneous" not in told

    def test_a_repeat_shows_the_luck_of_the_seed(
        self, tmp_path: Path, rng: np.random.Generator
    ) -> None:
        lengths = rng.uniform(0.5, 2.0, 40)
        same = [[word(rng, rate=rate) for rate in lengths] for _ in range(3)]
        files = [write(tmp_path / f"{i}.h5", samples) for i, samples in enumerate(same)]
        more = write(tmp_path / "more.h5", [word(rng, rate=1.1 * rate) for rate in lengths])
        equal = paired(files[0], files[1], files[2])
        assert equal.floor_from == "seed"
        assert all(one.ratio is not None and one.ratio < 1.6 for one in equal.measures.values())
        differs = paired(files[0], more, files[2]).measures["spikes"]
        assert differs.ratio is not None
        assert differs.ratio > 1.6
        # Halves would have hidden it: words differ from each other much more than 10 %.
        unpaired = compare_spikes(files[0], more, pair_samples(files[0], more)).measures["spikes"]
        assert unpaired.ratio is not None
        assert unpaired.ratio < differs.ratio

    def test_pairs_without_a_repeat_have_no_floor(
        self, tmp_path: Path, rng: np.random.Generator
    ) -> None:
        files = [write(tmp_path / f"{i}.h5", [word(rng) for _ in range(8)]) for i in range(2)]
        comparison = paired(*files)
        assert comparison.floor_from == ""
        assert {one.floor for one in comparison.measures.values()} == {None}

    def test_a_repeat_must_pair(self, tmp_path: Path, rng: np.random.Generator) -> None:
        file = write(tmp_path / "a.h5", [word(rng)] * 2)
        nothing = Pairing([0, 1], [0, 1], "")
        with pytest.raises(SpikebenchError, match="none of the recordings of the first file"):
            compare_spikes(file, file, nothing, (file, nothing))


def test_progress_counts_to_the_end(tmp_path: Path, rng: np.random.Generator) -> None:
    file = write(tmp_path / "a.h5", [word(rng) for _ in range(3)])
    pairing = Pairing([0, 1, 2], [0, 1, 2], "order")
    seen: list[tuple[int, int]] = []
    compare_spikes(file, file, pairing, (file, pairing), lambda *state: seen.append(state))
    assert seen == [(i, 18) for i in range(1, 19)]


def test_what_cannot_be_compared(tmp_path: Path, rng: np.random.Generator) -> None:
    full = write(tmp_path / "a.h5", [word(rng)])
    silent = write(tmp_path / "b.h5", [(np.empty(0), np.empty(0, dtype=np.int64))])
    empty = write(tmp_path / "c.h5", [])
    for other in (silent, empty):
        with pytest.raises(SpikebenchError, match=r"[bc]\.h5: contains no spikes to compare"):
            compare_spikes(full, other, pair_samples(full, other))
    with pytest.raises(SpikebenchError, match="20 and 3 units; convert with --channels 3"):
        compare_spikes(full, listed([0.0], [2]), Pairing([0], [0], "choice"))


class TestTable:
    def test_reads_and_sorts(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        path.write_text("\ufefftime_ms,unit\n3.5, 2\n\n1,0\n", encoding="utf-8")
        table = read_spike_list(path, 3)
        assert_allclose(table.times, [0.001, 0.0035], rtol=1e-12)
        assert table.units.tolist() == [0, 2]
        assert_allclose(table.resolution, 1e-4, rtol=1e-12)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "contains no spikes"),
            (b"time_ms,unit\n\n", "contains no spikes"),
            (b"1,2,3\n", "3 columns; a table has two"),
            (b"1,two\n", "is not a table with lines time_ms,unit: could not convert"),
            (b"1,2\n1\n", "is not a table with lines time_ms,unit"),
            (b"-1,2\n", "negative, not finite or too large"),
            (b"nan,2\n", "negative, not finite or too large"),
            (b"1e300,2\n", "negative, not finite or too large"),
            (b"1,9\n", r"not an integer in 0 … 8"),
            (b"1,0.5\n", r"not an integer in 0 … 8"),
            (b"1,nan\n", r"not an integer in 0 … 8"),
            (b"\xff\xfe\x00", "is not a text file"),
            (b"\x89HDF\r\n\x1a\n\x00\x00", "is not a text file"),
            (b"\x1b[31m,2\n", r"could not convert string '\\x1b\[31m'"),
        ],
    )
    def test_refuses(self, tmp_path: Path, content: bytes, message: str) -> None:
        path = tmp_path / "a.csv"
        path.write_bytes(content)
        with pytest.raises(SpikeFileError, match=message) as caught:
            read_spike_list(path, 9)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)

    def test_refuses_a_folder_and_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(SpikeFileError, match="is a directory"):
            read_spike_list(tmp_path, 9)
        with pytest.raises(SpikeFileError, match="no such file"):
            read_spike_list(tmp_path / "a.csv", 9)


def test_the_genuine_sample_and_its_recording(
    tmp_path: Path, reference: Path, recordings: Path
) -> None:
    from cochlea.pipeline import encode
    from spikebench.recordings.decoding import read_clip

    name = "lang-german_speaker-04_trial-14_digit-1.flac"
    if not (recordings / name).is_file():
        pytest.skip(f"{name} is not among the recordings")
    genuine = read_spike_list(reference / "shd_genuine_sample.csv", 700)
    assert (genuine.times.size, genuine.resolution) == (9386, 1e-3)
    recording = read_clip(recordings / name)
    samples = []
    for seed in (0, 1):
        spikes = encode(recording.samples, recording.sample_rate, seed=seed)
        samples.append(
            SpikeList(tmp_path, spikes.times, spikes.units.astype(np.int64), 700, FINEST)
        )
    comparison = paired(samples[0], genuine, samples[1], by="choice")
    time = comparison.measures["time"].figures
    assert time["first_spike_at_0_share_with"] == 1.0
    assert time["lag_ms"] in (-2.0, -1.75, -1.5)
    correlations = [time["raster_correlation"], comparison.measures["bands"].figures["correlation"]]
    assert all(one is not None for one in correlations)
    assert correlations[0] > 0.75  # type: ignore[operator]
    assert correlations[1] > 0.99  # type: ignore[operator]
