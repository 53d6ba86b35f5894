"""The classifier for scikit-learn: its conventions outside, ffnn's network, loss and training loop inside.

Settings have the names, ranges and error messages of a run's config, and mean the same.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin

from ffnn.errors import FFNNError
from ffnn.nn.mlp import Component
from ffnn.sklearn.estimator import NetworkEstimator
from ffnn.sklearn.fitting import Rows
from ffnn.sklearn.labels import class_weights, numbered, training_and_validation
from ffnn.sklearn.settings import seed_of
from ffnn.training.trainer import Callback


class FFNNClassifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]
    """A multilayer perceptron with a softmax output, trained on mini-batches.

    Minimises the mean cross-entropy (or focal loss), weighted by rows and classes where weights are given,
    plus the L2 penalty. Inputs are taken as they are: put a scaler before it. Components (activation,
    initializer, loss, optimizer, schedule) are a name or a mapping of a name and options.

    Parameters
    ----------
    hidden_layers : sequence of int, default (128, 64)
        Units of each hidden layer; empty for multinomial logistic regression.
    activation : component or sequence of components, default "relu"
        For all hidden layers, or one for each.
    initializer, bias_initializer : component, default "he_normal" and "zeros"
    batch_norm : bool, default False
        Normalize before each activation. Where batches would leave a last one of a single row, they are made larger.
    dropout, input_dropout : float in [0, 1), default 0
        Probability of zeroing a hidden unit, an input.
    loss : component, default "cross_entropy"
        Or "focal".
    label_smoothing : float in [0, 1), default 0
    class_weight : dict of class and weight, "balanced" or None, default None
        balanced: n / (K * count) from the training rows, which `partial_fit` cannot know.
    l2 : float in [0, inf), default 0
        lambda of lambda/2 * sum of squared weights; MLPClassifier's alpha is lambda times the batch size.
    optimizer : component, default "adam"
    learning_rate : float in (0, inf), optional
        By default the optimizer's own: 0.001 for adam, 0.01 for sgd.
    weight_decay : float in [0, inf), optional
        Decoupled; by default the optimizer's own.
    schedule : component, default "constant"
        Of the learning rate, over `epochs`. `partial_fit` keeps it constant.
    warmup_epochs : float in [0, inf), default 0
    clip_norm : float in (0, inf), optional
        Largest joint norm of the gradients.
    batch_size : int >= 1 or "full", default 64
    epochs : int >= 1, default 100
        Passes over the training rows, at most.
    val_fraction : float in [0, 1), default 0
        Part of the rows held out, stratified, for the validation curve and the choice of the best epoch.
    patience : int >= 1, optional
        Stop after so many epochs in which `monitor` did not improve by more than `min_delta`.
    min_delta : float in [0, inf), default 0
    monitor : str, optional
        "val/loss" (the default with validation), "val/accuracy", "train/loss" (without) or "train/accuracy".
    warm_start : bool, default False
        `fit` goes on from the weights of the last one. As in further calls of `partial_fit`, what the network was made
        with may not change then: hidden_layers, activation, initializers, batch_norm, dropout, input_dropout,
        optimizer, engine and dtype; everything else is taken as it is now.
    random_state : int, RandomState or None, default None
        Decides initial weights, the order of rows, dropout and what is held out. The same int gives the same result.
    engine : str, default "auto"
        "numba", "numpy", or whichever is there.
    dtype : "float32", "float64" or None, default None
        Type of all numbers; None takes float32 if X has it, else float64. float32 is about twice as fast.
    callbacks : sequence of ffnn.training.Callback, default ()
        Copied before training, like the estimator itself in a search: what they saw is in `callbacks_`.
    verbose : bool, default False
        Print a line an epoch.

    Attributes
    ----------
    classes_ : array (K,)
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.
    network_ : Network
        Of ffnn: `summary()`, `named_parameters()`, `state_dict()`. With validation, at the best epoch.
    n_iter_ : int
        Epochs trained.
    best_epoch_ : int
        The epoch, from 1, whose weights `network_` has: with validation the best one, else the last.
    history_ : list of dict
        One record an epoch: losses, accuracies, learning rate, norms of gradients and weights, seconds.
    train_loss_curve_, val_loss_curve_ : list of float
        Loss of each epoch, that of training taken while the weights moved; without validation the second is empty.
    callbacks_ : list of Callback

    Raises
    ------
    ValueError
        At `fit`, in one line: what was expected, what came, the nearest name; also for non-finite X.
    TypeError
        For sparse X.

    Notes
    -----
    A row of weight 2 counts as two equal rows and one of weight 0 as none, exactly so with `batch_size="full"` and
    neither batch norm (its statistics are unweighted), dropout nor validation.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X_train, X_test, y_train, y_test = train_test_split(*load_digits(return_X_y=True), random_state=0)
    >>> network = FFNNClassifier((64,), activation="tanh", dropout=0.2, val_fraction=0.1, patience=5, random_state=0)
    >>> model = make_pipeline(StandardScaler(), network).fit(X_train, y_train)
    >>> model.score(X_test, y_test) > 0.95
    True
    >>> len(network.val_loss_curve_) == network.n_iter_ >= network.best_epoch_
    True
    """

    def __init__(
        self,
        hidden_layers: Sequence[int] = (128, 64),
        activation: Component | Sequence[Component] = "relu",
        *,
        initializer: Component = "he_normal",
        bias_initializer: Component = "zeros",
        batch_norm: bool = False,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        loss: Component = "cross_entropy",
        label_smoothing: float = 0.0,
        class_weight: dict[Any, float] | str | None = None,
        l2: float = 0.0,
        optimizer: Component = "adam",
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        schedule: Component = "constant",
        warmup_epochs: float = 0.0,
        clip_norm: float | None = None,
        batch_size: int | str = 64,
        epochs: int = 100,
        val_fraction: float = 0.0,
        patience: int | None = None,
        min_delta: float = 0.0,
        monitor: str | None = None,
        warm_start: bool = False,
        random_state: Any = None,
        engine: str = "auto",
        dtype: str | None = None,
        callbacks: Sequence[Callback] = (),
        verbose: bool = False,
    ) -> None:
        self.hidden_layers = hidden_layers
        self.activation = activation
        self.initializer = initializer
        self.bias_initializer = bias_initializer
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.loss = loss
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.l2 = l2
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.warmup_epochs = warmup_epochs
        self.clip_norm = clip_norm
        self.batch_size = batch_size
        self.epochs = epochs
        self.val_fraction = val_fraction
        self.patience = patience
        self.min_delta = min_delta
        self.monitor = monitor
        self.warm_start = warm_start
        self.random_state = random_state
        self.engine = engine
        self.dtype = dtype
        self.callbacks = callbacks
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None, X_val: Any = None, y_val: Any = None) -> "FFNNClassifier":
        """Train from new weights (with `warm_start`, from the last ones).

        Parameters
        ----------
        X : array (rows, features)
            Numbers, dense and finite.
        y : array (rows,)
            Classes of any kind.
        sample_weight : array (rows,) of non-negative floats, optional
        X_val, y_val : arrays, optional
            Held out instead of `val_fraction` of X.

        Raises
        ------
        ValueError
        DivergedError
            A ValueError: the loss is no longer finite.
        """
        goes_on = self.warm_start and hasattr(self, "network_")
        X, y, weights = self._checked(X, y, sample_weight, reset=not goes_on)
        present = np.arange(len(y)) if weights is None else np.flatnonzero(weights)
        classes = np.unique(y[present])
        if goes_on:
            self._check_unchanged()
        if goes_on and not np.array_equal(classes, self.classes_):
            raise FFNNError(f"y: with warm_start expected classes {self.classes_}; received {classes}")
        seed = seed_of(self.random_state)
        if not goes_on:
            self._begin(classes, X.dtype, seed)
        self.history_ = []
        labels = np.zeros(len(y), np.int64)  # of rows that weigh nothing it is never read
        labels[present] = numbered(y[present], classes)
        held_out = self._held_out(X_val, y_val)
        fraction = float(self.val_fraction) if held_out is None else 0.0
        learned, spare = training_and_validation(present, labels, fraction, seed)
        engine = self.network_.engine
        if len(spare):
            held_out = Rows(engine, X, labels, spare, weights)
        elif held_out is None and self.monitor and self.monitor.startswith("val/"):
            raise FFNNError(f"monitor: {self.monitor} needs validation: set val_fraction, or give X_val and y_val")
        shares = None if weights is None else weights[learned]
        per_class = class_weights(self.class_weight, classes, labels[learned], shares)
        self._train(Rows(engine, X, labels, learned, weights), held_out, per_class, seed)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> "FFNNClassifier":
        """One epoch over these rows, from where the last call ended; nothing is held out.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array, optional
            All that will ever come; needed in the first call.
        """
        first = not hasattr(self, "network_")
        X, y, weights = self._checked(X, y, sample_weight, reset=first)
        if first and classes is None:
            raise FFNNError("classes: expected all classes in the first call of partial_fit; received None")
        if isinstance(self.class_weight, str):
            raise FFNNError(f"class_weight: partial_fit expects a dict or None; received {self.class_weight!r}")
        if not first:
            self._check_unchanged()
        if first:
            self._begin(np.unique(np.asarray(classes)), X.dtype, seed_of(self.random_state))
            self.history_ = []
        elif classes is not None and not np.array_equal(np.unique(np.asarray(classes)), self.classes_):
            raise FFNNError(f"classes: expected {self.classes_} as before; received {np.unique(np.asarray(classes))}")
        labels = numbered(y, self.classes_)
        rows = np.arange(len(y)) if weights is None else np.flatnonzero(weights)
        per_class = class_weights(self.class_weight, self.classes_, labels, weights)
        order = np.random.SeedSequence([self.network_.seed, len(self.history_)]).generate_state(1)
        self._train(Rows(self.network_.engine, X, labels, rows, weights), None, per_class, int(order[0]), partial=True)
        return self
