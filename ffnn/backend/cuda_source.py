"""CUDA sources of the five kinds of kernels, each around a traced formula.

A kernel has one parameter, a structure that holds everything a launch needs; every array has a
leading axis, the members of a stack, and a single network is a stack of one.
"""

import hashlib
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ffnn.backend.cuda_trace import Row, Trace, Value, trace_formula
from ffnn.backend.formula import Formula

PRELUDE = Path(__file__).with_name("cuda_prelude.cu").read_text(encoding="utf-8")

C_TYPES = {
    "float32": "float", "float64": "double", "bool": "bool", "uint8": "unsigned char", "int8": "signed char",
    "int16": "short", "uint16": "unsigned short", "int32": "int", "uint32": "unsigned", "int64": "long long",
    "uint64": "unsigned long long",
}  # fmt: skip
"""How NumPy's types are called in CUDA C++."""

FLOATING = ("float", "double")


@dataclass(frozen=True)
class Operand:
    """An array of a kernel: its C type, and its number of axes without that of the members."""

    kind: str
    rank: int


@dataclass(frozen=True)
class Source:
    """A kernel's text and the order of its arguments.

    The function's `name` has a hash of the text in it; `body` is all but `PRELUDE`, so that several can stand in one
    file. `hot` is the `struct` format of the fields that every launch sets anew: addresses of arrays and scratch, then
    the address of a cell (or 0) and a number for each constant; `cold` is that of the sizes and strides, which belong
    to the arrays' shapes. All are 8 bytes wide.
    """

    name: str
    body: str
    hot: str
    cold: str

    @property
    def size(self) -> int:
        """Bytes of the parameter."""
        return struct.calcsize(f"<{self.hot}{self.cold}")

    @property
    def text(self) -> str:
        """What a compiler is given."""
        return f"{PRELUDE}\n{self.body}"


def assemble(
    title: str,
    number: str,
    arrays: Sequence[tuple[str, str]],
    scratch: Sequence[tuple[str, str]],
    cells: Sequence[str],
    sizes: Sequence[str],
    body: Sequence[str],
) -> Source:
    """A source from its parts: `title` begins the kernel's name, and it computes in the C type `number`, its T.

    `arrays` and `scratch` are pointers, as (C type, name); the former have strides `<name>_member` and `<name>_row`
    too. `cells` has for each constant the C type of a cell that may hold it; it is called c0, c1, ... `sizes` are whole
    numbers, such as "rows". The lines of `body` use all these as members of `a`.
    """
    hot = [f"{kind} *{name};" for kind, name in (*arrays, *scratch)]
    hot += [f"const {kind} *c{n}_cell; double c{n}_value;" for n, kind in enumerate(cells)]
    cold = [*sizes, *(f"{name}_{axis}" for _, name in arrays for axis in ("member", "row"))]
    cold += [f"c{n}_member" for n in range(len(cells))]
    fields = [*hot, f"long long {', '.join(cold)};"]
    lines = [f"typedef {number} T;", "struct Arguments {", *(f"  {field}" for field in fields), "};"]
    digest = hashlib.sha256("\n".join([PRELUDE, *lines, *body]).encode()).hexdigest()[:12]
    name = f"{re.sub(r'[^A-Za-z0-9_]', '_', title)}_{digest}"
    lines += [f'extern "C" __global__ void {name}(const Arguments a) {{', *(f"  {line}" for line in body), "}"]
    text = "\n".join([f"namespace space_{name} {{", *lines, "}", ""])
    return Source(name, text, "Q" * (len(arrays) + len(scratch)) + "Qd" * len(cells), "q" * len(cold))


def constant_lines(cells: Sequence[str]) -> list[str]:
    """The constants of member m, from their cells where they have any: in the kernel's type, but keys in uint32."""
    kinds = ["unsigned" if cell == "unsigned" else "T" for cell in cells]
    return [
        f"const {kind} c{n} = a.c{n}_cell ? {kind}(a.c{n}_cell[m * a.c{n}_member]) : {kind}(a.c{n}_value);"
        for n, kind in enumerate(kinds)
    ]


def member_lines(arrays: Sequence[tuple[str, str]]) -> list[str]:
    """Pointers to the arrays of member m."""
    return [f"{kind} *const {name} = a.{name} + m * a.{name}_member;" for kind, name in arrays]


def number_type(operand: Operand, otherwise: str) -> str:
    """The type to compute in: that of an array of floats, else the engine's."""
    return operand.kind if operand.kind in FLOATING else otherwise


