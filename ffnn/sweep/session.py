"""One call of `ffnn sweep`: finds or begins the sweep, works on it until it is over, and says what came out."""

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import islice
from typing import Any

from ffnn.backend import engine_class
from ffnn.catalogue import is_time
from ffnn.data import load
from ffnn.errors import FFNNError
from ffnn.lab.config import Config
from ffnn.lab.workers import suitable_workers
from ffnn.sweep.engine import Engine, Wish, pause
from ffnn.sweep.explain import mistaken_exponents, unknown_settings
from ffnn.sweep.home import Home
from ffnn.sweep.ledger import Ledger
from ffnn.sweep.live import Lines, Table
from ffnn.sweep.plan import Plan, folder_of, make_plan
from ffnn.sweep.process import check_system, environment
from ffnn.sweep.samplers import METHODS, Sampler
from ffnn.sweep.schema import Sweep
from ffnn.sweep.storage import open_storage
from ffnn.sweep.trials import Trial
from ffnn.sweep.warm import ForkServer
from ffnn.terminal import say


def make_sampler(plan: Plan) -> Sampler:
    """The searcher that the plan's method names."""
    return METHODS.create(
        plan.sweep.file.method, space=plan.space, seed=plan.seed, identify=plan.identify, metric=plan.metric
    )


def open_sweep(sweep: Sweep, settings: Mapping[str, Any], wish: Wish) -> tuple[Plan, Ledger]:
    """The plan and the ledger of a sweep that begins, goes on or is joined.

    FFNNError if there is one and none was expected, or the other way round, or it is another sweep.
    """
    check_system()
    folder, group = folder_of(sweep, settings)
    home = Home(folder)
    address = home.choose(wish.storage)
    exists = home.journal.exists()
    if wish.storage is None and exists and not (wish.goes_on or wish.join):
        raise FFNNError(f"{folder}: a sweep is there already; --resume goes on with it, --group=NAME begins another")
    if wish.storage is None and not exists and wish.goes_on:
        raise FFNNError(f"--resume: expected a sweep in {folder}; there is none: leave --resume out")
    if not wish.goes_on:
        _check(make_plan(sweep, settings, wish.seed, wish.count, {}))  # before anything is written
    metric = sweep.file.metric
    ledger = Ledger(open_storage(address), group, metric is None or metric.goal == "maximize")
    before = ledger.plan()
    if before is None:
        home.expect_nothing(address)
        plan = make_plan(sweep, settings, wish.seed, wish.count, {})
        before = ledger.begin({**plan.record(), "count": plan.count})
    plan = make_plan(sweep, settings, wish.seed, wish.count, before)
    home.remember(address)
    return plan, ledger


Begun = tuple[Plan, Ledger, Wish]
"""A sweep as `open_sweep` gives it, and what was asked for."""
OVER = object()


def run_sweep(plan: Plan, ledger: Ledger, wish: Wish, terminal: bool) -> dict[str, Trial]:
    """Work on a sweep until it is over; its trials. KeyboardInterrupt after Ctrl-C, when all has been put away."""
    for _ in run_sweeps(iter([(plan, ledger, wish)]), 1, terminal):
        pass
    return ledger.trials()


def run_sweeps(sweeps: Iterator[Begun], at_once: int, terminal: bool = False) -> Iterator[Begun]:
    """Work on several sweeps, so many at once, and give back each when it is over; it finds what it finds alone.

    They are taken from the iterator as places become free. Errors and Ctrl-C end all of them in order.
    """
    under_way: dict[Engine, tuple[Begun, Iterator[None]]] = {}
    with ForkServer(environment(1)) as server, ExitStack() as to_end:
        while True:
            for plan, ledger, wish in islice(sweeps, at_once - len(under_way)):
                engine = _engine(plan, ledger, wish, terminal, server)
                under_way[engine] = (plan, ledger, wish), to_end.enter_context(closing(_watched(engine)))
                to_end.callback(_ask_to_end, under_way)  # all of them, before the first is waited for
            if not under_way:
                return
            for engine, (begun, steps) in list(under_way.items()):
                if next(steps, OVER) is OVER:
                    del under_way[engine]
                    yield begun
            pause([process for engine in under_way for process in engine.processes()])


def _ask_to_end(engines: Iterable[Engine]) -> None:
    for engine in engines:
        engine.ask_to_end()


def _engine(plan: Plan, ledger: Ledger, wish: Wish, terminal: bool, server: ForkServer) -> Engine:
    sampler = make_sampler(plan)
    pace = f", {_pace(wish)}" if wish.workers else ""
    say(f"{plan.group}: {sampler.description}{pace}; {plan.folder}/", err=True)
    for line in mistaken_exponents(plan):
        say(f"warning: {line}", err=True)
    config = _fetch_data(plan, sampler)
    if not pace:
        wish = _settled(plan, wish, config)
        say(_pace(wish), err=True)
    from optuna.importance import FanovaImportanceEvaluator  # noqa: F401, for the end, while the server comes up

    server.wait()
    view = Table(plan) if terminal else Lines(plan, plan.group if wish.sweeps > 1 else "")
    return Engine(plan, ledger, sampler, wish, view, server.fork)


def _watched(engine: Engine) -> Generator[None]:
    with engine.view:
        yield from engine.steps()


def _settled(plan: Plan, wish: Wish, config: Config | None) -> Wish:
    """The wish with workers, which are one where their number decides what is tried or found.

    The config is that of a trial, and None where none can be made.
    """
    file, metric = plan.sweep.file, plan.metric
    decides = file.method == "bayes" or file.early_terminate or metric.target is not None or is_time(metric.name)
    if decides or config is None:
        return replace(wish, workers=1)
    return replace(wish, workers=suitable_workers([config], plan.size, wish.stack))


def _pace(wish: Wish) -> str:
    of_one_shape = "" if wish.stack == 1 else f" x up to {wish.stack} of one shape"
    return f"{wish.workers}{of_one_shape} at a time"


def _check(plan: Plan) -> None:
    for problem in unknown_settings(plan):
        raise FFNNError(problem)
    if plan.sweep.file.method != "grid" and plan.limit is None:
        raise FFNNError(
            f"{plan.sweep.path}: {plan.sweep.file.method} search has no end; add --count=N, or run_cap: N to the file"
        )


def _fetch_data(plan: Plan, sampler: Sampler) -> Config | None:
    """Load the data once, so that what is absent, an engine too, is downloaded once, or said once; a trial's config."""
    proposal = sampler.propose({})
    if proposal is None:
        raise FFNNError(f"{plan.sweep.path}: there is nothing to try")
    try:
        config = plan.config(proposal.arguments)
    except FFNNError:
        return None  # the trial itself will say so, and fail
    engine_class(config.engine).check()
    load(config.dataset, config.data_dir)
    return config
