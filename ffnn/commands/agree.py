"""`ffnn agree`: every network beside the same one in another framework, compared."""

import click

from ffnn.errors import FFNNError


@click.command()
@click.option("--framework", "frameworks", multiple=True, help="torch, jax or tensorflow [all that are installed]")
@click.option("--steps", default="1,10,100", show_default=True, help="Compare parameters after so many steps.")
@click.option("--engine", default="auto", show_default=True, help="auto, numpy, numba or cupy")
def agree(frameworks: tuple[str, ...], steps: str, engine: str) -> None:
    """Train everything beside the same thing in another framework, in float64, and compare.

    \b
    ffnn agree --framework=torch
    """
    from ffnn.backend import create_engine
    from ffnn.reference import REFERENCES, reference_class
    from ffnn.reference.agreement import cases, compare
    from ffnn.reference.present import present_agreements

    after = parse_steps(steps)
    missing = {name: reference_class(name).missing() for name in frameworks or REFERENCES}
    names = [name for name, remedy in missing.items() if not remedy or frameworks]
    for name in names:
        if missing[name]:
            raise FFNNError(f"framework={name} needs packages that are not installed: {missing[name]}")
    if not names:
        raise FFNNError(f"no framework to compare with is installed: {missing['torch']}")
    verdicts = [
        present_agreements(
            name, after, (compare(case, name, lambda: create_engine(engine, "float64"), after) for case in cases())
        )
        for name in names
    ]
    if not all(verdicts):
        raise SystemExit(1)


def parse_steps(text: str) -> list[int]:
    """Counts of steps, rising, from "1,10,100".

    Examples
    --------
    >>> parse_steps("10,1")
    [1, 10]
    """
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) for part in parts):
        raise FFNNError(f"--steps: expected whole numbers of at least 1 with commas between; received {text!r}")
    return sorted({int(part) for part in parts})
