"""Train a spiking network in JAX on batches in numpy, and test it once.

python docs/examples/jax_training.py FILE.h5 (or the name of a data set, such as digits) [FOLDER of the result]

Needs jax and optax, which spikebench does not install. PyTorch only carries the weights into the result: the scores are
computed by JAX. Costs of operations outside of PyTorch cannot be counted.
"""

from __future__ import annotations

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch

from spikebench import Benchmark

Weights = dict[str, jax.Array]
DECAY, SLOPE = 0.8, 10.0


@jax.custom_jvp
def spike(distance: jax.Array) -> jax.Array:
    """Return 1 where the membrane is at least at the threshold; its derivative is that of a fast sigmoid."""
    return (distance >= 0).astype(jnp.float32)


@spike.defjvp
def _(values: tuple[jax.Array], changes: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    (distance,), (change,) = values, changes
    return spike(distance), change / (1 + SLOPE * jnp.abs(distance)) ** 2


def start(n_units: int, n_classes: int, n_hidden: int = 64) -> Weights:
    """Draw the first weights."""
    one, other = jax.random.split(jax.random.key(0))
    return {
        "hidden": jax.random.normal(one, (n_units, n_hidden)) / np.sqrt(n_units),
        "readout": jax.random.normal(other, (n_hidden, n_classes)) / np.sqrt(n_hidden),
    }


@jax.jit
def scores(weights: Weights, raster: jax.Array) -> jax.Array:
    """Compute scores (batch, class) of a raster (batch, time, unit): the mean of leaky integrators."""
    n, hidden, classes = len(raster), *weights["readout"].shape

    def step(state: tuple[jax.Array, ...], x: jax.Array) -> tuple[tuple[jax.Array, ...], jax.Array]:
        membrane, spikes, output = state
        membrane = DECAY * membrane * (1 - spikes) + x @ weights["hidden"]
        spikes = spike(membrane - 1)
        output = DECAY * output + (1 - DECAY) * spikes @ weights["readout"]
        return (membrane, spikes, output), output

    silent = jnp.zeros((n, hidden))
    _, outputs = jax.lax.scan(
        step, (silent, silent, jnp.zeros((n, classes))), raster.swapaxes(0, 1)
    )
    return outputs.mean(0)


def loss(weights: Weights, raster: jax.Array, labels: jax.Array) -> jax.Array:
    """Compute the mean cross-entropy."""
    return optax.softmax_cross_entropy_with_integer_labels(scores(weights, raster), labels).mean()


class Network(torch.nn.Module):
    """The trained weights as a network that a benchmark can test."""

    spiking = True

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        for name, values in weights.items():
            self.register_parameter(name, torch.nn.Parameter(torch.tensor(np.asarray(values))))

    def forward(self, raster: torch.Tensor) -> torch.Tensor:
        """Compute scores (batch, class) of a raster (batch, time, unit), in JAX."""
        weights = {name: jnp.asarray(p.detach().numpy()) for name, p in self.named_parameters()}
        return torch.tensor(np.asarray(scores(weights, jnp.asarray(raster.numpy()))))


def main(data: str, folder: str = "") -> None:
    """Train for two epochs on the training speakers; save the result of the test, if a folder is given."""
    benchmark = Benchmark(data, batch_size=64, duration=0.5, mode="binary")
    weights = start(benchmark.n_units, benchmark.n_classes)
    optimizer = optax.adam(1e-2)
    state = optimizer.init(weights)
    step = jax.jit(jax.value_and_grad(loss))
    for epoch in range(1, 3):
        for raster, labels in benchmark.train:
            value, gradients = step(weights, raster.numpy(), labels.numpy())
            updates, state = optimizer.update(gradients, state)
            weights = optax.apply_updates(weights, updates)
        print(f"epoch {epoch}: loss {value:.3f}")
    model = Network(weights)
    print(f"validation accuracy {benchmark.validate(model):.1%}")
    if folder:  # opens the test split
        benchmark.evaluate(model, metrics="footprint").save(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
