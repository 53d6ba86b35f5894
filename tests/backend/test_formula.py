"""Binding and caching of formulas: number types stay narrow, and no stale machine code is ever run."""

import importlib
import inspect
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
import numpy as np
import pytest
from numba.core.types import StarArgTuple

from ffnn.backend import create_engine
from ffnn.backend.formula import bind, check, complete, fingerprint
from ffnn.backend.numba_loops import elementwise
from ffnn.backend.numba_math import jit
from ffnn.backend.vocabulary import exp, minimum, sqrt, where
from ffnn.nn import ACTIVATIONS, OPTIMIZERS, Elementwise
from ffnn.nn.elementwise import backward_formula


def helper(x: Any) -> Any:
    return 0.1 * x


def other_helper(x: Any) -> Any:
    return 0.2 * x


def whole(x: Any) -> Any:
    return where(x > 0.5, sqrt(helper(x)), 1.5)


def test_bind_replaces_words_literals_and_helpers() -> None:
    said: list[float] = []

    def number(value: float) -> float:
        said.append(value)
        return 10 * value

    helped: list[str] = []

    def compile_helper(function: Any) -> Any:
        helped.append(function.__name__)
        return function

    words = {"where": lambda c, a, b: (c, a, b), "sqrt": lambda x: ("root", x)}
    bound = bind(whole, words, number, compile_helper)
    assert bound(6.0) == (True, ("root", 6.0), 15.0)  # 0.1 * 10 * 6 within the root; 6 > 5
    assert sorted(said) == [0.1, 0.5, 1.5]
    assert helped == ["helper"]
    assert whole(np.float64(0.9)) == pytest.approx(0.3), "the formula itself stays as it was"


def test_bind_leaves_a_name_of_the_users_own_alone() -> None:
    def use(x: Any) -> Any:
        return exp(x)

    own = FunctionType(use.__code__, {**use.__globals__, "exp": abs}, "use")
    assert bind(own, {"exp": lambda x: "the engine's"}, float)(-3) == 3
    assert bind(use, {"exp": lambda x: "the engine's"}, float)(-3) == "the engine's"


def with_globals(formula: Any, **changed: Any) -> Any:
    return FunctionType(formula.__code__, {**formula.__globals__, **changed}, formula.__name__)


def test_the_fingerprint_changes_with_everything_that_matters() -> None:
    def same(x: Any) -> Any:
        return where(x > 0.5, sqrt(helper(x)), 1.5)

    def other_number(x: Any) -> Any:
        return where(x > 0.5, sqrt(helper(x)), 1.25)

    def other_word(x: Any) -> Any:
        return where(x > 0.5, exp(helper(x)), 1.5)

    def other_order(x: Any) -> Any:
        return where(x > 0.5, helper(sqrt(x)), 1.5)

    def other_sign(x: Any) -> Any:
        return where(x < 0.5, sqrt(helper(x)), 1.5)

    prints = [fingerprint(f) for f in (whole, other_number, other_word, other_order, other_sign)]
    prints.append(fingerprint(with_globals(whole, helper=other_helper)))
    prints.append(fingerprint(whole, helper))
    prints.append(fingerprint(with_globals(whole, helper=with_globals(nested, helper=other_helper))))
    prints.append(fingerprint(with_globals(whole, helper=nested)))
    assert len(set(prints)) == len(prints)
    assert fingerprint(same) == fingerprint(whole)
    assert fingerprint(with_globals(whole)) == fingerprint(whole)


def nested(x: Any) -> Any:
    return helper(x)


def test_formulas_of_one_name_are_kept_apart() -> None:
    def doubled() -> Any:
        def f(x: Any) -> Any:
            return 2.0 * x

        return f

    def tripled() -> Any:
        def f(x: Any) -> Any:
            return 3.0 * x

        return f

    for name in ("numpy", "numba"):
        engine = create_engine(name, "float64")
        for formula, expected in [(doubled(), 2), (tripled(), 3), (doubled(), 2)]:
            out = engine.empty((1,))
            engine.elementwise(formula)((out,), (engine.array([1.0]),), ())
            assert out[0] == expected


WRAPPER = "ptr @_ZN7cpython"

# -- number types ---------------------------------------------------------------------------------


def formulas() -> list[Any]:
    """Every registered element-wise formula, with the number of its arrays and of its constants."""
    found = []
    for name in ACTIVATIONS:
        cls: Any = ACTIVATIONS[name]
        if issubclass(cls, Elementwise):
            constants = len(cls().constants)
            found.append(pytest.param("elementwise", cls.function, 1, constants, id=f"{name}-forward"))
            backward = backward_formula(cls.derivative)
            found.append(pytest.param("elementwise", backward, 3, constants, id=f"{name}-backward"))
    for name in OPTIMIZERS:
        optimizer: Any = OPTIMIZERS.create(name)
        optimizer.steps = 1
        arrays = 2 + len(optimizer.slots)
        found.append(pytest.param("update", type(optimizer).rule, arrays, len(optimizer.constants(1, 0.1)), id=name))
    return found


