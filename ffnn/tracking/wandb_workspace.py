"""A saved workspace in Weights & Biases: a project's page, laid out so that comparing runs starts somewhere sensible.

The only file that imports the package `wandb-workspaces`, which is not needed for anything else.
"""

from typing import Any

from ffnn.catalogue import label_of
from ffnn.errors import FFNNError
from ffnn.tracking.wandb_client import client, configured, reason

NAME = "ffnn: experiments"
SCORE = "best/val/accuracy"
SETTINGS = ("learning_rate", "batch_size", "dropout", "l2", "optimizer", "activation")
LOGARITHMIC = ("learning_rate", "batch_size")
COLUMNS = (
    "run:displayName", "run:group", f"summary:{SCORE}", "summary:test/accuracy", "summary:status", "summary:best/epoch",
    "summary:time/train_seconds", "config:optimizer.value", "config:learning_rate.value", "config:hidden_layers.value",
    "config:seed.value",
)  # fmt: skip


def make_workspace(entity: str, project: str, name: str = NAME) -> Any:
    """The workspace as an object of the package `wandb-workspaces`, not yet saved.

    Bars compare groups, which are experiments and sweeps. Once runs are grouped in the table, by optimizer say, all
    curves are means over the runs of each. FFNNError if the package is not installed.
    """
    client()
    try:
        import wandb_workspaces.reports.v2 as panels
        from wandb_workspaces import workspaces
    except ImportError as problem:
        raise FFNNError(
            "ffnn workspace needs the package wandb-workspaces, which is not installed: "
            f"pip install -c constraints.txt 'ffnn[workspace]' ({problem})"
        ) from None

    sections = {"Learning": _learning(panels), "Comparison": _comparison(panels), "Inside": _inside(panels)}
    return workspaces.Workspace(
        entity=entity,
        project=project,
        name=name,
        sections=[workspaces.Section(name=title, panels=content, is_open=True) for title, content in sections.items()],
        settings=workspaces.WorkspaceSettings(x_axis="epoch", max_runs=20),
        runset_settings=workspaces.RunsetSettings(pinned_columns=list(COLUMNS)),
    )


def _learning(panels: Any) -> list[Any]:
    def curve(metric: str, **options: Any) -> Any:
        return panels.LinePlot(title=label_of(metric), x="epoch", y=[metric], title_x="epoch", **options)

    return [curve("val/accuracy"), curve("val/loss", log_y=True), curve("train/loss", log_y=True)]


def _comparison(panels: Any) -> list[Any]:
    columns = [
        panels.ParallelCoordinatesPlotColumn(panels.Config(setting), setting, log=setting in LOGARITHMIC or None)
        for setting in SETTINGS
    ]
    return [
        panels.BarPlot(
            title=f"{SCORE} by group",
            metrics=[SCORE],
            groupby="Group",
            groupby_aggfunc="mean",
            groupby_rangefunc="minmax",
            orientation="h",
        ),
        panels.ScatterPlot(
            title="accuracy against seconds of training",
            x=panels.SummaryMetric("time/train_seconds"),
            y=panels.SummaryMetric(SCORE),
            log_x=True,
        ),
        panels.ParallelCoordinatesPlot(
            title="settings and accuracy",
            columns=[*columns, panels.ParallelCoordinatesPlotColumn(panels.SummaryMetric(SCORE), SCORE)],
        ),
    ]


def _inside(panels: Any) -> list[Any]:
    ratios = "update ratios by layer (about 1e-3 is usual)"
    return [
        panels.LinePlot(title=ratios, x="epoch", metric_regex="update_ratio/.*", log_y=True),
        panels.LinePlot(title="gradient norms by layer", x="epoch", metric_regex="grad_norm/.*", log_y=True),
        panels.LinePlot(title="dead units by layer", x="epoch", metric_regex="dead_fraction/.*"),
    ]


def save_workspace(project: str, entity: str | None = None, name: str = NAME) -> str:
    """Save the workspace as a new one of the project, of the account's own entity by default; where to look at it.

    FFNNError without the package, a key, or an answer of the server.
    """
    _, problem = configured()
    if problem:
        raise FFNNError(
            f"ffnn workspace needs an account: {problem}; `wandb login` once, or, without an account, look at runs "
            "with `wandb leet` and `ffnn report`"
        )
    make_workspace("entity", project, name)  # the package may be missing: say so before the network is asked
    try:
        owner = entity or client().Api().default_entity
        workspace = make_workspace(owner, project, name)
        workspace.save()
        return str(workspace.url)
    except (Exception, SystemExit) as refusal:
        raise FFNNError(f"ffnn workspace: W&B did not take it: {reason(refusal)}") from refusal
