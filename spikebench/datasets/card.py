"""The data card of a data set, as Markdown: the contents of its specification and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spikebench.datasets.spec import DatasetSpec

__all__ = ["data_card"]

_KINDS = {
    "packaged": "comes with the package",
    "published": "downloaded as its authors published it",
    "made": "made again from the recordings of {audio}",
    "audio": "recordings, downloaded and then converted",
}
_PARAGRAPHS = (
    ("How it was collected", "collection"),
    ("How it was processed", "processing"),
    ("Uses", "uses"),
    ("Limitations", "limitations"),
    ("Biases", "biases"),
    ("Persons", "personal"),
)


def data_card(spec: DatasetSpec) -> str:
    """Return the data card of a data set.

    Parameters
    ----------
    spec
        Specification of the data set.

    Returns
    -------
    str
        Markdown, ending in a newline; the same text for the same specification.
    """
    lines = [f"# {spec.name}", "", f"{spec.title}.", ""]
    lines += _table(("what", ""), _facts(spec))
    lines += ["", "## Splits", "", *_splits(spec), "", "## Classes", "", _classes(spec)]
    lines += ["", "## Files", "", *_files(spec)]
    for heading, name in _PARAGRAPHS:
        lines += ["", f"## {heading}", "", getattr(spec.card, name)]
    lines += ["", "## To cite", "", spec.citation, "", "## Source", "", spec.source]
    return "\n".join(lines) + "\n"


def _facts(spec: DatasetSpec) -> list[tuple[str, str]]:
    dated = [("version", spec.version), ("released", spec.released)]
    return [
        *((name, value) for name, value in dated if value),
        ("kind", _KINDS[spec.kind].format(audio=spec.audio)),
        ("samples", f"{sum(spec.sizes.values()):,}"),
        ("input units", str(spec.n_units)),
        ("classes", str(spec.n_classes)),
        ("voices", "synthetic" if spec.synthetic else "human"),
        ("licence", spec.licence),
    ]


def _splits(spec: DatasetSpec) -> list[str]:
    lines = _table(("split", "samples"), [(name, f"{n:,}") for name, n in spec.sizes.items()])
    if spec.validation_speakers:
        selecting = (
            "there is no official validation split; models are selected on the training samples of "
            f"{_speakers(spec.validation_speakers)}"
        )
    else:
        selecting = "models are selected on the official validation split"
    lines += ["", f"Protocol `{spec.protocol}`: {selecting}."]
    if spec.test_only_speakers:
        lines[-1] += f" Only the test split contains {_speakers(spec.test_only_speakers)}."
    return lines


def _speakers(numbers: Sequence[int]) -> str:
    word = "speaker" if len(numbers) == 1 else "speakers"
    return f"{word} {' and '.join(map(str, numbers))}"


def _classes(spec: DatasetSpec) -> str:
    if not spec.classes:
        return f"{spec.n_classes}; their names and order are in the file (`extra/keys`)."
    return ", ".join(f"{label} {name}" for label, name in enumerate(spec.classes)) + "."


def _files(spec: DatasetSpec) -> list[str]:
    rows = [
        (
            f"`{part.file}`",
            part.split or "marked inside",
            _hashes(part.md5, part.sha256, _made(spec)),
        )
        for part in spec.parts
    ]
    lines = _table(("spike file", "split", "hashes"), rows)
    if spec.downloads:
        rows = [
            (
                f"`{one.file}`",
                f"{one.size_bytes:,}" if one.size_bytes is not None else "not known",
                _hashes(one.md5, one.sha256, "not known; SHA-256 pinned by the first download"),
            )
            for one in spec.downloads
        ]
        lines += ["", *_table(("download", "bytes", "hashes"), rows), ""]
        lines += [f"- {url}" for one in spec.downloads for url in one.urls]
    return lines


def _made(spec: DatasetSpec) -> str:
    if spec.kind == "published":
        return "not known; SHA-256 pinned by the first download"
    return "none: made by you"


def _hashes(md5: str | None, sha256: str | None, otherwise: str) -> str:
    known = [f"{name} `{value}`" for name, value in (("MD5", md5), ("SHA-256", sha256)) if value]
    if md5 and not sha256:
        known.append("SHA-256 pinned by the first download")
    return "; ".join(known) or otherwise


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
