"""Keys that lie where W&B's client finds them, or that somebody typed in the wrong place, are in no file of a run."""

import html
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from ffnn.errors import FFNNError
from ffnn.lab.config import make_config
from ffnn.lab.run import train
from ffnn.rate_finder.present import command_with
from ffnn.tracking import redact
from ffnn.tracking.environment import recorded_command
from ffnn.tracking.keys import key_fault, without_secrets
from ffnn.tracking.wandb_client import shortened
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
    "a token as a URL's user": ("https://Zx9Yw8Vu7T@host/simple",) * 2,
    "a token as another URL's user": ("git+ssh://Zx9Yw8Vu7TZx9Yw8Vu7T@host/x", "Zx9Yw8Vu7TZx9Yw8Vu7T"),
    "a connection string": ("AccountName=me;AccountKey=Zx9Yw8Vu7T==;EndpointSuffix=net", "Zx9Yw8Vu7T"),
    "pass": ("pass=Zx9yw8", "Zx9yw8"),
    "pw": ("pw=Zx9yw8", "Zx9yw8"),
    "auth": ("redis_auth=Zx9yw8", "Zx9yw8"),
    "credentials": ("credentials=Zx9yw8", "Zx9yw8"),
    "API key": ("API KEY: st6ple", "st6ple"),
    "secret key": ("secret key: st7ple", "st7ple"),
    "a header": ("Authorization: Bearer Zx9Yw8Vu", "Zx9Yw8Vu"),
    "a header in JSON": ('{"Authorization": "Basic bWU6cHc="}', "bWU6cHc"),
    "an option": ("--password hunter3", "hunter3"),
    "another option": ("--hf-token Zx9yw8", "Zx9yw8"),
    "a number": ("password=31415926", "31415926"),
    "quotes within": ("password=ab'cd!9z", "cd!9z"),
    "a quote left open": ("secret='Qz7leak1x", "Qz7leak1x"),
    "quotes that repr escapes": ("secret=\\'Qz7 leak1x\\'", "leak1x"),
    "quotes that JSON escapes": ('{\\"secret\\": \\"Qz7 leak2x\\"}', "leak2x"),
    "quotes that a shell needs": ("""secret='"'"'Qz7 leak3x'"'"'""", "leak3x"),
    "quotes that HTML escapes": ("secret=&#x27;Qz7 leak4x&#x27;", "leak4x"),
    "Stripe, for tests": ("sk_test_" + "Zx9Yw8" * 4,) * 2,
    "Google OAuth": ("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",) * 2,
    "Shopify": ("shpat_" + "0f1e2d3c" * 4,) * 2,
    "Databricks": ("dapi" + "0f1e2d3c" * 4,) * 2,
    "Heroku": ("HRKU-0f1e2d3c-4b5a-4697-8879-0f1e2d3c4b5a",) * 2,
    "Square": ("sq0atp-Zx9Yw8Vu7TZx9Yw8Vu7TZx",) * 2,
}
"""What somebody types, and the part of it that nobody else may read."""

ORDINARY = (
    "the password is not written down", "tokens: 512", "learning_rate=0.001", "first pass: better", "keyboard: qwerty",
    "sk-learn-comparison-2024", "glorot-uniform-init-2", "exp3-optimizers-fashion_mnist-all-conditions-2026-11-21",
    "http://localhost:8080/a@b", "runs/exp3-optimizers-digits/digits-adam-s0-20261121-180820", "1f384fa66dc0331c",
    "seed=3, epochs: 15; batch_size=64", "hidden_layers=[256, 128]", "--optimizer={name: adam, beta1: 0.8}",
    "max_token=128", "token_size: 64, and more", "token=5", "secret: none", "api_key = True", "PWD=/home/me",
    "wandb_key_metric=loss", "hf_transformers", "sk_test_predictions", f"sha256:{'0f1e2d3c' * 8}", "pass=2 of 3",
    "postgresql://student@host/db", "the option --token is gone", "author: me, authored=2024", "--max_token 128",
    "first_pass=0.9731",
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


@pytest.mark.parametrize("between", [" ", ", ", "\n"])
def test_every_kind_of_key_is_blotted_out_among_all_others(between: str) -> None:
    clean = redact(between.join(text for text, _ in PLANTED.values()), {})
    assert [key for _, key in PLANTED.values() if key in clean] == []


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_words_names_and_numbers_stay(text: str) -> None:
    assert redact(text, {}) == text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DBPASS", "hunter"), ("PASS", "hunter2"), ("ROOT_PW", "hunt3r"), ("REDIS_AUTH", "r3dis"),
        ("AZURE_STORAGE", "AccountName=me;AccountKey=Zx9Yw8Vu7T=="), ("PIP_INDEX_URL", "https://Zx9Yw8Vu7T@host/simple"),
        ("LIBPQ", "host=x password=pgs3cret"), ("OPENAI_KEY", "a1b2c3d4"), ("AWS_SECRET_KEY_2", "/x+9/abcdefgh"),
        ("CLIENT_SECRET", "corre ct"), ("PGPASSWORD", "pg-s"), ("MYSQL_PWD", "mysq1"),
    ],
)  # fmt: skip
def test_variables_of_other_programs_are_known_as_secrets(name: str, value: str) -> None:
    secret = value.partition("://")[2].partition("@")[0] or value.rpartition("=x ")[2].split("Key=")[-1]
    secret = secret.removeprefix("password=")
    assert redact(f"it is {secret}, they say", {name: value}) == "it is ***, they say"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CACHE_KEY", "digits"), ("CACHE_KEY", "digits,mnist10"), ("KEYBOARD", "qwerty-101"), ("KEYS", "sgd1,adam2"),
        ("SSH_KEY_DIR", "keys-of-2024"), ("TOKENIZERS_PARALLELISM", "digits-10"), ("PGPASSFILE", "digits-10"),
        ("DEPLOY_KEY", "/home/me/keys/id_2024"), ("COMPASS", "north-20"), ("PROXY_AUTH", "negotiate"),
        ("KEYRING_PASSWORD", "/run/secrets/p1"), ("XAUTHORITY", "wayland-10"), ("BYPASS", "localhost-1"),
    ],
)  # fmt: skip
def test_variables_that_are_only_named_alike_blot_out_no_words(name: str, value: str) -> None:
    assert redact(f"about {value} and such", {name: value}) == f"about {value} and such"


