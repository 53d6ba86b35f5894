"""Compiled kernels on disk: no stale, foreign or damaged one is ever run, and a place to keep them is no condition."""

import logging
import math
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from math import exp as e_to_the
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest
from numpy import exp as numpy_exp
from numpy import sin

from ffnn.backend import create_engine, numba_cache
from ffnn.backend.formula import complete
from ffnn.backend.numba_cache import kept
from ffnn.backend.vocabulary import absolute, exp
from ffnn.errors import FFNNError

params = SimpleNamespace(K=2.0)
TABLE = [1.0, 2.0]
PAIR = (1.0, 2.0)


def reads_an_attribute(x: Any) -> Any:
    return params.K * x


def reads_a_module(x: Any) -> Any:
    return math.pi * x


def reads_a_list(x: Any) -> Any:
    return TABLE[0] * x


def calls_one_that_reads(x: Any) -> Any:
    return exp(reads_an_attribute(x))


def calls_itself(x: Any) -> Any:
    return calls_itself(0.5 * x)


def takes_a_number_by_name_only(x: Any, *, factor: float = 3.0) -> Any:
    return factor * x


def imports_what_it_reads(x: Any) -> Any:
    import params as kept

    return kept.K * x


def calls_a_function_of_math(x: Any) -> Any:
    return e_to_the(x)


def calls_numpy(x: Any) -> Any:
    return sin(x)


def calls_builtin_max(x: Any) -> Any:
    return max(x, 0.0)


def calls_builtin_abs(x: Any) -> Any:
    return abs(x)


def calls_a_type(x: Any) -> Any:
    return float(x)


def around(factor: float) -> Any:
    def reads_a_variable_of_the_function_around_it(x: Any) -> Any:
        return factor * x

    return reads_a_variable_of_the_function_around_it


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize(
    ("formula", "culprit"),
    [
        (reads_an_attribute, "received 'params', a SimpleNamespace"),
        (reads_a_module, "received 'math', a module"),
        (reads_a_list, "received 'TABLE', a list"),
        (calls_one_that_reads, "received 'params', a SimpleNamespace"),
        (calls_itself, "expected one that does not call itself"),
        (takes_a_number_by_name_only, "expected arguments that are given by their place"),
        (imports_what_it_reads, "no import inside"),
        (around(3.0), "received 'factor' of a function around it"),
        (np.tanh, "expected a plain function"),
        (calls_a_function_of_math, "received 'e_to_the', a builtin.*import exp`"),
        (calls_numpy, "received 'sin', a ufunc: the vocabulary has absolute, "),
        (calls_builtin_max, "received 'max', a builtin.*import maximum`"),
        (calls_builtin_abs, "received 'abs', a builtin.*import absolute`"),
        (calls_a_type, "received 'float', a type"),
    ],
)
def test_what_a_fingerprint_cannot_see_is_refused_in_words(engine: str, formula: Any, culprit: str) -> None:
    """The value could change, and the kernel on disk would go on with the one before."""
    with pytest.raises(FFNNError) as caught:
        create_engine(engine).elementwise(formula)
    assert re.search(culprit, str(caught.value))
    assert "expected" in str(caught.value)
    assert "\n" not in str(caught.value)


def admitted(x: Any, power: Any = 2.0) -> Any:
    return PAIR[1] * absolute(x) ** power + numpy_exp(x)


@pytest.mark.parametrize("engine_name", ["numpy", "numba"])
def test_tuples_defaults_and_words_by_any_name_are_admitted(engine_name: str) -> None:
    values = np.array([0.25, -1.5])
    expected = [2.0 * x * x + math.exp(x) for x in values]
    engine = create_engine(engine_name, "float64")
    out = engine.empty((2,))
    engine.elementwise(admitted)((out,), (values,), ())
    np.testing.assert_allclose(out, expected, rtol=1e-14)


# -- damage ---------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    monkeypatch.setattr(numba_cache, "place", lambda: tmp_path)
    numba_cache._say_once.cache_clear()
    return tmp_path


def tripled(values: Any, out: Any) -> None:
    for i in range(len(out)):
        out[i] = 3.0 * values[i]


def fresh_kernel() -> Any:
    return kept(complete(tripled, "tripled"))


def run(kernel: Any) -> int:
    """Have it work, and say how many kernels came from the disk."""
    out = np.zeros(2)
    kernel(np.array([1.0, 2.0]), out)
    assert out.tolist() == [3.0, 6.0]
    return sum(kernel.stats.cache_hits.values())


