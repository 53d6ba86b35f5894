"""Checkpoints: a network and its training state in one .npz file, without pickle.

Nothing in a file is executed when it is read, none is ever half-written, and a damaged one is known as such.
"""

import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ffnn.errors import FFNNError
from ffnn.files import replacing
from ffnn.npy import UNSOUND, read_headings

if TYPE_CHECKING:
    from ffnn.training.trainer import Callback, Trainer


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds: states of network and optimizer, and as `extra` what else training needs.

    Averaged weights are such an extra. `meta` are plain values: epoch, step, score, config, and where training was
    (`capture`). `best` is the network of the best epoch so far, where it is not the one of this file.
    """

    network: dict[str, NDArray[Any]]
    optimizer: dict[str, NDArray[Any]]
    extra: dict[str, NDArray[Any]]
    meta: dict[str, Any]
    best: dict[str, NDArray[Any]] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the file, replacing an older one in a single step."""
        groups = {"network": self.network, "optimizer": self.optimizer, "extra": self.extra, "best": self.best}
        arrays = {f"{group}/{name}": array for group, state in groups.items() for name, array in state.items()}
        with replacing(path, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays, meta=np.array(json.dumps(self.meta)))

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """Read a file; FFNNError if it is missing, damaged or not a checkpoint. Nothing in it is executed."""
        from ffnn.records import checked
        from ffnn.training.formats import Meta

        try:
            arrays = _read(path)
            meta = json.loads(str(arrays.pop("meta"))) if "meta" in arrays else None
        except FileNotFoundError:
            raise FFNNError(f"{path}: no such checkpoint; expected a file written by ffnn train") from None
        except MemoryError as problem:
            raise FFNNError(
                f"{path}: expected enough memory for a checkpoint of {path.stat().st_size:,} bytes; there is too "
                "little: close other programs"
            ) from problem
        except (OSError, *UNSOUND) as problem:
            reason = " ".join(str(problem).split())
            raise FFNNError(
                f"{path}: expected a checkpoint written by ffnn train; it is damaged ({reason})"
            ) from problem
        if meta is None:
            raise FFNNError(
                f"{path}: expected a checkpoint written by ffnn train; it has no meta, so it is another kind of file"
            )
        checked(Meta, meta, f"{path}: meta")
        network, optimizer, extra, best = (_group(arrays, name) for name in ("network", "optimizer", "extra", "best"))
        average = {name: array for name, array in extra.items() if name == "average"}
        for name, array in (*network.items(), *best.items(), *average.items()):
            if not _are_numbers(array):
                raise FFNNError(f"{path}: expected finite weights; {name} has others: take another checkpoint")
        return cls(network, optimizer, extra, meta, best)


def capture(trainer: "Trainer", best: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Checkpoint:
    """All that a trainer needs to go on in another process, between two steps.

    `best` is the network of the best epoch, where that is an earlier one; `meta` are plain values to store along.
    Random draws are functions of the seed, the epoch and counters that the network's state holds, and learning rates of
    the step, so neither needs a state of its own.
    """
    average, engine = trainer.plan.average, trainer.objective.network.engine
    extra = {"average": np.array(engine.host(average.values)), "steps": np.array(average.steps)} if average else {}
    current = trainer.current
    state = {
        "epoch": trainer.epoch,
        "step": trainer.step,
        "place": current.place,
        "means": current.means.state_dict(),
        "seconds": current.seconds if current.place else 0.0,
        "ended": trainer.reason if trainer.status == "finished" else "",
    }
    states = {key: callback.state_dict() for key, callback in _keyed(trainer.callbacks).items()}
    remembered = {key: values for key, values in states.items() if values}
    return Checkpoint(
        trainer.objective.network.state_dict(),
        trainer.optimizer.state_dict(),
        extra,
        {**meta, "epoch": trainer.epoch, "step": trainer.step, "trainer": state, "callbacks": remembered},
        dict(best),
    )


def restore(trainer: "Trainer", checkpoint: Checkpoint) -> None:
    """Bring a trainer where `capture` took the checkpoint.

    Several callbacks of a class get their states back by their order, so it must be the one they had. Where they watch
    different values, another order is refused; where they watch the same, it cannot be told. FFNNError if the network
    or the optimizer is another one, or the checkpoint lacks what a trainer needs.
    """
    try:
        _restore(trainer, checkpoint)
    except (LookupError, TypeError, ValueError, OverflowError) as problem:
        lacks = f"it lacks {problem}" if isinstance(problem, LookupError) else str(problem)
        raise FFNNError(f"expected a checkpoint of this run; {lacks}") from problem


def _restore(trainer: "Trainer", checkpoint: Checkpoint) -> None:
    trainer.objective.network.load_state_dict(checkpoint.network)
    trainer.optimizer.load_state_dict(checkpoint.optimizer)
    average = trainer.plan.average
    if average:
        average.values[...] = trainer.objective.network.engine.array(checkpoint.extra["average"])
        average.steps = int(checkpoint.extra["steps"])
    for callback, state in _states_of(trainer.callbacks, checkpoint.meta["callbacks"]):
        callback.load_state_dict(state)
    state = checkpoint.meta["trainer"]
    trainer.epoch, trainer.step = state["epoch"], state["step"]
    trainer.current.go_on(state["place"], state["means"], state["seconds"])
    if state["ended"]:
        trainer.stop(state["ended"])


def _keyed(callbacks: "Sequence[Callback]") -> "dict[str, Callback]":
    """Each by its class and its place among those of the class: one more of another kind moves none of them."""
    seen: Counter[str] = Counter()
    keyed = {}
    for callback in callbacks:
        name = type(callback).__name__
        seen[name] += 1
        keyed[f"{name} {seen[name]}"] = callback
    return keyed


def _states_of(callbacks: "Sequence[Callback]", saved: Mapping[str, Any]) -> Iterator[tuple["Callback", Any]]:
    """Callbacks with the states that were theirs; FFNNError where it is not clear whose a state was.

    Older versions stored one state a class, as whose the last of several came back.
    """
    keyed = _keyed(callbacks)
    for name, count in Counter(type(callback).__name__ for callback in callbacks).items():
        stored = sum(key == name or key.rpartition(" ")[0] == name for key in saved)
        if stored > count or (name in saved and count > 1):
            raise FFNNError(
                f"expected as many callbacks {name} as the checkpoint has states, {stored}; received {count}"
            )
    for key, callback in keyed.items():
        state = saved.get(key) or saved.get(type(callback).__name__)
        if state:
            yield callback, state


def _read(path: Path) -> dict[str, NDArray[Any]]:
    # Member by member, to its end: the sums are then compared before anything is made of it. np.load stops where
    # a header says that the array ends, also a damaged header.
    with zipfile.ZipFile(path) as file:
        if sum(member.file_size for member in file.infolist()) > path.stat().st_size:
            raise ValueError("it would unpack to more than it is, and nothing in a checkpoint is packed")
        read_headings(file)  # refuses what NumPy would make memory for, or end in anything but words
        members = {name: file.read(name) for name in file.namelist()}
    return {
        name.removesuffix(".npy"): np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
        for name, content in members.items()
    }


def _are_numbers(array: NDArray[Any]) -> bool:
    return array.dtype.kind in "biuf" and bool(np.isfinite(array).all())


def _group(arrays: Mapping[str, NDArray[Any]], group: str) -> dict[str, NDArray[Any]]:
    return {name.partition("/")[2]: array for name, array in arrays.items() if name.startswith(f"{group}/")}
