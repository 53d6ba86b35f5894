"""`ffnn evaluate`: a finished run, measured again as it is or on disturbed data."""

import math
from pathlib import Path

import click

from ffnn.errors import FFNNError


@click.command()
@click.argument("run_directory", metavar="RUN", type=Path)
@click.option("--checkpoint", type=click.Choice(["best", "last"]), default="best", show_default=True)
@click.option("--part", type=click.Choice(["train", "val", "test"]), default="test", show_default=True)
@click.option("--noise", metavar="LEVELS", help="Test with Gaussian noise of these strengths: 0,0.1,0.2")
@click.option("--blur", metavar="LEVELS", help="... blurred, in pixels: 0,0.5,1")
@click.option("--shift", metavar="LEVELS", help="... shifted by up to so many pixels: 0,1,2")
@click.option("--occlusion", metavar="LEVELS", help="... with a square covered, its side in pixels: 0,4,8")
def evaluate(run_directory: Path, checkpoint: str, part: str, **perturbations: str | None) -> None:
    """Measure a finished RUN (a run directory) on its data again, as it is or disturbed.

    \b
    ffnn evaluate runs/train/RUN
    ffnn evaluate runs/train/RUN --noise=0,0.1,0.2,0.3,0.4,0.5
    """
    from ffnn.lab.present import present_evaluation, present_robustness
    from ffnn.lab.robustness import evaluate_perturbed
    from ffnn.lab.run import load_run
    from ffnn.training.metrics import evaluate as measure

    levels_by_name = {name: _levels(name, text) for name, text in perturbations.items() if text is not None}
    _, parts = load_run(run_directory, checkpoint, download=True)
    for name, levels in levels_by_name.items():
        present_robustness(name, levels, evaluate_perturbed(parts, name, levels), run_directory)
    if levels_by_name:
        return
    batches = getattr(parts, part)
    present_evaluation(measure(parts.objective, batches.epoch(), parts.dataset.class_names), part)


def _levels(name: str, text: str) -> list[float]:
    """Strengths from "0,0.1,0.2"."""
    try:
        levels = [float(part) for part in text.split(",")]
    except ValueError:
        levels = [-1.0]
    whole = name in ("shift", "occlusion")
    if not all(0 <= level < math.inf and (not whole or level.is_integer()) for level in levels):
        kind = "whole numbers" if whole else "numbers"
        raise FFNNError(
            f"--{name}: expected {kind} of at least 0 with commas between, such as 0,1,2; received {text!r}"
        )
    return levels
