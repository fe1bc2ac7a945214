"""``spikebench submit``: check a result, or predictions from elsewhere, and write a leaderboard entry."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from leaderboard.claims.entry import Entry
    from spikebench.protocol.results import Result

_ENTRIES = Path("leaderboard/entries")
_OWN_ENTRIES = Path("leaderboard-entries")


@click.command()
@click.argument(
    "source",
    metavar="RESULT_DIR|PREDICTIONS.csv",
    required=False,
    type=click.Path(path_type=Path),
)
@click.option("--name", default="", help="Name to display; by default the model's.")
@click.option("--authors", default="", help="Who made it, e.g. 'A. Smith, B. Jones'.")
@click.option("--note", default="", help="Remark for readers, in one line.")
@click.option("--link", help="URL of a paper or of code, https://…")
@click.option("--citation", default="", help="How to cite it, in one line.")
@click.option(
    "--track",
    help="Track.  [default: that of a study, online for an online rule, else according to the model]",
)
@click.option(
    "--weights",
    is_flag=True,
    help="Include the weights, so that the entry can be run again here and on new recordings.",
)
@click.option(
    "--form",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With PREDICTIONS.csv: the form.toml that describes the result.",
)
@click.option("--data", help="With --form: path of its data set, if it is not found by its name.")
@click.option(
    "--kit",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write a form, the split of every sample and predictions to fill in into this folder, and exit.",
)
@click.option(
    "--hardware",
    is_flag=True,
    help="With --kit: the form for measurements on a chip (power, energy, latency, throughput).",
)
@click.option(
    "--entries",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Folder of entries; by default {_ENTRIES} if it exists, else {_OWN_ENTRIES}.",
)
@click.option("--overwrite", is_flag=True, help="Replace the entry of the same result.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def submit(
    source: Path | None,
    name: str,
    authors: str,
    note: str,
    link: str | None,
    citation: str,
    track: str | None,
    weights: bool,
    form: Path | None,
    data: str | None,
    kit: Path | None,
    hardware: bool,
    entries: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Check a result and write a leaderboard entry.

    RESULT_DIR is a folder that `spikebench evaluate -o` wrote, or a folder below `results` of a study with --test
    (fewshot, continual, prune, substrate). Its files must be complete and unchanged.
    Every accuracy, interval and confusion matrix must follow from the predictions. The test split must
    have been opened once per seed and must not have selected the epoch. The log of every run must agree.

    PREDICTIONS.csv is for models that were trained elsewhere. First `spikebench submit --kit mine
    --data shd` writes a form and the samples. Then `spikebench submit mine/predictions.csv --form
    mine/form.toml` checks and scores the completed files (columns seed,index,predicted). For a chip,
    `submit --kit mine --hardware --data shd`: predictions are those of the chip, and power, energy, latency
    and throughput are claims with unit, uncertainty, instrument and method, in a track of their own.

    Nothing is executed. The entry holds the SHA-256 of the weights, and with --weights the weights.
    Exit code 1: a check failed or the entry exists already; nothing was written.
    """
    if kit is not None:
        _write_kit(kit, data or "digits", hardware, as_json)
        return
    _refuse({"hardware": hardware}, "it belongs to --kit; a form says by itself what it contains")
    if source is None:
        raise click.UsageError("Missing argument 'RESULT_DIR|PREDICTIONS.csv'.")
    if entries is None:
        entries = _ENTRIES if _ENTRIES.is_dir() else _OWN_ENTRIES
    new = not entries.is_dir()
    from leaderboard.claims.entry import make_entry, write_entry

    if source.suffix.lower() == ".csv" and not source.is_dir():
        texts = {"name": name, "authors": authors, "note": note, "link": link}
        _refuse(texts | {"citation": citation, "track": track}, "the form contains it")
        _refuse({"weights": weights}, "only models of this package can be run again here")
        if form is None:
            raise click.UsageError(
                "predictions need a form: --form form.toml (--kit FOLDER writes one to fill in)"
            )
        from leaderboard.claims.outside import outside_result

        with outside_result(source, form, data) as (folder, result, entry):
            target = write_entry(folder, entries, entry, result, overwrite=overwrite, origin=source)
    else:
        _refuse({"form": form, "data": data}, "the result contains it")
        from leaderboard.checks.recomputation import verify_result

        if (source / "entry.json").is_file():
            from spikebench.errors import ResultError

            raise ResultError(f"{source}: is already an entry; spikebench verify raises its tier")
        result = verify_result(source)
        said = {"link": link, "citation": citation, "track": track or ""}
        entry = make_entry(result, name, authors, note, **said)  # type: ignore[arg-type]
        target = write_entry(source, entries, entry, result, overwrite=overwrite, weights=weights)
    _print_outcome(target, result, entry, str(entries) if new else "", as_json)


