"""What a framework's schedule wants to know: a schedule's options, and how long the run is.

ffnn gives the run's length with each question, frameworks ask for it once.
"""

from types import SimpleNamespace

from ffnn.errors import FFNNError
from ffnn.nn import Schedule
from ffnn.nn.schedules import Clock, LinearDecay
from ffnn.reference.counterpart import Counterpart

BY_STEP = "total_steps"
"""An option that a schedule takes if it moves with every step and not with every epoch."""


def steps_between(counterpart: Counterpart, clock: Clock) -> int:
    """How many steps a framework's schedule stands still for."""
    return 1 if BY_STEP in counterpart.options.values() else clock.steps_per_epoch


def course(framework: str, schedule: Schedule, rate: float, clock: Clock) -> SimpleNamespace:
    """The schedule's options with rate, epochs, total_steps and the fraction of the rate at which it ends.

    Examples
    --------
    >>> from ffnn.nn.schedules import Cosine
    >>> values = course("torch", Cosine(minimum=0.1), 0.4, Clock(7, 3))
    >>> values.minimum, values.end_fraction, values.total_steps
    (0.1, 0.25, 21)
    """
    if isinstance(schedule, LinearDecay) and schedule.slope is not None:
        raise FFNNError(f"{framework} has no linear schedule with a slope: give its minimum, or use framework=ffnn")
    options = vars(schedule)
    return SimpleNamespace(
        **options,
        rate=rate,
        epochs=clock.epochs,
        total_steps=clock.total_steps,
        end_fraction=options.get("minimum", 0.0) / rate,
    )
