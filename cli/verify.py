"""``spikebench verify``: check an entry further than its predictions reach."""

from __future__ import annotations

import contextlib
import json
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from leaderboard.claims.entry import StoredEntry
    from leaderboard.claims.tier import Verification
    from spikebench.protocol.opening import SelectionData
    from spikebench.protocol.results import Predictions
    from spikebench.training.run_record import RunRecord

Kind = Literal["inference", "training"]


@click.command()
@click.argument("entry", type=click.Path(path_type=Path))
@click.option("--inference", is_flag=True, help="Run its weights again on the test split.")
@click.option("--training", is_flag=True, help="Train every seed again from its configuration.")
@click.option(
    "--data", metavar="NAME|FILE.h5", help="Where its data are, if they are no registered data set."
)
@click.option(
    "--weights",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of its weights, if they are not in the entry.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the runs of --training here; the same command goes on with them.",
)
@click.option("--by", default="", help="Who verifies.  [default: git's user.name, else the user]")
@click.option("--device", default="cpu", show_default=True, type=click.Choice(["cpu", "cuda"]))
@click.option("--large", is_flag=True, help="Take models and inputs beyond the usual bounds.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors and what came out.")
@click.option("--json", "as_json", is_flag=True, help="Say what came out as JSON.")
def verify(
    entry: Path,
    inference: bool,
    training: bool,
    data: str | None,
    weights: Path | None,
    output: Path | None,
    by: str,
    device: str,
    large: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Check ENTRY, the folder of a leaderboard entry, and raise its tier.

    Everything that follows from its predictions is recomputed. Without an option that is all; it says the tier of
    the entry, and what would raise it.

    --inference runs its weights again on the test split: at least 99.9 % of the labels of every seed must be those
    of the entry, and the costs that it claims must be measured again. --training trains every seed again and tests it
    once: the mean must lie in the claimed interval.

    What was passed is written into the entry: who, when, with which software and hardware.

    Nothing of an entry is executed or unpickled, and no path that it names is opened. Data are found by a registered
    name or with --data, and must have the fingerprint (of older results: the SHA-256), classes and split of the result.

    Exit code 1: a check failed, and is not written down.
    """
    from leaderboard.checks.logs import read_logs
    from leaderboard.claims.entry import read_entry
    from leaderboard.claims.tier import add_verification, why_failed
    from spikebench.errors import ResultError
    from spikebench.evaluation.reproduction import open_claimed
    from spikebench.training.inference import find_device

    if output is not None and not training:
        raise click.UsageError("-o keeps the runs of --training")
    stored = read_entry(entry)
    kinds: list[Kind] = ["inference"] if inference else []
    kinds += ["training"] if training else []
    if not kinds:
        _tell(stored, as_json)
        return
    find_device(device)
    logs = read_logs(entry)
    if not logs:
        raise ResultError(f"{entry}: {_NO_LOGS}")
    selection = open_claimed(stored.result.dataset, data)
    runs = [
        log.run.model_copy(update={"dataset": selection.dataset, "data": selection.data})
        for log in logs
    ]
    passed: list[Verification] = []
    for kind in kinds:
        command = _command(stored, kind, data, by, device, large)
        if kind == "inference":
            answers = _answer(stored, runs, selection, weights or entry, device, large)
        else:
            with _folder(output) as folder:
                go_on = _go_on(entry, data, output, by, device, large) if output else ""
                answers = _train(stored, runs, selection, folder, device, large, quiet, go_on)
        verification = _verification(stored, kind, answers, _who(by), command, device)
        reason = why_failed(verification)
        if kind == "inference" and not reason:
            place = weights or entry
            reason = _check_costs(stored, runs, selection, place, answers, device, large)
        if reason:
            if as_json:
                click.echo(_as_json(stored, passed, reason))
            raise ResultError(f"{entry}: --{kind}: {reason}; it is not written down")
        add_verification(entry, verification)
        passed.append(verification)
        if not as_json:
            _say(verification)
    if as_json:
        click.echo(_as_json(read_entry(entry), passed, ""))
    else:
        click.echo(f"{entry} is now: {read_entry(entry).tier}")


_NO_LOGS = (
    "holds no run.json, so how it was trained is not known here and it cannot be run again; entries of results that "
    "this version's `spikebench evaluate` wrote have one"
)


def _answer(
    stored: StoredEntry,
    runs: list[RunRecord],
    selection: SelectionData,
    folder: Path,
    device: str,
    large: bool,
) -> list[Predictions]:
    """Let the weights of every seed answer the test split."""
    from spikebench.errors import ResultError
    from spikebench.evaluation.reproduction import answer_again
    from spikebench.protocol.opening import open_test
    from spikebench.records.whole_files import file_sha256, plain_file

    result = stored.result
    paths = []
    for record in result.seeds:
        if record.weights_file is None:
            raise ResultError(f"{stored.folder}, seed {record.seed}: the result names no weights")
        try:
            path = plain_file(folder, record.weights_file)
        except ResultError as error:
            raise ResultError(
                f"{str(error).partition(';')[0]}; --weights FOLDER says where the weights are"
            ) from None
        if file_sha256(path) != record.weights_sha256:
            raise ResultError(f"{path}: not the weights of the result: their SHA-256 is another")
        paths.append(path)
    test = open_test(selection)
    return [
        answer_again(path, run, result.model, test, device, large=large)
        for path, run in zip(paths, runs, strict=True)
    ]


def _check_costs(
    stored: StoredEntry,
    runs: list[RunRecord],
    selection: SelectionData,
    folder: Path,
    answers: list[Predictions],
    device: str,
    large: bool,
) -> str:
    """Measure again what the entry says of its cost; the first difference, or nothing."""
    from spikebench.evaluation.reproduction import measure_again
    from spikebench.protocol.opening import open_test

    test = open_test(selection)
    for run, record, said in zip(runs, stored.result.seeds, answers, strict=True):
        path = folder / str(record.weights_file)
        if odd := measure_again(path, run, record, test, said.predicted, device, large=large):
            return f"seed {record.seed}: {odd}"
    return ""


def _train(
    stored: StoredEntry,
    runs: list[RunRecord],
    selection: SelectionData,
    folder: Path,
    device: str,
    large: bool,
    quiet: bool,
    go_on: str,
) -> list[Predictions]:
    """Train and select every seed again, then test it; ``go_on`` takes it up, if anything is kept."""
    from cli.shared.training_session import run_training, say_interrupted
    from spikebench.errors import ResultError
    from spikebench.evaluation.final_test import evaluate
    from spikebench.evaluation.reproduction import bounded_memory, check_size
    from spikebench.protocol.results import read_predictions
    from spikebench.training.loop import start_run

    first = runs[0]
    if any((run.preset, run.refit) != (first.preset, first.refit) for run in runs):
        raise ResultError(f"{stored.folder}: its seeds were trained with different settings")
    samples = len(selection.train) + (len(selection.validation) if first.refit else 0)
    check_size(first, stored.result.model, samples, large=large)
    # A folder of its own: runs that somebody else trained must not be taken up here.
    folder = folder / f"again-{stored.entry.id}"
    again = [folder / f"seed{run.seed}" for run in runs]
    with bounded_memory(large, device):
        with say_interrupted(go_on) if go_on else contextlib.nullcontext():
            for run, place in zip(runs, again, strict=True):
                record = start_run(
                    *(place, run.model, run.preset, selection, run.seed, device), refit=run.refit
                )
                run_training(place, record, selection, device, quiet)
        result = evaluate(again, selection, folder / "result", go_on, device)
    return [read_predictions(folder / "result" / seed.predictions_file) for seed in result.seeds]


@contextlib.contextmanager
def _folder(output: Path | None) -> Iterator[Path]:
    if output is not None:
        yield output
        return
    with tempfile.TemporaryDirectory(prefix="spikebench-verify-") as folder:
        yield Path(folder)


def _verification(
    stored: StoredEntry,
    kind: Kind,
    answers: list[Predictions],
    who: str,
    command: str,
    device: str,
) -> Verification:
    from datetime import UTC, datetime

    from pydantic import ValidationError

    from leaderboard.claims.tier import SeedCheck, Verification
    from spikebench import __version__
    from spikebench.errors import ResultError
    from spikebench.evaluation.final_test import describe_environment
    from spikebench.evaluation.reproduction import agreement
    from spikebench.metrics.classification import accuracy
    from spikebench.protocol.results import read_predictions
    from spikebench.records.strict_json import first_problem

    checks = []
    for record, found in zip(stored.result.seeds, answers, strict=True):
        claimed = read_predictions(stored.folder / record.predictions_file)
        checks.append(
            SeedCheck(
                seed=record.seed,
                accuracy=accuracy(found.label, found.predicted),
                agreement=agreement(claimed, found),
            )
        )
    try:
        return Verification(
            kind=kind,
            by=who,
            when=datetime.now(UTC).isoformat(timespec="seconds"),
            software=f"spikebench {__version__}",
            environment=describe_environment(device),
            command=command,
            data_sha256=stored.result.dataset.sha256,
            result_sha256=stored.entry.result_sha256,
            seeds=checks,
            mean=sum(check.accuracy for check in checks) / len(checks),
            claimed_interval=stored.result.summary.test_interval,
        )
    except ValidationError as error:
        raise ResultError(f"the verification's {first_problem(error)}") from None


def _who(by: str) -> str:
    """Name who verifies: as told, else as git knows them, else as the system does."""
    import getpass
    import subprocess

    if by:
        return by
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        asked = subprocess.run(
            ["git", "config", "--get", "user.name"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
        if name := asked.stdout.strip():
            return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        raise click.UsageError("say who verifies with --by NAME") from None


def _command(
    stored: StoredEntry, kind: Kind, data: str | None, by: str, device: str, large: bool
) -> str:
    """Tell what repeats it elsewhere: files by their names, not by where they lie here."""
    from spikebench.records.text import printable

    entry = f"leaderboard/entries/{stored.entry.dataset}/{stored.entry.id}"
    words = ["spikebench", "verify", entry, f"--{kind}"]
    words += ["--data", Path(data).name] if data else []
    words += ["--by", by] if by else []
    words += ["--device", device] if device != "cpu" else []
    return printable(shlex.join([*words, *(["--large"] if large else [])]))


def _go_on(entry: Path, data: str | None, output: Path, by: str, device: str, large: bool) -> str:
    """Tell the command that takes up an interrupted training here."""
    from spikebench.records.text import printable

    words = ["spikebench", "verify", str(entry), "--training"]
    words += ["--data", data] if data else []
    words += ["-o", str(output)]
    words += ["--by", by] if by else []
    words += ["--device", device] if device != "cpu" else []
    return printable(shlex.join([*words, *(["--large"] if large else [])]))


def _say(verification: Verification) -> None:
    done = {"inference": "weights run again", "training": "trained again"}[verification.kind]
    interval = verification.claimed_interval
    worst = min(one.agreement for one in verification.seeds)
    click.echo(
        f"{done}: mean test accuracy {verification.mean:.2%}, claimed {interval.low:.2%} … {interval.high:.2%}; "
        f"at least {worst:.2%} of the labels of a seed are equal"
    )


def _tell(stored: StoredEntry, as_json: bool) -> None:
    """Say how far an entry was checked, and what would raise it."""
    from leaderboard.claims.tier import TIERS

    if as_json:
        click.echo(_as_json(stored, list(stored.verifications), ""))
        return
    summary = stored.result.summary
    click.echo(
        f"{stored.entry.id}: {stored.tier} ({TIERS[stored.tier]})\n"
        f"  {len(stored.result.seeds)} seeds, mean test accuracy {summary.test_mean:.2%}, "
        f"{summary.test_interval.low:.2%} … {summary.test_interval.high:.2%}: follow from the predictions"
    )
    if stored.result.is_refitted:
        click.echo("  refitted: trained again with the validation speakers included")
    done = {one.kind: one for one in stored.verifications}
    for kind, reason in _open(stored).items():
        if kind in done:
            click.echo(f"  --{kind}: passed {done[kind].when[:10]}, by {done[kind].by}")
        else:
            click.echo(f"  --{kind}: {reason or 'not done yet, can be'}")


def _open(stored: StoredEntry) -> dict[Kind, str]:
    """Say what each kind of verification lacks; empty where it can be done."""
    from leaderboard.checks.logs import LOGS_FILE

    if not (stored.folder / LOGS_FILE).is_file():
        return {"inference": _NO_LOGS, "training": _NO_LOGS}
    names = [record.weights_file for record in stored.result.seeds]
    if None in names:
        lacks = "the result names no weights"
    elif all((stored.folder / str(name)).is_file() for name in names):
        lacks = ""
    else:
        lacks = "its weights are not in the entry; --weights FOLDER says where they are"
    return {"inference": lacks, "training": ""}


def _as_json(stored: StoredEntry, verifications: list[Verification], failed: str) -> str:
    said = {
        "entry": str(stored.folder),
        "tier": stored.tier,
        "failed": failed or None,
        "lacks": {kind: reason or None for kind, reason in _open(stored).items()},
        "verifications": [one.model_dump(mode="json") for one in verifications],
    }
    return json.dumps(said, ensure_ascii=False, indent=2)
