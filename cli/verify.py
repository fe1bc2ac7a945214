"""``spikebench verify``: repeat the inference or the training of a leaderboard entry."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.shared.device import training_device

if TYPE_CHECKING:
    from leaderboard.claims.entry import StoredEntry
    from leaderboard.claims.tier import Verification
    from leaderboard.claims.verifying import Kind
    from spikebench.evaluation.verification import Claim
    from spikebench.protocol.results import Predictions
    from spikebench.training.run_record import RunRecord


@click.command()
@click.argument("entry", type=click.Path(path_type=Path))
@click.option("--inference", is_flag=True, help="Run its weights again on the test split.")
@click.option("--training", is_flag=True, help="Train every seed again from its configuration.")
@click.option(
    "--data", metavar="NAME|FILE.h5", help="Its data, if they are not a registered data set."
)
@click.option(
    "--audio",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the recordings of its data, for an entry on audio (mel_…).",
)
@click.option(
    "--model",
    metavar="FILE.py:CLASS",
    help="For an entry with a network of its authors: the file of the network, whose code is then RUN. It must have "
    "the SHA-256 recorded in the entry.",
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
    help="Keep the runs of --training here; the same command resumes them.",
)
@click.option("--by", default="", help="Name of the verifier.  [default: git's user.name]")
@click.option(
    "--sign",
    "key",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Sign the verification with this SSH key (a public key's file if an agent holds the private one).",
)
@training_device
@click.option("--large", is_flag=True, help="Accept models and inputs beyond the usual bounds.")
@click.option("--quiet", is_flag=True, help="Print only errors and the outcome.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def verify(
    entry: Path,
    inference: bool,
    training: bool,
    data: str | None,
    audio: Path | None,
    model: str | None,
    weights: Path | None,
    output: Path | None,
    by: str,
    key: Path | None,
    device: str,
    large: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Check ENTRY, the folder of a leaderboard entry, and raise its tier.

    Everything that follows from its predictions is recomputed. Without --inference and --training nothing else is
    done; the command prints the tier of the entry and how to raise it.

    --inference runs its weights again on the test split: at least 99.9 % of the labels of every seed must be those
    of the entry, and its costs must be reproduced. --training trains every seed again and tests it
    once: the mean must lie in the claimed interval. Entries of `continual` and `prune` have no weights and can be
    trained again; those of `fewshot` and `substrate` do not state their whole training and are refused.

    A passed verification is written to the entry: verifier, time, software and hardware. On other machines it raises
    the tier only if it is signed (--sign) by a key that the leaderboard there trusts.

    Nothing in an entry is executed or unpickled, and no path that it contains is opened. Data are found by a registered
    name or with --data, and must have the fingerprint (of older results: the SHA-256), classes and split of the result.

    A network of the authors' own (docs/own_model.md) is in a file that is not part of the entry, which records only its
    name and SHA-256. Get the file, read it, and name it with --model FILE.py:CLASS.

    Exit code 1: a check failed; a failed check is not written to the entry.
    """
    from cli.shared.study_again import refuse_study, train_study
    from leaderboard.checks.logs import read_logs
    from leaderboard.checks.signing import sign
    from leaderboard.claims.entry import read_entry
    from leaderboard.claims.tier import (
        THIS_MACHINE,
        add_verification,
        sign_verification,
        why_failed,
    )
    from leaderboard.claims.verifying import NO_LOGS, make_verification
    from spikebench.errors import ResultError
    from spikebench.evaluation.final_test import describe_environment
    from spikebench.evaluation.verification import costs_differ, open_claim, run_weights
    from spikebench.protocol.opening import open_test
    from spikebench.training.inference import find_device

    if output is not None and not training:
        raise click.UsageError("-o keeps the runs of --training; leave it out without --training")
    if key is not None and not (inference or training):
        raise click.UsageError("--sign signs what --inference or --training verifies; give one")
    stored = read_entry(entry)
    kinds: list[Kind] = ["inference"] if inference else []
    kinds += ["training"] if training else []
    if not kinds:
        _print_state(stored, as_json)
        return
    find_device(device)
    if key is not None:
        sign(b"", key)  # a key that does not work is found before hours of training, not after
    _load_own(stored, model)
    claim = None
    if stored.result.study is not None:
        refuse_study(stored, kinds, audio, weights, device)
    else:
        logs = read_logs(entry)
        if not logs:
            raise ResultError(f"{entry}: {NO_LOGS}")
        claim = open_claim(stored.result, logs, data, audio)
    place = weights or entry
    passed: list[Verification] = []
    for kind in kinds:
        if kind == "inference":
            assert claim is not None  # a study has no weights
            test = open_test(claim.selection)
            answers = run_weights(claim, test, place, device, large=large)
        else:
            go_on = ""
            if output:
                go_on = _go_on(entry, data, audio, model, output, by, key, device, large)
            with _folder(output) as folder:
                if claim is None:
                    answers = train_study(stored, folder, data, go_on, large=large, quiet=quiet)
                else:
                    answers = _train(claim, stored, folder, device, large, quiet, go_on)
        verification = make_verification(
            stored,
            kind,
            answers,
            by=_who(by),
            command=_command(stored, kind, data, audio, model, by, device, large),
            environment=describe_environment(device),
        )
        reason = why_failed(verification)
        if kind == "inference" and claim is not None and not reason:
            reason = costs_differ(claim, test, place, answers, device, large=large)
        if reason:
            if as_json:
                click.echo(_as_json(stored, passed, reason))
            raise ResultError(f"{entry}: --{kind}: {reason}; the entry is unchanged")
        if key is not None:
            verification = sign_verification(verification, key)
        add_verification(entry, verification)
        passed.append(verification)
        if not as_json:
            _print_outcome(verification)
    if as_json:
        click.echo(_as_json(read_entry(entry), passed, ""))
    else:
        after = read_entry(entry)
        if any(why in ("", THIS_MACHINE) for why in after.trusted):
            click.echo(_elsewhere(key is not None))
        click.echo(f"{entry} is now: {after.tier}")


