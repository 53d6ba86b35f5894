"""What takes part in the race, by name. A contender prepares a task, then trains on it an epoch at a time.

Which packages it needs is known without importing any of them.
"""

import importlib.util
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ffnn.bench.gpu import look_for_gpu
from ffnn.bench.work import Task
from ffnn.reference import Description, State
from ffnn.registry import Registry


class Contender(ABC):
    """One way to train the described network.

    It needs `packages`: modules to import, and the distributions they come from; `about` says in a line what it does.
    It computes on its `device`, "cpu" or "cuda"; its process is given that and no other. An epoch trains `networks` at
    once; times are then those of each of them.
    """

    packages: ClassVar[Mapping[str, str]] = {}
    about: ClassVar[str]
    device: ClassVar[str] = "cpu"
    networks: ClassVar[int] = 1

    @classmethod
    def missing(cls) -> str:
        """What it lacks on this machine, or nothing."""
        if cls.device == "cuda" and not (answer := look_for_gpu()).found:
            return answer.text
        absent = [name for module, name in cls.packages.items() if importlib.util.find_spec(module) is None]
        return f"{' and '.join(absent)} not installed" if absent else ""

    @classmethod
    def unfit(cls, description: Description) -> str:
        """Why it cannot train such a network, or nothing."""
        return ""

    @abstractmethod
    def prepare(self, task: Task, threads: int) -> str:
        """Build the network and lay out the data; returns a choice worth telling, or nothing."""

    @abstractmethod
    def epoch(self) -> float | None:
        """Train on every image once, in a new order; returns the mean loss of the steps, if it has one."""

    def values(self) -> State:
        """What it has learnt so far, by ffnn's names; the speedrun asks for it, the race does not."""
        raise NotImplementedError(f"{type(self).__name__} does not hand out what it has learnt")


CONTENDERS: Registry[Contender] = Registry("contender")
"""All contenders by name, ffnn first; those of the CPU, then those of a GPU."""


def contender_class(name: str) -> type[Contender]:
    """The class registered as `name`, for what is known without making one."""
    entry = CONTENDERS[name]
    assert isinstance(entry, type)
    assert issubclass(entry, Contender)
    return entry


def faster(ways: Mapping[str, Callable[[], Any]], tries: int = 5) -> str:
    """The name of the way that takes least time, each tried once to warm up and then `tries` times."""
    best = dict.fromkeys(ways, float("inf"))
    for number in range(tries + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if number:
                best[name] = min(best[name], time.perf_counter() - start)
    return min(best, key=best.__getitem__)
