"""Fixtures that every room's tests share, and the guard that no test touches a real W&B account."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# By default an example that takes 0.2 s fails, which on a busy machine any one may.
hypothesis.settings.register_profile("ffnn", deadline=None)
hypothesis.settings.load_profile("ffnn")

# Two threads of BLAS on small matrices gain little, and wait for each other whenever the machine is busy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A shell without job control, `nohup` among others, starts what runs in the background with Ctrl-C ignored, and
# every process that a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, on other systems, what only POSIX has."""
    if os.name != "posix":
        for item in items:
            if item.get_closest_marker("posix"):
                item.add_marker(pytest.mark.skip(reason="needs a POSIX system"))


@pytest.fixture(autouse=True)
def _isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty home and no W&B settings: a test must not find the developer's key, nor write where they work."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith("WANDB_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NETRC", str(home / ".netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(home / "wandb"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(home / "wandb-cache"))


@pytest.fixture
def repository() -> Path:
    """The checkout's top folder."""
    return Path(__file__).parent.parent


@pytest.fixture(params=["stand-in", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The stand-in, or None for a GPU."""
    from backend.emulated import COMPILER
    from backend.gpu import without_gpu
    from backend.stand_in import stand_in_device

    if request.param == "gpu":
        reason = without_gpu()
        if reason:
            pytest.skip(reason)
        yield None
    elif COMPILER is None:
        pytest.skip("no C++ compiler: kernels cannot be emulated")
    else:
        with stand_in_device() as made:
            yield made
