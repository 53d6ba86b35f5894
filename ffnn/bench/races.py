"""The two races by their engine: on the CPU with numba, on a GPU with cupy; what each is about unless told otherwise.

On the GPU an epoch is a whole one of the published data set, as its price a step is what few steps would hide.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ffnn.bench.contenders import CONTENDERS, contender_class
from ffnn.bench.work import BATCH_SIZES, NETWORKS, PUBLISHED, SMALL, Cell

EMNIST_IMAGES = 814_255
"""Of EMNIST ByMerge, training and test part together, as Tobio pooled them."""

MNIST_IMAGES = 60_000
"""Of MNIST's training part, on which Davies trained."""


@dataclass(frozen=True)
class RaceDefaults:
    """What a race is about.

    `cells` are batch sizes by network, `quick_cells` the same for a first look. Contenders compute on `device`, "cpu"
    or "cuda", and answer within `timeout` seconds; with `stacks` those take part that train several networks at once.
    `images` are those of an epoch by network; where there is none, an epoch has a length in seconds.
    """

    cells: Mapping[str, Sequence[int]]
    quick_cells: Mapping[str, Sequence[int]]
    device: str
    stacks: bool
    images: Mapping[str, int]
    timeout: float

    def contenders(self) -> list[str]:
        """Those that take part unless others are named."""
        classes = {name: contender_class(name) for name in CONTENDERS}
        return [n for n, c in classes.items() if c.device == self.device and (self.stacks or c.networks == 1)]

    def choose(self, networks: Sequence[str], batch_sizes: Sequence[int], *, quick: bool) -> list[Cell]:
        """The cells of these networks and batch sizes; where none are named, those of the race."""
        usual = self.quick_cells if quick else self.cells
        spare = next(iter(usual.values()))
        return [
            Cell(network, batch_size)
            for network in networks or usual
            for batch_size in batch_sizes or usual.get(network, spare)
        ]


M0, M1G, DAVIES = (PUBLISHED[name] for name in ("M0", "M1g", "davies"))

CPU_NETWORKS = [name for name in NETWORKS if name not in (M0, SMALL)]
"""M0 differs from a network with Adam by its optimizer alone, and the small one is for stacks."""

RACES: Mapping[str, RaceDefaults] = {
    "numba": RaceDefaults(
        cells=dict.fromkeys(CPU_NETWORKS, BATCH_SIZES),
        quick_cells=dict.fromkeys(("784-64-10", "784-128-64-47"), (32, 128)),
        device="cpu",
        stacks=False,
        images={},
        timeout=180.0,
    ),
    "cupy": RaceDefaults(
        cells={M0: (512,), M1G: (512,), DAVIES: BATCH_SIZES},
        quick_cells={M1G: (512,), DAVIES: (32,)},
        device="cuda",
        stacks=True,
        images={name: MNIST_IMAGES if name == DAVIES else EMNIST_IMAGES for name in NETWORKS},
        # torch.compile tries many kernels for each product.
        timeout=900.0,
    ),
}
"""By the name of ffnn's engine."""
