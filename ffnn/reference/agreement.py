"""Agreement: everything that ffnn registers, trained beside the same thing in another framework, in float64.

Each side uses functions of its own; what is compared is what comes out.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.backend.engine import Engine
from ffnn.data.batches import Batches, Pool
from ffnn.errors import FFNNError
from ffnn.nn import (
    ACTIVATIONS,
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    BatchNorm,
    ClipNorm,
    ClipValue,
    Dropout,
    L2Penalty,
    Layer,
    Linear,
    Network,
    Objective,
    Softmax,
)
from ffnn.nn.clipping import Clip
from ffnn.reference.counterpart import Counterpart
from ffnn.reference.reference import Reference, State, reference_class
from ffnn.training.trainer import Plan, Trainer

BOUND = 1e-10
"""Largest relative difference wherever both sides define the same."""

STEPS = (1, 10, 100)
FEATURES, CLASSES, ROWS, BATCH = 6, 4, 28, 8
"""Epochs are short, so that schedules have many, and end in a smaller batch."""

Component = str | Mapping[str, Any]


def hidden_tanh() -> list[Layer]:
    """A network without kinks, in which every layer learns."""
    return [Linear(8, bias_init="uniform"), ACTIVATIONS.create("tanh"), Linear(CLASSES)]


@dataclass(frozen=True)
class Case:
    """What is trained on both sides; a row of the table, about the kind of thing and the name that it begins with."""

    kind: str
    name: str
    layers: Callable[[], list[Layer]] = hidden_tanh
    loss: Component = "cross_entropy"
    optimizer: Component = "sgd"
    learning_rate: float = 0.1
    schedule: Component = "constant"
    penalty: L2Penalty | None = None
    clips: Sequence[Clip] = ()


def cases() -> Iterator[Case]:
    """All of them; what is registered tomorrow is among them."""
    for name in ACTIVATIONS:
        yield Case("activation", name, lambda name=name: _with_activation(name))  # type: ignore[misc]
    weighted = {"label_smoothing": 0.1, "class_weights": [1.0, 2.0, 3.0, 0.5]}
    for name in LOSSES:
        yield Case("loss", name, loss=name)
        if "class_weights" in LOSSES.options(name):
            yield Case("loss", f"{name}, smoothed and weighted", loss={"name": name, **weighted})
    yield Case("loss", "mean_squared_error on softmax", _ending_in_softmax, "mean_squared_error")
    yield Case("loss", "cross_entropy on softmax", _ending_in_softmax)
    yield Case("layer", "linear without bias", lambda: [Linear(8, bias=False), *hidden_tanh()[1:]])
    yield Case("layer", "batch_norm", lambda: [*hidden_tanh()[:2], BatchNorm(), Linear(CLASSES)])
    yield Case("layer", "batch_norm before its activation", lambda: [Linear(8), BatchNorm(), *hidden_tanh()[1:]])
    yield Case("layer", "dropout at rate 0", lambda: [*hidden_tanh()[:2], Dropout(0.0), Linear(CLASSES)])
    for name in OPTIMIZERS:
        yield Case("optimizer", name, optimizer={"name": name, "weight_decay": 0.0}, learning_rate=0.01)
        yield Case(
            "optimizer", f"{name}, weight_decay", optimizer={"name": name, "weight_decay": 0.1}, learning_rate=0.01
        )
    for name in SCHEDULES:
        yield Case("schedule", name, schedule=name)
    yield Case("schedule", "cosine, momentum", optimizer="momentum", learning_rate=0.01, schedule="cosine")
    yield Case("schedule", "cosine, nesterov", optimizer="nesterov", learning_rate=0.01, schedule="cosine")
    yield Case("penalty", "l2", penalty=L2Penalty(0.1))
    yield Case("penalty", "l2 per example", penalty=L2Penalty(0.1, per_example=True))
    yield Case("clipping", "clip_norm", clips=[ClipNorm(0.05)])
    yield Case("clipping", "clip_value", clips=[ClipValue(0.01)])


def _with_activation(name: str) -> list[Layer]:
    first, second = ACTIVATIONS.create(name), ACTIVATIONS.create(name)
    return [Linear(8, bias_init="uniform"), first, Linear(7, bias_init="uniform"), second, Linear(CLASSES)]


def _ending_in_softmax() -> list[Layer]:
    return [*hidden_tanh(), Softmax()]


@dataclass(frozen=True)
class Agreement:
    """How far apart the two sides of a case are.

    `differences` are relative to the largest value of each array: "loss", "gradients", "1", "10", ... for parameters
    after so many steps, and "outputs" in evaluation mode at the end; none without a counterpart. `bounds` have the same
    names; `remark` says why the sides differ by definition, or what has no counterpart.
    """

    case: Case
    differences: Mapping[str, float] = field(default_factory=dict)
    remark: str = ""
    bounds: Mapping[str, float] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether every difference is within its bound; a case without a counterpart breaks none."""
        return all(difference <= self.bounds[name] for name, difference in self.differences.items())