def _load_own(stored: StoredEntry, model: str | None) -> None:
    """Run the file of a network that its authors wrote, if the user names it and it is that of the entry."""
    from cli.shared.own_code import own_code
    from leaderboard.claims.verifying import code_needed
    from spikebench.errors import ResultError

    claimed = stored.result.model
    if claimed.code_sha256 is None:
        if model is not None:
            raise click.UsageError("the model of the entry is built in; leave out --model")
        return
    if model is None:
        raise ResultError(f"{stored.folder}: {code_needed(claimed.name, claimed.code_sha256)}")
    expected = claimed.name.rpartition(":")[2], claimed.code_sha256
    code = own_code(model, expected[1])
    if code is None or (code.name.rpartition(":")[2], code.sha256) != expected:
        raise ResultError(f"{model}: not the network of the entry, {claimed.name}")


def _elsewhere(signed: bool) -> str:
    """Say why a verification counts on this machine alone."""
    if signed:
        return (
            "Signed; the key is not among the allowed signers here: the verification counts on this machine, and where "
            "the key is trusted."
        )
    return "Not signed (--sign KEY): the verification counts on this machine only."


def _train(
    claim: Claim,
    stored: StoredEntry,
    folder: Path,
    device: str,
    large: bool,
    quiet: bool,
    go_on: str,
) -> list[Predictions]:
    """Train every seed again, with progress; ``go_on`` is the command that resumes it, if the runs are kept."""
    from cli.shared.training_session import resume_hint, run_training
    from spikebench.evaluation.verification import train_again

    def train(place: Path, record: RunRecord) -> None:
        run_training(place, record, claim.selection, device, quiet)

    # A separate folder: existing runs of other commands must not be resumed here.
    folder = folder / f"again-{stored.entry.id}"
    with resume_hint(go_on) if go_on else contextlib.nullcontext():
        return train_again(claim, folder, train, go_on, device, large=large)


@contextlib.contextmanager
def _folder(output: Path | None) -> Iterator[Path]:
    if output is not None:
        yield output
        return
    from spikebench.store.folder import temporary_folder

    with temporary_folder("verify") as folder:
        yield folder


