"""A sweep file in words, before anything runs: what will be tried, when trials are cut, and what cannot work."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import yaml

from ffnn.catalogue import MOMENTS, find_metric, names
from ffnn.errors import FFNNError, nearest
from ffnn.lab.config import Config, make_config
from ffnn.lab.values import with_overrides
from ffnn.sweep.distribution import Distribution, Latent
from ffnn.sweep.distributions import Categorical, Exponents, IntUniform
from ffnn.sweep.hyperband import bands
from ffnn.sweep.marks import Place
from ffnn.sweep.plan import Plan
from ffnn.sweep.samplers import Sampler
from ffnn.sweep.space import place_of
from ffnn.words import count_of

SIZES = ("hidden_layers", "num_layers", "hidden_units", "batch_size")
"""Settings that decide how much memory training takes."""


def explain(plan: Plan, sampler: Sampler) -> tuple[list[str], list[str]]:
    """What the sweep will do, and what is wrong with it, as lines."""
    problems = [
        *(unknown_settings(plan) or _problems_of_values(plan)),
        *mistaken_exponents(plan),
        *_problems_of_metric(plan),
        *_problems_for_w_and_b(plan),
    ]
    return [*_what(plan, sampler), *_parameters(plan), *_early(plan), *_lacking_memory(plan)], problems


def unknown_settings(plan: Plan) -> list[str]:
    """Parameters of the file that are no settings of `ffnn train`: every trial would fail."""
    marks, settings = plan.sweep.marks, Config.model_fields
    names = [name for name in plan.sweep.file.parameters if name.partition(".")[0].replace("-", "_") not in settings]
    return [
        f"{marks.at('parameters', name)}: no setting of ffnn train{nearest(name, settings) or '; its --help lists all'}"
        for name in names
    ]


def mistaken_exponents(plan: Plan) -> list[str]:
    """Parameters whose bounds are taken for logarithms, as W&B does, but look like the bounds themselves."""
    return [
        f"{plan.sweep.marks.at(*place_of(tuple(name.split('.'))))}: min and max of {_name(distribution)} are natural "
        f"logarithms, so this draws from {distribution.low:.7g} to {distribution.high:.7g}; for a range from "
        f"{distribution.given[0]:g} to {distribution.given[1]:g} write distribution: {_name(distribution)}_values"
        for name, distribution in plan.space.searched.items()
        if isinstance(distribution, Exponents) and _implausible(name, distribution)
    ]


def _implausible(name: str, distribution: Exponents) -> bool:
    """Logarithms from 0 to 1 span no more than a factor of e, and those beyond 16 tens of millions."""
    low, high = distribution.given
    default = getattr(make_config({}), name, None)
    if (low >= 0 and high <= 1) or high > 16:
        return True
    return isinstance(default, int | float) and low <= default <= high and default < distribution.low


def _name(distribution: Distribution) -> str:
    """As the file calls it."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(distribution).__name__).lower()


def _what(plan: Plan, sampler: Sampler) -> Iterator[str]:
    file, limit = plan.sweep.file, plan.limit
    yield f"{plan.sweep.path}: {sampler.description}, to {file.metric.goal if file.metric else plan.metric.goal} " + (
        f"{plan.metric.name}"
    )
    if plan.metric.target is not None:
        yield f"  ends when a trial reaches {plan.metric.target:g}"
    if file.method == "grid":
        size = plan.space.grid_size
        count = size if limit is None else min(size, limit)
        part = f" of the grid's {size}" if count < size else ": every combination, once"
        yield f"  {count_of(count, 'trial')}{part}"
    elif limit is None:
        yield f"  no end: add --count N, or run_cap: N to the file (W&B's {file.method} search never ends without it)"
    else:
        yield f"  {count_of(limit, 'trial')}, none twice"
    yield f"  runs go to {plan.folder}/ and to the W&B group {plan.group}"


