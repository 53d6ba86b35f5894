"""Runs made as a stack are the runs that `train` makes alone: to the bit, on disk, and each with its own end."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import threadpoolctl
from click.testing import CliRunner
from lab.killed_runs import flat, timeless
from tracking import leet

from ffnn.cli import commands
from ffnn.errors import FFNNError
from ffnn.files import StorageError
from ffnn.lab import session
from ffnn.lab import stacked as stacked_module
from ffnn.lab.config import BOOKKEEPING, Config, make_config
from ffnn.lab.jobs import Job, data_digests, finished_runs, run_jobs
from ffnn.lab.resume import resume
from ffnn.lab.run import train
from ffnn.lab.stacked import DIFFERING, Member, stack_key, train_stacked
from ffnn.nn import OPTIMIZERS
from ffnn.tracking import RunRecord, find_runs, read_run
from ffnn.training.callbacks import SaveCheckpoints
from ffnn.training.checkpoints import Checkpoint
from ffnn.training.trainer import Callback, Record, Trainer

SMALL = {"hidden_layers": [12], "batch_size": 200, "epochs": 4, "wandb": "disabled"}

MEMBERS: list[dict[str, Any]] = [
    {},
    {"seed": 1, "l2": 1e-3, "initializer": "xavier_uniform", "bias_initializer": "normal", "learning_rate": 0.01},
    {"seed": 1, "l2": 0.1, "l2_per_example": True, "schedule": "cosine", "warmup_epochs": 1, "epochs": 3},
    {"seed": 2, "patience": 1, "patience_monitor": "val/accuracy", "min_delta": 0.9, "monitor": "train/loss"},
    {"weight_decay": 0.1, "schedule": {"name": "step", "gamma": 0.3}, "monitor": "val/loss", "epochs": 5},
    {"learning_rate": 1e20},
]
"""Members of one stack: between them they differ in every setting of DIFFERING but `ema`."""


def quiet(line: str) -> None:
    print(line)


@pytest.fixture(autouse=True)
def _checkpoints_of_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on the disk does not depend on how long an epoch took."""
    monkeypatch.setattr(session, "SaveCheckpoints", partial(SaveCheckpoints, pause=0.0))


def configs_in(folder: Path, common: dict[str, Any], members: Sequence[dict[str, Any]]) -> list[Config]:
    return [make_config({**SMALL, **common, **member, "runs_dir": str(folder)}) for member in members]


def stacked(folder: Path, common: dict[str, Any], members: Sequence[dict[str, Any]]) -> list[RunRecord]:
    """The runs of a stack."""
    made = [Member(config, quiet) for config in configs_in(folder, common, members)]
    keys = {stack_key(member.config) for member in made}
    assert len(keys) == 1
    assert None not in keys
    train_stacked(made)
    for member in made:
        assert isinstance(member.outcome, RunRecord), member.outcome
    return [member.outcome for member in made if isinstance(member.outcome, RunRecord)]


def alone(folder: Path, common: dict[str, Any], members: Sequence[dict[str, Any]]) -> list[RunRecord]:
    """The same runs, one after the other."""
    return [train(config, quiet, Callback()) for config in configs_in(folder, common, members)]


def files(run: RunRecord) -> dict[str, Path]:
    """A run's files by their name; those of W&B have names of their own."""
    paths = {str(path.relative_to(run.path)): path for path in run.path.rglob("*") if path.is_file()}
    return {name: path for name, path in paths.items() if not name.startswith("wandb")}


def check_same(run: RunRecord, single: RunRecord) -> None:
    """Bit for bit the same run, times and the size of the stack apart."""
    assert run.summary["status"] == single.summary["status"]
    assert [timeless(record) for record in run.history] == [timeless(record) for record in single.history]
    summary = {name: value for name, value in timeless(run.summary).items() if name != "stack"}
    assert summary == timeless(single.summary)
    ours, theirs = files(run), files(single)
    assert set(ours) == set(theirs)
    for name in ours:
        if name.endswith(".npz"):
            one, other = (flat(Checkpoint.load(found[name]), Path(name).name) for found in (ours, theirs))
            assert one == other, name
    here = {"runs_dir": None}
    assert {**run.config, **here} == {**single.config, **here}
    assert run.environment["data"] == single.environment["data"]


