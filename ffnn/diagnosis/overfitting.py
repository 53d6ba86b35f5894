"""The symptom of training for too long: what is learnt holds for the training images alone."""

from ffnn.diagnosis.course import Course
from ffnn.diagnosis.symptom import SYMPTOMS, Sight, Symptom
from ffnn.diagnosis.usual import LASTING

WORSE = 0.1
"""Of the validation loss over its best: less is within what it moves from epoch to epoch."""

WORSE_AT_LEAST = 0.03
"""The same as a difference: a tenth of next to nothing is nothing."""


@SYMPTOMS.register("overfitting")
class Overfitting(Symptom):
    """The loss on validation rises while that on training images goes on falling."""

    def look(self, course: Course) -> Sight | None:
        val, train = course.series("val/loss"), course.series("train/loss")
        if len(val) != len(train) or len(val) <= LASTING:
            return None
        best = min(range(len(val)), key=lambda epoch: val[epoch])
        since = len(val) - 1 - best
        # The lowest of the last epochs: all of them are so much worse.
        end = min(val[-LASTING:])
        if since < LASTING or end < (1 + WORSE) * val[best] + WORSE_AT_LEAST or train[-1] >= train[best]:
            return None
        epoch = int(course.history[best].get("epoch", best + 1))
        return (
            f"overfitting from epoch {epoch} (val/loss up {100 * (val[-1] / val[best] - 1):.0f} % since)",
            f"val/loss rose from {val[best]:.4g} in epoch {epoch} to {val[-1]:.4g}, while train/loss fell from "
            f"{train[best]:.4g} to {train[-1]:.4g}; accuracy at the end {100 * course.last('train/accuracy'):.1f} % on "
            f"training images, {100 * course.last('val/accuracy'):.1f} % on validation.",
            ("patience=3 to stop there", "dropout=0.3", "weight_decay", "l2", "augment", "a smaller network",
             "more images"),
        )  # fmt: skip
