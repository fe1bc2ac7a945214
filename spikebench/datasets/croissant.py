"""The metadata of a data set in the vocabulary of MLCommons Croissant 1.0, with its responsible-AI fields.

A download is a ``FileObject`` with its address and its known hashes; a file in an archive is ``containedIn`` it.
A file without an address or a hash (made by the user, or without a published hash) is a ``FileSet`` that includes
only its name, because the vocabulary requires both of a ``FileObject``.

Specifications: https://docs.mlcommons.org/croissant/docs/croissant-spec.html and
https://docs.mlcommons.org/croissant/docs/croissant-rai-spec.html. The tests check the result with ``mlcroissant``;
this module does not import it.
"""

from __future__ import annotations

import re
from typing import Any

from spikebench.datasets import load_spec
from spikebench.datasets.spec import DatasetSpec, Download, SpikePart

__all__ = ["croissant"]

Json = dict[str, Any]

_CROISSANT = "http://mlcommons.org/croissant/"
_CONTEXT: Json = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": _CROISSANT,
    "rai": f"{_CROISSANT}RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_SPIKES = "application/x-hdf5"
_ENCODINGS = {".tar.gz": "application/gzip", ".gz": "application/gzip", ".zip": "application/zip"}
_SPLITS = {
    "train": "cr:TrainingSplit",
    "validation": "cr:ValidationSplit",
    "test": "cr:TestSplit",
}


def croissant(spec: DatasetSpec) -> Json:
    """Describe a data set as JSON-LD.

    Parameters
    ----------
    spec
        Specification of the data set.

    Returns
    -------
    dict
        Document for :func:`json.dumps`; the same for the same specification.
    """
    document: Json = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [f"{_CROISSANT}1.0", f"{_CROISSANT}RAI/1.0"],
        "name": spec.name,
        "description": f"{spec.title}. {spec.card.processing}",
        "citeAs": spec.citation,
        "license": f"https://spdx.org/licenses/{spec.licence}",
        "keywords": ["spikes", "cochlea", "speech", *(["synthetic"] if spec.synthetic else [])],
        "distribution": _distribution(spec),
        "recordSet": _record_sets(spec),
        **_responsible(spec),
    }
    optional = {"url": _page(spec), "version": spec.version, "datePublished": spec.released}
    document |= {name: value for name, value in optional.items() if value}
    return document


def _responsible(spec: DatasetSpec) -> Json:
    card = spec.card
    return {
        "rai:dataCollection": card.collection,
        "rai:dataCollectionType": [
            "Software Collection" if spec.synthetic else "Direct measurement"
        ],
        "rai:dataCollectionRawData": spec.source,
        "rai:dataPreprocessingProtocol": [card.processing],
        "rai:dataUseCases": [card.uses],
        "rai:dataLimitations": [card.limitations],
        "rai:dataBiases": [card.biases],
        "rai:personalSensitiveInformation": [card.personal],
    }


def _page(spec: DatasetSpec) -> str:
    """Return the web page named in the source of a data set, or in that of its recordings."""
    found = re.search(r"https://[^\s;,]+", spec.source)
    if found:
        return found[0]
    return _page(load_spec(spec.audio)) if spec.audio not in ("", spec.name) else ""


def _distribution(spec: DatasetSpec) -> list[Json]:
    if spec.kind == "published":
        archives = [_download(one) for one in spec.downloads]
        inside = {one.becomes: one.file for one in spec.downloads}
        return archives + [_inside(part, inside[part.file]) for part in spec.parts]
    if spec.kind == "packaged":
        return [_beside(part) for part in spec.parts]
    recordings = spec if spec.audio == spec.name else load_spec(spec.audio)
    archives = [_download(one) for one in recordings.downloads]
    folders = [_recordings(one) for one in recordings.downloads]
    made = [
        _file_set(
            part.file,
            _SPIKES,
            f"Spikes, made from the recordings by 'spikebench data get {spec.name}'; no bytes are published.",
        )
        for part in spec.parts
    ]
    return archives + folders + made


def _download(one: Download) -> Json:
    suffix = next(suffix for suffix in _ENCODINGS if one.file.endswith(suffix))
    if one.md5 is None and one.sha256 is None:
        where = " or ".join(one.urls)
        text = f"Download from {where}; no hash is known; the hash of the first download is kept."
        return _file_set(one.file, _ENCODINGS[suffix], text)
    found: Json = {
        **_file(one.file, one.urls[0], _ENCODINGS[suffix]),
        **_hashes(one.md5, one.sha256),
    }
    if one.size_bytes is not None:
        found["contentSize"] = f"{one.size_bytes} B"
    if one.urls[1:]:
        found["description"] = f"The same file: {', '.join(one.urls[1:])}"
    return found


def _inside(part: SpikePart, archive: str) -> Json:
    return {
        **_file(part.file, part.file, _SPIKES),
        **_hashes(part.md5, part.sha256),
        "containedIn": {"@id": archive},
    }


def _beside(part: SpikePart) -> Json:
    return {
        **_file(part.file, part.file, _SPIKES),
        **_hashes(part.md5, part.sha256),
        "description": "Included in the Python package spikebench, in its folder datasets.",
    }


def _recordings(one: Download) -> Json:
    kind = "flac" if ".flac" in one.members.replace("\\", "") else "wav"
    found = _file_set("recordings", f"audio/{kind}", "The recordings in the archive.")
    return {**found, "includes": f"*.{kind}", "containedIn": {"@id": one.file}}


def _file(name: str, url: str, encoding: str) -> Json:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": url,
        "encodingFormat": encoding,
    }


def _file_set(name: str, encoding: str, description: str) -> Json:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": description,
        "encodingFormat": encoding,
        "includes": name,
    }


def _hashes(md5: str | None, sha256: str | None) -> Json:
    return {name: value for name, value in (("md5", md5), ("sha256", sha256)) if value}


def _record_sets(spec: DatasetSpec) -> list[Json]:
    splits = _record_set(
        "splits",
        "cr:Split",
        {"name": "sc:Text", "url": "sc:URL", "samples": "sc:Integer"},
        [{"name": name, "url": _SPLITS[name], "samples": n} for name, n in spec.sizes.items()],
    )
    if not spec.classes:
        return [splits]
    classes = _record_set(
        "classes",
        "sc:Enumeration",
        {"name": "sc:Text", "label": "sc:Integer"},
        [{"name": name, "label": label} for label, name in enumerate(spec.classes)],
    )
    return [splits, classes]


def _record_set(name: str, kind: str, fields: dict[str, str], rows: list[Json]) -> Json:
    """Describe a small table whose rows are part of the metadata."""
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "dataType": kind,
        "key": {"@id": f"{name}/name"},
        "field": [
            {"@type": "cr:Field", "@id": f"{name}/{field}", "name": field, "dataType": type_}
            for field, type_ in fields.items()
        ],
        "data": [{f"{name}/{field}": value for field, value in row.items()} for row in rows],
    }
