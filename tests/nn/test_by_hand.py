"""One training step and one batch norm worked on paper, so that no library stands between code and arithmetic."""

import math

import numpy as np
from reference import both_engines, float64

from ffnn.nn import SGD, BatchNorm, Linear, MeanSquaredError, Network, Objective, ReLU, SoftmaxCrossEntropy


@both_engines
def test_one_sgd_step_of_a_2_2_2_network(engine_name: str) -> None:
    """A network whose every number is exact in binary.

    Weights, as (in, out)::

        W1 = [[1, -1], [2, 1]]    b1 = [0, 1]        W2 = [[1, 0.5], [-1, 2]]    b2 = [0.5, 0]

    Forward of x = [1, 2]::

        z1 = [1*1 + 2*2 + 0,  1*-1 + 2*1 + 1] = [5, 2]       h = relu(z1) = [5, 2]
        y  = [5*1 + 2*-1 + 0.5,  5*0.5 + 2*2 + 0] = [3.5, 6.5]

    and of x = [-1, 1]::

        z1 = [-1 + 2 + 0,  1 + 1 + 1] = [1, 3]               h = [1, 3]
        y  = [1 - 3 + 0.5,  0.5 + 6 + 0] = [-1.5, 6.5]

    and of x = [-2, 0.5]::

        z1 = [-2 + 1 + 0,  2 + 0.5 + 1] = [-1, 3.5]          h = [0, 3.5]
        y  = [0 - 3.5 + 0.5,  0 + 7 + 0] = [-3, 7]

    Only the first and third row are in the batch. Squared error against t = [[1.5, 6.5], [-1, 3]]::

        y - t = [[2, 0], [-2, 4]]      L = (4 + 0 + 4 + 16) / 4 = 6
        G2 = dL/dy = 2 (y - t) / 4 = [[1, 0], [-1, 2]]

    Backward::

        dW2 = h^T G2 = [[5*1 + 0*-1, 5*0 + 0*2], [2*1 + 3.5*-1, 2*0 + 3.5*2]] = [[5, 0], [-1.5, 7]]
        db2 = [1 - 1, 0 + 2] = [0, 2]
        dh  = G2 W2^T: row 1 = [1*1 + 0*0.5, 1*-1 + 0*2] = [1, -1]
                       row 2 = [-1*1 + 2*0.5, -1*-1 + 2*2] = [0, 5]
        G1  = dh where z1 > 0: [[1, -1], [0, 5]]  (z1 of row 2 is [-1, 3.5])
        dW1 = x^T G1 = [[1*1 + -2*0, 1*-1 + -2*5], [2*1 + 0.5*0, 2*-1 + 0.5*5]] = [[1, -11], [2, 0.5]]
        db1 = [1 + 0, -1 + 5] = [1, 4]
        dx  = G1 W1^T: row 1 = [1*1 + -1*-1, 1*2 + -1*1] = [2, 1]
                       row 2 = [0*1 + 5*-1, 0*2 + 5*1] = [-5, 5]

    One step of learning rate 0.5::

        W1 = [[0.5, 4.5], [1, 0.75]]    b1 = [-0.5, -1]     W2 = [[-1.5, 0.5], [-0.25, -1.5]]    b2 = [0.5, -1]
    """
    network = Network([Linear(2), ReLU(), Linear(2)], 2, float64(engine_name))
    network.load_state_dict(
        {
            "linear1.weight": [[1, -1], [2, 1]],
            "linear1.bias": [0, 1],
            "linear2.weight": [[1, 0.5], [-1, 2]],
            "linear2.bias": [0.5, 0],
        }
    )
    assert network.forward(np.array([[-1.0, 1.0]])).tolist() == [[-1.5, 6.5]]
    objective = Objective(network, MeanSquaredError())
    loss = objective.gradients(np.array([[1.0, 2.0], [-2.0, 0.5]]), np.array([[1.5, 6.5], [-1.0, 3.0]]))
    assert objective.outputs.tolist() == [[3.5, 6.5], [-3, 7]]
    assert loss == 6
    assert objective.loss.backward().tolist() == [[1, 0], [-1, 2]]
    assert {name: parameter.grad.tolist() for name, parameter in network.named_parameters()} == {
        "linear1.weight": [[1, -11], [2, 0.5]],
        "linear1.bias": [1, 4],
        "linear2.weight": [[5, 0], [-1.5, 7]],
        "linear2.bias": [0, 2],
    }
    assert network.backward(objective.loss.backward(), needs_input_grad=True).tolist() == [[2, 1], [-5, 5]]

    optimizer = SGD(learning_rate=0.5)
    optimizer.connect(network.parameters)
    optimizer.step()
    assert {name: values.tolist() for name, values in network.state_dict().items()} == {
        "linear1.weight": [[0.5, 4.5], [1, 0.75]],
        "linear1.bias": [-0.5, -1],
        "linear2.weight": [[-1.5, 0.5], [-0.25, -1.5]],
        "linear2.bias": [0.5, -1],
    }


