"""PyTorch's version of every loss and optimizer, in the type of what it is given.

Those of activations and layers are in `reference`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional

K = 5
WEIGHTS = [1.0, 0.25, 0.0, 3.0, 2.0]


def torch_squared_error(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return functional.mse_loss(outputs, functional.one_hot(labels, outputs.shape[1]).to(outputs.dtype))


def torch_cross_entropy(smoothing: float = 0.0, weights: list[float] | None = None) -> Callable[..., torch.Tensor]:
    def loss(z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        weight = None if weights is None else torch.tensor(weights, dtype=z.dtype)
        return functional.cross_entropy(z, labels, weight=weight, label_smoothing=smoothing)

    return loss


def torch_focal(
    gamma: float, smoothing: float = 0.0, weights: list[float] | None = None
) -> Callable[..., torch.Tensor]:
    """The paper's formula in PyTorch, differentiated by PyTorch."""

    def loss(z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        one_hot = functional.one_hot(labels, z.shape[1]).to(z.dtype)
        weight = torch.tensor(weights or [1.0] * z.shape[1], dtype=z.dtype)
        target = ((1 - smoothing) * one_hot + smoothing / z.shape[1]) * weight
        p = torch.softmax(z, dim=1)
        return (target * (1 - p) ** gamma * -torch.log_softmax(z, dim=1)).sum() / weight[labels].sum()

    return loss


TORCH_LOSSES: dict[str, list[tuple[dict[str, Any], Callable[..., torch.Tensor]]]] = {
    "cross_entropy": [
        ({}, torch_cross_entropy()),
        ({"label_smoothing": 0.1}, torch_cross_entropy(0.1)),
        ({"class_weights": WEIGHTS}, torch_cross_entropy(weights=WEIGHTS)),
        ({"label_smoothing": 0.3, "class_weights": WEIGHTS}, torch_cross_entropy(0.3, WEIGHTS)),
    ],
    "mean_squared_error": [({}, torch_squared_error)],
    "hinge": [({}, functional.multi_margin_loss), ({"margin": 0.3}, partial(functional.multi_margin_loss, margin=0.3))],
    "focal": [
        ({}, torch_focal(2.0)),
        ({"gamma": 1.0}, torch_focal(1.0)),
        ({"gamma": 3.5, "label_smoothing": 0.2, "class_weights": WEIGHTS}, torch_focal(3.5, 0.2, WEIGHTS)),
    ],
}

Groups = list[dict[str, Any]]
optim = torch.optim


class LionByHand(optim.Optimizer):
    """Algorithm 2 of Chen et al., 2023, line by line, as PyTorch has none."""

    def __init__(self, groups: Groups, rate: float, beta1: float = 0.9, beta2: float = 0.99) -> None:
        super().__init__(groups, {"lr": rate})
        self.betas = beta1, beta2

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        beta1, beta2 = self.betas
        for group in self.param_groups:
            for theta in group["params"]:
                m = self.state[theta].get("m", torch.zeros_like(theta))
                c = beta1 * m + (1 - beta1) * theta.grad
                theta.sub_(group["lr"] * torch.sign(c))
                self.state[theta]["m"] = beta2 * m + (1 - beta2) * theta.grad


TORCH_OPTIMIZERS: dict[str, list[tuple[dict[str, Any], Callable[[Groups, float], torch.optim.Optimizer]]]] = {
    "sgd": [({}, optim.SGD)],
    "momentum": [
        ({}, lambda groups, rate: optim.SGD(groups, rate, momentum=0.9)),
        ({"momentum": 0.5}, lambda groups, rate: optim.SGD(groups, rate, momentum=0.5)),
        ({"momentum": 0.0}, optim.SGD),
    ],
    "nesterov": [
        ({}, lambda groups, rate: optim.SGD(groups, rate, momentum=0.9, nesterov=True)),
        ({"momentum": 0.6}, lambda groups, rate: optim.SGD(groups, rate, momentum=0.6, nesterov=True)),
    ],
    "adagrad": [
        ({}, optim.Adagrad),
        ({"epsilon": 0.01}, lambda groups, rate: optim.Adagrad(groups, rate, eps=0.01)),
    ],
    "rmsprop": [
        ({}, optim.RMSprop),
        ({"rho": 0.8, "epsilon": 0.01}, lambda groups, rate: optim.RMSprop(groups, rate, alpha=0.8, eps=0.01)),
    ],
    "adam": [
        ({}, optim.Adam),
        (
            {"beta1": 0.5, "beta2": 0.9, "epsilon": 0.01},
            lambda groups, rate: optim.Adam(groups, rate, betas=(0.5, 0.9), eps=0.01),
        ),
    ],
    "adamw": [({"weight_decay": 0.0}, optim.AdamW)],
    "lion": [({}, LionByHand), ({"beta1": 0.5, "beta2": 0.8}, lambda groups, rate: LionByHand(groups, rate, 0.5, 0.8))],
}
