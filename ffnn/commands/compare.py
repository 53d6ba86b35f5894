"""`ffnn compare`: a table of any runs in the terminal."""

from pathlib import Path

import click

from ffnn.catalogue import MARGIN
from ffnn.errors import FFNNError


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, type=Path)
@click.option("--metric", default="test/accuracy", show_default=True, help="A figure of summary.json or history.jsonl.")
@click.option("--by", metavar="NAME[,NAME]", multiple=True, help="Settings to group by [those that differ].")
@click.option("--where", "conditions", metavar="NAME=VALUE", multiple=True, help="Only such runs; also != < > <= >=.")
@click.option("--against", metavar="GROUP", help="What to compare with [the group that is best on validation].")
@click.option(
    "--margin", type=click.FloatRange(min=0), help=f"What counts as equal [{MARGIN} of accuracies, else nothing]."
)
def compare(
    paths: tuple[Path, ...],
    metric: str,
    by: tuple[str, ...],
    conditions: tuple[str, ...],
    against: str | None,
    margin: float | None,
) -> None:
    """Compare the runs at or below each PATH: means with intervals, paired differences, tests and verdicts.

    \b
    ffnn compare runs/exp3-optimizers-digits
    ffnn compare runs --by optimizer,learning_rate --where dataset=digits --metric test/macro_f1
    ffnn compare runs/train --by activation --against relu --where "epochs>=5"
    """
    from ffnn.comparison.by_settings import compare_settings
    from ffnn.comparison.present import present_groups
    from ffnn.comparison.settings import Condition, check_setting, differing, select
    from ffnn.tracking import find_runs, read_run

    if not paths:
        raise FFNNError("expected runs or folders with runs, such as runs/exp3-optimizers-digits; received none")
    directories = {run.resolve(): run for path in paths for run in find_runs(path)}
    if not directories:
        raise FFNNError(f"{', '.join(map(str, paths))}: expected folders with runs in them; found none")
    runs = select([read_run(path) for path in directories.values()], map(Condition.parse, conditions))
    names = [name.strip() for text in by for name in text.split(",") if name.strip()]
    for name in names:
        check_setting(runs, name, "--by")
    names = names or differing(runs)
    present_groups(compare_settings(runs, names, metric, against, margin))
