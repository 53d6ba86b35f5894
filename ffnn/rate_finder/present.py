"""What a range test leaves and says: a table, a figure, a suggestion and the command that trains with it."""

import json
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from ffnn.csv_file import write_csv
from ffnn.figures.drawing import harmless, own_style
from ffnn.files import replacing
from ffnn.lab.command_line import grouped
from ffnn.lab.config import name_of
from ffnn.lab.run import run_id
from ffnn.rate_finder.measure import RangeTest
from ffnn.rate_finder.suggestion import Suggestion
from ffnn.tracking.environment import recorded_command
from ffnn.tracking.folders import new_folder

FOLDER = "lr-find"
HEADROOM = 1.3
"""Height of the figure over the loss at the beginning: what blows up leaves it, and what falls can be seen."""


def folder_for(test: RangeTest) -> Path:
    """A new folder beside the runs, named like one; FFNNError if it cannot be made."""
    return new_folder(Path(test.config.runs_dir) / FOLDER, run_id(test.config))


def command_with(rate: float, arguments: Sequence[str]) -> str:
    """The command that trains at a rate, with the other arguments as they were given, keys blotted out.

    Examples
    --------
    >>> command_with(0.1532, ["--optimizer=sgd", "--learning_rate=1", "--epochs=5"])
    'ffnn train --optimizer=sgd --epochs=5 --learning_rate=0.15'
    """
    words: list[str] = []
    for group in grouped(arguments):
        if group[0].partition("=")[0].replace("-", "_") != "__learning_rate":
            words += group
    return recorded_command(["ffnn", "train", *words, f"--learning_rate={rate:.2g}"])


def write_files(test: RangeTest, suggestion: Suggestion, command: str, folder: Path) -> None:
    """`curve.csv`, `curve.png` and `.svg`, and `suggestion.json`."""
    columns = ["step", "learning_rate", "loss", "smoothed_loss"]
    write_csv(folder / "curve.csv", columns, zip(count(1), test.rates, test.losses, test.smoothed, strict=False))
    numbers = {
        "steepest": suggestion.steepest,
        "minimum": suggestion.minimum,
        "tenth of minimum": suggestion.tenth,
        "stopped": test.stopped,
        "command": command,
        "config": test.config.resolved(),
    }
    with replacing(folder / "suggestion.json") as file:
        json.dump(numbers, file, indent=2)
        file.write("\n")
    with harmless("the curve"):
        draw_curve(test, suggestion, folder / "curve.png")


@own_style()
def draw_curve(test: RangeTest, suggestion: Suggestion, path: Path) -> None:
    """The loss over the rate, as measured and smoothed, with the suggested rates; PNG and SVG."""
    from matplotlib.ticker import NullFormatter

    from ffnn.figures import COLOURS, new_figure, save_figure

    figure, axes = new_figure(6.4, 3.8)
    axes.plot(test.rates, test.losses, color="#BBBBBB", lw=0.8, label="loss of each batch")
    axes.plot(test.rates, test.smoothed, color=COLOURS[0], lw=2, label="smoothed")
    for rate, label, colour, dashes in (
        (suggestion.steepest, "steepest descent", COLOURS[1], "-"),
        (suggestion.tenth, "a tenth of the minimum", COLOURS[2], "--"),
        (suggestion.minimum, "minimum: too high", "black", ":"),
    ):
        axes.axvline(rate, color=colour, ls=dashes, lw=1.4, label=f"{label} ({rate:.2g})")
    axes.set(xscale="log", xlabel="learning rate", ylabel="training loss")
    axes.set_ylim(0, HEADROOM * max(test.smoothed[:10]))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title(f"{name_of(test.config.dataset)}, {name_of(test.config.optimizer)}", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    save_figure(figure, path)


def in_words(test: RangeTest, suggestion: Suggestion, command: str, folder: Path) -> list[str]:
    """What the user reads."""
    ended = f"; ended at {test.rates[-1]:.2g}: {test.stopped}" if test.stopped else ""
    return [
        f"{len(test.rates)} steps from {test.rates[0]:.2g}{ended}",
        f"steepest descent        {suggestion.steepest:.2g}   (suggested: the loss falls fastest there)",
        f"tenth of the minimum    {suggestion.tenth:.2g}   (more careful; lowest loss: {suggestion.minimum:.2g})",
        "range test: Smith, WACV 2017; both rules read its curve, and a rate from either is where to begin a search",
        f"train  {command}",
        f"curve  {folder / 'curve.png'}, curve.svg, curve.csv, suggestion.json",
    ]
