"""Documents, runs and experiments that the report's tests share."""

import json
from pathlib import Path

import numpy as np

from ffnn.report.document import Bullets, Cell, Code, Details, Document, Figure, Heading, Note, Paragraph, Row, Table
from ffnn.report.markup import literal

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)> #let x = $1$ `a` *b* | [c](javascript:d)"


def a_picture(folder: Path, name: str = "picture") -> Figure:
    """A figure as `save_figure` leaves it."""
    from ffnn.figures import new_figure, save_figure

    figure, axes = new_figure(3.0, 2.0)
    axes.plot([1, 2, 3])
    save_figure(figure, folder / f"{name}.png")
    return Figure(folder / f"{name}.png", f"alt {HOSTILE}", "A line **rises**.", folder / f"{name}.svg")


def everything(folder: Path) -> Document:
    """A document with a block of every kind, and hostile text in every place."""
    table = Table(
        ["run", f"loss {HOSTILE}", "verdict"],
        [
            ["ten", 10, Cell("better", "good")],
            [HOSTILE, 9e-05, Cell("worse", "bad")],
            ["unknown", None, Cell("open", "unsure")],
            ["two", Cell("2 ± 1", order=2.0), Cell("row", "strong")],
        ],
        f"Caption {literal(HOSTILE)}",
        sortable=True,
    )
    return Document(
        f"Title {HOSTILE}",
        [
            Heading("First part"),
            Paragraph(f"Text with `code`, **bold**, a [link](https://example.org/) and {literal(HOSTILE)}"),
            Bullets(["one", f"two {literal(HOSTILE)}"]),
            Heading("Second part"),
            table,
            Heading("Third part"),
            Code(f"ffnn train\n{HOSTILE}\n```"),
            Note(f"Mind {literal(HOSTILE)}", "warning"),
            Heading("Fourth part"),
            a_picture(folder),
            Row([a_picture(folder, "left"), a_picture(folder, "right")]),
            Details(f"More {HOSTILE}", [Heading("Inner", 3), Table(["a"], [[1]])]),
        ],
        subtitle=f"Subtitle {HOSTILE}",
        abstract="It **works**.",
    )


def write_run(folder: Path, history: list[dict[str, float]] | None = None, classes: int = 3, **summary: object) -> Path:
    """A finished run's directory without weights or data; `history` and `summary` win over what is made up."""
    rng = np.random.default_rng(len(folder.name))
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(
        f"dataset: digits\noptimizer: adam\nlearning_rate: 0.01\nhidden_layers: [8, 4]\nepochs: 4\nseed: 0\n"
        f"group: {json.dumps(folder.parent.name)}\n"
    )
    made = [
        {
            "epoch": epoch, "learning_rate": 0.01, "train/loss": 1 / epoch, "val/loss": 1.1 / epoch,
            "train/accuracy": 1 - 0.5 / epoch, "val/accuracy": 1 - 0.6 / epoch,
            **{f"{kind}/linear{n}": float(rng.uniform(0.1, 1)) for kind in ("grad_norm", "update_ratio", "weight_norm")
               for n in (1, 2)},
            **{f"weight_quantiles/linear1/{q}": int(q) / 100 - 0.5 for q in ("05", "25", "50", "75", "95")},
            "dead_fraction/relu1": 0.1 * epoch,
        }
        for epoch in range(1, 5)
    ]  # fmt: skip
    lines = made if history is None else history
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    confusion = np.full((classes, classes), 2) + 30 * np.eye(classes, dtype=int)
    per_class = [{"class": f"c{n}", "precision": 0.9, "recall": 0.8, "f1": 0.85, "support": 34} for n in range(classes)]
    values = {
        "status": "finished", "epochs": 4, "test/accuracy": 0.88, "best/val/accuracy": 0.85, "best/epoch": 4,
        "test/confusion": confusion.tolist(), "test/per_class": per_class, "time/train_seconds": 1.5, "parameters": 99,
        **summary,
    }  # fmt: skip
    (folder / "summary.json").write_text(json.dumps({key: v for key, v in values.items() if v is not None}))
    names = [f"c{number}" for number in range(classes)]
    (folder / "environment.json").write_text(json.dumps({"platform": "somewhere", "data": {"classes": names}}))
    return folder


def write_sweep(folder: Path, trials: int = 6) -> Path:
    """What `ffnn sweep` leaves of a sweep, without its runs."""
    (folder / "sweep").mkdir(parents=True)
    values = ["", *(f"{0.5 + 0.05 * number}" for number in range(1, trials))]
    rows = [
        f"t{n},{'finished' if value else 'failed'},{value},1.5,,{10.0**-n},{('tanh', 'relu')[n % 2]}"
        for n, value in enumerate(values)
    ]
    head = "trial,status,best/val/accuracy,seconds,run,learning_rate,activation"
    (folder / "sweep" / "trials.csv").write_text("\n".join([head, *rows]) + "\n")
    about = {
        "metric": "best/val/accuracy", "maximize": True, "logarithmic": {"learning_rate": True},
        "importances": {"learning_rate": 0.8, "activation": 0.2}, "command": "ffnn sweep s.yaml --count=6",
    }  # fmt: skip
    (folder / "sweep" / "sweep.json").write_text(json.dumps(about))
    return folder