def _who(by: str) -> str:
    """Return the name of the verifier: the option, else git's user.name; never the login name."""
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
    raise click.UsageError("the name of the verifier is unknown: give it with --by NAME")


def _command(
    stored: StoredEntry,
    kind: Kind,
    data: str | None,
    audio: Path | None,
    model: str | None,
    by: str,
    device: str,
    large: bool,
) -> str:
    """Return the command that repeats it elsewhere: files by their names, without local folders."""
    from spikebench.records.text import printable

    entry = f"leaderboard/entries/{stored.entry.dataset}/{stored.entry.id}"
    words = ["spikebench", "verify", entry, f"--{kind}"]
    words += ["--data", Path(data).name] if data else []
    words += ["--audio", audio.name] if audio else []
    words += ["--model", Path(model).name] if model else []
    words += ["--by", by] if by else []
    words += ["--device", device] if device != "cpu" else []
    return printable(shlex.join([*words, *(["--large"] if large else [])]))


def _go_on(
    entry: Path,
    data: str | None,
    audio: Path | None,
    model: str | None,
    output: Path,
    by: str,
    key: Path | None,
    device: str,
    large: bool,
) -> str:
    """Return the command that resumes an interrupted training here."""
    from spikebench.records.text import printable

    words = ["spikebench", "verify", str(entry), "--training"]
    words += ["--data", data] if data else []
    words += ["--audio", str(audio)] if audio else []
    words += ["--model", model] if model else []
    words += ["-o", str(output)]
    words += ["--by", by] if by else []
    words += ["--sign", str(key)] if key else []
    words += ["--device", device] if device != "cpu" else []
    return printable(shlex.join([*words, *(["--large"] if large else [])]))


def _print_outcome(verification: Verification) -> None:
    done = {"inference": "weights run again", "training": "trained again"}[verification.kind]
    interval = verification.claimed_interval
    worst = min(one.agreement for one in verification.seeds)
    click.echo(
        f"{done}: mean test accuracy {verification.mean:.2%}, claimed {interval.low:.2%} … {interval.high:.2%}; "
        f"at least {worst:.2%} of the labels of a seed are equal"
    )


def _print_state(stored: StoredEntry, as_json: bool) -> None:
    """Print the tier of an entry, and how to raise it."""
    from leaderboard.claims.tier import TIERS
    from leaderboard.claims.verifying import find_lacks

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
    if stored.entry.hardware and stored.entry.hardware.contradiction:
        click.echo(f"  measurement: {stored.entry.hardware.contradiction}")
    done = {one.kind: one for one in stored.verifications}
    for kind, reason in find_lacks(stored).items():
        if kind in done:
            click.echo(
                f"  --{kind}: passed {done[kind].when[:10]}, by {done[kind].by}; {_trust(stored, kind)}"
            )
        else:
            click.echo(f"  --{kind}: {reason or 'not done yet; can be done'}")


def _trust(stored: StoredEntry, kind: Kind) -> str:
    """Say why a verification counts here, or that it does not."""
    from leaderboard.claims.tier import THIS_MACHINE

    kinds = [one.kind for one in stored.verifications]
    why = stored.trusted[kinds.index(kind)]
    if not why:
        return "not trusted (no signature of a trusted key), so it does not count"
    return "made on this machine" if why == THIS_MACHINE else f"signed by {why}"


def _as_json(stored: StoredEntry, verifications: list[Verification], failed: str) -> str:
    from leaderboard.claims.verifying import find_lacks

    said = {
        "entry": str(stored.folder),
        "tier": stored.tier,
        "failed": failed or None,
        "contradiction": stored.entry.hardware.contradiction or None
        if stored.entry.hardware
        else None,
        "lacks": {kind: reason or None for kind, reason in find_lacks(stored).items()},
        "verifications": [one.model_dump(mode="json") for one in verifications],
        "trusted": dict(
            zip((one.kind for one in stored.verifications), stored.trusted, strict=True)
        ),
    }
    return json.dumps(said, ensure_ascii=False, indent=2)