def test_a_damaged_file_is_compiled_again_with_a_line(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert run(fresh_kernel()) == 0
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    assert run(fresh_kernel()) == 1
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    damages = (b"", whole[:1], whole[: len(whole) // 2], whole[:-1], random.Random(0).randbytes(500), bytes(flipped))
    for damage in damages:
        file.write_bytes(damage)
        caplog.clear()
        numba_cache._say_once.cache_clear()
        assert run(fresh_kernel()) == 0
        (record,) = caplog.records
        assert str(folder) in record.getMessage()
        assert "compiled again" in record.getMessage()
        assert record.levelno == logging.WARNING
        assert run(fresh_kernel()) == 1, "and kept again"
    assert [path.name for path in folder.iterdir()] == [file.name]
    file.write_bytes(b"")
    assert run(fresh_kernel()) == 0
    assert len(caplog.records) == 1, "all that is damaged is said once"


def test_what_has_its_checksum_and_no_kernel_in_it_is_compiled_again(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(fresh_kernel())
    (file,) = folder.iterdir()
    numba_cache.File(str(folder), file.name).save(("of", "another", "version"))
    assert run(fresh_kernel()) == 0
    assert len(caplog.records) == 1


@pytest.mark.parametrize("maker", numba_cache.MAKERS)
def test_another_maker_makes_other_kernels(maker: str, tmp_path: Path) -> None:
    for name in numba_cache.MAKERS:
        shutil.copy(Path(numba_cache.__file__).with_name(name), tmp_path)
    assert numba_cache.digest_of(tmp_path) == numba_cache.SOURCES
    with (tmp_path / maker).open("a") as file:
        file.write("CHANGED = True\n")
    assert numba_cache.digest_of(tmp_path) != numba_cache.SOURCES


def test_a_full_disk_costs_a_line_and_no_run(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(numba_cache.File, "_save_data", full)
    assert run(fresh_kernel()) == 0
    (record,) = caplog.records
    assert "kernels cannot be kept: No space left on device" in record.getMessage()


def test_without_a_place_kernels_run_uncached_and_a_line_names_the_variable(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container whose files cannot be written and whose user has no home."""

    def refuse(*arguments: Any, **options: Any) -> None:
        raise PermissionError(13, "Permission denied")

    no_folder = tmp_path / "file"
    no_folder.write_text("")
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(no_folder))
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
    numba_cache.place.cache_clear()
    try:
        for _ in range(2):
            assert run(fresh_kernel()) == 0
    finally:
        numba_cache.place.cache_clear()
    (record,) = caplog.records
    assert "NUMBA_CACHE_DIR" in record.getMessage()
    assert str(no_folder) in record.getMessage()


# -- other files and other processes --------------------------------------------------------------

OWN = """
from ffnn.backend.vocabulary import exp, log1p, tanh

K = 1.0

def inner(x):
    return log1p(exp(x))

def mish(x):
    return K * x * tanh(inner(x))
"""
USE = """
import sys
import numpy as np
from ffnn.backend import create_engine
from {module} import mish

engine = create_engine("numba", "float64")
kernel = engine.elementwise(mish)
for shape in ((3,), (1, 3)):
    out = engine.empty(shape)
    kernel((out,), (engine.array([-1.0, 0.5, 2.0]).reshape(shape),), ())
    np.testing.assert_allclose(out.ravel(), {factor} * np.array([-0.30340146, 0.37524524, 1.94395896]), rtol=1e-7)
print(sum(kernel.compiled.stats.cache_hits.values()), sum(kernel.compiled.stats.cache_misses.values()))
"""


def start(cache: Path, folder: Path, module: str, factor: float = 1.0) -> "subprocess.Popen[str]":
    path = os.pathsep.join([str(folder), str(Path(numba_cache.__file__).parents[2])])
    environment = {**os.environ, "PYTHONPATH": path, "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", USE.format(module=module, factor=factor)]
    return subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.PIPE, text=True)


def done(process: "subprocess.Popen[str]") -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return output.strip()


@pytest.mark.slow
def test_the_same_formula_in_two_files_is_one_kernel_and_another_constant_another(tmp_path: Path) -> None:
    """Two processes that compile at once find the right code afterwards, each under its own arguments."""
    cache, one, other = (tmp_path / name for name in ("cache", "one", "other"))
    for folder in (one, other):
        folder.mkdir()
    (one / "mish.py").write_text(OWN)
    (other / "moved.py").write_text(OWN)
    assert [done(process) for process in [start(cache, one, "mish") for _ in range(2)]] == ["0 2", "0 2"]
    assert done(start(cache, other, "moved")) == "2 0"
    (other / "moved.py").write_text(OWN.replace("K = 1.0", "K = 3.0"))
    assert done(start(cache, other, "moved", 3.0)) == "0 2"


HALF = 0.5


def halved(x: Any) -> Any:
    return HALF * x


def test_engines_share_kernels_until_a_constant_of_the_formula_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading one from disk takes longer than a small run's steps: a process does it once, and runs no stale one."""

    def result() -> tuple[Any, float]:
        engine = create_engine("numba", "float64")
        kernel, out = engine.elementwise(halved), engine.empty((1,))
        kernel((out,), (engine.array([3.0]),), ())
        return kernel.compiled, float(out[0])

    first, again = result(), result()
    assert first[0] is again[0]
    monkeypatch.setitem(globals(), "HALF", 2.0)
    assert (first[1], again[1], result()[1]) == (1.5, 1.5, 6.0)