NORMALIZED = {"batch_norm": True, "dropout": 0.3, "input_dropout": 0.1, "hidden_layers": [12, 8]}
WEIGHTED = {"class_weights": "balanced", "label_smoothing": 0.1, "clip_norm": 0.5, "sampling": "balanced"}
SQUARED = {"loss": "mean_squared_error", "output_softmax": True, "clip_value": 0.01, "dtype": "float64"}


@pytest.mark.parametrize(
    "common",
    [
        {"engine": "numpy"},
        {"engine": "numpy", **NORMALIZED},
        {"engine": "numpy", **WEIGHTED},
        {"engine": "numpy", **SQUARED},
        pytest.param({"engine": "numba", **NORMALIZED}, marks=pytest.mark.slow),  # which compiles for each
        pytest.param({"engine": "numba", **WEIGHTED}, marks=pytest.mark.slow),
    ],
    ids=lambda common: "+".join([common["engine"], *list(common)[1:2]]),
)
def test_members_that_differ_in_everything_are_the_runs_they_are_alone(tmp_path: Path, common: dict[str, Any]) -> None:
    configs = configs_in(tmp_path, common, MEMBERS)
    assert {name for name in DIFFERING if len({repr(getattr(config, name)) for config in configs}) > 1} == DIFFERING - {
        "ema"
    }
    runs, singles = (make(tmp_path / make.__name__, common, MEMBERS) for make in (stacked, alone))
    for run, single in zip(runs, singles, strict=True):
        check_same(run, single)
        assert run.summary["stack"] == len(MEMBERS)
    assert [run.summary["status"] for run in runs[:5]] == ["finished"] * 5
    assert [len(run.history) for run in runs[:5]] == [4, 4, 3, 2, 5]
    saturates = common.get("output_softmax", False)
    assert runs[5].summary["status"] == ("finished" if saturates else "diverged")


OPTIONS: dict[str, list[dict[str, Any]]] = {
    "sgd": [{}, {}],
    "momentum": [{}, {"momentum": 0.5}],
    "nesterov": [{}, {"momentum": 0.5}],
    "adagrad": [{}, {"epsilon": 1e-3}],
    "rmsprop": [{}, {"rho": 0.5}],
    "adam": [{}, {"beta1": 0.5, "beta2": 0.9}],
    "adamw": [{}, {"beta1": 0.5, "epsilon": 1e-3}],
    "lion": [{}, {"beta1": 0.5, "beta2": 0.9}],
}


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_options_of_an_optimizer_and_averages_are_each_members_own(tmp_path: Path, optimizer: str) -> None:
    members = [
        {"optimizer": {"name": optimizer, **options}, "ema": ema, "epochs": 2, "learning_rate": rate}
        for options, ema, rate in zip(OPTIONS.get(optimizer, [{}, {}]), (0.9, 0.5), (0.01, 0.02), strict=True)
    ]
    common = {"engine": "numpy"}
    runs, singles = (make(tmp_path / make.__name__, common, members) for make in (stacked, alone))
    for run, single in zip(runs, singles, strict=True):
        check_same(run, single)
    assert runs[0].history[0]["val/loss"] != runs[1].history[0]["val/loss"]


@pytest.mark.parametrize("common", [{"batch_size": 2000}, {"hidden_layers": []}, {"batch_size": 1400}])
def test_epochs_of_a_step_or_two_and_a_network_without_hidden_layers(tmp_path: Path, common: dict[str, Any]) -> None:
    members = [{"seed": seed} for seed in range(3)]
    for run, single in zip(
        stacked(tmp_path / "stacked", common, members), alone(tmp_path / "alone", common, members), strict=True
    ):
        check_same(run, single)


