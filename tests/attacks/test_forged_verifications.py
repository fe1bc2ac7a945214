"""Verifications that nobody trusted made: they count neither for the tier nor for a track, and pages say so."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.commands import run
from helpers.leaderboard_results import make_result
from helpers.toy import write_toy
from helpers.trained_entries import make_trained_entry
from helpers.verifications import claim_verification

from leaderboard.checks.recomputation import verify_result
from leaderboard.checks.signing import NAMESPACE, sign, signer_of
from leaderboard.claims.entry import StoredEntry, make_entry, read_entry, write_entry
from leaderboard.claims.reading import read_entries
from leaderboard.claims.tier import (
    Verification,
    add_verification,
    sign_verification,
    write_verifications,
)
from leaderboard.pages.entry_page import render_entry
from leaderboard.standings.ranking import build_boards
from leaderboard.standings.table import measured_rows
from spikebench.errors import ResultError

needs_ssh = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed"
)


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Move to another machine: another folder of data sets, trusted keys and own verifications."""

    def move(name: str) -> Path:
        folder = tmp_path / "machines" / name
        folder.mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv("SPIKEBENCH_DATA", str(folder))
        return folder

    move("first")
    return move


@pytest.fixture
def stored(tmp_path: Path) -> StoredEntry:
    result = verify_result(make_result(tmp_path / "result", seeds=2))
    entry = make_entry(result)
    folder = write_entry(tmp_path / "result", tmp_path / "entries", entry, result, overwrite=False)
    return read_entry(folder)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two SSH keys."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("maintainer", "other"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name]
        subprocess.run(words, check=True)
    return {name: folder / name for name in ("maintainer", "other")}


def trust(machine: Path, name: str, key: Path, options: str = f'namespaces="{NAMESPACE}"') -> None:
    public = key.with_suffix(".pub").read_text()
    (machine / "allowed_signers").write_text(f"# ours\n{name} {options} {public}")


def test_a_verification_counts_where_it_was_made_and_nowhere_else(
    stored: StoredEntry, machine: Callable[[str], Path]
) -> None:
    add_verification(stored.folder, claim_verification(stored))
    assert read_entry(stored.folder).tier == "verified-training"
    assert read_entry(stored.folder).trusted == ("this machine",)
    machine("second")
    after = read_entry(stored.folder)
    assert (after.tier, after.trusted) == ("recomputed", ("",))
    assert len(after.verifications) == 1


def test_a_verification_that_came_with_the_entry_admits_to_no_track(stored: StoredEntry) -> None:
    write_verifications(stored.folder, [claim_verification(stored)])
    after = read_entry(stored.folder)
    assert (after.tier, after.parameters_known) == ("recomputed", False)
    assert "constrained" not in after.tracks


def test_the_page_says_by_whose_word(stored: StoredEntry, machine: Callable[[str], Path]) -> None:
    write_verifications(stored.folder, [claim_verification(stored)])
    after = read_entry(stored.folder)
    shown = render_entry(after, _rows(after), "index.html")
    assert "Verified training (not trusted)" in shown
    assert "does not count here" in shown
    assert "Verified training</b>" not in shown
    (verified,) = _rows(after)[0].verified
    assert (verified.by, verified.trusted) == ("me", "")
    add_verification(stored.folder, claim_verification(stored))
    after = read_entry(stored.folder)
    assert "not needed: made on the machine" in render_entry(after, _rows(after), "index.html")


def _rows(stored: StoredEntry) -> list[Any]:
    return list(measured_rows(build_boards([stored])))


@needs_ssh
def test_a_signature_of_a_trusted_key_counts_everywhere(
    stored: StoredEntry, machine: Callable[[str], Path], keys: dict[str, Path]
) -> None:
    signed = sign_verification(claim_verification(stored), keys["maintainer"])
    write_verifications(stored.folder, [signed])
    assert read_entry(stored.folder).tier == "recomputed"  # the key is unknown here
    trust(machine("second"), "board@example.org", keys["maintainer"])
    after = read_entry(stored.folder)
    assert (after.tier, after.trusted) == ("verified-training", ("board@example.org",))
    assert "of board@example.org" in render_entry(after, _rows(after), "index.html")
    trust(machine("third"), "somebody", keys["other"])
    assert read_entry(stored.folder).trusted == ("",)


