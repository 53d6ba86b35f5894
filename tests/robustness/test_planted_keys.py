"""Keys that lie where W&B's client finds them, or that somebody typed in the wrong place, are in no file of a run."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ffnn.errors import FFNNError
from ffnn.lab.config import make_config
from ffnn.lab.run import train
from ffnn.tracking import redact
from ffnn.training.callbacks import Callback

IN_ENVIRONMENT = "a1b2c3d4e5" * 4
IN_NETRC = "wandb_v1_" + "Zx9Yw8Vu7T" * 7
TYPED = "0f1e2d3c4b" * 4
SHORT = "hunter2-hunter2"
SHORT_IN_NETRC = "n3trc"
OF_MYSQL, OF_POSTGRES, OF_URL = "mysq1", "pgsecret", "0f-url/"

PLANTED = {
    "a URL's password": ("postgresql://me:s3cr3t/w@rd@host:5432/db", "s3cr3t/w@rd"),
    "another URL's": ("mongodb+srv://:pa55@cluster", "pa55@"),
    "a query's": ("postgresql://host/db?user=me&password=quErY9&x=1", "quErY9"),
    "an assignment": ("password=correct-horse", "correct-horse"),
    "a variable": ("MYSQL_PWD=batt3ry", "batt3ry"),
    "a setting": ("api_key: st4ple", "st4ple"),
    "a name with hyphens": ("api-key=st5ple", "st5ple"),
    "JSON": ('{"secret": "two words"}', "two words"),
    "netrc in a line": ("machine api.wandb.ai login user password sh0rt", "sh0rt"),
    "Hugging Face": ("hf_abcdefghijKLMNOPqrstuvwxyz01234567",) * 2,
    "OpenAI": ("sk-proj-Abcdefghij0123456789xyz",) * 2,
    "OpenAI, old": ("sk-Abcdefghij0123456789T3BlbkFJAbcdefghij0123456789",) * 2,
    "AWS": ("AKIAIOSFODNN7EXAMPLE",) * 2,
    "AWS, secret": ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI/K7MDENG"),
    "GitLab": ("glpat-Zx9Yw8Vu7TZx9Yw8Vu7T",) * 2,
    "GitHub": ("ghp_" + "Zx9Yw8" * 6,) * 2,
    "GitHub, fine-grained": ("github_pat_11ABCDEFG0_Zx9Yw8Vu7TZx9Yw8Vu7T",) * 2,
    "Slack": ("xoxb-123456789012-Zx9Yw8Vu7T",) * 2,
    "JSON web token": ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.Zx9Yw8Vu7T",) * 2,
    "Stripe": ("sk_live_" + "Zx9Yw8" * 4,) * 2,
    "W&B": (TYPED, TYPED),
}
"""What somebody types, and the part of it that nobody else may read."""

ORDINARY = (
    "the password is not written down", "tokens: 512", "learning_rate=0.001", "first pass: better", "keyboard: qwerty",
    "sk-learn-comparison-2024", "glorot-uniform-init-2", "exp3-optimizers-fashion_mnist-all-conditions-2026-11-21",
    "http://localhost:8080/a@b", "runs/exp3-optimizers-digits/digits-adam-s0-20261121-180820", "1f384fa66dc0331c",
    "seed=3, epochs: 15; batch_size=64", "hidden_layers=[256, 128]", "--optimizer={name: adam, beta1: 0.8}",
)  # fmt: skip

KEYS = [
    *(key.encode() for _, key in PLANTED.values()),
    *(key.encode() for key in (IN_ENVIRONMENT, IN_NETRC, SHORT, SHORT_IN_NETRC, OF_MYSQL, OF_POSTGRES, OF_URL)),
]
SMALL = ["--epochs=1", "--hidden_layers=[4]", "--batch_size=512", "--wandb=offline"]


def files_with_keys(folder: Path) -> Iterator[str]:
    """Every file at or below a folder whose bytes, or whose name, hold one of the keys."""
    for path in folder.rglob("*"):
        inside = path.read_bytes() if path.is_file() else b""
        for key in KEYS:
            if key in os.fsencode(path.relative_to(folder)):
                yield f"{path}: {key!r} in its name"
            if key in inside:
                yield f"{path}: {key!r}"


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment with keys in every place that the client looks at, and passwords of other programs."""
    netrc = tmp_path / "home" / ".netrc"
    netrc.parent.mkdir()
    netrc.write_text(
        f"machine api.wandb.ai\n  login user\n  password {IN_NETRC}\nmachine host login me password {SHORT_IN_NETRC}\n"
    )
    netrc.chmod(0o600)
    planted = {
        "WANDB_API_KEY": IN_ENVIRONMENT, "NETRC": str(netrc), "HOME": str(netrc.parent), "DB_PASSWORD": SHORT,
        "MYSQL_PWD": OF_MYSQL, "PGPASSWORD": OF_POSTGRES, "DATABASE_URL": f"mysql://me:{OF_URL}@host/db",
    }  # fmt: skip
    for name, value in planted.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.mark.parametrize("kind", PLANTED)
def test_every_kind_of_key_is_blotted_out_of_text(kind: str) -> None:
    text, key = PLANTED[kind]
    for whole in (text, f"before {text} after", f"--notes={text}", f"a, {text}"):
        clean = redact(whole, {})
        assert key not in clean
        assert "***" in clean
    assert redact(f"before {text} after", {}).startswith("before ")


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_words_names_and_numbers_stay(text: str) -> None:
    assert redact(text, {}) == text


