"""The responses of the page's server: lists, samples, binary spikes, sounds, and everything that it refuses."""

from __future__ import annotations

import io
import json
from http import HTTPStatus
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers.spike_files import published

from spikebench.errors import SpikebenchError
from spikebench.recordings.decoding import Recording
from spikebench.spike_files.reader import SpikeFile
from spikebench.spike_files.writer import SpikeWriter
from spikebench.viewer.application import PAGE, Application
from spikebench.viewer.sounds import Sounds

ODD = "<b>\u202e\x07"
TRAINS = [([0.1, 0.2, 0.3], [6, 5, 7]), ([], []), ([0.05], [0]), ([0.4, 0.4], [3, 2])]
FREQUENCIES = np.geomspace(8000, 100, 10)


def none_there(index: int) -> Recording:
    if index == 2:
        return Recording(np.full(800, 2.0), 8000, 1, "")
    raise SpikebenchError(f"no recording of {index}")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("view") / "four.h5"
    with SpikeWriter(path, 10, ["yes", ODD], {}, speaker_names=["Ada", ODD]) as writer:
        for k, (times, units) in enumerate(TRAINS):
            split = "test" if k == 2 else "train"
            writer.append(times, units, label=[0, 1, 1, -1][k], speaker=k % 2, split=split)
    return path


@pytest.fixture(scope="module")
def app(file: Path) -> Application:
    spikes = SpikeFile(file)
    return Application(spikes, FREQUENCIES, Sounds(spikes, FREQUENCIES, none_there))


def ask(app: Application, path: str, query: str = "") -> dict[str, object]:
    answer = app.respond(path, query)
    assert (answer.status, answer.kind) == (HTTPStatus.OK, "application/json"), answer.body
    value = json.loads(answer.body)
    assert isinstance(value, dict)
    return value


def listed(app: Application, query: str) -> list[int]:
    rows = ask(app, "api/samples", query)["rows"]
    assert isinstance(rows, list)
    return [row[0] for row in rows]


def test_the_file(app: Application) -> None:
    said = ask(app, "api/file")
    escaped = "<b>\\u202e\\x07"
    assert said["classes"] == [[-1, "unknown", 1], [0, "yes", 1], [1, escaped, 2]]
    assert said["speakers"] == [[0, "Ada", 2], [1, escaped, 2]]
    assert said["splits"] == [[0, "test", 1], [1, "train", 3]]
    assert (said["samples"], said["units"], said["total_spikes"]) == (4, 10, 6)
    assert said["frequencies"] == pytest.approx(FREQUENCIES, rel=1e-4)
    assert said["model"] is None
    assert said["spikes"] == {
        **{"least": 0, "median": 1.5, "mean": 1.5, "most": 3},
        **{"bars": [1, 1, 1, 1], "edges": [0, 0.8, 1.5, 2.2, 3]},
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [0, 1, 2, 3]),
        ("order=most", [0, 3, 2, 1]),
        ("order=least", [1, 2, 3, 0]),
        ("class=1", [1, 2]),
        ("class=-1", [3]),
        ("class=1&speaker=0", [2]),
        ("split=1&order=most", [0, 3, 1]),
        ("split=7", []),
        ("from=1&count=2", [1, 2]),
        ("from=9", []),
        ("from=-5&count=1", [0]),
        ("count=-1", []),
    ],
)
def test_lists(app: Application, query: str, expected: list[int]) -> None:
    assert listed(app, query) == expected


def test_the_place_of_a_sample_in_a_list(app: Application) -> None:
    assert ask(app, "api/samples", "order=most&find=2")["position"] == 2
    assert ask(app, "api/samples", "class=0&find=2")["position"] == -1
    assert "position" not in ask(app, "api/samples")


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("class=a", "class: not an integer"),
        ("class=", "class: not an integer"),
        ("from=1e3", "from: not an integer"),
        ("from=٣", "from: not an integer"),
        ("find=99999999999", "find: not an integer"),
        ("order=random", "order: one of file, most, least"),
        ("x%0a=1", "unknown: x\\n"),
        ("&".join(["class=1"] * 8), "Max number of fields exceeded"),
    ],
)
def test_queries_that_cannot_be_read(app: Application, query: str, reason: str) -> None:
    answer = app.respond("api/samples", query)
    assert (answer.status, json.loads(answer.body)) == (400, {"reason": reason})