def _refuse(options: Mapping[str, object], why: str) -> None:
    for name, value in options.items():
        if value:
            raise click.UsageError(f"leave out --{name}: {why}")


def _print_outcome(
    target: Path, result: Result, entry: Entry, new_folder: str, as_json: bool
) -> None:
    from leaderboard.claims.declaration import tracks_of
    from leaderboard.standings.ranking import why_unranked

    reason = why_unranked(result, entry)
    tracks = tracks_of(entry.track, result.model.parameters, entry.declared)
    contradiction = entry.hardware.contradiction if entry.hardware else ""
    if as_json:
        import json

        said: dict[str, object] = entry.model_dump() | {"entry": str(target)}
        said |= {"test_accuracy": result.summary.test_mean, "unranked_reason": reason}
        said |= {"contradiction": contradiction or None}
        click.echo(json.dumps(said | {"tracks": tracks}, ensure_ascii=False))
        return
    count, size = len(result.seeds), f"{result.dataset.split.test_samples:,} predictions"
    if result.study is not None:
        size = "predictions"
    click.echo(
        f"Checked: {count} seed{'s' if count > 1 else ''} with {size} each; accuracies, "
        f"intervals and confusion matrices follow from them ({100 * result.summary.test_mean:.1f} %)."
    )
    if result.is_refitted:
        click.echo("Refitted: trained again with the validation speakers included.")
    click.echo(f"Tracks: {', '.join(tracks)}. Tier: recomputed ({_raising(result)}).")
    if contradiction:
        click.echo(
            f"Please check the form, units too: {contradiction}. The page shows this as an oddity."
        )
    if reason:
        click.echo(f"Shown without a rank: {reason}.")
    if new_folder:
        click.echo(f"Created the folder {new_folder}.")
    click.echo(f"Wrote {target}. `spikebench leaderboard build` puts it on the page.")


def _raising(result: Result) -> str:
    """Say whether the tier can be raised."""
    if result.study is not None:
        return "the command repeats the study"
    if result.model.code_sha256 is not None:
        from spikebench.records.text import printable

        file = printable(result.model.name.partition(":")[0])
        return f"verify needs the file {file}, which is not in the entry"
    if any(record.run_file is None for record in result.seeds):
        return "it stays so: without a training log, others cannot repeat the training or the inference"
    return "spikebench verify raises it"


def _write_kit(folder: Path, data: str, hardware: bool, as_json: bool) -> None:
    from leaderboard.claims.outside import write_kit

    form, splits, predictions = write_kit(folder, data, hardware=hardware)
    if as_json:
        import json

        said = {"form": str(form), "splits": str(splits), "predictions": str(predictions)}
        click.echo(json.dumps(said, ensure_ascii=False))
        return
    click.echo(f"Wrote {form} to fill in, {splits} (train, validation or test of every sample)")
    click.echo(f"and {predictions} (the test samples, for seed 0; one line per seed and sample).")
    if hardware:
        click.echo(
            "Let the chip answer every test sample once per seed; fill in what you measured meanwhile, then:"
        )
    else:
        click.echo("Select on the validation samples, test each seed once, then:")
    click.echo(f"  spikebench submit {predictions} --form {form}")
