"""The contenders, each in a file named after its framework; importing this room registers them all.

None of these files imports a framework before a contender is prepared.
"""

from ffnn.bench.contender import CONTENDERS, Contender, contender_class

# The order of turns and of columns, ffnn first; those of the CPU, then those of a GPU.
# isort: off
from ffnn.bench.contenders import ffnn_trainer as ffnn_trainer
from ffnn.bench.contenders import ffnn_stack as ffnn_stack
from ffnn.bench.contenders import pytorch as pytorch
from ffnn.bench.contenders import jax_loops as jax_loops
from ffnn.bench.contenders import keras_fit as keras_fit
from ffnn.bench.contenders import sklearn_mlp as sklearn_mlp
from ffnn.bench.contenders import floor as floor
from ffnn.bench.contenders import ffnn_gpu as ffnn_gpu
from ffnn.bench.contenders import pytorch_gpu as pytorch_gpu
from ffnn.bench.contenders import jax_gpu as jax_gpu
from ffnn.bench.contenders import gpu_floor as gpu_floor
# isort: on

__all__ = ["CONTENDERS", "Contender", "contender_class"]
