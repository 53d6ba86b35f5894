"""The config of a run: every choice there is, validated once, then frozen.

The same names serve in YAML, on the command line, in a sweep and in the saved config.yaml.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ffnn.backend import ENGINES
from ffnn.data import AUGMENTATIONS, DATASETS, NORMALIZATIONS, SAMPLERS, SPLITS
from ffnn.errors import FFNNError, nearest
from ffnn.lab.code import code_digest, feature_releases
from ffnn.lab.kinds import (
    FOLDER,
    LISTED,
    NO_KEY,
    NO_KEY_IN_PATH,
    Count,
    Fraction,
    Monitored,
    NonNegative,
    Positive,
    Remark,
    Seed,
    Share,
    Tag,
    Whole,
    component,
    one_of,
)
from ffnn.lab.rules import check_together, completed, name_of
from ffnn.lab.values import with_overrides
from ffnn.nn import ACTIVATIONS, INITIALIZERS, LOSSES, OPTIMIZERS, SCHEDULES
from ffnn.nn.optimizers import own_rate
from ffnn.records import EXPECTED, expected, message_of
from ffnn.reference import REFERENCES
from ffnn.registry import Registry
from ffnn.tracking.formats import Component

__all__ = ["BOOKKEEPING", "REGISTRIES", "REMARKS", "Config", "config_problems", "make_config", "name_of", "override"]

BOOKKEEPING = {
    "checkpoint_every", "device_memory_limit", "histogram_every", "threads", "data_dir", "runs_dir", "group", "name",
    "job_type", "tags", "notes", "wandb", "project", "entity",
}  # fmt: skip
"""Settings that cannot change what a run finds: where it is stored, who watches it, how many threads it has."""

REMARKS = ("tags", "notes")
REGISTRIES: tuple[Registry[Any], ...] = (
    DATASETS, SPLITS, NORMALIZATIONS, AUGMENTATIONS, SAMPLERS, ACTIVATIONS, INITIALIZERS, LOSSES, OPTIMIZERS,
    SCHEDULES, REFERENCES,
)  # fmt: skip
"""Where the names in a config lead to."""


def _own_rates() -> str:
    """Such as "sgd 0.01, adam 0.001"."""
    return ", ".join(f"{name} {rate:g}" for name in OPTIMIZERS if (rate := own_rate(name)))


class Config(BaseModel):
    """All settings of a training run. Components are a name, or a mapping of a name and options."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    dataset: Annotated[Component, NO_KEY_IN_PATH, component(DATASETS)] = Field(
        "digits", description=f"one of {', '.join(DATASETS)}"
    )
    data_dir: Annotated[str | None, NO_KEY_IN_PATH] = Field(
        None, description="folder of the data sets [$FFNN_DATA_DIR, else the user's cache]"
    )
    split: Annotated[str, one_of(*SPLITS)] = Field(
        "auto", description="official: test set as published, validation from train; pooled: all shared out, 80/10/10"
    )
    val_fraction: Share = Field(0.1, description="part of train used for validation")
    test_fraction: Share = Field(0.1, description="of all images, for pooled splits")
    normalize: Annotated[str, one_of(*NORMALIZATIONS)] = Field(
        "unit", description="unit [0, 1], signed [-1, 1] or standardize (mean 0, std 1)"
    )
    augment: Annotated[list[Annotated[Component, component(AUGMENTATIONS)]], LISTED] = Field(
        [], description=f"of training images, in this order: {', '.join(AUGMENTATIONS)}"
    )
    sampling: Annotated[str, one_of(*SAMPLERS)] = Field(
        "shuffled", description="shuffled: every image once an epoch; balanced: every class equally often"
    )
    hidden_layers: Annotated[list[Count] | None, LISTED] = Field(
        None, description="units of each hidden layer [128, 64]"
    )
    num_layers: Annotated[Whole, Field(ge=0)] | None = Field(
        None, description="with hidden_units: so many equal layers"
    )
    hidden_units: Count | None = Field(None, description="with num_layers: units of each")
    activation: Annotated[Component, component(ACTIVATIONS)] = Field(
        "relu", description=f"one of {', '.join(ACTIVATIONS)}"
    )
    initializer: Annotated[Component, component(INITIALIZERS)] = Field(
        "he_normal", description=f"of weights: {', '.join(INITIALIZERS)}"
    )
    bias_initializer: Annotated[Component, component(INITIALIZERS)] = Field("zeros", description="of biases")
    batch_norm: bool = Field(False, description="batch normalization before each activation")
    dropout: Fraction = Field(0.0, description="probability of zeroing a hidden unit")
    input_dropout: Fraction = Field(0.0, description="probability of zeroing an input")
    loss: Annotated[Component, component(LOSSES)] = Field("cross_entropy", description=f"one of {', '.join(LOSSES)}")
    label_smoothing: Fraction = Field(0.0, description="of cross_entropy and focal")
    class_weights: list[NonNegative] | Literal["balanced"] | None = Field(
        None, description="of cross_entropy and focal: one weight a class, or balanced"
    )
    output_softmax: bool = Field(False, description="end in a softmax layer; for mean_squared_error only")
    double_softmax: bool = Field(
        False, description="softmax before a loss that applies softmax again: a fault, kept for study"
    )
    l2: NonNegative = Field(0.0, description="lambda of the penalty lambda/2 * sum of squared weights")
    l2_per_example: bool = Field(False, description="divide the penalty by the batch size: lambda/(2m)")
    optimizer: Annotated[Component, component(OPTIMIZERS)] = Field(
        "adam", description=f"one of {', '.join(OPTIMIZERS)}"
    )
    learning_rate: Positive | None = Field(
        None, description=f"base learning rate [the optimizer's own: {_own_rates()}]"
    )
    weight_decay: NonNegative | None = Field(None, description="decoupled weight decay [the optimizer's own]")
    schedule: Annotated[Component, component(SCHEDULES)] = Field(
        "constant", description=f"one of {', '.join(SCHEDULES)}"
    )
    warmup_epochs: NonNegative = Field(0.0, description="linear warm-up before the schedule")
    clip_norm: Positive | None = Field(None, description="largest joint norm of the gradients")
    clip_value: Positive | None = Field(None, description="largest magnitude of a gradient value")
    ema: Share | None = Field(None, description="decay of averaged weights, e.g. 0.999")
    epochs: Count = Field(15, description="passes over the training images")
    batch_size: Count | Literal["full"] = Field(64, description="images in a step, or full")
    seed: Seed = Field(0, description="root of initialization, order of images and random masks")
    split_seed: Seed = Field(
        0, description="of the split; not the seed above, so that seeds compare on the same images"
    )
    monitor: Monitored = Field(
        "val/accuracy", description="what makes an epoch the best one; of equal accuracies the lower loss wins"
    )
    patience: Count | None = Field(None, description="stop after so many epochs without improvement")
    patience_monitor: Monitored = Field("val/loss", description="what patience watches")
    min_delta: NonNegative = Field(0.0, description="what counts as an improvement")
    framework: Annotated[str, one_of("ffnn", *REFERENCES)] = Field(
        "ffnn", description=f"what takes the steps: ffnn, or for comparison {', '.join(REFERENCES)}"
    )
    engine: Annotated[str, one_of("auto", *ENGINES)] = Field(
        "auto", description="auto, numpy, numba, or cupy for a GPU; auto is numba where it can be had"
    )
    precision: Literal["float32", "tf32", "bf16"] = Field(
        "float32", description="of matrix products on a GPU: tf32 and bf16 are faster and coarser"
    )
    device_memory_limit: Positive | None = Field(
        None, description="GB of a GPU's memory for images [80 % of what is free]"
    )
    threads: Count | None = Field(None, description="that share a step's products [1 for small ones, else one a core]")
    dtype: Literal["float32", "float64"] = Field("float32", description="type of numbers")
    runs_dir: Annotated[str, Field(min_length=1), NO_KEY_IN_PATH] = Field(
        "runs", description="where run directories go"
    )
    group: Annotated[str, Field(min_length=1), FOLDER] = Field(
        "train", description="folder of related runs, and their W&B group"
    )
    name: Annotated[str | None, FOLDER] = Field(
        None, description="name of the run [made from data set, optimizer and seed]"
    )
    job_type: Annotated[str, NO_KEY] = Field("train", description="W&B job type")
    tags: Annotated[list[Tag], LISTED] = Field([], description="W&B tags")
    notes: Remark = Field("", description="W&B notes")
    wandb: Literal["auto", "online", "offline", "disabled"] = Field("auto", description="W&B mode")
    project: Annotated[str | None, NO_KEY] = Field(None, description="W&B project [$WANDB_PROJECT, else ffnn]")
    entity: Annotated[str | None, NO_KEY] = Field(None, description="W&B user or team")
    checkpoint_every: Annotated[Whole, Field(ge=0)] = Field(
        0, description="steps between checkpoints within an epoch; 0: at the ends of epochs only"
    )
    histogram_every: Annotated[Whole, Field(ge=0)] = Field(5, description="epochs between W&B histograms; 0: none")

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:
        return completed(values, cls.model_fields) if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _fits_together(self) -> "Config":
        check_together(self)
        return self

    def resolved(self) -> dict[str, Any]:
        """All settings as plain values; running them again gives the same run."""
        return self.model_dump(exclude={"num_layers", "hidden_units"})

    def digest(self) -> str:
        """A short hash of the code, the packages it stands on, and all settings that can change the result."""
        identity = self.identity()
        made_with = [self._digest_of_code(identity), *feature_releases(self.framework), identity]
        return hashlib.sha256(json.dumps(made_with, sort_keys=True).encode()).hexdigest()[:8]

    def code_digest(self) -> str:
        """A hash of all code that a run of this config computes with, a user's own parts included."""
        return self._digest_of_code(self.identity())

    def _digest_of_code(self, identity: Mapping[str, Any]) -> str:
        names = set(_texts(identity))
        parts = [registry[name] for registry in REGISTRIES for name in names.intersection(registry)]
        return code_digest(parts, self.framework)

    def identity(self) -> dict[str, Any]:
        """All settings that can change the result: not those of `BOOKKEEPING`."""
        return {key: value for key, value in self.resolved().items() if key not in BOOKKEEPING}


