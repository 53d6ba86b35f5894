"""CUDA sources of the fixed operations: what an engine does besides formulas.

They take their arguments as the generated kernels do, and are launched by the same code.
"""

from ffnn.backend.cuda_source import MEMBERS, SIZES, Operand, Source, assemble, constant_lines, member_lines


def one_hot(out: Operand, labels: Operand) -> Source:
    """out[i, labels[i]] = c0, else c1; NaN over the whole row of a label that is no column."""
    arrays = [(out.kind, "y0"), (f"const {labels.kind}", "x0")]
    cells = ("double", "double")
    body = [
        MEMBERS.format(axis="z") + " {",
        *(f"  {line}" for line in (*member_lines(arrays), *constant_lines(cells))),
        "  for (long long i = blockIdx.y * blockDim.y + threadIdx.y; i < a.rows; i += gridDim.y * blockDim.y) {",
        "    const long long label = (long long)x0[i];",
        "    const bool known = 0 <= label && label < a.columns;",
        "    for (long long j = blockIdx.x * blockDim.x + threadIdx.x; j < a.columns; j += gridDim.x * blockDim.x)",
        "      y0[i * a.y0_row + j] = known ? (j == label ? c0 : c1) : T(0) / T(0);",
        "  }",
        "}",
    ]
    return assemble("one_hot", out.kind, arrays, (), cells, SIZES, body)


def argmax(out: Operand, matrix: Operand) -> Source:
    """out[i] = column of the largest value of row i, a warp for each row."""
    arrays = [(out.kind, "y0"), (f"const {matrix.kind}", "x0")]
    body = [
        MEMBERS.format(axis="y") + " {",
        *(f"  {line}" for line in member_lines(arrays)),
        "  for (long long i = (long long)blockIdx.x * blockDim.y + threadIdx.y; i < a.rows;",
        "       i += (long long)gridDim.x * blockDim.y) {",
        "    const T *const line = x0 + i * a.x0_row;",
        "    T largest = line[0];",
        "    long long place = 0;",
        "    for (long long j = threadIdx.x; j < a.columns; j += 32)",
        "      if (larger<T>(largest, place, line[j], j)) {",
        "        largest = line[j];",
        "        place = j;",
        "      }",
        "    place = warp_argmax<T>(largest, place);",
        "    if (threadIdx.x == 0) y0[i] = place;",
        "  }",
        "}",
    ]
    return assemble("argmax", matrix.kind, arrays, (), (), SIZES, body)


def square_sum(out: Operand, values: Operand) -> Source:
    """out = the sum of the squares of all values of a member, in float64."""
    arrays = [(out.kind, "total"), (f"const {values.kind}", "x0")]
    body = [
        MEMBERS.format(axis="y") + " {",
        *(f"  {line}" for line in member_lines(arrays)),
        "  double sum = 0;",
        "  const long long width = 32 * blockDim.y;",
        "  for (long long j = blockIdx.x * width + threadIdx.y * 32 + threadIdx.x; j < a.columns;",
        "       j += gridDim.x * width)",
        "    sum += double(x0[j]) * double(x0[j]);",
        "  grid_total(warp_sum<double>(sum), total, a.parts + m * gridDim.x, a.counters + m);",
        "}",
    ]
    scratch = (("double", "parts"), ("unsigned", "counters"))
    return assemble("square_sum", values.kind, arrays, scratch, (), SIZES, body)


def warp(out: Operand, pool: Operand, chosen: Operand, places: Operand) -> Source:
    """See `Engine.warp`: a thread for each pixel, whose channels are neighbours in memory."""
    arrays = [
        (out.kind, "y0"),
        *((f"const {operand.kind}", f"x{n}") for n, operand in enumerate((pool, chosen, places))),
    ]
    body = [
        MEMBERS.format(axis="z") + " {",
        *(f"  {line}" for line in member_lines(arrays)),
        "  const long long pixels = a.height * a.width;",
        "  for (long long n = blockIdx.y * blockDim.y + threadIdx.y; n < a.rows; n += gridDim.y * blockDim.y) {",
        "    const auto *const image = x0 + (long long)x1[n] * a.x0_row;",
        "    for (long long p = blockIdx.x * blockDim.x + threadIdx.x; p < pixels; p += gridDim.x * blockDim.x) {",
        "      const auto v = x2[n * a.x2_row + p], u = x2[n * a.x2_row + pixels + p];",
        "      const auto top = floor(v), left = floor(u);",
        "      const auto low = v - top, right = u - left;",
        "      for (long long channel = 0; channel < a.channels; ++channel) {",
        "        T value = 0;",
        "        for (int dy = 0; dy < 2; ++dy)",
        "          for (int dx = 0; dx < 2; ++dx) {",
        "            const auto y = top + dy, x = left + dx;",
        "            if (0 <= y && y < a.height && 0 <= x && x < a.width)",
        "              value += (dy ? low : 1 - low) * (dx ? right : 1 - right)",
        "                       * T(image[((long long)y * a.width + (long long)x) * a.channels + channel]);",
        "          }",
        "        y0[n * a.y0_row + p * a.channels + channel] = value;",
        "      }",
        "    }",
        "  }",
        "}",
    ]
    sizes = ("members", "rows", "height", "width", "channels")
    return assemble("warp", out.kind, arrays, (), (), sizes, body)
