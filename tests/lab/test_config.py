"""Configs: everything valid is taken as `wandb agent` and people write it; everything else is one line."""

import inspect
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ffnn.backend import ENGINES
from ffnn.errors import FFNNError, nearest
from ffnn.lab import build
from ffnn.lab.command_line import parse_settings
from ffnn.lab.config import Config, make_config, name_of, override
from ffnn.lab.values import parse_value, with_overrides
from ffnn.nn import ACTIVATIONS, INITIALIZERS, LOSSES, OPTIMIZERS, SCHEDULES
from ffnn.registry import Registry
from ffnn.synonyms import SYNONYMS
from ffnn.tracking import dump_yaml, load_yaml

BAD = {
    "learning_rate": ["abc", -1, 0, float("nan"), float("inf"), [0.1]],
    "hidden_layers": ["128, 64", [0], [-3], ["x"], [1.5]],
    "batch_size": ["ful", 0, -1, 1.5, None],
    "epochs": [True, 0, "many"],
    "optimizer": ["adm", 5, {"name": "adam", "bta1": 0.1}, {"name": "adam", "beta1": 1.0}],
    "activation": ["tahn", {"name": "elu", "alpha": 0}],
    "initializer": ["he", {"name": "uniform", "low": 1, "high": -1}],
    "schedule": [{"name": "step", "every": 0}],
    "dropout": [1.0, -0.1, "half"],
    "ema": [0, 1],
    "seed": [-1, 2**32, 0.5],
    "engine": ["nunba"],
    "dtype": ["float16"],
    "split": ["random"],
    "dataset": ["mnits", 3],
    "wandb": ["on"],
    "class_weights": ["bal", [-1.0]],
    "val_fraction": [0, 1],
    "num_layers": ["x", -1, 5000],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_value_is_one_line_that_names_the_setting_and_the_value(name: str, value: Any) -> None:
    with pytest.raises(FFNNError) as caught:
        make_config({name: value})
    message = str(caught.value)
    assert "\n" not in message
    assert name in message
    shown = [value, *(value.values() if isinstance(value, dict) else value if isinstance(value, list) else [])]
    assert any(str(item) in message for item in shown)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("learnin_rate", "learning_rate"), ("hidden_layer", "hidden_layers"), ("optimiser", "optimizer"), ("l_2", "l2"),
        ("lr", "learning_rate"), ("dropout_rate", "dropout"), ("hidden_layer_sizes", "hidden_layers"),
    ],
)  # fmt: skip
def test_a_misspelt_setting_gets_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(FFNNError, match=f"did you mean '{right}'"):
        make_config({wrong: 1})


@pytest.mark.parametrize(
    "values",
    [
        {"hidden_layers": [8], "num_layers": 2},
        {"loss": "mean_squared_error", "label_smoothing": 0.1},
        {"output_softmax": True},
        {"optimizer": {"name": "adam", "learning_rate": 0.1}},
        {"schedule": {"name": "cosine", "minimum": 0.01}},
        {"schedule": {"name": "linear", "minimum": 0.02}, "optimizer": "sgd", "warmup_epochs": 1},
    ],
)
def test_settings_that_contradict_each_other_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(FFNNError):
        make_config(values)


def test_values_arrive_as_an_agent_writes_them() -> None:
    config = make_config(
        parse_settings(
            [
                "--learning_rate=1e-05",
                "--optimizer={'name': 'adam', 'beta1': 0.8}",
                "--batch_norm=True",
                "--ema=None",
                "--hidden_layers=[256, 128]",
                "--batch_size=32.0",
                "--dropout=0",
                "--group=2024",
            ]
        )
    )
    assert config.learning_rate == 1e-5
    assert config.optimizer == {"name": "adam", "beta1": 0.8}
    assert (config.batch_norm, config.ema, config.hidden_layers, config.batch_size) == (True, None, [256, 128], 32)
    assert config.group == "2024"


