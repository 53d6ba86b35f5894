"""Trials forked from a warm process are as separate as trials that are commands of their own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from test_processes import children, until, writers

from ffnn.sweep.process import TrialProcess, environment
from ffnn.sweep.warm import ForkServer
from ffnn.tracking import RunRecord, find_runs, read_run

pytestmark = pytest.mark.posix

TRAIN = [
    sys.executable, "-m", "ffnn", "train", "--dataset=digits", "--engine=numpy", "--hidden_layers=[8]",
    "--batch_size=1000", "--wandb=disabled",
]  # fmt: skip
ENDLESS = "--epochs=1000000"
PROBE = """
import os
act = os.environ.get("PROBE_SERVER", "")
if act == "die":
    os._exit(3)
if act == "thread":
    import threading, time
    threading.Thread(target=time.sleep, args=(100,), daemon=True).start()

def main():
    import json, signal, subprocess, sys, threading, time
    act = os.environ.get("PROBE")
    if act == "abort":
        os.abort()
    if act == "raise":
        raise ValueError("of the trial")
    if act == "orphan":
        print(subprocess.Popen(["sleep", "1000"]).pid)
    if act == "own":
        import tempfile
        import numpy as np
        import wandb
        from wandb.sdk.data_types._private import MEDIA_TMP
        places = [MEDIA_TMP.name, wandb.Artifact._TMP_DIR.name]
        print(json.dumps({"places": places, "draws": np.random.random(4).tolist(), "at": tempfile.gettempdir()}))
        sys.stdout.flush()
        time.sleep(float(os.environ["PROBE_SECONDS"]))
        print(json.dumps([place for place in places if not os.path.isdir(place)]))
    if act == "deaf":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("deaf", flush=True)
        while True:
            pass
    if act == "tell":
        os.environ["LEFT_BEHIND"] = "1"
        signals = [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]
        print(json.dumps({
            "environ": dict(os.environ), "signals": signals, "stdin": sys.stdin.read(), "argv": sys.argv[1:],
            "orig": sys.orig_argv, "tasks": len(os.listdir("/proc/self/task")), "folder": os.getcwd(),
            "open": len(os.listdir("/proc/self/fd")),
        }))
    if act:
        sys.exit(0)
    real()

import ffnn.cli
real, ffnn.cli.main = ffnn.cli.main, main
"""


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which `ffnn train` does what PROBE says, where that is set."""
    folder = tmp_path_factory.mktemp("probe")
    (folder / "sitecustomize.py").write_text(PROBE)
    return {**environment(1), "PYTHONPATH": str(folder)}


@pytest.fixture(scope="module")
def server(probe: dict[str, str]) -> Iterator[ForkServer]:
    with ForkServer(probe) as server:
        server.wait()
        yield server


def ended(process: TrialProcess) -> int:
    until(lambda: process.poll() is not None, "the trial's end", 60)
    code = process.poll()
    assert code is not None
    return code


def run(environ: dict[str, str], log: Path, server: ForkServer | None, *settings: str) -> tuple[int, str]:
    """A trial's exit code and what it printed."""
    process = TrialProcess([*TRAIN, *settings], environ, log, server.fork if server else None)
    code = ended(process)
    return code, log.read_text()


def until_forked(folder: Path) -> None:
    """Wait for a trial that was forked: its name, which it gives itself, is its own, its program the server's."""

    def named() -> bool:
        with suppress(OSError):  # one has ended meanwhile
            return any((Path("/proc") / str(pid) / "comm").read_text() == "ffnn train\n" for pid in writers(folder))
        return False

    until(named, "a forked trial", 30)


