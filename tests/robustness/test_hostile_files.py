"""Files made to do harm: none of them runs anything, fills the memory, or is written where it should not be."""

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from robustness.targets import TARGETS, checkpoint, outcome

from ffnn.data import DATASETS, own_tables
from ffnn.data.dataset import DataError
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
    words = f"--notes={code}\0--tags=[{code!r}]\0--group=$(touch {mark})".encode()
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


def test_images_that_unpack_to_far_more_than_expected_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = {"images": np.zeros((100, 32, 32), np.uint8), "labels": np.arange(100) % 2}
    path = tmp_path / "images.npz"
    path.write_bytes(packed(images, zipfile.ZIP_DEFLATED))
    data = DATASETS.create({"name": "npz", "path": str(path)})
    assert len(data.load(tmp_path)) == 100
    monkeypatch.setattr(own_tables, "LARGEST", 1 << 16)
    with pytest.raises(DataError, match=r"at most 65,536 bytes"):
        data.load(tmp_path)


@pytest.mark.parametrize("name", ["npz", "checkpoint"])
def test_an_array_of_a_trillion_values_is_not_made(name: str, tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**15,)})
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for member in ("images.npy", "labels.npy", "meta.npy"):
            archive.writestr(member, header.getvalue())
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