@pytest.mark.parametrize("setting", ["name", "group"])
@pytest.mark.parametrize("text", ["a/b", "a\\b", "..", ".a", "a:b", "a\nb", 300 * "x"])
def test_a_name_that_no_folder_can_have_is_refused_as_what_it_is(setting: str, text: str) -> None:
    with pytest.raises(FFNNError, match=f"{setting}: expected a name of 1 to 200 bytes"):
        make_config(parse_settings([f"--{setting}={text}"]))


@pytest.mark.parametrize("setting", ["group", "runs_dir"])
def test_a_folder_needs_a_name(setting: str) -> None:
    with pytest.raises(FFNNError, match=f"{setting}: expected text; received ''"):
        make_config(parse_settings([f"--{setting}="]))


@pytest.mark.parametrize("name", list(OPTIMIZERS))
@pytest.mark.parametrize("form", [str, lambda name: {"name": name, "weight_decay": 0.1}])
def test_a_rate_that_nobody_gives_is_the_optimizers_own(name: str, form: Any) -> None:
    own = OPTIMIZERS.create(name).learning_rate
    for silent in ({}, {"learning_rate": None}):
        config = make_config({"optimizer": form(name), **silent})
        assert (config.learning_rate, config.resolved()["learning_rate"]) == (own, own)
        assert build.build_optimizer(config).learning_rate == own
        assert config.digest() == make_config({"optimizer": form(name), "learning_rate": own}).digest()
    assert make_config({"optimizer": form(name), "learning_rate": 0.5}).learning_rate == 0.5


def test_the_default_optimizer_has_its_rate_without_a_name() -> None:
    assert make_config(override({}, {"optimizer.beta1": 0.8})).learning_rate == 0.001


def test_short_form_of_layers() -> None:
    assert make_config({"num_layers": 3, "hidden_units": 32}).hidden_layers == [32, 32, 32]
    assert make_config({"num_layers": 0}).hidden_layers == []
    assert make_config({"hidden_units": 64.0}).hidden_layers == [64, 64]


def test_an_option_without_a_name_belongs_to_the_default() -> None:
    assert make_config(override({}, {"optimizer.beta1": 0.8})).optimizer == {"name": "adam", "beta1": 0.8}


def test_the_newer_way_to_say_layers_wins() -> None:
    resolved = make_config({"hidden_layers": [8]}).resolved()
    assert make_config(override(resolved, {"num_layers": 3, "hidden_units": 32})).hidden_layers == [32, 32, 32]
    assert make_config(override({"num_layers": 3}, {"hidden_layers": [5]})).hidden_layers == [5]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("--optimizer={name: adam, epsilon: 1e-8}", {"name": "adam", "epsilon": 1e-8}),
        ("--optimizer={'name': 'adam', 'epsilon': 1e-08, 'weight_decay': None}",
         {"name": "adam", "epsilon": 1e-8, "weight_decay": None}),
        ("--augment=[flip, {name: shift, pixels: 010}]", ["flip", {"name": "shift", "pixels": 10}]),
        ("--hidden_layers=[010,020]", [10, 20]),
        ("--hidden_layers=256,128", [256, 128]),
        ("--seed=012", 12),
        ("--epochs=1:30", "1:30"),
        ("--batch_norm=yes", "yes"),
        ("--l2=.5", 0.5),
        ("--learning_rate=inf", math.inf),
        ("--learning_rate=-Inf", -math.inf),
        ("--name=inf", "inf"),
        ("--tags=[yes, 2024-13-45, 1e-4]", ["yes", "2024-13-45", 1e-4]),
        ("--dataset.path=[x]/a", "[x]/a"),
        ("--notes={a: 1, a: 2", "{a: 1, a: 2"),
    ],
)  # fmt: skip
def test_values_of_the_command_line_are_python_or_yaml(argument: str, value: Any) -> None:
    (read,) = parse_settings([argument]).values()
    assert read == value
    assert repr(read) == repr(value)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--optimizer={name: adam, beta1: 0.9, beta1: 0.8}"], "--optimizer: beta1 is there twice"),
        (["--optimizer={'name': 'adam', 'beta1': 0.9, 'beta1': 0.8}"], "--optimizer: beta1 is there twice"),
        (["--augment=[{'name': 'shift', 'pixels': 1, 'pixels': 2}]"], "--augment: pixels is there twice"),
        (["--optimizer={name:adam}"], "--optimizer: expected a space behind each colon"),
        (["--optimizer={name:", "adam,", "beta1:", "1}"], "received 'adam,'; put all of --optimizer in quotes"),
    ],
)
def test_a_mapping_that_would_be_taken_wrongly_is_refused(arguments: list[str], told: str) -> None:
    with pytest.raises(FFNNError, match=told):
        parse_settings(arguments)


