"""The one table of counterparts: what PyTorch, JAX with Optax and Keras call the things that ffnn registers.

ffnn follows PyTorch's variant of everything; where another framework defines a thing differently, its entry says so.
"""

from ffnn.nn import ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES
from ffnn.reference.counterpart import CLIPPINGS, LAYERS, Counterpart, Lacking, Options, Row, Tables

_FLOAT32 = "Keras keeps its constants in float32"
_ALL = {"loss": 1e-6, "gradients": 1e-6, "parameters": 1e-5, "outputs": 1e-5}

# Classes of torch.nn and keras.layers, functions of ffnn.reference.jax_network.
_LAYERS = {
    "linear": Row(
        torch=Counterpart("Linear", {"in_features": "input_size", "out_features": "units", "bias": "bias"}),
        jax=Counterpart("linear"),
        tensorflow=Counterpart("Dense", {"units": "units", "use_bias": "bias"}),
    ),
    "batch_norm": Row(
        torch=Counterpart("BatchNorm1d", {"num_features": "input_size", "eps": "epsilon", "momentum": "momentum"}),
        jax=Counterpart("batch_norm"),
        tensorflow=Counterpart(
            "BatchNormalization",
            {"momentum": lambda layer: 1 - layer.momentum, "epsilon": "epsilon"},
            remark="its running variance is that of the batch itself, without Bessel's correction",
            bounds={"outputs": 0.2},
        ),
    ),
    "dropout": Row(
        torch=Counterpart("Dropout", {"p": "rate"}),
        jax=Counterpart("dropout"),
        tensorflow=Counterpart("Dropout", {"rate": "rate"}),
    ),
}

_ALPHA: Options = {"alpha": "alpha"}
_SLOPE: Options = {"negative_slope": "negative_slope"}

# Classes of torch.nn, functions of jax.nn and of keras.activations. Above its threshold, by default 20, PyTorch's
# softplus answers x and so is off by up to 2e-9.
_ACTIVATIONS = {
    "identity": Row(Counterpart("Identity"), Counterpart("identity"), Counterpart("linear")),
    "relu": Row(Counterpart("ReLU"), Counterpart("relu"), Counterpart("relu")),
    "leaky_relu": Row(
        Counterpart("LeakyReLU", _SLOPE),
        Counterpart("leaky_relu", _SLOPE),
        Counterpart("leaky_relu", _SLOPE, {}, _FLOAT32, _ALL),
    ),
    "sigmoid": Row(Counterpart("Sigmoid"), Counterpart("sigmoid"), Counterpart("sigmoid")),
    "tanh": Row(Counterpart("Tanh"), Counterpart("tanh"), Counterpart("tanh")),
    "elu": Row(Counterpart("ELU", _ALPHA), Counterpart("elu", _ALPHA), Counterpart("elu", _ALPHA)),
    "gelu": Row(
        Counterpart("GELU"),
        Counterpart("gelu", fixed={"approximate": False}),
        Counterpart("gelu", {}, {"approximate": False}, _FLOAT32, _ALL),
    ),
    "gelu_tanh": Row(
        Counterpart("GELU", fixed={"approximate": "tanh"}),
        Counterpart("gelu", fixed={"approximate": True}),
        Counterpart("gelu", {}, {"approximate": True}, _FLOAT32, _ALL),
    ),
    "silu": Row(Counterpart("SiLU"), Counterpart("silu"), Counterpart("silu")),
    "mish": Row(Counterpart("Mish"), Counterpart("mish"), Counterpart("mish")),
    "softplus": Row(
        Counterpart("Softplus", fixed={"threshold": 500}), Counterpart("softplus"), Counterpart("softplus")
    ),
    "softmax": Row(
        Counterpart("Softmax", fixed={"dim": 1}), Counterpart("softmax", fixed={"axis": -1}), Counterpart("softmax")
    ),
}

