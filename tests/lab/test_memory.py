"""Training on all of EMNIST stays within 1.3 GiB: the images are held once, as bytes, and splits are lists of rows."""

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

# Not ru_maxrss, in which the parent's memory at the fork counts, too.
MEASURED = """
from pathlib import Path
from ffnn.cli import main
try:
    main()
finally:
    (peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    print("peak", peak.split()[1])
"""


def write_made_up_emnist(folder: Path) -> None:
    """Files of ByMerge's full size, 814,255 images of noise."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    block = rng.integers(0, 256, (10_000, 784), dtype=np.uint8)
    for part, count in (("train", 697_932), ("test", 116_323)):
        with (folder / f"emnist-bymerge-{part}-images-idx3-ubyte").open("wb") as images:
            images.write(struct.pack(">IIII", 0x803, count, 28, 28))
            for start in range(0, count, len(block)):
                images.write(block[: count - start].tobytes())
        labels = rng.integers(0, 47, count, dtype=np.uint8)
        (folder / f"emnist-bymerge-{part}-labels-idx1-ubyte").write_bytes(
            struct.pack(">II", 0x801, count) + labels.tobytes()
        )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_the_full_emnist_trains_within_its_memory(tmp_path: Path) -> None:
    write_made_up_emnist(tmp_path / "data" / "EMNIST" / "raw")
    settings = [
        "--dataset={name: emnist, variant: bymerge}", f"--data_dir={tmp_path / 'data'}", "--split=pooled",
        "--epochs=1", "--batch_size=512", "--hidden_layers=[64]", "--wandb=disabled", f"--runs_dir={tmp_path / 'runs'}",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "train", *settings], capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "651,404 images to train" in done.stderr
    kibibytes = int(done.stdout.split("peak")[1])
    assert kibibytes < 1.3 * 2**20
