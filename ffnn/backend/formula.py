"""Binding: one formula, written as plain Python over bare names, made to run on any engine.

A formula says `sqrt(v)`; which `sqrt` that is depends on who evaluates it. `bind` makes a copy of
the function whose names, helper formulas and literal numbers belong to one engine.
"""

import hashlib
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from ffnn.backend import vocabulary

Formula = Callable[..., Any]


def bind(
    formula: Formula,
    words: Mapping[str, Any],
    number: Callable[[float], Any],
    compile_helper: Callable[[Formula], Any] = lambda function: function,
) -> FunctionType:
    """A copy of `formula` that speaks one engine's language.

    Parameters
    ----------
    formula : function
        Uses only its arguments, local names, float literals and constants, words of
        `ffnn.backend.vocabulary` and other formulas. Literals are written as floats: `1.0`, never `1`.
    words : mapping of str to callable
        What each word of the vocabulary means on this engine. A missing word keeps NumPy's meaning.
    number : callable
        Turns a float literal into the engine's number type, so that float32 stays float32.
    compile_helper : callable
        Applied to every formula that this formula calls, after that one was bound too.

    Examples
    --------
    >>> from ffnn.backend.vocabulary import sqrt
    >>> def hypotenuse(a, b):
    ...     return sqrt(a * a + b * b)
    >>> bind(hypotenuse, {"sqrt": lambda x: f"root of {x}"}, float)(3, 4)
    'root of 25'
    """
    namespace = dict(formula.__globals__)
    for name in formula.__code__.co_names:
        value = namespace.get(name)
        if name in words and value is getattr(vocabulary, name):
            namespace[name] = words[name]
        elif isinstance(value, FunctionType) and _is_formula(value):
            namespace[name] = compile_helper(bind(value, words, number, compile_helper))
        elif isinstance(value, float):
            namespace[name] = number(value)
    constants = tuple(number(c) if isinstance(c, float) else c for c in formula.__code__.co_consts)
    code = formula.__code__.replace(co_consts=constants)
    return FunctionType(code, namespace, formula.__name__)


def complete(template: Formula, name: str, **meanings: Any) -> FunctionType:
    """A copy of the loop `template` under its own `name`, with some global names given a meaning.

    The name matters: compiled code is cached on disk under it, so it must differ wherever the
    result differs (see `fingerprint`).
    """
    code = template.__code__.replace(co_name=name, co_qualname=name)
    return FunctionType(code, {**template.__globals__, **meanings}, name)


def fingerprint(*formulas: Formula) -> str:
    """A short hash of everything that decides what these formulas compute, helpers included."""
    digest = hashlib.sha256()
    for formula in formulas:
        code = formula.__code__
        digest.update(code.co_code + repr((code.co_consts, code.co_names, code.co_varnames)).encode())
        for name in code.co_names:
            value = formula.__globals__.get(name)
            if isinstance(value, FunctionType) and _is_formula(value):
                digest.update(fingerprint(value).encode())
            elif isinstance(value, int | float | tuple):
                digest.update(repr((name, value)).encode())
    return digest.hexdigest()[:12]


def _is_formula(function: FunctionType) -> bool:
    return function.__module__ != vocabulary.__name__
