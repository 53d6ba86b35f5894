"""Macros as W&B's own agent fills them in, and the config that a trial ends up with."""

from pathlib import Path
from typing import Any

import pytest
from sweep_files import COMMAND, write_sweep
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from ffnn.errors import FFNNError
from ffnn.sweep.command import expand, settings_of
from ffnn.sweep.plan import make_plan
from ffnn.sweep.schema import read_sweep

ARGUMENTS: dict[str, Any] = {
    "learning_rate": 1e-05, "hidden_layers": [256, 128], "batch_norm": True, "output_softmax": False,
    "patience": None, "optimizer": {"name": "adam", "beta1": 0.9}, "l2": 0,
}  # fmt: skip
LISTS = [
    "args", "args_no_equals", "args_no_hyphens", "args_no_boolean_flags", "args_json", "args_append_hydra",
    "args_override_hydra",
]  # fmt: skip


@pytest.mark.parametrize("macro", LISTS)
def test_a_macro_is_what_wandbs_agent_makes_of_it(macro: str) -> None:
    theirs = create_sweep_command_args({"args": {name: {"value": value} for name, value in ARGUMENTS.items()}})
    assert expand(["run", "${" + macro + "}"], ARGUMENTS, None, Path("x")) == ["run", *theirs[macro]]


def test_environment_variables_are_replaced_as_wandbs_agent_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FFNN_TEST", "digits")
    given = ["a", "--dataset=${envvar:FFNN_TEST}-${envvar:FFNN_ABSENT}", "${envvar:FFNN_TEST}"]
    assert expand(given, {}, None, Path("x")) == create_sweep_command(list(given))


def test_program_file_and_text_around_a_macro() -> None:
    given = ["${env}", "${program}", "${args_json_file}", "--x=${args}"]
    assert expand(given, {"a": 1}, "train.py", Path("f.json")) == ["/usr/bin/env", "train.py", "f.json", "--x=${args}"]


def test_an_unknown_macro_is_one_line_with_file_and_line(tmp_path: Path) -> None:
    file = write_sweep(tmp_path / "s.yaml", {}, command=[*COMMAND, "${programm}"])
    number = file.read_text().splitlines().index("- ${programm}") + 1
    with pytest.raises(FFNNError) as caught:
        make_plan(read_sweep(file), {}, None, None, {})
    assert f"s.yaml:{number}: command.6: unknown macro ${{programm}}; expected one of env" in str(caught.value)
    assert "did you mean 'program'" in str(caught.value)


def test_only_runs_that_ffnn_can_read_are_started() -> None:
    with pytest.raises(FFNNError, match="expected it to start `ffnn train`"):
        settings_of(["/usr/bin/env", "python", "train.py"], {})


@pytest.mark.parametrize("tail", [["${args}"], ["${args_no_equals}"], ["--config", "${args_json_file}"]])
def test_every_way_to_hand_over_gives_the_same_config(tmp_path: Path, tail: list[str]) -> None:
    parameters = {"optimizer": {"parameters": {"name": {"value": "adam"}, "beta1": {"values": [0.8, 0.9]}}}}
    file = write_sweep(tmp_path / "s.yaml", parameters, command=[*COMMAND[:-1], *tail])
    plan = make_plan(read_sweep(file), {"learning_rate": 1e-5}, None, None, {})
    config = plan.config(plan.space.arguments({"optimizer.beta1": "0.8"}))
    assert config.optimizer == {"name": "adam", "beta1": 0.8}
    assert (config.learning_rate, config.hidden_layers, config.group) == (1e-5, [8], "s")


def test_layers_said_in_two_ways_are_one_trial(tmp_path: Path) -> None:
    """A network without hidden layers has no width."""
    parameters = {
        "hidden_layers": {"value": None},
        "num_layers": {"values": [0, 1]},
        "hidden_units": {"values": [4, 8]},
    }
    plan = make_plan(read_sweep(write_sweep(tmp_path / "s.yaml", parameters)), {}, None, None, {})
    keys = {plan.identify(plan.space.arguments(point)) for point in plan.space.grid_points()}
    assert len(keys) == 3
