"""The mathematics: layers, losses, optimizers, schedules. Imports nothing but NumPy and the engines."""

from ffnn.nn.activations import (
    ACTIVATIONS,
    ELU,
    GELU,
    GELUTanh,
    Identity,
    LeakyReLU,
    Mish,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from ffnn.nn.averaging import WeightAverage
from ffnn.nn.batch_norm import BatchNorm
from ffnn.nn.clipping import ClipNorm, ClipValue
from ffnn.nn.elementwise import Elementwise
from ffnn.nn.initializers import INITIALIZERS, Initializer
from ffnn.nn.layer import Layer
from ffnn.nn.layers import Dropout, Linear
from ffnn.nn.losses import LOSSES, FocalLoss, Hinge, Loss, MeanSquaredError, SoftmaxCrossEntropy
from ffnn.nn.mlp import mlp_layers
from ffnn.nn.network import Network, Objective
from ffnn.nn.optimizers import OPTIMIZERS, SGD, AdaGrad, Adam, AdamW, Lion, Momentum, Nesterov, Optimizer, RMSProp
from ffnn.nn.penalties import L2Penalty
from ffnn.nn.schedules import SCHEDULES, Schedule, Warmup
from ffnn.nn.softmax import Softmax

__all__ = [
    "ACTIVATIONS", "ELU", "GELU", "INITIALIZERS", "LOSSES", "OPTIMIZERS", "SCHEDULES", "SGD", "AdaGrad", "Adam",
    "AdamW", "BatchNorm", "ClipNorm", "ClipValue", "Dropout", "Elementwise", "FocalLoss", "GELUTanh", "Hinge",
    "Identity", "Initializer", "L2Penalty", "Layer", "LeakyReLU", "Linear", "Lion", "Loss", "MeanSquaredError", "Mish",
    "Momentum", "Nesterov",
    "Network", "Objective", "Optimizer", "RMSProp", "ReLU", "Schedule", "SiLU", "Sigmoid", "Softmax",
    "SoftmaxCrossEntropy", "Softplus", "Tanh", "Warmup", "WeightAverage", "mlp_layers",
]  # fmt: skip