def test_a_forked_trial_is_the_run_that_a_command_makes(
    server: ForkServer, probe: dict[str, str], tmp_path: Path
) -> None:
    found: list[tuple[RunRecord, str]] = []
    for name, starter in ("forked", server), ("command", None):
        folder = tmp_path / name
        settings = ["--epochs=3", "--optimizer=adam", "--batch_size=100", f"--runs_dir={folder}"]
        code, printed = run(probe, tmp_path / f"{name}.log", starter, *settings)
        assert code == 0, printed
        (path,) = find_runs(folder)
        record = read_run(path)
        found.append((record, printed.replace(str(path), "RUN")))
    (one, said_one), (other, said_other) = found
    results = [
        [{name: value for name, value in row.items() if not name.startswith("time/")} for row in record.history]
        for record in (one, other)
    ]
    assert results[0] == results[1]
    assert said_one.splitlines()[-2:] == said_other.splitlines()[-2:]
    loaded = [[json.dumps(library) for library in record.environment.pop("blas")] for record in (one, other)]
    assert set(loaded[0]) >= set(loaded[1])  # SciPy, which is there early, has its own
    differing = {name for name in one.environment if one.environment[name] != other.environment[name]}
    assert differing <= {"time", "command"}
    assert one.environment["command"].replace("/forked", "/command") == other.environment["command"]


