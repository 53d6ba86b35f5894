"""Networks that no machine holds are refused in words before anything is built, whoever asks for them."""

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ffnn import memory
from ffnn.cli import commands
from ffnn.errors import FFNNError
from ffnn.lab.build import build, check_fits
from ffnn.lab.config import make_config
from ffnn.lab.run import train
from ffnn.memory import needed_bytes, parameters_of
from ffnn.nn import Linear, Network
from ffnn.sweep.plan import make_plan
from ffnn.sweep.schema import read_sweep

FAR_TOO_MUCH = [{"hidden_layers": [99_999_999_999]}, {"num_layers": 1000, "hidden_units": 100_000}]


def test_parameters_are_those_of_the_network() -> None:
    network = Network([Linear(7), Linear(5), Linear(3)], 11, "numpy")
    assert parameters_of([11, 7, 5, 3]) == network.parameters.size


@pytest.mark.parametrize("settings", FAR_TOO_MUCH)
def test_training_is_refused_with_the_bytes_it_needs_and_those_there_are(
    settings: dict[str, object], tmp_path: Path
) -> None:
    data = {"name": "csv", "path": "nothing is loaded"}
    config = make_config({**settings, "dataset": data, "runs_dir": str(tmp_path)})
    with pytest.raises(FFNNError, match=r"^hidden_layers: .* takes about [\d,]+ bytes to train, and [\d,]+ are avail"):
        train(config, lambda line: None)
    assert list(tmp_path.iterdir()) == []


def test_a_config_and_a_trials_name_do_not_depend_on_the_memory_of_the_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("method: grid\nparameters: {hidden_units: {values: [8, 900]}, num_layers: {value: 2}}\n")
    plan = make_plan(read_sweep(path), {}, None, None, {})
    monkeypatch.setattr(memory, "SMALL", 0)
    names = []
    for there in (10**12, 10):
        monkeypatch.setattr(memory, "available_bytes", lambda there=there: there)
        names.append(plan.identify({"hidden_units": 900, "num_layers": 2}))
    assert names[0] == names[1]


@pytest.mark.parametrize("kind", ["run", "sweep"])
def test_a_check_tells_of_it_and_refuses_nothing_meant_for_another_machine(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "project: x\nmethod: grid\nparameters: {hidden_units: {values: [8, 99999999999]}, num_layers: {value: 2}}\n"
        if kind == "sweep"
        else "question: q?\nexpected: e\nbase: {}\nconditions: {a: {}, b: {hidden_layers: [99999999999]}}\n"
    )
    runs = f"--runs_dir={tmp_path / 'runs'}"
    result = CliRunner().invoke(commands, [kind, str(path), "--check", "--dataset=digits", runs])
    assert result.exit_code == 0, result.output
    assert re.search(r"on this machine now: .*bytes to train", result.output)
    if kind == "run":
        result = CliRunner().invoke(commands, [kind, str(path), "--dataset=digits", "--wandb=disabled", runs])
        assert isinstance(result.exception, FFNNError)
        assert str(result.exception).startswith("condition b: hidden_layers: ")
    assert not (tmp_path / "runs").exists()


def test_an_estimator_is_refused() -> None:
    from ffnn.sklearn import FFNNClassifier

    with pytest.raises(ValueError, match="bytes to train"):
        FFNNClassifier(hidden_layers=(99_999_999_999,)).fit(np.eye(4), [0, 1, 0, 1])


def test_the_build_counts_inputs_and_classes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config({"hidden_layers": [200], "batch_size": 32})
    monkeypatch.setattr(memory, "SMALL", 0)
    for spare, fits in ((-1, False), (0, True)):
        there = needed_bytes([64, 200, 10], 32, 2) + spare
        monkeypatch.setattr(memory, "available_bytes", lambda there=there: there)
        if fits:
            build(config)
        else:
            with pytest.raises(FFNNError, match=f"and {there:,} are available"):
                build(config)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in {"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   8000 kB\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


TOP, JOB, FIRST = "sys/fs/cgroup", "sys/fs/cgroup/slurm/job_7", "sys/fs/cgroup/memory/job_7"
GROUPS = {
    "no groups": ({}, 8_192_000),
    "a container": (
        {"proc/self/cgroup": "0::/\n", f"{TOP}/memory.max": "5000\n", f"{TOP}/memory.current": "4000\n"}, 1000
    ),
    "a cache that is given back": (
        {
            "proc/self/cgroup": "0::/\n", f"{TOP}/memory.max": "5000\n", f"{TOP}/memory.current": "4900\n",
            f"{TOP}/memory.stat": "anon 900\nfile 3900\nshmem 900\ninactive_file 1000\nactive_file 2000\n",
        },
        3100,
    ),
    "a job": (
        {
            "proc/self/cgroup": "0::/slurm/job_7/step_0\n", f"{JOB}/memory.max": "7000\n",
            f"{JOB}/memory.current": "1000\n", f"{JOB}/step_0/memory.max": "max\n",
            f"{JOB}/step_0/memory.current": "1000\n",
        },
        6000,
    ),
    "a job of the first version": (
        {
            "proc/self/cgroup": "5:cpuset:/x\n4:memory:/job_7\n0::/init\n",
            f"{FIRST}/memory.limit_in_bytes": "7000\n", f"{FIRST}/memory.usage_in_bytes": "3000\n",
            f"{FIRST}/memory.stat": "inactive_file 1\ntotal_inactive_file 500\ntotal_active_file 5\n",
        },
        4505,
    ),
    "seen from outside": ({"proc/self/cgroup": "0::/../../job\n", f"{TOP}/memory.max": "x"}, 8_192_000),
}  # fmt: skip


@pytest.mark.parametrize("kind", GROUPS)
def test_memory_is_what_every_group_of_the_process_leaves(kind: str, tmp_path: Path) -> None:
    files, expected = GROUPS[kind]
    assert memory.available_bytes(write(tmp_path, files)) == expected
    assert memory.available_bytes(tmp_path / "nowhere") is None


def test_a_gpus_memory_is_not_this_machines() -> None:
    check_fits(make_config({"hidden_layers": [99_999_999_999], "engine": "cupy"}))


def test_where_the_system_does_not_say_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    memory.check_memory("hidden_layers", [10**6, 10**6, 2], 1, 2)
