"""The command `ffnn bench`: which cells and contenders, how they are timed, and where the figures go.

It does no timing in its own process.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click

from ffnn.errors import FFNNError, nearest

T = TypeVar("T")
CHARTS = (".png", ".svg", ".pdf")
Files = tuple[Path | None, Path | None, Path | None]


@click.command()
@click.option("--engine", type=click.Choice(["numba", "cupy"]), default="numba", show_default=True,
              help="The race on the CPU, or that on a GPU.")  # fmt: skip
@click.option("--quick", is_flag=True, help="A smaller grid: two networks, one or two batch sizes, 3 short repeats.")
@click.option("--network", "networks", metavar="NAMES", help="Only these, with commas between; also M0, M1g, davies.")
@click.option("--batch", "batches", metavar="SIZES", help="Batch sizes, with commas between [32,64,128,256,512].")
@click.option("--contenders", "wanted", metavar="NAMES", help="Only these, with commas between [all that are here].")
@click.option("--threads", type=click.IntRange(min=1), help="Of every contender [1; with cupy all cores].")
@click.option("--repeats", type=click.IntRange(min=1), help="Counted epochs of each contender in each cell [5].")
@click.option(
    "--epoch_seconds", type=click.FloatRange(min=0, min_open=True), help="How long an epoch of ffnn shall take [0.2]."
)
@click.option("--images", type=click.IntRange(min=1),
              help="Images of an epoch instead, in whole batches [with cupy as in EMNIST or MNIST].")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True),
              help="Seconds after which a contender without an answer is given up [180; with cupy 900].")  # fmt: skip
@click.option("--dataset", metavar="NAME", help="Real images instead of made-up ones; cells that it does not fit go.")
@click.option("--data_dir", type=click.Path(path_type=Path), help="Folder of the data sets [as for ffnn train].")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write all samples here.")
@click.option("--markdown", "markdown_file", type=click.Path(path_type=Path, dir_okay=False), help="Write tables here.")
@click.option(
    "--chart", "chart_file", type=click.Path(path_type=Path, dir_okay=False), help="Draw bars here (.png, .svg, .pdf)."
)
def bench(
    engine: str,
    quick: bool,
    networks: str | None,
    batches: str | None,
    wanted: str | None,
    threads: int | None,
    repeats: int | None,
    epoch_seconds: float | None,
    images: int | None,
    timeout: float | None,
    dataset: str | None,
    data_dir: Path | None,
    json_file: Path | None,
    markdown_file: Path | None,
    chart_file: Path | None,
) -> None:
    """Race ffnn against other frameworks and the bare matrix products, doing the same work.

    Each contender has a process of its own and computes in turn with the others. Times are medians;
    a ratio above 1 means that ffnn is faster. Contenders: ffnn-numba, ffnn-numpy, pytorch,
    pytorch-compile, jax-step, jax-scan, keras, sklearn, floor; where it is named, ffnn-numba-x8, of
    which the time of each of 8 networks counts. With --engine=cupy: ffnn-cupy, ffnn-cupy-x100,
    pytorch-gpu, pytorch-gpu-compile, pytorch-gpu-graph, pytorch-gpu-compile-graph, jax-gpu-scan,
    gpu-floor, on whole epochs.

    \b
    ffnn bench --quick
    ffnn bench --network 784-128-64-47 --batch 32,128 --contenders ffnn-numba,pytorch,floor
    ffnn bench --engine cupy --network M1g
    """
    from ffnn.backend.threads import usable_cores
    from ffnn.bench.gpu import REMEDY, look_for_gpu
    from ffnn.bench.race import QUICK, Rules
    from ffnn.bench.races import MNIST_IMAGES, RACES
    from ffnn.bench.work import NETWORKS, PUBLISHED, fitting_cells
    from ffnn.data import load

    defaults = RACES[engine]
    cores = usable_cores()
    threads = threads or (1 if defaults.device == "cpu" else cores)
    if threads > cores:
        raise FFNNError(f"--threads: expected at most {cores}, the cores that are usable here; got {threads}")
    if images and epoch_seconds:
        raise FFNNError("--images: expected this or --epoch_seconds, as each says how long an epoch is; got both")
    files = (json_file, markdown_file, chart_file)
    _check_files(*files)
    named = [PUBLISHED.get(n, n) for n in _chosen("--network", networks, [*NETWORKS, *PUBLISHED], str)]
    cells = defaults.choose(list(dict.fromkeys(named)), _chosen("--batch", batches, None, int), quick=quick)
    gpu = look_for_gpu() if defaults.device == "cuda" else None
    if gpu and not gpu.found:
        raise FFNNError(f"--engine cupy: expected a GPU; received: {gpu.text}; {REMEDY}")
    usual = QUICK if quick else Rules()
    counts = dict.fromkeys(defaults.images, MNIST_IMAGES) if quick else defaults.images
    rules = Rules(
        threads,
        repeats or usual.repeats,
        epoch_seconds or usual.epoch_seconds,
        timeout or defaults.timeout,
        dict.fromkeys(NETWORKS, images) if images else {} if epoch_seconds else counts,
    )
    data = load(dataset, data_dir) if dataset else None
    names, left_out = _contenders(wanted, defaults.contenders())
    _run(fitting_cells(cells, data), names, left_out, rules, data, files, gpu.text if gpu else None)


def _check_files(json_file: Path | None, markdown_file: Path | None, chart_file: Path | None) -> None:
    for path in filter(None, (json_file, markdown_file, chart_file)):
        if not path.absolute().parent.is_dir():
            raise FFNNError(f"{path}: expected a file in a folder that exists; make {path.parent} first")
    if chart_file and chart_file.suffix.lower() not in CHARTS:
        raise FFNNError(f"--chart: expected a name that ends in {', '.join(CHARTS)}; received {chart_file.name!r}")


def _run(
    cells: Any, names: Any, left_out: dict[str, str], rules: Any, data: Any, files: Files, gpu: str | None
) -> None:
    """Race, print, write."""
    from ffnn.bench.limits import floor_lines, floor_record, floor_table, stack_tables
    from ffnn.bench.present import network_tables, summary_lines
    from ffnn.bench.report import facts
    from ffnn.bench.results import record
    from ffnn.bench.work import PUBLISHED
    from ffnn.console import Console
    from ffnn.tracking import describe_environment

    console, messages = Console(highlight=False), Console(stderr=True, highlight=False)
    environment, json_file = describe_environment(), files[0]

    def save(results: Any, described: Any, lost: Any) -> None:
        _write_numbers(json_file, record(results, rules, described, left_out | lost, environment))

    results, described = _race(cells, names, left_out, rules, data, messages, save)
    tables = [*network_tables(results, names), *stack_tables(results, names)]
    remarks = facts(results, rules, described, left_out, data.name if data else None)
    numbers = record(results, rules, described, left_out, environment)
    if gpu:
        published = ", ".join(f"{network} is {name}" for name, network in PUBLISHED.items())
        remarks = [f"GPU: {gpu}; float32 products, TF32 off; {published}", *remarks]
        card = _measured(rules.timeout, messages)
        if card:
            tables.append(floor_table(results, names, card))
            remarks = [*remarks, *floor_lines(card)]
            numbers |= {"gpu": gpu, "card": asdict(card), "floors": floor_record(results, card)}
    for table in tables:
        console.print(table.rich())
    lines = [*summary_lines(results, names), *remarks]
    for line in lines:
        console.print(line, soft_wrap=True)
    _write(files, numbers, tables, lines, results, names)
    for path in filter(None, files):
        messages.print(f"written: {path}", soft_wrap=True)


def _race(cells: Any, names: Any, left_out: dict[str, str], rules: Any, data: Any, messages: Any, save: Any) -> Any:
    """The results, and what the contenders said of themselves; who dropped out is added to `left_out`.

    What there is by then is saved after each cell, as a race takes long and may be cut off.
    """
    from ffnn.bench.contenders import contender_class
    from ffnn.bench.progress import follow
    from ffnn.bench.race import Race
    from ffnn.tracking import speed_warning

    if warning := speed_warning():
        messages.print(f"{warning} (the race runs without it)", soft_wrap=True)
    with Race(names, rules, lambda line: messages.print(line, soft_wrap=True), data) as race:
        results: list[Any] = []
        for result in follow(race.run(cells), len(cells), messages):
            results.append(result)
            save(results, race.described, race.lost)
    left_out |= race.lost
    for name in names:
        if name not in left_out and not any(name in result.seconds for result in results):
            left_out[name] = contender_class(name).unfit(cells[-1].description)
    if not any(result.seconds for result in results):
        raise FFNNError("no contender ended the race: " + "; ".join(f"{n}: {why}" for n, why in left_out.items()))
    return results, race.described


def _write(files: Files, numbers: Any, tables: Any, lines: Any, results: Any, names: Any) -> None:
    from ffnn.bench.present import markdown
    from ffnn.files import replacing

    json_file, markdown_file, chart_file = files
    _write_numbers(json_file, numbers)
    if markdown_file:
        with replacing(markdown_file) as file:
            file.write(markdown(tables, lines))
    if chart_file:
        from ffnn.bench.chart import draw_race

        draw_race(results, names, chart_file)


def _write_numbers(path: Path | None, numbers: Any) -> None:
    from ffnn.files import replacing

    if path:
        with replacing(path) as file:
            json.dump(numbers, file, indent=1)


def _measured(timeout: float, messages: Any) -> Any:
    """What the card does at best; None, and a line, where that could not be measured."""
    from ffnn.bench.card import measure_card

    try:
        return measure_card("cupy", timeout)
    except FFNNError as problem:
        messages.print(str(problem), soft_wrap=True)
        return None


def _contenders(text: str | None, usual: list[str]) -> tuple[list[str], dict[str, str]]:
    """Those that take part, in the order of the registry, and why others do not."""
    from ffnn.bench.contenders import CONTENDERS, contender_class

    names = _chosen("--contenders", text, CONTENDERS, str) or usual
    reasons = {name: contender_class(name).missing() for name in CONTENDERS if name in names}
    present = [name for name, reason in reasons.items() if not reason]
    if not present:
        raise FFNNError("none of these contenders is here: " + "; ".join(f"{n}: {why}" for n, why in reasons.items()))
    return present, {name: reason for name, reason in reasons.items() if reason}


def _chosen(option: str, text: str | None, names: Any, kind: Callable[[str], T]) -> list[T]:
    """Values with commas between; each must be known, where there is a list of what is."""
    values: list[T] = []
    for part in filter(None, (text or "").split(",")):
        if names is not None and part not in names:
            raise FFNNError(f"{option}: unknown {part!r}: expected some of {', '.join(names)}{nearest(part, names)}")
        if names is None and not (part.isdecimal() and int(part) >= 2):
            raise FFNNError(f"{option}: expected whole numbers of at least 2 with commas between; received {part!r}")
        values.append(kind(part))
    return list(dict.fromkeys(values))
