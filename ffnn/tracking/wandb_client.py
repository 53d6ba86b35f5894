"""The door to the client of Weights & Biases: the only file that imports it.

What this file does beyond its public interface is here too, so that a new release of the client is
checked against one page.
"""

import functools
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from ffnn.tracking.keys import redact, without_secrets
from ffnn.words import count_of

CLIENT_MODES = {"run": "online", "shared": "online", "dryrun": "offline"}  # its other names of modes
PARTING_SECONDS = 1.0  # for the client to let go of a run that is given up
FLUSH_SECONDS = 5.0  # for its service to write down what it holds, before it is killed

_staging = threading.Lock()


def client() -> Any:
    """The module; importing it takes about half a second, once.

    Its reports about itself are off unless `WANDB_ERROR_REPORTING` says otherwise: they go out even
    from offline runs, and the process waits for them when it ends.
    """
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    return wandb


class _OwnWords:
    """Within it, what the client records of the command line for runs of this thread is what `redact` leaves.

    It reads `sys.argv` when a run begins, through a property of its settings that no run can have of its own.
    The property is put back when no thread is within, and tells other threads, and so the user's own runs, all.
    """

    def __init__(self) -> None:
        self._lock, self._threads = threading.Lock(), set[int]()
        self._before: Any = None

    def __enter__(self) -> None:
        settings = client().Settings
        with self._lock:
            if not self._threads:
                before = self._before = settings._args
                settings._args = property(lambda own: self._words() if self._concerned() else before.fget(own))
            self._threads.add(threading.get_ident())

    def __exit__(self, *problem: object) -> None:
        with self._lock:
            self._threads.remove(threading.get_ident())
            if not self._threads:
                client().Settings._args = self._before

    def _concerned(self) -> bool:
        return threading.get_ident() in self._threads

    def _words(self) -> list[str]:
        return [redact(word) for word in without_secrets(sys.argv[1:])]


own_words = _OwnWords()


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


def start_service(folder: Path) -> None:
    """Start the process that sends for the client, unless it runs already, with a place for its logs and its cache.

    Without one, as where there is no home, it writes its log of 20 lines to standard error instead. It is told where
    by its environment alone; `folder` serves where nothing better can be written to.
    """
    with _environment("XDG_CACHE_HOME", str(writable_cache(folder))):
        client().setup()


def writable_cache(folder: Path) -> Path:
    """The user's caches by `XDG_CACHE_HOME`, `HOME` or the system; `folder` where that takes no file."""
    nobody = os.environ.get("HOME") == ""  # "~" would be the root of the file system
    cache = Path(os.environ.get("XDG_CACHE_HOME") or (folder.resolve() if nobody else "~/.cache"))
    try:
        place = cache.expanduser()
        (place / "wandb" / "logs").mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: nobody knows the home of this user
        return folder.resolve()
    return place if os.access(place / "wandb" / "logs", os.W_OK) else folder.resolve()


def record_artifacts(run: Any) -> None:
    """Have a run write its artifacts and tables down before they are sent, without asking its server.

    Offline runs do. In an online run the client first asks whether the key is right and the name is free, waits long
    for a server that is gone, and hands the artifact over without a record of it, so that it cannot be sent later.
    """
    if run.offline:
        return

    def record(run: Any, artifact: Any, aliases: Any, tags: Any, history_step: Any, **options: Any) -> None:
        run._interface.publish_artifact(run, artifact, aliases, tags, **options)

    run._cached_public_api = _NobodyAsks()
    run._assert_can_log_artifact = lambda artifact: None
    run._interface.deliver_artifact = record


def list_packages(run: Any) -> None:
    """Tell a run the installed packages for its requirements.txt; the client would look for them in each run anew."""
    run._interface.publish_python_packages(_packages())


@functools.cache
def _packages() -> tuple[Any, ...]:
    from wandb.util import working_set

    return tuple(working_set())


class _NobodyAsks:
    """Stands in for the client's view of its server: logging an artifact needs no more."""

    def _set_artifact_save_handle(self, artifact: Any, handle: Any) -> None:
        """Forget whom to ask when the artifact has arrived."""