def _named(operands: Sequence[Operand], letter: str, const: bool = False) -> list[tuple[str, str]]:
    return [(f"const {op.kind}" if const else op.kind, f"{letter}{n}") for n, op in enumerate(operands)]


SIZES = ("members", "rows", "columns")
MEMBERS = "for (long long m = blockIdx.{axis}; m < a.members; m += gridDim.{axis})"
ROWS = "for (long long i = blockIdx.y * blockDim.y + threadIdx.y; i < a.rows; i += gridDim.y * blockDim.y)"
COLUMNS = (
    "for (long long j = (long long)blockIdx.x * blockDim.x + threadIdx.x; j < a.columns;"
    " j += (long long)gridDim.x * blockDim.x)"
)


def elementwise(
    formula: Formula, otherwise: str, outputs: Sequence[Operand], inputs: Sequence[Operand], cells: Sequence[str],
    reads_outputs: bool = False,
) -> Source:  # fmt: skip
    """A thread for each value, or for several; see `Engine.elementwise`, and `Engine.update` with `reads_outputs`."""
    arrays = [*_named(outputs, "y"), *_named(inputs, "x", const=True)]
    trace = Trace()
    constants = [Value(trace, f"c{n}") for n in range(len(cells))]
    with trace.block(MEMBERS.format(axis="z")):
        for line in (*member_lines(arrays), *constant_lines(cells)):
            trace.write(line)
        with trace.block(ROWS), trace.block(COLUMNS):
            read = [name for _, name in arrays if reads_outputs or name[0] == "x"]
            values = [trace.value(f"{name}[i * a.{name}_row + j]") for name in read]
            results = trace_formula(trace, formula, [*values, *constants])
            for n, (output, result) in enumerate(zip(outputs, results, strict=True)):
                trace.write(f"y{n}[i * a.y{n}_row + j] = ({output.kind})({trace.text(result)});")
    kind = "update" if reads_outputs else "elementwise"
    number = number_type(outputs[0], otherwise)
    return assemble(f"{kind}_{formula.__name__}", number, arrays, (), cells, SIZES, trace.lines)


def update(
    formula: Formula, otherwise: str, outputs: Sequence[Operand], inputs: Sequence[Operand], cells: Sequence[str]
) -> Source:
    """See `Engine.update`."""
    return elementwise(formula, otherwise, outputs, inputs, cells, reads_outputs=True)


def columns(
    formula: Formula, otherwise: str, outputs: Sequence[Operand], inputs: Sequence[Operand], cells: Sequence[str]
) -> Source:
    """A block for 32 columns and a part of their rows; the last part to finish adds up all, in their order."""
    arrays = [*_named(outputs, "y"), *_named(inputs, "x", const=True)]
    sums = [n for n, output in enumerate(outputs) if output.rank == 1]
    scratch = [(outputs[n].kind, f"y{n}_parts") for n in sums] + [("unsigned", "counters")]
    trace = Trace()
    constants = [Value(trace, f"c{n}") for n in range(len(cells))]
    for n in sums:
        trace.write(f"__shared__ {outputs[n].kind} s{n}[8][32];")
    with trace.block(MEMBERS.format(axis="z")):
        for line in (*member_lines(arrays), *constant_lines(cells)):
            trace.write(line)
        trace.write("const long long j = (long long)blockIdx.x * 32 + threadIdx.x;")
        for n in sums:
            trace.write(f"{outputs[n].kind} sum{n} = 0;")
        with trace.block("if (j < a.columns)"), trace.block(ROWS):
            values = [trace.value(f"x{n}[i * a.x{n}_row + j]") for n in range(len(inputs))]
            results = trace_formula(trace, formula, [*values, *constants])
            for n, (output, result) in enumerate(zip(outputs, results, strict=True)):
                target = f"sum{n} +=" if n in sums else f"y{n}[i * a.y{n}_row + j] ="
                trace.write(f"{target} ({output.kind})({trace.text(result)});")
        if sums:
            _finish_columns(trace, outputs, sums)
    number = number_type(outputs[0], otherwise)
    return assemble(f"columns_{formula.__name__}", number, arrays, scratch, cells, SIZES, trace.lines)


