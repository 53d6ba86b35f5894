"""A training process that is told to end writes down what it has, and ends as one that was told."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

from ffnn.lab.termination import termination_as_interrupt


def test_training_that_is_terminated_leaves_a_whole_record(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ffnn", "train", "--dataset=digits", "--epochs=100000", "--wandb=disabled"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "epoch 1/" in process.stdout.readline()
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM
    assert "Traceback" not in errors
    (path,) = tmp_path.rglob("summary.json")
    summary = json.loads(path.read_text())
    assert summary["status"] == "stopped"
    rows = len(path.with_name("history.jsonl").read_text().splitlines())
    assert 1 <= rows <= summary["epochs"] <= rows + 1  # the last epoch may end before it is written down


def test_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with termination_as_interrupt():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_leave_signals_alone() -> None:
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work() -> None:
        with termination_as_interrupt():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
