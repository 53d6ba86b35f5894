"""Symptoms of layers: gradients that fade or blow up with depth, units that are dead or saturated."""

from collections.abc import Mapping

from ffnn.diagnosis.course import Course
from ffnn.diagnosis.remedies import fitting_initializer
from ffnn.diagnosis.symptom import SYMPTOMS, Sight, Symptom
from ffnn.diagnosis.usual import ANSWERS, MANY_DEAD

DEEP = 4
"""Layers of weights; in fewer a gradient can hardly fade by depth."""

FADED = 0.01
"""The first layer's gradient over the last one's: healthy deep networks have 0.1 to 10."""

BLOWN_UP = 100.0
"""Norm of all gradients; 0.1 to 10 is usual where the loss is a mean over the batch."""

MANY_SATURATED = 0.5
"""Of a layer's outputs; networks that learn well have next to none."""


@SYMPTOMS.register("exploding_gradients")
class ExplodingGradients(Symptom):
    """Signals and gradients grow from layer to layer."""

    explains = ("dead_units", "saturated_units", "overfitting", "learning_rate_too_low", *ANSWERS)
    too_large = ("l2", "weight_decay", "learning_rate")

    def look(self, course: Course) -> Sight | None:
        norm, names = course.typical("grad_norm/all"), course.layers("activation_std/")
        if not norm > BLOWN_UP:
            return None
        spread = ""
        if len(names) > 1:
            first, last = (course.last(f"activation_std/{name}") for name in (names[0], names[-1]))
            spread = f"; the outputs' deviation goes from {first:.3g} ({names[0]}) to {last:.3g} ({names[-1]})"
        return (
            f"exploding gradients (norm {norm:.2g})",
            f"The gradients' norm is {norm:.3g} in the median epoch, where 0.1 to 10 is usual{spread}.",
            (fitting_initializer(course), "batch_norm=true", "clip_norm=1", "fewer layers"),
        )


@SYMPTOMS.register("vanishing_gradients")
class VanishingGradients(Symptom):
    """Gradients fade on their way back, so that the first layers hardly learn."""

    explains = ("dead_units", "learning_rate_too_low", *ANSWERS)
    too_large = ("l2", "weight_decay", "learning_rate")

    def look(self, course: Course) -> Sight | None:
        names = course.layers("update_ratio/")
        if len(names) < DEEP:
            return None
        first, last = (course.typical(f"grad_norm/{name}") for name in (names[0], names[-1]))
        is_relu = course.chosen("activation") == "relu"
        # A gradient of exactly 0 has met dead units.
        if not 0 < first < FADED * last:
            return None
        return (
            f"vanishing gradients ({names[0]} gets {first / last:.0e} of what {names[-1]} gets)",
            f"In the median epoch the gradient's norm goes from {last:.2g} in {names[-1]} down to {first:.2g} in "
            f"{names[0]}, {len(names)} layers back; more than a hundredth is usual.",
            (
                fitting_initializer(course) if is_relu else "activation=relu with initializer=he_normal",
                "batch_norm=true",
                "fewer layers",
            ),
        )


@SYMPTOMS.register("dead_units")
class DeadUnits(Symptom):
    """Units that give the same answer to every image: their gradient is 0, so they stay that way."""

    explains = ("learning_rate_too_low", *ANSWERS)
    too_large = ("l2", "weight_decay", "learning_rate")

    def look(self, course: Course) -> Sight | None:
        shares = course.by_layer("dead_fraction/", course.last)
        many = {layer: share for layer, share in shares.items() if share >= MANY_DEAD}
        if not many:
            return None
        worst, listed = _worst_of(many)
        kind = "ReLUs" if worst.startswith("relu") else "units"
        zero = [layer for layer in course.layers("weight_norm/") if not any(course.series(f"weight_norm/{layer}"))]
        return (
            f"dead {kind} ({100 * many[worst]:.0f} % of {worst})",
            f"In the last epoch the same output for every image, and so no gradient: {listed}."
            + (f" The weights of {', '.join(zero)} are all 0, and stay so." if zero else ""),
            self._remedies(course, bool(zero)),
        )

    @staticmethod
    def _remedies(course: Course, zero: bool) -> list[str]:
        initializer = fitting_initializer(course)
        if zero:
            return [f"{initializer} (units that begin alike never learn to differ)", "weights that do not begin at 0"]
        # Where all inputs are positive, one long step moves a unit for all images at once.
        first = ["normalize=standardize"] * (course.last("input_mean") > course.last("input_std"))
        changes = [initializer, "bias_initializer=zeros", "batch_norm=true", "a smaller learning rate"]
        relu = ["activation=leaky_relu or gelu"] * (course.chosen("activation") == "relu")
        return [*first, *changes, *relu]


@SYMPTOMS.register("saturated_units")
class SaturatedUnits(Symptom):
    """Sigmoids or tanhs at their ends, where their slope is next to 0."""

    explains = ("overfitting", "learning_rate_too_low", *ANSWERS)
    too_large = ("l2", "weight_decay", "learning_rate")

    def look(self, course: Course) -> Sight | None:
        shares = course.by_layer("saturated_fraction/", course.typical)
        many = {layer: share for layer, share in shares.items() if share >= MANY_SATURATED}
        if not many:
            return None
        worst, listed = _worst_of(many)
        return (
            f"saturated {worst.rstrip('0123456789')} units ({100 * many[worst]:.0f} % of {worst})",
            f"Outputs within 1 % of their range from its ends, where the slope is below 4 % of its largest, in the "
            f"median epoch: {listed}.",
            ("initializer=xavier_normal", "normalize=standardize", "batch_norm=true", "a smaller learning rate",
             "activation=relu"),
        )  # fmt: skip


def _worst_of(shares: Mapping[str, float]) -> tuple[str, str]:
    """The layer with the largest share, and all of them in words."""
    words = ", ".join(f"{100 * share:.0f} % of {layer}" for layer, share in shares.items())
    return max(shares, key=lambda layer: shares[layer]), words
