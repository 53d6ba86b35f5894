"""Augmentation: images moved, bent, mirrored, covered and mixed a little differently every epoch.

A geometric augmentation only says where each pixel of the new image is found in the old one; all of
them together cost one pass. Every draw is a function of seed, epoch and batch.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.errors import FFNNError
from ffnn.ranges import in_range, positive_integer
from ffnn.registry import Registry

Values = NDArray[np.floating[Any]]


class Augmentation:
    """One way to vary images; a subclass overrides what it does.

    Shapes: `count` images of (height, width). Coordinates (y, x) are in pixels from the centre.
    """

    def matrices(self, count: int, rng: np.random.Generator) -> Values | None:
        """Where a pixel (y, x, 1) of each new image is found in the old one: (count, 2, 3); None: where it was."""
        return None

    def offsets(self, count: int, size: tuple[int, int], rng: np.random.Generator) -> Values | None:
        """What is added to that place for each pixel: (count, 2, height, width) in pixels, or None."""
        return None

    def operator(self, shape: tuple[int, int, int]) -> Values | None:
        """A matrix (features, features) that every image, as a row, is multiplied with; or None."""
        return None

    def factors(self, count: int, size: tuple[int, int], rng: np.random.Generator) -> Values | None:
        """What each pixel is multiplied by: (count, height, width), or None."""
        return None

    def noise(self, shape: tuple[int, ...], rng: np.random.Generator) -> Values | None:
        """What is added to each pixel, full intensity being 1; or None."""
        return None

    def mixing(self, rng: np.random.Generator) -> float | None:
        """How much of each image stays when the batch is mixed with itself in another order; or None."""
        return None

    def check(self, class_names: Sequence[str]) -> None:
        """Refuse data that this would spoil, with FFNNError."""


AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation")


def _translations(moves: Values) -> Values:
    matrices = np.tile(np.eye(2, 3), (len(moves), 1, 1))
    matrices[:, :, 2] = moves
    return matrices


@AUGMENTATIONS.register("shift")
class Shift(Augmentation):
    """Move by a whole number of pixels from -pixels to pixels, each direction by itself; zeros come in from outside.

    The same as a random crop of an image padded with zeros.

    Parameters
    ----------
    pixels : int >= 1, default 2
    """

    def __init__(self, pixels: int = 2) -> None:
        self.pixels = positive_integer("pixels", pixels)

    def matrices(self, count: int, rng: np.random.Generator) -> Values:
        return _translations(rng.integers(-self.pixels, self.pixels, (count, 2), endpoint=True).astype(float))


@AUGMENTATIONS.register("crop")
class Crop(Shift):
    """A random crop, of the image's own size, of the image padded with `padding` zeros on every side.

    Parameters
    ----------
    padding : int >= 1, default 4
    """

    def __init__(self, padding: int = 4) -> None:
        super().__init__(positive_integer("padding", padding))
        self.padding = padding


@AUGMENTATIONS.register("flip")
class Flip(Augmentation):
    """Mirror left and right with a probability. Refused for digits and letters, which it would turn into others.

    Parameters
    ----------
    probability : float in [0, 1], default 0.5
    force : bool, default False
        Flip digits and letters all the same.
    """

    def __init__(self, probability: float = 0.5, force: bool = False) -> None:
        self.probability = in_range("probability", probability, 0, math.nextafter(1, 2))
        self.force = force

    def matrices(self, count: int, rng: np.random.Generator) -> Values:
        matrices = _translations(np.zeros((count, 2)))
        matrices[:, 1, 1] = np.where(rng.random(count) < self.probability, -1.0, 1.0)
        return matrices

    def check(self, class_names: Sequence[str]) -> None:
        if not self.force and all(len(name) == 1 for name in class_names):
            raise FFNNError(
                "augment: flip would turn digits and letters into others; leave it out, or write "
                "{name: flip, force: true}"
            )


@AUGMENTATIONS.register("affine")
class Affine(Augmentation):
    """Rotate, scale and shear about the centre, each by a uniform draw.

    Parameters
    ----------
    degrees : float in [0, 180), default 10
        Rotation, from -degrees to degrees.
    scale : float in [0, 1), default 0.1
        Size, from 1 - scale to 1 + scale times.
    shear : float in [0, 1), default 0
        Pixels to the side for each pixel up, from -shear to shear.
    """

    def __init__(self, degrees: float = 10.0, scale: float = 0.1, shear: float = 0.0) -> None:
        self.degrees = in_range("degrees", degrees, 0, 180)
        self.scale = in_range("scale", scale, 0, 1)
        self.shear = in_range("shear", shear, 0, 1)

    def matrices(self, count: int, rng: np.random.Generator) -> Values:
        angle = np.radians(rng.uniform(-self.degrees, self.degrees, count))
        size = rng.uniform(1 - self.scale, 1 + self.scale, count)
        slant = rng.uniform(-self.shear, self.shear, count)
        cosine, sine = np.cos(angle) / size, np.sin(angle) / size
        matrices = np.zeros((count, 2, 3))
        matrices[:, 0, 0], matrices[:, 0, 1] = cosine, sine
        matrices[:, 1, 0], matrices[:, 1, 1] = slant * cosine - sine, slant * sine + cosine
        return matrices


@AUGMENTATIONS.register("elastic")
class Elastic(Augmentation):
    """Bend: every pixel moves by a random field, smoothed by a Gaussian. Simard, Steinkraus & Platt, ICDAR 2003.

    Parameters
    ----------
    alpha : float in [0, inf), default 34
        Strength: the smoothed field of uniform draws from [-1, 1) is multiplied by it, in pixels.
    sigma : float in (0, inf), default 4
        Width of the Gaussian, in pixels. The paper's best for 29 x 29 digits are 34 and 4.
    """

    def __init__(self, alpha: float = 34.0, sigma: float = 4.0) -> None:
        self.alpha = in_range("alpha", alpha, 0)
        self.sigma = in_range("sigma", sigma, 0, open_low=True)

    def offsets(self, count: int, size: tuple[int, int], rng: np.random.Generator) -> Values:
        height, width = size
        field = 2 * rng.random((count, 2, width, height), np.float32) - 1
        # The Gaussian is separable, and along one side it is one product for all images.
        smooth = (field.reshape(-1, height) @ self._smoother(height)).reshape(count, 2, width, height)
        bent: Values = smooth.swapaxes(2, 3).reshape(-1, width) @ (self.alpha * self._smoother(width))
        return bent.reshape(count, 2, height, width)

    def _smoother(self, length: int) -> Values:
        # Weights as of an endless row: draws from beyond the border count as 0.
        return gaussian_weights(length, self.sigma).astype(np.float32)


@AUGMENTATIONS.register("blur")
class Blur(Augmentation):
    """Smooth with a Gaussian; near the border its weights are scaled to sum to 1.

    Parameters
    ----------
    sigma : float in (0, inf), default 1
        Width of the Gaussian, in pixels.
    """

    def __init__(self, sigma: float = 1.0) -> None:
        self.sigma = in_range("sigma", sigma, 0, open_low=True)

    def operator(self, shape: tuple[int, int, int]) -> Values:
        height, width, channels = shape
        sides = [gaussian_weights(length, self.sigma) for length in (height, width)]
        one_side = [weights / weights.sum(axis=1, keepdims=True) for weights in sides]
        return np.kron(np.kron(*one_side), np.eye(channels)).T


@AUGMENTATIONS.register("cutout")
class Cutout(Augmentation):
    """Cover a square, at a random place, with zeros; it may reach over the border. DeVries & Taylor, 2017.

    Parameters
    ----------
    side : int >= 1, default 8
        In pixels.
    """

    def __init__(self, side: int = 8) -> None:
        self.side = positive_integer("side", side)

    def factors(self, count: int, size: tuple[int, int], rng: np.random.Generator) -> Values:
        covered = []
        for length in size:
            start = rng.integers(0, length, (count, 1)) - self.side // 2
            place = np.arange(length)[None, :]
            covered.append((place >= start) & (place < start + self.side))
        return 1.0 - (covered[0][:, :, None] & covered[1][:, None, :])


@AUGMENTATIONS.register("noise")
class Noise(Augmentation):
    """Add Gaussian noise to every pixel.

    Parameters
    ----------
    sigma : float in [0, inf), default 0.1
        Standard deviation, full intensity being 1. Values may leave the range of pixels.
    """

    def __init__(self, sigma: float = 0.1) -> None:
        self.sigma = in_range("sigma", sigma, 0)

    def noise(self, shape: tuple[int, ...], rng: np.random.Generator) -> Values:
        return self.sigma * rng.standard_normal(shape)


@AUGMENTATIONS.register("mixup")
class Mixup(Augmentation):
    """Mix every image and its target with another of the batch: t x_i + (1 - t) x_j, t from Beta(alpha, alpha).

    One t for a batch. Zhang et al., ICLR 2018.

    Parameters
    ----------
    alpha : float in (0, inf), default 0.2
    """

    def __init__(self, alpha: float = 0.2) -> None:
        self.alpha = in_range("alpha", alpha, 0, open_low=True)

    def mixing(self, rng: np.random.Generator) -> float:
        return float(rng.beta(self.alpha, self.alpha))


def gaussian_weights(length: int, sigma: float) -> Values:
    """The Gaussian's density at the distances between the pixels of a row: (length, length)."""
    distance = np.subtract.outer(np.arange(length), np.arange(length))
    weights: Values = np.exp(-0.5 * (distance / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))
    return weights