# Functions of ffnn.reference.torch_losses, jax_losses and keras_losses.
_LOSSES = {
    "cross_entropy": Row(*3 * [Counterpart("cross_entropy")]),
    "focal": Row(*3 * [Counterpart("focal", {"gamma": "gamma"})]),
    "mean_squared_error": Row(*3 * [Counterpart("mean_squared_error")]),
    "hinge": Row(
        Counterpart("hinge", {"margin": "margin"}),
        Counterpart("hinge", {"margin": "margin"}),
        Lacking("Keras has a hinge loss of two classes only, and a categorical one of the nearest class alone"),
    ),
}

_FUSED = {"fused": True}
_MOMENTUM: Options = {"momentum": "momentum"}
_VELOCITY = "the learning rate stands inside the velocity: another path wherever a schedule moves it"
_FROM_ZERO, _NEARLY = {"initial_accumulator_value": 0.0}, {"parameters": 1e-6, "outputs": 1e-6}
_SQUARED = "epsilon inside the root: it is given squared, which is the same for gradients of 0 and for large ones"
_ROUGHLY = {"parameters": 1e-4, "outputs": 1e-4}
_ADAM: Options = {"betas": lambda adam: (adam.beta1, adam.beta2), "eps": "epsilon"}
_JAX_ADAM = Counterpart("scale_by_adam", {"b1": "beta1", "b2": "beta2", "eps": "epsilon"})
_KERAS_ADAM = Counterpart(
    "Adam",
    {"beta_1": "beta1", "beta_2": "beta2", "epsilon": "epsilon"},
    {},
    "epsilon is added before the correction of bias (Kingma & Ba's second form)",
    _ROUGHLY,
)

# Classes of torch.optim, of which RMSprop has no fused form; functions of optax, each without the learning rate;
# classes of keras.optimizers.
_OPTIMIZERS = {
    "sgd": Row(Counterpart("SGD", fixed=_FUSED), Counterpart("identity"), Counterpart("SGD")),
    "momentum": Row(
        Counterpart("SGD", _MOMENTUM, _FUSED),
        Counterpart("trace", {"decay": "momentum"}),
        Counterpart("SGD", _MOMENTUM, {}, _VELOCITY, {"scheduled": 0.2}),
    ),
    "nesterov": Row(
        Counterpart("SGD", _MOMENTUM, {"nesterov": True, **_FUSED}),
        Counterpart("trace", {"decay": "momentum"}, {"nesterov": True}),
        Counterpart("SGD", _MOMENTUM, {"nesterov": True}, _VELOCITY, {"scheduled": 0.2}),
    ),
    "adagrad": Row(
        Counterpart("Adagrad", {"eps": "epsilon"}, _FUSED),
        Counterpart("scale_by_rss", {"eps": lambda rule: rule.epsilon**2}, _FROM_ZERO, _SQUARED, _NEARLY),
        Counterpart("Adagrad", {"epsilon": lambda rule: rule.epsilon**2}, _FROM_ZERO, _SQUARED, _NEARLY),
    ),
    "rmsprop": Row(
        Counterpart("RMSprop", {"alpha": "rho", "eps": "epsilon"}),
        Counterpart("scale_by_rms", {"decay": "rho", "eps": "epsilon"}, {"eps_in_sqrt": False}),
        Counterpart("RMSprop", {"rho": "rho", "epsilon": lambda rule: rule.epsilon**2}, {}, _SQUARED, _ROUGHLY),
    ),
    "adam": Row(Counterpart("Adam", _ADAM, _FUSED), _JAX_ADAM, _KERAS_ADAM),
    "adamw": Row(Counterpart("AdamW", _ADAM, _FUSED), _JAX_ADAM, _KERAS_ADAM),
    "lion": Row(
        Lacking("PyTorch has no Lion"),
        Counterpart("scale_by_lion", {"b1": "beta1", "b2": "beta2"}),
        Counterpart("Lion", {"beta_1": "beta1", "beta_2": "beta2"}),
    ),
}

