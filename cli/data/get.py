"""``spikebench data get``: download a data set, or convert its recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.progress.download import download_progress
from cli.shared.conversion import print_reports, report_as_json, running

if TYPE_CHECKING:
    from spikebench.conversion.runner import ConversionReport
    from spikebench.datasets.spec import DatasetSpec


@click.command()
@click.argument("name")
@click.option("--offline", is_flag=True, help="Open no connection; use local files only.")
@click.option(
    "--audio",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Folder of the unpacked recordings; nothing is downloaded.",
)
@click.option("--audio-only", is_flag=True, help="Get the recordings, convert nothing.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 1024),
    help="Processes that convert.  [default: one per core]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object when done.")
@click.option("--quiet", is_flag=True, help="Print only errors.")
def get(
    name: str,
    offline: bool,
    audio: Path | None,
    audio_only: bool,
    jobs: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Get the data set NAME: download it, or download its recordings and convert them.

    All files are stored in the folder $SPIKEBENCH_DATA/NAME, by default in the user's cache. Existing files are
    kept; to resume an interrupted download or conversion, run the same command again. Files are compared with
    their published hash; where none is published, with the SHA-256 of the first download (pins.json in that
    folder).

    Without a connection (--offline), put the downloaded file, or the spike file that it contains, into that
    folder: the error names the file and its address.

    --json prints dataset, kind, files (paths of the existing spike files), recordings (their folder or
    null) and conversion (as 'spikebench convert --json' prints it, or null).

    Exit codes: 0 the data set is complete, 3 some recordings could not be used, 4 none, 1 and 2 refused or
    failed, 130 interrupted.
    """
    from spikebench.datasets import load_spec

    spec = load_spec(name)
    if (audio or audio_only) and not spec.audio:
        raise click.UsageError(f"{name} has no recordings: leave out --audio and --audio-only")
    if audio and audio_only:
        raise click.UsageError(
            "--audio names existing recordings and --audio-only downloads them; give one of the two"
        )
    if spec.kind == "packaged":
        if not as_json and not quiet:
            click.echo(f"{name} comes with the package; there is nothing to get", err=True)
        _print_files(spec, None, None, as_json, quiet)
    elif spec.kind == "published" and not audio_only:
        if audio:
            raise click.UsageError(f"{name} is downloaded as spikes; leave out --audio")
        _fetch(spec, offline, quiet)
        _print_files(spec, None, None, as_json, quiet)
    elif audio_only:
        _print_files(spec, _recordings(spec, offline, quiet), None, as_json, quiet)
    elif _is_made(spec, quiet) or _is_joined(spec, quiet):
        _print_files(spec, None, None, as_json, quiet)
    else:
        folder = audio or _recordings(spec, offline, quiet)
        report = _convert(spec, folder, jobs, quiet)
        _print_files(spec, folder, report, as_json, quiet)


def _fetch(spec: DatasetSpec, offline: bool, quiet: bool) -> list[Path]:
    """Download the files of a data set; return their paths."""
    from spikebench.store import contents

    with download_progress(quiet) as showing:
        return contents.get(spec, offline=offline, progress=showing.progress, notify=showing.notify)


def _recordings(spec: DatasetSpec, offline: bool, quiet: bool) -> Path:
    """Get the recordings of a data set, and return their folder."""
    from spikebench.datasets import load_spec
    from spikebench.store.contents import recording_folders

    source = spec if spec.audio == spec.name else load_spec(spec.audio)
    _fetch(source, offline, quiet)
    return recording_folders(source)[0]


def _is_made(spec: DatasetSpec, quiet: bool) -> bool:
    """Return whether the spike files that are made here exist; check them against their pins."""
    from spikebench.store.contents import accept
    from spikebench.store.folder import part_paths

    if not all(path.is_file() for path in part_paths(spec)):
        return False
    with download_progress(quiet) as showing:
        for part in spec.parts:
            accept(spec, part, showing.notify)
    return True


