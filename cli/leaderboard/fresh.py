"""``spikebench leaderboard fresh``: entries with weights on recordings that are in no data set."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from leaderboard.claims.entry import StoredEntry
    from spikebench.evaluation.fresh_recordings import Known, Sifted
    from spikebench.evaluation.fresh_test import Hearing, Measured
    from spikebench.naming.names import ClipNames
    from spikebench.protocol.results import Predictions
    from spikebench.recordings.search import Clip, Skipped
    from spikebench.training.run_record import RunRecord

_WHAT_IT_SAYS = (
    "The recordings are others than those of the data: other voices, rooms and microphones. The drop says how far an "
    "answer carries, of which learning a test by heart is only a part."
)
_SHOWN = 10  # reasons in a terminal


@dataclass(frozen=True)
class _Ready:
    """An entry that can be run."""

    stored: StoredEntry
    run: RunRecord
    weights: list[Path]
    hearing: Hearing


@dataclass(frozen=True)
class _Answered:
    """What an entry came to."""

    ready: _Ready
    own: Measured
    fresh: Measured
    unknown: int
    files: list[str]

    @property
    def board(self) -> tuple[str, str]:
        """Only entries on the same data are ranked together."""
        return self.ready.stored.result.dataset.name, self.ready.stored.result.dataset.identity


@click.command()
@click.argument("entries", nargs=-1, metavar="[ENTRY]…", type=click.Path(path_type=Path))
@click.option(
    "--audio",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of recordings.",
)
@click.option(
    "--labels", default="auto", show_default=True, help="Words from: the same sources as convert."
)
@click.option("--speakers", default="auto", show_default=True, help="Speakers from: the same.")
@click.option(
    "--without",
    multiple=True,
    metavar="FILE.h5|FOLDER",
    type=click.Path(path_type=Path, exists=True),
    help="Recordings that are known as well: a spike file of convert, or a folder; may be repeated.",
)
@click.option("--synthetic", is_flag=True, help="The voices are synthetic.")
@click.option(
    "--entries",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of entries, where no ENTRY is given; by default as for build.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("fresh-test"),
    show_default=True,
    help="Folder for spikes, predictions and fresh.json.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**63 - 1),
    help="Of the conversion.",
)
@click.option("--jobs", type=click.IntRange(1, 1024), help="Processes.  [default: one per core]")
@click.option("--device", default="cpu", show_default=True, type=click.Choice(["cpu", "cuda"]))
@click.option("--large", is_flag=True, help="Take models and inputs beyond the usual bounds.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors and what came out.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def fresh(
    entries: tuple[Path, ...],
    audio: Path,
    labels: str,
    speakers: str,
    without: tuple[Path, ...],
    synthetic: bool,
    folders: tuple[Path, ...],
    output: Path,
    seed: int,
    jobs: int | None,
    device: str,
    large: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Make a new test set from recordings that are in no data set, and run the entries that have weights on it.

    ENTRY is the folder of an entry; without one, all are taken. Recordings that are known here are left out: those in
    spike files of convert, in the data sets on this machine, and what --without names. They become spikes as those
    of each entry's data did; an entry answers the words that it knows.

    What is converted is kept in the folder of -o, and the same command goes on with it.
    """
    from spikebench.errors import ResultError, SpikebenchError
    from spikebench.evaluation.fresh_recordings import known_recordings
    from spikebench.recordings.search import find_clips
    from spikebench.records.text import printable
    from spikebench.training.inference import find_device

    find_device(device)
    stored = _read(entries, folders)
    clips, unreadable = find_clips(audio)
    not_run: dict[str, str] = {}
    ready = []
    for one in stored:
        found = _prepare(one, len(clips), large)
        if isinstance(found, str):
            not_run[_name(one)] = found
        else:
            ready.append(found)
    if not ready:
        raise ResultError(
            "no entry can be run"
            + "".join(f"; {name}: {why}" for name, why in list(not_run.items())[:1])
        )
    known = known_recordings(without)
    names, sifted = _sift(clips, unreadable, labels, speakers, known, quiet)
    words = {word for one in ready for word in one.stored.result.dataset.classes}
    names, digests, strange = _known_words(names, sifted, words)
    if not names.clips:
        why = [f"{strange} are of other words"] if strange else []
        why += [f"{one.file} {one.reason}" for one in sifted.left_out[:1]]
        left = len(sifted.left_out) + strange
        raise ResultError(
            f"{audio}: no fresh recording of a word that an entry knows; {left} left out: "
            + ", ".join(why)
        )
    output.mkdir(parents=True, exist_ok=True)
    spikes, skipped = _convert(audio, names, digests, ready, output, seed, synthetic, jobs, quiet)
    answered = []
    for item in ready:
        try:
            answered.append(_answer(item, spikes[item.hearing], output, device, large))
        except SpikebenchError as error:
            not_run[_name(item.stored)] = str(error)
    silent = {one.file for one in skipped}
    facts = zip(names.clips, names.labels.tolist(), names.speakers.tolist(), strict=True)
    used = [
        (label, speaker) for clip, label, speaker in facts if printable(clip.relative) not in silent
    ]
    document = {
        "schema_version": 1,
        **_header(audio, labels, speakers, without, synthetic, seed),
        "recordings": {
            "found": len(sifted.clips) + len(sifted.left_out),
            "used": len(used),
            "words": len({label for label, _ in used}),
            "speakers": len({speaker for _, speaker in used} - {-1}),
            "of_words_that_no_entry_knows": strange,
            "left_out": [one.as_json() for one in [*sifted.left_out, *skipped]],
            "compared_by_file": known.counts,
            "compared_by_sound": sifted.sounds,
            "not_comparable": known.silent,
        },
        "entries": _rows(answered, known),
        "not_run": [{"entry": name, "reason": why} for name, why in not_run.items()],
        "what_it_says": _WHAT_IT_SAYS,
    }
    _write(output / "fresh.json", document)
    click.echo(json.dumps(document, ensure_ascii=False) if as_json else _say(document, output))


