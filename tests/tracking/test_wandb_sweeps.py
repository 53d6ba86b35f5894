"""`wandb sweep` and `wandb agent`, unmodified, on every sweep file of the repository.

An agent passes nothing but the sweep's parameters, so copies of the files say the small data set and
few epochs, and nothing else changes.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from wandb_server import Client, WandbServer

from ffnn.tracking import read_run

SWEEPS = sorted((Path(__file__).parents[2] / "sweeps").glob("*.yaml"))
TRIALS = {"lr_bayes": 5}
"""How many trials of a sweep are run, where not one: each takes an agent ten seconds."""

SMALL = {"dataset": {"value": "digits"}, "epochs": {"value": 2}}


def upload(user: Client, content: dict[str, Any]) -> str:
    """Have `wandb sweep` read a sweep file of this content; the path for `wandb agent`."""
    path = user.home / "sweep.yaml"
    path.write_text(yaml.safe_dump(content))
    said = user.wandb("sweep", str(path))
    found = re.search(r"wandb agent (\S+)", said)
    assert found, said
    return found[1]


def test_there_are_sweep_files() -> None:
    assert "lr_bayes" in [path.stem for path in SWEEPS]


@pytest.mark.slow
@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_sweep_file_runs_under_an_agent(server: WandbServer, user: Client, path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    content["parameters"] |= SMALL
    count = TRIALS.get(path.stem, 1)
    agent = upload(user, content)
    assert agent == f"me/{content['project']}/sweep0"
    said = user.wandb("agent", "--count", str(count), agent, timeout=60 + 30 * count)

    (sweep,) = server.sweeps.values()
    assert sweep.config["method"] == content["method"]
    assert len(server.runs) == len(sweep.trials) == count, said
    for name, parameters in sweep.trials.items():
        run = server.runs[name]
        assert run.exit_code == 0, said
        assert run.about["sweep"] == sweep.name
        assert run.about["project"] == content["project"]
        assert set(parameters) == set(content["parameters"])
        assert {key: run.config[key] for key in parameters} == parameters
        assert run.own_rows("epoch", content["metric"]["name"])[-1]["epoch"] == 2
        assert isinstance(run.summary[content["metric"]["name"]], float)
        assert (run.about["groupName"], run.about["jobType"]) == (path.stem, "sweep")
        assert path.stem in run.about["tags"]
    assert len(list(user.home.glob(f"runs/{path.stem}/*"))) == count
    assert server.check() == []
    assert server.refused == []


@pytest.mark.slow
def test_trial_that_the_server_stops_is_recorded_as_far_as_it_came(server: WandbServer, user: Client) -> None:
    """What hyperband does to a trial: the agent is told to stop it, and goes on with the next one."""
    content = yaml.safe_load(next(path for path in SWEEPS if path.stem == "optimizers").read_text())
    content["parameters"] |= SMALL | {"epochs": {"value": 1_000_000}}
    server.to_stop |= {"sweep0t0", "sweep0t1"}
    said = user.wandb("agent", "--count", "2", upload(user, content), timeout=150)
    assert len(server.runs) == 2, said
    for run in server.runs.values():
        assert (run.exit_code, run.summary["status"]) == (0, "stopped")
        (path,) = user.home.glob(f"runs/optimizers/{run.about['displayName']}")
        record = read_run(path)
        assert record.summary["status"] == "stopped"
        assert run.own_rows("epoch", "val/loss") == record.history
        assert run.summary["best/val/accuracy"] == record.summary["best/val/accuracy"]
    assert server.check() == []
