"""The format of a checkpoint's meta: where training was, in plain values.

A file of which only the weights are wanted may lack all of it; one to go on from may not.
"""

from typing import Annotated, Any

from pydantic import Field, field_validator

from ffnn.records import Count, Format


class Meta(Format):
    """Of every checkpoint; scores and losses may be infinite or NaN."""

    finite = False

    epoch: Count = 0
    step: Count = 0
    config: dict[str, Any] = Field(default={})


OWN_CALLBACKS = ("Best", "EarlyStopping")
"""Those of ffnn that remember something; what a user's own one remembers is its own affair."""


class CallbackState(Format):
    """What a callback of ffnn remembers."""

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
    callbacks: dict[str, dict[str, Any]]

    @field_validator("callbacks")
    @classmethod
    def _own_states(cls, states: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for key, state in states.items():
            if key.partition(" ")[0] in OWN_CALLBACKS:
                CallbackState.model_validate(state)
        return states
