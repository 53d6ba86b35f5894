"""From a config to the things it describes: data, network, optimizer, trainer.

The only file that knows both the settings' names and the constructors.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ffnn.backend import Engine, create_engine
from ffnn.backend.stacked import StackedEngine
from ffnn.backend.threads import TEAMS
from ffnn.data import AUGMENTATIONS, SAMPLERS, Dataset, Split, fit_normalization, load, make_split
from ffnn.data.augmented import AugmentedBatches
from ffnn.data.batches import Batches, Pool
from ffnn.errors import FFNNError
from ffnn.lab.config import Config
from ffnn.memory import EVALUATION_BATCH, check_memory, needed_bytes
from ffnn.nn import (
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    ClipNorm,
    ClipValue,
    L2Penalty,
    Layer,
    Loss,
    Network,
    Objective,
    Optimizer,
    Softmax,
    Warmup,
    WeightAverage,
    mlp_layers,
)
from ffnn.nn.clipping import Clip
from ffnn.reference import Reference, make_reference
from ffnn.training.recorded import RecordedTrainer
from ffnn.training.stack import Blueprint
from ffnn.training.trainer import Callback, Plan, Trainer


@dataclass(frozen=True)
class Parts:
    """Everything a run is made of.

    Attributes
    ----------
    dataset, split
        What the images are and which of them serve for what.
    objective : Objective
        The network with its loss and penalty.
    blueprint : Blueprint
        Makes them once more, for a stack.
    reference : Reference, optional
        The network of another framework that is trained in place of ffnn's.
    """

    dataset: Dataset
    split: Split
    train: Batches
    val: Batches
    test: Batches
    objective: Objective
    optimizer: Optimizer
    plan: Plan
    blueprint: Blueprint
    reference: Reference | None = None


@dataclass(frozen=True)
class Source:
    """Images where an engine has them, which runs on the same data can share."""

    dataset: Dataset
    split: Split
    pool: Pool


def load_source(config: Config, download: bool = True) -> Source:
    """The images that `config` names, split, normalized and on its engine; what is not here may be downloaded."""
    dataset = load(config.dataset, Path(config.data_dir) if config.data_dir else None, download=download)
    split = make_split(
        dataset,
        config.split,
        val_fraction=config.val_fraction,
        test_fraction=config.test_fraction,
        seed=config.split_seed,
    )
    engine = create_engine(config.engine, config.dtype, **engine_options(config))
    normalization = fit_normalization(config.normalize, dataset, split.train)
    pool = Pool(engine, dataset.images, dataset.labels, normalization.scale, normalization.shift)
    return Source(dataset, split, pool)


def engine_options(config: Config) -> dict[str, Any]:
    """What the config says about a GPU; nothing for engines of the processor."""
    limit = config.device_memory_limit
    return {
        **({"precision": config.precision} if config.precision != "float32" else {}),
        **({"memory_limit": int(limit * 1e9)} if limit else {}),
    }


def blueprint(config: Config, source: Source) -> Blueprint:
    """What makes the network that stacked runs have in common, with the optimizer and the plan."""

    def make(engine: StackedEngine) -> tuple[Objective, Optimizer, Plan]:
        objective = build_objective(config, source, engine)
        return objective, build_optimizer(config), build_plan(config, objective.network)

    return make


def build(config: Config, source: Source | None = None) -> Parts:
    """All parts of the run that `config` describes, with initial weights; images are loaded unless they are given."""
    check_fits(config)  # before the data are loaded
    source = source or load_source(config)
    dataset, split, pool = source.dataset, source.split, source.pool
    batch_size = len(split.train) if config.batch_size == "full" else config.batch_size
    if config.batch_norm and (len(split.train) - 1) % batch_size == 0:
        raise FFNNError(
            f"batch_size: {len(split.train)} training images in batches of {batch_size} leave a last one of a single "
            "image, which batch_norm cannot normalize; choose another"
        )
    objective = build_objective(config, source, pool.engine)
    return Parts(
        dataset,
        split,
        build_training_batches(config, dataset, pool, split, batch_size),
        Batches(pool, split.val, EVALUATION_BATCH),
        Batches(pool, split.test, EVALUATION_BATCH),
        objective,
        build_optimizer(config),
        build_plan(config, objective.network),
        blueprint(config, source),
    )


def build_objective(config: Config, source: Source, engine: Engine) -> Objective:
    """The network on an engine, with its loss and penalty."""
    dataset = source.dataset
    check_fits(config, dataset.features, len(dataset.class_names), len(source.split.train))
    network = Network(build_layers(config, len(dataset.class_names)), dataset.features, engine, config.seed)
    penalty = L2Penalty(config.l2, config.l2_per_example) if config.l2 else None
    return Objective(network, build_loss(config, dataset, source.split), penalty)


def check_fits(config: Config, inputs: int = 1, classes: int = 2, rows: int = 1) -> None:
    """FFNNError if this machine has no memory for the network now; of unknown data the least is assumed.

    What a GPU trains takes its memory, and its engine says when that is full.
    """
    if config.engine != "cupy":
        check_memory("hidden_layers", *_size(config, inputs, classes, rows))


def bytes_of_network(config: Config) -> int:
    """About the memory of this machine that training such a network takes, its data not counted."""
    return 0 if config.engine == "cupy" else needed_bytes(*_size(config))


def _size(config: Config, inputs: int = 1, classes: int = 2, rows: int = 1) -> tuple[list[int], int, int, int]:
    """What `needed_bytes` is to know."""
    batch = rows if config.batch_size == "full" else config.batch_size
    sizes = [inputs, *(config.hidden_layers or []), classes]
    return sizes, batch, len(build_optimizer(config).slots), np.dtype(config.dtype).itemsize


def build_training_batches(config: Config, dataset: Dataset, pool: Pool, split: Split, batch_size: int) -> Batches:
    """Shuffled batches, augmented where the config says so."""
    augmentations = [AUGMENTATIONS.create(spec) for spec in config.augment]
    sampler = SAMPLERS[config.sampling]
    if not augmentations:
        return Batches(pool, split.train, batch_size, config.seed, sampler)
    names = dataset.class_names
    for augmentation in augmentations:
        augmentation.check(names)
    return AugmentedBatches(
        pool, split.train, batch_size, config.seed, augmentations, dataset.shape, dataset.top, len(names), sampler
    )


def build_layers(config: Config, num_classes: int) -> list[Layer]:
    """The layers of the network, not yet built."""
    layers = mlp_layers(
        config.hidden_layers or [],
        num_classes,
        activation=config.activation,
        weight_init=config.initializer,
        bias_init=config.bias_initializer,
        batch_norm=config.batch_norm,
        dropout=config.dropout,
        input_dropout=config.input_dropout,
    )
    return [*layers, Softmax()] if config.output_softmax or config.double_softmax else layers


def build_loss(config: Config, dataset: Dataset, split: Split) -> Loss:
    """The loss; balanced class weights are n / (K * count), from the training part."""
    weights = config.class_weights
    if weights == "balanced":
        counts = np.bincount(dataset.labels[split.train], minlength=len(dataset.class_names))
        weights = [float(w) for w in counts.sum() / (len(counts) * np.maximum(counts, 1))]
    options = {"label_smoothing": config.label_smoothing or None, "class_weights": weights}
    return LOSSES.create(config.loss, **{name: value for name, value in options.items() if value is not None})


def build_optimizer(config: Config) -> Optimizer:
    """The optimizer, at its base learning rate."""
    options = {} if config.weight_decay is None else {"weight_decay": config.weight_decay}
    return OPTIMIZERS.create(config.optimizer, learning_rate=config.learning_rate, **options)


def build_plan(config: Config, network: Network) -> Plan:
    """Epochs, schedule, clipping and weight averaging."""
    schedule = SCHEDULES.create(config.schedule)
    if config.warmup_epochs:
        schedule = Warmup(schedule, config.warmup_epochs)
    clips: list[Clip] = []
    if config.clip_value is not None:
        clips.append(ClipValue(config.clip_value))
    if config.clip_norm is not None:
        clips.append(ClipNorm(config.clip_norm))
    average = WeightAverage(network.parameters, config.ema) if config.ema else None
    return Plan(config.epochs, schedule, clips, average)


def with_framework(config: Config, parts: Parts) -> Parts:
    """The parts with the network of the config's framework; FFNNError if it lacks something or is not installed."""
    if config.framework == "ffnn":
        return parts
    reference = make_reference(config.framework, parts.objective, parts.optimizer, parts.plan.clips, config.seed)
    reference.limit_threads(config.threads or 1)
    return replace(parts, reference=reference)


