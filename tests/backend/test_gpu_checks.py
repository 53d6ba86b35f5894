"""The checks for a card that `.ci/gpu` makes beside the tests, rehearsed on the stand-in for CuPy."""

from unittest import mock

import numpy as np
import pytest
from backend import gpu_replays, gpu_smoke, gpu_versions
from backend.emulated import needs_compiler
from backend.stand_in import stand_in_device

from ffnn.backend.cublas import Cublas
from ffnn.bench.work import Cell


@needs_compiler
def test_all_that_a_card_must_do_is_done_by_the_stand_in(capsys: pytest.CaptureFixture[str]) -> None:
    with stand_in_device():
        assert gpu_smoke.main() == 0
    assert len(capsys.readouterr().out.splitlines()) == len(gpu_smoke.CHECKS)


@needs_compiler
def test_what_fails_is_told_by_name_and_ends_no_other_check(capsys: pytest.CaptureFixture[str]) -> None:
    multiply = Cublas.matmul

    def rounded(self: Cublas, a: object, a_at: int, b: object, b_at: int, out: object, out_at: int) -> None:
        """Products that are wrong in the third digit, as if a mode of the library were set amiss."""
        multiply(self, a, a_at, b, b_at, out, out_at)  # type: ignore[arg-type]
        out._values[...] = out._values * np.float32(1.001)  # type: ignore[attr-defined]

    chosen = {name: check for name, check in gpu_smoke.CHECKS.items() if name.startswith(("arrays", "products"))}
    with (
        stand_in_device(),
        mock.patch.object(Cublas, "matmul", rounded),
        mock.patch.object(gpu_smoke, "CHECKS", chosen),
    ):
        assert gpu_smoke.main() == 2
    told = [line[:40] for line in capsys.readouterr().out.splitlines()]
    assert told == [
        "ok      arrays", "FAILED  products of float64 in float32: ", "FAILED  products of float32 in float32: ",
        "ok      products of float32 in tf32", "ok      products of float32 in bf16",
    ]  # fmt: skip


@needs_compiler
@pytest.mark.slow
def test_replays_are_timed_by_the_cards_clock(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        stand_in_device(),
        mock.patch.object(gpu_replays, "STEPS", 4),
        mock.patch.object(gpu_replays, "REPEATS", 2),
    ):
        gpu_replays.main([Cell("64-16-10", 8)])
    # The stand-in's events are a millisecond apart: 2 times 3 steps.
    line = capsys.readouterr().out
    assert line.startswith("64-16-10 batch 8: a step 166.67 us on the card, ")
    assert "; its products alone 166.67 us on the card, " in line


def test_a_machine_without_what_is_needed_says_what(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_versions, "NEEDED", ("numpy", "nowhere", "no.where"))
    seen = {"one": "print('One 1.0 sees 1 GPU(s)')", "other": "raise OSError('libone.so is not there')"}
    monkeypatch.setattr(gpu_versions, "SEEN", seen)
    with pytest.raises(SystemExit, match=r"^missing here: nowhere, no\.where; install them, or carry them"):
        gpu_versions.main()
    told = capsys.readouterr().out.splitlines()[1:]
    assert told == ["One 1.0 sees 1 GPU(s)", "other does not work: OSError: libone.so is not there"]
