"""Symptoms of steps: they blew the network up, they are too long, or too short."""

import math
from itertools import pairwise

from ffnn.catalogue import LAYERS
from ffnn.diagnosis.course import Course
from ffnn.diagnosis.symptom import SYMPTOMS, Sight, Symptom
from ffnn.diagnosis.usual import ANSWERS, LASTING, MANY_DEAD

FAST_GROWTH = 2.0
"""Of a layer's weights in the first epoch: healthy ones grow by a tenth, those that one step threw away by 3 to 300."""

USUAL_STEP = LAYERS["update_ratio/"].usual
LONG_STEP = 100 * USUAL_STEP
"""Of the weights in one step: a network that loses a tenth of itself at each step keeps nothing."""

ABOVE_GUESSING = 1.1
"""Mean loss of the first epoch over that of guessing: steps that make things worse than they were at the start."""

NO_BETTER_THAN_GUESSING = 1.5
"""Best validation accuracy over that of guessing."""

RISE, OFTEN, ENOUGH_EPOCHS = 0.05, 0.4, 6
"""Training loss that rises by 5 % in 40 % of the epochs goes up and down; fewer epochs cannot show that."""

SHORT_STEP = 0.1 * USUAL_STEP
"""In the layer that moves most."""

SMALL_FALL = 0.05
"""Of the training loss from the first epoch to the last: below it nothing has been learnt yet."""


@SYMPTOMS.register("diverged")
class Diverged(Symptom):
    """The loss became NaN or infinite."""

    explains = ("dead_units", "saturated_units", "learning_rate_too_low", *ANSWERS)
    too_large = ("l2", "weight_decay")

    def look(self, course: Course) -> Sight | None:
        if course.summary.get("status") != "diverged":
            return None
        reason = str(course.summary.get("reason", "the loss is not finite"))
        begun = reason.partition("it began in ")[2]
        layer = f": it began in {begun}" if begun else ""
        rate = course.config.get("learning_rate")
        return (
            f"diverged at step {course.summary.get('diverged_step', '?')}{layer}",
            f"{reason}, at a learning rate of {rate:g}." if isinstance(rate, int | float) else f"{reason}.",
            ("a learning rate 10 times as small (`ffnn lr-find` looks for one)", "warmup_epochs=1", "clip_norm=1"),
        )


@SYMPTOMS.register("learning_rate_too_high")
class LearningRateTooHigh(Symptom):
    """Steps are so long that they destroy what was there, or that the loss goes up and down."""

    explains = ("exploding_gradients", "dead_units", "saturated_units", "learning_rate_too_low", *ANSWERS)
    too_large = ("l2", "weight_decay")

    def look(self, course: Course) -> Sight | None:
        harm = self._harm(course)
        evidence = (self._too_long(course, harm) if harm else None) or self._up_and_down(course)
        if not evidence:
            return None
        return (
            f"learning rate too high{_rate(course)}",
            evidence,
            ("a learning rate 3 to 10 times as small (`ffnn lr-find` looks for one)", "warmup_epochs=1"),
        )

    @staticmethod
    def _harm(course: Course) -> str | None:
        """What was lost; long steps alone do no harm where weights began small."""
        loss, guessing = course.first("train/loss"), course.guessing_loss
        best = max(course.series("val/accuracy"), default=math.nan)
        dead = max(course.by_layer("dead_fraction/", course.last).values(), default=0.0)
        if loss > ABOVE_GUESSING * guessing:
            return f"its mean loss of {loss:.3g} is above that of guessing, {guessing:.3g}"
        if best < NO_BETTER_THAN_GUESSING * course.guessing_accuracy:
            return f"validation accuracy never left guessing ({100 * best:.1f} %)"
        return f"{100 * dead:.0f} % of a layer's units are dead" if dead >= MANY_DEAD else None

    @staticmethod
    def _too_long(course: Course, harm: str) -> str | None:
        growth = course.by_layer("weight_growth/", course.first)
        steps = course.by_layer("update_ratio/", course.typical)
        grown = max(growth, key=lambda layer: growth[layer], default="")
        moved = max(steps, key=lambda layer: steps[layer], default="")
        if growth.get(grown, 0.0) >= FAST_GROWTH:
            return f"In the first epoch the weights of {grown} grew {growth[grown]:.3g} times as large, and {harm}."
        if steps.get(moved, 0.0) >= LONG_STEP:
            return (
                f"A step changes {100 * steps[moved]:.0f} % of {moved} ({100 * USUAL_STEP:g} % is usual), and {harm}."
            )
        return None

    @staticmethod
    def _up_and_down(course: Course) -> str | None:
        losses = course.series("train/loss")
        rises = sum(now > (1 + RISE) * before for before, now in pairwise(losses))
        if len(losses) < ENOUGH_EPOCHS or rises < OFTEN * (len(losses) - 1):
            return None
        return f"The training loss rose by more than {100 * RISE:.0f} % in {rises} of {len(losses) - 1} epochs."


@SYMPTOMS.register("learning_rate_too_low")
class LearningRateTooLow(Symptom):
    """Steps are so short that the loss hardly falls."""

    explains = ANSWERS
    too_large = ("l2", "weight_decay")

    def look(self, course: Course) -> Sight | None:
        steps = course.by_layer("update_ratio/", course.typical)
        losses = course.series("train/loss")
        if len(losses) < LASTING or not steps:
            return None
        moved = max(steps, key=lambda layer: steps[layer])
        fall = 1 - losses[-1] / losses[0] if losses[0] else 0.0
        if not (0 < steps[moved] < SHORT_STEP and 0 < fall < SMALL_FALL):
            return None
        return (
            f"learning rate too low{_rate(course)}",
            f"The training loss fell by {100 * fall:.1f} % in {len(losses)} epochs, from {losses[0]:.4g} to "
            f"{losses[-1]:.4g}; a step changes at most {steps[moved]:.1g} of a layer ({moved}), where 1e-3 is usual.",
            ("a learning rate 10 to 100 times as large (`ffnn lr-find` looks for one)",),
        )


def _rate(course: Course) -> str:
    """The learning rate in brackets, where the run says which."""
    rate = course.config.get("learning_rate")
    return f" ({rate:g})" if isinstance(rate, int | float) else ""
