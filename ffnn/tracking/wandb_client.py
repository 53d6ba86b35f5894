"""The door to the client of Weights & Biases: the only file that imports it.

What this file does beyond its public interface is here too, so that a new release of the client is
checked against one page.
"""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ffnn.tracking.environment import redact, without_secrets

CLIENT_MODES = {"run": "online", "shared": "online", "dryrun": "offline"}  # its other names of modes
PARTING_SECONDS = 1.0  # for the client to let go of a run that is given up
FLUSH_SECONDS = 5.0  # for its service to write down what it holds, before it is killed

_staging = threading.Lock()


def client() -> Any:
    """The module; importing it takes about half a second, once.

    Its reports about itself are off unless `WANDB_ERROR_REPORTING` says otherwise: they go out even
    from offline runs, and the process waits for them when it ends. Of the command line it records what `redact` leaves.
    """
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    wandb.Settings._args = property(lambda settings: [redact(word) for word in without_secrets(sys.argv[1:])])
    return wandb


def import_all() -> None:
    """Import what the client imports only when a run begins; that takes as long again as importing it."""
    client()
    from wandb.sdk.launch.inputs import internal  # noqa: F401  its run asks there for a job's inputs


def configured() -> tuple[str, str | None]:
    """The mode saved in the client's settings files, and what is wrong with the key for its server, if anything.

    Asks neither the user nor the network, and ends the client's habit of printing. Looks where the
    client looks: its session, `WANDB_API_KEY`, identity token, settings files, netrc.
    """
    wandb = client()
    from wandb.sdk import wandb_setup
    from wandb.sdk.lib import wbauth

    settings = wandb_setup.singleton().settings
    wandb.termsetup(wandb.Settings(silent=True), None)
    mode = CLIENT_MODES.get(settings.mode, settings.mode)
    try:
        key = settings.api_key or settings.identity_token_file or wbauth.read_netrc_auth(host=settings.base_url)
    except wandb.Error as error:
        return mode, reason(error)
    return mode, None if key else "no key is configured"


def record_artifacts(run: Any) -> None:
    """Have a run write its artifacts and tables down before they are sent, without asking its server anything.

    Offline runs do. In an online run the client asks, before each, whether the key is right and whether
    the name is taken, waits long for a server that is gone, and hands the artifact over without a
    record of it, so that it cannot be sent later.
    """
    if run.offline:
        return

    def record(run: Any, artifact: Any, aliases: Any, tags: Any, history_step: Any, **options: Any) -> None:
        run._interface.publish_artifact(run, artifact, aliases, tags, **options)

    run._cached_public_api = _NobodyAsks()
    run._assert_can_log_artifact = lambda artifact: None
    run._interface.deliver_artifact = record


class _NobodyAsks:
    """Stands in for the client's view of its server, of which logging an artifact needs no more than this."""

    def _set_artifact_save_handle(self, artifact: Any, handle: Any) -> None:
        """Forget whom to ask when the artifact has arrived."""


def use_artifact(run: Any, artifact: Any) -> None:
    """Say that a run uses an artifact, which is new.

    The public use_artifact waits for the server, and refuses to work offline; this is what it does, less the waiting.
    """
    run._log_artifact(artifact, use_after_commit=True)


def release(payload: Mapping[str, Any]) -> None:
    """Remove the temporary folder behind each table that was logged.

    The client leaves it to the garbage collector, which warns about every one.
    """
    for value in payload.values():
        target = getattr(getattr(value, "table", value), "_artifact_target", None)
        folder = getattr(getattr(target, "artifact", None), "_tmp_dir", None)
        if folder is not None:
            folder.cleanup()


@contextmanager
def staged_in(folder: Path) -> Iterator[None]:
    """Let the client keep its copies of artifact files in `folder`.

    It reads WANDB_DATA_DIR when it copies a file, and otherwise collects the copies of all runs,
    sent or not, in the home directory.
    """
    with _staging:
        before = os.environ.get("WANDB_DATA_DIR")
        os.environ["WANDB_DATA_DIR"] = str(folder.resolve())
        try:
            yield
        finally:
            if before is None:
                del os.environ["WANDB_DATA_DIR"]
            else:
                os.environ["WANDB_DATA_DIR"] = before


def refusal(folder: Path) -> str:
    """Why the server takes nothing more of a run, as when somebody has deleted it; empty where it does.

    The client tells this nowhere but in its log, and ends as if all was well.

    Parameters
    ----------
    folder : Path
        Of the run's record.
    """
    try:
        log = (folder / "logs" / "debug-internal.log").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r"filestream: fatal error.*?failed to upload: (\d+ [A-Za-z ]+?)(?= url=|\")", log)
    return found[1] if found else ""


def part(patience: float = FLUSH_SECONDS) -> None:
    """Let go of the client, so that the process can end while the client's service still tries to send.

    Its teardown takes its exit hook out at once and then waits for the service, which may last; it
    does so on a thread that nobody waits for. The service is then killed: it does not heed SIGTERM, would
    outlive this process while it retries, and keep open the pipe that a caller reads our output from. `patience`
    is how many seconds it has left.
    """
    service = _service()
    thread = threading.Thread(target=_tear_down, name="wandb-teardown", daemon=True)
    thread.start()
    thread.join(PARTING_SECONDS)
    if service is not None:
        try:
            service.wait(patience)
        except subprocess.TimeoutExpired:
            service.kill()


def reason(error: BaseException) -> str:
    """An exception in one short line, without anything that looks like a key."""
    text = " ".join(str(error).split()) or type(error).__name__
    return redact(text if len(text) <= 160 else f"{text[:159]}…")


def _tear_down() -> None:
    if "wandb" in sys.modules:
        try:
            client().teardown()
        except (Exception, SystemExit):  # the service is gone already: nothing is left to let go of
            return


def _service() -> Any:
    """The process that the client started to send for it; None if there is none."""
    setup = sys.modules.get("wandb.sdk.wandb_setup")
    connection = setup.singleton()._connection if setup else None
    started = getattr(connection, "_proc", None)
    return getattr(started, "_process", None)
