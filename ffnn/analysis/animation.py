"""A network's decisions while it learns, as a moving picture: regions on the left, its loss on the right.

Most happens early, so that frames lie close together at first: at steps in geometric progression.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.analysis.plane import Plane, decide
from ffnn.figures import COLOURS, new_figure
from ffnn.figures.drawing import own_style
from ffnn.figures.plane import region_colours, scatter_classes
from ffnn.files import storing
from ffnn.nn import Objective
from ffnn.training.metrics import loss_and_accuracy
from ffnn.training.trainer import Callback, Record, Trainer

PER_SECOND = 8
LAST_SECONDS = 2
DPI = 80
PALETTE = 255


@dataclass(frozen=True)
class Frame:
    """The network after some steps: class probabilities (places, classes) on the plane's grid, and how it validates."""

    step: int
    regions: NDArray[np.float32]
    loss: float
    accuracy: float


def frame_steps(steps: int, frames: int) -> list[int]:
    """At most so many different steps from 0 to the last, ever further apart.

    Examples
    --------
    >>> frame_steps(100, 6)
    [0, 1, 3, 10, 32, 100]
    >>> frame_steps(100, 2)
    [0, 100]
    """
    # One point of a progression would be its start.
    between = np.geomspace(1, steps, frames - 1)[:-1]
    return [0, *sorted({steps, *(round(step) for step in between)})]


class Filming(Callback):
    """Looks at the network after these steps of its training, and at its end, whenever that is."""

    def __init__(self, plane: Plane, steps: Sequence[int]) -> None:
        self.frames: list[Frame] = []
        self._grid, self._steps = plane.grid(), set(steps)

    def on_start(self, trainer: Trainer) -> None:
        self._look(trainer)

    def on_step(self, trainer: Trainer) -> None:
        self._look(trainer)

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        self._look(trainer)

    def on_end(self, trainer: Trainer) -> None:
        # What has diverged decides for nothing that could be shown.
        if trainer.status != "diverged" and trainer.step != self.frames[-1].step:
            self._steps.add(trainer.step)
            self._look(trainer)

    def _look(self, trainer: Trainer) -> None:
        if trainer.step in self._steps:
            objective: Objective = trainer.objective
            loss, accuracy = loss_and_accuracy(objective, trainer.val.epoch())
            regions = decide(objective, self._grid).astype(np.float32)
            self.frames.append(Frame(trainer.step, regions, loss, accuracy))


@own_style()
def animate(
    plane: Plane, labels: NDArray[Any], class_names: Sequence[str], frames: Sequence[Frame], path: Path, title: str
) -> None:
    """Write a GIF of the frames, at least one, which stands still for two seconds at its end.

    Labels (rows,) are those of the plane's points; the path ends in .gif.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure, (left, right) = new_figure(8.4, 4.0, columns=2)
    figure.set_dpi(DPI)
    side = round(len(frames[0].regions) ** 0.5)
    shown = left.imshow(np.ones((side, side, 4)), extent=plane.extent, origin="lower", aspect="equal")
    scatter_classes(left, plane.points, labels, class_names, s=12)
    left.set(xlabel=plane.labels[0], ylabel=plane.labels[1])
    handles, names = left.get_legend_handles_labels()
    legend = {"ncols": min(10, len(class_names)), "frameon": False, "fontsize": 8, "markerscale": 1.5}
    figure.legend(handles[:10], names[:10], loc="outside lower center", **legend)
    steps, losses = [frame.step for frame in frames], [frame.loss for frame in frames]
    right.plot(steps, losses, color="#CCCCCC", lw=1.2)
    (behind,) = right.plot([], [], color=COLOURS[0], lw=1.8)
    (now,) = right.plot([], [], "o", color=COLOURS[1])
    right.set(xscale="symlog", xlim=(0, max(1, steps[-1]) * 1.1), ylim=(0, None))
    right.set(xlabel="steps (logarithmic)", ylabel="validation loss")
    figure.suptitle(title, fontsize=11)
    images = []
    canvas = FigureCanvasAgg(figure)
    for place, frame in enumerate(frames):
        shown.set_data(region_colours(frame.regions).reshape(side, side, 4))
        left.set_title(f"step {frame.step:,}: {frame.accuracy:.0%} of the validation part", fontsize=9)
        behind.set_data(steps[: place + 1], losses[: place + 1])
        now.set_data([frame.step], [frame.loss])
        canvas.draw()
        images.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[:, :, :3]))
    # Matplotlib's own writer gives every frame colours of its own, of which a GIF has 256: points would change theirs.
    some = np.concatenate([np.asarray(images[round(place)]) for place in np.linspace(0, len(images) - 1, 5)])
    palette = Image.fromarray(some).quantize(colors=PALETTE, dither=Image.Dither.NONE)
    first, *others = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images)
    path.parent.mkdir(parents=True, exist_ok=True)
    pauses = [1000 // PER_SECOND] * (len(frames) - 1) + [1000 * LAST_SECONDS]
    with storing(path):
        first.save(path, save_all=True, append_images=others, duration=pauses, loop=0, optimize=True)