def build_member(parts: Parts, callbacks: Sequence[Callback]) -> Trainer:
    """What trains the parts as a member of a stack, which takes the steps."""
    return Trainer(parts.objective, parts.optimizer, parts.train, parts.val, parts.plan, callbacks)


def is_recorded(parts: Parts) -> bool:
    """Whether the steps can be recorded, by ffnn's own trainer or as those of a stack."""
    records = parts.objective.network.engine.records
    return parts.reference is None and records and type(parts.train) is Batches and len(parts.train) > 2


def is_shared(config: Config, parts: Parts) -> bool:
    """Whether threads share recorded steps; where every step is asked for, products are shared by BLAS's own."""
    return TEAMS and config.framework == "ffnn" and not config.checkpoint_every and is_recorded(parts)


def build_trainer(parts: Parts, callbacks: Sequence[Callback]) -> Trainer:
    """What trains the parts: ffnn, with recorded steps where the engine wants them, or their framework."""
    arguments = (parts.objective, parts.optimizer, parts.train, parts.val, parts.plan, callbacks)
    if parts.reference is None:
        return RecordedTrainer(parts.blueprint, *arguments) if is_recorded(parts) else Trainer(*arguments)
    from ffnn.reference.trainer import ReferenceTrainer

    return ReferenceTrainer(parts.reference, *arguments)
