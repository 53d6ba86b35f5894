"""The command `ffnn bench`: which cells and contenders, how they are timed, and where the figures go.

It does no timing in its own process.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from ffnn.errors import FFNNError, nearest

T = TypeVar("T")

QUICK_NETWORKS = ("784-64-10", "784-128-64-47")
QUICK_BATCH_SIZES = (32, 128)


@click.command()
@click.option("--quick", is_flag=True, help="A smaller grid: two networks, two batch sizes, 3 short repeats.")
@click.option("--network", "networks", metavar="NAMES", help="Only these, with commas between [all four].")
@click.option("--batch", "batches", metavar="SIZES", help="Batch sizes, with commas between [32,64,128,256,512].")
@click.option("--contenders", "wanted", metavar="NAMES", help="Only these, with commas between [all that are here].")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Of every contender.")
@click.option("--repeats", type=click.IntRange(min=1), help="Counted epochs of each contender in each cell [5].")
@click.option(
    "--epoch_seconds", type=click.FloatRange(min=0, min_open=True), help="How long an epoch of ffnn shall take [0.2]."
)
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), default=180.0, show_default=True,
              help="Seconds after which a contender that does not answer is given up.")  # fmt: skip
@click.option("--dataset", metavar="NAME", help="Real images instead of made-up ones; cells that it does not fit go.")
@click.option("--data_dir", type=click.Path(path_type=Path), help="Folder of the data sets [as for ffnn train].")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write all samples here.")
@click.option("--markdown", "markdown_file", type=click.Path(path_type=Path, dir_okay=False), help="Write tables here.")
@click.option("--chart", "chart_file", type=click.Path(path_type=Path, dir_okay=False), help="Draw bars here (.png).")
def bench(
    quick: bool,
    networks: str | None,
    batches: str | None,
    wanted: str | None,
    threads: int,
    repeats: int | None,
    epoch_seconds: float | None,
    timeout: float,
    dataset: str | None,
    data_dir: Path | None,
    json_file: Path | None,
    markdown_file: Path | None,
    chart_file: Path | None,
) -> None:
    """Race ffnn against other frameworks and the bare matrix products, doing the same work.

    Each contender has a process of its own and computes in turn with the others. Times are medians;
    a ratio above 1 means that ffnn is faster. Contenders: ffnn-numba, ffnn-numpy, pytorch,
    pytorch-compile, jax-step, jax-scan, keras, sklearn, floor.

    \b
    ffnn bench --quick
    ffnn bench --network 784-128-64-47 --batch 32,128 --contenders ffnn-numba,pytorch,floor
    """
    from ffnn.backend.threads import usable_cores
    from ffnn.bench.race import QUICK, Rules
    from ffnn.bench.work import BATCH_SIZES, NETWORKS, make_cells

    if threads > usable_cores():
        raise FFNNError(f"--threads: expected at most {usable_cores()}, the cores that are usable here; got {threads}")
    for path in filter(None, (json_file, markdown_file, chart_file)):
        if not path.absolute().parent.is_dir():
            raise FFNNError(f"{path}: expected a file in a folder that exists; make {path.parent} first")
    chosen = _chosen("--network", networks, NETWORKS, str) or list(QUICK_NETWORKS if quick else NETWORKS)
    sizes = _chosen("--batch", batches, None, int) or list(QUICK_BATCH_SIZES if quick else BATCH_SIZES)
    usual = QUICK if quick else Rules()
    rules = Rules(threads, repeats or usual.repeats, epoch_seconds or usual.epoch_seconds, timeout)
    data = _load(dataset, data_dir)
    names, left_out = _contenders(wanted)
    _run(make_cells(chosen, sizes, data), names, left_out, rules, data, (json_file, markdown_file, chart_file))


def _run(
    cells: Sequence[Any],
    names: Sequence[str],
    left_out: dict[str, str],
    rules: Any,
    data: Any,
    files: tuple[Path | None, Path | None, Path | None],
) -> None:
    """Race, print, write."""
    from rich.console import Console

    from ffnn.bench.present import markdown, network_tables, summary_lines
    from ffnn.bench.progress import follow
    from ffnn.bench.race import Race
    from ffnn.bench.report import facts
    from ffnn.bench.results import record
    from ffnn.files import replacing
    from ffnn.tracking import describe_environment, speed_warning

    console, messages = Console(highlight=False), Console(stderr=True, highlight=False)
    warning = speed_warning()
    if warning:
        messages.print(f"{warning} (the race runs without it)", soft_wrap=True)
    with Race(names, rules, lambda line: messages.print(line, soft_wrap=True), data) as race:
        results = follow(race.run(cells), len(cells), messages)
    left_out |= race.lost
    if not any(result.seconds for result in results):
        raise FFNNError("no contender ended the race: " + "; ".join(f"{n}: {why}" for n, why in left_out.items()))
    for table in network_tables(results, names):
        console.print(table.rich())
    told = facts(results, rules, race.described, left_out, data.name if data else None)
    for line in (*summary_lines(results, names), *told):
        console.print(line, soft_wrap=True)
    json_file, markdown_file, chart_file = files
    if json_file:
        with replacing(json_file) as file:
            json.dump(record(results, rules, race.described, left_out, describe_environment()), file, indent=1)
    if markdown_file:
        with replacing(markdown_file) as file:
            file.write(markdown(results, names, told))
    if chart_file:
        from ffnn.bench.chart import draw_race

        draw_race(results, names, chart_file)
    for path in filter(None, files):
        messages.print(f"written: {path}", soft_wrap=True)


def _contenders(wanted: str | None) -> tuple[list[str], dict[str, str]]:
    """Those that take part, in the order of the registry, and why others do not."""
    from ffnn.bench.contenders import CONTENDERS, contender_class

    asked = _chosen("--contenders", wanted, CONTENDERS, str) or list(CONTENDERS)
    reasons = {name: contender_class(name).missing() for name in CONTENDERS if name in asked}
    present = [name for name, reason in reasons.items() if not reason]
    if not present:
        raise FFNNError("none of these contenders is here: " + "; ".join(f"{n}: {why}" for n, why in reasons.items()))
    return present, {name: reason for name, reason in reasons.items() if reason}


def _chosen(option: str, text: str | None, known: Any, kind: Callable[[str], T]) -> list[T]:
    """Values with commas between; each must be known, where there is a list of what is."""
    values: list[T] = []
    for part in filter(None, (text or "").split(",")):
        if known is not None and part not in known:
            raise FFNNError(f"{option}: unknown {part!r}: expected some of {', '.join(known)}{nearest(part, known)}")
        if known is None and not (part.isdecimal() and int(part) >= 2):
            raise FFNNError(f"{option}: expected whole numbers of at least 2 with commas between; received {part!r}")
        values.append(kind(part))
    return list(dict.fromkeys(values))


def _load(name: str | None, data_dir: Path | None) -> Any:
    from ffnn.data import load

    return load(name, data_dir) if name else None
