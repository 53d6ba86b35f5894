"""Splits keep every class in proportion, use every row once, and depend on their seed alone."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from ffnn.data import DataError, Dataset, make_split
from ffnn.errors import FFNNError

PERCENT = st.integers(1, 60)  # exact in rational arithmetic, and often a whole number of images
CLASS_SIZES = st.lists(st.integers(0, 60), min_size=1, max_size=30).filter(any)
SEED = st.integers(0, 2**32 - 1)


def dataset(class_sizes, order_seed=0, official_test=0):
    """Shuffled labels, so many of each class."""
    labels = np.repeat(np.arange(len(class_sizes)), class_sizes)
    np.random.default_rng(order_seed).shuffle(labels)
    names = tuple(str(k) for k in range(len(class_sizes)))
    return Dataset("made", np.zeros((len(labels), 1), np.uint8), labels, names, (1, 1), 255, official_test, "memory")


def split_or_skip(*args, **kwargs):
    try:
        return make_split(*args, **kwargs)
    except DataError as problem:
        assume("found none of" not in str(problem))
        raise


def assert_in_proportion(part, percent, data, rows):
    """The part has its share of `rows` rounded down or up in every class, and is within one image of it in all."""
    classes = len(data.class_names)
    whole = np.bincount(data.labels[rows], minlength=classes)
    for count, found in zip(whole, np.bincount(data.labels[part], minlength=classes), strict=True):
        exact = Fraction(percent * int(count), 100)
        assert math.floor(exact) <= found <= math.ceil(exact)
    assert abs(len(part) - percent * len(rows) / 100) <= 1


@example([49, 25], 5, 51, 0)  # 44 % of 25 is 11, but 10.999999999999998 in floating point
@given(CLASS_SIZES, PERCENT, PERCENT, SEED)
@settings(suppress_health_check=[HealthCheck.filter_too_much])
def test_pooled_parts_are_in_proportion_and_use_every_row_once(class_sizes, val, test, seed):
    assume(val + test < 100)
    data = dataset(class_sizes)
    split = split_or_skip(data, "pooled", val_fraction=val / 100, test_fraction=test / 100, seed=seed)
    rows = np.arange(len(data))
    assert np.array_equal(np.sort(np.concatenate([split.train, split.val, split.test])), rows)
    for part, percent in ((split.train, 100 - val - test), (split.val, val), (split.test, test)):
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()
        assert_in_proportion(part, percent, data, rows)


@given(CLASS_SIZES, PERCENT, SEED, st.data())
@settings(suppress_health_check=[HealthCheck.filter_too_much])
def test_official_parts_leave_the_test_set_alone(class_sizes, val, seed, choose):
    assume(sum(class_sizes) > 1)
    official = choose.draw(st.integers(1, sum(class_sizes) - 1))
    data = dataset(class_sizes, official_test=official)
    split = split_or_skip(data, "official", val_fraction=val / 100, seed=seed)
    border = len(data) - official
    assert np.array_equal(split.test, np.arange(border, len(data)))
    assert np.array_equal(np.sort(np.concatenate([split.train, split.val])), np.arange(border))
    assert_in_proportion(split.train, 100 - val, data, np.arange(border))
    assert_in_proportion(split.val, val, data, np.arange(border))


def test_auto_takes_the_official_test_set_where_there_is_one():
    without, with_test = dataset([50, 50]), dataset([50, 50], official_test=20)
    assert make_split(without).digest == make_split(without, "pooled").digest
    assert make_split(with_test).digest == make_split(with_test, "official").digest
    assert make_split(with_test, "pooled").digest == make_split(without, "pooled").digest


def test_the_default_is_80_10_10():
    split = make_split(dataset([500, 300, 200]))
    assert [len(part) for part in (split.train, split.val, split.test)] == [800, 100, 100]


def test_rounding_favours_no_part():
    """With 47 classes of 15 images each, a tenth is 1.5: rounding all alike would give 47 or 94, not 70 or 71."""
    split = make_split(dataset([15] * 47), val_fraction=0.1, test_fraction=0.1)
    assert {len(split.val), len(split.test)} <= {70, 71}


def test_the_seed_alone_decides():
    data = dataset([40, 30, 30])
    np.random.seed(1)
    first, state = make_split(data, seed=5), np.random.get_state()[1].copy()
    np.random.seed(2)
    again = make_split(data, seed=5)
    np.random.seed(1)
    assert first.digest == again.digest != make_split(data, seed=6).digest
    assert (np.random.get_state()[1] == state).all()


def test_the_images_of_a_class_are_drawn_at_random():
    data = dataset([200], order_seed=3)
    drawn = [make_split(data, seed=seed).val for seed in range(40)]
    assert 85 < np.mean(drawn) < 114  # the mean row is 99.5; 800 draws leave a deviation of 2
    assert len(np.unique(drawn)) > 180


def test_the_digest_tells_which_row_is_where():
    data = dataset([40, 40])
    split = make_split(data)
    swapped = type(split)(split.train, split.test, split.val)
    rows = np.arange(80)
    borders = [type(split)(rows[:k], rows[k:70], rows[70:]) for k in (50, 60)]
    assert len({part.digest for part in (split, swapped, *borders)}) == 4


def test_a_split_stays_what_it_was():
    """Recorded runs name their split by this digest, so neither ffnn nor NumPy may change it unnoticed."""
    split = make_split(dataset([33, 21, 46]), seed=2024)
    assert split.digest == "d467b9cfab5c67cef16b3666fbc3746b3d6d8e428b07338644d369f83d8d8012"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"val_fraction": 0.0}, "val_fraction: expected a number between 0 and 1, received 0.0"),
        ({"val_fraction": -0.1}, "val_fraction: expected a number between 0 and 1"),
        ({"test_fraction": 1.0}, "test_fraction: expected a number between 0 and 1, received 1.0"),
        ({"test_fraction": float("nan")}, "test_fraction: expected a number between 0 and 1, received nan"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "val_fraction [+] test_fraction: expected less than 1"),
        ({"val_fraction": 0.001}, "found none of 60 for val"),
        ({"kind": "official"}, "made has no official test set: expected split=pooled or auto"),
    ],
)
def test_impossible_splits_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        make_split(dataset([30, 30]), **options)


def test_a_misspelt_kind_gets_a_hint():
    with pytest.raises(FFNNError, match=r"unknown split 'oficial'.*did you mean 'official'"):
        make_split(dataset([30, 30]), "oficial")
