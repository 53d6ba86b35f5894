"""A run of very many epochs holds no more at its end than at its beginning, and its epochs take no longer.

`python tests/robustness/long_haul.py 10000 offline FOLDER` is the same with W&B; the README has its figures.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ffnn.training.history import History

EPOCHS = 10_000
GROWTH = 5.0  # MB; one step of the allocator, which takes memory in pieces of about two, is not counted
SLOWER = 1.3  # processor time of the training thread: what else the machine does is not in it


def hauled(mode: str, folder: Path) -> dict[str, Any]:
    script = Path(__file__).with_name("long_haul.py")
    done = subprocess.run(
        [sys.executable, str(script), str(EPOCHS), mode, str(folder)],
        env={**os.environ, "PYTHONPATH": str(script.parents[2])},
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_nothing_grows_with_the_epochs(tmp_path: Path) -> None:
    """Without a client of W&B beside it, every kilobyte is ffnn's own."""
    found = hauled("disabled", tmp_path)
    assert found["status"] == "finished"
    assert found["rss_growth_mb"] - found["rss_largest_step_mb"] < GROWTH, found
    for name in ("files", "threads"):
        assert found[name][0] == found[name][1], found
    assert found["processor_seconds_last_quarter_to_second"] < SLOWER, found


def test_an_epochs_record_takes_few_bytes_and_stays_what_it_was() -> None:
    import tracemalloc

    def record(epoch: int) -> dict[str, float]:
        return {"epoch": epoch, "step": 7 * epoch} | {f"grad_norm/linear{n}": n + epoch / 3 for n in range(46)}

    history = History()
    tracemalloc.start()
    for epoch in range(2000):
        history.append(record(epoch))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size / 2000 < 500
    assert history == [record(epoch) for epoch in range(2000)]
    assert [type(history[0][name]) for name in ("epoch", "grad_norm/linear0")] == [int, float]
    assert history[-1:] == [record(1999)]
    assert not History()
