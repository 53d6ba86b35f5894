"""Files made to do harm: none of them runs anything, fills the memory, or is written where it should not be."""

import io
import os
import pickle
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from robustness.targets import TARGETS, checkpoint, outcome

from ffnn.data import DATASETS
from ffnn.data.dataset import DataError
from ffnn.data.sets import own_images
from ffnn.errors import FFNNError
from ffnn.training.checkpoints import Checkpoint


class Hostile:
    """Makes a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


YAML = (
    "!!python/object/apply:os.system ['touch {mark}']",
    "a: !!python/object/apply:os.system ['touch {mark}']",
    "!!python/object/new:os.system ['touch {mark}']",
    "!!python/name:os.system",
    "a: !!python/module:os",
    "question: !!python/object/apply:subprocess.check_output [['touch', '{mark}']]",
    "method: !!python/object:ffnn.errors.FFNNError {{}}",
)


@pytest.mark.parametrize("text", YAML)
@pytest.mark.parametrize("name", ["config", "sweep", "experiment", "run_config"])
def test_no_yaml_runs_anything(name: str, text: str, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    found = outcome(TARGETS[name], text.format(mark=mark).encode(), tmp_path)
    assert found == ("accepted" if name == "experiment" else "refused")  # of an experiment, faults are listed
    assert not mark.exists()


@pytest.mark.parametrize("name", ["npz", "checkpoint", "cifar_pickle", "history", "summary", "config", "csv", "idx"])
def test_no_pickle_runs_anything_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    pickled = pickle.dumps({b"data": Hostile(mark)})
    objects = np.array([Hostile(mark)], dtype=object)
    packed, member = io.BytesIO(), io.BytesIO()
    np.savez(packed, allow_pickle=True, images=objects, labels=objects, meta=objects, **{"network/w": objects})
    np.save(member, objects, allow_pickle=True)
    for content in (pickled, packed.getvalue(), member.getvalue()):
        assert outcome(TARGETS[name], content + b"\n" * (name == "history"), tmp_path) == "refused"
    assert not mark.exists()


def test_text_that_looks_like_code_stays_text(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    code = f"__import__('os').system('touch {mark}')"
    words = f"--notes={code}\0--tags=[{code!r}]\0--job_type=$(touch {mark})".encode()
    assert outcome(TARGETS["command_line"], words, tmp_path) == "accepted"
    assert outcome(TARGETS["command_line"], f"--epochs={code}".encode(), tmp_path) == "refused"
    assert not mark.exists()


def packed(arrays: dict[str, Any], compression: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array)
    return file.getvalue()


def test_a_checkpoint_that_unpacks_to_more_than_it_is_is_not_unpacked(tmp_path: Path) -> None:
    zeros = {"meta": np.array("{}"), "network/w": np.zeros(1 << 20)}
    (tmp_path / "bomb.npz").write_bytes(packed(zeros, zipfile.ZIP_DEFLATED))
    assert (tmp_path / "bomb.npz").stat().st_size < 1 << 15
    with pytest.raises(FFNNError, match="would unpack to more than it is"):
        Checkpoint.load(tmp_path / "bomb.npz")
    (tmp_path / "whole.npz").write_bytes(packed(zeros, zipfile.ZIP_STORED))
    assert Checkpoint.load(tmp_path / "whole.npz").network["w"].shape == (1 << 20,)


def test_images_that_unpack_to_more_than_the_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = {"images": np.zeros((100, 32, 32), np.uint8), "labels": np.arange(100) % 2}
    path = tmp_path / "images.npz"
    path.write_bytes(packed(images, zipfile.ZIP_DEFLATED))
    data = DATASETS.create({"name": "npz", "path": str(path)})
    assert len(data.load(tmp_path)) == 100
    monkeypatch.setattr(own_images, "available_bytes", lambda: 1 << 16)
    with pytest.raises(DataError, match=r"memory that are available, found 100 of 1,024 values"):
        data.load(tmp_path)


@pytest.mark.parametrize("member", ["labels", "class_names", "other"])
def test_of_images_nothing_is_unpacked_that_is_larger_than_it_can_be(member: str, tmp_path: Path) -> None:
    """A hundred megabytes of zeros beside two images: refused by the heading, or never looked at."""
    large = np.zeros(100 << 20, "U1" if member == "class_names" else np.uint8)[: 25 << 20]
    images = {"images": np.zeros((2, 4), np.uint8), "labels": np.arange(2), member: large}
    (tmp_path / "images.npz").write_bytes(packed(images, zipfile.ZIP_DEFLATED))
    data = DATASETS.create({"name": "npz", "path": str(tmp_path / "images.npz")})
    del large, images
    tracemalloc.start()
    try:
        if member == "other":
            data.load(tmp_path)
        else:
            with pytest.raises(DataError, match=r"expected (labels of a whole|at most 65,536 class_names)"):
                data.load(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


HEADERS = {
    "a trillion values": "(1000000000000000,)",
    "more than fit into 64 bits": f"({2**70},)",
    "no number": "(True,)",
    "less than nothing": "(-1,)",
    "5,000 digits": f"(0x{'f' * 4000},)",
    "text": "('a',)",
}


@pytest.mark.parametrize("shape", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("name", ["npz", "checkpoint"])
def test_a_heading_that_cannot_be_so_is_refused(name: str, shape: str, tmp_path: Path) -> None:
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    heading = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for member in ("images.npy", "labels.npy", "meta.npy"):
            archive.writestr(member, heading + b"\0")
    assert outcome(TARGETS[name], file.getvalue(), tmp_path) == "refused"


def test_a_checkpoint_leads_to_no_other_file(tmp_path: Path) -> None:
    """Names in the archive are names of arrays: `..` among them writes nothing."""
    file = io.BytesIO(checkpoint())
    with zipfile.ZipFile(file, "a") as archive:
        member = io.BytesIO()
        np.save(member, np.zeros(1))
        archive.writestr("network/../../../escaped.npy", member.getvalue())
    path = tmp_path / "inner" / "input.npz"
    path.parent.mkdir()
    path.write_bytes(file.getvalue())
    Checkpoint.load(path)
    assert sorted(found.name for found in tmp_path.rglob("*")) == ["inner", "input.npz"]
