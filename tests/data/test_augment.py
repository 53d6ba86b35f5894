"""Augmentations against SciPy's interpolation and against moves made by hand; every draw repeatable."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, map_coordinates

from ffnn.backend import create_engine
from ffnn.data import AUGMENTATIONS
from ffnn.data.augment import source_places
from ffnn.data.augmented import AugmentedBatches, Stopwatch, one_ahead
from ffnn.data.batches import Pool
from ffnn.errors import FFNNError
from ffnn.nn import SoftmaxCrossEntropy

ENGINES = ["numpy", "numba"]
SPECS: dict[str, Any] = {
    "shift": {}, "crop": {"padding": 3}, "flip": {}, "affine": {"shear": 0.2}, "elastic": {}, "blur": {},
    "cutout": {"side": 3}, "noise": {}, "mixup": {"alpha": 1.0},
}  # fmt: skip


def images(count: int = 40, shape: tuple[int, ...] = (9, 7), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, int(np.prod(shape))), dtype=np.uint8)


def batches(specs: list[Any], engine: str = "numba", shape: tuple[int, ...] = (9, 7), **more: Any) -> AugmentedBatches:
    made = create_engine(engine, "float64")
    pixels = images(shape=shape)
    labels = np.arange(len(pixels)) % 4
    pool = Pool(made, pixels, labels, np.ones(pixels.shape[1]), np.zeros(pixels.shape[1]))
    augmentations = [AUGMENTATIONS.create(spec) for spec in specs]
    return AugmentedBatches(pool, np.arange(len(pixels)), 16, more.get("seed", 0), augmentations, shape, 255, 4)


def contents(source: AugmentedBatches, epoch: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(np.array(inputs), np.array(labels)) for inputs, labels in source.epoch(epoch)]


def test_every_augmentation_is_tested_here() -> None:
    assert set(SPECS) == set(AUGMENTATIONS)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shape", [(9, 7, 1), (6, 8, 3), (1, 5, 1)])
def test_warp_is_bilinear_interpolation_with_zeros_outside(engine: str, shape: tuple[int, int, int]) -> None:
    made = create_engine(engine, "float64")
    height, width, channels = shape
    pixels = images(5, shape)
    places = np.random.default_rng(1).uniform(-3, max(height, width) + 3, (4, 2, height, width))
    rows = np.array([3, 0, 0, 4])
    out = made.empty((4, pixels.shape[1]))
    made.warp(made.share(pixels), made.array(rows, np.int64), shape, made.array(places), out)
    for image, row, place in zip(out.reshape(4, *shape), rows, places, strict=True):
        for channel in range(channels):
            old = pixels[row].reshape(shape)[:, :, channel].astype(float)
            expected = map_coordinates(old, place, order=1, mode="grid-constant", cval=0.0)
            np.testing.assert_allclose(image[:, :, channel], expected, atol=1e-9)


@pytest.mark.parametrize("name", [name for name in SPECS if name != "blur"])
def test_the_same_seed_and_epoch_give_the_same_bits_on_every_run(name: str) -> None:
    spec = {"name": name, **SPECS[name]}
    first, again = contents(batches([spec]), 3), contents(batches([spec]), 3)
    other_epoch, other_seed = contents(batches([spec]), 4), contents(batches([spec], seed=1), 3)
    for (inputs, labels), (inputs2, labels2) in zip(first, again, strict=True):
        assert inputs.tobytes() == inputs2.tobytes()
        assert labels.tobytes() == labels2.tobytes()
    assert not np.array_equal(first[0][0], other_epoch[0][0])
    assert not np.array_equal(first[0][0], other_seed[0][0])


@pytest.mark.parametrize("shape", [(9, 7), (6, 8, 3)])
@pytest.mark.parametrize("name", SPECS)
def test_engines_agree(name: str, shape: tuple[int, ...]) -> None:
    spec = {"name": name, **SPECS[name]}
    for (one, labels), (two, labels2) in zip(*(contents(batches([spec], e, shape)) for e in ENGINES), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-9)
        np.testing.assert_allclose(labels, labels2, atol=1e-12)


def originals(source: AugmentedBatches, shape: tuple[int, ...] = (9, 7)) -> np.ndarray:
    return images(shape=shape)[source.order(0)].reshape(-1, *shape).astype(float)


def test_shift_moves_by_whole_pixels_up_to_its_bound() -> None:
    source = batches([{"name": "shift", "pixels": 2}])
    moved = np.concatenate([inputs for inputs, _ in contents(source)]).reshape(-1, 9, 7)
    seen = set()
    for new, old in zip(moved, originals(source), strict=True):
        padded = np.pad(old, 2)
        fits = [(y, x) for y in range(5) for x in range(5) if np.array_equal(new, padded[y : y + 9, x : x + 7])]
        assert len(fits) == 1
        seen.add(fits[0])
    assert len({y for y, _ in seen}) == 5
    assert len({x for _, x in seen}) == 5


def test_flip_mirrors_left_and_right_about_half_of_the_images() -> None:
    source = batches(["flip"])
    moved = np.concatenate([inputs for inputs, _ in contents(source)]).reshape(-1, 9, 7)
    mirrored = [np.array_equal(new, old[:, ::-1]) for new, old in zip(moved, originals(source), strict=True)]
    kept = [np.array_equal(new, old) for new, old in zip(moved, originals(source), strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 8 < sum(mirrored) < 32


def test_flip_is_refused_for_digits_and_letters_unless_forced() -> None:
    flip = AUGMENTATIONS.create("flip")
    flip.check(("cat", "dog"))
    AUGMENTATIONS.create({"name": "flip", "force": True}).check(("0", "1"))
    with pytest.raises(FFNNError, match="digits and letters"):
        flip.check(tuple("0123456789"))


def test_augmentations_act_in_their_order() -> None:
    """Shift, then flip, mirrors the shift; flip, then shift, does not: done here step by step on the array."""
    for specs in (["shift", {"name": "flip", "probability": 1.0}], [{"name": "flip", "probability": 1.0}, "shift"]):
        made = [AUGMENTATIONS.create(spec) for spec in specs]
        places = source_places(made, 1, (9, 7), np.random.default_rng(7))
        old = originals(batches(["shift"]))[0]
        new = map_coordinates(old, places[0], order=1, mode="grid-constant", cval=0.0)
        rng = np.random.default_rng(7)
        step_by_step = old
        for augmentation in made:
            (matrix,) = augmentation.matrices(1, rng)  # type: ignore[misc]
            if matrix[1, 1] < 0:
                step_by_step = step_by_step[:, ::-1]
            else:
                y, x = matrix[:, 2].astype(int)
                step_by_step = np.pad(step_by_step, 2)[2 + y : 11 + y, 2 + x : 9 + x]
        np.testing.assert_allclose(new, step_by_step, atol=1e-9)


def test_affine_turns_and_scales_within_its_bounds() -> None:
    matrices = AUGMENTATIONS.create({"name": "affine", "degrees": 20, "scale": 0.2}).matrices(
        4000, np.random.default_rng(0)
    )
    assert matrices is not None
    linear = matrices[:, :, :2]
    size = 1 / np.sqrt(np.linalg.det(linear))
    assert (size.min(), size.max()) == (pytest.approx(0.8, abs=0.01), pytest.approx(1.2, abs=0.01))
    angle = np.degrees(np.arctan2(linear[:, 0, 1], linear[:, 0, 0]))
    assert (angle.min(), angle.max()) == (pytest.approx(-20, abs=0.3), pytest.approx(20, abs=0.3))
    assert np.allclose(matrices[:, :, 2], 0)


def test_a_quarter_turn_is_a_quarter_turn() -> None:
    """Rotating the array by hand and through the warp: the corner pixels land where np.rot90 puts them."""
    quarter = AUGMENTATIONS.create({"name": "affine", "degrees": 90, "scale": 0})
    old = np.arange(25.0).reshape(5, 5)
    quarter_rng = type("Rng", (), {"uniform": staticmethod(lambda low, high, n: np.full(n, high))})()
    places = source_places([quarter], 1, (5, 5), quarter_rng)
    turned = map_coordinates(old, places[0], order=1, mode="grid-constant", cval=0.0)
    assert any(np.allclose(turned, np.rot90(old, k)) for k in (1, 3))


def test_elastic_displacements_are_as_large_and_smooth_as_the_paper_says() -> None:
    """A uniform draw from [-1, 1) has variance 1/3; smoothing divides it by 4 pi sigma^2."""
    offsets = AUGMENTATIONS.create({"name": "elastic", "alpha": 34, "sigma": 4}).offsets(
        200, (29, 29), np.random.default_rng(0)
    )
    assert offsets is not None
    inner = offsets[:, :, 12:17, 12:17]
    assert inner.std() == pytest.approx(34 * np.sqrt(1 / 3 / (4 * np.pi * 16)), rel=0.1)
    assert np.abs(np.diff(inner, axis=3)).mean() < 0.25 * inner.std()
    assert abs(inner.mean()) < 0.1


def test_blur_is_a_gaussian_filter() -> None:
    """Away from the border the same as SciPy's; everywhere a constant image stays as it is."""
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 21, 23, 3))
    operator = AUGMENTATIONS.create({"name": "blur", "sigma": 1.2}).operator((21, 23, 3))
    assert operator is not None
    blurred = (pixels.reshape(1, -1) @ operator).reshape(21, 23, 3)
    expected = gaussian_filter(pixels[0], (1.2, 1.2, 0), truncate=6)
    np.testing.assert_allclose(blurred[8:-8, 8:-8], expected[8:-8, 8:-8], atol=1e-3)
    np.testing.assert_allclose(np.ones((1, 21 * 23 * 3)) @ operator, 1)


