"""The format of a checkpoint's meta: where training was, in plain values.

A file of which only the weights are wanted may lack all of it; one to go on from may not.
"""

from typing import Annotated, Any

from pydantic import Field

from ffnn.records import Count, Format


class Meta(Format):
    """Of every checkpoint; scores and losses may be infinite or NaN."""

    finite = False

    epoch: Count = 0
    step: Count = 0
    config: dict[str, Any] = Field(default={})


class CallbackState(Format):
    """What a callback remembers."""

    finite = False

    record: dict[str, float] = Field(default={})
    waited: Count = 0
    best: dict[str, Any] = Field(default={})


class TrainerState(Format):
    """Where a trainer was."""

    finite = False

    epoch: Count
    step: Count
    place: Count
    means: Annotated[list[float], Field(min_length=4, max_length=4)]
    seconds: float
    ended: str


class Resumable(Meta):
    """Of a checkpoint that training goes on from."""

    epoch: Count
    step: Count
    trainer: TrainerState
    callbacks: dict[str, CallbackState]
