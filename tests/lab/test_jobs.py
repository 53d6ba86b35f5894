"""A process that dies, or one that finds no memory, costs what it was making and ends in a line."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ffnn.cli import main
from ffnn.errors import FFNNError
from ffnn.lab import jobs as jobs_module
from ffnn.lab.config import Config, make_config
from ffnn.lab.jobs import KILLED, Job, run_jobs
from ffnn.memory import RAN_OUT
from ffnn.tracking import RunRecord

SETTINGS = {
    "dataset": "digits", "epochs": 1, "batch_size": 1000, "hidden_layers": [4], "engine": "numpy", "wandb": "disabled",
}  # fmt: skip
run_quietly = jobs_module._run_quietly


def jobs_of(folder: Path, count: int) -> list[Job]:
    return [Job(str(seed), make_config({**SETTINGS, "seed": seed, "runs_dir": str(folder)})) for seed in range(count)]


def killed_at_the_first(batch: Sequence[Job], *rest: Any) -> Any:
    """As the system does it that has no memory left."""
    if batch[0].condition == "0":
        os.kill(os.getpid(), signal.SIGKILL)
    return run_quietly(batch, *rest)


@pytest.mark.skipif(os.name == "nt", reason="kills a process by a signal")
def test_a_killed_process_costs_what_was_under_way_and_the_others_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "_run_quietly", killed_at_the_first)
    made = {job.condition: outcome for job, outcome in run_jobs(jobs_of(tmp_path, 4), 2, lambda line: None)}
    lost = {name for name, outcome in made.items() if isinstance(outcome, FFNNError)}
    assert "0" in lost
    assert len(lost) <= 2, "the one killed, and what the other process had under way"
    assert {str(made[name]) for name in lost} == {KILLED}
    assert len(made) == 4


def no_memory(*given: Any, **named: Any) -> None:
    raise MemoryError


def test_a_run_without_memory_is_one_line_and_the_next_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = jobs_of(tmp_path, 2)
    train = jobs_module.train

    def without_memory_at_first(config: Config, *given: Any, **named: Any) -> RunRecord:
        if config.seed == 0:
            raise MemoryError
        return train(config, *given, **named)

    monkeypatch.setattr(jobs_module, "train", without_memory_at_first)
    (_, lost), (_, made) = run_jobs([first, second], 1, lambda line: None)
    assert isinstance(lost, FFNNError)
    assert str(lost) == RAN_OUT
    assert isinstance(made, RunRecord)


def test_a_command_without_memory_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ffnn.lab.run.train", no_memory)
    monkeypatch.setattr(sys, "argv", ["ffnn", "train"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"ffnn: {RAN_OUT}\n"