def test_secrets_of_this_machine_are_blotted_out_even_where_they_are_short(environ: dict[str, str]) -> None:
    said = f"{OF_MYSQL} {OF_POSTGRES} {OF_URL}; {SHORT_IN_NETRC}, in {environ['HOME']}"
    assert redact(said) == f"*** *** ***; ***, in {environ['HOME']}"
    folder = os.getcwd()  # noqa: PTH109  as PWD has it
    assert redact(folder, {"PWD": folder, "OLDPWD": folder}) == folder


@pytest.mark.parametrize("setting", ["name", "group", "project", "entity", "job_type", "runs_dir", "data_dir"])
def test_what_names_a_folder_is_refused_with_a_key_in_it_and_the_key_is_not_shown(setting: str) -> None:
    for text, key in PLANTED.values():
        if setting.endswith("_dir") and key == TYPED:
            continue  # caches name folders by such digests
        with pytest.raises(FFNNError, match=f"^{setting}: expected it without a key or password") as refusal:
            make_config({setting: f"a-{text}" if setting.endswith("_dir") else text})
        assert key not in str(refusal.value)
    assert make_config({setting: ORDINARY[7]}).resolved()[setting] == ORDINARY[7]


def test_a_path_of_data_is_refused_with_a_key_in_it() -> None:
    with pytest.raises(FFNNError, match=r"^dataset: expected it without a key or password"):
        make_config({"dataset": {"name": "folder", "path": "s3://me:pa55w0rd@host/photos"}})


def test_keys_among_tags_or_notes_are_blotted_out(environ: dict[str, str], tmp_path: Path) -> None:
    """One of each kind in each place, in the files of one run."""
    typed = [text for text, _ in PLANTED.values()]
    settings = {
        "tags": ["mine", *typed, OF_MYSQL],
        "notes": "\n".join([*typed, IN_ENVIRONMENT, SHORT, OF_POSTGRES, OF_URL, SHORT_IN_NETRC]),
    }
    small = {"wandb": "disabled", "epochs": 1, "hidden_layers": [4], "batch_size": 512}
    record = train(
        make_config({**settings, **small, "runs_dir": str(tmp_path / "runs")}), lambda line: None, Callback()
    )
    assert record.config["tags"][0] == "mine"
    assert record.config["tags"][-1] == "***"
    assert list(files_with_keys(tmp_path / "runs")) == []


def test_a_sweep_and_an_experiment_are_refused_with_a_key_in_a_name(tmp_path: Path) -> None:
    from ffnn.lab.experiment.check import check_files
    from ffnn.lab.sweep.schema import read_sweep

    (tmp_path / "s.yaml").write_text("method: grid\nparameters:\n  notes: {value: password=s3cr3t}\n")
    with pytest.raises(FFNNError, match=r"s.yaml:3: parameters.notes.value: expected it without") as refusal:
        read_sweep(tmp_path / "s.yaml")
    (tmp_path / "e.yaml").write_text(
        "question: Is it?\nexpected: Yes.\nbase: {}\nconditions:\n  password=s3cr3t: {seed: 1}\n"
    )
    problems = check_files([tmp_path / "e.yaml"], {})[1]
    assert any("expected it without a key or password" in problem for problem in problems)
    assert "s3cr3t" not in f"{refusal.value} {problems}"


@pytest.mark.slow
def test_no_planted_key_is_in_any_file_or_line(environ: dict[str, str], tmp_path: Path) -> None:
    """A run and a sweep, as processes, recorded for W&B; with a search that finds the key where it was planted."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "sweep.yaml").write_text(
        "method: grid\nmetric: {name: best/val/accuracy, goal: maximize}\nparameters: {seed: {values: [0, 1]}}\n"
    )
    everything = " ".join([*(text for text, _ in PLANTED.values()), SHORT, OF_MYSQL, OF_POSTGRES, SHORT_IN_NETRC])
    typed = ["--tags=" + str([TYPED, PLANTED["OpenAI"][0]]), f"--notes={everything}"]
    of_client = {"WANDB_NOTES": everything, "WANDB_TAGS": f"a,{PLANTED['GitLab'][0]}", "WANDB_JOB_TYPE": f"k-{TYPED}"}
    said = b""
    for words in (
        ["train", *SMALL, *typed],
        ["train", *SMALL],
        ["sweep", "sweep.yaml", *SMALL, *typed],
        ["train", *SMALL, f"--api_key={TYPED}"],
        ["train", *SMALL, "--wandb_api_key", TYPED],
        ["train", *SMALL, f"--group={PLANTED['Hugging Face'][0]}"],
        ["report", "runs/train", "--no-pdf"],
    ):
        command = [sys.executable, "-m", "ffnn", *words]
        own = of_client if words == ["train", *SMALL] else {}
        done = subprocess.run(command, cwd=work, env={**environ, **own}, capture_output=True, timeout=200, check=False)
        refused = words[-1].startswith("--api_key") or words[-2] == "--wandb_api_key" or words[-1].startswith("--group")
        assert done.returncode == (2 if refused else 0), done.stderr.decode()
        said += done.stdout + done.stderr
    assert [key for key in KEYS if key in said] == []
    assert len(list(work.rglob("*.wandb"))) == 4
    assert list(work.rglob("report.html"))
    assert list(files_with_keys(work)) == []
    assert len(list(files_with_keys(tmp_path / "home"))) >= 1
