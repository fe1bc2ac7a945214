"""The page of a study: what it says follows from the intervals."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.commands import run
from helpers.voices import convert_voices, write_voices

from spikebench.errors import ResultError
from spikebench.noise.page import page_text, read_commands, read_reports
from spikebench.noise.report import NoiseReport
from spikebench.records.strict_json import read_record


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from spikebench.noise.runner import run_study
    from spikebench.noise.study import plan_study

    folder = tmp_path_factory.mktemp("page")
    voices = write_voices(folder / "voices")
    spikes = convert_voices(voices, folder / "spikes.h5")
    conditions = ["white:0dB,white:20dB,babble:5dB,babble:15dB,speed:0.8"]
    settings = ["input.duration_ms=200"]
    run_study(
        plan_study(
            voices, folder / "out", conditions, data=str(spikes), models=["svm"], settings=settings
        ),
        workers=1,
    )
    (folder / "out" / "command.txt").write_text("spikebench noise --model svm\n")
    return folder / "out"


def test_a_page_is_made_by_one_command(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "noise", "--page", tmp_path / "noise.md", study)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == f"page: {tmp_path / 'noise.md'}"
    text = (tmp_path / "noise.md").read_text()
    assert re.findall("<!-- (.{7})", text) == ["not run"]  # of the commands
    assert "`spikebench noise --model svm`" in text
    assert "(images/noise-1.png)" in text
    assert (tmp_path / "images" / "noise-1.png").stat().st_size > 10_000
    assert str(study) not in text
    report = read_record(study / "noise.json", NoiseReport)
    area = report.area("svm", "clean", "sound")
    assert area is not None
    assert f"| all | `svm` | {100 * area.area:.1f}" in text
    rows = [line for line in text.splitlines() if line.startswith("| `white:0dB`")]
    assert len(rows) == 1


def changed(report: NoiseReport, low: float | None, high: float | None) -> NoiseReport:
    """The report with other intervals of differences and losses."""
    differences = [one.model_copy(update={"low": low, "high": high}) for one in report.differences]
    rows = [one.model_copy(update={"change_low": low, "change_high": high}) for one in report.rows]
    return report.model_copy(update={"differences": differences, "rows": rows})


@pytest.mark.parametrize(
    ("low", "high", "told", "loss"),
    [
        (0.1, 0.3, "looks more harmless for", False),
        (-0.3, -0.1, "looks more harmful for", True),
        (-0.1, 0.1, "makes no difference that these samples could show for", False),
        (None, None, "makes no difference that these samples could show for", False),
    ],
)
def test_the_answer_is_no_stronger_than_its_interval(
    study: Path, low: float | None, high: float | None, told: str, loss: bool
) -> None:
    (report,) = read_reports([study])
    text = page_text([changed(report, low, high)], ["command"], ["a note"], "noise")
    answer = text[: text.index("```")]
    assert "comparisons.\n\na note\n\n- `svm`" in answer
    assert text.count("a note") == 1
    assert "\n`command`\n\nspikebench " in text
    assert told in answer
    assert ("- `svm`: significant under `speed:0.8`" in text) == loss
    assert ("- `svm`: None that these samples could show under `speed:0.8`" in text) != loss


def test_unfinished_studies_have_no_page(study: Path, tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"has no noise\.json; finish the study first"):
        read_reports([tmp_path])
    with pytest.raises(ResultError, match=r"command\.txt: no such file"):
        read_commands([tmp_path])
    (report,) = read_reports([study])
    failed = report.seeds[0].model_copy(update={"failed": "broken"})
    (tmp_path / "noise.json").write_text(
        report.model_copy(update={"seeds": [failed]}).model_dump_json()
    )
    with pytest.raises(ResultError, match="1 runs failed; repeat the study first"):
        read_reports([tmp_path])