def new_code(name: str) -> Any:
    """An empty artifact for W&B's Code tab, of a type that the public class refuses."""
    from wandb.sdk.artifacts._internal_artifact import InternalArtifact

    return InternalArtifact(name, "code")


def use_artifact(run: Any, artifact: Any) -> None:
    """Say that a run uses a new artifact, as the public use_artifact does, which waits for the server."""
    run._log_artifact(artifact, use_after_commit=True)


def release(payload: Mapping[str, Any]) -> None:
    """Remove the temporary folder behind each logged table; the garbage collector would warn about every one."""
    for value in payload.values():
        target = getattr(getattr(value, "table", value), "_artifact_target", None)
        folder = getattr(getattr(target, "artifact", None), "_tmp_dir", None)
        if folder is not None:
            folder.cleanup()


def staged_in(folder: Path) -> AbstractContextManager[None]:
    """Let the client, which reads WANDB_DATA_DIR, keep its copies of artifact files in `folder`, not in the home."""
    return _environment("WANDB_DATA_DIR", str(folder.resolve()))


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    with _staging:
        before = os.environ.get(name)
        os.environ[name] = value
        try:
            yield
        finally:
            if before is None:
                del os.environ[name]
            else:
                os.environ[name] = before


def refusal(folder: Path) -> str:
    """What the server did not take of a run, as when somebody has deleted it, in words; empty where it took all.

    The client tells this nowhere but in its log, in the folder of the run's record, and ends as if all was well.
    """
    try:
        log = (folder / "logs" / "debug-internal.log").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    match = re.search(r"filestream: fatal error.*?failed to upload: (\d+ [A-Za-z ]+?)(?= url=|\")", log)
    if match:
        return f"stopped taking this run ({match[1]})"
    refused = re.findall(r'"msg":"sender: failed to log artifact: ((?:[^"\\]|\\.)*)"', log)
    if not refused:
        return ""
    first = json.loads(f'"{refused[0]}"')
    return f"refused {count_of(len(refused), 'artifact')} ({shortened(first)})"


class _Guests:
    """The trackers of this process, which share the client: nobody parts with it while another one uses it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside, self._trouble = 0, False
        self._given_up: list[Any] = []

    def arrive(self) -> None:
        """One more begins."""
        with self._lock:
            self._inside += 1

    def leave(self, run: Any, trouble: bool, patience: float) -> None:
        """One is done; the last one parts with the client if any had trouble, or the end of the process would wait.

        Its run may be unfinished, and None if it has none; `patience` is as for `part`.
        """
        with self._lock:
            self._inside -= 1
            self._trouble |= trouble
            self._given_up += [run] if trouble and run is not None else []
            if self._inside or not self._trouble:
                return
            given_up, self._given_up, self._trouble = self._given_up, [], False
        if all(any(active is run for run in given_up) for active in _active_runs()):  # others are the user's own
            part(patience)


guests = _Guests()


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
    return shortened(str(error)) or type(error).__name__


def shortened(text: str) -> str:
    """A text in one short line, without anything that looks like a key."""
    text = redact(" ".join(text.split()))  # before it is cut: half a key looks like none
    return text if len(text) <= 160 else f"{text[:159]}…"


def _tear_down() -> None:
    if "wandb" in sys.modules:
        try:
            client().teardown()
        except (Exception, SystemExit):  # the service is gone already: nothing is left to let go of
            return


def _active_runs() -> list[Any]:
    """The runs of this process that are not finished, ffnn's and others."""
    setup = sys.modules.get("wandb.sdk.wandb_setup")
    return list(setup.singleton()._active_runs) if setup else []


def _service() -> Any:
    """The process that the client started to send for it; None if there is none."""
    setup = sys.modules.get("wandb.sdk.wandb_setup")
    connection = setup.singleton()._connection if setup else None
    started = getattr(connection, "_proc", None)
    return getattr(started, "_process", None)