def compare(case: Case, framework: str, make_engine: Callable[[], Engine], steps: Sequence[int] = STEPS) -> Agreement:
    """Train a case on both sides, from the same values on the same batches; ffnn's engine is one of float64.

    Parameters are compared after so many `steps`; the largest is the length of the run.
    """
    tables = reference_class(framework).tables
    trainer = _make_trainer(case, make_engine(), max(steps))
    objective, plan, rate = trainer.objective, trainer.plan, trainer.optimizer.learning_rate
    try:
        reference = reference_class(framework)(objective, trainer.optimizer, case.clips)
        rates = reference.rates(plan.schedule, rate, trainer.clock)
    except FFNNError as problem:
        return Agreement(case, remark=f"no counterpart: {str(problem).partition(': ')[0]}")
    layers = [tables.of_layer(layer) for layer in objective.network.layers.values()]
    used = [
        *layers,
        *(tables.clippings[clip] for clip in case.clips),
        tables.losses[objective.loss],
        tables.optimizers[trainer.optimizer],
        tables.schedules[plan.schedule],
    ]
    differences = _follow(trainer, reference, rates, steps)
    remarks = "; ".join(dict.fromkeys(part.remark for part in used if part.remark))
    moves = case.schedule != "constant"
    return Agreement(case, differences, remarks, {name: _bound(used, name, moves) for name in differences})


def _bound(used: Sequence[Counterpart], name: str, scheduled: bool) -> float:
    kind = "parameters" if name.isdecimal() else name
    kinds = [kind, "scheduled"] if scheduled and kind in ("parameters", "outputs") else [kind]
    return max(BOUND, *(part.bounds.get(kind, BOUND) for part in used for kind in kinds))


def _make_trainer(case: Case, engine: Engine, length: int) -> Trainer:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (ROWS, FEATURES), np.uint8), rng.integers(0, CLASSES, ROWS)
    pool = Pool(engine, images, labels, np.full(FEATURES, 2 / 255), np.full(FEATURES, -1.0))
    batches = Batches(pool, np.arange(ROWS), BATCH, shuffle_seed=0)
    objective = Objective(Network(case.layers(), FEATURES, engine), LOSSES.create(case.loss), case.penalty)
    optimizer = OPTIMIZERS.create(case.optimizer, learning_rate=case.learning_rate)
    epochs = math.ceil(length / len(batches))
    return Trainer(objective, optimizer, batches, batches, Plan(epochs, SCHEDULES.create(case.schedule), case.clips))


def _follow(trainer: Trainer, reference: Reference, rates: Sequence[float], steps: Sequence[int]) -> dict[str, float]:
    """Take the same steps on both sides, and compare on the way."""
    network, host = trainer.objective.network, trainer.objective.network.engine.host
    differences: dict[str, float] = {}
    before = network.state_dict()
    while trainer.step < max(steps):
        for batch in trainer.train.epoch(trainer.step // len(trainer.train)):
            inputs, labels = (np.array(host(array)) for array in batch)
            first = trainer.step == 0
            if first:
                loss = trainer.objective.gradients(*batch)
                gradients = {name: np.array(host(p.grad)) for name, p in network.named_parameters()}
                network.load_state_dict(before)
            step = reference.step(inputs, labels, rates[trainer.step], with_gradients=first)
            if first:
                differences["loss"] = difference({"": np.array(loss)}, {"": np.array(step.loss)})
                differences["gradients"] = difference(gradients, step.gradients)
            trainer.take_step(*batch)
            if trainer.step in steps:
                ours = {name: np.array(host(p.value)) for name, p in network.named_parameters()}
                differences[str(trainer.step)] = difference(ours, reference.parameters())
            if trainer.step == max(steps):
                break
    differences["outputs"] = difference({"": network.predict(inputs)}, {"": reference.predict(inputs)})
    return differences


def difference(ours: State, theirs: State) -> float:
    """The largest difference of any value, relative to the largest value of its array.

    Arrays much smaller than the largest are measured by a thousandth of that one, because what is 0
    but for rounding agrees with nothing. NaN on either side makes the answer infinite.

    Examples
    --------
    >>> difference({"a": np.array([1.0, 2.0])}, {"a": np.array([1.0, 2.5])})
    0.2
    """
    if ours.keys() != theirs.keys():
        return math.inf
    largest = max(_largest(array) for array in theirs.values())
    ratios = [
        _largest(ours[name] - array) / max(_largest(array), 1e-3 * largest, 1e-300) for name, array in theirs.items()
    ]
    return max(ratios) if np.isfinite(ratios).all() else math.inf


def _largest(array: NDArray[Any]) -> float:
    return float(np.abs(array).max())
