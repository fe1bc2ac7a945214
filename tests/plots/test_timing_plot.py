"""The picture of a study: a panel for every kind of change, a line for every model and training."""

from __future__ import annotations

import numpy as np
import pytest

from spikebench.events.conditions import KINDS, select_conditions
from spikebench.plots.timing import draw_study
from spikebench.presets.preset import read_preset
from spikebench.protocol.results import DatasetRecord, Split
from spikebench.timing.report import StudyModel, TimingReport, TimingRow

SPLIT = Split(
    protocol="speakers-v1",
    rule="",
    train_samples=9,
    validation_samples=9,
    test_samples=9,
    validation_speakers=[1],
    test_only_speakers=[],
)
DATA = DatasetRecord(
    name="a$b", sha256="0" * 64, n_units=7, classes=["x", "y"], synthetic=True, split=SPLIT
)


def report_of(texts: list[str], accuracy: float | None = 0.5) -> TimingReport:
    conditions = select_conditions(texts)
    rows = [
        TimingRow(
            model=model,
            condition=str(one),
            kind=one.kind,
            strength=one.strength,
            trained_on=trained_on,  # type: ignore[arg-type]
            accuracy=accuracy,
            std=None if accuracy is None else 0.125,
            seeds=[],
        )
        for one in conditions
        for model in ("lif", "svm")
        for trained_on in ("clean", "changed")
        if (one.kind, trained_on) != ("clean", "changed")
    ]
    preset = read_preset("svm")
    return TimingReport(
        software="s",
        dataset=DATA,
        tested="validation",
        samples=9,
        chance=None if accuracy is None else 0.5,
        interval="",
        test_opened=0,
        models=[StudyModel(name=n, model="svm", preset=preset, seeds=[0]) for n in ("lif", "svm")],
        conditions=[str(one) for one in conditions],
        rows=rows,
    )


def test_every_kind_has_a_panel_and_every_model_two_lines() -> None:
    figure = draw_study(report_of([]))
    bars, *panels = [panel for panel in figure.axes if panel.get_visible()]
    strengths = [kind for kind in KINDS.values() if kind.usual]
    assert len(panels) == len(strengths)
    # One bar per model and training; unchanged spikes have only one training.
    assert len(bars.patches) == 2 * 2 * (len(KINDS) - len(strengths)) - 2
    assert {patch.get_height() for patch in bars.patches} == {50.0}
    for panel, kind in zip(panels, strengths, strict=True):
        lines = [line for line in panel.lines if line.get_marker() == "o"]
        assert len(lines) == 4
        for line in lines:
            assert np.array_equal(line.get_xdata(), kind.usual)
            assert set(line.get_ydata()) == {50.0}
        assert len(panel.collections) == 4
        for band in panel.collections:
            (path,) = band.get_paths()
            assert (path.vertices[:, 1].min(), path.vertices[:, 1].max()) == (37.5, 62.5)
        assert (panel.get_xscale() == "linear") == (kind.unit == "%")
    assert figure.get_suptitle() == (
        r"a\$b (synthetic): 9 validation samples, ± standard deviation over seeds"
    )


@pytest.mark.parametrize(("texts", "accuracy"), [(["reverse"], 0.0), (["jitter:5ms"], None)])
def test_few_conditions_or_failed_runs_are_drawn_too(
    texts: list[str], accuracy: float | None
) -> None:
    report = report_of(texts, accuracy)
    if accuracy is not None:
        report = report.model_copy(
            update={"rows": [one.model_copy(update={"std": None}) for one in report.rows]}
        )
    figure = draw_study(report)
    figure.canvas.draw()
    assert len([panel for panel in figure.axes if panel.get_visible()]) == 1 + (accuracy is None)
