"""Robustness: how accuracy falls when test images are disturbed, more and more.

A perturbation is an augmentation at a given strength, so what training may use is what testing uses.
"""

from collections.abc import Callable, Sequence

from ffnn.data.augment import Augmentation, Blur, Cutout, Noise, Shift
from ffnn.data.augmented import AugmentedBatches
from ffnn.data.batches import Batches
from ffnn.lab.build import Parts
from ffnn.memory import EVALUATION_BATCH
from ffnn.training.metrics import Evaluation, evaluate

PERTURBATIONS: dict[str, tuple[str, Callable[[float], Augmentation]]] = {
    "noise": ("standard deviation of Gaussian noise, full intensity being 1", Noise),
    "blur": ("width of a Gaussian blur, pixels", Blur),
    "shift": ("largest shift, pixels", lambda level: Shift(int(level))),
    "occlusion": ("side of a covered square, pixels", lambda level: Cutout(int(level))),
}
"""By name: what the strength means, and the augmentation of a strength above 0."""


def evaluate_perturbed(parts: Parts, name: str, levels: Sequence[float], seed: int = 0) -> list[Evaluation]:
    """The test part measured at each strength of one of `PERTURBATIONS`; 0 leaves the images as they are.

    The seed, of the noise and the places, is the same for every level.
    """
    make = PERTURBATIONS[name][1]
    dataset = parts.dataset

    def batches(level: float) -> Batches:
        if not level:
            return parts.test
        shape, top, classes = dataset.shape, dataset.top, len(dataset.class_names)
        return AugmentedBatches(
            parts.test.pool, parts.split.test, EVALUATION_BATCH, seed, [make(level)], shape, top, classes
        )

    return [evaluate(parts.objective, batches(level).epoch(), dataset.class_names) for level in levels]