def test_quotes_are_not_proposed_for_what_was_read_whole() -> None:
    with pytest.raises(FFNNError, match=r"as --name=value; received 'fashion_mnist'$"):
        parse_settings(["--hidden_layers=[256,128]", "fashion_mnist"])


def test_one_thing_is_a_list_of_one() -> None:
    config = make_config(parse_settings(["--hidden_layers=256", "--augment=flip", "--tags=first"]))
    assert (config.hidden_layers, config.augment, config.tags) == ([256], ["flip"], ["first"])
    assert make_config({"augment": {"name": "shift", "pixels": 1}}).augment == [{"name": "shift", "pixels": 1}]


@pytest.mark.parametrize("several", [{"augment": "flip,shift"}, {"tags": "a,b"}])
def test_several_things_need_brackets(several: dict[str, Any]) -> None:
    with pytest.raises(FFNNError, match="expected a list in brackets"):
        make_config(several)


def test_bare_words_in_a_list_are_text() -> None:
    assert make_config(parse_settings(["--tags=[first, second]"])).tags == ["first", "second"]


@pytest.mark.parametrize("argument", ["--tags=[v1,2024]", "--tags=['v1', 2024]"])
def test_a_whole_number_as_a_tag_is_text(argument: str) -> None:
    assert make_config(parse_settings([argument])).tags == ["v1", "2024"]
    assert make_config(parse_settings(["--tags=2024"])).tags == ["2024"]
    with pytest.raises(FFNNError, match="tags: expected text; received True"):
        make_config({"tags": [True]})


@pytest.mark.parametrize("number", ["inf", "-inf", "nan"])
def test_a_number_that_is_not_finite_is_called_so(number: str) -> None:
    with pytest.raises(FFNNError, match=f"learning_rate: expected a finite number; received {number}"):
        make_config(parse_settings([f"--learning_rate={number}"]))


def test_components_in_a_list_are_written_as_in_yaml() -> None:
    config = make_config(parse_settings(["--augment=[flip, {name: shift, pixels: 1}]"]))
    assert config.augment == ["flip", {"name": "shift", "pixels": 1}]


def test_dotted_names_reach_into_components() -> None:
    values = with_overrides({"optimizer": "adam"}, parse_settings(["--optimizer.beta1=0.5", "--schedule.name=cosine"]))
    config = make_config(values)
    assert config.optimizer == {"name": "adam", "beta1": 0.5}
    assert config.schedule == {"name": "cosine"}


@pytest.mark.parametrize(
    "arguments", [["epochs=3"], ["--epochs"], ["--epochs", "--seed=1"], ["--epoch=3"], ["--=3"], ["--"]]
)
def test_malformed_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(FFNNError) as caught:
        parse_settings(arguments)
    assert "\n" not in str(caught.value)


def test_a_resolved_config_written_and_read_again_is_the_same(tmp_path: Any) -> None:
    config = make_config(
        {"learning_rate": 1e-5, "num_layers": 2, "schedule": {"name": "step", "every": 2}, "tags": ["1e-4"]}
    )
    path = tmp_path / "config.yaml"
    with path.open("w") as file:
        dump_yaml(config.resolved(), file)
    assert make_config(load_yaml(path)) == make_config(config.resolved())
    assert yaml.safe_load(path.read_text())["learning_rate"] == 1e-5  # a plain reader sees a number, too


