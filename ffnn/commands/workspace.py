"""`ffnn workspace`: a saved page of a W&B project."""

import os

import click

from ffnn.terminal import say


@click.command()
@click.option("--project", help="W&B project [$WANDB_PROJECT, else ffnn].")
@click.option("--entity", help="Account or team [$WANDB_ENTITY, else the account's default].")
@click.option("--name", default="ffnn: experiments", show_default=True, help="Name of the workspace.")
def workspace(project: str | None, entity: str | None, name: str) -> None:
    """Lay out a saved W&B workspace: curves, groups compared, settings against accuracy, layers, a table of runs.

    It needs an account, and the package wandb-workspaces: pip install -c constraints.txt 'ffnn[workspace]'.
    Without an account, `wandb leet RUN/wandb` and `ffnn report` show runs.

    \b
    ffnn workspace
    ffnn workspace --project=ffnn --entity=TEAM
    """
    from ffnn.tracking.wandb_workspace import save_workspace

    url = save_workspace(
        project or os.environ.get("WANDB_PROJECT") or "ffnn", entity or os.environ.get("WANDB_ENTITY"), name
    )
    say(f"workspace {url}")
