"""Remedies: what to try, less what the run has already, and first what is unusual about it.

A remedy is a phrase. One that begins with `setting=value`, or is the name of a setting, is left out where it is so.
"""

import math
import re
from collections.abc import Sequence

from ffnn.diagnosis.course import Course
from ffnn.diagnosis.usual import LARGEST_PENALTY, USUAL_RATE, USUAL_RATES
from ffnn.nn.optimizers import own_rate
from ffnn.ranges import is_number

MORE_IS_THE_SAME = ("dropout", "warmup_epochs")
LESS_IS_THE_SAME = ("patience", "clip_norm")

XAVIER = ("tanh", "sigmoid", "identity", "softmax")
"""Activations whose slope is the same on both sides of 0, for which Glorot and Bengio (2010) derived their scale."""


def in_words(
    remedies: Sequence[str], course: Course, too_large: Sequence[str] = (), too_small: Sequence[str] = ()
) -> str:
    """Remedies as a sentence's end, without those that the run has.

    Parameters
    ----------
    remedies : sequence of str
        At least one of them is no setting, so that something is left.
    course : Course
    too_large, too_small : sequence of str
        Settings that come first where their value is unusually large, or small.

    Examples
    --------
    >>> course = Course({"initializer": "he_normal", "l2": 0.1, "learning_rate": 0.001, "optimizer": "adam"}, [])
    >>> in_words(["initializer=he_normal", "batch_norm=true", "fewer layers"], course, ["l2", "learning_rate"])
    'a smaller l2 (0.1; more than 0.01 is unusual), batch_norm=true or fewer layers.'
    """
    unusual = {name: text for name in too_large if (text := _too_large(name, course))}
    unusual |= {name: text for name in too_small if (text := _too_small(name, course))}
    left = [remedy for remedy in remedies if not _is_there(remedy, course)]
    if "learning_rate" in unusual:
        left = [remedy for remedy in left if "learning rate" not in remedy]
    phrases = [*unusual.values(), *left]
    return ", ".join(phrases[:-1]) + " or " * (len(phrases) > 1) + phrases[-1] + "."


def fitting_initializer(course: Course) -> str:
    """The initializer whose scale was derived for the run's activation."""
    return "initializer=xavier_normal" if course.chosen("activation") in XAVIER else "initializer=he_normal"


def _is_there(remedy: str, course: Course) -> bool:
    match = re.match(r"(\w+)=([\w.]+)", remedy)
    if not match:
        return bool(re.fullmatch(r"\w+", remedy)) and bool(course.chosen(remedy))
    name, value = match[1], match[2]
    own = course.chosen(name)
    if not is_number(own):
        return str(own).lower() == value
    if name in MORE_IS_THE_SAME:
        return bool(own >= float(value))
    return bool(own <= float(value)) if name in LESS_IS_THE_SAME else f"{own:g}" == value


def _usual(name: str, course: Course) -> tuple[float, float]:
    """Between what a setting is not unusual, in this run."""
    if name == "learning_rate":
        optimizer = str(course.chosen("optimizer"))
        rate = own_rate(optimizer)
        if rate is None:
            return 0.0, math.inf
        least, most = USUAL_RATES.get(optimizer, USUAL_RATE)
        return rate * least, rate * most
    most, size = LARGEST_PENALTY[name], course.config.get("batch_size")
    divided = name == "l2" and course.config.get("l2_per_example") and is_number(size)
    return 0.0, most * (size or 1) if divided else most


def _too_large(name: str, course: Course) -> str:
    own, most = course.chosen(name), _usual(name, course)[1]
    wrong = is_number(own) and own > most
    return f"a smaller {name} ({own:g}; more than {most:g} is unusual{_default(name, course)})" if wrong else ""


def _too_small(name: str, course: Course) -> str:
    own, least = course.chosen(name), _usual(name, course)[0]
    wrong = is_number(own) and own < least
    return f"a larger {name} ({own:g}; less than {least:g} is unusual{_default(name, course)})" if wrong else ""


def _default(name: str, course: Course) -> str:
    """What the run would have taken by itself, where that depends on another choice."""
    optimizer = str(course.chosen("optimizer"))
    rate = own_rate(optimizer) if name == "learning_rate" else None
    return f", and {optimizer} takes {rate:g} by itself" if rate else ""
