"""ffnn on a GPU, one network and many: the same classes as on the CPU, with the cupy engine.

Steps are recorded, as the engine asks for; every epoch ends by reading its loss, so nothing is left under way.
"""

from typing import ClassVar

from ffnn.bench.arithmetic import parameter_count
from ffnn.bench.contender import CONTENDERS, Contender
from ffnn.bench.contenders.ffnn_stack import FFNNStack
from ffnn.bench.contenders.ffnn_trainer import FFNNTrainer
from ffnn.reference import Description

LARGEST = 100_000
"""Parameters of the largest network of which 100 are raced: a stack is for networks that leave most of a GPU idle."""


class OnCuPy(Contender):
    """What needs a GPU and CuPy, whose distribution is named after the version of CUDA."""

    device = "cuda"
    packages: ClassVar = {"cupy": "cupy"}


@CONTENDERS.register("ffnn-cupy")
class FFNNCuPy(OnCuPy, FFNNTrainer):
    """One network."""

    about = "ffnn with the cupy engine, steps recorded"
    engine = "cupy"


@CONTENDERS.register("ffnn-cupy-x100")
class FFNNCuPyStack(OnCuPy, FFNNStack):
    """100 networks."""

    about = "ffnn with the cupy engine, 100 networks at once, time of each"
    engine = "cupy"
    alone, rival = "ffnn-cupy", "pytorch-gpu"
    networks = 100

    @classmethod
    def unfit(cls, description: Description) -> str:
        count = parameter_count(description)
        return f"stacks are raced with networks of up to {LARGEST} parameters; this has {count}" * (count > LARGEST)