def test_cutout_covers_a_square_and_nothing_else() -> None:
    factors = AUGMENTATIONS.create({"name": "cutout", "side": 4}).factors(500, (9, 7), np.random.default_rng(0))
    assert factors is not None
    covered = 1 - factors
    assert set(np.unique(factors)) == {0.0, 1.0}
    assert covered.sum(axis=(1, 2)).max() == 16
    assert covered.sum(axis=(1, 2)).min() >= 4
    for mask in covered[:50]:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert mask.sum() == len(rows) * len(columns)
        assert len(rows) <= 4
        assert len(columns) <= 4
    assert covered.mean(axis=0).min() > 0


def test_noise_has_the_deviation_it_is_asked_for() -> None:
    source = batches([{"name": "noise", "sigma": 0.2}])
    noise = np.concatenate([inputs for inputs, _ in contents(source)]).reshape(-1, 9, 7) - originals(source)
    assert noise.std() == pytest.approx(0.2 * 255, rel=0.05)
    assert abs(noise.mean()) < 3


@given(st.integers(0, 1000))
@settings(max_examples=20)
def test_mixup_mixes_images_and_targets_alike(seed: int) -> None:
    source = batches([{"name": "mixup", "alpha": 1.0}], seed=seed)
    old, classes = originals_of(source)
    (inputs, targets), *_ = contents(source)
    np.testing.assert_allclose(targets.sum(axis=1), 1)
    shares = np.unique(np.round(targets, 9))  # one t for the batch: 0, t, 1 - t and 1
    for new, target, image, own in zip(inputs, targets, old, classes, strict=False):
        partners = [
            other for other, its in zip(old[:16], classes[:16], strict=True)
            if any(np.allclose(new, s * image + (1 - s) * other, atol=1e-6) for s in shares)
            and (its != own or target[own] > 1 - 1e-6)
        ]  # fmt: skip
        assert partners