def _read(entries: tuple[Path, ...], folders: tuple[Path, ...]) -> list[StoredEntry]:
    from cli.leaderboard.selection import usual_entries
    from leaderboard.claims.entry import read_entries, read_entry

    if entries:
        return [read_entry(folder) for folder in entries]
    return read_entries(folders or usual_entries())


def _name(stored: StoredEntry) -> str:
    return f"{stored.entry.dataset}/{stored.entry.id}"


def _sift(
    clips: list[Clip],
    unreadable: list[Skipped],
    labels: str,
    speakers: str,
    known: Known,
    quiet: bool,
) -> tuple[ClipNames, Sifted]:
    """Name all recordings, and find the fresh ones among them."""
    from cli.shared.conversion import clip_lines
    from spikebench.evaluation.fresh_recordings import sift
    from spikebench.naming.names import name_clips

    # Named as a whole: what is left out must not change how the others are numbered.
    names = name_clips(clips, labels, speakers, "none")
    for line in () if quiet else names.notices:
        click.echo(line, err=True)
    sifted = sift(names.clips, known, (lambda done, total: None) if quiet else clip_lines())
    return names, replace(sifted, left_out=[*unreadable, *names.skipped, *sifted.left_out])


def _known_words(
    names: ClipNames, sifted: Sifted, words: set[str]
) -> tuple[ClipNames, list[str], int]:
    """Keep fresh recordings of known words: their names, their SHA-256, how many others there were."""
    from spikebench.evaluation.fresh_test import keep_words

    digest = {clip.relative: one for clip, one in zip(sifted.clips, sifted.digests, strict=True)}
    kept = keep_words(names, words, set(digest))
    digests = [digest[clip.relative] for clip in kept.clips]
    return kept, digests, len(digest) - len(digests)