def _is_joined(spec: DatasetSpec, quiet: bool) -> bool:
    """Join the files of 'spikebench data make', one per split, if all are in the folder of the data set and whole."""
    if spec.kind != "made":
        return False
    from spikebench.conversion.regeneration import whole_parts
    from spikebench.datasets.recipe import load_recipe
    from spikebench.spike_files.joining import join_files
    from spikebench.store.contents import accept
    from spikebench.store.folder import folder_of, locked

    (part,) = spec.parts
    folder = folder_of(spec)
    files = whole_parts(load_recipe(spec.name), folder)
    if not files:
        return False
    with download_progress(quiet) as showing:
        with locked(folder, showing.notify):
            if not (folder / part.file).is_file():
                showing.notify(f"joining {', '.join(path.name for path in files)}")
                join_files(files, folder / part.file)
        accept(spec, part, showing.notify, made_now=True)
    return True


def _convert(
    spec: DatasetSpec, audio: Path, jobs: int | None, quiet: bool
) -> ConversionReport | None:
    """Convert recordings to the one spike file of a data set, and pin it; None if it exists by now."""
    from spikebench.recordings.search import find_clips
    from spikebench.store.contents import accept
    from spikebench.store.folder import folder_of, locked

    (part,) = spec.parts
    output = folder_of(spec) / part.file
    clips, _ = find_clips(audio)
    _require_all(spec, audio, len(clips))
    with running([output], quiet, None) as here, locked(output.parent, here.notify):
        if output.is_file():  # another process made it while we waited
            return None
        here.notify(
            f"{len(clips):,} recordings to convert; Ctrl-C keeps the finished ones, and the same command resumes"
        )
        if spec.kind == "made":
            from spikebench.conversion.regeneration import make
            from spikebench.datasets.recipe import load_recipe

            (report,) = make(
                recipe=load_recipe(spec.name),
                audio=audio,
                folder=output.parent,
                one_file=True,
                jobs=jobs,
                notify=here.notify,
                progress=here.progress,
            )
        else:
            from spikebench.conversion.job import ConversionOptions
            from spikebench.conversion.runner import convert

            report = convert(
                source=audio,
                output=output,
                options=ConversionOptions(
                    preset="shd",
                    n_channels=spec.n_units,
                    seed=0,
                    labels=spec.naming,
                    speakers=spec.naming,
                    split=spec.naming,
                    synthetic=spec.synthetic,
                ),
                jobs=jobs,
                describe=lambda n_samples: {
                    "dataset": spec.name,
                    "title": spec.title,
                    "licence": spec.licence,
                    "citation": spec.citation,
                },
                notify=here.notify,
                progress=here.progress,
            )
    accept(spec, part, lambda text: None, made_now=True)
    return report


def _require_all(spec: DatasetSpec, audio: Path, found: int) -> None:
    """Refuse to convert a part of the recordings of a data set under its name."""
    from spikebench.errors import DataError
    from spikebench.records.text import printable

    wanted = sum(spec.sizes.values())
    if found >= wanted:
        return
    command = (
        f"spikebench data make {spec.name} --audio" if spec.kind == "made" else "spikebench convert"
    )
    raise DataError(
        f"{printable(str(audio))}: holds {found:,} recordings, {spec.name} has {wanted:,}; "
        f"'{command} {printable(str(audio))}' makes a part of it, under another name"
    )


def _print_files(
    spec: DatasetSpec,
    recordings: Path | None,
    report: ConversionReport | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Print the existing files, and the recordings that were left out."""
    from spikebench.records.text import printable
    from spikebench.store.folder import part_paths

    files = [str(path) for path in part_paths(spec) if path.is_file()]
    document = {
        "dataset": spec.name,
        "kind": spec.kind,
        "files": files,
        "recordings": None if recordings is None else str(recordings),
        "conversion": None if report is None else report_as_json(report),
    }
    if report is not None:
        print_reports([report], document, as_json, quiet)
    elif as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
    elif not quiet:
        for path in files if recordings is None else [str(recordings)]:
            click.echo(printable(path))
