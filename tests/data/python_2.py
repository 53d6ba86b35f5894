"""Pickles as Python 2 wrote them, put together from the description of the instructions.

CIFAR-10 was published in them, and no Python 3 writes them any more.
"""

import struct

import numpy as np


def as_python_2(value):
    """The instructions that make a value, in protocol 2 and with byte strings."""
    if isinstance(value, dict):
        return b"}(" + b"".join(as_python_2(key) + as_python_2(item) for key, item in value.items()) + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(as_python_2(item) for item in value) + b"e"
    if isinstance(value, bytes):
        return b"T" + struct.pack("<I", len(value)) + value
    if isinstance(value, np.ndarray):
        sizes = b"".join(b"J" + struct.pack("<i", size) for size in value.shape)
        dtype = b"cnumpy\ndtype\n(U\x02" + value.dtype.str[1:].encode() + b"K\x00K\x01tR(K\x03U\x01|NNNJ" + b"\xff" * 4
        dtype += b"J" + b"\xff" * 4 + b"K\x00tb"
        made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
        return made + b"(K\x01(" + sizes + b"t" + dtype + b"\x89" + as_python_2(value.tobytes()) + b"tb"
    return b"J" + struct.pack("<i", value)


def published(content):
    """The bytes of a file as it was published."""
    return b"\x80\x02" + as_python_2(content) + b"."