def test_a_trial_finds_what_a_command_finds(server: ForkServer, probe: dict[str, str], tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    for number, (extra, starter) in enumerate([({"A": "1"}, server), ({}, server), ({}, None)]):
        code, printed = run({**probe, **extra, "PROBE": "tell"}, tmp_path / f"{number}.log", starter, "--l2=0")
        assert code == 0, printed
        told.append(json.loads(printed))
    first, second, command = told
    assert first["environ"].pop("A") == "1"
    assert first == second == command


def test_what_libraries_keep_for_a_process_is_each_trials_own(probe: dict[str, str], tmp_path: Path) -> None:
    """One that ends takes nothing from another, nor from those that are forked later; and nothing is left behind."""
    places = {name: tmp_path / name for name in ("server", "long", "short", "later")}
    for place in places.values():
        place.mkdir()
    environ = {**probe, "PROBE": "own"}
    told, lost = {}, {}
    with ForkServer({**environ, "TMPDIR": str(places["server"])}) as server:
        server.wait()
        made = sorted(places["server"].iterdir())
        assert len(made) == 2, made

        def start(name: str, seconds: float) -> TrialProcess:
            own = {**environ, "TMPDIR": str(places[name]), "PROBE_SECONDS": str(seconds)}
            return TrialProcess(TRAIN, own, tmp_path / f"{name}.log", server.fork)

        long, short = start("long", 1000), start("short", 0)
        until(lambda: "draws" in (tmp_path / "long.log").read_text(), "its first word", 30)
        assert ended(short) == 0
        assert ended(start("later", 0)) == 0
        assert sorted(places["server"].iterdir()) == made
        for name in ("long", "short", "later"):
            told[name], *rest = map(json.loads, (tmp_path / f"{name}.log").read_text().splitlines())
            lost[name] = rest
        assert all(Path(place).is_dir() for place in told["long"]["places"])
        long.close()
    assert lost == {"long": [], "short": [[]], "later": [[]]}
    assert len({tuple(one["draws"]) for one in told.values()}) == 3
    for name, one in told.items():
        assert one["at"] == str(places[name])
        assert [Path(place).parent for place in one["places"]] == [places[name]] * 2
    assert [list(places[name].iterdir()) for name in ("server", "short", "later")] == [[], [], []]


@pytest.mark.parametrize(("act", "code"), [("abort", -signal.SIGABRT), ("raise", 1), ("", 2)])
def test_a_trial_that_fails_costs_one_trial_and_says_why(
    server: ForkServer, probe: dict[str, str], tmp_path: Path, act: str, code: int
) -> None:
    last = []
    for name, starter in ("forked", server), ("command", None):
        got, printed = run({**probe, "PROBE": act}, tmp_path / f"{name}.log", starter, "--epochs=-1")
        assert got == code
        last.append(printed.splitlines()[-1:])
    assert last[0] == last[1]
    assert run({**probe, "PROBE": "tell"}, tmp_path / "next.log", server)[0] == 0


def test_children_that_a_trial_leaves_behind_are_killed(
    server: ForkServer, probe: dict[str, str], tmp_path: Path
) -> None:
    code, printed = run({**probe, "PROBE": "orphan"}, tmp_path / "log", server)
    assert code == 0
    until(lambda: not Path(f"/proc/{int(printed)}").exists(), "the child's end", 10)
    until(lambda: writers(tmp_path) == [], "the guard's end", 10)


def test_interrupt_ends_a_trial_in_order_and_kill_ends_any(
    server: ForkServer, probe: dict[str, str], tmp_path: Path
) -> None:
    polite = TrialProcess([*TRAIN, ENDLESS, f"--runs_dir={tmp_path}"], probe, tmp_path / "polite.log", server.fork)
    deaf = TrialProcess(TRAIN, {**probe, "PROBE": "deaf"}, tmp_path / "deaf.log", server.fork)
    until_forked(tmp_path)
    until(lambda: "deaf" in (tmp_path / "deaf.log").read_text(), "its word")
    until(lambda: any(read_run(path).history for path in find_runs(tmp_path)), "an epoch")
    deaf.interrupt()
    polite.interrupt()
    assert ended(polite) == 130
    assert read_run(find_runs(tmp_path)[0]).summary["status"] == "stopped"
    assert deaf.poll() is None
    deaf.kill()
    assert ended(deaf) == -signal.SIGKILL
    until(lambda: writers(tmp_path) == [], "all ends", 10)


@pytest.mark.slow
def test_a_killed_server_costs_no_trial_and_is_started_again(probe: dict[str, str], tmp_path: Path) -> None:
    before = children(os.getpid())
    with ForkServer(probe) as server:
        server.wait()
        (pid,) = set(children(os.getpid())) - set(before)
        trial = TrialProcess([*TRAIN, ENDLESS, f"--runs_dir={tmp_path}"], probe, tmp_path / "1.log", server.fork)
        until_forked(tmp_path)
        os.kill(pid, signal.SIGKILL)
        process = TrialProcess(TRAIN, {**probe, "PROBE": "tell"}, tmp_path / "2.log", server.fork)
        assert ended(process) == 0
        until(lambda: any(len(read_run(path).history) > 2 for path in find_runs(tmp_path)), "epochs")
        assert trial.poll() is None
        server.wait()
        again = TrialProcess(
            [*TRAIN, ENDLESS, f"--runs_dir={tmp_path / 'again'}"], probe, tmp_path / "3.log", server.fork
        )
        trial.close()
        until_forked(tmp_path)
        again.close()


@pytest.mark.slow
def test_a_killed_sweep_leaves_neither_server_nor_trials(probe: dict[str, str], tmp_path: Path) -> None:
    code = """
import json, sys, time
from pathlib import Path
from ffnn.sweep.warm import ForkServer
from ffnn.sweep.process import TrialProcess
environ, argv = json.loads(sys.argv[1]), sys.argv[3:]
with ForkServer(environ) as server:
    server.wait()
    trials = [TrialProcess(argv, {**environ, "PROBE": act}, Path(sys.argv[2]) / f"{act}.log", server.fork)
              for act in ("", "deaf")]
    print("begun", flush=True)
    time.sleep(1000)
"""
    argv = [sys.executable, "-c", code, json.dumps(probe), str(tmp_path), *TRAIN, ENDLESS, f"--runs_dir={tmp_path}"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as sweep:
        assert sweep.stdout
        assert sweep.stdout.readline() == "begun\n"
        (server,) = children(sweep.pid)
        until(lambda: len(writers(tmp_path)) == 4, "both trials and their guards", 30)
        sweep.kill()
    until(lambda: not Path(f"/proc/{server}").exists(), "the server's end", 10)
    until(lambda: writers(tmp_path) == [], "the trials' end", 10)


@pytest.mark.parametrize("trouble", ["die", pytest.param("thread", marks=pytest.mark.slow)])
def test_without_a_server_trials_are_commands(
    probe: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str], trouble: str
) -> None:
    before = children(os.getpid())
    with ForkServer({**probe, "PROBE_SERVER": trouble}) as server:
        server.wait()
        assert server.fork(TRAIN, probe, 1) is None
        assert run({**probe, "PROBE": "tell"}, tmp_path / "log", server)[0] == 0
        assert children(os.getpid()) == before
    assert ("trials start cold" in capfd.readouterr().err) == (trouble == "thread")


def test_other_commands_are_not_forked(server: ForkServer, probe: dict[str, str]) -> None:
    assert server.fork(["nice", *TRAIN], probe, 1) is None
    assert server.fork([*TRAIN[:3], "evaluate"], probe, 1) is None
