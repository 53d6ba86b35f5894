"""The same network in other frameworks, from one description and one set of initial values.

They are yardsticks for races and for agreement; ffnn itself never runs on them.
"""

from ffnn.reference.description import Description, State

__all__ = ["Description", "State"]