def test_a_member_that_diverges_late_ends_at_the_step_it_diverges_at_alone(tmp_path: Path) -> None:
    """An L2 step of -11 times the weight makes weights grow tenfold a step: too large for a float in epoch 5 or so."""
    common = {"optimizer": "sgd", "engine": "numpy", "epochs": 8}
    members = [{"learning_rate": 0.1}, {"learning_rate": 0.1, "l2": 110.0, "bias_initializer": "normal"}, {"seed": 1}]
    runs, singles = (make(tmp_path / make.__name__, common, members) for make in (stacked, alone))
    for run, single in zip(runs, singles, strict=True):
        check_same(run, single)
    assert [run.summary["status"] for run in runs] == ["finished", "diverged", "finished"]
    assert 2 <= len(runs[1].history) < 8
    assert runs[1].summary["diverged_step"] == singles[1].summary["diverged_step"]


# -- what may be stacked ------------------------------------------------------------------------

OTHER: dict[str, Any] = {
    "dataset": "spirals", "data_dir": "/elsewhere", "split": "pooled", "val_fraction": 0.2, "test_fraction": 0.2,
    "normalize": "signed", "sampling": "balanced", "hidden_layers": [7], "activation": "tanh", "initializer": "normal",
    "bias_initializer": "normal", "batch_norm": True, "dropout": 0.1, "input_dropout": 0.1, "loss": "focal",
    "label_smoothing": 0.1, "class_weights": "balanced", "l2": 0.1, "l2_per_example": True, "optimizer": "sgd",
    "learning_rate": 0.5, "weight_decay": 0.1, "schedule": "cosine", "warmup_epochs": 1.0, "clip_norm": 1.0,
    "clip_value": 1.0, "epochs": 3, "batch_size": 8, "seed": 1, "split_seed": 1, "monitor": "val/loss", "patience": 2,
    "patience_monitor": "train/loss", "min_delta": 0.1, "engine": "numpy", "threads": 2, "dtype": "float64",
    "runs_dir": "r", "group": "g", "name": "n", "job_type": "j", "tags": ["t"], "notes": "n", "wandb": "disabled",
    "project": "p", "entity": "e", "histogram_every": 1, "num_layers": 1, "hidden_units": 9,
    "output_softmax": True, "double_softmax": True, "precision": "tf32", "device_memory_limit": 1.5,
}  # fmt: skip
"""Another value of every setting that does not by itself keep a run alone."""
BESIDE: dict[str, dict[str, Any]] = {
    "output_softmax": {"loss": "mean_squared_error"},
    "precision": {"engine": "cupy"},
    "device_memory_limit": {"engine": "cupy"},
}
"""What such a value needs."""
ALONE = {"augment": ["shift"], "checkpoint_every": 5, "framework": "torch", "batch_size": "full"}


@pytest.mark.parametrize("field", list(Config.model_fields))
def test_every_setting_is_a_members_own_or_keeps_it_out(field: str) -> None:
    beside = BESIDE.get(field, {})
    key = stack_key(make_config(beside))
    assert key is not None
    if field in ALONE:
        assert stack_key(make_config({field: ALONE[field]})) is None
    if field not in OTHER and field != "ema":
        assert field in ALONE
    elif field == "ema":
        averaged = [stack_key(make_config({"ema": decay})) for decay in (0.9, 0.99)]
        assert averaged[0] == averaged[1] != key
    else:
        free = field in (DIFFERING | BOOKKEEPING) - {"threads", "data_dir", "device_memory_limit"}
        assert (stack_key(make_config({**beside, field: OTHER[field]})) == key) == free


# -- one member's trouble -----------------------------------------------------------------------


class Trouble(Callback):
    """Raises this after the second epoch."""

    def __init__(self, problem: BaseException) -> None:
        self.problem = problem

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        if trainer.epoch == 2:
            raise self.problem


