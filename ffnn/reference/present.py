"""What `ffnn agree` prints: a row for everything compared, and whether all of it agrees.

It reads comparisons and changes nothing.
"""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from ffnn.console import Console
from ffnn.reference.agreement import BOUND, Agreement


def present_agreements(framework: str, steps: Iterable[int], agreements: Iterable[Agreement]) -> bool:
    """Print a framework's table and its verdict; True if no bound is broken."""
    after = [str(step) for step in steps]
    table = Table("", framework, "loss", "gradients", *(f"{step} steps" for step in after), "outputs", "", "remark")
    rows = list(agreements)
    for agreement in rows:
        numbers = [_number(agreement, name) for name in ("loss", "gradients", *after, "outputs")]
        verdict = Text("agrees") if agreement.holds else Text("DIFFERS", "bold red")
        table.add_row(
            agreement.case.kind,
            agreement.case.name,
            *numbers,
            verdict if agreement.differences else "-",
            agreement.remark,
        )
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)
    console.print(table)
    compared = [agreement for agreement in rows if agreement.differences]
    broken = [agreement for agreement in compared if not agreement.holds]
    exact = [agreement for agreement in compared if set(agreement.bounds.values()) == {BOUND}]
    worst = max((max(a.differences.values()) for a in exact), default=0.0)
    console.print(
        f"{framework}: {len(compared) - len(broken)} of {len(compared)} agree, "
        f"{len(compared) - len(exact)} of them differently defined, {len(rows) - len(compared)} without a "
        f"counterpart; of the others the largest relative difference is {worst:.1e} (bound {BOUND:g}, float64)",
        soft_wrap=True,
    )
    if broken:
        names = ", ".join(f"{agreement.case.kind} {agreement.case.name}" for agreement in broken)
        console.print(f"{framework}: bounds are broken by {names}", soft_wrap=True)
    return not broken


def _number(agreement: Agreement, name: str) -> str:
    """A difference, with its bound where that is not everyone's."""
    if name not in agreement.differences:
        return "-"
    bound = agreement.bounds[name]
    return f"{agreement.differences[name]:.1e}" + ("" if bound == BOUND else f" (<= {bound:g})")
