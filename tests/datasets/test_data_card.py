"""Data cards and Croissant metadata: whole, true to the specification, accepted by the reference checker."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.data.card import card
from cli.data.list import list_
from spikebench.datasets import DATASETS, load_spec
from spikebench.datasets.card import data_card
from spikebench.datasets.croissant import croissant
from spikebench.errors import OutputError, OutputExistsError, UnknownNameError

RESPONSIBLE = {
    "dataCollection": "collection",
    "dataPreprocessingProtocol": "processing",
    "dataUseCases": "uses",
    "dataLimitations": "limitations",
    "dataBiases": "biases",
    "personalSensitiveInformation": "personal",
}

each = pytest.mark.parametrize("name", DATASETS)


@pytest.fixture(scope="module")
def checker() -> Callable[[dict[str, Any]], Any]:
    """The reference implementation; what it warns of while it is imported is not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")

    def check(document: dict[str, Any]) -> Any:  # noqa: ANN401
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return library.Dataset(jsonld=document)

    return check


@each
def test_a_card_says_all_that_is_known(name: str) -> None:
    spec, text = load_spec(name), data_card(load_spec(name))
    assert text.startswith(f"# {name}\n\n{spec.title}.\n")
    assert text.endswith(f"{spec.source}\n")
    for said in (spec.licence, spec.citation, spec.protocol, *vars(spec.card).values()):
        assert said in text
    for split, size in spec.sizes.items():
        assert f"| {split} | {size:,} |" in text
    for label, word in enumerate(spec.classes):
        assert f"{label} {word}" in text
    for one in (*spec.parts, *spec.downloads):
        assert f"`{one.file}`" in text
        assert all(f"`{known}`" in text for known in (one.md5, one.sha256) if known)
    for one in spec.downloads:
        assert all(f"- {url}\n" in text for url in one.urls)


@each
def test_a_card_says_which_hashes_are_not_known(name: str) -> None:
    spec, text = load_spec(name), data_card(load_spec(name))
    assert text.count("none: made by you") == (len(spec.parts) if not_published(name) else 0)
    fetched = (*spec.downloads, *(spec.parts if spec.kind == "published" else ()))
    unknown = sum(one.sha256 is None for one in fetched)
    assert text.count("SHA-256 pinned by the first download") == unknown


def not_published(name: str) -> bool:
    return load_spec(name).kind in ("made", "audio")


@each
def test_croissant_is_accepted(name: str, checker: Callable[[dict[str, Any]], Any]) -> None:
    document = json.loads(json.dumps(croissant(load_spec(name))))
    found = checker(document)
    issues = found.metadata.ctx.issues
    assert not issues.errors
    # What is not known is left out, and a version stands as its authors write it, 0.02 included.
    spec = load_spec(name)
    tolerated = [] if spec.released else ["datePublished"]
    tolerated += [] if re.fullmatch(r"[1-9]\d*(\.\d+)*", spec.version) else ["ersion"]
    assert all(any(word in one for word in tolerated) for _, one in warned(issues))
    rows = list(found.records("splits"))
    assert {row["splits/name"]: row["splits/samples"] for row in rows} == load_spec(name).sizes


def warned(issues: Any) -> list[tuple[Any, str]]:  # noqa: ANN401
    return [one if isinstance(one, tuple) else (None, str(one)) for one in issues.warnings]


@each
def test_croissant_names_classes_in_order(
    name: str, checker: Callable[[dict[str, Any]], Any]
) -> None:
    spec = load_spec(name)
    found = checker(croissant(spec))
    sets = [one.name for one in found.metadata.record_sets]
    assert sets == (["splits", "classes"] if spec.classes else ["splits"])
    if spec.classes:
        names = {row["classes/label"]: row["classes/name"] for row in found.records("classes")}
        assert names == dict(enumerate(spec.classes))


