"""What commands print: tables of an evaluation, of disturbed images, of a gradient check.

It reads measurements and changes nothing.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.table import Table

from ffnn.console import Console
from ffnn.csv_file import write_csv
from ffnn.data.splits import missing_classes
from ffnn.figures import draw_robustness
from ffnn.figures.drawing import harmless
from ffnn.files import storing
from ffnn.lab.robustness import PERTURBATIONS
from ffnn.nn.gradcheck import TOLERANCE, Comparison
from ffnn.training.metrics import Evaluation
from ffnn.words import visible


def present_evaluation(evaluation: Evaluation, part: str) -> None:
    """Print all metrics and the table of classes."""
    console = Console()
    for name, value in evaluation.metrics.items():
        console.print(f"{part + '/' + name:<26}{value:.4f}")
    table = Table("class", "precision", "recall", "F1", "images")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in evaluation.per_class:
        numbers = (f"{row[key]:.3f}" for key in ("precision", "recall", "f1"))
        table.add_row(visible(row["class"]), *numbers, str(row["support"]))
    console.print(table)
    names, counts = zip(*((row["class"], row["support"]) for row in evaluation.per_class), strict=True)
    if line := missing_classes(names, counts, part):
        console.print(line)


def present_robustness(name: str, levels: Sequence[float], evaluations: Sequence[Evaluation], folder: Path) -> None:
    """Print accuracy and macro F1 at each strength; write the table and the curves beside the run."""
    label = PERTURBATIONS[name][0]
    table = Table(name, "accuracy %", "macro F1 %")
    for level, evaluation in zip(levels, evaluations, strict=True):
        metrics = evaluation.metrics
        table.add_row(f"{level:g}", f"{100 * metrics['accuracy']:.2f}", f"{100 * metrics['macro_f1']:.2f}")
    by_class = {
        row["class"]: [evaluation.per_class[number]["recall"] for evaluation in evaluations]
        for number, row in enumerate(evaluations[0].per_class)
    }
    accuracy = [evaluation.metrics["accuracy"] for evaluation in evaluations]
    path = folder / "figures" / f"robustness-{name}.csv"
    with storing(path):
        path.parent.mkdir(exist_ok=True)
    write_csv(
        path,
        [name, "accuracy", "macro_f1", *(f"accuracy of {cls}" for cls in by_class)],
        (
            [level, accuracy[number], evaluation.metrics["macro_f1"], *(values[number] for values in by_class.values())]
            for number, (level, evaluation) in enumerate(zip(levels, evaluations, strict=True))
        ),
    )
    with harmless("the curve"):
        draw_robustness(levels, accuracy, by_class, label, path.with_suffix(".png"))
    console = Console(highlight=False)
    console.print(f"{name}: {label}")
    console.print(table)
    console.print(f"{path} and {path.with_suffix('.png').name}", soft_wrap=True)


def present_gradcheck(comparisons: Iterable[Comparison]) -> bool:
    """Print each comparison; True if all agree."""
    table = Table("checked", "by hand", "by differences", "relative error", "")
    agree = True
    for comparison in comparisons:
        passes = comparison.error <= TOLERANCE
        agree = agree and passes
        verdict = "agrees" if passes else "WRONG"
        numbers = (f"{comparison.analytic:.9g}", f"{comparison.numeric:.9g}", f"{comparison.error:.1e}")
        table.add_row(comparison.name, *numbers, verdict)
    console = Console()
    console.print(table)
    console.print(f"{'all agree' if agree else 'some are WRONG'}: relative error at most {TOLERANCE:g}, float64")
    return agree
