"""Tracing: a formula is called once with values that write down, in CUDA C++, what is done to them.

So a kernel comes from the very function that NumPy evaluates, helpers and templates included, and
nobody writes a formula a second time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ffnn.backend.formula import Formula, bind


class Trace:
    """The `lines` of a kernel's body, in the order in which the formula's operations were met."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._depth = 0
        self._names = 0

    def name(self) -> str:
        """A name that no other value of the kernel has."""
        self._names += 1
        return f"t{self._names}"

    def write(self, line: str) -> None:
        """One line, at the present depth."""
        self.lines.append("  " * self._depth + line)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Lines written within it stand in the braces of `head`."""
        self.write(f"{head} {{")
        self._depth += 1
        yield
        self._depth -= 1
        self.write("}")

    def value(self, expression: str) -> "Value":
        """The expression under a name of its own, with the type that C++ gives it."""
        name = self.name()
        self.write(f"const auto {name} = {expression};")
        return Value(self, name)

    def text(self, value: Any) -> str:
        """How a value, or a plain number, is written."""
        return value.text if isinstance(value, Value) else f"T({float(value)!r})"

    def literal(self, number: float) -> "Value":
        """A number of the formula's text, in the type of the kernel."""
        return Value(self, f"T({float(number)!r})")


def _binary(operator: str) -> Any:
    def apply(self: "Value", other: Any) -> "Value":
        return self.trace.value(f"{self.text} {operator} {self.trace.text(other)}")

    return apply


def _swapped(operator: str) -> Any:
    def apply(self: "Value", other: Any) -> "Value":
        return self.trace.value(f"{self.trace.text(other)} {operator} {self.text}")

    return apply


class Value:
    """A number that exists when the kernel runs: arithmetic with it writes a line and gives another one."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, trace: Trace, text: str) -> None:
        self.trace, self.text = trace, text

    __add__, __sub__, __mul__ = _binary("+"), _binary("-"), _binary("*")
    __radd__, __rsub__, __rmul__ = _swapped("+"), _swapped("-"), _swapped("*")
    __lt__, __le__, __gt__, __ge__ = _binary("<"), _binary("<="), _binary(">"), _binary(">=")
    __eq__, __ne__ = _binary("=="), _binary("!=")
    __and__, __or__ = _binary("&"), _binary("|")

    def __truediv__(self, other: Any) -> "Value":
        return self.trace.value(f"real<T>({self.text}) / real<T>({self.trace.text(other)})")

    def __rtruediv__(self, other: Any) -> "Value":
        return self.trace.value(f"real<T>({self.trace.text(other)}) / real<T>({self.text})")

    def __neg__(self) -> "Value":
        return self.trace.value(f"-{self.text}")

    def __pow__(self, exponent: Any) -> "Value":
        return self.trace.value(f"pow(T({self.text}), T({self.trace.text(exponent)}))")

    def __abs__(self) -> "Value":
        return self.trace.value(f"fabs(T({self.text}))")

    def __bool__(self) -> bool:
        raise TypeError("a formula cannot branch on a value that is not known yet: use where(condition, yes, no)")


class Row:
    """A row of an array, in a kernel that has a warp for each: lane l holds columns l, l + 32, ..."""

    def __init__(self, pointer: str, kind: str) -> None:
        self.pointer, self.kind = pointer, kind

    def __getattr__(self, name: str) -> Any:
        raise TypeError(f"a row has no {name!r}: a row formula uses the row_ words of the vocabulary")


def trace_formula(trace: Trace, formula: Formula, arguments: list[Any]) -> tuple[Any, ...]:
    """Write the formula's lines, given a Value or Row for each argument; returns its results."""
    results = bind(formula, _words(trace), trace.literal)(*arguments)
    return results if isinstance(results, tuple) else (results,)


COLUMNS_OF_LANE = "for (long long j = threadIdx.x; j < a.columns; j += 32)"


def _words(trace: Trace) -> dict[str, Any]:
    """The vocabulary, as words that write what they do."""
    text = trace.text

    def call(function: str) -> Callable[[Any], Value]:
        return lambda x: trace.value(f"{function}(T({text(x)}))")

    def of_two(function: str) -> Callable[[Any, Any], Value]:
        return lambda a, b: trace.value(f"{function}(T({text(a)}), T({text(b)}))")

    def where(condition: Any, yes: Any, no: Any) -> Value:
        return trace.value(f"{text(condition)} ? T({text(yes)}) : T({text(no)})")

    return {
        **{name: call(name) for name in ("erf", "exp", "expm1", "log", "log1p", "sqrt", "tanh")},
        "absolute": call("fabs"),
        "power": of_two("pow"),
        "maximum": of_two("maximum<T>"),
        "minimum": of_two("minimum<T>"),
        "where": where,
        "sign": lambda x: where(x > 0.0, 1.0, where(x < 0.0, -1.0, x)),
        "uniform": lambda index, key: trace.value(f"uniform(unsigned({text(index)}), {text(key)})"),
        **_row_words(trace),
    }


def _row_words(trace: Trace) -> dict[str, Any]:
    text = trace.text

    def element(value: Any) -> Any:
        return trace.value(f"{value.pointer}[j]") if isinstance(value, Row) else value

    def row_sum(function: Formula, *values: Any) -> Value:
        total = trace.name()
        trace.write(f"T {total} = 0;")
        with trace.block(COLUMNS_OF_LANE):
            trace.write(f"{total} += {text(function(*map(element, values)))};")
        return trace.value(f"warp_sum<T>({total})")

    def row_max(values: Row) -> Value:
        largest = trace.name()
        trace.write(f"T {largest} = {values.pointer}[0];")
        with trace.block(COLUMNS_OF_LANE):
            trace.write(f"{largest} = maximum<T>({largest}, {values.pointer}[j]);")
        return trace.value(f"warp_maximum<T>({largest})")

    def row_argmax(values: Row) -> Value:
        largest, place, candidate = trace.name(), trace.name(), trace.name()
        trace.write(f"T {largest} = {values.pointer}[0];")
        trace.write(f"long long {place} = 0;")
        with trace.block(COLUMNS_OF_LANE):
            trace.write(f"const T {candidate} = {values.pointer}[j];")
            with trace.block(f"if (larger<T>({largest}, {place}, {candidate}, j))"):
                trace.write(f"{largest} = {candidate};")
                trace.write(f"{place} = j;")
        return trace.value(f"warp_argmax<T>({largest}, {place})")

    def row_map(function: Formula, out: Row, *values: Any) -> None:
        with trace.block(COLUMNS_OF_LANE):
            trace.write(f"{out.pointer}[j] = ({out.kind})({text(function(*map(element, values)))});")
        # Other lanes may read the row's first value next.
        trace.write("__syncwarp();")

    words = {"row_sum": row_sum, "row_max": row_max, "row_argmax": row_argmax, "row_map": row_map}
    return {"row_size": lambda values: Value(trace, "T(a.columns)"), **words}
