"""A disk that is full ends a run in one line, and the run goes on from what was whole when there is space again."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lab.killed_runs import differences

from ffnn.tracking import read_run
from ffnn.training.checkpoints import Checkpoint

resource = pytest.importorskip("resource", reason="needs a POSIX system")

FFNN = [sys.executable, "-m", "ffnn", "train"]
SETTINGS = ["--epochs=12", "--hidden_layers=[128]", "--wandb=disabled", "--checkpoint_every=10", "--name=run"]
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]


def run_in(folder: Path) -> Path:
    (path,) = folder.rglob("config.yaml")
    return path.parent


def whole(folder: Path) -> Path:
    """The same run on a disk with space."""
    subprocess.run([*FFNN, *SETTINGS], cwd=folder, check=True, capture_output=True, timeout=300)
    return run_in(folder)


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    mount = [*NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
def test_a_checkpoint_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    """The kernel refuses a running process larger files: what then fails is a write in the midst of a checkpoint."""
    full, spacious = tmp_path / "full", tmp_path / "spacious"
    full.mkdir()
    spacious.mkdir()
    endless = [*SETTINGS[1:], "--epochs=100000"]
    process = subprocess.Popen([*FFNN, *endless], cwd=full, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while not process.stdout.readline().startswith("epoch 5/"):
        pass
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (50_000, 50_000))
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 2
    assert "Traceback" not in errors
    path = run_in(full)
    line = errors.splitlines()[-1]
    assert line.startswith("ffnn: ")
    assert "last.npz: cannot be written: File too large" in line
    assert line.endswith(f"resume with: ffnn train --resume {path.relative_to(full)}")
    assert Checkpoint.load(path / "checkpoints/last.npz").meta["step"] >= 100
    assert read_run(path).summary["status"] == "failed"
    assert not list(path.rglob(".*"))


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="mounting needs user namespaces")
def test_a_run_on_a_small_disk_goes_on_when_it_has_grown(tmp_path: Path) -> None:
    """A tmpfs of its own: full after some checkpoints, then larger; the end is that of a run that always had space."""
    full, spacious, out = tmp_path / "full", tmp_path / "spacious", tmp_path / "out"
    full.mkdir()
    spacious.mkdir()
    script = tmp_path / "small_disk.sh"
    script.write_text(
        "set -u\n"
        'mount -t tmpfs -o size=250k none "$1" && cd "$1" || exit 90\n'
        'shift; out="$1"; shift\n'
        '"$@" > "$out.log" 2>&1; first=$?\n'
        'mount -o remount,size=8m none "$PWD" || exit 91\n'
        'cp -r "$PWD/runs" "$out.full"\n'
        '"$1" -m ffnn train --resume runs/train/run-* >> "$out.log" 2>&1; second=$?\n'
        'cp -r "$PWD/runs" "$out"; echo "$first $second"\n'
    )
    command = [*NAMESPACE, "sh", str(script), str(full), str(out), *FFNN, *SETTINGS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    said = Path(f"{out}.log").read_text()
    assert done.stdout == "2 0\n", done.stderr + said
    assert "No space left on device" in said
    assert "Traceback" not in said
    before = Checkpoint.load(run_in(Path(f"{out}.full")) / "checkpoints/last.npz")
    assert 0 < before.meta["step"] < 12 * 23
    assert differences(whole(spacious), run_in(out)) == []