def override(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with `overrides` on top: dotted names reach inside, and the newer way to say layers replaces the other.

    Examples
    --------
    >>> override({"hidden_layers": [128, 64]}, {"num_layers": 3})
    {'num_layers': 3}
    """
    short = {"num_layers", "hidden_units"}
    replaced = {"hidden_layers"} if short & set(overrides) else short if "hidden_layers" in overrides else set()
    return with_overrides({name: value for name, value in values.items() if name not in replaced}, overrides)


def _texts(value: Any) -> Iterator[str]:
    """Every text in nested settings; among them are the names of all components."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def make_config(values: Mapping[str, Any]) -> Config:
    """A validated config, or one FFNNError that names the first thing to mend.

    Examples
    --------
    >>> make_config({"learnin_rate": 0.1})
    Traceback (most recent call last):
    ffnn.errors.FFNNError: unknown setting 'learnin_rate'; did you mean 'learning_rate'?
    """
    unknown = _unknown(values)
    if unknown:
        raise FFNNError(unknown[0][1])
    try:
        return Config.model_validate(dict(values))
    except ValidationError as problem:
        raise FFNNError(_problems(problem)[0][1]) from None


def config_problems(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Everything to mend in these settings: which setting, and the words for it.

    What depends on several settings is looked at when each by itself is right.

    Examples
    --------
    >>> for setting, words in config_problems({"epoch": 3, "epochs": 0, "dropout": 2.0}):
    ...     print(setting, "|", words)
    epoch | unknown setting 'epoch'; did you mean 'epochs'?
    dropout | dropout: expected a number less than 1.0; received 2.0
    epochs | epochs: expected a number of at least 1; received 0
    """
    unknown = _unknown(values)
    try:
        Config.model_validate({name: value for name, value in values.items() if name in Config.model_fields})
    except ValidationError as problem:
        return [*unknown, *_problems(problem)]
    return unknown


def _unknown(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    fields = Config.model_fields
    hints = {str(key): nearest(str(key), fields) for key in values if key not in fields}
    return [(key, f"unknown setting {key!r}{hint or '; `ffnn train --help` lists all'}") for key, hint in hints.items()]


_WORDS = {**EXPECTED, "list_type": "a list in brackets, such as [256, 128]"}


def _problems(problem: ValidationError) -> list[tuple[str, str]]:
    """For each setting that is wrong its name and the words for it."""
    by_setting: dict[str, list[Mapping[str, Any]]] = {}
    for error in problem.errors(include_url=False):
        by_setting.setdefault(str(error["loc"][0]) if error["loc"] else "", []).append(error)
    words = {setting: _in_words(setting, ways) for setting, ways in by_setting.items()}
    # What is wrong between settings begins with the name of one.
    return [(setting or re.split(r"\W", text, maxsplit=1)[0], text) for setting, text in words.items()]


def _in_words(place: str, ways: Sequence[Mapping[str, Any]]) -> str:
    """What a setting should be, as one of the ways to say it, and what was received."""
    message = next(filter(None, map(message_of, ways)), None)
    if message:
        return f"{place}: {message}" if place else message
    expectations = dict.fromkeys(expected(error, _WORDS) for error in ways)
    return f"{place}: expected {' or '.join(expectations)}; received {ways[0]['input']!r}"
