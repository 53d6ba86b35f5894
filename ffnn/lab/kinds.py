"""The kinds of values that settings take, whoever writes them: a person, a sweep or W&B's agent.

Each takes what means the same (64.0 for 64) and refuses the rest in words.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from ffnn.errors import nearest
from ffnn.registry import Registry
from ffnn.tracking.folders import folder_name_fault
from ffnn.tracking.keys import key_fault, redact


def whole(value: Any) -> Any:
    """A float without a fraction is a whole number: sweeps write 64.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _listed(value: Any) -> Any:
    """One thing is a list of one; text with commas is left, to be refused: it may be meant as several."""
    alone = value is not None and not isinstance(value, list) and not (isinstance(value, str) and "," in value)
    return [value] if alone else value


def _as_text(value: Any) -> Any:
    """A whole number is the text that it was written as: a tag 2024 comes as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def component(registry: Registry[Any]) -> BeforeValidator:
    """Takes a name of the registry, or a mapping of name and options, by making one and throwing it away."""

    def check(spec: Any) -> Any:
        if not isinstance(spec, str | Mapping):
            raise ValueError(f"expected a name or {{name: ..., option: ...}}; received {spec!r}")
        registry.create(spec)
        return spec

    return BeforeValidator(check)


def one_of(*names: str) -> AfterValidator:
    """Takes a name of these; a table decides which there are."""

    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"expected one of {', '.join(names)}; received {name!r}{nearest(name, names)}")
        return name

    return AfterValidator(check)


def _names_a_folder(name: str | None) -> str | None:
    if name and (fault := folder_name_fault(name)):
        raise ValueError(fault)
    return name


def _without_keys(text: str) -> str:
    return redact(text)


def _no_key(long_words: bool) -> AfterValidator:
    """Refuses a key in what must be used as it is: blotted out, it would name something else."""

    def check(value: Any) -> Any:
        for text in value.values() if isinstance(value, Mapping) else [value]:
            if isinstance(text, str) and (fault := key_fault(text, long_words=long_words)):
                raise ValueError(fault)
        return value

    return AfterValidator(check)


Whole = Annotated[int, BeforeValidator(whole)]
Count = Annotated[Whole, Field(ge=1)]
Seed = Annotated[Whole, Field(ge=0, lt=2**32)]
Share = Annotated[float, Field(gt=0, lt=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Remark = Annotated[str, AfterValidator(_without_keys)]
"""Text for people, in which a key that somebody put there is blotted out before it is in any file."""

Tag = Annotated[Remark, BeforeValidator(_as_text)]
LISTED = BeforeValidator(_listed)
FOLDER = AfterValidator(_names_a_folder)
NO_KEY, NO_KEY_IN_PATH = _no_key(long_words=True), _no_key(long_words=False)
"""Of paths long words are no keys: caches name their folders by digests."""

Monitored = Annotated[str, one_of("val/accuracy", "val/loss", "train/accuracy", "train/loss")]
