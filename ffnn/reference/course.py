"""What a framework's schedule wants to know: a schedule's options, and how long the run is.

ffnn gives the run's length with each question, frameworks ask for it once.
"""

from types import SimpleNamespace

from ffnn.errors import FFNNError
from ffnn.nn import Schedule
from ffnn.nn.schedules import Clock, LinearDecay

BY_STEP = "total_steps"
"""An option that a schedule takes if it moves with every step and not with every epoch."""


def course(framework: str, schedule: Schedule, rate: float, clock: Clock) -> SimpleNamespace:
    """The schedule's options with rate, epochs, total_steps and the fraction of the rate at which it ends.

    Examples
    --------
    >>> from ffnn.nn.schedules import Cosine
    >>> found = course("torch", Cosine(minimum=0.1), 0.4, Clock(7, 3))
    >>> found.minimum, found.end_fraction, found.total_steps
    (0.1, 0.25, 21)
    """
    if isinstance(schedule, LinearDecay) and schedule.slope is not None:
        raise FFNNError(f"{framework} has no linear schedule with a slope: give its minimum, or use framework=ffnn")
    given = vars(schedule)
    return SimpleNamespace(
        **given,
        rate=rate,
        epochs=clock.epochs,
        total_steps=clock.total_steps,
        end_fraction=given.get("minimum", 0.0) / rate,
    )