def test_a_disk_that_is_full_for_one_member_costs_that_one(tmp_path: Path) -> None:
    members = [{"seed": seed} for seed in range(3)]
    ended: list[Member] = []
    made = [Member(config, quiet, ended=ended.append) for config in configs_in(tmp_path / "stacked", {}, members)]
    made[1].progress = Trouble(StorageError("last.npz: cannot be written: No space left on device"))
    train_stacked(made)
    singles = alone(tmp_path / "alone", {}, members)
    for place in (0, 2):
        outcome = made[place].outcome
        assert isinstance(outcome, RunRecord)
        check_same(outcome, singles[place])
    problem = made[1].outcome
    assert isinstance(problem, StorageError)
    assert "No space left on device; what was written before is whole: resume with: ffnn train" in str(problem)
    assert ended == [made[1], made[0], made[2]]
    (path,) = (path for path in find_runs(tmp_path / "stacked") if read_run(path).summary["status"] == "failed")
    resumed = resume(path, None, quiet, Callback())
    check_same(resumed, singles[1])


def test_what_cannot_be_prepared_costs_its_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = stacked_module.prepare

    def prepare(config: Config, *arguments: Any) -> Any:
        if config.seed == 0:
            raise FFNNError("no seed 0 today")
        return original(config, *arguments)

    monkeypatch.setattr(stacked_module, "prepare", prepare)
    members = [{"seed": seed} for seed in range(3)]
    made = [Member(config, quiet) for config in configs_in(tmp_path / "stacked", {}, members)]
    train_stacked(made)
    assert str(made[0].outcome) == "no seed 0 today"
    for member, single in zip(made[1:], alone(tmp_path / "alone", {}, members[1:]), strict=True):
        assert isinstance(member.outcome, RunRecord)
        check_same(member.outcome, single)
    assert len(find_runs(tmp_path / "stacked")) == 2


def test_a_fault_of_ffnn_ends_all_and_leaves_none_running(tmp_path: Path) -> None:
    made = [Member(config, quiet) for config in configs_in(tmp_path, {}, [{"seed": seed} for seed in range(3)])]
    made[1].progress = Trouble(RuntimeError("a fault of ffnn"))
    with pytest.raises(RuntimeError, match="a fault of ffnn"):
        train_stacked(made)
    assert [read_run(path).summary["status"] for path in find_runs(tmp_path)] == ["failed"] * 3


