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

    At least one of them is no setting, so that something is left. First come the settings named as too large or too
    small, where their value is unusually so.

    Examples
    --------
    >>> course = Course({"initializer": "he_normal", "l2": 0.1, "learning_rate": 0.001, "optimizer": "adam"}, [])
    >>> in_words(["initializer=he_normal", "batch_norm=true", "fewer layers"], course, ["l2", "learning_rate"])
    'a smaller l2 (0.1; more than 0.01 is unusual), batch_norm=true or fewer layers.'
    """
    unusual = {name: text for name in too_large if (text := _unusual(name, course, large=True))}
    unusual |= {name: text for name in too_small if (text := _unusual(name, course, large=False))}
    others = [remedy for remedy in remedies if not _is_followed(remedy, course)]
    if "learning_rate" in unusual:
        others = [remedy for remedy in others if "learning rate" not in remedy]
    phrases = [*unusual.values(), *others]
    return ", ".join(phrases[:-1]) + " or " * (len(phrases) > 1) + phrases[-1] + "."


def fitting_initializer(course: Course) -> str:
    """The initializer whose scale was derived for the run's activation."""
    return "initializer=xavier_normal" if course.chosen("activation") in XAVIER else "initializer=he_normal"


def _is_followed(remedy: str, course: Course) -> bool:
    match = re.match(r"(\w+)=([\w.]+)", remedy)
    if not match:
        return bool(re.fullmatch(r"\w+", remedy)) and bool(course.chosen(remedy))
    name, value = match[1], match[2]
    setting = course.chosen(name)
    if not is_number(setting):
        return str(setting).lower() == value
    if name in MORE_IS_THE_SAME:
        return bool(setting >= float(value))
    return bool(setting <= float(value)) if name in LESS_IS_THE_SAME else f"{setting:g}" == value


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


def _unusual(name: str, course: Course, large: bool) -> str:
    """A phrase where a setting is larger than usual, or smaller; empty where it is not."""
    value, (least, most) = course.chosen(name), _usual(name, course)
    if not is_number(value) or not (value > most if large else value < least):
        return ""
    change, edge = ("a smaller", f"more than {most:g}") if large else ("a larger", f"less than {least:g}")
    optimizer = str(course.chosen("optimizer"))
    # What the run would have taken by itself, where that depends on another choice.
    rate = own_rate(optimizer) if name == "learning_rate" else None
    default = f", and {optimizer} takes {rate:g} by itself" if rate else ""
    return f"{change} {name} ({value:g}; {edge} is unusual{default})"
