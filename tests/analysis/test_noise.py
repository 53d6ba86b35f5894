"""The gradient noise scale against gradients of single examples, each computed by a backward pass of its own."""

import numpy as np
import pytest

from ffnn.analysis.noise import GradientNoise, gradient_noise
from ffnn.backend import create_engine
from ffnn.errors import FFNNError
from ffnn.nn import Dropout, Linear, Network, Objective, ReLU, Tanh, mlp_layers
from ffnn.nn.losses import FocalLoss, MeanSquaredError, SoftmaxCrossEntropy

LOSSES = {
    "cross-entropy": SoftmaxCrossEntropy,
    "smoothed": lambda: SoftmaxCrossEntropy(label_smoothing=0.1),
    "focal": FocalLoss,
    "squared": MeanSquaredError,
}


def example(loss, layers=None, rows=24):
    """A small objective, and data for it."""
    engine = create_engine("numpy", "float64")
    layers = layers or [Linear(7), Tanh(), Linear(5, bias=False), ReLU(), Linear(3)]
    objective = Objective(Network(layers, 4, engine, seed=1), loss)
    rng = np.random.default_rng(0)
    return objective, rng.normal(size=(rows, 4)), rng.integers(0, 3, rows)


def single_gradients(objective, x, y):
    """One backward pass of the library for each example."""
    gradients = []
    for row in range(len(x)):
        objective.gradients(x[row : row + 1], y[row : row + 1])
        gradients.append(np.array(objective.network.parameters.grads))
    return np.array(gradients)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("batch", [24, 7])
def test_norms_are_those_of_single_backward_passes(name, batch):
    objective, x, y = example(LOSSES[name]())
    single = single_gradients(objective, x, y)
    noise = gradient_noise(objective, ((x[at : at + batch], y[at : at + batch]) for at in range(0, len(x), batch)))
    np.testing.assert_allclose(noise.norms, np.linalg.norm(single, axis=1), rtol=1e-10)
    np.testing.assert_allclose(noise.mean_norm, np.linalg.norm(single.mean(axis=0)), rtol=1e-10)
    covariance = np.cov(single, rowvar=False)
    np.testing.assert_allclose(noise.scatter, np.trace(covariance), rtol=1e-9)


def test_with_class_weights_the_mean_is_the_batchs_gradient():
    weights = [0.2, 1.0, 3.0]
    objective, x, y = example(SoftmaxCrossEntropy(class_weights=weights))
    objective.gradients(x, y)
    whole = np.linalg.norm(objective.network.parameters.grads)
    # A single example's own weight cancels in its own mean: it counts among the others.
    share = np.array(weights)[y] * len(y) / np.array(weights)[y].sum()
    expected = np.linalg.norm(single_gradients(objective, x, y), axis=1) * share
    noise = gradient_noise(objective, [(x[:9], y[:9]), (x[9:], y[9:])])
    np.testing.assert_allclose(noise.mean_norm, whole, rtol=1e-10)
    np.testing.assert_allclose(noise.norms, expected, rtol=1e-10)


def test_dropout_is_off():
    objective, x, y = example(SoftmaxCrossEntropy(), [Dropout(0.9), Linear(3)])
    first, second = (gradient_noise(objective, [(x, y)]) for _ in range(2))
    np.testing.assert_array_equal(first.norms, second.norms)


def test_the_estimates_are_without_bias():
    """Gradients drawn with a known mean and covariance: over many small samples both estimates hit the truth."""
    rng = np.random.default_rng(0)
    mean, deviation = np.array([0.3, -0.2, 0.1]), np.array([1.0, 0.5, 2.0])
    found = []
    for _ in range(4000):
        drawn = mean + deviation * rng.normal(size=(5, 3))
        noise = GradientNoise(np.linalg.norm(drawn, axis=1), float(np.linalg.norm(drawn.mean(axis=0))))
        found.append((noise.scatter, noise.signal))
    scatter, signal = np.mean(found, axis=0)
    assert scatter == pytest.approx((deviation**2).sum(), rel=0.03)
    assert signal == pytest.approx((mean**2).sum(), abs=0.07)


def test_without_a_visible_gradient_there_is_no_scale():
    assert GradientNoise(np.array([1.0, 1.0]), 0.0).scale is None


def test_what_has_no_gradient_of_single_examples_is_refused():
    objective, x, y = example(SoftmaxCrossEntropy(), mlp_layers([4], 3, batch_norm=True))
    with pytest.raises(FFNNError, match="expected layers that treat each example alone; received batch_norm"):
        gradient_noise(objective, [(x, y)])
    objective, x, y = example(SoftmaxCrossEntropy())
    with pytest.raises(FFNNError, match="expected at least 2 examples; received 1"):
        gradient_noise(objective, [(x[:1], y[:1])])
