"""Checkpoints: a network and its training state in one .npz file, without pickle.

Nothing in a file is executed when it is read, and none is ever half-written.
"""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.errors import FFNNError
from ffnn.files import replacing


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Attributes
    ----------
    network, optimizer, extra : dict of arrays
        State dictionaries; extra holds whatever else training needs, such as averaged weights.
    meta : dict
        Plain values: epoch, step, score, config, seeds.
    """

    network: dict[str, NDArray[Any]]
    optimizer: dict[str, NDArray[Any]]
    extra: dict[str, NDArray[Any]]
    meta: dict[str, Any]

    def save(self, path: Path) -> None:
        """Write the file, replacing an older one in a single step."""
        groups = {"network": self.network, "optimizer": self.optimizer, "extra": self.extra}
        arrays = {f"{group}/{name}": array for group, state in groups.items() for name, array in state.items()}
        with replacing(path, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays, meta=np.array(json.dumps(self.meta)))

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """Read a file; FFNNError if it is missing, damaged or not a checkpoint. Nothing in it is executed."""
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            meta = json.loads(str(arrays.pop("meta")))
        except FileNotFoundError:
            raise FFNNError(f"{path}: no such checkpoint; expected a file written by ffnn train") from None
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as problem:
            raise FFNNError(
                f"{path}: expected a checkpoint written by ffnn train; it is damaged ({problem})"
            ) from problem
        return cls(_group(arrays, "network"), _group(arrays, "optimizer"), _group(arrays, "extra"), meta)


def _group(arrays: Mapping[str, NDArray[Any]], group: str) -> dict[str, NDArray[Any]]:
    return {name.partition("/")[2]: array for name, array in arrays.items() if name.startswith(f"{group}/")}
