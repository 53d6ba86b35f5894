"""The import fence: mathematics needs NumPy and an engine, numba stays in its room, starting stays light."""

import ast
import json
import subprocess
import sys
from pathlib import Path

HEAVY = {"yaml", "wandb", "torch", "matplotlib", "argparse", "click", "pydantic", "sklearn", "pooch", "rich", "pandas"}


def modules_after(code: str) -> set[str]:
    """Names of all modules that a fresh process has imported after `code`."""
    script = (
        f"import sys, json\nbefore = set(sys.modules)\n{code}\nprint(json.dumps(sorted(set(sys.modules) - before)))"
    )
    # -I and -S are not used: the package must be found as the tests found it.
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=300)
    return set(json.loads(done.stdout))


def tops(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_the_mathematics_imports_numpy_and_the_engines_only() -> None:
    modules = modules_after("import ffnn.nn, ffnn.nn.gradcheck")
    assert not tops(modules) & (HEAVY | {"numba", "cupy", "scipy"})
    rooms = {".".join(name.split(".")[:2]) for name in modules if name.startswith("ffnn")}
    words = {"ffnn.errors", "ffnn.ranges", "ffnn.registry", "ffnn.synonyms"}
    assert rooms == {"ffnn", "ffnn.nn", "ffnn.backend"} | words


def test_the_numpy_engine_does_without_numba() -> None:
    code = """
import numpy as np
from ffnn.nn import Linear, Network, ReLU, Objective, SoftmaxCrossEntropy, Adam
network = Network([Linear(4), ReLU(), Linear(3)], 2, "numpy")
objective, adam = Objective(network, SoftmaxCrossEntropy()), Adam()
adam.connect(network.parameters)
objective.gradients(np.ones((5, 2), np.float32), np.zeros(5, np.int64))
adam.step()
"""
    assert not tops(modules_after(code)) & {"numba", "llvmlite", "scipy"}


def test_importing_ffnn_is_light() -> None:
    assert not tops(modules_after("import ffnn")) & (HEAVY | {"numba", "scipy", "numpy"})


def test_only_the_backend_imports_numba_or_cupy(repository: Path) -> None:
    found = {}
    for path in (repository / "ffnn").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                if name.partition(".")[0] in ("numba", "cupy", "llvmlite"):
                    found[path.relative_to(repository).as_posix()] = name
    assert found, "the scan must find the backend's own imports"
    assert {path.rpartition("/")[0] for path in found} == {"ffnn/backend"}


def test_only_numba_files_import_numba_inside_the_backend(repository: Path) -> None:
    for path in (repository / "ffnn" / "backend").glob("*.py"):
        imports = any(line.startswith(("import numba", "from numba")) for line in path.read_text().splitlines())
        assert imports <= path.name.startswith("numba_"), path.name


def test_without_numba_auto_is_numpy_and_says_so() -> None:
    code = """
sys.modules["numba"] = None
from ffnn.backend import create_engine, resolve_engine
from ffnn.errors import FFNNError
name, line = resolve_engine("auto")
assert name == "numpy" and "numba cannot be imported" in line, (name, line)
assert type(create_engine()).__name__ == "NumpyEngine"
try:
    create_engine("numba")
except FFNNError as error:
    assert "engine 'numba' cannot be used" in str(error), error
else:
    raise SystemExit("numba was created without numba")
"""
    assert "ffnn.backend.numpy_engine" in modules_after(code)


def test_with_numba_auto_is_numba() -> None:
    from ffnn.backend import create_engine, resolve_engine

    assert resolve_engine("auto") == ("numba", None)
    assert create_engine().name == "numba"