@pytest.mark.parametrize(("kind", "formula", "arrays", "constants"), formulas())
def test_float32_is_nowhere_widened(kind: str, formula: Any, arrays: int, constants: int) -> None:
    kernel = getattr(create_engine("numba", "float32"), kind)(formula)
    bound = kernel.compiled.py_func.__globals__["formula"]
    types = (numba.float32,) * arrays
    rest = (numba.float32,) * constants
    takes_any = bool(bound.py_func.__code__.co_flags & inspect.CO_VARARGS)
    bound.compile((*types, StarArgTuple(rest)) if takes_any else types + rest)
    ((arguments, overload),) = bound.overloads.items()
    returned = overload.signature.return_type
    assert set(getattr(returned, "types", (returned,))) == {numba.float32}
    # All but the wrapper for Python, whose numbers are doubles.
    functions = [part for part in bound.inspect_llvm(arguments).split("define ") if not part.startswith(WRAPPER)]
    assert not any("double" in part for part in functions)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constants_are_used_in_the_engines_type(dtype: type) -> None:
    engine = create_engine("numba", np.dtype(dtype).name)
    values = np.random.default_rng(5).standard_normal(1000).astype(dtype)
    kernel: Any = engine.elementwise(times_a_factor_of_this_test)
    for factor in (0.1, np.float64(0.1)):
        out = engine.empty(values.shape)
        kernel((out,), (values,), (factor,))
        np.testing.assert_array_equal(out, values * dtype(0.1))
    assert len(kernel.compiled.signatures) == 1


def times_a_factor_of_this_test(x: Any, factor: Any) -> Any:
    return x * factor


# -- the cache on disk ----------------------------------------------------------------------------

STEP = """
import json
from ffnn.backend import create_engine
from ffnn.backend.vocabulary import expm1

def probe(x):
    return expm1(x)

engine = create_engine("numba")
out = engine.empty((3,))
call = engine.elementwise(probe)
call((out,), (engine.array([0.5, 1, 2]),), ())
stats = call.compiled.stats
print(json.dumps([sum(stats.cache_hits.values()), sum(stats.cache_misses.values()), out.tolist()]))
"""


def in_a_fresh_process(package: Path, cache: Path, script: Path) -> tuple[int, int, list[float]]:
    environment = {**os.environ, "PYTHONPATH": str(package), "NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, script], env=environment, cwd=cache, check=True, capture_output=True, text=True, timeout=300
    )
    hits, misses, values = json.loads(done.stdout)
    return hits, misses, values


def test_a_second_process_compiles_nothing_and_a_changed_vocabulary_everything(
    repository: Path, tmp_path: Path
) -> None:
    package = tmp_path / "package"
    shutil.copytree(repository / "ffnn", package / "ffnn", ignore=shutil.ignore_patterns("__pycache__"))
    cache = tmp_path / "cache"
    cache.mkdir()
    script = tmp_path / "step.py"
    script.write_text(STEP)
    exact = pytest.approx(np.expm1([0.5, 1, 2]), rel=1e-6)
    assert in_a_fresh_process(package, cache, script) == (0, 1, exact)
    assert in_a_fresh_process(package, cache, script) == (1, 0, exact)
    source = package / "ffnn" / "backend" / "numba_math.py"
    text = source.read_text()
    assert text.count("_exp32(x) - ONE") == 1
    source.write_text(text.replace("_exp32(x) - ONE", "_exp32(x) + ONE"))
    assert in_a_fresh_process(package, cache, script) == (0, 1, pytest.approx(np.exp([0.5, 1, 2]) + 1, rel=1e-6))


LIMIT = 2.0


def below_limit(x: Any) -> Any:
    return minimum(x, LIMIT)


def test_a_constant_of_the_module_counts_in_the_fingerprint_and_does_not_widen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cached kernel would otherwise go on with the old value in silence."""
    before = fingerprint(below_limit)
    bound = bind(below_limit, {}, np.float32)
    assert bound(np.float32(5)).dtype == np.float32
    monkeypatch.setitem(below_limit.__globals__, "LIMIT", 5.0)
    assert fingerprint(below_limit) != before


WITHOUT_VECTORS = dict.fromkeys(("mish", "softplus"), "log1p is the C library's")


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if issubclass(ACTIVATIONS[name], Elementwise)])  # type: ignore[arg-type]
def test_activations_become_vector_instructions(name: str) -> None:
    """One call that is not inlined would cost a loop its vectors, and GELU a factor of five."""
    cls: Any = ACTIVATIONS[name]
    engine = create_engine("numba", "float32")
    kernel: Any = engine.elementwise(cls.function)
    fresh = jit(complete(elementwise, f"fresh_{name}", formula=kernel.compiled.py_func.__globals__["formula"]))
    fresh((engine.empty((2, 3)),), (engine.zeros((2, 3)),), cls().constants)
    (llvm,) = fresh.inspect_llvm().values()
    assert (" x float>" in llvm) == (name not in WITHOUT_VECTORS)


def test_only_formulas_go_without_types(repository: Path) -> None:
    """mypy asks for none in these modules, so that formulas read as in papers; all else in them has its types."""
    settings = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    overrides = [part for part in settings["tool"]["mypy"]["overrides"] if "disallow_untyped_defs" in part]
    names = [name for part in overrides for name in part["module"] if ".numba_" not in name]
    for name in names:
        module = importlib.import_module(name)
        things = [thing for thing in vars(module).values() if getattr(thing, "__module__", "") == name]
        things += [part for thing in things if isinstance(thing, type) for part in vars(thing).values()]
        functions = [f for thing in things if isinstance(f := getattr(thing, "__func__", thing), FunctionType)]
        written = [f for f in functions if f.__code__.co_filename == module.__file__]  # a dataclass's are not
        untyped = [f for f in written if not f.__annotations__]
        assert untyped, f"{name} has formulas"
        for function in untyped:
            check(function)
