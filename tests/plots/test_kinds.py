"""What the plots of classes, results and networks draw into an axis."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes

from spikebench.metrics.record import Latency
from spikebench.plots.classes import draw_class
from spikebench.plots.confusion import draw_confusion
from spikebench.plots.costs import Cost, draw_cost, pareto_front
from spikebench.plots.frequencies import draw_frequency_map, draw_tuning
from spikebench.plots.latency import draw_latency
from spikebench.plots.network import draw_activity, draw_values
from spikebench.plots.panels import panels


@pytest.fixture
def panel() -> Axes:
    return panels(1, "a $\\frac$ title")[1][0]


def shown(panel: Axes) -> str:
    assert panel.figure.canvas is not None
    panel.figure.canvas.draw()
    return " ".join(text.get_text() for text in panel.texts)


def test_panels_in_rows() -> None:
    figure, axes = panels(3, "x" * 10 + " " + "long " * 60, columns=2, size=(3, 2))
    assert len(axes) == 3
    assert [axis.get_visible() for axis in figure.axes] == [True, True, True, False]
    assert figure.get_suptitle().count("\n") >= 3
    assert tuple(figure.get_size_inches()) == pytest.approx((6, 4.4))


def test_confusion(panel: Axes) -> None:
    draw_confusion(panel, np.array([[3, 1], [0, 0]]), ["yes", "$n$"])
    assert shown(panel) == "3 1"
    (image,) = panel.images
    assert np.asarray(image.get_array()).tolist() == [[0.75, 0.25], [0, 0]]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["yes", r"\$n\$"]


def test_confusion_of_many_classes_has_no_numbers(panel: Axes) -> None:
    draw_confusion(panel, np.eye(35, dtype=np.int64), [str(k) for k in range(35)])
    assert shown(panel) == ""


def test_class(panel: Axes) -> None:
    image = draw_class(panel, np.array([[0.0, 2.0]]), 1.5, 70, "a$", 4.0)
    assert image.get_clim() == (0, 4)
    assert panel.get_xlim() == (0, 1.5)
    assert panel.get_ylim() == (69.5, -0.5)  # unit 0 is at the top
    shown(panel)


def test_frequencies(panel: Axes) -> None:
    draw_frequency_map(panel, np.array([1000.0, 100.0]))
    assert panel.get_yscale() == "log"
    assert panel.lines[0].get_ydata() == pytest.approx([1000, 100])


def test_tuning_curves_are_relative_to_their_peaks(panel: Axes) -> None:
    tones = np.array([100.0, 200.0, 400.0])
    draw_tuning(panel, tones, np.array([[1.0, 0.1], [0.5, 1.0], [0.0, 10.0]]), [9, 0])
    first, second = (line.get_ydata() for line in panel.lines)
    assert first == pytest.approx([0, -6.0206, -180], abs=1e-3)
    assert second == pytest.approx([-40, -20, 0])
    assert shown(panel) == "9 0"


def cost(name: str, accuracy: float, parameters: float, spikes: float | None = None) -> Cost:
    return Cost(name, True, accuracy, accuracy - 0.1, accuracy + 0.1, parameters, None, spikes)


def test_the_front_is_what_nothing_beats_in_both(panel: Axes) -> None:
    assert pareto_front([(3, 0.9), (1, 0.5), (2, 0.4), (1, 0.6), (3, 0.9), (4, 0.9)]) == [
        (1, 0.6),
        (3, 0.9),
    ]
    assert pareto_front([]) == []
    draw_cost(panel, [cost("a", 0.5, 10), cost("b", 0.4, 100), cost("c", 0.8, 0)], "parameters")
    assert panel.lines[-1].get_xydata() == pytest.approx(np.array([[10, 50]]))
    assert shown(panel) == "a b"  # a cost of 0 has no place on a logarithmic axis


def test_latency(panel: Axes) -> None:
    latency = Latency(times_s=[0.1, 0.2], accuracy=[0.5, 1.0], to_95_percent_s=0.2)
    draw_latency(panel, [latency, latency], ["seed 0", "seed 1"])
    curve, mark = panel.lines[:2]
    assert curve.get_xydata() == pytest.approx(np.array([[100, 50], [200, 100]]))
    assert list(mark.get_xdata()) == [200, 200]
    legend = panel.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["seed 0", "seed 1"]


def test_values(panel: Axes) -> None:
    draw_values(panel, [np.array([1.0, 2.0, 3.0]), np.array([3.0])], "delay of connections [ms]")
    legend = panel.get_legend()
    assert legend is not None
    said = [text.get_text() for text in legend.get_texts()]
    assert said == ["layer 1: median 2", "layer 2: median 3"]
    assert panel.get_ylabel() == "connections"


def test_activity(panel: Axes) -> None:
    draw_activity(panel, np.array([0.1, 0.2]), np.array([3, 3]), 5, "hidden layer 1")
    assert panel.get_title("left") == "hidden layer 1: 2 spikes, 1 of 5 neurons"
    offsets = np.asarray(panel.collections[0].get_offsets())
    assert offsets == pytest.approx(np.array([[0.1, 3], [0.2, 3]]))


def test_activity_without_spikes(panel: Axes) -> None:
    draw_activity(panel, np.zeros(0), np.zeros(0, np.int64), 5, "hidden layer 1")
    assert panel.get_title("left") == "hidden layer 1: 0 spikes, 0 of 5 neurons"