@both_engines
def test_cross_entropy_of_two_classes(engine_name: str) -> None:
    """Logits [log 3, 0] give p = [3/4, 1/4]; label 1 costs log 4, gradient p - t = [3/4, -3/4]."""
    loss = SoftmaxCrossEntropy()
    loss.connect(float64(engine_name), 2)
    assert math.isclose(loss.forward(np.array([[math.log(3), 0.0]]), np.array([1])), math.log(4), rel_tol=1e-15)
    np.testing.assert_allclose(loss.backward(), [[0.75, -0.75]], rtol=1e-15)


@both_engines
def test_one_batch_norm(engine_name: str) -> None:
    """Column 1 is [1, 3, 8, 4]: mean 4, variance (9 + 1 + 16 + 0) / 4 = 6.5, and with epsilon 2.5 the root is 3.

    So h = [-1, -1/3, 4/3, 0] and y = 3 h + 1 = [-2, 0, 5, 1]. With momentum 0.5 the running mean goes from 0 to 2,
    and the running variance from 1 to (1 + 26/3) / 2 = 29/6, as the unbiased variance is 26/3.

    With g = [1, 0, 0, 2]: dscale = -1*1 + 0*2 = -1, dshift = 3, and by the rule dx = 3/3 (g - 3/4 - h * -1/4)::

        [1 - 0.75 - 0.25,  -0.75 - 1/12,  -0.75 + 1/3,  2 - 0.75 + 0] = [0, -5/6, -5/12, 1.25]
    """
    network = Network([BatchNorm(momentum=0.5, epsilon=2.5)], 1, float64(engine_name))
    network.parameters["batch_norm1.scale"].value[...] = 3
    network.parameters["batch_norm1.shift"].value[...] = 1
    outputs = network.forward(np.array([[1.0], [3.0], [8.0], [4.0]]), training=True)
    np.testing.assert_allclose(outputs, [[-2], [0], [5], [1]], atol=1e-14)
    np.testing.assert_allclose(network.states()["batch_norm1.running_mean"], [2], atol=1e-15)
    np.testing.assert_allclose(network.states()["batch_norm1.running_variance"], [29 / 6], rtol=1e-15)
    grad_inputs = network.backward(np.array([[1.0], [0.0], [0.0], [2.0]]), needs_input_grad=True)
    np.testing.assert_allclose(network.parameters["batch_norm1.scale"].grad, [-1], rtol=1e-14)
    np.testing.assert_allclose(network.parameters["batch_norm1.shift"].grad, [3], rtol=1e-14)
    np.testing.assert_allclose(grad_inputs, [[0], [-5 / 6], [-5 / 12], [1.25]], atol=1e-14)
    # At evaluation: (5 - 2) / sqrt(29/6 + 2.5) * 3 + 1, where 29/6 + 2.5 = 22/3.
    expected = 9 / math.sqrt(22 / 3) + 1
    np.testing.assert_allclose(network.forward(np.array([[5.0]])), [[expected]], rtol=1e-14)
