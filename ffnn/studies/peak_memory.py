"""A process that trains one config, given as JSON, and prints the most memory it held, in MiB.

It is a module of its own because only a fresh process has a peak of its own.
"""

import json
import sys
from tempfile import TemporaryDirectory


def main() -> None:
    """Train and print."""
    from ffnn.lab.config import make_config
    from ffnn.lab.run import train
    from ffnn.training.trainer import Callback

    with TemporaryDirectory() as folder:
        train(make_config({**json.loads(sys.argv[1]), "runs_dir": folder}), lambda line: None, Callback())
    print(peak_mib())


def peak_mib() -> float:
    """The most memory that this process held, in MiB; Linux tells its own, other systems the process's family's."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
    except FileNotFoundError:
        import resource

        unit = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    main()
