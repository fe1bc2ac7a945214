"""State-space layers on events: all tokens at once and token by token; states, order of events and dropout by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from helpers.batches import batch_of
from torch import nn
from torch.nn.functional import gelu

from spikebench.models.base import DataShape
from spikebench.models.configs.event_ssm import EventSSMConfig
from spikebench.models.event_ssm import EventSSM, EventSSMLayer, Tokens, _hippo_frequencies
from spikebench.models.linear_recurrence import linear_recurrence

SHAPE = DataShape(n_units=5, n_classes=3, n_steps=30, time_step=0.002, input_rate=0.2)


def model_of(**config: object) -> EventSSM:
    torch.manual_seed(0)
    small = {"hidden_units": 6, "states": 4, "block_states": 2, "dropout": 0.0}
    return EventSSM(EventSSMConfig.model_validate(small | config), SHAPE).double()


def raster_of(*rates: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    cells = torch.tensor(rates)[:, None, None].expand(-1, SHAPE.n_steps, SHAPE.n_units)
    return torch.poisson(cells, generator)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 37])
def test_a_recurrence_equals_a_loop(n: int) -> None:
    generator = torch.Generator().manual_seed(n)
    angle, size, *parts = torch.rand(4, n, 3, dtype=torch.float64, generator=generator)
    size[5::7] = 0  # starts again
    size[6::7] = 1e-320
    decays = torch.polar(size, 7 * angle).requires_grad_()
    inputs = torch.complex(*parts).requires_grad_()
    states = [inputs[t] for t in range(n)]
    for t in range(1, n):
        states[t] = decays[t] * states[t - 1] + inputs[t]
    looped = torch.stack([torch.zeros(3, dtype=inputs.dtype), *states])[1:]
    weights = torch.complex(*torch.randn(2, n, 3, dtype=torch.float64, generator=generator))
    found = linear_recurrence(decays, inputs)
    torch.testing.assert_close(found, looped, rtol=1e-9, atol=1e-12)
    gradients = [
        torch.autograd.grad((one * weights).sum().real, [decays, inputs], allow_unused=True)
        for one in (found, looped)
    ]
    wanted = [torch.zeros_like(decays) if one is None else one for one in gradients[1]]
    torch.testing.assert_close(list(gradients[0]), wanted, rtol=1e-9, atol=1e-12)


def scores_one_by_one(model: EventSSM, raster: torch.Tensor) -> torch.Tensor:
    """Compute the scores of one sample, its counts (time, unit), in loops over events, tokens and layers."""
    tokens = [
        (model.embedding[unit], step * 1e3 * SHAPE.time_step)
        for step, unit in raster.nonzero().tolist()
        for _ in range(int(raster[step, unit]))
    ]
    for k, n in enumerate(model.pooling):
        groups = [tokens[first : first + n] for first in range(0, len(tokens), n)]
        tokens = [(sum(v for v, _ in group) / len(group), group[-1][1]) for group in groups]
        for layer in model.layers[k * model.stage : (k + 1) * model.stage]:
            lam = torch.complex(-layer.log_decay.exp(), layer.frequency)
            step = layer.log_step.exp()
            b, c = (
                torch.complex(w[0::2], w[1::2]) for w in (layer.input.weight, layer.output.weight.T)
            )
            state, before = torch.zeros_like(lam), 0.0
            for at, (v, now) in enumerate(tokens):
                u = layer.norm(v)
                state = (lam * step * (now - before)).exp() * state
                state = state + ((lam * step).exp() - 1) / lam * (b @ u.to(b.dtype))
                # The second rows of the read-out are weights of imaginary parts: Re(conj(c)·x).
                y = (c.conj().T @ state).real + layer.past * u
                tokens[at] = (v + y * torch.sigmoid(layer.gate(gelu(y))), now)
                before = now
    last = [v for v, _ in tokens] or [torch.zeros_like(model.embedding[0])]
    return model.readout(torch.stack(last).mean(0))


@pytest.mark.parametrize("pooling", [(1,), (3, 2)])
def test_all_tokens_at_once_equal_token_by_token(pooling: tuple[int, ...]) -> None:
    """Scores and gradients of samples with many events, none, and few, some of them in one cell."""
    model, raster = model_of(pooling=pooling), raster_of(0.3, 0.0, 0.02)
    assert raster.max() > 1
    found = model(batch_of(raster, SHAPE.time_step)).scores
    wanted = torch.stack([scores_one_by_one(model, one) for one in raster])
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)
    weights, parameters = torch.linspace(-1, 1, 9).view(3, 3), list(model.parameters())
    gradients = [torch.autograd.grad((one * weights).sum(), parameters) for one in (found, wanted)]
    assert all(bool(one.any()) for one in gradients[0])
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)


def test_states_by_hand() -> None:
    """Decay by half in 1 ms; an event adds (1/2 − 1)/(−1/2) = 1 whatever the time before it."""
    layer = EventSSMLayer(EventSSMConfig(hidden_units=1, states=1, block_states=1, dropout=0.0))
    layer.norm = nn.Identity()  # type: ignore[assignment]
    given = {
        "log_decay": [math.log(0.5)],
        "frequency": [0.0],
        "log_step": [math.log(2 * math.log(2))],
        "past": [0.0],
        "input.weight": [[1.0], [0.0]],
        "output.weight": [[1.0, 0.0]],
        "gate.weight": [[0.0]],  # σ(0) = 1/2
        "gate.bias": [0.0],
    }
    layer.load_state_dict({name: torch.tensor(value) for name, value in given.items()})
    tokens = Tokens(torch.ones(5, 1), torch.tensor([0, 1, 3, 4, 4]), torch.tensor([3, 2]))
    gaps, index = tokens.gaps()
    assert gaps.tolist() == [-1, 0, 1, 2]
    _, states, _, outputs = layer(tokens, gaps.float(), index)
    # 1; 1 + 1/2; 1 + 1.5/4; the next sample: 1; 1 + 1
    expected = torch.tensor([1, 1.5, 1.375, 1, 2])
    torch.testing.assert_close(states[:, 0], expected)
    torch.testing.assert_close(outputs[:, 0], 1 + expected / 2)
    assert not states[:, 1].any()


def test_groups_stay_within_their_sample() -> None:
    tokens = Tokens(
        torch.arange(7.0)[:, None], torch.tensor([0, 2, 5, 6, 8, 1, 3]), torch.tensor([5, 0, 2])
    )
    pooled = tokens.pooled(3)
    assert pooled.values.flatten().tolist() == [1.0, 3.5, 5.5]
    assert pooled.bins.tolist() == [5, 8, 3]
    assert pooled.sizes.tolist() == [2, 0, 1]


def test_scores_depend_on_the_raster_alone() -> None:
    """The order of events within a bin has no effect; in binary mode, a cell with several events is one."""
    model, raster = model_of(), raster_of(0.4, 0.4)
    batch = batch_of(raster, SHAPE.time_step)
    expected = model(batch).scores
    order = torch.arange(len(batch.bins))
    same = batch.bins[:-1] == batch.bins[1:]
    swapped = int((same & (batch.units[:-1] != batch.units[1:])).nonzero()[0])
    order[[swapped, swapped + 1]] = order[[swapped + 1, swapped]]
    assert torch.equal(model(replace(batch, units=batch.units[order])).scores, expected)
    single = model(batch_of(raster.clamp(max=1), SHAPE.time_step)).scores
    assert not torch.equal(single, expected)
    assert torch.equal(model(replace(batch, mode="binary")).scores, single)


def test_no_event_at_all_gives_the_bias() -> None:
    model = model_of(pooling=(1, 2))
    assert torch.equal(model(batch_of(raster_of(0.0, 0.0))).scores[1], model.readout.bias)


def test_features_are_dropped_in_all_tokens_of_a_sample() -> None:
    torch.manual_seed(0)
    layer = EventSSMLayer(EventSSMConfig(dropout=0.5))
    sizes = torch.tensor([3, 2])
    dropped = layer._dropped(torch.ones(5, 64), sizes)
    assert set(dropped.flatten().tolist()) == {0.0, 2.0}
    assert torch.equal(dropped, dropped[[0, 3]].repeat_interleave(sizes, 0))
    assert not torch.equal(dropped[0], dropped[3])
    assert layer.eval()._dropped(torch.ones(5, 64), sizes).eq(1).all()


def test_frequencies_are_those_of_hippo() -> None:
    """Eigenvalues of A + p·pᵀ, A[i, k] = −√((2i + 1)(2k + 1)) below and −(i + 1) on the diagonal, p[i] = √(i + 1/2)."""
    n = 6
    p = (torch.arange(n, dtype=torch.float64) + 0.5).sqrt()
    hippo = -(2 * torch.outer(p, p)).tril(-1) - torch.diag(torch.arange(n).double() + 1)
    values = torch.linalg.eigvals(hippo + torch.outer(p, p))
    torch.testing.assert_close(values.real, torch.full((n,), -0.5).double())
    torch.testing.assert_close(values.imag.sort().values[n // 2 :], _hippo_frequencies(n // 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"states": 12}, "states: 12 is not a multiple of block_states"),
        ({"pooling": (0, 2)}, "pooling: a group has at least 1 token"),
        ({"tau_ms": (5.0, 1.0)}, "tau_ms: 5.0 to 1.0 is not a range"),
    ],
)
def test_inconsistent_settings_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EventSSMConfig.model_validate(change)
