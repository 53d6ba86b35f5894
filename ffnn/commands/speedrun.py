"""`ffnn speedrun`: seconds from the start of training to 97 % and to 98 % on MNIST, beside PyTorch and JAX."""

import json
from pathlib import Path

import click

from ffnn.errors import FFNNError


@click.command()
@click.option("--seeds", type=click.IntRange(min=1), default=20, show_default=True, help="Trainings of each, 0 to N-1.")
@click.option("--data_dir", type=click.Path(path_type=Path), help="Folder of the data sets [as for ffnn train].")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=Path("runs/speedrun.json"),
              show_default=True, help="Write every seed's times here.")  # fmt: skip
def speedrun(seeds: int, data_dir: Path | None, out: Path) -> None:
    """Train on one core until 97 %, then 98 %, of MNIST's test set are right; the median of many seeds.

    The recipes are fixed. PyTorch and JAX, where they are installed, train the same networks on the same batches.

    \b
    ffnn speedrun
    ffnn speedrun --seeds=5
    """
    from ffnn.bench.contenders import contender_class
    from ffnn.bench.race import Race, Rules
    from ffnn.bench.speedrun import RECIPES, RUNNERS, lines, record, run, table
    from ffnn.console import Console
    from ffnn.data import DATASETS, load
    from ffnn.data.verify import differences
    from ffnn.files import replacing, storing
    from ffnn.tracking.environment import describe_environment, versions_of

    with storing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    console, messages = Console(highlight=False), Console(stderr=True, highlight=False)
    dataset, environment = load("mnist", data_dir), describe_environment()
    left_out = {name: why for name in RUNNERS if (why := contender_class(name).missing())}
    names = [name for name in RUNNERS if name not in left_out]
    packages = dict.fromkeys(package for name in names for package in contender_class(name).packages.values())
    attempts = []
    with Race(names, Rules(), lambda line: messages.print(line, soft_wrap=True)) as race:
        for recipe in RECIPES:
            messages.print(f"{recipe}; seeds 0 to {seeds - 1}", soft_wrap=True)
            attempts += run(race, names, recipe, dataset, seeds)
    left_out |= race.lost
    if not attempts:
        raise FFNNError("nobody ended the speedrun: " + "; ".join(f"{name}: {why}" for name, why in left_out.items()))
    environment["versions"] |= versions_of(tuple(packages))
    facts = [
        *(f"not the published MNIST: {what}" for what in differences(DATASETS.create("mnist"), dataset)),
        f"{environment['cpu']['model']}, one core of {environment['cpu']['usable_cores']}",
        "versions: " + ", ".join(f"{name} {number}" for name, number in environment["versions"].items()),
        *(f"left out: {name}: {why}" for name, why in left_out.items()),
    ]
    console.print(table(attempts, f"MNIST, {seeds} seeds").rich())
    for line in [*lines(attempts, RECIPES), *facts]:
        console.print(line, soft_wrap=True)
    with replacing(out) as file:
        json.dump(record(attempts, RECIPES, environment=environment, left_out=left_out), file)
    messages.print(f"written: {out}", soft_wrap=True)