@needs_ssh
@pytest.mark.parametrize(
    ("options", "counts"),
    [
        (f'namespaces="{NAMESPACE}"', True),
        ("", True),
        ('namespaces="git,file"', False),
        (f'namespaces="{NAMESPACE}",valid-before="20260203"', False),
        (f'namespaces="{NAMESPACE}",valid-before="20260204"', True),
        (f'namespaces="{NAMESPACE}",valid-after="20260203040507"', False),
        (f'namespaces="{NAMESPACE}",valid-after="20260203040506"', True),
    ],
)
def test_a_key_counts_for_its_purpose_and_time(
    stored: StoredEntry,
    machine: Callable[[str], Path],
    keys: dict[str, Path],
    options: str,
    counts: bool,
) -> None:
    write_verifications(
        stored.folder, [sign_verification(claim_verification(stored), keys["maintainer"])]
    )
    trust(machine("second"), "board", keys["maintainer"], options)
    assert read_entry(stored.folder).trusted == ("board" if counts else "",)


@needs_ssh
def test_a_signature_is_of_this_verification_alone(
    stored: StoredEntry, machine: Callable[[str], Path], keys: dict[str, Path], tmp_path: Path
) -> None:
    trust(machine("second"), "board", keys["maintainer"])
    signed = sign_verification(claim_verification(stored, "inference"), keys["maintainer"])
    changes: list[dict[str, Any]] = [
        {"kind": "training"},
        {"by": "somebody else"},
        {"when": "2026-02-03T04:05:07+00:00"},
        {"environment": {"device": "cuda"}},
        {"mean": signed.mean + 1e-12},
        {"result_sha256": "0" * 64},
    ]
    for change in changes:
        other = signed.model_copy(update=change)
        assert signer_of(other.signed_text, other.signature or "", other.when) == ""
    assert signer_of(signed.signed_text, signed.signature or "", signed.when) == "board"
    # A signature for another purpose, such as a commit of git, is none of a verification.
    words = ["ssh-keygen", "-Y", "sign", "-f", keys["maintainer"], "-n", "git"]
    commit = subprocess.run(words, input=signed.signed_text, capture_output=True, check=True)
    assert signer_of(signed.signed_text, commit.stdout.decode(), signed.when) == ""


@needs_ssh
def test_a_damaged_signature_counts_for_nothing(
    machine: Callable[[str], Path], keys: dict[str, Path], rng: np.random.Generator
) -> None:
    trust(machine("second"), "board", keys["maintainer"])
    when = "2026-02-03T04:05:06+00:00"
    whole = sign(b"text", keys["maintainer"])
    assert signer_of(b"text", whole, when) == "board"
    for place in rng.integers(30, len(whole) - 31, 30):
        letter = str(rng.choice(list("AZaz09+/=")))
        damaged = whole[:place] + letter + whole[place + 1 :]
        if _decoded(damaged) != _decoded(whole):
            assert signer_of(b"text", damaged, when) == "", damaged


def _decoded(signature: str) -> bytes:
    return base64.b64decode("".join(signature.splitlines()[1:-1]))


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "mine",
        "-----BEGIN SSH SIGNATURE-----\n",
        "-----BEGIN SSH SIGNATURE-----\n<script>\n-----END SSH SIGNATURE-----\n",
        "-----BEGIN SSH SIGNATURE-----\n" + "A" * 10_000 + "\n-----END SSH SIGNATURE-----\n",
    ],
)
def test_a_signature_that_cannot_be_one_fails_the_entry(
    stored: StoredEntry, signature: str
) -> None:
    content = claim_verification(stored).model_dump(mode="json") | {"signature": signature}
    (stored.folder / "verification.json").write_text(json.dumps({"verifications": [content]}))
    with pytest.raises(ResultError, match=r"verification\.json: .*signature"):
        read_entry(stored.folder)


