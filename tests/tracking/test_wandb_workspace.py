"""`ffnn workspace` against a server on loopback: what arrives there, and what a user reads when nothing can."""

import json
import subprocess
import sys

import pytest
from wandb_server import KEY, Client, WandbServer

from ffnn.lab.config import Config, make_config
from ffnn.lab.run import train
from ffnn.tracking.wandb_workspace import COLUMNS, SETTINGS
from ffnn.training.trainer import Callback


def invoke(user: Client, *arguments: str, prelude: str = "pass") -> subprocess.CompletedProcess[str]:
    program = f"import sys; {prelude}; sys.argv = ['ffnn', 'workspace', *{list(arguments)!r}]; " \
        "from ffnn.cli import main; main()"  # fmt: skip
    return subprocess.run(
        [sys.executable, "-c", program], cwd=user.home, env=user.environ, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_the_saved_view_arrives_and_names_what_runs_record(user: Client, server: WandbServer, tmp_path) -> None:
    done = invoke(user, "--project=mine", "--name=a view")
    assert done.returncode == 0, done.stderr
    (view,) = server.views
    assert (view["entityName"], view["projectName"], view["displayName"]) == ("me", "mine", "a view")
    assert f"workspace {server.url}/me/mine?nw=" in done.stdout
    assert server.check() == []
    section = view["spec"]["section"]
    panels = [panel for one in section["panelBankConfig"]["sections"] for panel in one["panels"]]
    kinds = {panel["viewType"] for panel in panels}
    assert kinds == {"Run History Line Plot", "Bar Chart", "Scatter Plot", "Parallel Coordinates Plot"}

    run = train(
        make_config({"hidden_layers": [4], "epochs": 1, "engine": "numpy", "wandb": "disabled",
                     "runs_dir": str(tmp_path)}), lambda line: None, Callback()
    )  # fmt: skip
    recorded = {*run.history[-1], *run.summary}
    curves = [name for panel in panels for name in panel["config"].get("metrics", [])]
    assert {"val/accuracy", "val/loss", "best/val/accuracy"} <= set(curves) <= recorded
    for prefix in ("update_ratio/", "grad_norm/", "dead_fraction/"):
        assert any(name.startswith(prefix) for name in recorded)
        assert f'"{prefix}.*"' in json.dumps(panels)
    shown = section["runSets"][0]["runFeed"]["columnOrder"]
    assert shown == list(COLUMNS)
    for column in shown:
        kind, _, name = column.partition(":")
        known = {"summary": recorded, "config": {f"{field}.value" for field in Config.model_fields}}
        assert kind == "run" or name in known[kind], column
    assert set(SETTINGS) <= set(Config.model_fields)


@pytest.mark.parametrize(
    ("fault", "said"),
    [("no key", "needs an account: no key is configured"), ("wrong key", "W&B did not take it"),
     ("no package", "pip install -c constraints.txt 'ffnn[workspace]'")],
)  # fmt: skip
def test_what_is_missing_is_said_in_one_line(fault: str, said: str, server: WandbServer, tmp_path) -> None:
    key = {"no key": None, "wrong key": "x" * 40}.get(fault, KEY)
    prelude = "sys.modules['wandb_workspaces'] = None" if fault == "no package" else "pass"
    done = invoke(Client(tmp_path, server.url, key), prelude=prelude)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert said in lines[-1]
    assert [line for line in lines if line.startswith("ffnn: ")] == lines[-1:]
    assert "Traceback" not in done.stderr
    assert "x" * 40 not in done.stderr
    assert server.views == []
