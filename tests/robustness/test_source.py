"""What ffnn's own source must not contain: ways to run what a file or a user says."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CALLS = {"eval", "exec", "compile", "__import__", "input"}
"""Built-in functions that turn text into code, or stop to ask."""

PLACES = {
    "pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.loads", "marshal.load", "shelve.open", "dill.loads",
    "joblib.load", "torch.load", "os.system", "os.popen", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all",
    "subprocess.getoutput", "subprocess.getstatusoutput", "tempfile.mktemp",
}  # fmt: skip
ADMITTED = {
    ("ffnn/backend/formula.py", "compile"),  # of this package's own source, from its own files
    ("ffnn/backend/formula.py", "exec"),
}


def uses(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of everything forbidden."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            options = {option.arg: option.value for option in node.keywords}
            if name in CALLS | PLACES or name.rpartition(".")[2] in ("extractall", "mktemp"):
                yield node.lineno, name
            if name == "yaml.load" and not _safe(node, options):
                yield node.lineno, name
            if not _is(options.get("shell"), (None, False)):
                yield node.lineno, "shell"
            if not _is(options.get("allow_pickle"), (None, False)):
                yield node.lineno, "allow_pickle"
            if name in ("np.load", "numpy.load") and "allow_pickle" not in options:
                yield node.lineno, "load without allow_pickle=False"
        elif isinstance(node, ast.ImportFrom) and node.module in ("pickle", "marshal", "shelve", "dill", "cloudpickle"):
            yield node.lineno, node.module
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in PLACES - {"pickle.Unpickler"}:
            yield node.lineno, ast.unparse(node)


def _is(value: ast.expr | None, constants: tuple[object, ...]) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value in constants)


def _safe(node: ast.Call, options: dict[str | None, ast.expr]) -> bool:
    """Whether yaml.load is given PyYAML's safe loader in C, or the one that `ffnn/tracking/yaml_file.py` derives."""
    loader = node.args[1] if len(node.args) > 1 else options.get("Loader")
    return loader is not None and ast.unparse(loader) in ("Loader", "yaml.CSafeLoader")


def test_nothing_runs_what_a_file_says(repository: Path) -> None:
    found = [
        f"{name}:{line}: {what}"
        for path in sorted(repository.glob("ffnn/**/*.py"))
        for name in [str(path.relative_to(repository))]
        for line, what in sorted(set(uses(ast.parse(path.read_text(encoding="utf-8")))))
        if (name, what) not in ADMITTED
    ]
    assert found == []


def test_the_loader_is_a_safe_one() -> None:
    import yaml

    from ffnn.tracking.yaml_loader import Loader

    assert issubclass(Loader, yaml.SafeLoader)
    assert not [tag for tag in Loader.yaml_constructors if tag and "python" in tag]


@pytest.mark.parametrize(
    "source",
    [
        "eval('1')", "exec(x)", "import pickle\npickle.loads(b'')", "from pickle import loads", "f = pickle.load",
        "yaml.load(x)", "yaml.load(x, yaml.Loader)", "subprocess.run('ls', shell=True)", "run(x, shell=flag)",
        "np.load(f)", "np.load(f, allow_pickle=True)", "os.system('ls')", "tar.extractall('.')", "yaml.unsafe_load(x)",
        "torch.load(f)",
    ],
)  # fmt: skip
def test_the_search_finds_each_of_them(source: str) -> None:
    assert list(uses(ast.parse(source)))


def test_the_search_leaves_what_is_safe() -> None:
    source = "yaml.load(text, Loader)\nnp.load(f, allow_pickle=False)\nsubprocess.run(['ls'])\nyaml.safe_load(x)\n"
    assert list(uses(ast.parse(source))) == []
