"""Promises about the project itself: what the README says runs, what may import what, what `make` offers."""

import inspect
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from ffnn.lab.config import make_config
from ffnn.lab.run import train
from ffnn.nn.optimizers import Adam
from ffnn.training.trainer import Callback

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line.split("#")[0].strip()
    for language, block in BLOCKS
    if language == "sh"
    for line in block.splitlines()
    if line.startswith(("ffnn ", "make "))
]

QUICK = ("ffnn train --dataset", "ffnn train --help")
"""Commands of the README that `make test` runs too; the whole list is run by `make test-all`."""


def test_the_readme_has_commands() -> None:
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(c, marks=[] if c.startswith(QUICK) and "--framework" not in c else pytest.mark.slow)
        for c in COMMANDS
        if c.startswith("ffnn ")
    ],
)
def test_a_command_of_the_readme_runs(command: str, tmp_path: Path, repository: Path) -> None:
    arguments = command.split()[1:]
    for folder in ("experiments", "sweeps"):
        (tmp_path / folder).symlink_to(repository / folder)
    if "runs" in command:
        config = make_config(
            {"hidden_layers": [8], "epochs": 2, "wandb": "disabled", "runs_dir": str(tmp_path / "runs")}
        )
        run = train(config, notify=lambda line: None, progress=Callback())
        run.path.rename(run.path.with_name("RUN"))
    if arguments[0] == "train" and not {"--help", "--resume"} & set(arguments):
        arguments += ["--epochs=1", "--wandb=disabled"]
    if arguments[0] == "agree":  # the other frameworks have slow tests of their own
        arguments += ["--framework=torch", "--steps=1"]
    result = subprocess.run(
        [sys.executable, "-m", "ffnn", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("command", sorted({c for c in COMMANDS if c.startswith("make ")}))
def test_a_target_of_the_readme_exists(command: str, repository: Path) -> None:
    result = subprocess.run(
        [*command.split(), "--dry-run"], cwd=repository, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr


def test_the_python_of_the_readme_learns(tmp_path: Path) -> None:
    (block,) = (block for language, block in BLOCKS if language == "python" and "load_digits" in block)
    result = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=True
    )
    loss, accuracy = map(float, result.stdout.split())
    assert loss < 0.1
    assert accuracy > 0.85


def test_one_file_imports_wandb(repository: Path) -> None:
    files = [
        path
        for path in repository.glob("ffnn/**/*.py")
        if re.search(r"^\s*(import|from) wandb", path.read_text(), re.M)
    ]
    # The second imports wandb_workspaces, a package of its own, and nothing else of W&B.
    assert sorted(path.name for path in files) == ["wandb_client.py", "wandb_workspace.py"]
    assert {path.parent.name for path in files} == {"tracking"}
    assert not re.search(r"^\s*(import|from) wandb\b", files[-1].with_name("wandb_workspace.py").read_text(), re.M)


def test_importing_ffnn_is_quick_and_pulls_in_nothing_heavy() -> None:
    code = """
import sys, time
start = time.process_time()
import ffnn
took = time.process_time() - start
heavy = {"torch", "wandb", "matplotlib", "sklearn", "scipy", "numba", "pandas", "torchvision"} & set(sys.modules)
print(took, *heavy)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    took, *heavy = result.stdout.split()
    assert heavy == []
    assert float(took) < 0.5


def test_a_numpy_run_imports_neither_numba_nor_torch(tmp_path: Path) -> None:
    code = """
import sys
from ffnn.lab.config import make_config
from ffnn.lab.run import train
train(make_config({"engine": "numpy", "epochs": 1, "wandb": "disabled"}), lambda line: None)
print(*({"torch", "numba", "wandb", "torchvision", "cupy"} & set(sys.modules)))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=True
    )
    assert result.stdout.splitlines()[-1] == ""


def test_make_help_lists_every_target_and_experiment(repository: Path) -> None:
    listed = subprocess.run(
        ["make", "help"], cwd=repository, capture_output=True, text=True, timeout=300, check=True
    ).stdout
    phony = re.search(r"^\.PHONY: (.*) \$\(EXPERIMENTS\)", (repository / "Makefile").read_text(), re.M)
    assert phony
    for target in [*phony[1].split(), *(path.stem for path in repository.glob("experiments/exp*.yaml"))]:
        assert re.search(rf"make {target}\s+\S", listed), target


def test_an_unknown_experiment_is_an_error_of_make(repository: Path) -> None:
    result = subprocess.run(
        ["make", "exp99-nothing"], cwd=repository, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode != 0


def test_pinned_versions_satisfy_what_the_project_asks_for(repository: Path) -> None:
    import tomllib

    from packaging.requirements import Requirement

    pins = dict(
        line.split("==") for line in (repository / "constraints.txt").read_text().lower().splitlines() if "==" in line
    )
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    for requirement in map(Requirement, wanted):
        assert pins[requirement.name.lower()] in requirement.specifier, requirement


def test_experiment_files_are_plain_yaml_for_any_reader(repository: Path) -> None:
    for path in repository.glob("experiments/exp*.yaml"):
        described = yaml.safe_load(path.read_text())
        levels = [level for factor in described.get("grid", {}).values() for level in factor.values()]
        for settings in [*described.get("conditions", {}).values(), *levels]:
            assert not isinstance(settings.get("learning_rate", 0.1), str), path


def test_the_readme_prints_the_rule_that_adam_is_computed_by() -> None:
    (printed,) = (block for _, block in BLOCKS if block.startswith("def rule("))
    source = textwrap.dedent(inspect.getsource(Adam.rule)).removeprefix("@staticmethod\n")
    assert re.sub(r"  # .*", "", printed) == source