def test_digest_changes_with_results_and_not_with_bookkeeping() -> None:
    base = make_config({}).digest()
    assert make_config({"group": "other", "wandb": "disabled", "notes": "n", "runs_dir": "x"}).digest() == base
    assert make_config({"num_layers": 2, "hidden_units": 128}).digest() != base
    assert make_config({"seed": 1}).digest() != base
    assert make_config({"learning_rate": 0.002}).digest() != base


def test_every_setting_is_used_somewhere() -> None:
    """A setting that nothing reads would promise what does not happen."""
    from ffnn.lab import run, session

    source = "".join(inspect.getsource(module) for module in (build, run, session))
    unused = [name for name in Config.model_fields if f"config.{name}" not in source]
    assert unused == ["num_layers", "hidden_units"]


@given(st.text())
def test_any_text_parses_to_a_value_without_an_exception(text: str) -> None:
    value = parse_value(text)
    assert value is None or isinstance(value, bool | int | float | str | list | dict)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text("abc ", min_size=1),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
        max_leaves=8,
    )
)
def test_python_repr_of_containers_comes_back(value: Any) -> None:
    """What an agent does with nested parameters: it prints Python."""
    assert parse_value(repr({"x": value})) == {"x": value}


@given(
    st.dictionaries(
        st.sampled_from(list(Config.model_fields)),
        st.none() | st.integers() | st.floats() | st.text() | st.lists(st.integers()),
        max_size=4,
    )
)
def test_whatever_comes_is_a_config_or_one_line(values: dict[str, Any]) -> None:
    try:
        make_config(values)
    except FFNNError as problem:
        assert "\n" not in str(problem)


@pytest.mark.parametrize(
    "file", sorted((Path(__file__).parents[2] / "experiments").glob("best-*.yaml")), ids=lambda f: f.stem
)
def test_every_best_config_is_valid(file: Path) -> None:
    assert name_of(make_config(load_yaml(file)).dataset) == file.stem.removeprefix("best-")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engine": "numba", "precision": "tf32"}, "precision: expected engine=cupy"),
        ({"engine": "auto", "device_memory_limit": 4.0}, "device_memory_limit: expected engine=cupy"),
        ({"engine": "cupy", "framework": "torch"}, "engine: torch trains on a CPU here"),
    ],
)
def test_settings_that_need_a_gpu_or_cannot_use_it_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(FFNNError, match=message):
        make_config(settings)


@pytest.mark.parametrize("own", list(SYNONYMS))
def test_what_others_call_a_thing_is_a_hint_to_a_name_that_there_is(own: str) -> None:
    parts: tuple[Registry[Any], ...] = (ACTIVATIONS, INITIALIZERS, LOSSES, OPTIMIZERS, SCHEDULES)
    options = {option for part in parts for name in part for option in part.options(name)}
    assert own in {*Config.model_fields, *ENGINES, *options, "rate", *(name for part in parts for name in part)}
    for other in SYNONYMS[own]:
        assert f"did you mean '{own}'" in nearest(other, [own])
        assert other not in Config.model_fields


@pytest.mark.parametrize(
    ("received", "hint"),
    [
        ({"activation": "swish"}, "silu"), ({"activation": "ReLU"}, "relu"), ({"optimizer": "SGD"}, "sgd"),
        ({"initializer": "glorot_uniform"}, "xavier_uniform"), ({"loss": "mse"}, "mean_squared_error"),
        ({"optimizer": {"name": "adam", "eps": 1e-8}}, "epsilon"), ({"engine": "cuda"}, "cupy"),
        ({"dataset": "Fashion-MNIST"}, "fashion_mnist"),
    ],
)  # fmt: skip
def test_a_name_of_another_library_gets_ours(received: dict[str, Any], hint: str) -> None:
    with pytest.raises(FFNNError, match=f"did you mean '{hint}'"):
        make_config(received)


def test_what_was_received_is_no_hint() -> None:
    assert nearest("0", ["0", "1"]) == ""
