"""Keras on TensorFlow, by one call of `fit` that is halted after each epoch until the next is asked for.

What `fit` does once a call, before its first epoch, is therefore not counted.
"""

import threading
from typing import Any, ClassVar

import numpy as np

from ffnn.bench.contender import CONTENDERS, Contender
from ffnn.bench.work import Task

ENDLESS = 1_000_000  # epochs


@CONTENDERS.register("keras")
class KerasFit(Contender):
    """`fit` on float32 arrays in memory, shuffled."""

    about = "Keras fit, TensorFlow"
    packages: ClassVar = {"keras": "keras", "tensorflow": "tensorflow-cpu"}

    _fit: "HaltedFit | None" = None

    def prepare(self, task: Task, threads: int) -> str:
        import keras
        import tensorflow as tf

        from ffnn.reference import KerasReference

        if self._fit:
            self._fit.end()
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        keras.backend.clear_session()
        described = task.description
        reference = KerasReference(described.objective(task.state), described.make_optimizer(), seed=task.seed)
        network = reference.network
        network.compile(reference.keras_optimizer, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        inputs = task.images.astype(np.float32) / np.float32(task.top)
        self._fit = HaltedFit(network, inputs, task.labels, task.batch_size)
        return "pixels kept as float32"

    def epoch(self) -> float:
        assert self._fit
        return self._fit.epoch()


class HaltedFit:
    """A call of `fit` in a thread of its own, which goes on for one epoch each time it is told to."""

    def __init__(self, network: Any, inputs: Any, labels: Any, batch_size: int) -> None:
        self._go, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self._over, self._loss = False, 0.0
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(network, inputs, labels, batch_size), daemon=True)
        self._thread.start()

    def _run(self, network: Any, inputs: Any, labels: Any, batch_size: int) -> None:
        import keras

        def begin(epoch: int, logs: Any) -> None:
            self._go.acquire()
            if self._over:
                raise _Ended

        def finish(epoch: int, logs: Any) -> None:
            self._loss = float(logs["loss"])
            self._done.release()

        gate = keras.callbacks.LambdaCallback(on_epoch_begin=begin, on_epoch_end=finish)
        try:
            network.fit(inputs, labels, batch_size, ENDLESS, verbose=0, callbacks=[gate], shuffle=True)
        except _Ended:
            pass
        except BaseException as problem:  # whatever it is, the waiting thread must hear of it
            self._problem = problem
            self._done.release()

    def epoch(self) -> float:
        """Let one epoch pass; the mean loss of its steps."""
        self._go.release()
        self._done.acquire()
        if self._problem:
            raise self._problem
        return self._loss

    def end(self) -> None:
        """Leave `fit`."""
        self._over = True
        self._go.release()
        self._thread.join()


class _Ended(Exception):  # noqa: N818  it is no error
    """Leaves `fit`, which has no other way out of an epoch that has not begun."""
