"""The formats of what experiments and sweeps leave beside their runs: comparison.json and sweep.json."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from ffnn.comparison.measures import MEASURES
from ffnn.records import Count, Format, Number, mismatch

FIGURES = ("difference", "difference ± 95 %", "from the edge", "p", "p (Holm)", "Hedges g")
ENDS = (" mean", " std", " ± 95 %")


def _known(measure: str) -> str:
    if measure not in MEASURES:
        raise ValueError(f"expected a measure that this ffnn knows, one of {', '.join(MEASURES)}")
    return measure


KnownMeasure = Annotated[str, AfterValidator(_known)]


class Tested(Format):
    """A row with figures of pairs; those that are not known are absent."""

    verdict: str
    pairs: Count = 0

    @model_validator(mode="before")
    @classmethod
    def _figures(cls, values: Any) -> Any:
        for name, value in values.items() if isinstance(values, dict) else ():
            is_figure = name in FIGURES or name.endswith(ENDS)
            if is_figure and value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise mismatch(name, "a number", value)
        return values


class Condition(Tested):
    """A row of comparison.json."""

    condition: str
    runs: Count
    diverged: Count = 0
    missing: Count = 0


class Claim(Tested):
    """A claim of comparison.json."""

    claim: str
    measure: KnownMeasure


class Comparison(Format):
    """Of comparison.json."""

    question: str
    expected: str
    found: str
    verdict: str
    certainty: str
    metric: KnownMeasure
    margin: Number
    reference: str
    conditions: Annotated[list[Condition], Field(min_length=1)]
    claims: list[Claim] = Field(default=[])
    caveats: list[str] = Field(default=[])
    notes: list[str] = Field(default=[])
    command: str = ""
    experiment: dict[str, Any] = Field(default={})


class Sweep(Format):
    """Of sweep.json; an older ffnn left none, so nothing must be there."""

    description: str = ""
    metric: str = ""
    maximize: bool = True
    logarithmic: dict[str, bool] = Field(default={})
    importances: dict[str, Number] = Field(default={})
    caveat: str = ""
    edges: list[str] = Field(default=[])
    command: str = ""
