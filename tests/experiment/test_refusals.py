"""Checks of experiment files: everything wrong is told at once, with its line, before a run or a folder begins."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from experiment.reading import read_experiment

from ffnn.cli import commands
from ffnn.errors import FFNNError
from ffnn.experiment.check import check_files
from ffnn.experiment.file import Experiment
from ffnn.lab import config

MINIMAL = "question: q?\nexpected: e\nbase: {}\nconditions: {a: {}, b: {}}\n"


def ffnn_run(*arguments: str) -> Result:
    return CliRunner().invoke(commands, ["run", *arguments])


def lines_of(tmp_path: Path, text: str, **settings: object) -> list[str]:
    path = tmp_path / "exp.yaml"
    path.write_text(text)
    return [line.removeprefix(f"{tmp_path}/") for line in check_files([path], settings)[1]]


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("question: q?\nbase: {}\nconditions: {a: {}}", 0, "expected: expected a value; received nothing"),
        ("question: [", 1, "expected YAML"),
        ("question: q?\n\texpected: e", 2, "tab"),
        ("", 0, "expected an experiment file with question, expected, base, and conditions or grid; it is empty"),
        ("- a list", 0, "the file"),
        ("question: q?\nexpected: e\nbase: {}\nconditions: {a: 3}", 4, "conditions.a: expected names and values"),
        ("question: q?\nexpected: 3\nbase: {}\nconditions: {a: {}}", 2, "expected: expected text"),
        ("question: q?\nexpected: e\nbase: {}\nconditions: {}", 0, "at least one condition"),
        ("question: q?\nexpected: e\nbase: {}\nconditions: {a: {}}\nseds: 3", 5, "did you mean 'seeds'"),
        (f"{MINIMAL}metric: test/acuracy", 5, "did you mean 'test/accuracy'"),
        (f"{MINIMAL}compare: {{against: c}}", 5, "compare.against: expected one of best, a, b"),
        (f"{MINIMAL}compare: {{claims: [a > c]}}", 5, "claim 'a > c'"),
        (f"{MINIMAL}compare:\n  claims:\n    - a > b\n    - a > b on test/acuracy", 8, "did you mean 'test/accuracy'"),
        (f"{MINIMAL}compare: {{clams: [a > b]}}", 5, "did you mean 'claims'"),
        (f"{MINIMAL}compare: {{margin: -1}}", 5, "compare.margin"),
        (f"{MINIMAL}datasets: {{cifar10: {{claims: [a > c]}}}}", 5, "claim 'a > c'"),
        (f"{MINIMAL}datasets: {{cifar10: {{conditions: {{aa: {{}}}}}}}}", 5, "did you mean 'a'"),
        (f"{MINIMAL}datasets: {{cifra10: {{}}}}", 5, "did you mean 'cifar10'"),
        (f"{MINIMAL}datasets:\n  cifar10:\n    base: {{epoch: 3}}", 7, "did you mean 'epochs'"),
        (f"{MINIMAL}search: {{trials: 3}}", 5, "expected a sweep"),
        (f"{MINIMAL}search: {{trials: 0}}\nsweep: s.yaml", 5, "search.trials"),
        (f"{MINIMAL}sweep: sweeps/absent.yaml", 5, "there is no"),
        (f"{MINIMAL}grid: {{depth: {{two words: {{}}}}}}", 5, "without spaces"),
        (f"{MINIMAL}grid: {{depth: {{best: {{}}}}}}", 5, "not 'best'"),
        (f"{MINIMAL}grid:\n  depth:\n    d1: {{num_layers: 1}}\n    d2: {{num_layers: -2}}", 8, "depth.d2.num_layers"),
        (f"{MINIMAL}true: {{}}", 0, "expected names in quotes"),
        ("question: q?\nexpected: e\nbase: {}\nconditions: {0.1: {}}", 4, "conditions: expected names in quotes"),
        (f"{MINIMAL}on: {{}}", 5, "received {}"),
        ("question: q?\nexpected: e\nbase:\n  epochs: 0\nconditions: {a: {}}", 4, "base.epochs: expected a number"),
        (MINIMAL.replace("b: {}", "b: {activation: rleu}"), 4, "conditions.b.activation: unknown activation 'rleu'"),
        (MINIMAL.replace("b: {}", "b: {learnin_rate: 1}"), 4, "did you mean 'learning_rate'"),
        (MINIMAL.replace("b: {}", "b: {optimizer.bta1: 0.5}"), 4, "conditions.b.optimizer.bta1"),
        (MINIMAL.replace("b: {}", "lr/0.1: {}"), 4, "conditions.lr/0.1: expected a name of 1 to 200 bytes"),
        (MINIMAL.replace("b: {}", "'lr\\0.1': {}"), 4, "received 'lr\\\\0.1'"),
        (MINIMAL.replace("b: {}", "'': {}"), 4, "expected a name of 1 to 200 bytes"),
        (f"{MINIMAL}grid:\n  rate:\n    1/2: {{learning_rate: 0.5}}", 7, "none of / "),
        (MINIMAL.replace("base: {}", "base: {group: a/b}"), 3, "base.group: expected a name of 1 to 200 bytes"),
        (MINIMAL.replace("base: {}", "base: {name: a/b}"), 3, "base.name: expected a name of 1 to 200 bytes"),
        (MINIMAL.replace("b: {}", "b: {batch_norm: yes}"), 4, "batch_norm: expected true or false; received 'yes'"),
        (MINIMAL.replace("b: {}", "b: {seed: 1}"), 4, "conditions.b.seed: an experiment runs seeds 0, 1, ... itself"),
        (MINIMAL.replace("base: {}", "base: {seed: 1}"), 3, "expected --seeds=N"),
    ],
)  # fmt: skip
def test_a_fault_is_one_line_that_names_the_line_of_the_file(
    tmp_path: Path, text: str, line: int, expected: str
) -> None:
    (told,) = lines_of(tmp_path, text)
    assert expected in told
    assert told.startswith(f"exp.yaml:{line}: " if line else "exp.yaml: ")
    assert "\n" not in told


def test_a_file_whose_name_no_folder_can_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "what?.yaml"
    path.write_text(MINIMAL)
    _, (problem,) = check_files([path], {})
    assert problem.startswith(f"{path}: group: expected a name of 1 to 200 bytes")


def test_everything_wrong_is_told_at_once_and_nothing_twice(tmp_path: Path) -> None:
    told = lines_of(
        tmp_path,
        "question: q?\nexpected: e\nbase: {learning_rate: -1, epochs: 0}\nconditions:\n  a: {activation: rleu}\n"
        "  b: {dropout: 3}\nmetric: test/acuracy\nseds: 3\ndatasets: {cifar10: {base: {l2: -1}}}\n",
    )
    assert sorted(int(line.split(":")[1]) for line in told) == [3, 3, 5, 6, 7, 8, 9]


def test_settings_of_the_command_line_are_named_as_such(tmp_path: Path) -> None:
    (told,) = lines_of(tmp_path, MINIMAL, dataset="digts")
    assert told.startswith("--dataset: unknown data set 'digts': expected one of ")
    assert told.endswith("; did you mean 'digits'?")
    assert lines_of(tmp_path, MINIMAL, seed=3)[0].startswith("--seed: an experiment runs seeds")
    (wrong,) = lines_of(tmp_path, MINIMAL.replace("base: {}", "base: {epochs: 0}"), dropout=2)[:1]
    assert wrong.startswith("--dropout: expected a number less than 1")


def test_what_the_command_line_puts_right_is_not_wrong(tmp_path: Path) -> None:
    assert lines_of(tmp_path, MINIMAL.replace("base: {}", "base: {epochs: 0}"), epochs=2) == []


def test_a_file_that_is_not_there_gets_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "exp1-baseline.yaml").write_text(MINIMAL)
    for name in ("exp1-baseline", "exp1-basline.yaml", "experiments/exp1-baseline.yml"):
        with pytest.raises(FFNNError, match=r"did you mean experiments/exp1-baseline\.yaml\?"):
            read_experiment(Path(name))
    with pytest.raises(FFNNError, match="received a folder"):
        read_experiment(Path("experiments"))


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("sweeps/l2.yaml", "ffnn sweep"),
        ("experiments/studies/davies.yaml", "ffnn study"),
        ("experiments/best-mnist.yaml", "ffnn train --config"),
    ],
)
def test_files_of_other_commands_are_told_apart(repository: Path, file: str, command: str) -> None:
    (told,) = check_files([repository / file], {})[1]
    assert told.endswith(f"; received what runs by: {command} {repository / file}")


SEARCH = "sweep: sweeps/rate.yaml\nsearch: {trials: 2}\n"
SWEEP = "method: random\nmetric: {name: best/val/accuracy, goal: maximize}\nparameters:\n"


@pytest.mark.parametrize(
    ("sweep", "expected"),
    [
        ("  learnin_rate: {min: 0.1, max: 0.2}\n", "learning_rate"),
        ("  learning_rate: {min: 0.2, max: 0.1}\n", "rate.yaml:4"),
    ],
)  # fmt: skip
def test_a_space_that_cannot_be_searched_is_told_before_the_search(tmp_path: Path, sweep: str, expected: str) -> None:
    for folder in ("experiments", "sweeps"):
        (tmp_path / folder).mkdir()
    (tmp_path / "sweeps" / "rate.yaml").write_text(SWEEP + sweep)
    (tmp_path / "experiments" / "exp.yaml").write_text(MINIMAL + SEARCH)
    (told,) = check_files([tmp_path / "experiments" / "exp.yaml"], {})[1]
    assert expected in told


def test_a_run_refuses_what_a_check_refuses_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text(MINIMAL)
    Path("bad.yaml").write_text(f"{MINIMAL}metric: test/acuracy\ncompare: {{against: c}}\n")
    checked, begun = ffnn_run("good.yaml", "bad.yaml", "--check"), ffnn_run("good.yaml", "bad.yaml")
    assert checked.exit_code == begun.exit_code == 2
    assert checked.stderr == begun.stderr
    assert [line.split(": ")[:3] for line in begun.stderr.splitlines()] == [
        ["ffnn", "bad.yaml:5", "metric"],
        ["ffnn", "bad.yaml:6", "compare.against"],
    ]
    assert not Path("runs").exists()


def test_a_check_explains_and_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("exp.yaml").write_text(MINIMAL.replace("b: {}", "b: {optimizer: sgd}, c: {optimizer: adam}"))
    result = ffnn_run("exp.yaml", "--check", "--seeds=1", "--epochs=2", "--dataset=digits")
    assert result.exit_code == 0
    first, *rest = result.output.splitlines()
    assert first == (
        "exp: 3 conditions, 1 seed: 2 runs on digits (1 fewer, as some conditions have the same settings), "
        "2 epochs each"
    )
    assert "  condition b: optimizer=sgd" in rest
    assert "  runs go to runs/exp-digits/" in rest
    assert not Path("runs").exists()


RATES = """question: q?
expected: e
base: {learning_rate: 0.01, epochs: 3}
conditions: {plain: {}, slow: {learning_rate: 0.001}, other: {learning_rate: 0.002, optimizer: sgd}}
compare: {claims: [slow > plain, other > plain]}
"""


def test_what_the_command_line_takes_from_conditions_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rates.yaml"
    path.write_text(RATES)
    assert "replaces" not in ffnn_run(str(path), "--dataset=digits", "--epochs=1", "--check").output
    told = ffnn_run(str(path), "--dataset=digits", "--learning-rate=0.1", "--check").output.splitlines()
    assert "  --learning_rate=0.1 replaces what the file gives slow, other" in told
    assert "  condition other: optimizer=sgd" in told
    assert "  left out, as both sides are the same runs now: slow > plain" in told
    assert [line for line in told if "claim:" in line] == ["  claim: other > plain"]


def test_layers_replace_layers_however_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text(
        "question: q?\nexpected: e\nbase: {hidden_units: 8}\nconditions: {flat: {num_layers: 1}, deep: {num_layers: 3}}"
    )
    assert "--num_layers=2 replaces what the file gives every condition" in ffnn_run(
        str(path), "--num_layers=2", "--check"
    ).output  # fmt: skip
    assert "--hidden_layers=[4] replaces what the file gives every condition" in ffnn_run(
        str(path), "--hidden_layers=[4]", "--check"
    ).output  # fmt: skip


@pytest.mark.parametrize("form", ["conditions", "grid"])
@pytest.mark.parametrize("size", [6, 30])
def test_a_check_looks_at_each_condition_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, size: int
) -> None:
    """50,000 conditions take seconds: one validation each, whatever the seeds, and no search for one among all."""
    validated, listed = [], []
    create, all_conditions = config.SCHEDULES.create, Experiment.all_conditions
    monkeypatch.setattr(
        config.SCHEDULES, "create", lambda *given, **more: (validated.append(1), create(*given, **more))[1]
    )
    monkeypatch.setattr(Experiment, "all_conditions", lambda self: (listed.append(1), all_conditions(self))[1])
    rates = "".join(f"    r{number}: {{learning_rate: {number + 1}}}\n" for number in range(size))
    settings = f"grid:\n  rate:\n{rates}  l2:\n    none: {{}}\n" if form == "grid" else f"conditions:\n{rates}"
    path = tmp_path / "exp.yaml"
    path.write_text(f"question: q?\nexpected: e\nbase: {{}}\nseeds: 4\n{settings}")
    result = ffnn_run(str(path), "--check", "--dataset=digits")
    assert f"exp: {size} conditions, 4 seeds: {4 * size} runs" in result.output
    assert len(validated) == size
    assert len(listed) < 10
