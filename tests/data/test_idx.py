"""IDX files are read as they were written, and refused with one line where anything is amiss."""

import gzip
import re
import tracemalloc

import numpy as np
import pytest
from tiny_set import IMAGES, LABELS, idx

from ffnn.data import DataError
from ffnn.data.idx import find_idx, read_idx

PLAIN = idx(IMAGES)
ZIPPED = gzip.compress(PLAIN)
HALVES = gzip.compress(PLAIN[:100]) + gzip.compress(PLAIN[100:])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain", PLAIN),
        ("zipped.gz", ZIPPED),
        ("zipped-under-a-plain-name", ZIPPED),
        ("plain.gz", PLAIN),
        ("2.gz", HALVES),
    ],
)
def test_reads_plain_and_zipped(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    out = np.empty_like(IMAGES)
    read_idx(path, out)
    assert (out == IMAGES).all()


def test_reads_into_rows_of_a_larger_array(tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(idx(LABELS))
    out = np.full(len(LABELS) + 4, 99, np.uint8)
    read_idx(path, out[2:-2])
    assert out.tolist() == [99, 99, *LABELS, 99, 99]


def flipped(content, place):
    damaged = bytearray(content)
    damaged[place] ^= 0xFF
    return bytes(damaged)


FAULTS = {
    "empty": (b"", "found an empty file"),
    "magic of labels": (idx(IMAGES.ravel()), "begins with 00 00 08 03, found 00 00 08 01"),
    "floats": (idx(IMAGES, type_code=0x0D), "begins with 00 00 08 03, found 00 00 0d 03"),
    "another file": (b"<!DOCTYPE html><html>not found</html>", "found 3c 21 44 4f"),
    "half a header": (PLAIN[:9], "expected a whole IDX header, found 9 bytes"),
    "fewer images": (idx(IMAGES[:-1]), "expected 42 x 4 x 5, found 41 x 4 x 5"),
    "more images": (idx(np.concatenate([IMAGES, IMAGES])), "expected 42 x 4 x 5, found 84 x 4 x 5"),
    "turned images": (idx(IMAGES.transpose(0, 2, 1)), "expected 42 x 4 x 5, found 42 x 5 x 4"),
    "negative size": (idx(IMAGES, dimensions=(-1, 4, 5)), "found -1 x 4 x 5"),
    "one value short": (PLAIN[:-1], "expected 840 bytes of values, found only 839"),
    "header only": (PLAIN[:16], "expected 840 bytes of values, found only 0"),
    "one value over": (PLAIN + b"\0", "expected 840 bytes of values, found more"),
    "zipped: one value short": (gzip.compress(PLAIN[:-1]), "expected 840 bytes of values, found only 839"),
    "zipped: one value over": (gzip.compress(PLAIN + b"\0"), "expected 840 bytes of values, found more"),
    "zipped: cut in the header": (ZIPPED[:5], "found a gzip stream that breaks off"),
    "zipped: cut in the middle": (ZIPPED[: len(ZIPPED) // 2], "found a gzip stream that breaks off"),
    "zipped: without its end": (ZIPPED[:-8], "found a gzip stream that breaks off"),
    "zipped: checksum": (flipped(ZIPPED, -8), "found damage (CRC check failed"),
    "zipped: length": (flipped(ZIPPED, -1), "found damage (Incorrect length"),
    "zipped: unknown method": (flipped(ZIPPED, 2), "found damage (Unknown compression method)"),
    "zipped: followed by junk": (ZIPPED + b"junk", "found damage (Not a gzipped file"),
    "zipped: deflate stream": (ZIPPED[:10] + b"\xff" * 30, "found damage (Error -3"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_file_is_refused_in_one_line(tmp_path, fault):
    content, message = FAULTS[fault]
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(message)) as raised:
        read_idx(path, np.empty_like(IMAGES))
    assert str(raised.value).startswith(f"{path}: expected ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("place", range(len(ZIPPED) - 200, len(ZIPPED), 7))
def test_no_flipped_bit_in_a_zipped_file_goes_unnoticed(tmp_path, place):
    path = tmp_path / "images.gz"
    path.write_bytes(flipped(ZIPPED, place))
    with pytest.raises(DataError):
        read_idx(path, np.empty_like(IMAGES))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "zipped"])
def test_a_large_file_is_read_without_another_copy_of_it(tmp_path, pack):
    values = np.random.default_rng(0).integers(0, 9, 5_000_000).astype(np.uint8)
    path = tmp_path / "values"
    path.write_bytes(pack(bytes((0, 0, 8, 1)) + len(values).to_bytes(4, "big") + values.tobytes()))
    out = np.empty_like(values)
    tracemalloc.start()
    read_idx(path, out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (out == values).all()
    assert peak < 3_000_000


def test_a_file_that_unpacks_to_far_more_than_expected_does_not_fill_the_memory(tmp_path):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(PLAIN + bytes(50_000_000), 1))
    tracemalloc.start()
    with pytest.raises(DataError, match="found more"):
        read_idx(path, np.empty_like(IMAGES))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()], ids=["absent", "a folder"])
def test_what_cannot_be_opened_is_named(tmp_path, make):
    path = tmp_path / "images"
    make(path)
    with pytest.raises(DataError, match=f"{re.escape(str(path))}: cannot be read: "):
        read_idx(path, np.empty_like(IMAGES))


def test_finds_the_plain_file_before_the_zipped_one(tmp_path):
    assert find_idx(tmp_path, "images") is None
    (tmp_path / "images.gz").write_bytes(ZIPPED)
    assert find_idx(tmp_path, "images") == tmp_path / "images.gz"
    (tmp_path / "images").write_bytes(PLAIN)
    assert find_idx(tmp_path, "images") == tmp_path / "images"
