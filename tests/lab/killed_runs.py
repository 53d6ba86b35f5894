"""Trains runs of the digits that are killed again and again, and compares each with its twin that nobody killed.

A script: every run is a process of its own, forked from this one, which has imported everything and has one thread.
Reads cases from standard input, a JSON list of settings; writes a JSON list of what it found.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ffnn.lab import session
from ffnn.lab.config import make_config
from ffnn.lab.resume import resume
from ffnn.lab.run import train
from ffnn.tracking import RunDirectory, read_run
from ffnn.training.callbacks import SaveCheckpoints
from ffnn.training.checkpoints import Checkpoint
from ffnn.training.trainer import Callback

SMALL = {"hidden_layers": [12], "epochs": 16, "batch_size": 128, "wandb": "disabled", "runs_dir": "runs", "name": "run"}
CALLS = ((os, "fsync"), (os, "link"), (Path, "replace"), (RunDirectory, "append_history"))
"""Where a run changes what is on the disk: it is killed before and after each of these, too."""


def forked(work: Callable[[], Any]) -> int:
    """The number of a process that does the work."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return process


def ended(process: int) -> bool:
    """Whether a process was killed; one that failed ends the script."""
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status not in (0, -signal.SIGKILL):
        sys.exit(f"a run ended with exit code {status}")
    return status != 0


def quietly(config: Any) -> None:
    train(config, lambda line: None, Callback())


def going_on(path: Path) -> None:
    """Resume, telling nobody."""
    with Path(path.parent / f"{path.name}.log").open("a", buffering=1) as log:
        resume(path, None, lambda line: print(line, file=log), Callback())


def suicide(work: Callable[[], Any], chosen: int, torn: bool) -> None:
    """Do the work, and be killed at the call number `chosen` of `CALLS`; `torn`: in the midst of a line."""
    count = 0

    def wrapped(original: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == chosen:
                if torn and name == "append_history":
                    with (arguments[0].path / "history.jsonl").open("ab") as file:
                        file.write(b'{"epoch": 1, "train/lo')
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)

        return call

    for place, name in CALLS:
        setattr(place, name, wrapped(getattr(place, name), name))
    work()


def differences(one: Path, other: Path) -> list[str]:
    """What two runs do not have in common, bit for bit, apart from times and what became of them at W&B."""
    found = []
    runs = [read_run(path) for path in (one, other)]
    histories = [[timeless(record) for record in run.history] for run in runs]
    if histories[0] != histories[1]:
        found.append(f"history: {[len(history) for history in histories]} records")
    summaries = [timeless(run.summary) for run in runs]
    found += [
        f"summary {name}" for name in summaries[0] | summaries[1] if summaries[0].get(name) != summaries[1].get(name)
    ]
    for file in ("last.npz", "best.npz"):
        states = [flat(Checkpoint.load(path / "checkpoints" / file), file) for path in (one, other)]
        found += [f"{file} {name}" for name in states[0] | states[1] if states[0].get(name) != states[1].get(name)]
    left = [path.name for path in other.rglob("*") if path.name.startswith(".")]
    return found + left


def timeless(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if not name.startswith(("time/", "wandb/"))}


def flat(checkpoint: Checkpoint, file: str) -> dict[str, Any]:
    """The bytes of a checkpoint's arrays, and where training was."""
    groups = {"network": checkpoint.network}
    if file == "last.npz":
        groups |= {"optimizer": checkpoint.optimizer, "extra": checkpoint.extra, "best": checkpoint.best}
    arrays = {
        f"{group}/{name}": np.asarray(a).tobytes() for group, state in groups.items() for name, a in state.items()
    }
    return arrays | ({"trainer": timeless(checkpoint.meta["trainer"] | {"seconds": 0})} if file == "last.npz" else {})


def examine(settings: dict[str, Any], kills: int, rng: random.Random) -> dict[str, Any]:
    """One run whole, its twin killed several times."""
    config = make_config({**SMALL, **settings})
    folder = Path(config.runs_dir) / config.group
    start = time.perf_counter()
    ended(forked(lambda: quietly(config)))
    seconds = time.perf_counter() - start
    (whole,) = folder.glob("run-*")
    twin: Path | None = None
    moments: list[float] = []
    reach = 0.8  # of the run's time and of its calls; a run that was over before is tried again with less
    while len(moments) < kills:
        work = partial(going_on, twin) if twin else partial(quietly, config)
        if rng.random() < 0.5:
            moment: float = round(rng.uniform(0, reach * seconds), 4)
            process = forked(work)
            time.sleep(moment)
            os.kill(process, signal.SIGKILL)
        else:
            # The first nine are those of the files that a process begins with.
            moment = rng.randint(1, 9) if rng.random() < 0.2 else rng.randint(10, 10 + round(100 * reach))
            process = forked(partial(suicide, work, moment, rng.random() < 0.5))
        killed = ended(process)
        twin = next((path for path in folder.glob("run-*/") if (path / "config.yaml").exists() and path != whole), None)
        if twin and killed:
            moments.append(moment)
        elif twin:  # it was over before its time: another one
            shutil.rmtree(twin)
            Path(f"{twin}.log").unlink(missing_ok=True)
            twin, moments, reach = None, [], max(0.1, 0.8 * reach)
    assert twin
    ended(forked(partial(going_on, twin)))
    log = Path(f"{twin}.log").read_text().splitlines() if Path(f"{twin}.log").exists() else []
    return {
        "settings": settings,
        "killed_at": moments,
        "resumed": [line.partition("resuming from ")[2] for line in log if "resuming from" in line],
        "said": [line for line in log if "not used" in line or "damaged" in line],
        "differences": differences(whole, twin),
    }


def main() -> None:
    request = json.loads(sys.stdin.read())
    session.SaveCheckpoints = partial(SaveCheckpoints, pause=0.0)  # an epoch here takes milliseconds
    rng = random.Random(request["seed"])
    config = make_config({**SMALL, "epochs": 1, "runs_dir": "warm"})
    quietly(config)
    threads = len(list(Path("/proc/self/task").iterdir()))
    found = [
        examine({**settings, "runs_dir": f"runs{number}"}, request["kills"], rng)
        for number, settings in enumerate(request["cases"])
    ]
    json.dump({"threads": threads, "cases": found}, sys.stdout)


if __name__ == "__main__":
    main()
