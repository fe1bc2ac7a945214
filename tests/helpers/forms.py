"""Forms of results from elsewhere, filled in."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from leaderboard.claims.outside import (
    write_kit,
)
from spikebench.protocol.opening import open_selection, open_test

TEST = open_test(open_selection("digits"))


N = TEST.index.size


def fill_in(
    folder: Path, seeds: int = 5, skill: float = 0.6, *, hardware: bool = False
) -> tuple[Path, Path]:
    """Make a kit and fill it in, right with the probability `skill`; measurements on a chip stay empty."""
    form, _, predictions = write_kit(folder, "digits", hardware=hardware)
    rows = ["seed,index,predicted"]
    for seed in range(seeds):
        generator = np.random.default_rng(seed)
        said = np.where(generator.random(N) < skill, TEST.labels, generator.integers(0, 20, N))
        order = generator.permutation(N)
        rows += [f"{seed},{TEST.index[k]},{said[k]}" for k in order]
    predictions.write_text("\n".join(rows) + "\n")
    text = form.read_text(encoding="utf-8")
    head, _, tail = text.partition("[[seeds]]")
    config = tail[tail.index("[config]") :].replace(
        "reproduce it\n", 'reproduce it\nnote = "layers"\n', 1
    )
    tables = "".join(
        f"[[seeds]]\nseed = {seed}\nvalidation_accuracy = 0.{60 + seed}\nepochs = 30\nselected_epoch = 12\n"
        for seed in range(seeds)
    )
    head = head.replace("parameters = 0 ", "parameters = 4321 ")
    for empty, filled in (
        ('name = ""                          # to', 'name = "My network" # to'),
        ('name = ""                          # kind', 'name = "my-network" # kind'),
        ('authors = "" ', 'authors = "A. Smith" '),
        ('software = "" ', 'software = "my program 1.0" '),
    ):
        assert empty in head
        head = head.replace(empty, filled)
    form.write_text(head + tables + config, encoding="utf-8")
    return predictions, form


def fill_in_chip(
    folder: Path, seeds: int = 1, skill: float = 0.6, energy: float = 0.0012
) -> tuple[Path, Path]:
    """Make a kit for measurements on a chip and fill it in: a made-up chip, for tests only."""
    predictions, form = fill_in(folder, seeds, skill, hardware=True)
    text = form.read_text(encoding="utf-8")
    for empty, filled in (
        ('device = ""', 'device = "Made-up chip, rev. A"'),
        ('supply = ""', 'supply = "VDD 0.8 V"'),
        ('instrument = ""', 'instrument = "Source meter, 1 kHz"'),
        ('method = ""', 'method = "mean over one pass"'),
        ('measured_by = ""', 'measured_by = "Lab"'),
        ('measured_on = ""', 'measured_on = "2026-01-31"'),
    ):
        assert empty in text
        text = text.replace(empty, filled)
    given = (energy, 0.02, 0.03, 0.004, 25.0)  # 0.03 W / 25 per s = 1.2 mJ
    for value in given:
        text = text.replace(
            "\nvalue = 0.0\nuncertainty = 0.0",
            f"\nvalue = {value}\nuncertainty = {value / 20:.3g}",
            1,
        )
    form.write_text(text, encoding="utf-8")
    return predictions, form
