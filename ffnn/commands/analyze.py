"""`ffnn analyze`: each command gives one analysis a run, or settings, and draws what it finds."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ffnn.commands import ANY_SETTING
from ffnn.errors import FFNNError, nearest
from ffnn.terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from ffnn.data.batches import Batches
    from ffnn.lab.build import Parts

CHECKPOINT = click.option("--checkpoint", type=click.Choice(["best", "last"]), default="best", show_default=True)
PART = click.option("--part", type=click.Choice(["train", "val", "test"]), default="val", show_default=True)
OUT = click.option("--out", metavar="FOLDER", type=Path, help="Where figures go; by default `analysis` in the run.")
RUN = click.argument("run_directory", metavar="RUN", type=Path)


class _Analyses(click.Group):
    """A group that names the nearest analysis."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            names = sorted(self.commands)
            raise click.UsageError(
                f"unknown analysis {args[0]!r}: expected one of {', '.join(names)}{nearest(args[0], names)}"
            )
        return super().resolve_command(ctx, args)


@click.group(cls=_Analyses)
def analyze() -> None:
    """Look into networks: layers in two dimensions, decisions, gradient noise, signals through depth."""


@analyze.command()
@RUN
@CHECKPOINT
@PART
@OUT
def pca(run_directory: Path, checkpoint: str, part: str, out: Path | None) -> None:
    """Draw the inputs and every hidden layer of RUN on their two principal components.

    \b
    ffnn analyze pca runs/train/RUN
    """
    from rich.table import Table

    from ffnn.analysis.components import MOST_ROWS, components_by_layer
    from ffnn.analysis.figures import draw_components, draw_explained
    from ffnn.console import Console

    parts = _load(run_directory, checkpoint)
    inputs, labels = gathered(getattr(parts, part), MOST_ROWS)
    layers = components_by_layer(parts.objective.network, inputs)
    folder = _folder(out, run_directory)
    draw_components(layers, labels, parts.dataset.class_names, folder / "pca")
    draw_explained(layers, folder / "pca-explained")
    table = Table("layer", "units", "variance shown", "components for 90 %", "for 99 %")
    for layer in layers:
        shown, units = f"{layer.explained[:2].sum():.1%}", len(layer.explained)
        table.add_row(layer.name, str(units), shown, *(str(layer.needed_for(share)) for share in (0.9, 0.99)))
    Console().print(table)
    _say(folder, "pca", "pca-explained")


@analyze.command()
@RUN
@CHECKPOINT
@PART
@OUT
def regions(run_directory: Path, checkpoint: str, part: str, out: Path | None) -> None:
    """Draw what RUN decides for, over its two inputs or over the two principal components of many.

    \b
    ffnn train --dataset=moons --hidden_layers=[16,16] --learning_rate=0.01 --epochs=50
    ffnn analyze regions runs/train/RUN
    """
    from ffnn.analysis.components import MOST_ROWS
    from ffnn.analysis.plane import decide, plane_of
    from ffnn.figures.plane import draw_regions

    parts = _load(run_directory, checkpoint)
    inputs, labels = gathered(getattr(parts, part), MOST_ROWS)
    plane = plane_of(inputs)
    folder = _folder(out, run_directory)
    draw_regions(
        lambda places: decide(parts.objective, plane.inputs(places)),
        plane.points,
        labels,
        parts.dataset.class_names,
        plane.labels,
        folder / "regions",
    )
    if plane.explained < 1:
        say(f"a cut through {inputs.shape[1]} inputs: points lie on it by {plane.explained:.0%} of their variance only")
    _say(folder, "regions")


@analyze.command()
@RUN
@click.option("--examples", type=click.IntRange(min=2), default=4000, show_default=True, help="Training examples.")
@OUT
def noise(run_directory: Path, examples: int, out: Path | None) -> None:
    """Measure RUN's gradient noise scale: from how many examples on a larger batch stops helping.

    It is taken at the initial, the best and the last weights; see `ffnn.analysis.noise` for what it means.

    \b
    ffnn analyze noise runs/train/RUN
    """
    from rich.table import Table

    from ffnn.analysis.figures import draw_norms
    from ffnn.analysis.noise import gradient_noise
    from ffnn.console import Console
    from ffnn.lab.run import untrained
    from ffnn.tracking import read_run

    stages: dict[str, Callable[[], Parts]] = {
        "initial": lambda: untrained(read_run(run_directory)),
        "best": lambda: _load(run_directory, "best"),
        "last": lambda: _load(run_directory, "last"),
    }
    read_run(run_directory)
    folder = _folder(out, run_directory)
    measured = {}
    for name, load in stages.items():
        parts = load()
        measured[name] = gradient_noise(parts.objective, _first(parts.train, examples))
    table = Table("weights", "|mean gradient|", "scatter", "noise scale, examples", title_justify="left")
    for name, figures in measured.items():
        scale = "not to be told" if figures.scale is None else f"{figures.scale:,.0f}"
        table.add_row(name, f"{figures.mean_norm:.3g}", f"{figures.scatter**0.5:.3g}", scale)
    Console().print(table)
    say(
        f"over {len(measured['initial'].norms):,} training examples, without penalty and dropout; RUN's batch size is "
        f"{parts.train.batch_size}"
    )
    draw_norms(measured, folder / "gradient-norms")
    _say(folder, "gradient-norms")


