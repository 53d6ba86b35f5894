"""Binding: one formula, written as plain Python over bare names, made to run on any engine.

A formula says `sqrt(v)`; which `sqrt` that is depends on who evaluates it. `bind` makes a copy of
the function whose names, helper formulas and literal numbers belong to one engine.
"""

import builtins
import dis
import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any, NoReturn

import numpy as np

from ffnn.backend import vocabulary
from ffnn.errors import FFNNError

Formula = Callable[..., Any]


def bind(
    formula: Formula,
    words: Mapping[str, Any],
    number: Callable[[float], Any],
    compile_helper: Callable[[Formula], Any] = lambda function: function,
) -> FunctionType:
    """A copy of `formula` that speaks one engine's language.

    A formula uses only what `check` admits, with literals written as floats: `1.0`, never `1`. `words` says what each
    word of the vocabulary means on this engine; a missing one keeps NumPy's meaning. `number` turns a float literal
    into the engine's number type, so that float32 stays float32; `compile_helper` is applied to every formula that this
    one calls, after that was bound too.

    Examples
    --------
    >>> from ffnn.backend.vocabulary import sqrt
    >>> def hypotenuse(a, b):
    ...     return sqrt(a * a + b * b)
    >>> bind(hypotenuse, {"sqrt": lambda x: f"root of {x}"}, float)(3, 4)
    'root of 25'
    """
    # Compiled code that is kept on disk names its module, which must be there whoever reads it, and its function,
    # which must then be told from others of that name.
    namespace = {**formula.__globals__, "__name__": __name__}
    for name, value in _global_values(formula):
        if _word(value) in words:
            namespace[name] = words[_word(value)]
        elif _is_formula(value):
            namespace[name] = compile_helper(bind(value, words, number, compile_helper))
        elif isinstance(value, float):
            namespace[name] = number(value)

    def narrowed(code: CodeType) -> CodeType:
        constants = (
            number(c) if isinstance(c, float) else narrowed(c) if isinstance(c, CodeType) else c for c in code.co_consts
        )
        return code.replace(co_consts=tuple(constants))

    code = narrowed(formula.__code__)
    code = code.replace(co_qualname=f"{code.co_qualname}_{_fingerprint(formula)}")
    defaults = tuple(number(c) if isinstance(c, float) else c for c in formula.__defaults__ or ())
    return FunctionType(code, namespace, formula.__name__, defaults)


def complete(template: Formula, name: str, **meanings: Any) -> FunctionType:
    """A copy of the loop `template` under its own `name`, with some global names given a meaning.

    The name matters: compiled code is cached on disk under it, so it must differ wherever the
    result differs (see `fingerprint`).
    """
    code = template.__code__.replace(co_name=name, co_qualname=name)
    return FunctionType(code, {**template.__globals__, **meanings}, name)


def fingerprint(*formulas: Formula) -> str:
    """A short hash of everything that decides what these formulas compute, helpers included.

    FFNNError as for `check`.
    """
    for formula in formulas:
        check(formula)
    return _fingerprint(*formulas)


def _fingerprint(*formulas: Formula) -> str:
    digest = hashlib.sha256()
    for formula in formulas:
        for code in _codes(formula.__code__):
            constants = [constant for constant in code.co_consts if not isinstance(constant, CodeType)]
            digest.update(code.co_code + repr((constants, code.co_names, code.co_varnames)).encode())
        digest.update(repr(formula.__defaults__).encode())
        for name, value in _global_values(formula):
            known = _fingerprint(value) if _is_formula(value) else _word(value) or (_is_number(value) and repr(value))
            digest.update(repr((name, known)).encode())
    return digest.hexdigest()[:12]


def check(formula: Formula) -> None:
    """Refuse a formula that reads what its code does not tell: a kernel kept on disk would go stale in silence.

    A formula may use its arguments, local names, literals, words of `ffnn.backend.vocabulary`, and by a name of its
    module numbers, tuples of numbers and other formulas. Other functions of NumPy and Python are not on every engine.
    FFNNError if it reads anything else.

    Examples
    --------
    >>> import math
    >>> def area(radius):
    ...     return math.pi * radius * radius
    >>> check(area)
    Traceback (most recent call last):
    ffnn.errors.FFNNError: formula 'area': expected numbers, words of ffnn.backend.vocabulary and other formulas by a
    name of its module; received 'math', a module: write `PI = math.pi` above the function, and use PI in it
    """
    _check(formula, ())