class Threads(Callback):
    """Notes how many threads BLAS has at the end of each epoch."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        self.seen.append(blas_threads())


def blas_threads() -> int:
    return max(pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas")


def test_the_end_of_one_run_leaves_the_others_threads_as_they_are(tmp_path: Path) -> None:
    members = [{"epochs": epochs} for epochs in (1, 2, 4)]
    made = [
        Member(config, quiet, Threads()) for config in configs_in(tmp_path, {"threads": 2, "engine": "numpy"}, members)
    ]
    before = blas_threads()
    train_stacked(made)
    seen = [member.progress.seen for member in made if isinstance(member.progress, Threads)]
    assert seen == [[2], [2, 2], [2, 2, 2, 2]]
    assert blas_threads() == before == 1


# -- experiments --------------------------------------------------------------------------------

FFNN = [sys.executable, "-m", "ffnn"]


def jobs_in(folder: Path, settings: Sequence[dict[str, Any]]) -> list[Job]:
    return [Job(str(place), config) for place, config in enumerate(configs_in(folder, {}, settings))]


SHAPES = [
    {"hidden_layers": layers, "learning_rate": rate, "epochs": 2} for rate in (0.001, 0.01) for layers in ([4], [8, 4])
]
"""Two shapes, taken in turn."""


@pytest.mark.parametrize("stack", [2, pytest.param(100, marks=pytest.mark.slow)])
def test_batches_of_an_experiment_hold_every_job_once_whatever_their_shapes(tmp_path: Path, stack: int) -> None:
    jobs, said = jobs_in(tmp_path / "stacked", [*SHAPES, {"epochs": 2, "checkpoint_every": 3}]), list[str]()
    found = list(run_jobs(jobs, 1, said.append, stack))
    assert said[0] == "stacks: 4 of 5 runs are trained in 2 stacks"
    assert sorted(job.condition for job, _ in found) == ["0", "1", "2", "3", "4"]
    singles = alone(tmp_path / "alone", {}, [*SHAPES, {"epochs": 2, "checkpoint_every": 3}])
    for job, outcome in found:
        assert isinstance(outcome, RunRecord)
        check_same(outcome, singles[int(job.condition)])
    assert [outcome.summary.get("stack") for _, outcome in found if isinstance(outcome, RunRecord)] == [2] * 4 + [None]


def test_runs_are_known_whichever_way_they_were_made(tmp_path: Path) -> None:
    members = [{"seed": 0, "epochs": 1}, {"seed": 1, "epochs": 1}, {"epochs": 1, "learning_rate": 1e20}]
    jobs = jobs_in(tmp_path, members)
    made = list(run_jobs(jobs, 1, quiet, 3))
    there = finished_runs(jobs, data_digests(jobs))
    assert {job.config.digest(): outcome.path for job, outcome in made if isinstance(outcome, RunRecord)} == {
        digest: record.path for digest, record in there.items()
    }
    assert len(there) == 3


def test_a_split_that_cannot_be_made_costs_its_own_runs(tmp_path: Path) -> None:
    """As without a stack: the others are run, and what is wrong is said of each."""
    members = [{"epochs": 1}, {"val_fraction": 0.9999}, {"val_fraction": 0.9999, "seed": 1}, {"seed": 1, "epochs": 1}]
    said = []
    for stack in (1, 2):
        jobs = jobs_in(tmp_path / str(stack), members)
        outcomes = {job.condition: outcome for job, outcome in run_jobs(jobs, 1, quiet, stack)}
        assert [isinstance(outcomes[name], RunRecord) for name in "0123"] == [True, False, False, True]
        said.append([str(outcomes[name]) for name in "12"])
    assert said[0] == said[1]


@pytest.mark.posix
def test_ctrl_c_keeps_the_members_that_were_done(tmp_path: Path) -> None:
    """Of a stack that is interrupted, those whose epochs were over count as finished in the table."""

    class Interrupting(Callback):
        def on_epoch(self, trainer: Trainer, record: Record) -> None:
            if trainer.epoch == 3 and trainer.plan.epochs == 8:
                signal.raise_signal(signal.SIGINT)

    jobs = jobs_in(tmp_path, [{"epochs": 9}, {"epochs": 2}, {"epochs": 8}])
    found = []
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("ffnn.lab.jobs.Callback", Interrupting)
        found += run_jobs(jobs, 1, quiet, 3)
    assert sorted(read_run(path).summary["status"] for path in find_runs(tmp_path)) == ["finished"] + ["stopped"] * 2
    assert [job.condition for job, _ in found] == ["1"]


@pytest.mark.posix
@pytest.mark.parametrize("where", ["rehearse", "build"])
def test_ctrl_c_before_all_have_begun_ends_all(tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second member is being prepared, or takes its first step on trial."""
    from ffnn.lab import run

    place, count = ((Trainer, "rehearse") if where == "rehearse" else (run, "build")), 0
    original = getattr(*place)

    def interrupted(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count == 2:
            signal.raise_signal(signal.SIGINT)
        return original(*arguments)

    monkeypatch.setattr(*place, interrupted)
    made = [Member(config, quiet) for config in configs_in(tmp_path, {}, [{"seed": seed} for seed in range(3)])]
    with pytest.raises(KeyboardInterrupt):
        train_stacked(made)
    begun = find_runs(tmp_path) if tmp_path.exists() else []
    assert [read_run(path).summary["status"] for path in begun] == ["stopped"] * len(begun)
    assert all(read_run(path).history == [] for path in begun)
    for path in begun:
        assert resume(path, None, quiet, Callback()).summary["status"] == "finished"


@pytest.mark.posix
def test_ctrl_c_in_the_first_step_on_trial_ends_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> Any:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Trainer, "rehearse", interrupted)
    for make in (stacked, alone):
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path / make.__name__, {}, [{}])
        (path,) = find_runs(tmp_path / make.__name__)
        assert read_run(path).summary["status"] == "stopped"