@each
def test_croissant_has_the_responsible_ai_fields(
    name: str, checker: Callable[[dict[str, Any]], Any]
) -> None:
    spec = load_spec(name)
    document = croissant(spec)
    assert document["conformsTo"][1].endswith("/RAI/1.0")
    for field, paragraph in RESPONSIBLE.items():
        said = document[f"rai:{field}"]
        assert getattr(spec.card, paragraph) in (said if isinstance(said, list) else [said])
    read = checker(document).metadata
    assert read.data_biases == [spec.card.biases]
    assert read.personal_sensitive_information == [spec.card.personal]


@each
def test_croissant_invents_no_address_and_no_hash(name: str) -> None:
    spec = load_spec(name)
    fetched = spec if spec.kind != "made" else load_spec(spec.audio)
    addresses = {url for one in fetched.downloads for url in one.urls}
    inside = {part.file for part in spec.parts}
    for one in croissant(spec)["distribution"]:
        if one["@type"] == "cr:FileObject":
            assert one["contentUrl"] in addresses | inside
            assert ("containedIn" in one) == (spec.kind == "published" and one["@id"] in inside)
        else:
            assert "contentUrl" not in one
            assert "md5" not in one
            assert "sha256" not in one
    hashes = {hash_ for one in (*fetched.downloads, *spec.parts) for hash_ in (one.md5, one.sha256)}
    said = {one.get(kind) for one in croissant(spec)["distribution"] for kind in ("md5", "sha256")}
    assert said - {None} == hashes - {None}


@each
def test_both_are_deterministic(name: str) -> None:
    spec = load_spec(name)
    assert data_card(spec) == data_card(spec)
    assert json.dumps(croissant(spec)) == json.dumps(croissant(spec))


class TestCommands:
    def test_a_card_is_printed(self) -> None:
        done = CliRunner().invoke(card, ["digits"])
        assert done.exit_code == 0
        assert done.output == data_card(load_spec("digits"))

    def test_croissant_is_written_whole_and_not_over_another(self, tmp_path: Path) -> None:
        path = tmp_path / "shd.json"
        words = ["shd", "--croissant", "-o", str(path)]
        assert CliRunner().invoke(card, words).output == ""
        assert json.loads(path.read_text(encoding="utf-8")) == croissant(load_spec("shd"))
        path.write_text("mine")
        refused = CliRunner().invoke(card, words).exception
        assert isinstance(refused, OutputExistsError)
        assert "--overwrite" in str(refused)
        assert path.read_text() == "mine"
        assert CliRunner().invoke(card, [*words, "--overwrite"]).exit_code == 0
        assert path.read_text().startswith("{")
        assert [one.name for one in tmp_path.iterdir()] == ["shd.json"]

    def test_what_cannot_be_done_is_refused(self, tmp_path: Path) -> None:
        unknown = CliRunner().invoke(card, ["sdh"]).exception
        assert isinstance(unknown, UnknownNameError)
        nowhere = CliRunner().invoke(card, ["shd", "-o", str(tmp_path / "no" / "x")]).exception
        assert isinstance(nowhere, OutputError)

    def test_the_list_says_what_is_here(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path))
        (tmp_path / "fsdd").mkdir()
        (tmp_path / "fsdd" / "fsdd.h5").write_bytes(b"")
        rows = json.loads(CliRunner().invoke(list_, ["--json"]).output)
        assert [row["name"] for row in rows] == list(DATASETS)
        states = {row["name"]: row["state"] for row in rows}
        assert (states.pop("digits"), states.pop("fsdd")) == ("in the package", "here")
        assert set(states.values()) == {"not here"}
        for row in rows:
            spec = load_spec(row["name"])
            assert {split: row[split] for split in spec.sizes} == spec.sizes
            assert (row["classes"], row["licence"]) == (spec.n_classes, spec.licence)
        shown = CliRunner().invoke(list_).output
        for name in DATASETS:
            assert any(
                line.split()[0] == name and load_spec(name).title in line
                for line in shown.splitlines()
                if line.strip()
            )