def _parameters(plan: Plan) -> Iterator[str]:
    for name, distribution in plan.space.searched.items():
        yield f"  {name}: {_in_words(distribution)}"
    fixed = plan.space.fixed({}).arguments(plan.space.middle)
    constants = [
        f"{name}={value}"
        for name, value in fixed.items()
        if not any(searched == name or searched.startswith(f"{name}.") for searched in plan.space.searched)
    ]
    if constants:
        yield f"  always: {', '.join(constants)}"


def _in_words(distribution: Distribution) -> str:
    if isinstance(distribution, Categorical):
        listed = ", ".join(distribution.values)
        return f"one of {listed}" + (
            ", with probabilities (Bayesian search ignores them)" if distribution.weighted else ""
        )
    middle = [distribution.quantile(q) for q in (0.05, 0.5, 0.95)]
    if isinstance(distribution, IntUniform):
        return f"a whole number from {distribution.min} to {distribution.max}"
    low, median, high = (f"{value:.4g}" for value in middle)
    return f"{_name(distribution)}: nine in ten draws from {low} to {high}, half below {median}"


def _early(plan: Plan) -> Iterator[str]:
    rule = plan.sweep.file.early_terminate
    if rule is None:
        return
    epochs = _epochs(plan)
    cuts = bands(rule, epochs - 1)
    listed = ", ".join(map(str, cuts))
    if not cuts:
        yield f"  hyperband: never looks, because trials have {epochs} epochs"
        return
    when = f"epochs {listed}" if len(cuts) > 1 else f"epoch {listed}"
    yield (
        f"  hyperband: after {when} of {epochs} a trial is stopped unless it is among the best 1/{rule.eta:g} "
        "of those that got there"
    )


def _epochs(plan: Plan) -> int:
    arguments = plan.space.arguments(plan.space.middle)
    try:
        return plan.config(arguments).epochs
    except FFNNError:
        value = arguments.get("epochs")
        default = Config.model_fields["epochs"].default
        return int(value) if isinstance(value, int) else int(default)


def _problems_of_values(plan: Plan) -> Iterator[str]:
    """Each value tried by itself, the others as they work, or in the middle of their range."""
    marks, space = plan.sweep.marks, plan.space
    others = space.middle
    for name, distribution in space.searched.items():
        for latent in (others[name], *_examples(distribution)):
            others[name] = latent
            if _about(_problem(plan, others)) != name:
                break
    seen = set()
    for name, tried in [("", None), *space.searched.items()]:
        for number, latent in enumerate(_examples(tried)):
            problem = _problem(plan, {**others, name: latent} if name else others)
            if problem is None or problem in seen:
                continue
            seen.add(problem)
            where = name or (_about(problem) if _about(problem) in plan.sweep.file.parameters else "")
            listed = ("values", number) if isinstance(tried, Categorical) else ()
            place = marks.at(*place_of(tuple(where.split("."))), *listed) if where else str(plan.sweep.path)
            yield f"{place}: {problem.removeprefix(f'{name}: ')}"


def _problem(plan: Plan, latents: Mapping[str, Latent]) -> str | None:
    """What is wrong with the config of the trial at a point."""
    try:
        plan.config(plan.space.arguments(latents))
    except FFNNError as problem:
        return str(problem)
    return None


def _lacking_memory(plan: Plan) -> Iterator[str]:
    """Values that could not be trained here at this moment; another machine may have the memory."""
    from ffnn.lab.build import check_fits

    space = plan.space
    others = space.middle
    lines: dict[str, None] = {}
    for name, tried in [("", None), *((name, space.searched[name]) for name in SIZES if name in space.searched)]:
        for latent in _examples(tried):
            with suppress(FFNNError):  # what is wrong with the values themselves is said elsewhere
                config = plan.config(space.arguments({**others, name: latent} if name else others))
                try:
                    check_fits(config)
                except FFNNError as problem:
                    lines[str(problem)] = None
    yield from (f"  on this machine now: {line}" for line in lines)


def _about(problem: str | None) -> str | None:
    """The setting that a problem begins with."""
    return None if problem is None else re.split(r"[ :'\"]+", problem.replace("unknown setting --", ""), maxsplit=1)[0]