def _prepare(stored: StoredEntry, n_samples: int, large: bool) -> _Ready | str:
    """Find what an entry needs to be run, or say why it cannot be."""
    from leaderboard.checks.logs import read_logs
    from spikebench.errors import SpikebenchError
    from spikebench.evaluation.fresh_test import hearing_of

    if stored.entry.withdrawn is not None:
        return "withdrawn"
    weights = [stored.folder / str(record.weights_file) for record in stored.result.seeds]
    if not all(path.is_file() for path in weights):
        return "its weights are not in it"
    logs = read_logs(stored.folder)
    if not logs:
        return "it holds no run.json, so its model is not known"
    if any(log.run.preset != logs[0].run.preset for log in logs):
        return "its seeds were trained with different settings"
    run = logs[0].run
    try:
        hearing = hearing_of(run, stored.result.model, n_samples, large=large)
    except SpikebenchError as error:
        return str(error)
    return _Ready(stored, run, weights, hearing)


def _convert(
    audio: Path,
    names: ClipNames,
    digests: list[str],
    ready: list[_Ready],
    output: Path,
    seed: int,
    synthetic: bool,
    jobs: int | None,
    quiet: bool,
) -> tuple[dict[Hearing, Path], list[Skipped]]:
    """Convert for every way of hearing; the spike files, and what none could hear."""
    from cli.shared.conversion import running
    from spikebench.evaluation.fresh_test import convert_fresh

    spikes: dict[Hearing, Path] = {}
    skipped: dict[str, Skipped] = {}
    for hearing in dict.fromkeys(one.hearing for one in ready):
        with running([output / hearing.file_name], quiet, None) as here:
            spikes[hearing], left_out = convert_fresh(
                *(audio, names, digests, hearing, output, seed),
                synthetic=synthetic,
                jobs=jobs,
                notify=here.notify,
                progress=here.progress,
            )
        skipped |= {one.file: one for one in left_out}
    return spikes, list(skipped.values())


def _answer(ready: _Ready, spikes: Path, output: Path, device: str, large: bool) -> _Answered:
    """Run every seed, and write what it says."""
    from spikebench.evaluation.fresh_test import answer_fresh, measure
    from spikebench.protocol.results import read_predictions, write_predictions

    stored = ready.stored
    answers, unknown = answer_fresh(
        spikes, ready.run, stored.result.model, ready.weights, device, large=large
    )
    folder = output / "predictions" / stored.entry.dataset / stored.entry.id
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    own: list[Predictions] = []
    for record, found in zip(stored.result.seeds, answers, strict=True):
        path = folder / f"predictions-seed{record.seed}.csv"
        write_predictions(path, found)
        files.append(path.relative_to(output).as_posix())
        own.append(read_predictions(stored.folder / record.predictions_file))
    return _Answered(ready, measure(own), measure(answers), unknown, files)


def _rows(answered: list[_Answered], known: Known) -> list[dict[str, Any]]:
    """Put the figures of every entry together, with its ranks among those on the same data."""
    rows = []
    for board in dict.fromkeys(one.board for one in answered):
        group = [one for one in answered if one.board == board]
        own, new = (_ranks([getattr(one, which) for one in group]) for which in ("own", "fresh"))
        for one, own_rank, fresh_rank in zip(group, own, new, strict=True):
            stored = one.ready.stored
            rows.append(
                {
                    "entry": _name(stored),
                    "name": stored.entry.name,
                    "synthetic_data": stored.result.dataset.synthetic,
                    "own": {**_figures(one.own), "rank": own_rank},
                    "fresh": {**_figures(one.fresh), "rank": fresh_rank},
                    "drop": one.own.accuracy - one.fresh.accuracy,
                    "recordings_of_unknown_words": one.unknown,
                    "compared_with_its_own_data": known.covers(stored.result.dataset),
                    "spikes": one.ready.hearing.file_name,
                    "predictions": one.files,
                }
            )
    return rows


