"""What CuPy and CUDA complain of that a user can mend, in one line: a full device, and parts that are not installed.

Whatever else they raise is a fault of ffnn, and keeps its traceback.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ffnn.errors import FFNNError

INSTALL = "install 'cupy-cuda12x[ctk]' or 'cupy-cuda13x[ctk]', whichever CUDA `nvidia-smi` shows"
"""With the parts of CUDA that CuPy loads: since CuPy 14 the headers are needed for every kernel."""


def first_line(problem: BaseException) -> str:
    """The first line of what it says that has words in it: CuPy draws a rule above some of its messages.

    Examples
    --------
    >>> first_line(ImportError("\\n=====\\nFailed to import CuPy.\\n\\nIf you ..."))
    'Failed to import CuPy.'
    """
    lines = (line.strip() for line in str(problem).splitlines())
    return next((line for line in lines if any(map(str.isalnum, line))), type(problem).__name__)


@contextmanager
def full(cupy: Any) -> Iterator[None]:
    """Within it memory is asked for."""
    try:
        yield
    except cupy.cuda.memory.OutOfMemoryError as problem:
        raise FFNNError(
            f"the device's memory is full ({first_line(problem)}): choose a smaller batch_size, fewer networks in "
            "--stack, or a smaller --device_memory_limit"
        ) from problem


@contextmanager
def incomplete(cupy: Any) -> Iterator[None]:
    """Within it libraries are loaded, and kernels compiled with the headers of CUDA."""
    try:
        yield
    except (RuntimeError, cupy.cuda.compiler.CompileException) as problem:
        if not isinstance(problem, RuntimeError) and "source file" not in str(problem):
            raise  # the source is wrong, and not a header missing
        raise FFNNError(f"engine 'cupy' lacks a part of CUDA; received: {first_line(problem)}; {INSTALL}") from problem
