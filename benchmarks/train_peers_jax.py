"""The network in spyx, on JAX; see ``train_peers_common`` for its equations."""

from __future__ import annotations

from importlib.metadata import version

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from numpy.typing import NDArray
from spyx import axn, nn
from train_peers_common import LEARNING_RATE, Labels, Raster, Task, surrogate

Weights = dict[str, jax.Array]
State = tuple[jax.Array, jax.Array]


class _Network(nnx.Module):
    """Products and neurons of one step, to be scanned by ``spyx.nn.run``."""

    def __init__(self, task: Task, weights: Weights) -> None:
        scale = 1 - task.decay_mem
        spike = axn.custom(surrogate)
        self.hidden = (nn.RCuBaLIF if task.recurrent else nn.CuBaLIF)(
            (task.n_hidden,),
            alpha=task.decay_syn,
            beta=task.decay_mem,
            threshold=1 / scale,
            activation=lambda distance: spike(scale * distance),
            rngs=nnx.Rngs(0),
        )
        if task.recurrent:
            self.hidden.recurrent_w = nnx.Param(weights["recurrent"])
        gamma = task.decay_readout
        self.readout = nn.LI(weights["bias"].shape, beta=gamma, rngs=nnx.Rngs(0))
        self.input = nnx.Param(weights["input"])
        self.output = nnx.Param((1 - gamma) * weights["readout"])

    def initial_state(self, batch: int) -> State:
        """Start at rest."""
        return self.hidden.initial_state(batch), self.readout.initial_state(batch)

    def __call__(self, raster: jax.Array, state: State) -> tuple[State, State]:
        """Step: potentials of the read-out and spikes, and the state."""
        spikes, hidden = self.hidden(raster @ self.input[...], state[0])
        potentials, readout = self.readout(spikes @ self.output[...], state[1])
        return (potentials, spikes), (hidden, readout)


class SpyxPeer:
    """``RCuBaLIF`` or ``CuBaLIF``, and ``LI``, of spyx; one compiled step with Adam of optax.

    Its reset subtracts the threshold, and a spike acts one step later than in the equations. The neurons
    lack the factors 1 − β and 1 − γ; threshold, surrogate and read-out weights are scaled instead. Decays are
    not trained.

    Variants tried, fastest of six steps in turns, T = 100, H = 128 and T = 250, H = 256 and T = 1000, H = 128, ms:
    products step by step 74, 407, 1200; input product of all steps at once 74, 486, 1304; the same with four
    steps unrolled in the scan 115, 602, and ten 202, 943. JAX chooses the number of threads.
    """

    def __init__(self, name: str, task: Task) -> None:
        self.name, self.version, self.task = name, version("spyx"), task
        wanted = {"input", "readout", "bias"} | ({"recurrent"} if task.recurrent else set())
        self.weights = {key: jnp.asarray(task.weights[key]) for key in sorted(wanted)}
        self.optimiser = optax.adam(LEARNING_RATE)
        self.state = self.optimiser.init(self.weights)
        self._step = jax.jit(self._update, donate_argnums=(0, 1))
        self._forward = jax.jit(self._scores)

    def _scores(self, weights: Weights, raster: jax.Array) -> tuple[jax.Array, jax.Array]:
        (potentials, spikes), _ = nn.run(_Network(self.task, weights), raster)
        return potentials.max(0) + weights["bias"], spikes

    def _update(
        self, weights: Weights, state: optax.OptState, raster: jax.Array, labels: jax.Array
    ) -> tuple[Weights, optax.OptState, jax.Array]:
        def loss(weights: Weights) -> jax.Array:
            scores, _ = self._scores(weights, raster)
            return optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean()

        value, gradients = jax.value_and_grad(loss)(weights)
        updates, state = self.optimiser.update(gradients, state)
        return optax.apply_updates(weights, updates), state, value

    def to(self, device: str) -> None:
        """Refuse: jax is installed for the CPU."""
        raise ValueError(f"spyx is measured on the CPU only, not on {device}")

    def prepare(self, raster: Raster) -> jax.Array:
        """Put time first."""
        return jax.block_until_ready(jnp.asarray(np.ascontiguousarray(raster.swapaxes(0, 1))))

    def step(self, prepared: jax.Array, labels: Labels) -> float:
        """Make one step of Adam."""
        self.weights, self.state, loss = self._step(
            self.weights, self.state, prepared, labels.astype(np.int32)
        )
        jax.block_until_ready(self.weights)
        return float(loss)

    def scores(self, prepared: jax.Array) -> tuple[NDArray[np.float32], float]:
        """Return scores and hidden spikes per sample."""
        scores, spikes = self._forward(self.weights, prepared)
        return np.asarray(scores), float(spikes.sum() / prepared.shape[1])


def spyx(name: str, task: Task, compiled: bool) -> SpyxPeer:
    """Build the network with spyx, which is always compiled."""
    return SpyxPeer(name, task)
