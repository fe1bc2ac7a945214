"""verify: honest entries rise, everything else is refused in one line, and nothing is written then."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.commands import run
from helpers.toy import write_toy
from helpers.trained_entries import SMALL, forge, make_trained_entry
from safetensors.torch import load_file, save_file

from cli.shared import training_session
from leaderboard.claims.entry import read_entry
from leaderboard.claims.tier import Verification, add_verification, why_failed
from spikebench.errors import ResultError
from spikebench.evaluation import reproduction
from spikebench.metrics.classification import (
    accuracy,
    confusion_matrix,
    speaker_groups,
    speaker_interval,
    summary_interval,
)
from spikebench.protocol.opening import SelectionData
from spikebench.protocol.results import Predictions, read_predictions, write_predictions
from spikebench.records.whole_files import file_sha256
from spikebench.training.checkpoint import Epoch
from spikebench.training.epochs import Report
from spikebench.training.loop import fit
from spikebench.training.run import read_run
from spikebench.training.run_record import RunRecord


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")


@pytest.fixture(scope="module")
def honest(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def make(model: str) -> Path:
        if model not in made:
            made[model] = make_trained_entry(tmp_path_factory.mktemp(model), toy, model)
        return made[model]

    return make


@pytest.fixture
def entry(honest: Callable[[str], Path], tmp_path: Path) -> Path:
    """Copy an honest entry of lif, to be changed."""
    source = honest("lif")
    return Path(shutil.copytree(source, tmp_path / source.name))


def verify(
    capsys: pytest.CaptureFixture[str], entry: Path, toy: Path, *words: object
) -> tuple[int, str, str]:
    return run(capsys, "verify", entry, "--data", toy, "--by", "A. Tester", "--quiet", *words)


def refused(
    capsys: pytest.CaptureFixture[str], entry: Path, toy: Path, message: str, *words: object
) -> None:
    before = sorted(path.name for path in entry.iterdir())
    code, out, err = verify(capsys, entry, toy, *(words or ("--inference",)))
    assert (code, out) == (1, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert sorted(path.name for path in entry.iterdir()) == before


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("metrics", "effective_ac"), 1.0, "effective_ac is claimed 1.0, measured again"),
        (("metrics", "footprint_bytes"), 4, "footprint_bytes is claimed 4, measured again"),
        (("metrics", "activation_sparsity"), 0.999999, "activation_sparsity is claimed"),
        (
            ("metrics", "connection_sparsity"),
            0.5,
            "connection_sparsity is claimed 0.5, measured again 0.0",
        ),
        (("metrics", "effective_mac"), {"not_applicable": "no"}, "effective_mac is claimed"),
        (("metrics", "energy", 0, "picojoules"), 1.0, "energy is claimed"),
        (("metrics", "operations", 0, "zero_weights"), 7, "operations is claimed"),
        (("metrics", "latency", "accuracy", 3), 0.97, "latency is claimed"),
        (("spikes_per_sample",), 3.0, "spikes_per_sample is claimed 3.0, measured again"),
    ],
)
def test_costs_that_are_not_measured_again_are_refused(
    entry: Path,
    toy: Path,
    capsys: pytest.CaptureFixture[str],
    place: tuple[str | int, ...],
    value: object,
    message: str,
) -> None:
    def change(result: dict[str, Any]) -> None:
        part = result["seeds"][1]
        for key in place[:-1]:
            part = part[key]
        part[place[-1]] = value

    forge(entry, change)
    refused(capsys, entry, toy, f"--inference: seed 1: {message}")


def test_energy_by_a_table_of_ones_own_is_not_looked_at_but_its_counts_are(
    entry: Path, toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(result: dict[str, Any]) -> None:
        for seed in result["seeds"]:
            mine = seed["metrics"]["energy"][0] | {"table": "mine", "picojoules": 1.0}
            seed["metrics"]["energy"].append(mine)

    forge(entry, change)
    assert verify(capsys, entry, toy, "--inference")[0] == 0


@pytest.mark.parametrize("model", list(SMALL))
def test_an_honest_entry_rises_by_its_weights_and_by_its_training(
    honest: Callable[[str], Path],
    toy: Path,
    tmp_path: Path,
    model: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = honest(model)
    entry = Path(shutil.copytree(source, tmp_path / source.name))
    code, out, err = verify(capsys, entry, toy, "--inference")
    assert (code, err) == (0, "")
    assert out.endswith("is now: verified-inference\n")
    code, out, err = verify(capsys, entry, toy, "--training")
    assert (code, err) == (0, "")
    stored = read_entry(entry)
    assert stored.tier == "verified-training"
    first, second = stored.verifications
    assert (first.kind, second.kind) == ("inference", "training")
    for one in (first, second):
        assert one.by == "A. Tester"
        assert one.result_sha256 == file_sha256(entry / "result.json")
        assert one.data_sha256 == file_sha256(toy)
        assert (
            one.environment["torch"] == torch.__version__.split("+")[0] or one.environment["torch"]
        )
        assert one.environment["processor"]
        assert [check.agreement for check in one.seeds] == [1.0, 1.0]
        assert one.mean == pytest.approx(stored.result.summary.test_mean, rel=1e-12)
    assert f"--{second.kind}" in second.command


def test_both_at_once_and_again_replaces(
    entry: Path, toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = verify(capsys, entry, toy, "--inference", "--training", "--json")
    assert code == 0
    said = json.loads(out)
    assert said["tier"] == "verified-training"
    assert [one["kind"] for one in said["verifications"]] == ["inference", "training"]
    assert run(capsys, "verify", entry, "--data", toy, "--inference", "--by", "B")[0] == 0
    assert [(one.kind, one.by) for one in read_entry(entry).verifications] == [
        ("training", "A. Tester"),
        ("inference", "B"),
    ]


def test_without_an_option_it_says_what_would_raise_it(
    entry: Path, toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "verify", entry)
    assert code == 0
    assert f"{entry.name}: recomputed" in out
    assert "--inference: not done yet; can be done" in out
    verify(capsys, entry, toy, "--inference")
    for path in entry.glob("weights-*"):
        path.unlink()
    said = json.loads(run(capsys, "verify", entry, "--json")[1])
    assert said["tier"] == "verified-inference"
    assert "give their folder with --weights FOLDER" in said["lacks"]["inference"]
    assert "--inference: passed" in run(capsys, "verify", entry)[1]
    code, _, err = run(capsys, "verify", entry, "--inference", "--data", toy)
    assert code == 1
    assert err.endswith(
        "weights-seed0.safetensors: no such file; give the folder of the weights with --weights FOLDER\n"
    )


def test_without_a_log_nothing_can_be_run_again(
    entry: Path, toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (entry / "run.json").unlink()

    def no_logs(result: dict[str, Any]) -> None:
        for seed in result["seeds"]:
            seed |= {"run_file": None, "run_sha256": None}

    forge(entry, no_logs)
    assert "--training: contains no run.json" in run(capsys, "verify", entry)[1]
    refused(capsys, entry, toy, "contains no run.json, so its training settings are unknown")
    refused(capsys, entry, toy, "contains no run.json", "--training")


def test_weights_from_elsewhere_must_be_those_of_the_result(
    entry: Path, toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "w").mkdir()
    for path in entry.glob("weights-*"):
        path.rename(tmp_path / "w" / path.name)
    refused(capsys, entry, toy, "weights-seed0.safetensors: no such file")
    words = ("--inference", "--weights", tmp_path / "w")
    assert verify(capsys, entry, toy, *words)[0] == 0
    (entry / "verification.json").unlink()
    path = tmp_path / "w" / "weights-seed1.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    refused(capsys, entry, toy, "not the weights of the result: their SHA-256 differs", *words)


def test_changed_weights_in_the_entry_are_refused(
    entry: Path, toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = entry / "weights-seed0.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    refused(capsys, entry, toy, "the file was changed after the evaluation")


def swap(entry: Path, tensors: dict[str, torch.Tensor], reads: bool = True) -> Path:
    """Put other weights in the place of seed 0, with their SHA-256."""
    path = entry / "weights-seed0.safetensors"
    save_file(tensors, path, metadata={"note": "{}"})

    def change(result: dict[str, Any]) -> None:
        result["seeds"][0]["weights_sha256"] = file_sha256(path)

    return forge(entry, change, reads=reads)


def test_weights_of_another_seed_fail_by_their_answers(
    entry: Path, toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = swap(entry, load_file(entry / "weights-seed1.safetensors"))
    refused(
        capsys, forged, toy, "of the labels are equal to those of the entry; 99.9% are required"
    )
    code, out, _ = verify(capsys, forged, toy, "--inference", "--json")
    assert code == 1
    assert "seed 0: only" in json.loads(out)["failed"]


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        (
            "hidden.0",
            torch.zeros(12, 17),
            "hidden.0 is F32 [12, 17] instead of torch.float32 [12, 24]",
        ),
        ("hidden.0", torch.zeros(12, 24, dtype=torch.float64), "hidden.0 is F64"),
        ("hidden.0", torch.full((12, 24), torch.nan), "contains numbers that are not finite"),
        ("more", torch.zeros(1), "'more' is missing, or does not belong to this model"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_their_header(
    entry: Path,
    toy: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    tensor: torch.Tensor,
    message: str,
) -> None:
    tensors = load_file(entry / "weights-seed0.safetensors") | {name: tensor}
    refused(capsys, swap(entry, tensors, reads=False), toy, message)


def test_support_vectors_of_another_shape_are_refused(
    honest: Callable[[str], Path], toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = honest("svm")
    entry = Path(shutil.copytree(source, tmp_path / source.name))
    tensors = load_file(entry / "weights-seed0.safetensors")
    cut = tensors | {"coefficients": tensors["coefficients"][:, 1:].contiguous()}
    refused(capsys, swap(entry, cut, reads=False), toy, "do not match")
    narrow = tensors | {"support": tensors["support"][:, 1:].contiguous()}
    refused(capsys, swap(entry, narrow, reads=False), toy, "support is F64")
    fewer = cut | {"support": tensors["support"][1:].contiguous()}
    refused(capsys, swap(entry, fewer), toy, "parameters, the result records")


def forge_labels(entry: Path) -> Path:
    """Claim that everything was right, consistently."""
    result = json.loads((entry / "result.json").read_text())
    split = result["dataset"]["split"]
    for seed in result["seeds"]:
        path = entry / seed["predictions_file"]
        found = read_predictions(path)
        forged = Predictions(
            index=found.index, label=found.label, predicted=found.label, speaker=found.speaker
        )
        write_predictions(path, forged)
        right = np.ones(found.label.size, bool)
        low, high, method = speaker_interval(right, found.speaker)
        seen, unseen = speaker_groups(
            found.speaker, split["test_only_speakers"], split["validation_speakers"]
        )
        seed |= {
            "test_accuracy": accuracy(found.label, found.label),
            "confusion": confusion_matrix(found.label, found.label, 3).tolist(),
            "test_interval": {"low": low, "high": high, "method": method},
            "seen_accuracy": 1.0 if seen.any() else None,
            "unseen_accuracy": 1.0 if unseen.any() else None,
            "predictions_sha256": file_sha256(path),
        }
    first = result["seeds"][0]["test_interval"]
    low, high, method = summary_interval(np.ones(2), (first["low"], first["high"], first["method"]))
    result["summary"] |= {
        "test_mean": 1.0,
        "test_std": 0.0,
        "test_interval": {"low": low, "high": high, "method": method},
    }
    return forge(entry, lambda content: content.update(result))


def test_forged_labels_fail_both_checks(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = forge_labels(make_trained_entry(tmp_path / "weak", toy, "svm", seeds=2))
    refused(capsys, entry, toy, "of the labels are equal to those of the entry")
    refused(capsys, entry, toy, "outside the claimed interval 100.00% … 100.00%", "--training")


def test_a_configuration_that_does_not_make_these_weights_fails_by_its_training(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = make_trained_entry(tmp_path, toy, "lif", seeds=1)
    assert read_entry(entry).result.summary.test_mean == 1.0
    forge(
        entry,
        lambda result: None,
        lambda run: run["preset"]["training"].update(learning_rate=1e-12),
    )
    code, out, err = verify(capsys, entry, toy, "--inference", "--training")
    assert code == 1
    assert out.startswith("weights run again: mean test accuracy 100.00%")
    assert "--training: trained again, the mean test accuracy is 33.33%, outside" in err
    # What was passed stays, what was not is not written down.
    assert read_entry(entry).tier == "verified-inference"


def both(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], Path]:
    """Change the run of every seed, and the result so that reading does not notice."""
    return lambda entry: forge(entry, lambda result: None, change)


def table(name: str, **settings: object) -> Callable[[dict[str, Any]], None]:
    return lambda run: run["preset"][name].update(settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (table("model", hidden_units=[65536] * 3), "parameters, at most 20,000,000 are accepted"),
        (table("model", hidden_units=[1] * 2_000), "2,000 items in a list of the model's"),
        (table("model", hidden_units=["x"]), "model lif: hidden_units.0"),
        (table("model", tau_mem_ms=1e9), "time steps in a time constant"),
        (table("model", tau_mem_ms=10**400), "time steps in a time constant"),
        (table("input", time_step_ms=0.01, duration_ms=60_000), "6,000,000 time steps"),
        (table("model", no_such_key=1), "model lif: no_such_key"),
    ],
)
def test_hostile_configurations_are_refused_before_they_are_built(
    entry: Path,
    toy: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, Any]], None],
    message: str,
) -> None:
    both(change)(entry)
    refused(capsys, entry, toy, message)
    refused(capsys, entry, toy, message, "--training")


def test_what_is_large_is_taken_where_it_is_asked_for(
    entry: Path, toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both(table("model", tau_readout_ms=1e6 * 2))(entry)
    refused(capsys, entry, toy, "use --large to accept more")
    refused(capsys, entry, toy, "model lif: tau_readout_ms", "--inference", "--large")


def test_memory_that_a_model_would_take_in_secret_is_bounded(
    toy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # 65,536 filters are few parameters and, at work, gigabytes.
    monkeypatch.setattr(reproduction, "MOST_MEMORY", 2**28)
    monkeypatch.setitem(SMALL, "cnn", [*SMALL["cnn"], "input.time_step_ms=1"])
    entry = make_trained_entry(tmp_path, toy, "cnn", seeds=1, epochs=1)
    wide = {"features.0.weight": (65536, 1, 3, 3), "features.4.weight": (4, 65536, 3, 3)}
    wide |= {
        f"features.1.{name}": (65536,) for name in ("weight", "bias", "running_mean", "running_var")
    }
    tensors = load_file(entry / "weights-seed0.safetensors")
    tensors |= {name: torch.ones(shape) for name, shape in wide.items()}
    swap(entry, tensors, reads=False)
    n = sum(t.numel() for name, t in tensors.items() if not re.search("running|num_batches", name))
    change = table("model", filters=[65536, 4, 4])
    forge(entry, lambda result: result["model"].update(parameters=n), change)
    refused(capsys, entry, toy, "cannot be run:")
    refused(capsys, entry, toy, "needs more memory than is available", "--training")


def test_a_path_that_the_entry_names_is_not_opened(
    entry: Path, toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both(lambda run: run.update(data="../../../../etc/passwd"))(entry)
    code, _, err = run(capsys, "verify", entry, "--inference", "--by", "A")
    assert code == 1
    assert "data 'toy' are not a registered data set; give their file with --data" in err
    assert "passwd" not in err
    assert verify(capsys, entry, toy, "--inference")[0] == 0


def test_other_data_are_refused(
    entry: Path, toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    renamed = Path(shutil.copy(toy, tmp_path / "renamed.h5"))
    assert verify(capsys, entry, renamed, "--inference", "--training")[0] == 0
    (entry / "verification.json").unlink()
    other = write_toy(tmp_path / "toy.h5", takes=5)
    refused(capsys, entry, other, "not the data of the result (toy): fingerprint differs")
    both(lambda run: run["dataset"]["split"].update(rule="another"))(entry)
    refused(capsys, entry, toy, "split differs")


def test_interrupted_training_goes_on_with_the_same_folder(
    entry: Path,
    toy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["verify", entry, "--data", toy, "--by", "A", "--training", "-o", tmp_path / "kept"]
    seen: list[int] = []

    def stopped(
        folder: Path, record: RunRecord, selection: SelectionData, device: str, report: Report
    ) -> RunRecord:
        def stop(epoch: Epoch, epochs: int) -> None:
            if record.seed == 1 and epoch.epoch == 2:
                raise KeyboardInterrupt
            report(epoch, epochs)

        return fit(folder, record, selection, device, stop)

    def counted(
        folder: Path, record: RunRecord, selection: SelectionData, device: str, report: Report
    ) -> RunRecord:
        def count(epoch: Epoch, epochs: int) -> None:
            seen.append(epoch.epoch)
            report(epoch, epochs)

        return fit(folder, record, selection, device, count)

    monkeypatch.setattr(training_session, "fit", stopped)
    code, _, err = run(capsys, *words)
    assert code == 130
    assert f"Resume with: spikebench verify {entry} --training --data {toy} -o" in err
    place = tmp_path / "kept" / f"again-{entry.name}"
    assert [read_run(place / f"seed{k}").status for k in (0, 1)] == ["trained", "training"]
    assert not (entry / "verification.json").exists()
    monkeypatch.setattr(training_session, "fit", counted)
    code, _, err = run(capsys, *words)
    assert code == 0
    assert seen == [3, 4, 5, 6]
    assert "training lif seed 1 on toy: 60 samples" in err
    (done,) = read_entry(entry).verifications
    assert (done.kind, [one.agreement for one in done.seeds]) == ("training", [1.0, 1.0])
    # What repeats it elsewhere: no place of this machine.
    where = f"leaderboard/entries/toy/{entry.name}"
    assert done.command == f"spikebench verify {where} --training --data {toy.name} --by A"
    assert read_run(place / "seed1").selected_on == "validation"


def test_usage_is_told(entry: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(capsys, "verify", entry, "-o", tmp_path / "x")[0] == 2
    code, _, err = run(capsys, "verify", tmp_path / "nowhere", "--inference")
    assert code == 1
    assert "nowhere: no such folder; give the folder of an entry" in err


def test_a_failed_verification_is_never_written(
    entry: Path, toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verify(capsys, entry, toy, "--inference")
    (good,) = read_entry(entry).verifications
    content = good.model_dump(mode="json")
    content["seeds"][1]["agreement"] = 0.9989
    bad = Verification.model_validate(content)
    with pytest.raises(ResultError, match=r"seed 1: only 99.89% .* nothing was written"):
        add_verification(entry, bad)
    assert read_entry(entry).verifications == (good,)
    content["seeds"][1]["agreement"] = 0.999
    assert why_failed(Verification.model_validate(content)) == ""
    content |= {"kind": "training", "mean": 0.41}
    content["claimed_interval"] |= {"low": 0.42, "high": 0.5}
    reason = why_failed(Verification.model_validate(content))
    assert "mean test accuracy is 41.00%, outside the claimed interval 42.00% … 50.00%" in reason
