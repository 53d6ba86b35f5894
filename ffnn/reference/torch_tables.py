"""What PyTorch calls the things that ffnn registers.

ffnn follows PyTorch's variant of everything, so no line needs a remark.
"""

from ffnn.nn import ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES
from ffnn.reference.counterpart import CLIPPINGS, LAYERS, Counterpart, Options, Table
from ffnn.reference.reference import Tables

# Classes of torch.nn.
_LAYERS = {
    "linear": Counterpart("Linear", {"in_features": "input_size", "out_features": "units", "bias": "bias"}),
    "batch_norm": Counterpart("BatchNorm1d", {"num_features": "input_size", "eps": "epsilon", "momentum": "momentum"}),
    "dropout": Counterpart("Dropout", {"p": "rate"}),
}

VALUES = {
    "linear": {"weight": "weight", "bias": "bias"},
    "batch_norm": {
        "scale": "weight",
        "shift": "bias",
        "running_mean": "running_mean",
        "running_variance": "running_var",
    },
}
"""A layer's values, by ffnn's names and PyTorch's."""

# Classes of torch.nn. Above its threshold, by default 20, PyTorch's softplus answers x and so is off by up to 2e-9.
_ACTIVATIONS = {
    "identity": Counterpart("Identity"),
    "relu": Counterpart("ReLU"),
    "leaky_relu": Counterpart("LeakyReLU", {"negative_slope": "negative_slope"}),
    "sigmoid": Counterpart("Sigmoid"),
    "tanh": Counterpart("Tanh"),
    "elu": Counterpart("ELU", {"alpha": "alpha"}),
    "gelu": Counterpart("GELU"),
    "gelu_tanh": Counterpart("GELU", fixed={"approximate": "tanh"}),
    "silu": Counterpart("SiLU"),
    "softplus": Counterpart("Softplus", fixed={"threshold": 500}),
    "softmax": Counterpart("Softmax", fixed={"dim": 1}),
}

# Functions of ffnn.reference.torch_losses.
_LOSSES = {
    "cross_entropy": Counterpart("cross_entropy"),
    "focal": Counterpart("focal", {"gamma": "gamma"}),
    "mean_squared_error": Counterpart("mean_squared_error"),
}

# Classes of torch.optim. RMSprop has no fused form.
_FUSED = {"fused": True}
_ADAM: Options = {"betas": lambda adam: (adam.beta1, adam.beta2), "eps": "epsilon"}
_OPTIMIZERS = {
    "sgd": Counterpart("SGD", fixed=_FUSED),
    "momentum": Counterpart("SGD", {"momentum": "momentum"}, _FUSED),
    "nesterov": Counterpart("SGD", {"momentum": "momentum"}, {"nesterov": True, **_FUSED}),
    "adagrad": Counterpart("Adagrad", {"eps": "epsilon"}, _FUSED),
    "rmsprop": Counterpart("RMSprop", {"alpha": "rho", "eps": "epsilon"}),
    "adam": Counterpart("Adam", _ADAM, _FUSED),
    "adamw": Counterpart("AdamW", _ADAM, _FUSED),
}

DECOUPLED = {"sgd": "SGD", "adam": "AdamW", "adamw": "AdamW"}
"""Classes whose weight_decay acts as ffnn's, on the values and not through the rule; for plain SGD both are one."""

# Classes of torch.optim.lr_scheduler.
_SCHEDULES = {
    "constant": Counterpart("ConstantLR", fixed={"factor": 1.0}),
    "step": Counterpart("StepLR", {"step_size": "every", "gamma": "gamma"}),
    "linear": Counterpart("LinearLR", {"end_factor": "end_fraction", "total_iters": "epochs"}, {"start_factor": 1.0}),
    "exponential": Counterpart("ExponentialLR", {"gamma": "gamma"}),
    "cosine": Counterpart("CosineAnnealingLR", {"T_max": "total_steps", "eta_min": "minimum"}),
    "one_cycle": Counterpart(
        "OneCycleLR",
        {
            "max_lr": "rate",
            "total_steps": "total_steps",
            "pct_start": "warm_fraction",
            "div_factor": "start_factor",
            "final_div_factor": "end_factor",
        },
        {"cycle_momentum": False},
    ),
}

# Functions of torch.nn.utils.
_CLIPPINGS = {
    "clip_norm": Counterpart("clip_grad_norm_", {"max_norm": "max_norm"}),
    "clip_value": Counterpart("clip_grad_value_", {"clip_value": "max_value"}),
}

TABLES = Tables(
    Table("torch", LAYERS, _LAYERS),
    Table("torch", ACTIVATIONS, _ACTIVATIONS),
    Table("torch", LOSSES, _LOSSES),
    Table("torch", OPTIMIZERS, _OPTIMIZERS),
    Table("torch", SCHEDULES, _SCHEDULES),
    Table("torch", CLIPPINGS, _CLIPPINGS),
)
