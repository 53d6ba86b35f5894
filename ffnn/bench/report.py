"""What must be known to judge the figures: machine, BLAS core, threads, versions, and who did not take part.

Each is one line of text.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ffnn.bench.process import removed_variables
from ffnn.bench.race import Rules
from ffnn.bench.results import CellResult, busy, greedy

QUIET = 0.9
"""Share of a core that a contender gets on a machine with nothing else to do."""


def facts(
    results: Sequence[CellResult],
    rules: Rules,
    described: Mapping[str, Mapping[str, Any]],
    left_out: Mapping[str, str],
    dataset: str | None,
) -> list[str]:
    """Lines for the reader of the tables."""
    from ffnn.tracking import describe_environment

    machine = describe_environment()
    versions = {name: number for entry in described.values() for name, number in entry["versions"].items()}
    numbers = {**machine["versions"], **versions}
    removed = removed_variables()
    share = busy(results, rules.threads)
    lines = [
        f"{machine['cpu']['model']}, {machine['cpu']['usable_cores']} cores, of which {rules.threads} used by each "
        f"contender; median of {rules.repeats} epochs; images: {dataset or 'made up'}",
        f"NumPy's BLAS: {_blas(described)}",
        "versions: " + ", ".join(f"{name} {number}" for name, number in sorted(numbers.items())),
    ]
    lines += [f"{name}: {count} networks at once, time of each" for name, count in _stacks(described).items()]
    lines += _rounded(results, rules)
    if removed:
        lines.append(f"kept from all contenders: {', '.join(removed)}")
    lines += [f"left out: {name}: {reason}" for name, reason in left_out.items()]
    for name in greedy(results, rules.threads):
        lines.append(f"{name} kept more than {rules.threads} core(s) busy: its figures flatter it")
    if share is not None and share < QUIET:
        lines.append(f"the machine was busy: contenders got {100 * share:.0f} % of a core; repeat when it is quiet")
    return lines


def _stacks(described: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Contenders that train several networks at once, and how many."""
    return {name: entry["networks"] for name, entry in described.items() if entry["networks"] > 1}


def _rounded(results: Sequence[CellResult], rules: Rules) -> list[str]:
    """Which epochs are of fewer images than were asked for, because batches are whole."""
    lines = []
    for result in results:
        images = rules.images.get(result.cell.network, result.images)
        if images != result.images:
            batches = f"batches of {result.cell.batch_size}"
            lines.append(f"{result.cell.network}: epochs of {result.images} of {images} images, whole {batches}")
    return lines


def _blas(described: Mapping[str, Mapping[str, Any]]) -> str:
    """Library, core and threads of the contenders that run on NumPy alone."""
    libraries = {
        f"{pool['library']}, core {pool['core']}, {pool['threads']} thread(s)": True
        for name in ("ffnn-numba", "ffnn-numpy", "floor")
        for pool in described.get(name, {}).get("blas", ())
    }
    return "; ".join(libraries) or "not told"
