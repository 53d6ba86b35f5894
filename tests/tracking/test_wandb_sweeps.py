"""`wandb sweep` and `wandb agent`, unmodified, on every sweep file of the repository as it lies on the disk.

An agent passes nothing but what it is handed, so the server hands out the digits and few epochs instead of the files'
data set and epochs. All agents work at the same time: each spends most of its time waiting.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tracking.whole import check_online
from wandb_server import KEY, Client, Run, WandbServer

from ffnn.lab.run import run_id
from ffnn.sweep.plan import Plan, make_plan
from ffnn.sweep.schema import read_sweep
from ffnn.tracking import read_run

FILES = sorted((Path(__file__).parents[2] / "sweeps").glob("*.yaml"))
SMALL = {"dataset": "digits", "epochs": 2}
TRIALS = {"lr_bayes": 5}
"""Of a file's agent; two of the others'."""
TO_ITS_END = "l2"
"""The grid of which an agent runs every point, and `ffnn sweep` the first."""
AT_ONCE = 3


@dataclass
class Worked:
    """What agents have done: the server, and what each of them said, by the file's name."""

    server: WandbServer
    user: Client
    said: dict[str, str]
    agents: dict[str, str]

    def runs(self, name: str) -> dict[str, Run]:
        """The runs of a file's sweep."""
        sweep = self.agents[name].rpartition("/")[2]
        return {trial: self.server.runs[trial] for trial in self.server.sweeps[sweep].trials}


def upload(user: Client, path: Path) -> str:
    """Have `wandb sweep` read a sweep file; the path for `wandb agent`."""
    said = user.wandb("sweep", str(path), timeout=300)
    found = re.search(r"wandb agent (\S+)", said)
    assert found, said
    return found[1]


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worked]:
    """Agents at work on all files, and `ffnn sweep` on one of them, with the same account."""
    with WandbServer() as server, ThreadPoolExecutor(AT_ONCE) as pool:
        server.instead |= SMALL
        worked = Worked(server, Client(tmp_path_factory.mktemp("user"), server.url, KEY), {}, {})

        def work(path: Path) -> None:
            agent = worked.agents[path.stem] = upload(worked.user, path)
            count = [] if path.stem == TO_ITS_END else ["--count", str(TRIALS.get(path.stem, 2))]
            worked.said[path.stem] = worked.user.wandb("agent", *count, agent, timeout=300)

        def sweep() -> None:
            path = next(path for path in FILES if path.stem == TO_ITS_END)
            settings = [f"--{name}={value}" for name, value in SMALL.items()]
            worked.user.run("ffnn", "sweep", str(path), "--count=1", "--runs_dir=local", *settings, timeout=300)

        longest_first = sorted(FILES, key=lambda path: path.stem != TO_ITS_END)
        for done in [*(pool.submit(work, path) for path in longest_first), pool.submit(sweep)]:
            done.result()
        yield worked


def test_there_are_sweep_files() -> None:
    assert {"lr_bayes", TO_ITS_END} <= {path.stem for path in FILES}


def local_plan(path: Path) -> Plan:
    """What `ffnn sweep` makes of a file."""
    return make_plan(read_sweep(path), SMALL, None, None, {})


def without_time(name: str) -> str:
    return re.sub(r"\d{8}-\d{6}(-\d+)?$", "TIME", name)


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_sweep_file_runs_under_an_agent(worked: Worked, path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    server, said = worked.server, worked.said[path.stem]
    sweep = server.sweeps[worked.agents[path.stem].rpartition("/")[2]]
    assert worked.agents[path.stem] == f"me/{content['project']}/{sweep.name}"
    assert sweep.config == content
    assert len(sweep.trials) == (5 if path.stem == TO_ITS_END else TRIALS.get(path.stem, 2)), said
    plan = local_plan(path)
    for name, parameters in sweep.trials.items():
        run = server.runs[name]
        assert run.exit_code == 0, said
        assert (run.about["sweep"], run.about["project"]) == (sweep.name, content["project"])
        assert set(parameters) == set(content["parameters"])
        assert {key: run.config[key] for key in parameters} == parameters
        assert run.own_rows("epoch", content["metric"]["name"])[-1]["epoch"] == 2
        assert isinstance(run.summary[content["metric"]["name"]], float)
        local = plan.config(parameters)
        assert (run.about["groupName"], run.about["jobType"]) == (local.group, local.job_type) == (path.stem, "sweep")
        assert set(run.about["tags"]) >= set(local.tags) == {path.stem}
        assert without_time(run.about["displayName"]) == without_time(run_id(local))
        check_online(server, worked.user.home / "runs" / path.stem / run.about["displayName"])


@pytest.mark.slow
def test_an_agent_runs_a_grid_to_its_end_and_stops(worked: Worked) -> None:
    content = yaml.safe_load(next(path for path in FILES if path.stem == TO_ITS_END).read_text())
    tried = [run.config[TO_ITS_END] for run in worked.runs(TO_ITS_END).values()]
    assert sorted(tried) == sorted(content["parameters"][TO_ITS_END]["values"])
    assert worked.server.sweeps[worked.agents[TO_ITS_END].rpartition("/")[2]].state == "FINISHED"


def seen(run: Run) -> dict[str, Any]:
    """How W&B shows a run, where and when it was made left out."""
    about = {name: run.about[name] for name in ("groupName", "jobType", "project")}
    config = {name: value for name, value in run.config.items() if not name.startswith("_") and name != "runs_dir"}
    name = without_time(run.about["displayName"])
    return {**about, "tags": sorted(run.about["tags"]), "displayName": name, "config": config}


@pytest.mark.slow
def test_w_and_b_shows_an_agents_runs_and_those_of_ffnn_sweep_alike(worked: Worked) -> None:
    agents = worked.runs(TO_ITS_END)
    paths = [path for path in worked.user.home.glob(f"local/{TO_ITS_END}/*") if (path / "config.yaml").exists()]
    names = [path.name for path in paths]
    (local,) = (
        run for run in worked.server.runs.values() if run.about["displayName"] in names and not run.about.get("sweep")
    )
    assert seen(local) in [seen(run) for run in agents.values()]


@pytest.mark.slow
def test_nothing_that_arrived_was_amiss(worked: Worked) -> None:
    assert worked.server.check() == []
    assert worked.server.refused == []


@pytest.mark.slow
def test_trial_that_the_server_stops_is_recorded_as_far_as_it_came(server: WandbServer, user: Client) -> None:
    """What hyperband does to a trial: the agent is told to stop it, and goes on with the next one."""
    server.instead |= SMALL | {"epochs": 1_000_000}
    server.to_stop |= {"sweep0t0", "sweep0t1"}
    path = next(path for path in FILES if path.stem == "optimizers")
    said = user.wandb("agent", "--count", "2", upload(user, path), timeout=150)
    assert len(server.runs) == 2, said
    for run in server.runs.values():
        assert (run.exit_code, run.summary["status"]) == (0, "stopped")
        (folder,) = user.home.glob(f"runs/optimizers/{run.about['displayName']}")
        record = read_run(folder)
        assert record.summary["status"] == "stopped"
        assert run.own_rows("epoch", "val/loss") == record.history
        assert run.summary["best/val/accuracy"] == record.summary["best/val/accuracy"]
    assert server.check() == []