def test_spikes_are_sorted(app: Application, tmp_path: Path) -> None:
    body = app.respond("api/spikes/0").body
    assert np.frombuffer(body[:24], "<f8").tolist() == [pytest.approx(t) for t in (0.1, 0.2, 0.3)]
    assert np.frombuffer(body[24:], "<u2").tolist() == [6, 5, 7]
    assert app.respond("api/spikes/1").body == b""
    spikes = SpikeFile(published(tmp_path / "unsorted.h5", [[0.5, 0.25], [1.0]]))
    body = Application(spikes, None, Sounds(spikes, None, none_there)).respond("api/spikes/0").body
    assert np.frombuffer(body[:16], "<f8").tolist() == [0.25, 0.5]
    assert np.frombuffer(body[16:], "<u2").tolist() == [698, 697]


def test_facts_of_a_sample(app: Application) -> None:
    said = ask(app, "api/sample/0")
    assert said["row"] == [0, 0, 0, 1, 3, None]
    assert said["length"] == pytest.approx(0.35)
    assert (said["no_recording"], said["no_sound"]) == ("no recording of 0", "")
    assert ask(app, "api/sample/2")["no_recording"] == ""


def test_sounds(app: Application) -> None:
    sound, rate = soundfile.read(io.BytesIO(app.respond("api/sound/0").body))
    assert rate == 16_000
    assert sound.size / rate == pytest.approx(0.35, abs=1e-3)
    assert np.abs(sound).max() == pytest.approx(0.5, abs=1e-3)
    recording, rate = soundfile.read(io.BytesIO(app.respond("api/recording/2").body))
    assert (rate, recording.size) == (8000, 800)
    assert np.abs(recording).max() == pytest.approx(1, abs=1e-3)  # not wrapped around
    missing = app.respond("api/recording/0")
    assert (missing.status, json.loads(missing.body)) == (422, {"reason": "no recording of 0"})


@pytest.mark.parametrize(
    "path",
    [
        *("nothing", "api", "api/", "api/file/", "api/spikes", "api/spikes/", "api/spikes/4"),
        *("api/spikes/-1", "api/spikes/1.0", "api/spikes/٣", "api/spikes/1/", "api/spikes/0x1"),
        *("api/spikes/99999999999", "api/nothing/0", "api/answers/0", "../view.css", "./view.css"),
        *("page/view.css", "view.css/", "/view.css", "..%2fview.css", "__init__.py", "api/file\n"),
    ],
)
def test_other_paths(app: Application, path: str) -> None:
    answer = app.respond(path)
    assert answer.status == 404
    assert list(json.loads(answer.body)) == ["reason"]


def test_the_page_names_only_files_that_are_served(app: Application) -> None:
    names = {path.name for path in PAGE.iterdir()}
    assert {"index.html", "view.js", "view.css"} <= names
    for name in names:
        assert app.respond(name).status == 200
    assert app.respond("").body == (PAGE / "index.html").read_bytes()
    text = "".join((PAGE / name).read_text(encoding="utf-8") for name in names)
    assert "innerHTML" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_a_published_file_has_no_names_of_recordings(tmp_path: Path) -> None:
    spikes = SpikeFile(published(tmp_path / "shd.h5"))
    app = Application(spikes, None, Sounds(spikes, None, none_there))
    said = ask(app, "api/sample/0")
    assert said["source"] == ""
    assert said["no_sound"] == "the characteristic frequencies of the units are unknown"
    assert app.respond("api/sound/0").status == 422
    assert ask(app, "api/file")["frequencies"] is None


def test_a_damaged_sample_is_told(file: Path, tmp_path: Path) -> None:
    import h5py

    path = tmp_path / "bad.h5"
    path.write_bytes(file.read_bytes())
    with h5py.File(path, "r+") as opened:
        opened["spikes/times"][0] = np.array([np.nan, 0.1, 0.2], np.float32)
    spikes = SpikeFile(path)
    app = Application(spikes, None, Sounds(spikes, None, none_there))
    answer = app.respond("api/spikes/0")
    assert answer.status == 422
    assert "a spike time is negative, not finite or too large" in json.loads(answer.body)["reason"]
    assert app.respond("api/spikes/2").status == 200


def test_a_long_sample_becomes_no_sound(tmp_path: Path) -> None:
    path = tmp_path / "long.h5"
    with SpikeWriter(path, 10, ["a"], {}) as writer:
        writer.append([700.0], [1], label=0)
    spikes = SpikeFile(path)
    app = Application(spikes, FREQUENCIES, Sounds(spikes, FREQUENCIES, none_there))
    assert ask(app, "api/sample/0")["no_sound"] == (
        "the sample lasts 700 s; at most 600 s become a sound"
    )
