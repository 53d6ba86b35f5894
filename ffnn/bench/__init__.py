"""The race: the same training done by ffnn, by other frameworks and by the bare matrix products.

Every contender has a process of its own; they compute in turn, so that a busy moment hits all alike.
"""
