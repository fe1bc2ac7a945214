"""Measure the accuracy of every model on one data set: trained with its preset, tested once per seed.

    python benchmarks/accuracy.py DATA NAME [--models svm,lif,…] [--seeds 3] [--runs FOLDER] [--audio FOLDER]

DATA is the value of ``spikebench evaluate --data``. The models on audio need the folder of its recordings, and are
left out by default without it. Writes ``benchmarks/results/accuracy-NAME.json`` and ``….md``, in which other models
keep their results if the data are the same. With ``--runs`` the result folders are kept in FOLDER, and existing results
are reused.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from spikebench.models import MODELS
from spikebench.models.base import model_class
from spikebench.protocol.results import RESULT_FILE, Result, read_result

RESULTS = Path(__file__).parent / "results"


def evaluate(data: str, model: str, seeds: int, folder: Path, audio: Path | None) -> Result:
    """Run ``spikebench evaluate`` unless its result exists."""
    if not (folder / RESULT_FILE).exists():
        command = ["evaluate", "--model", model, "--data", data, "--seeds", str(seeds)]
        if model_class(model).on_audio:
            command += ["--audio", str(audio)]
        subprocess.run([sys.executable, "-m", "cli.main", *command, "-o", str(folder)], check=True)
    return read_result(folder)


def percent(value: float | None) -> str:
    """Format a fraction."""
    return "–" if value is None else f"{100 * value:.1f}"


def mean(values: list[float | None]) -> float | None:
    """Average the values that are not None."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def earlier(path: Path, measured: list[Result]) -> list[Result]:
    """Read the results of other models on the same data."""
    records = json.loads(path.read_text()) if path.exists() else []
    for record in records:
        for seed in record["seeds"]:
            seed["confusion"] = []  # left out of the file
    names = {result.model.name for result in measured}
    return [
        result
        for result in map(Result.model_validate, records)
        if result.model.name not in names and result.dataset == measured[0].dataset
    ]


def row(result: Result) -> dict[str, str]:
    """Make one line of the table."""
    summary, seeds = result.summary, result.seeds
    spikes = mean([seed.spikes_per_sample for seed in seeds])
    return {
        "model": result.model.name,
        "seeds": str(summary.seeds),
        "test %": percent(summary.test_mean),
        "± seeds": percent(summary.test_std),
        "95 % interval": f"{percent(summary.test_interval.low)} … {percent(summary.test_interval.high)}",
        "unseen speakers %": percent(mean([seed.unseen_accuracy for seed in seeds])),
        "seen speakers %": percent(mean([seed.seen_accuracy for seed in seeds])),
        "validation %": percent(summary.validation_mean),
        "parameters": f"{result.model.parameters:,}",
        "hidden spikes per sample": "–" if spikes is None else f"{spikes:,.0f}",
        "training s per seed": f"{mean([seed.train_seconds for seed in seeds]):.0f}",
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("name")
    parser.add_argument("--models")
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path)
    options = parser.parse_args()
    known = [name for name in MODELS if options.audio or not model_class(name).on_audio]
    models = options.models.split(",") if options.models else known
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.runs or Path(temporary)
        results = [
            evaluate(options.data, model, options.seeds, folder / model, options.audio)
            for model in models
        ]
    results += earlier(RESULTS / f"accuracy-{options.name}.json", results)
    results.sort(key=lambda result: result.summary.test_mean, reverse=True)
    rows = [row(result) for result in results]
    dataset, split, environment = (
        results[0].dataset,
        results[0].dataset.split,
        results[0].environment,
    )
    lines = [
        f"# {options.name}{' (synthetic voices)' * dataset.synthetic}: {dataset.n_units} units, "
        f"{len(dataset.classes)} classes",
        "",
        f"`python benchmarks/accuracy.py {Path(options.data).name} {options.name} --seeds N`, N as in the table, "
        f"{results[0].software}, {max(one.created for one in results)[:10]}, {environment['cores']} cores, torch "
        f"{environment['torch']}.",
        f"Spikes: SHA-256 `{dataset.sha256}`. Split {split.protocol}: {split.rule}; {split.train_samples} "
        f"train, {split.validation_samples} validation, {split.test_samples} test. Trained with the preset, "
        "the epoch selected on validation, the test split opened once per seed. Training seconds are wall time, "
        "including other work on the machine.",
        "",
        "| " + " | ".join(rows[0]) + " |",
        "|" + "---|" * len(rows[0]),
        *("| " + " | ".join(line.values()) + " |" for line in rows),
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"accuracy-{options.name}.md").write_text("\n".join(lines) + "\n")
    records = [
        json.loads(result.model_dump_json(exclude={"seeds": {"__all__": {"confusion"}}}))
        for result in results
    ]
    (RESULTS / f"accuracy-{options.name}.json").write_text(json.dumps(records, indent=1) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
