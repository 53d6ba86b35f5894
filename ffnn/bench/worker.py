"""A contender's own process: it reads requests from standard input and answers on standard output, a JSON line each.

It ends when its input does, so none outlives the race. `python -m ffnn.bench.worker NAME THREADS`.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import IO, Any

import numpy as np

from ffnn.backend.threads import usable_cores
from ffnn.bench.contenders import CONTENDERS, Contender
from ffnn.bench.work import Task

Answer = dict[str, Any]


class Worker:
    """Answers requests with one contender."""

    def __init__(self, name: str, threads: int) -> None:
        self.contender: Contender = CONTENDERS.create(name)
        self.threads = threads

    def prepare(self, file: str) -> Answer:
        """Load a task and build the network."""
        return {"note": self.contender.prepare(Task.load(Path(file)), self.threads)}

    def epoch(self) -> Answer:
        """Train on all images once; seconds are those of one network, where several are trained at once."""
        networks = self.contender.networks
        wall, cpu = time.perf_counter(), time.process_time()
        loss = self.contender.epoch()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return {"seconds": wall / networks, "cpu_seconds": cpu / networks, "loss": loss}

    def score(self, file: str) -> Answer:
        """Of a file's images, the share that its network answers rightly, worked out in the same way for all."""
        test = Task.load(Path(file))
        network = test.description.objective(self.contender.values()).network
        answers = network.predict(test.images / np.float32(test.top)).argmax(axis=1)
        return {"accuracy": float((answers == test.labels).mean())}

    def describe(self) -> Answer:
        """Versions, and the BLAS libraries loaded by now."""
        from threadpoolctl import threadpool_info

        # A module's distribution may have other names: cupy comes with one for each version of CUDA.
        installed = metadata.packages_distributions()
        packages = [installed[module][0] for module in self.contender.packages]
        pools = [
            {"library": pool["internal_api"], "core": pool.get("architecture"), "threads": pool["num_threads"]}
            for pool in threadpool_info()
            if pool["user_api"] == "blas"
        ]
        facts = {"about": self.contender.about, "networks": self.contender.networks, "device": self.contender.device}
        return {**facts, "versions": {name: metadata.version(name) for name in packages}, "blas": pools}

    def serve(self, requests: IO[str], answers: IO[str]) -> None:
        """Answer every line of `requests` until they end."""
        actions: Mapping[str, Callable[..., Answer]] = {
            "prepare": self.prepare,
            "epoch": self.epoch,
            "score": self.score,
            "describe": self.describe,
        }
        for line in requests:
            request = json.loads(line)
            try:
                answer = actions[request.pop("do")](**request)
            except Exception as problem:  # whatever a framework raises, the race goes on without it
                answer = {"error": f"{type(problem).__name__}: {' '.join(str(problem).split())}"}
            print(json.dumps(answer), file=answers, flush=True)


def hold_to_cores(threads: int) -> None:
    """Let this process run on its last `threads` cores only, where the system can be told.

    Not every framework's own setting holds all of its threads; and the first cores serve the system's interrupts.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def main() -> None:
    """Serve until standard input ends."""
    name, threads = sys.argv[1], int(sys.argv[2])
    # What libraries print must not be taken for answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    hold_to_cores(min(threads, usable_cores()))
    Worker(name, threads).serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
