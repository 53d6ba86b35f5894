"""`import ffnn` and `ffnn train` need nothing that only POSIX systems have; a sweep says in a line that it does.

A process from which those things were taken away, after the libraries have looked, stands in for another system.
"""

import subprocess
import sys
from pathlib import Path

import pytest

STRIPPED = """
import os, platform, signal, sys
import click, concurrent.futures.process, filelock, jinja2, matplotlib.pyplot, multiprocessing, numpy, optuna, PIL.Image
import pooch, pydantic, requests, rich.console, scipy.special, sklearn.datasets, sklearn.metrics, subprocess
import sklearn.model_selection, threadpoolctl, uuid, yaml
platform.uname()
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "readline", "syslog"):
    sys.modules[name] = None
ABSENT = {
    os: "fork forkpty killpg setsid getpgid setpgid getuid geteuid getgid getegid uname getpgrp sched_getaffinity "
        "sched_setaffinity chown getloadavg sysconf nice mkfifo posix_spawn pipe2 sendfile",
    signal: "SIGKILL SIGHUP SIGUSR1 SIGUSR2 SIGCHLD SIGALRM SIGPIPE SIGTSTP SIGQUIT pthread_sigmask setitimer alarm",
}
kill = signal.SIGKILL
for module, names in ABSENT.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
import ffnn.cli, ffnn.report, ffnn.experiment.series, ffnn.sweep.session
signal.SIGKILL = kill  # Python's own subprocess uses it here
sys.argv = ["ffnn", *sys.argv[1:]]
ffnn.cli.main()
"""
SMALL = ["--dataset=digits", "--epochs=1", "--hidden_layers=[4]", "--batch_size=1000", "--engine=numpy"]


def ffnn(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", STRIPPED, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200, check=False)


@pytest.mark.posix
def test_training_needs_nothing_of_posix(tmp_path: Path) -> None:
    done = ffnn(tmp_path, "train", *SMALL, "--wandb=disabled")
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("runs/train/*/summary.json"))) == 1


@pytest.mark.posix
def test_a_sweep_says_what_it_needs(tmp_path: Path, repository: Path) -> None:
    file = str(repository / "sweeps" / "search_random.yaml")
    refused = ffnn(tmp_path, "sweep", file, "--count=2", "--dataset=digits")
    assert refused.returncode == 2, refused.stderr
    assert refused.stderr.count("\n") == 1
    assert "expected a system with process groups (Linux, macOS)" in refused.stderr
    assert list(tmp_path.iterdir()) == []
