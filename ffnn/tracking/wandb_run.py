"""A run at the client of Weights & Biases: opened where its server answers, offline elsewhere, told, and closed.

Whatever process works on a run directory, it is one run there. All of this waits for the client: the tracker calls it
on a thread of its own.
"""

import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ffnn.files import same_file
from ffnn.tracking.run_directory import RunDirectory
from ffnn.tracking.tracker import DatasetReference
from ffnn.tracking.wandb_client import (
    client,
    list_packages,
    new_code,
    own_words,
    reason,
    record_artifacts,
    staged_in,
    start_service,
    use_artifact,
)
from ffnn.tracking.wandb_payloads import code_artifact, dataset_artifact, model_artifacts
from ffnn.tracking.wandb_sessions import Sessions
from ffnn.tracking.wandb_settings import VARIABLES, WandbSettings


class WandbRun:
    """The client's run of a run directory; `say` takes lines for the user.

    Attributes
    ----------
    folder : Path
        Of the client's files.
    run
        The client's object; None before it is open.
    epochs : int
        Epochs that W&B has from earlier processes, and is not told again.
    why_offline : str
        Why it is offline where it was to be sent; else empty.
    """

    def __init__(
        self, directory: RunDirectory, config: Mapping[str, Any], settings: WandbSettings, say: Callable[[str], None]
    ) -> None:
        self.directory, self.folder = directory, directory.path / "wandb"
        self.run: Any = None
        self.epochs, self.why_offline = 0, ""
        self._config, self._settings, self._say = config, settings, say
        self._sessions = Sessions()

    @property
    def online(self) -> bool:
        """Whether it is sent now."""
        return self._sessions.mode == "online"

    @property
    def record(self) -> Path:
        """The folder of the client's record of it."""
        return Path(self.run.dir).parent

    def open(self, mode: str) -> None:
        """Begin it, or go on with it."""
        self.folder.mkdir(exist_ok=True)
        earlier = Sessions.load(self.folder)
        if earlier:
            self._sessions = earlier
            mode = "offline" if earlier.mode == "offline" else mode
        self.run = self._reach() if mode == "online" else self._begin_offline()
        record_artifacts(self.run)
        list_packages(self.run)
        self.run.define_metric("epoch")
        self.run.define_metric("*", step_metric="epoch")

    def log(self, row: Mapping[str, Any]) -> None:
        """Tell it a row."""
        self.run.log(dict(row))

    def log_artifacts(
        self,
        metadata: Mapping[str, Mapping[str, Any]],
        dataset: DatasetReference | None,
        code: Mapping[str, Path],
    ) -> None:
        """Hand over the checkpoints, the data set's card and the files of the code by their names."""
        with staged_in(self.folder):
            for alias, model in model_artifacts(client(), f"model-{self.run.id}", self._models(), metadata):
                self.run.log_artifact(model, aliases=[alias])
            if dataset:
                use_artifact(self.run, dataset_artifact(client(), dataset, self.folder))
            if code:
                copies = self.folder / "code" / self.record.name
                source = self.run.log_artifact(code_artifact(new_code("source-ffnn"), code, copies))
                # W&B's Code tab opens the artifact that stands here.
                self.run.config.update({"_wandb": {"code_path": source.name}}, allow_val_change=True)

    def finish(self, exit_code: int) -> None:
        """Close it; TimeoutError if not all could be sent."""
        with own_words:  # for a container it makes a job, which holds the command line
            self.run.finish(exit_code=exit_code)

    def ended(self, epochs: int) -> None:
        """Write down that its record is whole, after so many epochs."""
        self._sessions.ended(self.record.name, epochs).save(self.folder)

    def send_later(self, options: str = "") -> str:
        """What a user types to send it."""
        return f"to send it later: wandb sync {options}{shlex.quote(str(self.folder))}"

    def _reach(self) -> Any:
        goes_on = bool(self._sessions.id)
        try:
            run = self._init("online")
        except Exception as error:  # a wrong key, no network, a server in trouble: all the same here
            self.why_offline = f"W&B cannot be reached ({reason(error)})"
            self._say(f"{self.why_offline}: recording offline; {self.send_later()}")
            return self._begin_offline()
        # Only of its own doing: a user may have W&B append a new run to another one.
        self.epochs = int(run.summary.get("epoch", 0)) if run.resumed and goes_on else 0
        self._say(f"W&B run: {run.url}")
        return run

    def _begin_offline(self) -> Any:
        self._sessions.clear(self.folder)
        self.epochs = self._sessions.recorded_epochs()
        return self._init("offline")

    def _init(self, mode: str) -> Any:
        wandb = client()
        who = self._settings.arguments(self.directory.path.resolve().name)
        if self._sessions.id:
            who |= self._sessions.arguments()
            # Without it W&B takes the new record for the whole run, which an offline one is where none came before.
            who["resume"] = "allow" if mode == "online" or self.epochs else None
        identity = who.get("id") or os.environ.get(VARIABLES["id"], "")
        before, self._sessions = self._sessions, self._sessions.opened(mode, identity)
        self._sessions.save(self.folder)  # first: should this process be killed, the next one knows the id
        try:
            run = self._begin(wandb, mode, who)
        except BaseException:
            self._sessions = before
            raise
        self._sessions = self._sessions.opened(mode, run.id, run.project or "", run.entity or "")
        self._sessions.save(self.folder)
        return run

    def _begin(self, wandb: Any, mode: str, who: Mapping[str, Any]) -> Any:
        settings = wandb.Settings(
            silent=True,
            console="off",
            init_timeout=self._settings.init_timeout,
            finish_timeout=0.9 * self._settings.finish_timeout,
            finish_timeout_raises=True,
            x_save_requirements=False,  # `list_packages` does it
        )
        start_service(self.folder)
        with own_words:
            return wandb.init(
                mode=mode,
                dir=str(self.directory.path),
                config=self._config,
                reinit="create_new",  # runs of other threads and of the user's own code stay untouched
                settings=settings,
                **who,
            )

    def _models(self) -> Path:
        """A folder with other names of the checkpoints: they may be replaced before they are sent."""
        folder = self.folder / "models" / self.record.name
        folder.mkdir(parents=True, exist_ok=True)
        for path in self.directory.checkpoints.glob("*.npz"):
            same_file(path, folder / path.name)
        return folder