def write_experiment(folder: Path, conditions: str, seeds: int = 3, **base: Any) -> Path:
    """An experiment file for tiny networks."""
    (folder / "e.yaml").write_text(
        f"question: Which is better?\nexpected: Nobody knows.\nbase: {json.dumps({**SMALL, **base})}\n"
        f"seeds: {seeds}\nconditions: {conditions}\n"
    )
    return folder / "e.yaml"


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    """`ffnn run` of the folder's experiment, under way; it leads a process group, as in a terminal."""
    command = [*FFNN, "run", "e.yaml", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "start_new_session": True}
    return subprocess.Popen(command, cwd=folder, text=True, **pipes)  # type: ignore[call-overload,no-any-return]


def finish(folder: Path, *options: str) -> str:
    """What `ffnn run` of the folder's experiment says, to its end."""
    process = start(folder, *options)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    return output


def under_way_in(folder: Path) -> list[RunRecord]:
    runs = folder / "runs"
    return [read_run(path) for path in (find_runs(runs) if runs.is_dir() else [])]


def until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)


def trained_for_epochs(folder: Path, runs: int) -> bool:
    """Whether so many runs are there, each with three epochs or more."""
    there = under_way_in(folder)
    return len(there) == runs and all(len(run.history) > 3 for run in there)


@pytest.mark.posix
def test_ctrl_c_stops_every_run_of_a_stack_and_each_can_be_resumed(tmp_path: Path) -> None:
    write_experiment(tmp_path, "{a: {}}", epochs=100_000, batch_size=64)
    process = start(tmp_path, "--stack=3", "--workers=1")
    until(lambda: trained_for_epochs(tmp_path, 3), "three runs with some epochs")
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert output.count("resume with: ffnn train --resume") == 3
    for run in under_way_in(tmp_path):
        assert run.summary["status"] == "stopped"
        last = Checkpoint.load(run.path / "checkpoints/last.npz")
        assert (last.meta["epoch"], last.meta["step"]) == (run.summary["epochs"], run.summary["steps"])
        assert not list(run.path.rglob(".*"))
        config = make_config({**run.config, "epochs": run.summary["epochs"] + 2, "runs_dir": str(tmp_path / "alone")})
        said: list[str] = []
        resumed = resume(run.path, config.epochs, said.append, Callback())
        assert not any("the bits may differ" in line for line in said)
        check_same(resumed, train(config, quiet, Callback()))


@pytest.mark.slow
@pytest.mark.posix
@pytest.mark.parametrize("mode", ["disabled", "offline"])
def test_sigterm_ends_a_stack_in_seconds(tmp_path: Path, mode: str) -> None:
    write_experiment(tmp_path, "{a: {}}", epochs=100_000, batch_size=64, seeds=4)
    process = start(tmp_path, "--stack=4", f"--wandb={mode}")
    until(lambda: trained_for_epochs(tmp_path, 4), "four runs with some epochs")
    begun = time.monotonic()
    process.terminate()
    output, _ = process.communicate(timeout=300)
    assert time.monotonic() - begun < 5
    assert process.returncode == -signal.SIGTERM
    assert "Traceback" not in output
    assert [run.summary["status"] for run in under_way_in(tmp_path)] == ["stopped"] * 4
    if mode == "offline":
        assert len({path.name for path in (tmp_path / "runs").glob("*/*/wandb/offline-run-*/*.wandb")}) == 4


