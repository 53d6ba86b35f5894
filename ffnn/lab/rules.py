"""What holds between the settings of a run: what one leaves open another decides, and which go together.

The rules are kept apart from the list of settings: each reads several of them.
"""

from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo

from ffnn.lab.kinds import whole
from ffnn.nn import LOSSES, OPTIMIZERS, SCHEDULES
from ffnn.nn.optimizers import own_rate
from ffnn.records import writable
from ffnn.tracking.formats import Component


def name_of(component: Component) -> str:
    """The name of a component, however it is written."""
    return str(component.get("name")) if isinstance(component, Mapping) else str(component)


def completed(values: dict[str, Any], fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
    """Settings as given, with what they leave to a rule; ValueError where they cannot be kept or say a thing twice."""
    for name, value in values.items():  # what could not be read back from config.yaml: the run would break
        if not _can_be_kept(value):
            raise ValueError(f"{name}: expected numbers, text without NUL or half characters, lists or mappings")
    values = {**values, "hidden_layers": _hidden_layers(values)}
    values.pop("num_layers", None)
    values.pop("hidden_units", None)
    for name, value in values.items():  # {beta1: 0.8} is the default optimizer with that option
        component = name in fields and fields[name].annotation == Component
        if component and isinstance(value, dict) and "name" not in value:
            values[name] = {"name": fields[name].default, **value}
    # A config has a number whoever chose it: what is written down stays true when a default changes.
    if values.get("learning_rate") is None:
        optimizer = values.get("optimizer", fields["optimizer"].default)
        values["learning_rate"] = own_rate(optimizer.get("name") if isinstance(optimizer, Mapping) else optimizer)
    return values


def _can_be_kept(value: Any) -> bool:
    if value is None or isinstance(value, (bool, int, float, str)):
        return writable(value) and not (isinstance(value, str) and "\0" in value)
    if isinstance(value, list | tuple):
        return all(map(_can_be_kept, value))
    return isinstance(value, Mapping) and all(_can_be_kept(part) for pair in value.items() for part in pair)


def _hidden_layers(values: Mapping[str, Any]) -> Any:
    """One way to say layers: num_layers and hidden_units as hidden_layers."""
    short = [name for name in ("num_layers", "hidden_units") if values.get(name) is not None]
    if values.get("hidden_layers") is not None:
        if short:
            raise ValueError(f"hidden_layers: expected it alone; received {' and '.join(short)} as well")
        return values["hidden_layers"]
    if not short:
        return [128, 64]
    count, units = whole(values.get("num_layers", 2)), whole(values.get("hidden_units", 128))
    if not isinstance(count, int) or not 0 <= count <= 1000:
        raise ValueError(f"num_layers: expected a whole number from 0 to 1000; received {count!r}")
    return [units] * count


def check_together(config: Any) -> None:
    """ValueError if settings of a Config, each right by itself, contradict each other."""
    if not isinstance(config.optimizer, str) and "learning_rate" in config.optimizer:
        raise ValueError("optimizer: expected the learning rate as learning_rate beside it, not among its options")
    options = {} if config.weight_decay is None else {"weight_decay": config.weight_decay}
    OPTIMIZERS.create(config.optimizer, learning_rate=config.learning_rate, **options)
    SCHEDULES.create(config.schedule).check(config.learning_rate or 0.0)
    loss = name_of(config.loss)
    takes_logits = "label_smoothing" in LOSSES.options(loss)
    if config.output_softmax and takes_logits and not config.double_softmax:
        raise ValueError(
            f"output_softmax: {loss} takes logits and applies softmax itself; "
            "use it with loss=mean_squared_error, leave it out, or study that fault with double_softmax=true"
        )
    if config.double_softmax and not takes_logits:
        raise ValueError(
            f"double_softmax: expected a loss that applies softmax itself, cross_entropy or focal; "
            f"received {loss}, for which output_softmax is meant"
        )
    if config.engine != "cupy" and (config.precision != "float32" or config.device_memory_limit):
        name = "precision" if config.precision != "float32" else "device_memory_limit"
        raise ValueError(f"{name}: expected engine=cupy with it; received engine={config.engine}")
    if config.engine == "cupy" and config.framework != "ffnn":
        raise ValueError(f"engine: {config.framework} trains on a CPU here; use engine=auto with it")
    if config.ema and config.framework != "ffnn":
        raise ValueError(f"ema: {config.framework} has no average of this kind; use it with framework=ffnn")
    if isinstance(config.class_weights, list) and not any(config.class_weights):
        raise ValueError(
            f"class_weights: expected one above 0; received {config.class_weights}: nothing would be learned"
        )
    if not takes_logits and (config.label_smoothing or config.class_weights):
        raise ValueError("label_smoothing and class_weights: expected loss=cross_entropy or focal with them")
