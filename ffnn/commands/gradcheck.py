"""`ffnn gradcheck`: every hand-derived gradient against differences of the loss."""

import click


@click.command()
@click.option("--engine", default="auto", show_default=True, help="auto, numpy, numba or cupy")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def gradcheck(engine: str, seed: int) -> None:
    """Compare every hand-derived gradient with differences of the loss, in float64."""
    from ffnn.backend import create_engine
    from ffnn.lab.present import present_gradcheck
    from ffnn.nn.gradcheck import check_everything

    if not present_gradcheck(check_everything(lambda: create_engine(engine, "float64"), seed)):
        raise SystemExit(1)
