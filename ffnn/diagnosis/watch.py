"""The doctor beside a run under way: a line for each symptom, once, as soon as it is there to stay."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ffnn.diagnosis.course import Course
from ffnn.diagnosis.symptom import diagnose
from ffnn.training.trainer import Callback, Record, Trainer

SELDOM = 1.25
"""Epochs until the next look, over those until this one: all looks together then cost no more than some of the last."""


class Watch(Callback):
    """Tells of each symptom when two looks in a row have found it; `notify` takes lines for the user."""

    def __init__(self, config: Mapping[str, Any], classes: Sequence[str], notify: Callable[[str], None]) -> None:
        self.config, self.classes, self.notify = config, classes, notify
        self._next = 1
        self._seen: set[str] = set()
        self._told: set[str] = set()

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        if trainer.epoch < self._next:
            return
        self._next = max(trainer.epoch + 1, int(SELDOM * trainer.epoch))
        counts = {"train": trainer.train.size, "val": trainer.val.size}
        findings = diagnose(Course(self.config, trainer.history, self.classes, counts))
        for finding in findings:
            if finding.symptom in self._seen - self._told:
                self._told.add(finding.symptom)
                self.notify(f"doctor, epoch {trainer.epoch}: {finding.headline}; try {finding.remedy}")
        self._seen = {finding.symptom for finding in findings}
