"""Signatures of verifications, by SSH keys, and the verifications that were made on this machine.

A verification is evidence for somebody else only if it is signed by a key that they trust: those in
``leaderboard/allowed_signers`` of this program, and those in ``allowed_signers`` beside the data sets
(``$SPIKEBENCH_DATA``, else the user's cache). Both have the format of ``ssh-keygen`` (ALLOWED SIGNERS in its manual);
signatures have the namespace ``spikebench-verification``. Unsigned verifications count on the machine that made them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

from spikebench.errors import ResultError
from spikebench.records.text import printable
from spikebench.records.whole_files import write_text
from spikebench.store.folder import data_root, temporary_folder

__all__ = ["NAMESPACE", "is_own", "remember_own", "sign", "signer_of", "trusted_keys"]

NAMESPACE = "spikebench-verification"
FILE = "allowed_signers"
OWN_FOLDER = "own-verifications"
_SECONDS = 60  # a signature, with the time to type a passphrase or to touch a hardware key


def sign(message: bytes, key: Path) -> str:
    """Sign a message.

    Parameters
    ----------
    message
        What is signed.
    key
        File of a private SSH key, or of a public one whose private key an SSH agent holds. ``ssh-keygen`` asks for a
        passphrase in the terminal.

    Returns
    -------
    str
        The signature, armoured.

    Raises
    ------
    ResultError
        If ``ssh-keygen`` is not installed, or cannot sign with this key.
    """
    words = ["ssh-keygen", "-Y", "sign", "-f", str(key.absolute()), "-n", NAMESPACE]
    try:
        done = subprocess.run(  # noqa: S603 - an absolute path is no option
            words, input=message, capture_output=True, check=False, timeout=_SECONDS
        )
    except FileNotFoundError:
        raise ResultError("ssh-keygen is not installed; it signs verifications") from None
    except subprocess.TimeoutExpired:
        raise ResultError(f"{key}: no signature within {_SECONDS} s") from None
    if done.returncode:
        reasons = done.stderr.decode(errors="replace").splitlines()
        reason = next((line for line in reversed(reasons) if line.strip()), "ssh-keygen failed")
        raise ResultError(f"{key}: cannot sign with it: {printable(reason.strip())}")
    return done.stdout.decode("ascii")


def signer_of(message: bytes, signature: str, when: str) -> str:
    """Find who signed a message.

    Parameters
    ----------
    message
        What was signed.
    signature
        The armoured signature.
    when
        Time of the signature, ISO 8601 in UTC; keys can be limited in time.

    Returns
    -------
    str
        The signer's name (a principal) in the files of allowed signers; empty if the signature does not match, is by
        another key, or cannot be checked because ``ssh-keygen`` is not installed.
    """
    keys = trusted_keys()
    if not keys.strip() or shutil.which("ssh-keygen") is None:
        return ""
    with temporary_folder("signature") as temporary:
        allowed, signed = temporary / FILE, temporary / "signature"
        allowed.write_bytes(keys)
        signed.write_text(signature, encoding="utf-8")
        at = datetime.fromisoformat(when).strftime("%Y%m%d%H%M%S")
        files = ["-f", str(allowed), "-s", str(signed), f"-Overify-time={at}"]
        found = _ask(["find-principals", *files], message)
        for name in found.decode(errors="replace").splitlines():
            if _ask(["verify", "-n", NAMESPACE, "-I", name, *files], message):
                return printable(name)
    return ""


def _ask(words: list[str], message: bytes) -> bytes:
    """Return what ``ssh-keygen -Y`` prints; nothing if it fails."""
    # Times without a zone are local.
    environment = os.environ | {"TZ": "UTC", "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603 - names come from a trusted file
            ["ssh-keygen", "-Y", *words],
            input=message,
            capture_output=True,
            check=False,
            timeout=_SECONDS,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired):
        return b""
    return b"" if done.returncode else done.stdout


def trusted_keys() -> bytes:
    """Read the files of allowed signers.

    Returns
    -------
    bytes
        The program's and the user's, one key per line.
    """
    content = b""
    for folder in (Path(__file__).parents[1], data_root()):
        with contextlib.suppress(OSError):
            content += (folder / FILE).read_bytes() + b"\n"
    return content


def remember_own(message: bytes) -> None:
    """Record that a verification was made on this machine; without a writable folder nothing is stored.

    Parameters
    ----------
    message
        The verification, as it is signed.
    """
    with contextlib.suppress(OSError):
        folder = data_root() / OWN_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / hashlib.sha256(message).hexdigest(), message.decode() + "\n")


def is_own(message: bytes) -> bool:
    """Ask whether a verification was made on this machine.

    Parameters
    ----------
    message
        The verification, as it is signed.

    Returns
    -------
    bool
        Whether :func:`remember_own` stored it.
    """
    path = data_root() / OWN_FOLDER / hashlib.sha256(message).hexdigest()
    try:
        return path.read_bytes() == message + b"\n"
    except OSError:
        return False
