"""W&B servers that refuse, stall, break or vanish: training ends as without them, and nothing is lost.

What could not be sent is then sent with the very command that the user was told.
"""

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tracking.leet import history, of_type, records
from tracking.test_wandb_online import SCRIPT, only_run, run, same_weights
from wandb_server import Client, WandbServer

from ffnn.tracking import RunDirectory, RunRecord

SETTINGS = ("--epochs=3", "--histogram_every=1")
TRAINING = 60.0  # seconds: what starting, compiling and training may take on a busy machine
QUICK = 120.0  # seconds: far below what the server would hold up, far above what the waits of online_run.py come to
INIT, FINISH = 30.0, 60.0  # seconds: how long ffnn waits for a run to open, and to be sent

FAULTS: dict[str, tuple[Callable[[WandbServer], None], float]] = {
    "refuses connections": (lambda server: server.vanish(), INIT),
    "refuses the key": (lambda server: setattr(server, "key", "another"), INIT),
    "stalls 30 s": (lambda server: setattr(server, "stall", 30.0), INIT),
    "answers 500": (lambda server: setattr(server, "status", 500), INIT),
    "has lost the run": (lambda server: server.statuses.update(file_stream=404), FINISH),
    "has no room left": (lambda server: server.statuses.update(file_stream=507, CreateArtifact=507), FINISH),
    "vanishes when the run opens": (lambda server: setattr(server, "vanish_at", "UpsertBucket"), INIT),
    "vanishes when the run is open": (lambda server: setattr(server, "vanish_at", "file_stream"), FINISH),
    "vanishes among the artifacts": (lambda server: setattr(server, "vanish_at", "CommitArtifact"), FINISH),
}
"""What a server does, and how long that may hold up the end of training."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    """The same training without W&B."""
    user = Client(tmp_path_factory.mktemp("undisturbed"), "http://127.0.0.1:9")
    user.train("--wandb=disabled", *SETTINGS)
    return only_run(user)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_training_goes_on_and_the_run_can_be_sent_later(
    server: WandbServer, user: Client, undisturbed: RunRecord, fault: str
) -> None:
    arrange, patience = FAULTS[fault]
    arrange(server)
    start = time.perf_counter()
    said = user.train("--wandb=online", *SETTINGS, timeout=200)
    assert time.perf_counter() - start < TRAINING + patience
    record = only_run(user)
    assert same_weights(record, undisturbed)
    assert files(record.path) == files(undisturbed.path)
    assert record.summary["status"] == "finished"
    with WandbServer() as healthy:
        user.environ["WANDB_BASE_URL"] = healthy.url
        told = re.search(r"to send it later: wandb (.*)", said)
        assert told, said
        user.wandb(*shlex.split(told[1]))
        arrived = healthy.run
        assert arrived.own_rows("epoch", "val/loss") == record.history
        assert len(arrived.own_rows("weights/linear1.weight")) == 3
        assert arrived.summary["best/val/accuracy"] == record.summary["best/val/accuracy"]
        assert arrived.summary["test/wrong_images"]["_type"] == "table-file"
        assert arrived.exit_code == 0
        best = (record.path / "checkpoints/best.npz").read_bytes()
        assert healthy.artifact("model", "best").files["model.npz"] == best
        assert healthy.check() == []


def files(path: Path) -> list[str]:
    """What lies in a run directory, except W&B's own files."""
    found = [str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()]
    return sorted(name for name in found if not name.startswith("wandb/"))


# -- the same, faster: online_run.py with short patience ----------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    ["refuses the key", *(pytest.param(t, marks=pytest.mark.slow) for t in ("is not there", "never answers"))],
)
def test_a_server_out_of_reach_makes_the_run_an_offline_one(
    user: Client, server: WandbServer, directory: RunDirectory, trouble: str
) -> None:
    if trouble == "refuses the key":
        server.key = "another"
    elif trouble == "never answers":
        server.stall = 1000.0
    else:
        server.vanish()
    start = time.perf_counter()
    lines = run(user, directory, "1.5", "60", "go")
    assert time.perf_counter() - start < QUICK
    assert len(lines) == 2
    assert lines[0].startswith("W&B cannot be reached (")
    assert lines[0].endswith(f"recording offline; to send it later: wandb sync {directory.path}/wandb")
    assert lines[1] == "training done, recorded"
    found = records(directory.path / "wandb")
    assert [row["epoch"] for row in history(found)] == [1, 2, 3]
    assert of_type(found, "exit")[0]["exit_code"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["vanishes", "falls silent"])
def test_a_server_that_is_lost_on_the_way_holds_nobody_up(
    user: Client, server: WandbServer, directory: RunDirectory, trouble: str
) -> None:
    command = [sys.executable, SCRIPT, str(directory.path), "20", "2", "pause"]
    with subprocess.Popen(
        command, env=user.environ, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline().startswith("W&B run: ")
        if trouble == "vanishes":
            server.vanish()
        else:
            server.stall = 1000.0
        out, errors = process.communicate("\n", timeout=QUICK)
    assert (process.returncode, errors) == (0, "")
    *said, last = out.splitlines()
    assert last == "training done, not sent"
    assert len(said) == 1
    assert f"wandb sync --include-online {directory.path}/wandb" in said[0]