def _examples(distribution: Distribution | None) -> list[Any]:
    if distribution is None:
        return [0]
    if isinstance(distribution, Categorical):
        return list(distribution.values)
    return [distribution.latent(quantile) for quantile in (0.0, 0.5, 1 - 1e-9)]


def _problems_of_metric(plan: Plan) -> Iterator[str]:
    file, marks, name = plan.sweep.file, plan.sweep.marks, plan.metric.name
    where = marks.at("metric", "name")
    metric, every_epoch = find_metric(name), names("epoch")
    if metric is None or (name.startswith(MOMENTS) and name not in every_epoch):
        hint = nearest(name, [*every_epoch, *names("end")])
        yield f"{where}: ffnn never logs {name!r}; expected one of {', '.join(every_epoch[:8])}{hint}"
        return
    if metric.when == "end" and file.early_terminate:
        yield f"{where}: {name} is measured once, after training, so hyperband never sees it; use best/val/accuracy"
    if name.startswith("test/"):
        yield f"{where}: choosing by {name} makes the test images part of training; use best/val/accuracy"
    if name.startswith("best/"):
        monitored = name.removeprefix("best/")
        values = with_overrides(plan.space.arguments(plan.space.middle), {})
        monitor = values.get("monitor", Config.model_fields["monitor"].default)
        if monitor != monitored:
            yield f"{where}: {name} is logged only with monitor: {{value: {monitored}}}; it is {monitor}"
    wish = {"smaller": "minimize", "larger": "maximize", None: plan.metric.goal}[metric.better]
    if plan.metric.goal != wish:
        yield f"{where}: the goal is to {plan.metric.goal} {name}; goal: {wish} is what one wants"
    epochs = _epochs(plan)
    if file.early_terminate and not bands(file.early_terminate, epochs - 1):
        first = bands(file.early_terminate)[:1]
        first_look = f"looks first after epoch {first[0]}" if first else "has no band: raise max_iter or lower eta"
        yield f"{marks.at('early_terminate')}: trials have {epochs} epochs, hyperband {first_look}"


def _problems_for_w_and_b(plan: Plan) -> Iterator[str]:
    """What W&B's own reader would take for something else."""
    marks = plan.sweep.marks
    ours = plan.sweep.file.model_dump(include={"parameters"})
    try:
        theirs = _of_yaml_1_1(plan.sweep.path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError) as problem:  # `2024-13-45`, `=`
        theirs = ours
        yield f"{marks.at('parameters')}: W&B cannot read a value in this file (YAML 1.1): {problem}; put it in quotes"
    for place, value, other in _differing(ours["parameters"], theirs["parameters"], ("parameters",)):
        fix = "with a point, such as 1.0e-4" if isinstance(other, str) else "in quotes, or without 0, : and _ in it"
        yield f"{marks.at(*place)}: W&B reads {other!r} here (YAML 1.1), ffnn {value!r}; write it {fix}"
    if plan.sweep.file.project is None:
        yield f"{plan.sweep.path}: without project: ffnn, W&B names the project after the folder"


def _of_yaml_1_1(text: str) -> Any:
    """As W&B reads a text: where libyaml cannot, PyYAML says why."""
    with suppress(yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError):
        return yaml.load(text, Loader=yaml.CSafeLoader)
    return yaml.safe_load(text)


def _differing(ours: Any, theirs: Any, place: Place) -> Iterator[tuple[Place, Any, Any]]:
    """Places of values that differ, with both."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name, other in zip(ours, theirs, strict=len(ours) == len(theirs)):  # `on` and `true` are one key there
            if str(name) != str(other):
                yield (*place, name), name, other
            yield from _differing(ours[name], theirs[other], (*place, name))
    elif isinstance(ours, list) and isinstance(theirs, list):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differing(one, other, (*place, number))
    elif repr(ours) != repr(theirs):  # which tells 1 from 1.0 and from true, and finds NaN like itself
        yield place, ours, theirs
