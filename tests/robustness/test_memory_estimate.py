"""Networks that no machine holds are refused in words before anything is built, whoever asks for them."""

from pathlib import Path

import numpy as np
import pytest

from ffnn import memory
from ffnn.errors import FFNNError
from ffnn.lab.build import build
from ffnn.lab.config import make_config
from ffnn.lab.sweep.explain import explain
from ffnn.lab.sweep.plan import make_plan
from ffnn.lab.sweep.schema import read_sweep
from ffnn.lab.sweep.session import make_sampler
from ffnn.memory import needed_bytes, parameters_of
from ffnn.nn import Linear, Network

FAR_TOO_MUCH = [{"hidden_layers": [99_999_999_999]}, {"num_layers": 1000, "hidden_units": 100_000}]


def test_parameters_are_those_of_the_network() -> None:
    network = Network([Linear(7), Linear(5), Linear(3)], 11, "numpy")
    assert parameters_of([11, 7, 5, 3]) == network.parameters.size


@pytest.mark.parametrize("settings", FAR_TOO_MUCH)
def test_a_config_is_refused_with_the_bytes_it_needs_and_those_there_are(settings: dict[str, object]) -> None:
    with pytest.raises(FFNNError, match=r"^hidden_layers: .* takes about [\d,]+ bytes to train, and [\d,]+ are avail"):
        make_config(settings)


def test_a_value_of_a_sweep_is_refused_before_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("method: grid\nparameters: {hidden_units: {values: [8, 99999999999]}, num_layers: {value: 2}}\n")
    plan = make_plan(read_sweep(path), {}, None, None, {})
    assert any("bytes to train" in problem for problem in explain(plan, make_sampler(plan))[1])


def test_an_estimator_is_refused() -> None:
    from ffnn.sklearn import FFNNClassifier

    with pytest.raises(ValueError, match="bytes to train"):
        FFNNClassifier(hidden_layers=(99_999_999_999,)).fit(np.eye(4), [0, 1, 0, 1])


def test_the_build_counts_inputs_and_classes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config({"hidden_layers": [200], "batch_size": 32})
    monkeypatch.setattr(memory, "SMALL", 0)
    for spare, fits in ((-1, False), (0, True)):
        there = needed_bytes([64, 200, 10], 32, 2) + spare
        monkeypatch.setattr(memory, "available_bytes", lambda there=there: there)
        if fits:
            build(config)
        else:
            with pytest.raises(FFNNError, match=f"and {there:,} are available"):
                build(config)


def test_where_the_system_does_not_say_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    memory.check_memory("hidden_layers", [10**6, 10**6, 2], 1, 2)
