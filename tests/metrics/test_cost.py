"""docs/cost.md says what the measurements say, and the formula is the one it states."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import ROOT


@pytest.fixture
def cost(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    if not (ROOT / "benchmarks").is_dir():
        pytest.skip("the benchmarks are only in the repository")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("cost")


def measured(two: float, speech: float = 0.5) -> dict[str, Any]:
    """Half a second per second of audio on one worker, and ``two`` seconds on two."""
    rows = {"local-1": 0.5, "local-2": two, "cluster-1": 0.5, "cluster-2": two, "speech-1": speech}
    workers: dict[str, Any] = {
        name: {"wall_s_per_audio_s": rate, "main_cpu_s_per_clip": 0.004}
        for name, rate in rows.items()
    }
    workers["created"] = "2026-01-01T00:00:00+00:00"
    return {"machine": {"cpu": "a core", "cores": 2}, "parts": {"workers": workers}}


def test_the_page_holds_the_table_of_the_measurements(cost: ModuleType) -> None:
    if not cost.MEASURED.exists():
        pytest.skip("benchmarks/convert.py has not been run")
    page = Path(cost.PAGE).read_text(encoding="utf-8")
    table = cost.table(json.loads(cost.MEASURED.read_text(encoding="utf-8")))
    assert cost.replaced(page, table) == page


def test_two_perfect_workers_halve_the_time_and_not_the_price(cost: ModuleType) -> None:
    workers = measured(0.25)["parts"]["workers"]
    corpus = cost.Corpus("two hours", 2.0, "local-1")
    one, two = (cost.wall_seconds(corpus, "local", count, workers) for count in (1, 2))
    assert (one, two) == (3600.0, 1800.0)
    assert cost.dollars(one, "local", 1, 0.05) == cost.dollars(two, "local", 2, 0.05) == 0.05


def test_the_loss_of_the_second_worker_is_charged_for_every_other(cost: ModuleType) -> None:
    workers = measured(0.3125)["parts"]["workers"]  # two are 1.6 times as fast: a quarter is lost
    corpus = cost.Corpus("two hours", 2.0, "local-1")
    seconds = [cost.wall_seconds(corpus, "local", count, workers) for count in (2, 5)]
    assert seconds == [2250.0, 1440.0]  # 3600/2·1.25, 3600/5·2


def test_workers_faster_than_twice_lose_nothing(cost: ModuleType) -> None:
    workers = measured(0.2)["parts"]["workers"]
    corpus = cost.Corpus("two hours", 2.0, "local-1")
    assert cost.wall_seconds(corpus, "local", 4, workers) == 900.0


def test_16_khz_words_have_their_own_rate_and_a_cluster_one_core_more(cost: ModuleType) -> None:
    workers = measured(0.25, speech=0.75)["parts"]["workers"]
    corpus = cost.Corpus("two hours of 16 kHz", 2.0, "speech-1")
    seconds = cost.wall_seconds(corpus, "cluster", 1, workers)
    assert seconds == 5400.0
    assert cost.dollars(seconds, "cluster", 1, 0.1) == pytest.approx(0.3, rel=1e-12)


def test_the_table_is_replaced_and_nothing_else(cost: ModuleType) -> None:
    page = f"before\n{cost.BEGIN}\nold\n{cost.END}\nafter\n"
    table = cost.table(measured(0.25, speech=0.6))
    assert cost.replaced(page, table) == f"before\n{cost.BEGIN}\n\n{table}\n{cost.END}\nafter\n"
    assert (
        "| 1 local | 100 % | 3,762 s, 0.05 $ | 62,640 s, 0.87 $ | 1,800,000 s, 25.00 $ |" in table
    )
    with pytest.raises(ValueError, match="marks"):
        cost.replaced("a page without them", table)