@needs_ssh
def test_passed_checks_are_forgotten_when_the_trusted_keys_change(
    stored: StoredEntry, machine: Callable[[str], Path], keys: dict[str, Path]
) -> None:
    from leaderboard.checks import memory

    write_verifications(
        stored.folder, [sign_verification(claim_verification(stored), keys["maintainer"])]
    )
    entries = stored.folder.parent.parent
    folder = machine("second")
    seen = []
    for trusted in ("maintainer", "maintainer", "other"):
        trust(folder, "board", keys[trusted])
        memory.surroundings.cache_clear()  # as a new process
        (one,) = read_entries([entries], use_memory=True)
        seen.append((one.tier, one.trusted))
    assert seen == [("verified-training", ("board",))] * 2 + [("recomputed", ("",))]
    memory.surroundings.cache_clear()


def test_a_signature_without_ssh_is_the_verifiers_word(
    stored: StoredEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"
    content = claim_verification(stored).model_copy(update={"signature": text})
    write_verifications(stored.folder, [content])
    monkeypatch.setenv("PATH", "")
    assert read_entry(stored.folder).trusted == ("",)
    with pytest.raises(ResultError, match="ssh-keygen is not installed"):
        sign(b"", stored.folder)


@needs_ssh
def test_verify_signs_and_says_where_it_counts(
    machine: Callable[[str], Path],
    keys: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    toy = write_toy(tmp_path / "toy.h5")
    entry = make_trained_entry(tmp_path / "svm", toy, "svm", seeds=1)

    def verify(*words: object) -> tuple[int, str, str]:
        return run(capsys, "verify", entry, "--data", toy, "--by", "A", "--quiet", *words)

    # A key that does not work is found before anything is run.
    (tmp_path / "no-key").write_text("mine")
    code, out, err = verify("--inference", "--sign", tmp_path / "no-key")
    assert (code, out) == (1, "")
    assert err.startswith(f"spikebench: {tmp_path / 'no-key'}: cannot sign with it: ")
    assert len(err.splitlines()) == 1
    assert verify("--sign", keys["maintainer"])[0] == 2
    assert not (entry / "verification.json").exists()

    code, out, _ = verify("--inference")
    assert code == 0
    assert "Not signed (--sign KEY): the verification counts on this machine only." in out
    assert "made on this machine" in verify()[1]
    code, out, _ = verify("--inference", "--sign", keys["maintainer"])
    assert code == 0
    assert "is not among the allowed signers here" in out
    (one,) = read_entry(entry).verifications
    assert "BEGIN SSH SIGNATURE" in (one.signature or "")
    assert "maintainer" not in (entry / "verification.json").read_text().replace(
        one.signature or "", ""
    )
    folder = machine("second")
    assert "not trusted (no signature of a trusted key)" in verify()[1]
    trust(folder, "board", keys["maintainer"])
    assert "signed by board" in verify()[1]
    said = json.loads(verify("--json")[1])
    assert (said["tier"], said["trusted"]) == ("verified-inference", {"inference": "board"})
    code, out, _ = verify("--inference", "--sign", keys["maintainer"])
    assert (code, "counts on this machine" in out) == (0, False)


def test_no_key_is_trusted_that_is_not_in_the_repository() -> None:
    """A key in the package's own file must be that of a person, with a name and this purpose alone."""
    import leaderboard

    text = Path(leaderboard.__file__).with_name("allowed_signers").read_text()
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            assert f'namespaces="{NAMESPACE}"' in line
            assert "cert-authority" not in line


def test_every_part_of_a_verification_is_signed(stored: StoredEntry) -> None:
    said = json.loads(claim_verification(stored).signed_text)
    assert set(said) == set(Verification.model_fields) - {"signature"}
    one = replace(stored, verifications=(claim_verification(stored),))
    assert one.trusted == ("",)
