"""Whole commands with random words: exit code 0, 1 or 2, one line for a refusal, and no run without a status."""

import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from robustness.test_bad_input import at_most

from ffnn.cli import main
from ffnn.lab.config import Config

EXAMPLES = int(os.environ.get("FFNN_FUZZ_EXAMPLES", "10"))
LAST = ["--epochs=1", "--dataset=digits", "--wandb=disabled", "--threads=1", "--framework=ffnn", "--runs_dir=runs"]
"""What keeps a run small whatever else was drawn; of a setting given twice the last counts."""

VALUES = st.sampled_from((
    "0", "1", "-1", "2", "0.5", "1e-3", "nan", "inf", "-inf", "1e30", "1e400", "true", "None", "[]", "[4]", "[0]", "{}",
    "[4, x]", "{name: x}", "{'name': 'adam', 'beta1': 2}", "adam", "relu", "x", "", " ", "a/b", "..", "\udcff", "full",
    "balanced", "[flip]", "[{name: shift, pixels: 99}]", "cosine", "focal", "val/loss", "float64", "[2024-13-45]", "€",
    "{name: adam, epsilon: 1e-8}", "{name: adam, beta1: 0.9, beta1: 0.8}", "{'beta1': 0.9, 'beta1': 0.8}",
    "{name:adam}", "012", "1:30", "1_000", ".inf", "yes", "2024-01-31", "\u0663", "0o17", "256", "{[]: 1}", "'", '"',
    "(", "\n", "0x" + 5000 * "f", "[" * 200,
)) | st.text(max_size=6)  # fmt: skip
NAMES = st.sampled_from(sorted(set(Config.model_fields) - {"data_dir", "hidden_layers", "num_layers", "hidden_units"}))
WORDS = st.builds(
    "--{}={}".format, NAMES | st.builds("{}.{}".format, NAMES, st.sampled_from(("name", "x", ""))), VALUES
)


def called(words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """The exit code of a command and what it wrote to standard error."""
    monkeypatch.setattr(sys, "argv", ["ffnn", *words])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0), capsys.readouterr().err


def test_a_random_command_line_ends_in_a_run_or_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(WORDS, max_size=3), st.sampled_from(["[4]", "[]", "[3, 3]"]))
    def try_it(words: list[str], layers: str) -> None:
        before = set(Path().glob("runs/*/*"))
        with at_most(30):
            code, errors = called(["train", *words, *LAST, f"--hidden_layers={layers}"], capsys, monkeypatch)
        made = set(Path().glob("runs/*/*")) - before
        assert code in (0, 2, 3), errors
        if code == 2:
            assert errors.splitlines()[-1].startswith("ffnn: ")
            assert not made, errors
        for path in made:
            assert json.loads((path / "summary.json").read_text())["status"] == {0: "finished", 3: "diverged"}[code]

    try_it()


SEPARATE = st.sampled_from((
    "--config", "--config=x", "--resume", "--check", "--out", "--count=1", "--count=x", "--seed=-1", "--workers=0",
    "--", "x.yaml", ".", "/dev/null", "", "--noise=0,x", "--noise=nan", "--metric=x", "--where=x", "--by=,", "\udcff",
    "--help",
))  # fmt: skip
COMMANDS = ("train", "sweep", "run", "evaluate", "report", "compare", "data", "analyze", "doctor", "study", "gradcheck")


def test_wrong_arguments_of_every_command_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    @settings(max_examples=2 * EXAMPLES, suppress_health_check=list(HealthCheck), database=None)
    @given(st.sampled_from(COMMANDS), st.lists(SEPARATE, max_size=3))
    def try_it(command: str, words: list[str]) -> None:
        with at_most(30):
            code, errors = called([command, "--epochs=0", *words], capsys, monkeypatch)
        assert code in (0, 2), errors
        assert code == 0 or len(errors.splitlines()) == 1, errors
        assert not list(Path().iterdir())

    try_it()
