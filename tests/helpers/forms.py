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


def fill_in(folder: Path, seeds: int = 5, skill: float = 0.6) -> tuple[Path, Path]:
    """Make a kit and fill it in, right with the probability `skill`."""
    form, _, predictions = write_kit(folder, "digits")
    rows = ["seed,index,predicted"]
    for seed in range(seeds):
        generator = np.random.default_rng(seed)
        said = np.where(generator.random(N) < skill, TEST.labels, generator.integers(0, 20, N))
        order = generator.permutation(N)
        rows += [f"{seed},{TEST.index[k]},{said[k]}" for k in order]
    predictions.write_text("\n".join(rows) + "\n")
    text = form.read_text(encoding="utf-8")
    head, _, tail = text.partition("[[seeds]]")
    config = tail[tail.index("[config]") :]
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
    form.write_text(head + tables + config + 'note = "layers"\n', encoding="utf-8")
    return predictions, form
