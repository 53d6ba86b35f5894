"""A data set of four small IDX files, written by hand, and a process that loads it.

Run as a program, `tiny_set.py ROOT MIRROR...` fetches and loads it as a user's process would.
"""

import gzip
import hashlib
import struct
import sys
from pathlib import Path

import numpy as np

from ffnn.data.download import RemoteFile
from ffnn.data.sets.idx_sets import IdxEntry

SHAPE = (4, 5)
TRAIN, TEST = 30, 12
RANDOM = np.random.default_rng(7)
IMAGES = RANDOM.integers(0, 256, (TRAIN + TEST, *SHAPE)).astype(np.uint8)
LABELS = np.arange(TRAIN + TEST) % 3


def idx(values, type_code=0x08, dimensions=None):
    """Bytes of an IDX file, put together from the format's description."""
    dimensions = values.shape if dimensions is None else dimensions
    header = struct.pack(">HBB", 0, type_code, len(dimensions)) + struct.pack(f">{len(dimensions)}i", *dimensions)
    return header + b"".join(struct.pack("B", int(value)) for value in values.ravel())


PLAIN = {
    "train-images-idx3-ubyte": idx(IMAGES[:TRAIN]),
    "train-labels-idx1-ubyte": idx(LABELS[:TRAIN]),
    "t10k-images-idx3-ubyte": idx(IMAGES[TRAIN:]),
    "t10k-labels-idx1-ubyte": idx(LABELS[TRAIN:]),
}
ZIPPED = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in PLAIN.items()}
FILES = [RemoteFile(name, len(content), hashlib.sha256(content).hexdigest()) for name, content in ZIPPED.items()]


class Tiny(IdxEntry):
    """30 training and 12 test images of 4 x 5 pixels in three classes."""

    name = "tiny"
    title = "Tiny"
    class_names = ("a", "b", "c")
    shape = SHAPE
    train_size = TRAIN
    test_size = TEST
    licence = citation = homepage = "none"
    folder = "Tiny/raw"
    mirrors = ()
    train_files = (FILES[0], FILES[1])
    test_files = (FILES[2], FILES[3])


def write(root, contents):
    """Put files where the data set lies below `root`; returns that folder."""
    folder = Path(root) / Tiny.folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def main(root, *mirrors):
    """Fetch and load, and print the digest."""
    Tiny.mirrors = mirrors
    entry = Tiny()
    entry.fetch(Path(root))
    print(entry.load(Path(root)).digest)


if __name__ == "__main__":
    main(*sys.argv[1:])
