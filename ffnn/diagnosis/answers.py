"""Symptoms of data and answers: inputs of the wrong size, labels of other images, classes that are never named."""

import math

from ffnn.diagnosis.course import Course
from ffnn.diagnosis.symptom import SYMPTOMS, Sight, Symptom
from ffnn.diagnosis.usual import ANSWERS, LASTING
from ffnn.words import first_of

SMALL_INPUTS, LARGE_INPUTS = 0.05, 5.0
"""Deviation of all inputs together: images in [0, 1] have 0.2 to 0.4, standardized ones 1. Initializers expect about 1;
a twentieth makes first layers learn so much more slowly than the others."""

ERRORS = 3.0
"""Standard errors by which an accuracy must exceed another to be told from it."""

BELOW_GUESSING = 0.99
"""Loss over that of guessing, below which something has been learnt."""

MOST_LISTED = 5
"""Classes that a line names."""

ENOUGH_IMAGES = 5
"""Of a class in the test part; of fewer none need be meant."""


@SYMPTOMS.register("data_not_scaled")
class DataNotScaled(Symptom):
    """Inputs are far smaller or larger than initial weights expect."""

    explains = ("learning_rate_too_low", *ANSWERS)

    def look(self, course: Course) -> Sight | None:
        mean, std = course.last("input_mean"), course.last("input_std")
        if not (std < SMALL_INPUTS or std > LARGE_INPUTS):
            return None
        return (
            f"data not scaled (inputs deviate by {std:.2g})",
            f"Inputs have mean {mean:.3g} and standard deviation {std:.3g} with normalize="
            f"{course.config.get('normalize')}; 0.2 to 1 is usual.",
            ("normalize=standardize", "pixels that use the whole range from 0 to 255 (`ffnn data info` shows theirs)"),
        )


@SYMPTOMS.register("double_softmax")
class DoubleSoftmax(Symptom):
    """Softmax before a loss that applies softmax itself: no answer can then be sure, and gradients are small."""

    explains = ("learning_rate_too_low", "overfitting", "vanishing_gradients", *ANSWERS)

    def look(self, course: Course) -> Sight | None:
        if not course.config.get("double_softmax") or len(course.classes) < 2:
            return None
        # The best that softmax of probabilities can do: 1 for the right class and 0 for the others.
        floor = math.log(1 + (len(course.classes) - 1) / math.e)
        return (
            f"double softmax (the loss cannot fall below {floor:.3f})",
            f"The network ends in softmax and the loss applies it again: with {len(course.classes)} classes the loss "
            f"stays above {floor:.3f}, here {course.last('train/loss'):.3f} at an accuracy of "
            f"{100 * course.last('train/accuracy'):.1f} %.",
            ("double_softmax=false: cross_entropy takes the last layer's outputs as they are",),
        )


@SYMPTOMS.register("labels_shuffled")
class LabelsShuffled(Symptom):
    """Labels that belong to other images: they can be learnt by heart, but tell nothing about new images."""

    explains = ("overfitting", "class_never_predicted")

    def look(self, course: Course) -> Sight | None:
        val, chance = course.series("val/accuracy"), course.guessing_accuracy
        sizes = [course.counts.get(part, 0) for part in ("val", "train")]
        if len(val) < LASTING or not all(sizes) or not chance < 1:
            return None
        errors = [math.sqrt(chance * (1 - chance) / size) for size in sizes]
        mean, learnt = math.fsum(val) / len(val), course.last("train/accuracy")
        # A training loss that is not below guessing has learnt nothing, right or wrong.
        guessing = BELOW_GUESSING * course.guessing_loss
        by_heart = course.last("train/loss") < guessing < min(course.series("val/loss"), default=math.nan)
        if not (by_heart and learnt > chance + ERRORS * errors[1] and mean < chance + ERRORS * errors[0]):
            return None
        return (
            f"labels shuffled against images? (validation accuracy {100 * mean:.1f} %, guessing {100 * chance:.1f} %)",
            f"The network learns its training images ({100 * learnt:.1f} % right, loss below guessing), but over "
            f"{len(val)} epochs {100 * mean:.1f} % of the validation images, as good as guessing: "
            f"{100 * chance:.1f} %.",
            ("a look at images with their labels (`ffnn data preview`): were both sorted or shuffled together?",),
        )


@SYMPTOMS.register("constant_predictions")
class ConstantPredictions(Symptom):
    """The same class for every image."""

    explains = ("class_never_predicted",)
    too_large = ("l2", "weight_decay", "learning_rate")
    too_small = ("learning_rate",)

    def look(self, course: Course) -> Sight | None:
        predicted = [(name, times) for name, _, times in course.sizes_of_classes if times]
        if len(predicted) == 1:
            name, images = predicted[0]
            largest = course.guessing_accuracy
            rare = f"; {100 * largest:.0f} % of them are of one class" if largest > 0.5 else ""
            return self._sight(f"All {images} test images are taken for {name}{rare}.", bool(rare))
        if not predicted and course.last("predicted_classes") == 1 and len(course.classes) > 1:
            return self._sight("One class is predicted for every validation image looked at.", False)
        return None

    @staticmethod
    def _sight(evidence: str, unbalanced: bool) -> Sight:
        more = ["a larger learning rate", "more epochs"]
        weights = ["class_weights=balanced", "sampling=balanced", "more epochs, judged by macro_f1 and not by accuracy"]
        return "constant predictions", evidence, weights if unbalanced else [*more, "a look at images and labels"]


@SYMPTOMS.register("class_never_predicted")
class ClassNeverPredicted(Symptom):
    """A class that the network never names, though the test part has images of it."""

    too_large = ("l2", "weight_decay", "learning_rate")
    too_small = ("learning_rate",)

    def look(self, course: Course) -> Sight | None:
        classes = course.sizes_of_classes
        never = {name: images for name, images, times in classes if not times and images >= ENOUGH_IMAGES}
        if not never:
            return None
        counted = [f"{name} ({images} are)" for name, images in never.items()]
        weights = course.config.get("class_weights")
        zero = (
            [name for (name, _, _), weight in zip(classes, weights, strict=False) if not weight]
            if isinstance(weights, list)
            else []
        )
        return (
            f"class{'es' * (len(never) > 1)} never predicted: {first_of(list(never), MOST_LISTED)}",
            f"No test image is taken for {first_of(counted, MOST_LISTED)}"
            + (f"; class_weights has 0 for {first_of(zero, MOST_LISTED)}" if zero else "")
            + ".",
            ("more epochs or a larger learning rate while accuracy still rises", "class_weights=balanced",
             "sampling=balanced", "a look at whether the training images have that class"),
        )  # fmt: skip
