"""The commands that a user of W&B types, run as processes with a home of their own.

Nothing of the developer's account can be read or changed by them.
"""

import os
import subprocess
import sys
from pathlib import Path


class Client:
    """A user at a machine.

    Parameters
    ----------
    home : Path
        The user's home and working directory.
    url : str
        The server's.
    key : str, optional
        Goes into the environment, as on a cluster; without it the user has to log in.
    """

    def __init__(self, home: Path, url: str, key: str | None = None) -> None:
        root = str(Path(__file__).parents[2])
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "XDG_"))}
        self.home = home
        self.environ = {
            **kept,
            "HOME": str(home),
            "NETRC": str(home / ".netrc"),
            "WANDB_BASE_URL": url,
            "WANDB_CONFIG_DIR": str(home / "config"),
            "WANDB_CACHE_DIR": str(home / "cache"),
            "WANDB_DATA_DIR": str(home / "data"),
            "WANDB_ERROR_REPORTING": "false",
            "MPLCONFIGDIR": str(home.parent / "matplotlib"),  # its fonts take seconds to find, once
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            "PYTHONPATH": os.pathsep.join((root, f"{root}/tests")),
        }
        if key:
            self.environ["WANDB_API_KEY"] = key

    def run(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run `python -m ARGUMENTS`, which must succeed."""
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.home,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def wandb(self, *arguments: str, timeout: float = 300) -> str:
        """Run `wandb ARGUMENTS`; what it says."""
        done = self.run("wandb", *arguments, timeout=timeout)
        return done.stdout + done.stderr

    def train(self, *settings: str, timeout: float = 150) -> str:
        """Run `ffnn train` on the digits; what it says."""
        done = self.run("ffnn", "train", "--dataset=digits", "--runs_dir=runs", *settings, timeout=timeout)
        return done.stdout + done.stderr
