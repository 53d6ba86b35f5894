"""A sweep's folder remembers where its trials are kept: no call can overwrite the results of another storage."""

from pathlib import Path

import pytest
from sweep_files import write_sweep

from ffnn.errors import FFNNError
from ffnn.sweep.analysis import leave_files
from ffnn.sweep.engine import Wish
from ffnn.sweep.ledger import Ledger
from ffnn.sweep.plan import Plan
from ffnn.sweep.schema import read_sweep
from ffnn.sweep.session import make_sampler, open_sweep
from ffnn.sweep.storage import public_address
from ffnn.sweep.trials import FINISHED, Outcome


def opened(file: Path, storage: str | None, resume: bool = False) -> tuple[Plan, Ledger]:
    return open_sweep(read_sweep(file), {"runs_dir": str(file.parent / "runs")}, Wish(storage=storage, resume=resume))


def refused(file: Path, storage: str | None, resume: bool = False) -> str:
    with pytest.raises(FFNNError) as caught:
        opened(file, storage, resume)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def work(file: Path, storage: str | None) -> Path:
    """A sweep with one finished trial; its table."""
    plan, ledger = opened(file, storage)
    proposal = make_sampler(plan).propose(ledger.trials())
    assert proposal
    trial = ledger.claim(proposal, None)
    assert trial
    ledger.end(trial, Outcome(FINISHED, best=0.5, latest=0.5))
    return leave_files(ledger.trials(), plan, {})["trials"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_sweep(tmp_path / "s.yaml", {"l2": {"values": [0, 0.1]}})


def test_a_sweep_with_a_storage_is_not_overwritten_without_it(file: Path, tmp_path: Path) -> None:
    shared = str(tmp_path / "shared.log")
    table = work(file, shared)
    before = table.read_text()
    for resume in (False, True):
        said = refused(file, None, resume)
        assert f"kept in {shared}" in said
        assert f"give --storage={shared}" in said
    assert f"give --storage={shared}" in refused(file, str(tmp_path / "other.log"))
    assert not (tmp_path / "other.log").exists()
    assert table.read_text() == before
    assert len(opened(file, shared)[1].trials()) == 1


def test_a_relative_path_is_the_same_storage_from_another_folder(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    work(file, "shared.log")
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    assert len(opened(file, "../shared.log")[1].trials()) == 1
    assert "kept in" in refused(file, "shared.log")


def test_a_sweep_of_its_own_takes_no_storage_later_and_can_be_moved(file: Path, tmp_path: Path) -> None:
    work(file, None)
    assert "leave --storage out" in refused(file, str(tmp_path / "shared.log"))
    (tmp_path / "away").mkdir()
    (tmp_path / "runs").rename(tmp_path / "away" / "runs")
    moved = Path(file.rename(tmp_path / "away" / "s.yaml"))
    assert len(opened(moved, None, resume=True)[1].trials()) == 1


def test_results_whose_storage_is_gone_are_kept(file: Path, tmp_path: Path) -> None:
    table = work(file, str(tmp_path / "shared.log"))
    (tmp_path / "shared.log").unlink()
    before = table.read_text()
    assert "does not have it any more" in refused(file, str(tmp_path / "shared.log"))
    assert table.read_text() == before


def test_a_folder_of_an_older_version_asks_for_its_storage(file: Path, tmp_path: Path) -> None:
    shared = str(tmp_path / "shared.log")
    table = work(file, shared)
    (table.parent / "storage.json").unlink()
    assert "give the same --storage=... as when the sweep began" in refused(file, None)
    assert len(opened(file, shared)[1].trials()) == 1


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql://me:secret@host/sweeps", "postgresql://host/sweeps"),
        ("postgres://me:se%40cret@host:5433/sweeps?password=secret", "postgresql://host:5433/sweeps"),
        ("postgresql://me:se/c#r?et@[::1]:5432/my%20sweeps", "postgresql://[::1]/my%20sweeps"),
        ("postgresql+psycopg:///sweeps?host=/run/pg&user=me&password=secret", "postgresql:///sweeps?host=/run/pg"),
    ],
)
def test_what_is_written_down_has_no_password(address: str, expected: str) -> None:
    assert public_address(address) == expected
