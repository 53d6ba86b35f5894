"""The same network in other frameworks, from one ffnn network and its present values.

They are yardsticks for studies, races and agreement; ffnn itself never runs on them. None of these
files imports a framework before a network is made.
"""

from ffnn.reference.description import Description
from ffnn.reference.reference import REFERENCES, Reference, State, Step, make_reference, reference_class

# The order of commands and tables.
# isort: off
from ffnn.reference.torch_reference import TorchReference
from ffnn.reference.jax_reference import JaxReference
from ffnn.reference.keras_reference import KerasReference
# isort: on

__all__ = [
    "REFERENCES", "Description", "JaxReference", "KerasReference", "Reference", "State", "Step", "TorchReference",
    "make_reference", "reference_class",
]  # fmt: skip