@analyze.command()
@click.option("--initializers", default="he_normal,xavier_normal,pytorch_uniform,normal", show_default=True)
@click.option("--activations", default="relu,tanh,sigmoid,gelu", show_default=True)
@click.option("--depth", type=click.IntRange(2, 1000), default=20, show_default=True, help="Linear layers.")
@click.option("--width", type=click.IntRange(1, 4096), default=256, show_default=True, help="Units of each.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--out", metavar="FOLDER", type=Path, default=Path("runs/analysis"), show_default=True)
def signals(initializers: str, activations: str, depth: int, width: int, seed: int, out: Path) -> None:
    """Send signals through deep networks before training: which initializer suits which activation.

    \b
    ffnn analyze signals
    ffnn analyze signals --initializers=he_normal,normal --activations=relu,elu --depth=50
    """
    from rich.table import Table

    from ffnn.analysis.figures import draw_signals
    from ffnn.analysis.signals import signals as measure
    from ffnn.console import Console

    _make(out)
    first, second = (list(dict.fromkeys(names.split(","))) for names in (initializers, activations))
    ratios = {
        (initializer, activation): measure(initializer, activation, depth, width, seed=seed)
        for initializer in first
        for activation in second
    }
    for title, ratio in (
        (f"variance of signals: layer {depth} over layer 1", "kept_forward"),
        (f"... of it between inputs: layer {depth} over layer 1", "kept_between"),
        (f"variance of gradients: layer 1 over layer {depth}", "kept_backward"),
    ):
        table = Table("initializer", *second, title=title, title_justify="left")
        for column in table.columns[1:]:
            column.justify = "right"
        for initializer in first:
            table.add_row(initializer, *(f"{getattr(ratios[initializer, name], ratio):.2g}" for name in second))
        Console().print(table)
    draw_signals(ratios, out / "signals")
    _say(out, "signals")


@analyze.command(context_settings=ANY_SETTING)
@click.option("--config", "config_file", type=Path, help="YAML file of settings; settings given here win over it.")
@click.option("--frames", type=click.IntRange(2, 500), default=60, show_default=True)
@click.option("--out", metavar="FOLDER", type=Path, default=Path("runs/analysis"), show_default=True)
@click.pass_context
def animate(ctx: click.Context, config_file: Path | None, frames: int, out: Path) -> None:
    """Train a network with any settings of `ffnn train`, and make a GIF of its decisions as it learns.

    Nothing else of the training is kept.

    \b
    ffnn analyze animate --dataset=spirals --hidden_layers=[32,32] --learning_rate=0.01 --epochs=100
    """
    from ffnn.analysis.animation import Filming, frame_steps
    from ffnn.analysis.animation import animate as write
    from ffnn.analysis.plane import plane_of
    from ffnn.lab.build import build, build_trainer
    from ffnn.lab.command_line import config_of, parse_settings
    from ffnn.lab.config import name_of
    from ffnn.training.callbacks import EarlyStopping
    from ffnn.words import count_of

    config = config_of(config_file, parse_settings(ctx.args))
    if config.framework != "ffnn":
        raise FFNNError(f"animate: expected framework=ffnn, whose training is watched; received {config.framework}")
    _make(out)
    parts = build(config)
    inputs, labels = gathered(parts.train, 1000)
    filming = Filming(plane := plane_of(inputs), frame_steps(len(parts.train) * config.epochs, frames))
    patience = [EarlyStopping(config.patience, config.patience_monitor, config.min_delta)] if config.patience else []
    trainer = build_trainer(parts, [*patience, filming])
    trainer.fit()
    last = filming.frames[-1]
    name = name_of(config.dataset)
    shape = "-".join(map(str, config.hidden_layers or [])) or "no"
    title = f"{name}, {shape} hidden units, {name_of(config.activation)}, {name_of(config.optimizer)}"
    path = out / f"{name}.gif"
    write(plane, labels, parts.dataset.class_names, filming.frames, path, title)
    if trainer.reason:
        say(f"{trainer.status}: {trainer.reason}")
    say(f"after {count_of(last.step, 'step')}: {last.accuracy:.1%} of the validation part")
    say(f"moving picture {path}")


def gathered(batches: "Batches", most: int) -> tuple[Any, Any]:
    """Inputs (rows, features) and labels (rows,) of at most so many examples, as NumPy arrays of their own.

    Where augmentation has mixed examples, the label is the larger part's.
    """
    import numpy as np

    host = batches.engine.host
    taken = [(np.array(host(inputs)), np.array(host(labels))) for inputs, labels in _first(batches, most)]
    inputs, labels = zip(*taken, strict=True)
    targets = np.concatenate(labels)
    return np.concatenate(inputs), targets.argmax(axis=1) if targets.ndim == 2 else targets


def _first(batches: "Batches", most: int) -> Any:
    """The batches of epoch 0 until there are so many examples; the last one is cut."""
    for inputs, labels in batches.epoch():
        yield inputs[:most], labels[:most]
        most -= len(labels)
        if most <= 0:
            return


def _load(run_directory: Path, checkpoint: str) -> "Parts":
    from ffnn.lab.run import load_run

    return load_run(run_directory, checkpoint)[1]


def _folder(out: Path | None, run_directory: Path) -> Path:
    return _make(out or run_directory / "analysis")


def _make(folder: Path) -> Path:
    """The folder, which is there now; asked for before anything is computed that could not be kept."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise FFNNError(
            f"{folder}: expected a folder for figures, there or to be made; {problem.strerror}: name another with --out"
        ) from problem
    return folder


def _say(folder: Path, *names: str) -> None:
    for name in names:
        say(f"figure {folder / name}.png, .svg")
