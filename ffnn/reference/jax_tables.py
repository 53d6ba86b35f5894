"""What JAX and Optax call the things that ffnn registers.

JAX itself has no optimizers and schedules; Optax is where its users take them from.
"""

from ffnn.nn import ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES
from ffnn.reference.counterpart import CLIPPINGS, LAYERS, Counterpart, Options, Table
from ffnn.reference.reference import Tables

# Functions of ffnn.reference.jax_network.
_LAYERS = {"linear": Counterpart("linear"), "batch_norm": Counterpart("batch_norm"), "dropout": Counterpart("dropout")}

# Functions of jax.nn.
_ACTIVATIONS = {
    "identity": Counterpart("identity"),
    "relu": Counterpart("relu"),
    "leaky_relu": Counterpart("leaky_relu", {"negative_slope": "negative_slope"}),
    "sigmoid": Counterpart("sigmoid"),
    "tanh": Counterpart("tanh"),
    "elu": Counterpart("elu", {"alpha": "alpha"}),
    "gelu": Counterpart("gelu", fixed={"approximate": False}),
    "gelu_tanh": Counterpart("gelu", fixed={"approximate": True}),
    "silu": Counterpart("silu"),
    "softplus": Counterpart("softplus"),
    "softmax": Counterpart("softmax", fixed={"axis": -1}),
}

# Functions of ffnn.reference.jax_losses.
_LOSSES = {
    "cross_entropy": Counterpart("cross_entropy"),
    "focal": Counterpart("focal", {"gamma": "gamma"}),
    "mean_squared_error": Counterpart("mean_squared_error"),
}

# Functions of optax, each without the learning rate.
_ADAM: Options = {"b1": "beta1", "b2": "beta2", "eps": "epsilon"}
_OPTIMIZERS = {
    "sgd": Counterpart("identity"),
    "momentum": Counterpart("trace", {"decay": "momentum"}),
    "nesterov": Counterpart("trace", {"decay": "momentum"}, {"nesterov": True}),
    "adagrad": Counterpart(
        "scale_by_rss",
        {"eps": lambda adagrad: adagrad.epsilon**2},
        {"initial_accumulator_value": 0.0},
        "epsilon inside the root: it is given squared, which is the same for gradients of 0 and for large ones",
        {"parameters": 1e-6, "outputs": 1e-6},
    ),
    "rmsprop": Counterpart("scale_by_rms", {"decay": "rho", "eps": "epsilon"}, {"eps_in_sqrt": False}),
    "adam": Counterpart("scale_by_adam", _ADAM),
    "adamw": Counterpart("scale_by_adam", _ADAM),
}

# Functions of optax.
_SCHEDULES = {
    "constant": Counterpart("constant_schedule", {"value": "rate"}),
    "step": Counterpart(
        "exponential_decay",
        {"init_value": "rate", "transition_steps": "every", "decay_rate": "gamma"},
        {"staircase": True},
    ),
    "linear": Counterpart(
        "linear_schedule", {"init_value": "rate", "end_value": "minimum", "transition_steps": "epochs"}
    ),
    "exponential": Counterpart(
        "exponential_decay", {"init_value": "rate", "decay_rate": "gamma"}, {"transition_steps": 1}
    ),
    "cosine": Counterpart(
        "cosine_decay_schedule", {"init_value": "rate", "decay_steps": "total_steps", "alpha": "end_fraction"}
    ),
    "one_cycle": Counterpart(
        "cosine_onecycle_schedule",
        {
            "transition_steps": "total_steps",
            "peak_value": "rate",
            "pct_start": "warm_fraction",
            "div_factor": "start_factor",
            "final_div_factor": "end_factor",
        },
        remark="its peak and its end come a step later than in PyTorch and ffnn",
        bounds={"parameters": 0.05, "outputs": 0.05},
    ),
}

# Functions of optax.
_CLIPPINGS = {
    "clip_norm": Counterpart(
        "clip_by_global_norm",
        {"max_norm": "max_norm"},
        remark="divides by the norm; PyTorch and ffnn by the norm + 1e-6",
        bounds={"parameters": 1e-5, "outputs": 1e-5},
    ),
    "clip_value": Counterpart("clip", {"max_delta": "max_value"}),
}

TABLES = Tables(
    Table("jax", LAYERS, _LAYERS),
    Table("jax", ACTIVATIONS, _ACTIVATIONS),
    Table("jax", LOSSES, _LOSSES),
    Table("jax", OPTIMIZERS, _OPTIMIZERS),
    Table("jax", SCHEDULES, _SCHEDULES),
    Table("jax", CLIPPINGS, _CLIPPINGS),
)
