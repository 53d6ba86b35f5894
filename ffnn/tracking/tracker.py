"""What a tracker is: someone told, in plain values, what a run measures.

Training speaks this interface only, so it never knows whether anybody listens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ffnn.tracking.delivery import Delivery

MAX_WRONG = 64


@dataclass(frozen=True)
class DatasetReference:
    """Which data a run uses, never the data themselves: name, hash of images and labels, examples of each part."""

    name: str
    digest: str
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class WrongImage:
    """One image, (height, width) or (height, width, 3), that the network is wrong about.

    `index` is its row in the data set's part, `label` and `predicted` are numbers of classes, and `confidence` is the
    probability of the predicted one.
    """

    index: int
    image: NDArray[np.uint8]
    label: int
    predicted: int
    confidence: float


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """What the final evaluation found, in plain values.

    `confusion` (classes, classes) counts: the row is the truth, the column what was predicted. Of each class, in order,
    `per_class` has class, precision, recall, f1, support. `wrong` are at most 64 images, the most confident ones first.
    `part` is which part of the data was evaluated; names begin with it, as in ``test/confusion_matrix``. ValueError if
    the sizes disagree.
    """

    confusion: NDArray[np.int64]
    class_names: Sequence[str]
    per_class: Sequence[Mapping[str, Any]] = ()
    wrong: Sequence[WrongImage] = ()
    part: str = "test"

    def __post_init__(self) -> None:
        classes = len(self.class_names)
        if self.confusion.shape != (classes, classes):
            raise ValueError(
                f"confusion: expected shape {(classes, classes)} for {classes} class names; "
                f"received {self.confusion.shape}"
            )
        if len(self.wrong) > MAX_WRONG:
            raise ValueError(f"wrong: expected at most {MAX_WRONG} images; received {len(self.wrong)}")


class Tracker(Protocol):
    """Told about one run, in this order: start, any number of logs, finish.

    No method raises for a reason of the tracker's own or waits for a network, except `finish`,
    which waits a limited time. Numbers may be NaN or infinite: the tracker leaves those out.
    """

    @property
    def delivery(self) -> Delivery | None:
        """What became of the run so far, as if the process ended now; None where nobody is told."""

    def start(self) -> None:
        """The run begins."""

    def log_epoch(self, record: Mapping[str, float]) -> None:
        """An epoch's record: `epoch` and names such as train/loss, val/accuracy, grad_norm/linear1."""

    def log_histograms(
        self, epoch: int, weights: Mapping[str, NDArray[Any]], gradients: Mapping[str, NDArray[Any]]
    ) -> None:
        """Parameters and gradients by name; the arrays may change as soon as this returns."""

    def log_evaluation(self, evaluation: EvaluationReport) -> None:
        """The final evaluation of one part of the data."""

    def finish(self, summary: Mapping[str, Any], status: str, hurry: int = 0) -> None:
        """The run is over: what is in summary.json, and "finished", "stopped", "diverged" or "failed".

        `hurry` runs that are to end at once must not take more than three seconds together.
        """

    def abandon(self) -> None:
        """The process must end now: wait for nothing."""