@pytest.mark.slow
@pytest.mark.posix
def test_a_second_ctrl_c_ends_a_stack_at_once(tmp_path: Path) -> None:
    """An epoch of one member never ends: the first signal waits for it, the second does not."""
    script = tmp_path / "slow.py"
    script.write_text(
        "import time\n"
        "from ffnn.lab.config import make_config\n"
        "from ffnn.lab.stacked import Member, train_stacked\n"
        "from ffnn.training.trainer import Callback\n"
        "class Endless(Callback):\n"
        "    def on_epoch(self, trainer, record):\n"
        "        if trainer.epoch == 3:\n"
        "            print('endless', flush=True)\n"
        "            time.sleep(600)\n"
        "settings = {'hidden_layers': [8], 'batch_size': 200, 'wandb': 'offline'}\n"
        "configs = [make_config({**settings, 'seed': seed}) for seed in range(3)]\n"
        "train_stacked([Member(config, lambda line: None, Endless()) for config in configs])\n"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, str(script)], cwd=tmp_path, text=True, **pipes)  # type: ignore[call-overload]
    assert process.stdout.readline() == "endless\n"
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGINT)  # the others' epochs would never end, either
    process.communicate(timeout=300)  # far less than they would take
    assert process.returncode != 0
    assert [run.summary["status"] for run in under_way_in(tmp_path)] == ["stopped"] * 3


def table_of(folder: Path) -> list[dict[str, Any]]:
    """What the comparison says of each condition, but for times."""
    told = json.loads((folder / "runs/e-digits/comparison.json").read_text())
    return [{name: value for name, value in row.items() if "seconds" not in name} for row in told["conditions"]]


@pytest.mark.slow
def test_an_experiments_table_does_not_depend_on_how_its_runs_are_made(tmp_path: Path) -> None:
    few, rest = "a: {}, b: {hidden_layers: [8]}", "c: {learning_rate: 0.01}, d: {optimizer: sgd}, e: {augment: [shift]}"
    tables = []
    for name, options in {"one": [], "stack": ["--stack=4"], "both": ["--workers=2", "--stack=2"]}.items():
        folder = tmp_path / name
        folder.mkdir()
        write_experiment(folder, f"{{{few}, {rest}}}", epochs=2)
        output = finish(folder, *options)
        assert len([line for line in output.splitlines() if re.match(r"\[\d+/15\] ", line)]) == 15, output
        tables.append(table_of(folder))
        again = finish(folder, *({"one": ["--stack=8"]}.get(name, [])))
        assert "15 of 15 runs are already there" in again
    assert tables[0] == tables[1] == tables[2]
    stacks = [run.summary.get("stack") for run in under_way_in(tmp_path / "stack")]
    assert sorted(stacks, key=str) == [2, 2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, None, None, None]


@pytest.mark.slow
def test_other_commands_read_such_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    members = [{"seed": seed, "learning_rate": rate} for rate in (0.001, 0.01) for seed in (0, 1)]
    runs = stacked(tmp_path / "runs", {}, members)
    asked = {
        "compare": ["runs", "--by=learning_rate"],
        "doctor": ["runs"],
        "report": [str(runs[0].path), "--out=report"],
        "evaluate": [str(runs[0].path)],
    }
    for command, words in asked.items():
        result = CliRunner().invoke(commands, [command, *words])
        assert result.exit_code == 0, (command, result.output)
        if command == "compare":
            assert re.search(r"0.001 +2 .*\n.*0.01 +2 |0.01 +2 .*\n.*0.001 +2 ", result.output), result.output
    assert (tmp_path / "report/report.html").is_file()


@pytest.mark.slow
def test_each_member_records_itself_in_wandb_and_nothing_of_the_others(tmp_path: Path) -> None:
    """Read back with W&B's own reader; one member ends before the others do."""
    write_experiment(tmp_path, "{a: {}, b: {epochs: 2}, c: {learning_rate: 1.0e+20}}", seeds=1, wandb="offline")
    finish(tmp_path, "--stack=3")
    runs = under_way_in(tmp_path)
    assert sorted(run.summary["status"] for run in runs) == ["diverged", "finished", "finished"]
    for run in runs:
        found = leet.records(run.path / "wandb")
        rows = [row for row in leet.history(found) if "val/loss" in row]
        assert [row["val/loss"] for row in rows] == [record["val/loss"] for record in run.history]
        told = leet.summary(found)
        assert told["status"] == run.summary["status"]
        assert told["config_digest"] == run.summary["config_digest"]
        assert len(leet.of_type(found, "exit")) == 1
