"""A support vector machine on spike counts: a baseline without temporal information.

Features: the spikes of each unit over the whole clip, standardised on the training split. One machine per pair of
classes, votes. Trained by scikit-learn; C and γ are selected on the validation split. A trained machine is stored as
arrays, so it is loaded from safetensors like a network and needs no pickle.

::

    model.kernel    of standardised counts x and support vectors s
    rbf             exp(−γ·|x − s|²)
    linear          x·s                                     (γ has no meaning and is not selected)
    poly            (γ·x·s + poly_offset)^degree

Source: Cramer et al. (2020), arXiv:1910.07407, classifiers on spike counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.events.batches import EventBatch
from spikebench.metrics.operations import Account
from spikebench.models.base import CountClassifier, CountData, DataShape, Output
from spikebench.models.configs.base import ModelConfig
from spikebench.models.configs.svm import CountSVMConfig


class CountSVM(CountClassifier):
    """Support vector machine on counts. Its whole state is stored in buffers."""

    Config: ClassVar[type[ModelConfig]] = CountSVMConfig
    spiking = False
    looks_ahead = True

    def __init__(self, config: CountSVMConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.config = config
        self.mean: torch.Tensor
        self.scale: torch.Tensor
        self.support: torch.Tensor
        self.coefficients: torch.Tensor
        self.intercepts: torch.Tensor
        self.gamma: torch.Tensor
        pairs = shape.n_classes * (shape.n_classes - 1) // 2
        for name, size in {
            "mean": (shape.n_units,),  # of each unit's count
            "scale": (shape.n_units,),  # its standard deviation
            "support": (0, shape.n_units),  # support vectors
            "coefficients": (pairs, 0),  # one row per pair of classes
            "intercepts": (pairs,),
            "gamma": (1,),
        }.items():
            self.register_buffer(name, torch.zeros(size, dtype=torch.float64))

    def forward(self, batch: EventBatch) -> Output:
        """Compute the votes of the pairwise machines for each class."""
        _, kernel = self._compare(batch)
        decisions = kernel @ self.coefficients.T + self.intercepts  # (batch, pair)
        n_classes = self.shape.n_classes
        first, second = torch.triu_indices(n_classes, n_classes, 1, device=kernel.device)
        for_first = (decisions > 0).double()
        votes = torch.zeros(len(kernel), n_classes, dtype=torch.float64, device=kernel.device)
        votes.index_add_(1, first, for_first).index_add_(1, second, 1 - for_first)
        return Output(votes.float())  # a tie goes to the lower index, as in libsvm

    def account(self, batch: EventBatch) -> Account:
        """Count the operations for a batch: products with the support vectors, and of the kernel with the coefficients.

        Votes and non-linearities are not counted; there are no neurons.
        """
        account = Account.of(batch)
        for name, values in zip(("support", "coefficients"), self._compare(batch), strict=True):
            account.multiply(name, values, getattr(self, name))
        return account

    def _compare(self, batch: EventBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the standardised counts (batch, unit) and their kernel values (batch, support vector)."""
        counts = (batch.dense().sum(1).double() - self.mean) / self.scale
        if self.config.kernel == "rbf":
            return counts, torch.exp(-self.gamma * torch.cdist(counts, self.support) ** 2)
        product = counts @ self.support.T
        if self.config.kernel == "poly":
            product = (self.gamma * product + self.config.poly_offset) ** self.config.degree
        return counts, product

    def n_parameters(self) -> int:
        """Return the number of learned parameters: support vectors, their coefficients, intercepts.

        Returns
        -------
        int
            Elements of these tensors, without the standardisation.
        """
        return self.support.numel() + self.coefficients.numel() + self.intercepts.numel()

    def fit_counts(
        self,
        train: CountData,
        validation: CountData,
    ) -> dict[str, float]:
        """Train on counts and choose C and γ on validation.

        Parameters
        ----------
        train, validation
            Counts, int64, shape (samples, units), and labels, int64, shape (samples,).

        Returns
        -------
        dict
            The choice and its validation accuracy.
        """
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(train[0])
        x, x_validation = scaler.transform(train[0]), scaler.transform(validation[0])
        best: dict[str, float] = {"validation_accuracy": -1.0}
        machine: Any = None
        linear = self.config.kernel == "linear"
        widths = (1.0,) if linear else self.config.gamma_scale
        for C in self.config.C:
            for width in widths:
                candidate = self._machine(x, train[1], C, width)
                right = float(candidate.score(x_validation, validation[1]))
                if right > best["validation_accuracy"]:
                    best = {"validation_accuracy": right, "C": C, "gamma_scale": width}
                    machine = candidate
        self._keep(machine, scaler, best["gamma_scale"] / x.shape[1])
        if linear:
            del best["gamma_scale"]
        return best

    def refit_counts(self, train: CountData, choice: Mapping[str, float]) -> None:
        """Train on counts with the C and γ that validation selected; standardise by the same samples.

        Parameters
        ----------
        train
            Counts, int64, shape (samples, units), and labels, int64, shape (samples,).
        choice
            Selected settings, as returned by :meth:`fit_counts`.
        """
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(train[0])
        x, width = scaler.transform(train[0]), choice.get("gamma_scale", 1.0)
        self._keep(self._machine(x, train[1], choice["C"], width), scaler, width / x.shape[1])

    def _machine(
        self, x: NDArray[np.float64], labels: NDArray[np.int64], C: float, width: float
    ) -> Any:  # noqa: ANN401
        from sklearn.svm import SVC

        machine = SVC(
            C=C,
            kernel=self.config.kernel,
            degree=self.config.degree,
            gamma=width / x.shape[1],
            coef0=self.config.poly_offset,
            break_ties=False,
        )
        return machine.fit(x, labels)

    def _keep(self, machine: Any, scaler: Any, gamma: float) -> None:  # noqa: ANN401
        """Unfold libsvm's packed dual coefficients into one row per pair of classes."""
        n_classes = self.shape.n_classes
        present = machine.classes_
        ends = np.cumsum(machine.n_support_)
        groups = [
            slice(end - size, end) for end, size in zip(ends, machine.n_support_, strict=True)
        ]
        pairs = n_classes * (n_classes - 1) // 2
        coefficients = np.zeros((pairs, len(machine.support_vectors_)))
        # A class without training samples loses every vote.
        intercepts = np.array(
            [
                1.0 if first in present else -1.0
                for first in range(n_classes)
                for _ in range(first + 1, n_classes)
            ]
        )
        # For two classes scikit-learn inverts the signs, so that its decision is positive for the second.
        sign = -1.0 if present.size == 2 else 1.0
        row = {pair: k for k, pair in enumerate(zip(*np.triu_indices(n_classes, 1), strict=True))}
        k = 0
        for i in range(present.size):
            for j in range(i + 1, present.size):
                at = row[present[i], present[j]]
                coefficients[at, groups[i]] = sign * machine.dual_coef_[j - 1, groups[i]]
                coefficients[at, groups[j]] = sign * machine.dual_coef_[i, groups[j]]
                intercepts[at] = sign * machine.intercept_[k]
                k += 1
        for name, value in {
            "mean": scaler.mean_,
            "scale": scaler.scale_,
            "support": machine.support_vectors_,
            "coefficients": coefficients,
            "intercepts": intercepts,
            "gamma": np.array([gamma]),
        }.items():
            setattr(self, name, torch.from_numpy(np.ascontiguousarray(value, dtype=np.float64)))

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        *arguments: Any,  # noqa: ANN401
    ) -> None:
        # The number of support vectors follows only from the loaded arrays.
        for name in ("support", "coefficients"):
            if prefix + name in state_dict:
                setattr(self, name, torch.empty_like(state_dict[prefix + name]))
        super()._load_from_state_dict(state_dict, prefix, *arguments)
