"""What other libraries call a thing, with ffnn's name for it: who types `swish` is told `silu`.

They are hints in errors and never accepted: one thing has one name.
"""

from collections.abc import Mapping, Sequence

SYNONYMS: Mapping[str, Sequence[str]] = {
    # settings: PyTorch, Keras, scikit-learn, W&B's examples
    "learning_rate": ("lr", "eta", "alpha", "learning_rate_init", "step_size"),
    "batch_size": ("bs", "batch", "minibatch_size"),
    "epochs": ("n_epochs", "num_epochs", "max_epochs", "max_iter", "iterations"),
    "hidden_layers": ("hidden_layer_sizes", "hidden_sizes", "hidden_dims", "layers", "layer_sizes", "architecture"),
    "hidden_units": ("hidden_size", "hidden_dim", "units", "width", "neurons", "n_hidden"),
    "num_layers": ("depth", "n_layers"),
    "activation": ("nonlinearity", "act", "activation_function"),
    "initializer": ("init", "weight_init", "weight_initializer", "kernel_initializer"),
    "bias_initializer": ("bias_init",),
    "dropout": ("dropout_rate", "p_dropout", "drop_rate"),
    "batch_norm": ("bn", "batchnorm", "batch_normalization", "use_batch_norm"),
    "loss": ("criterion", "loss_function", "loss_fn"),
    "optimizer": ("solver", "opt", "algorithm"),
    "weight_decay": ("wd", "decay"),
    "l2": ("alpha", "reg", "lambda", "l2_reg", "l2_lambda", "regularization", "weight_penalty"),
    "schedule": ("scheduler", "lr_scheduler", "lr_schedule", "learning_rate_schedule"),
    "warmup_epochs": ("warmup", "warm_up"),
    "clip_norm": ("grad_clip", "gradient_clipping", "max_grad_norm", "clipnorm", "gradient_clip_val"),
    "clip_value": ("clipvalue",),
    "patience": ("early_stopping", "n_iter_no_change"),
    "seed": ("random_state", "random_seed", "rng"),
    "val_fraction": ("validation_split", "validation_fraction", "val_split"),
    "dataset": ("data", "dataset_name"),
    "data_dir": ("data_path", "root"),
    "runs_dir": ("output_dir", "save_dir", "log_dir", "out"),
    "class_weights": ("class_weight",),
    "normalize": ("scaling", "standardize"),
    "augment": ("augmentation", "transforms"),
    "engine": ("device", "backend", "accelerator"),
    "threads": ("n_jobs", "num_workers", "workers"),
    # options of components
    "momentum": ("mu",),
    "epsilon": ("eps",),
    "beta1": ("betas", "beta_1"),
    "beta2": ("beta_2",),
    "rate": ("p",),
    # names of components
    "silu": ("swish",),
    "identity": ("linear", "none"),
    "leaky_relu": ("lrelu",),
    "sigmoid": ("logistic",),
    "he_normal": ("kaiming", "kaiming_normal", "he"),
    "he_uniform": ("kaiming_uniform",),
    "xavier_normal": ("glorot", "glorot_normal", "xavier"),
    "xavier_uniform": ("glorot_uniform",),
    "cross_entropy": ("ce", "nll", "log_loss", "categorical_crossentropy", "sparse_categorical_crossentropy"),
    "mean_squared_error": ("mse", "l2_loss"),
    "cosine": ("cosine_annealing", "cosine_decay"),
    "one_cycle": ("onecyclelr", "1cycle"),
    "step": ("steplr", "multistep"),
    "cupy": ("cuda", "gpu"),
    "numba": ("cpu",),
}


def synonyms(received: str) -> list[str]:
    """Names that ffnn has for what others call `received`, whatever its case, dashes and spaces.

    Examples
    --------
    >>> synonyms("Swish"), synonyms("alpha")
    (['silu'], ['learning_rate', 'l2'])
    """
    received = plain_name(received)
    return [name for name, others in SYNONYMS.items() if received in others]


def plain_name(name: str) -> str:
    """A name as ffnn would write it: small letters, with underscores.

    Examples
    --------
    >>> plain_name("Fashion-MNIST")
    'fashion_mnist'
    """
    return name.strip().lower().replace("-", "_").replace(" ", "_")
