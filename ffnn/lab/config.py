"""The config of a run: every choice there is, validated once, then frozen.

The same names serve in YAML, on the command line, in a sweep and in the saved config.yaml.
"""

import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ffnn.backend import ENGINES
from ffnn.data import AUGMENTATIONS, DATASETS, NORMALIZATIONS, SAMPLERS, SPLITS
from ffnn.errors import FFNNError, nearest
from ffnn.lab.code import code_digest, feature_releases
from ffnn.lab.values import with_overrides
from ffnn.nn import ACTIVATIONS, INITIALIZERS, LOSSES, OPTIMIZERS, SCHEDULES
from ffnn.nn.optimizers import own_rate
from ffnn.reference import REFERENCES
from ffnn.registry import Registry
from ffnn.tracking.keys import key_fault, redact
from ffnn.tracking.plain import writable
from ffnn.tracking.run_directory import folder_name_fault


def _whole(value: Any) -> Any:
    """A float without a fraction is a whole number: sweeps write 64.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _listed(value: Any) -> Any:
    """One thing is a list of one; text with commas is left, to be refused: it may be meant as several."""
    alone = value is not None and not isinstance(value, list) and not (isinstance(value, str) and "," in value)
    return [value] if alone else value


def _as_text(value: Any) -> Any:
    """A whole number is the text that it was written as: a tag 2024 comes as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _component(registry: Registry[Any], **required: Any) -> BeforeValidator:
    """Accepts a name of the registry, or a mapping of name and options, by making one and throwing it away."""

    def check(spec: Any) -> Any:
        if not isinstance(spec, str | Mapping):
            raise ValueError(f"expected a name or {{name: ..., option: ...}}; received {spec!r}")
        registry.create(spec, **required)
        return spec

    return BeforeValidator(check)


def _one_of(*names: str) -> AfterValidator:
    """Accepts a name of these; a table decides which there are."""

    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"expected one of {', '.join(names)}; received {name!r}{nearest(name, names)}")
        return name

    return AfterValidator(check)


def _own_rates() -> str:
    """Such as "sgd 0.01, adam 0.001"."""
    return ", ".join(f"{name} {rate:g}" for name in OPTIMIZERS if (rate := own_rate(name)))


def _names_a_folder(name: str | None) -> str | None:
    if name and (fault := folder_name_fault(name)):
        raise ValueError(fault)
    return name


def _without_keys(text: str) -> str:
    return redact(text)


def _no_key(long_words: bool) -> AfterValidator:
    """Refuses a key in what must be used as it is: blotted out, it would name something else."""

    def check(value: Any) -> Any:
        texts = value.values() if isinstance(value, Mapping) else [value]
        for text in texts:
            if isinstance(text, str) and (fault := key_fault(text, long_words=long_words)):
                raise ValueError(fault)
        return value

    return AfterValidator(check)


