"""The neuron model of a scan: threshold, reset, adaptation, surrogate.

::

    I[t] = α·I[t−1] + x[t] + Σ_s V_s·S[t−1−s]
    zero       U[t] = (β·U[t−1] + (1 − β)·(I[t] − A[t−1]))·(1 − S[t−1])
    restart    U[t] = β·U[t−1]·(1 − S[t−1]) + (1 − β)·(I[t] − A[t−1])
    subtract   U[t] = β·(U[t−1] − ϑ·S[t−1]) + (1 − β)·(I[t] − A[t−1])
    S[t] = 1 if U[t] ≥ ϑ else 0
    A[t] = ρ·A[t−1] + (1 − ρ)·(a·R[t] + b·S[t]),   R[t] = U[t]·(1 − S[t]), or U[t] − ϑ·S[t] with subtract

With :class:`Rotation`, U is the real part of a complex state that rotates while it decays, and A its imaginary part:

    U[t] = β·R[t−1] − δ·A[t−1] + g·I[t],   A[t] = δ·R[t−1] + β·A[t−1]

with R as above, β = exp(−dt/τ)·cos(ω·dt) and δ = exp(−dt/τ)·sin(ω·dt); with ``zero``, R is U, and U[t] is multiplied by
1 − S[t−1]. With ``subtract`` and U = 2·Re u this is the neuron of C-SiLIF, Fabre et al. (2025), arXiv:2506.06374.

x is the input current, V recurrent weights, A the adaptation (0 without). ``zero`` is the neuron of Cramer et al.
(2020), arXiv:1910.07407: a spike silences the next step. ``restart`` with adaptation is the symplectic Euler step of
SE-adLIF, Baronig et al. (2024), arXiv:2408.07517: A depends on the new U.

In the backward pass, dS/dU is replaced by a function of x = U − ϑ and the slope λ that is 1 at the threshold:

    fast_sigmoid     1/(λ·|x| + 1)²                     Zenke, Ganguli (2018), arXiv:1705.11146
    logistic         4·σ(λx)·(1 − σ(λx))                σ the logistic function
    arctan           1/(1 + (λx)²)
    triangle         max(0, 1 − λ·|x|)
    boxcar           1 if λ·|x| ≤ 1 else 0
    multi_gaussian   ((1 + h)·g(x) − (h/s)·(g((x − 1/λ)/s) + g((x + 1/λ)/s)))/its value at 0, g(x) = exp(−(λx)²/2),
                     h = 0.15, s = 6                    Yin, Corradi, Bohté (2021), doi 10.1038/s42256-021-00397-w

``reset_in_graph`` selects whether the reset is differentiated.

The class of the :class:`Parameters` passed to a scan beside the decays selects the equations: none,
:class:`Adaptation`, or :class:`Rotation`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from spikebench.kernels.names import Reset, Surrogate

# Numbers that represent the names in compiled loops.
RESETS: dict[Reset, int] = {"zero": 0, "restart": 1, "subtract": 2}
SURROGATES: dict[Surrogate, int] = {
    "fast_sigmoid": 0,
    "logistic": 1,
    "arctan": 2,
    "triangle": 3,
    "multi_gaussian": 4,
    "boxcar": 5,
}

GAUSSIAN_H, GAUSSIAN_S = 0.15, 6.0
GAUSSIAN_PEAK = 1 + GAUSSIAN_H - 2 * GAUSSIAN_H / GAUSSIAN_S * math.exp(-0.5 / GAUSSIAN_S**2)


class Parameters:
    """Parameters of a neuron other than β; subclasses are frozen dataclasses of tensors."""


@dataclass(frozen=True, eq=False)
class Adaptation(Parameters):
    """Parameters of adaptation; every field is a number or one value per unit.

    Attributes
    ----------
    decay : Tensor of float
        ρ, decay of the adaptation.
    to_membrane : Tensor of float
        a: subthreshold adaptation.
    to_spikes : Tensor of float
        b: spike-triggered adaptation.
    """

    decay: torch.Tensor
    to_membrane: torch.Tensor
    to_spikes: torch.Tensor


@dataclass(frozen=True, eq=False)
class Rotation(Parameters):
    """Parameters of a complex state; every field is a number or one value per unit.

    Attributes
    ----------
    turn : Tensor of float
        δ, the sine part of the rotation per step; β is its cosine part.
    gain : Tensor of float
        g, factor of the input current.
    """

    turn: torch.Tensor
    gain: torch.Tensor


# Number of the equations for each class of parameters.
LEAKY, ADAPTIVE, ROTATING = range(3)
EQUATIONS: dict[type, int] = {type(None): LEAKY, Adaptation: ADAPTIVE, Rotation: ROTATING}


COMPACT = (SURROGATES["triangle"], SURROGATES["boxcar"])  # 0 if slope·|U − threshold| > 1


class Settings(NamedTuple):
    """Settings of a neuron for compiled loops, with numbers in place of names."""

    equations: int
    threshold: float
    slope: float
    reset: int
    reset_in_graph: bool
    surrogate: int


@dataclass(frozen=True)
class Neuron:
    """Settings of a scan that are not learned.

    Attributes
    ----------
    threshold : float
        ϑ, above 0.
    reset : {"zero", "restart", "subtract"}
        Effect of a spike on the membrane potential.
    reset_in_graph : bool
        Whether gradients propagate through the reset.
    surrogate : str
        Shape of the surrogate gradient.
    slope : float
        λ, above 0.

    Raises
    ------
    ValueError
        If a setting is unknown or out of range.
    """

    threshold: float = 1.0
    reset: Reset = "zero"
    reset_in_graph: bool = False
    surrogate: Surrogate = "fast_sigmoid"
    slope: float = 4.0

    def __post_init__(self) -> None:
        if self.reset not in RESETS:
            raise ValueError(f"unknown reset {self.reset!r}; available are {', '.join(RESETS)}")
        if self.surrogate not in SURROGATES:
            raise ValueError(
                f"unknown surrogate {self.surrogate!r}; available are {', '.join(SURROGATES)}"
            )
        for name in ("threshold", "slope"):
            value = getattr(self, name)
            if not isinstance(value, int | float):
                raise ValueError(f"{name} must be a number, got {value!r}")
            if not 0 < value < math.inf:
                raise ValueError(f"{name} must be above 0 and finite, got {value}")

    def settings(self, parameters: Parameters | None) -> Settings:
        """Convert the settings to numbers, for compiled loops.

        Parameters
        ----------
        parameters
            Parameters of the scan other than the decays.

        Returns
        -------
        Settings
            Equations, threshold, slope, reset, surrogate.

        Raises
        ------
        ValueError
            If there are no equations for such parameters.
        """
        if type(parameters) not in EQUATIONS:
            raise ValueError(f"no equations for parameters of {type(parameters).__name__}")
        return Settings(
            equations=EQUATIONS[type(parameters)],
            threshold=self.threshold,
            slope=self.slope,
            reset=RESETS[self.reset],
            reset_in_graph=self.reset_in_graph,
            surrogate=SURROGATES[self.surrogate],
        )
