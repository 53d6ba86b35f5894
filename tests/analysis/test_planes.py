"""Components, planes and layers: against the geometry they are made of."""

import numpy as np
import pytest

from ffnn.analysis.animation import frame_steps
from ffnn.analysis.components import components_by_layer, principal_components
from ffnn.analysis.layers import hidden_names, layer_outputs
from ffnn.analysis.plane import plane_of
from ffnn.errors import FFNNError
from ffnn.nn import Network, mlp_layers


def network(hidden=(6, 5), **options):
    return Network(mlp_layers(list(hidden), 3, **options), 4, "numpy", seed=2)


def test_the_last_layers_outputs_are_what_the_network_answers():
    net, x = network(batch_norm=True, dropout=0.5), np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    outputs = layer_outputs(net, x)
    np.testing.assert_allclose(list(outputs.values())[-1], net.predict(x), rtol=1e-6)
    assert hidden_names(net) == ["relu1", "relu2"]
    assert outputs["relu1"].min() >= 0


def test_components_are_the_singular_vectors():
    values = np.random.default_rng(0).normal(size=(50, 6)) * [5, 3, 1, 1, 1, 0.1]
    found = principal_components("inputs", values)
    singular = np.linalg.svd(values - values.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(found.explained, singular**2 / (singular**2).sum(), rtol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(found.points, axis=0), singular[:2], rtol=1e-9)
    assert found.needed_for(0.5) == 1


def test_a_dead_layer_has_no_components_but_is_drawn():
    net = network(bias_init={"name": "normal", "std": 0.0, "mean": -100.0})
    layers = components_by_layer(net, np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32))
    assert [layer.name for layer in layers] == ["inputs", "relu1", "relu2"]
    assert np.isfinite(layers[1].points).all()
    assert layers[1].explained.sum() == 0


def test_one_unit_has_no_two_components():
    with pytest.raises(FFNNError, match="relu1: expected at least 2 units to find components of; received 1"):
        components_by_layer(network([1]), np.ones((5, 4), np.float32))


def test_points_of_a_plane_lie_at_their_places():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 7)) + 3
    plane = plane_of(inputs)
    np.testing.assert_allclose(plane.inputs(plane.points), inputs, atol=1e-9)
    assert plane.explained == pytest.approx(1)
    left, right, bottom, top = plane.extent
    corners = [[left, bottom], [right, bottom], [left, top], [right, top]]
    np.testing.assert_allclose(plane.grid(2), plane.inputs(np.array(corners)))


@pytest.mark.parametrize(("steps", "frames"), [(1, 2), (3, 100), (10_000, 30)])
def test_frames_begin_at_0_and_end_at_the_last_step(steps, frames):
    chosen = frame_steps(steps, frames)
    assert chosen[0] == 0
    assert chosen[-1] == steps
    assert chosen == sorted(set(chosen))
    assert len(chosen) <= frames