def _finish_columns(trace: Trace, outputs: Sequence[Operand], sums: Sequence[int]) -> None:
    for n in sums:
        trace.write(f"s{n}[threadIdx.y][threadIdx.x] = sum{n};")
    trace.write("__syncthreads();")
    trace.write("const long long part = (m * gridDim.y + blockIdx.y) * a.columns;")
    with trace.block("if (threadIdx.y == 0 && j < a.columns)"):
        for n in sums:
            trace.write(f"for (int w = 1; w < 8; ++w) sum{n} += s{n}[w][threadIdx.x];")
            trace.write(f"if (gridDim.y == 1) y{n}[j] = sum{n};")
            trace.write(f"else a.y{n}_parts[part + j] = sum{n};")
    condition = "gridDim.y > 1 && arrives_last(a.counters + m * gridDim.x + blockIdx.x, gridDim.y)"
    with trace.block(f"if ({condition} && threadIdx.y == 0 && j < a.columns)"):
        for n in sums:
            kind = outputs[n].kind
            trace.write(f"const volatile {kind} *const parts{n} = a.y{n}_parts + m * gridDim.y * a.columns + j;")
            trace.write(f"sum{n} = 0;")
            trace.write(f"for (unsigned p = 0; p < gridDim.y; ++p) sum{n} += parts{n}[p * a.columns];")
            trace.write(f"y{n}[j] = sum{n};")
    # The next member's sums take the same shared memory.
    trace.write("__syncthreads();")


def rows(
    formula: Formula, otherwise: str, outputs: Sequence[Operand], inputs: Sequence[Operand], cells: Sequence[str]
) -> Source:
    """A warp for each row; the last block to finish adds up the rows' numbers, in the order of the blocks."""
    *written, total = outputs
    arrays = [*_named(written, "y"), (total.kind, "total"), *_named(inputs, "x", const=True)]
    trace = Trace()
    constants = [Value(trace, f"c{n}") for n in range(len(cells))]
    with trace.block(MEMBERS.format(axis="y")):
        for line in (*member_lines(arrays), *constant_lines(cells)):
            trace.write(line)
        trace.write("double sum = 0;")
        head = "for (long long i = (long long)blockIdx.x * blockDim.y + threadIdx.y; i < a.rows;"
        with trace.block(f"{head} i += (long long)gridDim.x * blockDim.y)"):
            arguments: list[Value | Row] = []
            for n, operand in enumerate(inputs):
                if operand.rank == 1:
                    arguments.append(trace.value(f"x{n}[i]"))
                else:
                    trace.write(f"const {operand.kind} *const x{n}_line = x{n} + i * a.x{n}_row;")
                    arguments.append(Row(f"x{n}_line", operand.kind))
            for n, operand in enumerate(written):
                trace.write(f"{operand.kind} *const y{n}_line = y{n} + i * a.y{n}_row;")
                arguments.append(Row(f"y{n}_line", operand.kind))
            (result,) = trace_formula(trace, formula, [*arguments, *constants])
            trace.write(f"sum += double({trace.text(result)});")
        trace.write("grid_total(sum, total, a.parts + m * gridDim.x, a.counters + m);")
    number = number_type(inputs[0], otherwise)
    scratch = (("double", "parts"), ("unsigned", "counters"))
    return assemble(f"rows_{formula.__name__}", number, arrays, scratch, cells, SIZES, trace.lines)


def gather(formula: Formula, out: Operand, pool: Operand, indices: Operand, inputs: Sequence[Operand]) -> Source:
    """A thread for each value; see `Engine.gather`. It computes in the type of `out`."""
    arrays = [*_named([out], "y"), *_named([pool, indices, *inputs], "x", const=True)]
    trace = Trace()
    with trace.block(MEMBERS.format(axis="z")):
        for line in member_lines(arrays):
            trace.write(line)
        with trace.block(ROWS):
            trace.write("const long long from = (long long)x1[i] * a.x0_row;")
            with trace.block(COLUMNS):
                value = trace.value("T(x0[from + j])")
                vectors = [trace.value(f"x{n}[j]") for n in range(2, 2 + len(inputs))]
                (result,) = trace_formula(trace, formula, [value, *vectors])
                trace.write(f"y0[i * a.y0_row + j] = T({trace.text(result)});")
    return assemble(f"gather_{formula.__name__}", out.kind, arrays, (), (), SIZES, trace.lines)


SOURCES: dict[str, Callable[..., Source]] = {kind.__name__: kind for kind in (elementwise, update, columns, rows)}
"""By kind, all but `gather`, whose arguments differ."""
