"""Everything registered agrees with PyTorch to 1e-10, and a disagreement is seen, named and an exit code."""

from dataclasses import replace

import pytest
from click.testing import CliRunner

from ffnn.backend import create_engine
from ffnn.commands.agree import agree
from ffnn.errors import FFNNError
from ffnn.nn import ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES, Tanh
from ffnn.reference import REFERENCES, reference_class
from ffnn.reference.agreement import BOUND, Agreement, Case, cases, compare
from ffnn.reference.counterpart import Counterpart, Table
from ffnn.reference.counterparts import TABLES
from ffnn.reference.torch_reference import DECOUPLED

CASES = {f"{case.kind} {case.name}": case for case in cases()}

COUPLED = {f"optimizer {name}, weight_decay" for name in OPTIMIZERS if name not in DECOUPLED}
"""Cases whose weight_decay PyTorch puts through the optimizer's rule, if it has one."""


def lacking(name: str, framework: str) -> bool:
    """Whether the table of counterparts, which gives the reason, says that a framework has none."""
    kinds = {"activation": "activations", "loss": "losses", "optimizer": "optimizers", "schedule": "schedules"}
    table = getattr(TABLES[framework], kinds.get(CASES[name].kind, "layers"))
    known = CASES[name].name.partition(",")[0]
    return (known in table.registry and known not in table) or (framework == "torch" and name in COUPLED)


def compared(name: str, framework: str = "torch") -> Agreement:
    if remedy := reference_class(framework).missing():
        pytest.skip(remedy)
    return compare(CASES[name], framework, lambda: create_engine("numpy", "float64"))


def test_everything_registered_is_a_case() -> None:
    for kind, registry in {
        "activation": ACTIVATIONS,
        "loss": LOSSES,
        "optimizer": OPTIMIZERS,
        "schedule": SCHEDULES,
    }.items():
        assert {f"{kind} {name}" for name in registry} <= set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_ffnn_agrees_with_pytorch(name: str) -> None:
    agreement = compared(name)
    assert ("no counterpart" in agreement.remark) == lacking(name, "torch")
    assert set(agreement.differences) == (
        set() if lacking(name, "torch") else {"loss", "gradients", "1", "10", "100", "outputs"}
    )
    assert set(agreement.bounds.values()) <= {BOUND}
    assert agreement.holds, agreement.differences


@pytest.mark.slow
@pytest.mark.parametrize("framework", [name for name in REFERENCES if name != "torch"])
@pytest.mark.parametrize("name", CASES)
def test_ffnn_agrees_with_others_but_for_what_is_explained(name: str, framework: str) -> None:
    agreement = compared(name, framework)
    assert ("no counterpart" in agreement.remark) == lacking(name, framework)
    assert agreement.holds, agreement.differences
    assert agreement.remark or set(agreement.bounds.values()) == {BOUND}


FAULTS = {
    "activation tanh": ("activations", "tanh", Counterpart("Sigmoid")),
    "activation elu": ("activations", "elu", Counterpart("ELU", fixed={"alpha": 1.0 + 1e-8})),
    "optimizer momentum": ("optimizers", "momentum", Counterpart("SGD", fixed={"momentum": 0.9, "nesterov": True})),
    "optimizer adam": ("optimizers", "adam", Counterpart("Adam", fixed={"eps": 1e-7})),
    "schedule step": ("schedules", "step", Counterpart("StepLR", fixed={"step_size": 11, "gamma": 0.1})),
    "clipping clip_norm": ("clippings", "clip_norm", Counterpart("clip_grad_norm_", fixed={"max_norm": 0.06})),
    "layer batch_norm": (
        "layers",
        "batch_norm",
        Counterpart("BatchNorm1d", {"num_features": "input_size"}, {"momentum": 0.2}),
    ),
}


def break_table(monkeypatch: pytest.MonkeyPatch, kind: str, name: str, fault: Counterpart) -> None:
    table: Table = getattr(reference_class("torch").tables, kind)
    monkeypatch.setitem(table._entries, name, fault)


@pytest.mark.parametrize("case", FAULTS)
def test_a_small_fault_is_seen(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    break_table(monkeypatch, *FAULTS[case])
    assert not compared(case).holds


def test_a_new_activation_has_no_counterpart_until_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cube(Tanh):
        kind = "cube"

    monkeypatch.setitem(ACTIVATIONS._entries, "cube", Cube)
    (case,) = (case for case in cases() if case.name == "cube")
    agreement = compare(case, "torch", lambda: create_engine("numpy", "float64"))
    assert agreement.remark == "no counterpart: torch has no counterpart of the activation 'cube'"
    assert agreement.holds


def test_nan_on_one_side_is_no_agreement() -> None:
    case = replace(CASES["optimizer sgd"], learning_rate=1e200, loss="mean_squared_error")
    assert isinstance(case, Case)
    with pytest.raises(FFNNError, match="the loss is"):
        compare(case, "torch", lambda: create_engine("numpy", "float64"))


def test_the_command_prints_a_verdict_and_fails_when_a_bound_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    few = [CASES[name] for name in ("activation tanh", "optimizer momentum, weight_decay")]
    monkeypatch.setattr("ffnn.reference.agreement.cases", lambda: iter(few))
    arguments = ["--framework=torch", "--steps=1", "--engine=numpy"]
    fine = CliRunner().invoke(agree, arguments)
    assert fine.exit_code == 0, fine.output
    assert "torch: 1 of 1 agree" in fine.output
    assert "1 without a counterpart" in fine.output
    break_table(monkeypatch, *FAULTS["activation tanh"])
    broken = CliRunner().invoke(agree, arguments)
    assert broken.exit_code == 1
    assert "torch: bounds are broken by activation tanh" in broken.output


@pytest.mark.parametrize(
    ("argument", "message"),
    [("--framework=torh", "did you mean 'torch'"), ("--steps=1,x", "whole numbers"), ("--steps=0", "at least 1")],
)
def test_wrong_arguments_are_told(argument: str, message: str) -> None:
    with pytest.raises(FFNNError, match=message):
        CliRunner().invoke(agree, [argument], catch_exceptions=False)
