"""Training by the generated CUDA kernels, run by the emulator: against PyTorch, and stacks against single networks."""

import numpy as np
import pytest
from backend.emulated import EmulatedEngine, needs_compiler

from ffnn.backend.stacked import StackedEngine
from ffnn.data.batches import Batches, Pool
from ffnn.nn import GELU, OPTIMIZERS, BatchNorm, Dropout, Linear, Network, Objective, SoftmaxCrossEntropy
from ffnn.reference.agreement import cases, compare
from ffnn.training.stack import Stack
from ffnn.training.trainer import Plan, Trainer

pytestmark = [needs_compiler, pytest.mark.slow]


def test_everything_registered_agrees_with_pytorch() -> None:
    agreements = [compare(case, "torch", lambda: EmulatedEngine("float64"), (1, 10)) for case in cases()]
    assert sum(bool(agreement.differences) for agreement in agreements) >= 44
    assert [agreement.case.name for agreement in agreements if not agreement.holds] == []


@pytest.mark.parametrize("one_order", [False, True])
def test_a_stack_computes_what_its_networks_would_alone(one_order: bool) -> None:
    rng = np.random.default_rng(1)
    images, labels = rng.integers(0, 256, (40, 6), np.uint8), rng.integers(0, 3, 40)
    engine = EmulatedEngine("float64")
    pool = Pool(engine, images, labels, np.full(6, 1 / 255), np.zeros(6))

    def parts(engine: EmulatedEngine | StackedEngine, number: int) -> tuple[Objective, object, Plan]:
        network = Network([Linear(5), BatchNorm(), GELU(), Dropout(0.3), Linear(3)], 6, engine, seed=number)
        return Objective(network, SoftmaxCrossEntropy()), OPTIMIZERS.create("adam", learning_rate=0.01), Plan(2)

    def trainer(number: int) -> Trainer:
        objective, optimizer, plan = parts(engine, number)
        train = Batches(pool, np.arange(30), 7, shuffle_seed=0 if one_order else number)
        return Trainer(objective, optimizer, train, Batches(pool, np.arange(30, 40), 10), plan)

    alone, together = [trainer(number) for number in range(3)], [trainer(number) for number in range(3)]
    stack = Stack(together, lambda engine: parts(engine, 0))
    for _ in range(2):
        stack.train_epoch()
        for one, other in zip(alone, together, strict=True):
            other.train_epoch()
            one.train_epoch()
            np.testing.assert_allclose(
                other.objective.network.parameters.values, one.objective.network.parameters.values, rtol=1e-11
            )
            assert other.current.means.loss == pytest.approx(one.current.means.loss, rel=1e-12)
            assert other.current.means.accuracy == one.current.means.accuracy