def source_places(
    augmentations: Sequence[Augmentation], count: int, size: tuple[int, int], rng: np.random.Generator
) -> Any:
    """Where each pixel of `count` new images is found in the old ones: (count, 2, height, width), or None for no move.

    Augmentations act on the image in their order.
    """
    height, width = size
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    total, bend = None, None
    for augmentation in augmentations:
        matrices = augmentation.matrices(count, rng)
        if matrices is not None:
            # The place in the oldest image: first undo the latest move, then the ones before it.
            total = matrices if total is None else _after(total, matrices)
        offsets = augmentation.offsets(count, size, rng)
        if offsets is not None:
            bend = offsets if bend is None else bend + offsets
    if total is None and bend is None:
        return None
    grid = np.stack(np.meshgrid(np.arange(height) - middle[0], np.arange(width) - middle[1], indexing="ij"))
    places = np.broadcast_to(grid, (count, 2, height, width))
    if total is not None:
        places = np.einsum("nij,jyx->niyx", total[:, :, :2], grid) + total[:, :, 2, None, None]
    if bend is not None:
        places = places + bend
    return places + middle[:, None, None]


def _after(first: Values, second: Values) -> Values:
    """The matrices of a new image's place in the oldest one, `second` having acted after `first`."""
    linear = first[:, :, :2] @ second[:, :, :2]
    moved = first[:, :, :2] @ second[:, :, 2:] + first[:, :, 2:]
    return np.concatenate([linear, moved], axis=2)
