"""Plot of a study of noise: a panel of curves per kind of noise, and one of all other conditions."""

from __future__ import annotations

import pytest

from spikebench.degradation.conditions import select_conditions
from spikebench.noise.report import NoiseReport, NoiseRow, StudyModel
from spikebench.plots.noise import draw_study
from spikebench.presets.preset import read_preset
from spikebench.protocol.results import DatasetRecord, Split

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


def report_of(texts: list[str], low: float | None = 0.25) -> NoiseReport:
    conditions = select_conditions(texts)
    rows = [
        NoiseRow(
            model=model,
            trained_on=trained_on,  # type: ignore[arg-type]
            place="sound",
            condition=str(one),
            kind=one.kind,
            strength=None if one.strength == float("inf") else one.strength,
            accuracy=0.5,
            low=low,
            high=None if low is None else 0.75,
            seeds=1,
            input_spikes=3.0,
        )
        for one in conditions
        for model in ("lif", "svm")
        for trained_on in ("clean", "noise")
    ]
    models = [
        StudyModel(name=name, model=name, preset=read_preset(name, None, []), seeds=[0])
        for name in ("lif", "svm")
    ]
    return NoiseReport(
        software="x",
        dataset=DATA,
        encoder="cochlea",
        tested="validation",
        samples=9,
        chance=0.5,
        interval="",
        noise_seed=0,
        noise_sha256=None,
        test_opened=0,
        models=models,
        conditions=[str(one) for one in conditions],
        seeds=[],
        rows=rows,
        areas=[],
        differences=[],
    )


def test_every_kind_of_noise_has_curves_and_the_others_share_a_panel() -> None:
    texts = ["white:0dB,white:20dB,white:infdB,pink:5dB,loss,telephone"]
    figure = draw_study(report_of(texts))
    white, pink, others = figure.axes
    assert [panel.get_title(loc="left") for panel in (white, pink)] == ["white noise", "pink noise"]
    curves = [
        line for line in white.lines if len(line.get_xdata()) == 2 and line.get_marker() != "None"
    ]
    assert len(curves) == 4  # two models, each trained in two ways; the infinite ratio is no point
    assert [list(line.get_xdata()) for line in curves] == [[0, 20]] * 4
    assert {tuple(line.get_ydata()) for line in curves} == {(50, 50)}
    names = [text.get_text() for text in others.get_xticklabels()]
    assert names == ["clean", "telephone", "loss:5%", "loss:10%", "loss:20%", "loss:40%"]
    assert len(others.containers) == 4 * len(names)
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said == [
        *("lif", "svm", "sound degraded before the conversion"),
        *("sound degraded, trained with noise", "chance level"),
    ]
    figure.canvas.draw()


@pytest.mark.parametrize("texts", [["clean"], ["white:infdB"], ["loss"], ["babble:5dB"]])
def test_few_conditions_are_drawn(texts: list[str]) -> None:
    figure = draw_study(report_of(texts, low=None))
    assert figure.axes
    figure.canvas.draw()