@pytest.mark.parametrize("value", ["digits", "password", "postgres", "Fashion-MNIST", "cifar10", "momentum", "dropout"])
def test_a_password_that_is_a_word_which_messages_need_blots_out_nothing(value: str) -> None:
    text = f"the password of digits-adam, {value} and {value.upper()}"
    assert redact(text, {"PGPASSWORD": value}) == text
    assert key_fault(f"{value}-adam", {"PGPASSWORD": value}) == ""


def test_a_password_of_letters_is_found_where_it_is_a_word() -> None:
    environ = {"DB_PASSWORD": "marmalade"}
    assert redact("marmalades and marmalade, pw:marmalade", environ) == "marmalades and ***, pw:***"


def test_a_refused_name_is_traced_to_its_variable_and_does_not_show_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"DB_PASSWORD": "marmalade", "DATABASE_URL": "postgresql://me:0rang3@host/db"}.items():
        monkeypatch.setenv(name, value)
        secret = value.rpartition("me:")[2].partition("@")[0]
        with pytest.raises(FFNNError, match=f"environment variable {name} holds$") as refusal:
            make_config({"group": f"by-{secret}"})
        assert secret not in str(refusal.value)


QUOTED = {
    "an apostrophe": ("--notes=can't: secret='Qz7leak1x'", "Qz7leak1x"),
    "tags": ("""--tags=["it's", "api_key='Qz7 leak2x'"]""", "leak2x"),
    "JSON": ("""--notes={"it's": 1, 'secret': 'Qz7 leak3x'}""", "leak3x"),
    "a variable's value": ("--notes=I use ab'cd!9z", "cd!9z"),
}


@pytest.mark.parametrize("kind", QUOTED)
def test_a_recorded_command_hides_what_quotes_for_a_shell_would_split(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_PASSWORD", "ab'cd!9z")
    word, secret = QUOTED[kind]
    *before, noted = shlex.split(recorded_command(["ffnn", "train", "--epochs=3", word]))
    assert before == ["ffnn", "train", "--epochs=3"]
    assert secret not in noted
    assert "***" in noted


@pytest.mark.parametrize(
    "quote",
    [
        repr,
        json.dumps,
        shlex.quote,
        html.escape,
        lambda text: yaml.safe_dump(text, default_style="'", allow_unicode=True),
    ],
    ids=["repr", "JSON", "shell", "HTML", "YAML"],
)
@pytest.mark.parametrize("text", ["I use {}", 'I "use" {}', "I can't: {}"])
def test_a_secret_of_this_machine_is_known_in_quotes(quote: Callable[[str], str], text: str) -> None:
    secret = "ab'cd!\\\"9é<z"
    assert "9é<z" in secret
    clean = redact(quote(text.format(secret)), {"LAB_PASSWORD": secret})
    assert [part for part in ("cd!", "<z", "lt;z") if part in clean] == []


def test_the_command_of_a_range_test_is_recorded_without_keys() -> None:
    assert command_with(0.1532, ["--notes=password='x y'"]) == "ffnn train '--notes=password=***' --learning_rate=0.15"


def test_options_named_like_a_secret_keep_what_is_none() -> None:
    words = ["--max_token=128", "--max-token", "128", "--wandb_key_metric=loss", "--auth=none", "--tokenizer=words"]
    assert without_secrets(words) == words


def test_a_text_is_cut_only_after_its_keys_are_gone() -> None:
    assert "Zx9" not in shortened("a" * 150 + " " + PLANTED["GitHub"][0])


def test_what_follows_a_key_in_a_sentence_stays() -> None:
    assert redact("conditions.token=x9: expected it without", {}) == "conditions.token=***: expected it without"
    assert redact("(api_key=x9), then password: y9.", {}) == "(api_key=***), then password: ***."


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
    from ffnn.experiment.check import check_files
    from ffnn.sweep.schema import read_sweep

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