Whole = Annotated[int, BeforeValidator(_whole)]
Count = Annotated[Whole, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Component = str | dict[str, Any]
Remark = Annotated[str, AfterValidator(_without_keys)]
"""Text for people, in which a key that somebody put there is blotted out before it is in any file."""

Tag = Annotated[Remark, BeforeValidator(_as_text)]

IN_NAMES, IN_PATHS = _no_key(long_words=True), _no_key(long_words=False)
"""Of paths long words are no keys: caches name their folders by digests."""

Monitored = Annotated[str, _one_of("val/accuracy", "val/loss", "train/accuracy", "train/loss")]


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


class Config(BaseModel):
    """All settings of a training run. Components are a name, or a mapping of a name and options."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    dataset: Annotated[Component, IN_PATHS, _component(DATASETS)] = Field(
        "digits", description=f"one of {', '.join(DATASETS)}"
    )
    data_dir: Annotated[str | None, IN_PATHS] = Field(
        None, description="folder of the data sets [$FFNN_DATA_DIR, else the user's cache]"
    )
    split: Annotated[str, _one_of(*SPLITS)] = Field(
        "auto", description="official: test set as published, validation from train; pooled: all shared out, 80/10/10"
    )
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(0.1, description="part of train used for validation")
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(0.1, description="of all images, for pooled splits")
    normalize: Annotated[str, _one_of(*NORMALIZATIONS)] = Field(
        "unit", description="unit [0, 1], signed [-1, 1] or standardize (mean 0, std 1)"
    )

    augment: Annotated[list[Annotated[Component, _component(AUGMENTATIONS)]], BeforeValidator(_listed)] = Field(
        [], description=f"of training images, in this order: {', '.join(AUGMENTATIONS)}"
    )

    sampling: Annotated[str, _one_of(*SAMPLERS)] = Field(
        "shuffled", description="shuffled: every image once an epoch; balanced: every class equally often"
    )

    hidden_layers: Annotated[list[Count] | None, BeforeValidator(_listed)] = Field(
        None, description="units of each hidden layer [128, 64]"
    )
    num_layers: Annotated[Whole, Field(ge=0)] | None = Field(
        None, description="with hidden_units: so many equal layers"
    )
    hidden_units: Count | None = Field(None, description="with num_layers: units of each")
    activation: Annotated[Component, _component(ACTIVATIONS)] = Field(
        "relu", description=f"one of {', '.join(ACTIVATIONS)}"
    )
    initializer: Annotated[Component, _component(INITIALIZERS)] = Field(
        "he_normal", description=f"of weights: {', '.join(INITIALIZERS)}"
    )
    bias_initializer: Annotated[Component, _component(INITIALIZERS)] = Field("zeros", description="of biases")
    batch_norm: bool = Field(False, description="batch normalization before each activation")
    dropout: Fraction = Field(0.0, description="probability of zeroing a hidden unit")
    input_dropout: Fraction = Field(0.0, description="probability of zeroing an input")

    loss: Annotated[Component, _component(LOSSES)] = Field("cross_entropy", description=f"one of {', '.join(LOSSES)}")
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

    optimizer: Annotated[Component, _component(OPTIMIZERS)] = Field(
        "adam", description=f"one of {', '.join(OPTIMIZERS)}"
    )
    learning_rate: Positive | None = Field(
        None, description=f"base learning rate [the optimizer's own: {_own_rates()}]"
    )
    weight_decay: NonNegative | None = Field(None, description="decoupled weight decay [the optimizer's own]")
    schedule: Annotated[Component, _component(SCHEDULES)] = Field(
        "constant", description=f"one of {', '.join(SCHEDULES)}"
    )
    warmup_epochs: NonNegative = Field(0.0, description="linear warm-up before the schedule")
    clip_norm: Positive | None = Field(None, description="largest joint norm of the gradients")
    clip_value: Positive | None = Field(None, description="largest magnitude of a gradient value")
    ema: Annotated[float, Field(gt=0, lt=1)] | None = Field(None, description="decay of averaged weights, e.g. 0.999")

    epochs: Count = Field(15, description="passes over the training images")
    batch_size: Count | Literal["full"] = Field(64, description="images in a step, or full")
    seed: Annotated[Whole, Field(ge=0, lt=2**32)] = Field(
        0, description="root of initialization, order of images and random masks"
    )
    split_seed: Annotated[Whole, Field(ge=0, lt=2**32)] = Field(
        0, description="of the split; not the seed above, so that seeds compare on the same images"
    )
    monitor: Monitored = Field(
        "val/accuracy", description="what makes an epoch the best one; of equal accuracies the lower loss wins"
    )
    patience: Count | None = Field(None, description="stop after so many epochs without improvement")
    patience_monitor: Monitored = Field("val/loss", description="what patience watches")
    min_delta: NonNegative = Field(0.0, description="what counts as an improvement")

    framework: Annotated[str, _one_of("ffnn", *REFERENCES)] = Field(
        "ffnn", description=f"what takes the steps: ffnn, or for comparison {', '.join(REFERENCES)}"
    )
    engine: Annotated[str, _one_of("auto", *ENGINES)] = Field(
        "auto", description="auto, numpy, numba, or cupy for a GPU; auto is numba where it can be had"
    )
    precision: Literal["float32", "tf32", "bf16"] = Field(
        "float32", description="of matrix products on a GPU: tf32 and bf16 are faster and coarser"
    )
    device_memory_limit: Positive | None = Field(
        None, description="GB of a GPU's memory for images [80 % of what is free]"
    )
    threads: Count | None = Field(None, description="of matrix products [1 for small products, else one a core]")
    dtype: Literal["float32", "float64"] = Field("float32", description="type of numbers")

    runs_dir: Annotated[str, Field(min_length=1), IN_PATHS] = Field("runs", description="where run directories go")
    group: Annotated[str, Field(min_length=1), AfterValidator(_names_a_folder)] = Field(
        "train", description="folder of related runs, and their W&B group"
    )
    name: Annotated[str | None, AfterValidator(_names_a_folder)] = Field(
        None, description="name of the run [made from data set, optimizer and seed]"
    )
    job_type: Annotated[str, IN_NAMES] = Field("train", description="W&B job type")
    tags: Annotated[list[Tag], BeforeValidator(_listed)] = Field([], description="W&B tags")
    notes: Remark = Field("", description="W&B notes")
    wandb: Literal["auto", "online", "offline", "disabled"] = Field("auto", description="W&B mode")
    project: Annotated[str | None, IN_NAMES] = Field(None, description="W&B project [$WANDB_PROJECT, else ffnn]")
    entity: Annotated[str | None, IN_NAMES] = Field(None, description="W&B user or team")
    checkpoint_every: Annotated[Whole, Field(ge=0)] = Field(
        0, description="steps between checkpoints within an epoch; 0: at the ends of epochs only"
    )
    histogram_every: Annotated[Whole, Field(ge=0)] = Field(5, description="epochs between W&B histograms; 0: none")

    @model_validator(mode="before")
    @classmethod
    def _take_the_optimizers_rate(cls, values: Any) -> Any:
        """Let a config have a number whoever chose it: what is written down stays true when a default changes."""
        if not isinstance(values, dict) or values.get("learning_rate") is not None:
            return values
        optimizer = values.get("optimizer", cls.model_fields["optimizer"].default)
        name = optimizer.get("name") if isinstance(optimizer, Mapping) else optimizer
        return {**values, "learning_rate": own_rate(name)}

    @model_validator(mode="before")
    @classmethod
    def _name_the_default(cls, values: Any) -> Any:
        """Let `{beta1: 0.8}` mean the default optimizer with that option."""
        if not isinstance(values, dict):
            return values
        return {
            name: {"name": cls.model_fields[name].default, **value}
            if isinstance(value, dict) and "name" not in value and _is_component(name)
            else value
            for name, value in values.items()
        }

    @model_validator(mode="before")
    @classmethod
    def _one_way_to_say_layers(cls, values: Any) -> Any:
        """Turn num_layers and hidden_units into hidden_layers."""
        if not isinstance(values, dict):
            return values
        values = dict(values)
        short = [name for name in ("num_layers", "hidden_units") if values.get(name) is not None]
        if values.get("hidden_layers") is not None:
            if short:
                raise ValueError(f"hidden_layers: expected it alone; received {' and '.join(short)} as well")
        elif short:
            count, units = _whole(values.pop("num_layers", 2)), _whole(values.pop("hidden_units", 128))
            if not isinstance(count, int) or not 0 <= count <= 1000:
                raise ValueError(f"num_layers: expected a whole number from 0 to 1000; received {count!r}")
            values["hidden_layers"] = [units] * count
        else:
            values["hidden_layers"] = [128, 64]
        return values

    @model_validator(mode="before")
    @classmethod
    def _can_be_written(cls, values: Any) -> Any:
        """Refuse what could not be read back from config.yaml: nobody has it in mind, and the run would break."""
        for name, value in values.items() if isinstance(values, dict) else ():
            if not _plain_and_writable(value):
                raise ValueError(f"{name}: expected numbers, text without NUL or half characters, lists or mappings")
        return values

    @model_validator(mode="after")
    def _fits_together(self) -> "Config":
        """Check what depends on more than one setting."""
        if not isinstance(self.optimizer, str) and "learning_rate" in self.optimizer:
            raise ValueError("optimizer: expected the learning rate as learning_rate beside it, not among its options")
        options = {} if self.weight_decay is None else {"weight_decay": self.weight_decay}
        OPTIMIZERS.create(self.optimizer, learning_rate=self.learning_rate, **options)
        SCHEDULES.create(self.schedule).check(self.learning_rate or 0.0)
        takes_logits = "label_smoothing" in LOSSES.options(name_of(self.loss))
        if self.output_softmax and takes_logits and not self.double_softmax:
            raise ValueError(
                f"output_softmax: {name_of(self.loss)} takes logits and applies softmax itself; "
                "use it with loss=mean_squared_error, leave it out, or study that fault with double_softmax=true"
            )
        if self.double_softmax and not takes_logits:
            raise ValueError(
                f"double_softmax: expected a loss that applies softmax itself, cross_entropy or focal; "
                f"received {name_of(self.loss)}, for which output_softmax is meant"
            )
        if self.engine != "cupy" and (self.precision != "float32" or self.device_memory_limit):
            name = "precision" if self.precision != "float32" else "device_memory_limit"
            raise ValueError(f"{name}: expected engine=cupy with it; received engine={self.engine}")
        if self.engine == "cupy" and self.framework != "ffnn":
            raise ValueError(f"engine: {self.framework} trains on a CPU here; use engine=auto with it")
        if self.ema and self.framework != "ffnn":
            raise ValueError(f"ema: {self.framework} has no average of this kind; use it with framework=ffnn")
        if isinstance(self.class_weights, list) and not any(self.class_weights):
            raise ValueError(
                f"class_weights: expected one above 0; received {self.class_weights}: nothing would be learned"
            )
        if not takes_logits and (self.label_smoothing or self.class_weights):
            raise ValueError("label_smoothing and class_weights: expected loss=cross_entropy or focal with them")
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


def _plain_and_writable(value: Any) -> bool:
    if value is None or isinstance(value, (bool, int, float, str)):
        return writable(value) and not (isinstance(value, str) and "\0" in value)
    if isinstance(value, list | tuple):
        return all(map(_plain_and_writable, value))
    return isinstance(value, Mapping) and all(_plain_and_writable(part) for pair in value.items() for part in pair)


def _is_component(setting: str) -> bool:
    return setting in Config.model_fields and Config.model_fields[setting].annotation == Component


def name_of(component: Component) -> str:
    """The name of a component, however it is written."""
    return str(component.get("name")) if isinstance(component, Mapping) else str(component)


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


@functools.lru_cache(maxsize=1024)
def takes_text(field: str) -> bool:
    """Whether this is a setting of plain text, so that a command line's `--name=2024` stays text."""
    if field not in Config.model_fields:
        return False
    annotation = Config.model_fields[field].annotation
    return annotation is str or (
        get_origin(annotation) is not Literal and set(get_args(annotation)) == {str, type(None)}
    )


_EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list in brackets, such as [256, 128]",
    "literal_error": "{expected}",
    "string_too_short": "text",
    "greater_than": "a number greater than {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number less than {lt}",
    "less_than_equal": "a number of at most {le}",
    "finite_number": "a finite number",
}


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
    own = [error for error in ways if error["type"] == "value_error"]
    if own:
        message = str(own[0]["msg"]).removeprefix("Value error, ")
        return f"{place}: {message}" if place else message
    expected = [_EXPECTED.get(error["type"], error["msg"]).format(**error.get("ctx", {})) for error in ways]
    return f"{place}: expected {' or '.join(dict.fromkeys(expected))}; received {ways[0]['input']!r}"