def originals_of(source: AugmentedBatches) -> tuple[np.ndarray, np.ndarray]:
    order = source.order(0)
    return images()[order].astype(float), order % 4


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5, 3.0]])
def test_the_loss_of_mixed_targets_is_pytorchs(engine: str, weights: list[float] | None) -> None:
    made = create_engine(engine, "float64")
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(6, 4)), rng.dirichlet(np.ones(4), 6)
    loss = SoftmaxCrossEntropy(label_smoothing=0.1, class_weights=weights)
    loss.connect(made, 4)
    value = loss.forward(made.array(logits), made.array(targets))
    twin = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(
        twin,
        torch.tensor(targets),
        label_smoothing=0.1,
        weight=None if weights is None else torch.tensor(weights).double(),
    )
    expected.backward()
    # PyTorch divides a weighted mean over targets by the number of rows; ours, as for labels, by the weights.
    factor = 6 / (targets @ weights).sum() if weights else 1.0
    assert value == pytest.approx(factor * expected.item(), rel=1e-12)
    assert twin.grad is not None
    np.testing.assert_allclose(loss.backward(), factor * twin.grad.numpy(), atol=1e-12)


def test_an_error_in_the_other_thread_reaches_the_reader_and_the_thread_ends() -> None:
    def prepare(number: int) -> int:
        if number == 2:
            raise ValueError("no such image")
        return number

    seen = []
    with pytest.raises(ValueError, match="no such image"):
        for value in one_ahead(prepare, range(5), Stopwatch()):
            seen.append(value)
    assert seen == [0, 1]
    assert not any(thread.name.startswith("batches") for thread in threading.enumerate())


