"""Whatever is in a file or on a command line, ffnn takes it or refuses it in one line: property-based.

`FFNN_FUZZ_EXAMPLES=5000 pytest tests/robustness/test_bad_input.py` tries so many of each; `make fuzz` is for longer.
"""

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from robustness.targets import TARGETS, Target, outcome

pytestmark = pytest.mark.posix

EXAMPLES = int(os.environ.get("FFNN_FUZZ_EXAMPLES", "25"))
PATIENCE = 20  # seconds of the processor for one small file: a reader that takes longer hangs


def spoiled(target: Target) -> st.SearchStrategy[bytes]:
    """Sound files with some places changed, cut, doubled or filled with what such files are made of."""

    def spoil(sample: bytes, seed: int, changes: int) -> bytes:
        rng, content = random.Random(seed), bytearray(sample)
        for _ in range(changes):
            place = rng.randrange(len(content) + 1)
            end = min(len(content), place + rng.choice((0, 1, 4, 16)))
            content[place:end] = rng.choice(
                (
                    *(rng.choice(target.words or (b"",)) for _ in range(2)),
                    rng.randbytes(rng.randint(0, 4)),
                    bytes(content[end : end + 20]),
                    bytes([rng.randrange(256)]) * (end - place),
                )
            )
            if rng.random() < 0.05:
                del content[place:]
        return bytes(content)

    return st.builds(spoil, st.sampled_from(target.samples), st.integers(0, 2**32 - 1), st.integers(1, 5)) | st.binary(
        max_size=200
    )


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    def give_up(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"longer than {seconds} s")

    before = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_sound_is_accepted_and_everything_else_is_one_refusal(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    for sample in target.samples:
        assert outcome(target, sample, tmp_path) == "accepted"

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), database=None)
    @given(spoiled(target))
    def try_it(content: bytes) -> None:
        with at_most(PATIENCE):
            outcome(target, content, tmp_path)

    try_it()


DEEP = b"[" * 3000
LAUGHS = b"a: &a [1, 1]\n" + b"".join(
    b"%c: &%c [*%c, *%c, *%c, *%c]\n" % (n, n, n - 1, n - 1, n - 1, n - 1) for n in range(98, 120)
)
FOUND = [
    ("config", b"notes: !!timestamp 2024-13-45"),
    ("config", b"epochs: 1:30"),
    ("config", b"epochs: 1_000"),
    ("config", b"batch_norm: yes"),
    ("config", b"!!timestamp "),
    ("config", b"!!float "),
    ("config", b"epochs: !!int x"),
    ("config", b"? "),
    ("config", b"optimizer: {name: [1]}"),
    ("config", b"augment: [{name: shift, .nan: 1}]"),
    ("config", b"epochs: 0x" + 5000 * b"f"),
    ("config", DEEP),
    ("config", b"tags: &a [*a]"),
    ("config", LAUGHS),
    ("config", b'runs_dir: "\\0"'),
    ("experiment", b"question: \x10"),
    ("experiment", LAUGHS),
    ("sweep", b"method: grid\nparameters: &a {b: *a}"),
    ("sweep", LAUGHS),
    ("command_line", b"--epochs={[]: 1}"),
    ("command_line", b"--hidden_layers=[2024-13-45]"),
    ("command_line", b"--hidden_layers=[" + DEEP),
    ("command_line", b"--notes=\xff"),
    ("command_line", b"--optimizer={name: adam, beta1: 0.9, beta1: 0.8}"),
    ("command_line", b"--optimizer={'name': 'adam', 'beta1': 0.9, 'beta1': 0.8}"),
    ("command_line", b"--optimizer={name:adam}"),
    ("command_line", b"--optimizer={name: adam, ? }"),
    ("command_line", b"--epochs=0x" + 5000 * b"f"),
    ("config", b'optimizer: {name: adam, "\\ud800": 1}'),
    ("run_config", LAUGHS),
    ("history", b"[1]\n"),
    ("history", b"1\n"),
    ("history", b'{"epoch": NaN}\n'),
    ("history", b'{"epoch": "1"}\n'),
    ("history", DEEP + b"\n"),
    ("summary", DEEP),
    ("summary", b"[]"),
]
"""Small inputs that once ended in something else than one line."""


def test_a_run_whose_name_no_file_can_have_is_one_that_is_missing(tmp_path: Path) -> None:
    content = b"condition,seed,run\na,0," + 5000 * b"9" + b"\n"
    assert outcome(TARGETS["runs_table"], content, tmp_path) == "accepted"


@pytest.mark.parametrize(("name", "content"), FOUND, ids=lambda value: str(value)[:40])
def test_what_was_found_once_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    """Of an experiment every fault is told, in a line each, so that its reader itself refuses nothing."""
    with at_most(PATIENCE):
        assert outcome(TARGETS[name], content, tmp_path) == ("accepted" if name == "experiment" else "refused")