# Classes of torch.optim.lr_scheduler and keras.optimizers.schedules, functions of optax.
_ONE_CYCLE: Options = {"pct_start": "warm_fraction", "div_factor": "start_factor", "final_div_factor": "end_factor"}
_SCHEDULES = {
    "constant": Row(
        Counterpart("ConstantLR", fixed={"factor": 1.0}),
        Counterpart("constant_schedule", {"value": "rate"}),
        Counterpart(""),
    ),
    "step": Row(
        Counterpart("StepLR", {"step_size": "every", "gamma": "gamma"}),
        Counterpart(
            "exponential_decay",
            {"init_value": "rate", "transition_steps": "every", "decay_rate": "gamma"},
            {"staircase": True},
        ),
        Counterpart(
            "ExponentialDecay",
            {"initial_learning_rate": "rate", "decay_steps": "every", "decay_rate": "gamma"},
            {"staircase": True},
        ),
    ),
    "linear": Row(
        Counterpart("LinearLR", {"end_factor": "end_fraction", "total_iters": "epochs"}, {"start_factor": 1.0}),
        Counterpart("linear_schedule", {"init_value": "rate", "end_value": "minimum", "transition_steps": "epochs"}),
        Counterpart(
            "PolynomialDecay",
            {"initial_learning_rate": "rate", "decay_steps": "epochs", "end_learning_rate": "minimum"},
            {"power": 1.0},
        ),
    ),
    "exponential": Row(
        Counterpart("ExponentialLR", {"gamma": "gamma"}),
        Counterpart("exponential_decay", {"init_value": "rate", "decay_rate": "gamma"}, {"transition_steps": 1}),
        Counterpart("ExponentialDecay", {"initial_learning_rate": "rate", "decay_rate": "gamma"}, {"decay_steps": 1}),
    ),
    "cosine": Row(
        Counterpart("CosineAnnealingLR", {"T_max": "total_steps", "eta_min": "minimum"}),
        Counterpart(
            "cosine_decay_schedule", {"init_value": "rate", "decay_steps": "total_steps", "alpha": "end_fraction"}
        ),
        Counterpart(
            "CosineDecay", {"initial_learning_rate": "rate", "decay_steps": "total_steps", "alpha": "end_fraction"}
        ),
    ),
    "one_cycle": Row(
        Counterpart(
            "OneCycleLR", {"max_lr": "rate", "total_steps": "total_steps", **_ONE_CYCLE}, {"cycle_momentum": False}
        ),
        Counterpart(
            "cosine_onecycle_schedule",
            {"transition_steps": "total_steps", "peak_value": "rate", **_ONE_CYCLE},
            remark="its peak and its end come a step later than in PyTorch and ffnn",
            bounds={"parameters": 0.05, "outputs": 0.05},
        ),
        Lacking("Keras has no schedule of one cycle"),
    ),
}

_BY_NORM = "divides by the norm; PyTorch and ffnn by the norm + 1e-6"
_NEAR_NORM = {"parameters": 1e-5, "outputs": 1e-5}

# Functions of torch.nn.utils and optax, options of keras.optimizers.
_CLIPPINGS = {
    "clip_norm": Row(
        Counterpart("clip_grad_norm_", {"max_norm": "max_norm"}),
        Counterpart("clip_by_global_norm", {"max_norm": "max_norm"}, {}, _BY_NORM, _NEAR_NORM),
        Counterpart("clip_by_global_norm", {"clip_norm": "max_norm"}, {}, _BY_NORM, _NEAR_NORM),
    ),
    "clip_value": Row(
        Counterpart("clip_grad_value_", {"clip_value": "max_value"}),
        Counterpart("clip", {"max_delta": "max_value"}),
        Counterpart("clip_by_value", {"clip_value_max": "max_value"}),
    ),
}

TABLES = {
    framework: Tables.of(
        framework,
        layers=(LAYERS, _LAYERS),
        activations=(ACTIVATIONS, _ACTIVATIONS),
        losses=(LOSSES, _LOSSES),
        optimizers=(OPTIMIZERS, _OPTIMIZERS),
        schedules=(SCHEDULES, _SCHEDULES),
        clippings=(CLIPPINGS, _CLIPPINGS),
    )
    for framework in ("torch", "jax", "tensorflow")
}
"""By framework."""
