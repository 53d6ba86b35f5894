"""What a run was made with: true, short, and without anything secret."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ffnn
from ffnn.tracking import describe_environment, environment, plain, redact, speed_warning
from ffnn.tracking.environment import core_warning
from ffnn.tracking.keys import without_secrets

SECRET = "correct-horse-battery"  # not a long word: only its variable's name gives it away
HASWELL = ["sse2", "avx", "avx2", "fma"]
SKYLAKE = [*HASWELL, "avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"]


def test_is_plain_and_tells_the_versions() -> None:
    found = describe_environment()
    assert plain(found) == found
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["versions"]["numpy"] == np.__version__
    assert found["versions"]["ffnn"] == ffnn.__version__
    assert {"python", "numba", "wandb", "scipy", "scikit-learn"} <= set(found["versions"])
    assert 1 <= found["cpu"]["usable_cores"] <= found["cpu"]["logical_cores"]


def test_blas_is_the_one_that_numpy_uses() -> None:
    assert [library["threads"] for library in describe_environment()["blas"] if library["threads"] >= 1]
    name = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    assert any(library["library"] in name for library in describe_environment()["blas"])


def test_only_thread_variables_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("DATABASE_PASSWORD", SECRET)
    monkeypatch.setenv("SOME_SETTING", "private-setting")
    found = describe_environment()
    assert found["thread_variables"]["OMP_NUM_THREADS"] == "2"
    text = json.dumps(found)
    assert SECRET not in text
    assert "private-setting" not in text


def test_command_line_loses_its_keys(environ: dict[str, str]) -> None:
    code = "import json; from ffnn.tracking import describe_environment as d; print(json.dumps(d()['command']))"
    key = "0123456789abcdef" * 3
    arguments = ["--api-key=topsecret1", "--token", "topsecret2", f"--note={key}", "--epochs=3", f"x={SECRET}"]
    environ |= {"MY_API_KEY": SECRET}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environ, capture_output=True, text=True, timeout=300, check=True
    )
    command = json.loads(done.stdout)
    assert shlex.split(command)[3:] == ["--api-key=***", "--token", "***", "--note=***", "--epochs=3", "x=***"]
    assert shlex.split(command)[0] == sys.executable


def test_redact_keeps_what_only_looks_long() -> None:
    path = "/home/someone/runs/exp3-optimizers-fashion/fashion-mnist-adam-s0-20261121"
    assert redact(path, {}) == path
    assert redact("a" * 60, {}) == "a" * 60
    assert redact("short", {"API_KEY": "short"}) == "short"


def test_an_option_after_a_secret_one_is_not_its_value() -> None:
    assert without_secrets(["--token", "--epochs=3", "-p", "x"]) == ["--token", "--epochs=3", "-p", "x"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with a package in it; skipped where git is missing."""
    git = shutil.which("git")
    if not git:
        pytest.skip("needs git")
    package = tmp_path / "repository/package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([git, *identity, *arguments], cwd=package.parent, check=True, timeout=300)
    return package


def git_state(package: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str | None, bool | None]:
    monkeypatch.setattr(environment.ffnn, "__file__", str(package / "__init__.py"))
    environment._git_state.cache_clear()
    found = describe_environment()
    return found["git_commit"], found["git_dirty"]


def test_commit_of_a_clean_and_a_changed_checkout(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True, check=True, timeout=20
    ).stdout.strip()
    assert git_state(checkout, monkeypatch) == (head, False)
    (checkout.parent / "notes.txt").write_text("outside the package")
    assert git_state(checkout, monkeypatch) == (head, False)
    (checkout / "new.py").write_text("")
    assert git_state(checkout, monkeypatch) == (head, True)


def test_git_is_asked_once_a_process(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many small runs it would take a good part of the time, and what is committed later is not what is loaded."""
    state = git_state(checkout, monkeypatch)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("git is asked again"))
    assert (describe_environment()["git_commit"], describe_environment()["git_dirty"]) == state


def test_a_package_that_only_lies_in_a_repository_has_no_commit(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = checkout.parent / ".venv/package"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    assert git_state(installed, monkeypatch) == (None, None)


def test_without_git_there_is_no_commit(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert git_state(checkout, monkeypatch) == (None, None)


@pytest.mark.parametrize(
    ("core", "flags", "names"),
    [
        ("Haswell", SKYLAKE, ("AVX2", "AVX-512")),
        ("ZEN", SKYLAKE, ("AVX2", "AVX-512")),
        ("Sandybridge", HASWELL, ("AVX", "AVX2")),
        ("Nehalem", ["sse2", "avx"], ("SSE", "AVX")),
    ],
)
def test_a_core_below_the_cpu_is_told(core: str, flags: list[str], names: tuple[str, str]) -> None:
    line = core_warning(core, flags)
    assert line == (
        f"OPENBLAS_CORETYPE={core} holds NumPy to {names[0]} on a CPU with {names[1]}: unset it to train faster"
    )


@pytest.mark.parametrize(
    ("core", "flags"),
    [
        ("", SKYLAKE),
        ("Haswell", HASWELL),
        ("Haswell", [*HASWELL, "avx512f"]),  # a first-generation AVX-512 core, for which OpenBLAS has no kernels
        ("SkylakeX", HASWELL),
        ("SkylakeX", SKYLAKE),
        ("Cortexa57", SKYLAKE),
        ("Nehalem", []),
    ],
)
def test_no_warning_where_nothing_is_lost_or_known(core: str, flags: list[str]) -> None:
    assert core_warning(core, flags) is None


def test_speed_warning_reads_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    assert speed_warning() is None
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    cpu_info = Path("/proc/cpuinfo")
    flags = cpu_info.read_text() if cpu_info.exists() else ""
    assert (speed_warning() is not None) == (" avx" in flags)


def test_says_nothing_without_cpuinfo(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.setattr(Path, "read_text", missing)
    assert speed_warning() is None
    assert describe_environment()["cpu"]["model"]