def _check(formula: Formula, callers: tuple[Formula, ...]) -> None:
    if not isinstance(formula, FunctionType):
        raise FFNNError(
            f"formula: expected a plain function, `def f(x): ...`; received {formula!r}, a {type(formula).__name__}: "
            "call it in such a function"
        )
    if formula.__closure__:
        names = ", ".join(map(repr, formula.__code__.co_freevars))
        raise FFNNError(
            f"formula {formula.__name__!r}: expected its values as arguments or by names of its module; received "
            f"{names} of a function around it: hand it over as an argument, or define it in the module"
        )
    if formula.__code__.co_kwonlyargcount or _names(formula, "IMPORT_NAME"):
        raise FFNNError(
            f"formula {formula.__name__!r}: expected arguments that are given by their place, and no import inside; "
            "take the `*` out of its arguments, and import at the top of the module"
        )
    if formula in callers:
        raise FFNNError(f"formula {formula.__name__!r}: expected one that does not call itself: write its steps out")
    for name, value in _global_values(formula):
        if _is_formula(value):
            _check(value, (*callers, formula))
        elif not (_word(value) or _is_number(value)) and _reads(formula, name):
            _refuse(formula, name, value)
    for name in _builtins(formula):
        _refuse(formula, name, getattr(builtins, name))


def _refuse(formula: Formula, name: str, value: object) -> NoReturn:
    advice = "write `PI = math.pi` above the function, and use PI in it"
    if callable(value):
        called = getattr(value, "__name__", name)
        word = next((word for word in sorted(vocabulary.__all__) if word.startswith(called)), None)
        words = f"the vocabulary has {', '.join(vocabulary.__all__)}"
        advice = f"`from ffnn.backend.vocabulary import {word}`" if word else words
    raise FFNNError(
        f"formula {formula.__name__!r}: expected numbers, words of ffnn.backend.vocabulary and other formulas "
        f"by a name of its module; received {name!r}, a {type(value).__name__}: {advice}"
    )


_WORDS = {id(getattr(vocabulary, name)): name for name in vocabulary.__all__}


def _word(value: object) -> str:
    """The word of the vocabulary that this is; else nothing."""
    return _WORDS.get(id(value), "")


def _is_formula(value: object) -> bool:
    return isinstance(value, FunctionType) and not _word(value)


def _is_number(value: object) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_number, value))
    return value is None or isinstance(value, int | float | complex | str | np.number | np.bool_)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code of a function and of all functions within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _global_values(formula: Formula) -> Iterator[tuple[str, Any]]:
    """Names of the formula's module that occur in it, with their values; some may be names of attributes."""
    for name in dict.fromkeys(name for code in _codes(formula.__code__) for name in code.co_names):
        if name in formula.__globals__:
            yield name, formula.__globals__[name]


def _reads(formula: Formula, name: str) -> bool:
    """Whether the name is a variable in the formula, and not only of an attribute."""
    return name in _names(formula, "LOAD_GLOBAL", "LOAD_NAME")


def _builtins(formula: Formula) -> set[str]:
    """Names of Python's own that the formula reads."""
    read = _names(formula, "LOAD_GLOBAL", "LOAD_NAME")
    return {name for name in read - formula.__globals__.keys() if hasattr(builtins, name)}


def _names(formula: Formula, *instructions: str) -> set[str]:
    """Names that these instructions take."""
    steps = (step for code in _codes(formula.__code__) for step in _steps(code))
    return {name for instruction, name in steps if instruction in instructions}


@functools.cache
def _steps(code: CodeType) -> tuple[tuple[str, str], ...]:
    """The instructions with what each takes; found once, as taking code apart is slow."""
    return tuple((step.opname, step.argval) for step in dis.get_instructions(code))
