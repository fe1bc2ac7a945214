"""A study of noise on a Dask cluster: the same figures as in local processes, also when a worker is killed."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from helpers.loopback_cluster import started
from helpers.voices import convert_voices, write_voices

from spikebench import cluster
from spikebench.cluster import cluster_executor
from spikebench.noise.runner import run_study
from spikebench.noise.study import Study, plan_study

SHORT = ["input.duration_ms=200", "training.epochs=2", "model.hidden_units=[8]"]


@pytest.mark.slow
def test_a_cluster_and_local_processes_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed", reason="dask.distributed (extra cluster) is not installed")
    monkeypatch.setattr(cluster, "_SECONDS_BETWEEN_COUNTS", 0.1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    voices = write_voices(tmp_path / "voices")
    spikes = convert_voices(voices, tmp_path / "spikes.h5")

    def study(name: str) -> Study:
        return plan_study(
            voices,
            tmp_path / name,
            ["white:5dB,babble:5dB,reverb:100ms"],
            data=str(spikes),
            models=["lif"],
            settings=SHORT,
            noisy_training=True,
        )

    with started(tmp_path / "here") as dask:
        dask.have_workers(2)
        victim = dask.alive()[0]

        def kill(done: int, total: int) -> None:
            if done > 3 and victim.poll() is None:
                victim.kill()

        with cluster_executor(dask.address) as (executor, threads):
            far = run_study(study("far"), workers=threads, executor=executor, converted=kill)
    assert victim.wait(timeout=10) == -signal.SIGKILL
    assert far.failed == []
    assert far == run_study(study("near"), workers=1)
