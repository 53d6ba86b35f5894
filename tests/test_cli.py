"""The command as a stranger uses it: real processes, wrong arguments, no key, Ctrl-C."""

import csv
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ffnn.cli import main
from ffnn.commands.train import exit_code

FFNN = [sys.executable, "-m", "ffnn"]
SMALL = ["--epochs=1", "--hidden_layers=[8]", "--wandb=disabled"]


def ffnn(*arguments: str, cwd: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*FFNN, *arguments], cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ["trian"],
        ["train", "--learnin_rate=0.1"],
        ["train", "--learning_rate=fast"],
        ["train", "--learning_rate"],
        ["train", "stray"],
        ["train", "--config", "absent.yaml"],
        ["train", "--config", "list.yaml"],
        ["train", "--config", "broken.yaml"],
        ["train", "--dataset=mnits"],
        ["train", "--optimizer={'name': 'adam', 'bta': 1}"],
        ["train", "--engine=cuda"],
        ["train", "--monitor=val/acuracy", *SMALL],
        ["run"],
        ["run", "absent.yaml"],
        ["run", "list.yaml"],
        ["run", "absent.yaml", "--seeds=0"],
        ["run", "absent.yaml", "--workers=two"],
        ["evaluate", "."],
        ["evaluate", "absent", "--part=tset"],
        ["evaluate", "absent", "--noise=0,much"],
        ["evaluate", "absent", "--shift=0,0.5"],
        ["gradcheck", "--engine=nunba"],
        ["data", "info", "mnits"],
        ["data", "lst"],
        ["report", "n" * 5000],
        ["compare", "n" * 5000],
        ["run", "n" * 5000],
        ["train", f"--data_dir={'n' * 5000}", "--dataset=mnist"],
    ],
    ids=lambda arguments: " ".join(arguments)[:60],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.yaml").write_text("- 1\n")
    (tmp_path / "broken.yaml").write_text("a: [1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ffnn", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert_one_line(capfd.readouterr().err)


@pytest.mark.parametrize(
    "arguments", [["trian"], ["train", "--learnin_rate=0.1"], ["sweep", "absent.yaml"]], ids=" ".join
)
def test_so_it_is_in_a_process_of_its_own(arguments: list[str], tmp_path: Path) -> None:
    result = ffnn(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert_one_line(result.stderr)


def assert_one_line(said: str) -> None:
    (line,) = said.strip().splitlines()
    assert line.startswith("ffnn: ")
    assert len(line) > 20


@pytest.mark.parametrize("command", [[], ["analyze"], ["data"]])
def test_without_a_command_the_help_is_told_as_it_is(command: list[str], tmp_path: Path) -> None:
    result = ffnn(*command, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("Usage: ")
    assert result.stderr.strip() == ffnn(*command, "--help", cwd=tmp_path).stdout.strip()


def test_a_misspelt_command_gets_the_nearest(tmp_path: Path) -> None:
    assert "did you mean 'train'" in ffnn("trian", cwd=tmp_path).stderr


@pytest.mark.parametrize("command", ["", "train", "run", "evaluate", "gradcheck", "data", "data info"])
def test_help_is_there_and_names_every_setting(command: str, tmp_path: Path) -> None:
    from ffnn.lab.config import Config

    result = ffnn(*command.split(), "--help", cwd=tmp_path)
    assert result.returncode == 0
    assert "Usage" in result.stdout
    if command == "train":
        assert [name for name in Config.model_fields if f"--{name}=" not in result.stdout] == []


def test_train_then_evaluate_agree(tmp_path: Path) -> None:
    trained = ffnn("train", *SMALL, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    (run,) = (tmp_path / "runs" / "train").iterdir()
    accuracy = json.loads((run / "summary.json").read_text())["test/accuracy"]
    measured = ffnn("evaluate", str(run), cwd=tmp_path)
    assert f"{accuracy:.4f}" in measured.stdout
    assert str(run.relative_to(tmp_path)) in trained.stdout


@pytest.mark.slow
def test_perturbed_evaluation_falls_with_noise_and_starts_from_the_clean_one(tmp_path: Path) -> None:
    assert ffnn("train", "--epochs=8", "--wandb=disabled", cwd=tmp_path).returncode == 0
    (run,) = (tmp_path / "runs" / "train").iterdir()
    result = ffnn("evaluate", str(run), "--noise=0,0.3,1", "--occlusion=0,4", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    with (run / "figures" / "robustness-noise.csv").open() as file:
        rows = list(csv.DictReader(file))
    accuracy = [float(row["accuracy"]) for row in rows]
    assert accuracy[0] == json.loads((run / "summary.json").read_text())["test/accuracy"]
    assert accuracy[0] > accuracy[1] > accuracy[2]
    assert [float(row["noise"]) for row in rows] == [0, 0.3, 1]
    assert (run / "figures" / "robustness-noise.png").read_bytes().startswith(b"\x89PNG")
    assert (run / "figures" / "robustness-occlusion.csv").exists()


@pytest.mark.slow
def test_gradcheck_agrees_on_both_engines(tmp_path: Path) -> None:
    for engine in ("numpy", "numba"):
        result = ffnn("gradcheck", f"--engine={engine}", cwd=tmp_path)
        assert result.returncode == 0
        assert "all agree" in result.stdout
        assert "WRONG" not in result.stdout


@pytest.mark.slow
@pytest.mark.posix
def test_interrupt_stops_with_a_record_and_without_a_traceback(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*FFNN, "train", "--epochs=100000", "--wandb=disabled"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert "epoch 1/" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "stopped" in errors
    (summary,) = tmp_path.rglob("summary.json")
    assert json.loads(summary.read_text())["status"] == "stopped"
    assert json.loads(summary.read_text())["epochs"] >= 1


@pytest.mark.posix
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_interrupt_ends_a_whole_experiment(workers: int, tmp_path: Path, repository: Path) -> None:
    """Ctrl-C in a terminal reaches every process of the group; no run may begin after it."""
    experiment = str(repository / "experiments" / "exp3-optimizers.yaml")
    arguments = [experiment, "--dataset=digits", "--epochs=100000", "--wandb=disabled", f"--workers={workers}"]
    process = subprocess.Popen(
        [*FFNN, "run", *arguments],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 90
    while len(list(tmp_path.rglob("history.jsonl"))) < workers and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "stopped: what is finished stays" in errors
    assert "Traceback" not in errors
    assert output == ""
    statuses = [json.loads(path.read_text())["status"] for path in tmp_path.rglob("summary.json")]
    assert statuses == ["stopped"] * workers


@pytest.mark.posix
@pytest.mark.slow
def test_workers_of_a_killed_command_stop_their_runs_and_end(tmp_path: Path, repository: Path) -> None:
    """They would train on, for hours, beside those of the command that repeats it."""
    experiment = str(repository / "experiments" / "exp3-optimizers.yaml")
    arguments = [experiment, "--dataset=digits", "--epochs=100000", "--wandb=disabled", "--workers=2"]
    process = subprocess.Popen([*FFNN, "run", *arguments], cwd=tmp_path, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.rglob("history.jsonl"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait(timeout=60)

    def statuses() -> list[str]:
        return [json.loads(path.read_text())["status"] for path in tmp_path.rglob("summary.json")]

    deadline = time.monotonic() + 60
    while statuses() != ["stopped"] * 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert statuses() == ["stopped"] * 2


@pytest.mark.slow
def test_on_a_terminal_without_a_key_nothing_is_asked(tmp_path: Path) -> None:
    """On a terminal W&B's client would ask and wait; here the process must end although nobody answers."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [*FFNN, "train", "--epochs=1", "--hidden_layers=[8]"], cwd=tmp_path, stdin=child, stdout=child, stderr=child
    )
    os.close(child)
    output = b""
    while True:
        try:
            part = os.read(parent, 4096)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not part:
            break
        output += part
    assert process.wait(timeout=300) == 0
    os.close(parent)
    text = output.decode()
    assert "offline" in text
    assert "Enter your choice" not in text
    assert list(tmp_path.glob("runs/train/*/wandb/offline-run-*"))


@pytest.mark.parametrize("streams", [pytest.param(["stdout"], marks=pytest.mark.slow), ["stdout", "stderr"]])
def test_a_reader_that_has_seen_enough_ends_no_run(streams: list[str], tmp_path: Path) -> None:
    """As `ffnn train | head -1`, and with `2>&1` before it: the run goes on to its end, and its record is whole."""
    process = subprocess.Popen(
        [*FFNN, "train", "--epochs=4", "--hidden_layers=[8]", "--wandb=disabled"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT if "stderr" in streams else subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0
    assert b"Error" not in (errors or b"")
    (summary,) = tmp_path.rglob("summary.json")
    assert (json.loads(summary.read_text())["status"], json.loads(summary.read_text())["epochs"]) == ("finished", 4)


IN_ONE_PROCESS = """
import sys
from ffnn.cli import main
for words in {commands}:
    sys.argv = ["ffnn", *words]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (words, end.code)
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs, of which one has a name with signs beyond ASCII."""
    folder = tmp_path_factory.mktemp("recorded")
    train = ["train", *SMALL, "--runs_dir=runs"]
    script = IN_ONE_PROCESS.format(commands=[train, [*train, "--seed=1", "--name=größe"]])
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True, capture_output=True, timeout=200)
    return folder


def commands_that_print(folder: Path, repository: Path) -> list[list[str]]:
    run = str(next(folder.glob("runs/train/digits*")).relative_to(folder))
    return [
        ["compare", "runs", "--by=seed"], ["doctor", "runs"], ["evaluate", run], ["data", "list"],
        ["data", "info", "digits"], ["run", str(repository / "experiments/exp1-baseline.yaml"), "--check"],
        ["sweep", str(repository / "sweeps/lr_bayes.yaml"), "--check"], ["train", "--help"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "environ",
    [{"LC_ALL": "C", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "latin-1"}],
)
@pytest.mark.slow
def test_every_encoding_will_do(environ: dict[str, str], recorded: Path, repository: Path) -> None:
    script = IN_ONE_PROCESS.format(commands=commands_that_print(recorded, repository))
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=recorded, env={**os.environ, **environ}, capture_output=True, check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert b"reference" in result.stdout
    assert b"Error" not in result.stderr


@pytest.mark.slow
def test_a_command_whose_output_nobody_reads_ends_well(recorded: Path, repository: Path) -> None:
    script = IN_ONE_PROCESS.format(commands=commands_that_print(recorded, repository))
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=recorded, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert b"Error" not in errors


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [*FFNN, "data", "list"], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert result.returncode == 2
    assert result.stderr == "ffnn: what is printed cannot be written: No space left on device\n"


def test_a_run_that_diverged_has_an_exit_code_of_its_own_and_as_a_trial_none(tmp_path: Path) -> None:
    words = [*FFNN, "train", *SMALL, "--learning_rate=1e30"]
    assert subprocess.run(words, cwd=tmp_path, capture_output=True, check=False).returncode == 3
    for told_by in ("WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH"):  # an agent, and `ffnn sweep`
        assert exit_code("diverged", {told_by: "abc"}) == 0
    assert [exit_code(status, {}) for status in ("finished", "diverged", "stopped")] == [0, 3, 130]
