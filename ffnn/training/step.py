"""One step of training: what moves a network once, in which order and with which numbers.

Trainers, stacks and recordings all take this step; its numbers lie on the host, or in cells that a device reads.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from ffnn.backend.engine import Array
from ffnn.nn.averaging import WeightAverage, copy_of
from ffnn.nn.clipping import Clip
from ffnn.nn.network import Objective
from ffnn.nn.optimizer import Optimizer
from ffnn.nn.schedules import SCHEDULES, Schedule


@dataclass
class Plan:
    """How a network is to be trained, beside the batches.

    Clips are applied to the gradients in their order before each step. With `average`, validation and the best weights
    are those of the average.
    """

    epochs: int
    schedule: Schedule = field(default_factory=lambda: SCHEDULES.create("constant"))
    clips: Sequence[Clip] = ()
    average: WeightAverage | None = None


class Numbers(NamedTuple):
    """What differs from one step to the next: numbers, or cells of an engine that hold them.

    `factor` is that of the penalty's gradient; `share` how far the average goes towards the weights; `move` what
    `Optimizer.numbers` gave.
    """

    factor: float | Array
    share: float | Array
    move: Sequence[float | Array]


def take_step(
    objective: Objective,
    optimizer: Optimizer,
    plan: Plan,
    batch: tuple[Array, Array],
    numbers: Numbers,
    on_loss: Callable[[], None] | None = None,
    on_gradients: Callable[[], None] | None = None,
) -> None:
    """Loss, gradients, penalty, clips, optimizer, average, for inputs and labels as `Batches.epoch` gives them.

    `on_loss` is called when the loss is known; what it raises ends the step before anything is moved. `on_gradients` is
    called when the gradients are there, before they are clipped.
    """
    objective.compute(*batch)
    if on_loss:
        on_loss()
    objective.spread(objective.loss.backward(), numbers.factor)
    if on_gradients:
        on_gradients()
    for clip in plan.clips:
        clip.apply(objective.network.parameters)
    optimizer.move(numbers.move)
    if plan.average:
        plan.average.move((numbers.share,))


def numbers_of(
    objective: Objective, optimizer: Optimizer, plan: Plan, batch_size: int, learning_rate: float, ahead: int = 0
) -> Numbers:
    """The numbers of the next step, or of one that comes `ahead` steps later, on a batch of so many rows."""
    penalty, average = objective.penalty, plan.average
    return Numbers(
        penalty.factor(batch_size) if penalty else 0.0,
        average.numbers(average.steps + ahead)[0] if average else 0.0,
        optimizer.numbers(optimizer.steps + ahead + 1, learning_rate),
    )


@contextmanager
def taken_back(objective: Objective, optimizer: Optimizer, plan: Plan) -> Iterator[None]:
    """Within it steps may be tried; afterwards weights, slots and average are what they were before the first."""
    network, average = objective.network, plan.average
    weights, slots = network.state_dict(), optimizer.state_dict()
    averaged = copy_of(average.values, network.parameters) if average else None
    steps = average.steps if average else 0
    yield
    network.load_state_dict(weights)
    optimizer.load_state_dict(slots)
    if average:
        average.values[...], average.steps = averaged, steps