def _ranks(measured: list[Measured]) -> list[int]:
    """Rank by tie groups of overlapping intervals, as the leaderboard does."""
    from leaderboard.standings.ranking import rank_intervals

    order = sorted(range(len(measured)), key=lambda i: -measured[i].accuracy)
    ranks = rank_intervals([(measured[i].interval.low, measured[i].interval.high) for i in order])
    by_entry = dict(zip(order, ranks, strict=True))
    return [by_entry[i] for i in range(len(measured))]


def _figures(measured: Measured) -> dict[str, Any]:
    return {**asdict(measured), "interval": measured.interval.model_dump()}


def _header(
    audio: Path,
    labels: str,
    speakers: str,
    without: tuple[Path, ...],
    synthetic: bool,
    seed: int,
) -> dict[str, object]:
    from datetime import UTC, datetime

    from spikebench import __version__

    words = ["spikebench", "leaderboard", "fresh", "--audio", str(audio)]
    words += ["--labels", labels] if labels != "auto" else []
    words += ["--speakers", speakers] if speakers != "auto" else []
    for path in without:
        words += ["--without", str(path)]
    words += ["--synthetic"] if synthetic else []
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": f"spikebench {__version__}",
        "command": shlex.join([*words, *(["--seed", str(seed)] if seed else [])]),
        "synthetic": synthetic,
    }


def _write(path: Path, document: dict[str, Any]) -> None:
    from spikebench.records.whole_files import write_text

    write_text(path, json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def _say(document: dict[str, Any], output: Path) -> str:
    found = document["recordings"]
    sources = ", ".join(f"{count:,} of {name}" for name, count in found["compared_by_file"].items())
    synthetic = " (synthetic voices)" if document["synthetic"] else ""
    lines = [
        f"{found['used']} of {found['found']} recordings{synthetic}: {found['words']} words, "
        f"{found['speakers']} known speakers",
        f"  compared with the SHA-256 of {sources or 'no known recording'}; "
        f"with the sound of {found['compared_by_sound']:,}",
        f"  left out: {found['of_words_that_no_entry_knows']} of words that no entry knows",
    ]
    reasons = Counter(
        one["reason"].partition(" the same recording as ")[0] for one in found["left_out"]
    )
    lines += [
        f"  left out: {count} {'there twice' if reason == 'is' else f'({reason})'}"
        for reason, count in reasons.most_common(_SHOWN)
    ]
    if found["not_comparable"]:
        lines.append(f"  name none of their recordings: {', '.join(found['not_comparable'])}")
    width = max((len(row["entry"]) for row in document["entries"]), default=0)
    lines.append(f"{'entry':<{width}}  {'own test':>24}  {'fresh test':>24}   drop  rank")
    lines += [_line(row, width) for row in document["entries"]]
    for row in document["entries"]:
        if not row["compared_with_its_own_data"]:
            lines.append(f"{row['entry']}: its own data are not known here; --without names them")
    lines += [f"not run: {one['entry']}: {one['reason']}" for one in document["not_run"]]
    return "\n".join([*lines, _WHAT_IT_SAYS, f"wrote {output / 'fresh.json'}"])


def _line(row: dict[str, Any], width: int) -> str:
    own, new = row["own"], row["fresh"]
    figures = [
        f"{100 * one['accuracy']:.1f} ({100 * one['interval']['low']:.1f}–"
        f"{100 * one['interval']['high']:.1f}) n={one['samples']}"
        for one in (own, new)
    ]
    synthetic = "  own: synthetic voices" if row["synthetic_data"] else ""
    return (
        f"{row['entry']:<{width}}  {figures[0]:>24}  {figures[1]:>24}  {100 * row['drop']:5.1f}  "
        f"{own['rank']} → {new['rank']}{synthetic}"
    )