def test_a_reader_that_leaves_early_leaves_no_thread() -> None:
    reader = one_ahead(lambda number: number, range(1000), Stopwatch())
    assert next(reader) == 0
    reader.close()  # type: ignore[attr-defined]
    assert not any(thread.name.startswith("batches") for thread in threading.enumerate())


def test_a_reader_that_does_nothing_waits_all_the_time() -> None:
    waiting, start = Stopwatch(), time.perf_counter()
    assert list(one_ahead(lambda number: time.sleep(0.02), range(10), waiting)) == [None] * 10
    elapsed = time.perf_counter() - start
    assert 0.5 * elapsed < waiting.seconds <= elapsed


def test_a_reader_that_is_slower_than_the_other_thread_hardly_waits() -> None:
    ready = [threading.Event() for _ in range(10)]

    def prepare(number: int) -> int:
        time.sleep(0.02 if number else 0)
        ready[number].set()
        return number

    waiting, start = Stopwatch(), time.perf_counter()
    for number in one_ahead(prepare, range(10), waiting):
        assert ready[min(number + 1, 9)].wait(10)
    assert waiting.seconds < 0.5 * (time.perf_counter() - start)


def test_an_epoch_is_timed_from_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    source, prepared = batches(["shift"]), AugmentedBatches._prepare

    def slowly(self: AugmentedBatches, *args: Any) -> Any:
        time.sleep(0.02)
        return prepared(self, *args)

    next(source.epoch())  # as a rehearsal does; compiles
    monkeypatch.setattr(AugmentedBatches, "_prepare", slowly)
    for number in range(3):
        start = time.perf_counter()
        contents(source, number)
        elapsed = time.perf_counter() - start
        assert 0.02 * len(source) <= source.preparing.seconds <= elapsed
        assert 0.5 * elapsed < source.waiting.seconds <= elapsed


def test_a_run_tells_what_its_augmentation_cost_and_one_without_does_not(tmp_path: Path) -> None:
    from ffnn.lab.config import make_config
    from ffnn.lab.run import train
    from ffnn.lab.summary import describe_result
    from ffnn.training.trainer import Callback

    def run(augment: list[str]) -> Any:
        settings = {"epochs": 3, "hidden_layers": [8], "wandb": "disabled", "engine": "numpy", "augment": augment}
        return train(make_config({**settings, "runs_dir": str(tmp_path)}), lambda line: None, Callback())

    cost, waited = "time/augment_us_per_image", "time/augment_wait_fraction"
    plain, augmented = run([]), run(["elastic"])
    for values in (*plain.history, plain.summary):
        assert not {name for name in values if "augment" in name}
    for values in (*augmented.history, augmented.summary):
        assert 0 < values[waited] < 1
        in_its_thread = 1e-6 * values[cost] * augmented.environment["data"]["counts"]["train"]
        assert 0 < in_its_thread < values["time/train_seconds"]
    for name in (cost, waited):
        seen = [record[name] for record in augmented.history]
        assert min(seen) <= augmented.summary[name] <= max(seen)
    told = f"{augmented.summary[cost]:.1f} us an image in a thread of their own; training waited for them"
    assert told in describe_result(augmented)[-1]
    assert "us an image" not in "".join(describe_result(plain))
