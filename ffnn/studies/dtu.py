"""The DTU proposal's page: its list of deliverables, each with what meets it and whether it is there.

Gradients are checked while the page is made; runs are counted where they lie.
"""

from collections.abc import Sequence
from pathlib import Path

from ffnn.backend import create_engine
from ffnn.nn.gradcheck import TOLERANCE, check_everything
from ffnn.report.document import Block, Cell, Heading, Table
from ffnn.studies.finished import Finished
from ffnn.tracking import find_runs

TRACKED_RUNS = 20


def sections(finished: Finished) -> Sequence[Block]:
    """What the page shows beyond the common part."""
    checks = list(check_everything(lambda: create_engine("auto", "float64")))
    right = sum(check.error <= TOLERANCE for check in checks)
    runs = len(find_runs(finished.folder.parent))
    top = finished.path.absolute().parent.parent.parent
    notebooks = sorted(path.name for path in (top / "experiments" / "notebooks").glob("*.ipynb"))
    experiments = sorted(path.stem for path in (top / "experiments").glob("exp*.yaml"))
    rows = [
        _row("gradient-checked code", right == len(checks), f"ffnn gradcheck: {right} of {len(checks)} agree"),
        _accuracy(finished, "fashion", "more than 85 % on Fashion-MNIST", 0.85),
        _accuracy(finished, "cifar10", "more than 50 % on CIFAR-10", 0.50),
        _row(f"{TRACKED_RUNS} tracked runs or more", runs >= TRACKED_RUNS, f"{runs} runs in {finished.folder.parent}"),
        _row("ablations of seven kinds", len(experiments) >= 7, ", ".join(experiments) or "none"),
        _row("notebooks", bool(notebooks), ", ".join(notebooks) or "none in experiments/notebooks"),
        _file(top / "experiments" / "REPORT.md", "written report", top),
        _file(top / "sweeps" / "lr_bayes.yaml", "Bayesian search of the learning rate", top),
    ]
    return [Heading("Its deliverables"), Table(["deliverable", "there?", "what meets it"], rows, "", "lll")]


def _row(what: str, met: bool, by: str) -> list[Cell | str]:
    return [what, Cell("yes", "good") if met else Cell("no", "bad"), by]


def _accuracy(finished: Finished, condition: str, what: str, least: float) -> list[Cell | str]:
    mean = finished.comparison.mean(condition, "test/accuracy").mean
    return _row(what, mean > least, f"{finished.shown(condition, 'test/accuracy')} %")


def _file(path: Path, what: str, top: Path) -> list[Cell | str]:
    return _row(what, path.is_file(), str(path.relative_to(top)))
