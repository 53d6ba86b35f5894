"""PostgreSQL as the storage: a server of its own for the test, where one is installed."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sweep_files import run_sweep, start_sweep, write_sweep
from test_ledger import proposal
from test_processes import check_complete, children, over, share, trials_of, until

from ffnn.errors import FFNNError
from ffnn.sweep.home import Home
from ffnn.sweep.ledger import Ledger
from ffnn.sweep.postgres import Patience, StorageAwayError
from ffnn.sweep.storage import open_storage, public_address
from ffnn.sweep.trials import FINISHED, RUNNING, Outcome

pwd = pytest.importorskip("pwd", reason="needs a POSIX system")


def binary(name: str) -> str:
    """A program of the server, also where Debian hides it."""
    hidden = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = shutil.which(name) or (str(hidden[-1]) if hidden else None)
    if found is None:
        pytest.skip("no PostgreSQL server is installed here: apt-get install postgresql")
    return found


def unprivileged() -> dict[str, Any]:
    """The server refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    return {"user": "postgres"}


Books = Callable[[str], Ledger]
PASSWORD = "planted-pass-7391"


class Server:
    """A server with a database of its own, which wants a password.

    Attributes
    ----------
    url : str
        Of the empty database, without the password.
    """

    def __init__(self, folder: Path) -> None:
        initdb, self._who, self._folder = binary("initdb"), unprivileged(), folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"postgresql://ffnn@127.0.0.1:{self._port}/postgres"
        (folder / "password").write_text(PASSWORD)
        if self._who:
            for path in (folder, folder / "password"):
                shutil.chown(path, self._who["user"])
        options = ["-D", str(folder / "data"), "-U", "ffnn", "--auth=scram-sha-256", "--no-sync", "--no-locale"]
        options += ["-E", "UTF8", f"--pwfile={folder / 'password'}"]
        subprocess.run([initdb, *options], check=True, capture_output=True, cwd=folder, **self._who)
        self.start()

    def start(self) -> None:
        """Until it answers."""
        arguments = ["-D", str(self._folder / "data"), "-p", str(self._port), "-k", str(self._folder)]
        arguments += ["-c", "listen_addresses=127.0.0.1"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [binary("postgres"), *arguments], stdout=log, stderr=log, cwd=self._folder, **self._who
            )
        _wait_for(self._port, self._process, self._folder / "log")

    def stop(self, number: int = signal.SIGINT) -> None:
        """At once; connections are cut."""
        self._process.send_signal(number)
        self._process.wait(timeout=30)


@pytest.fixture
def open_book() -> Iterator[Books]:
    """Opens ledgers, and closes them."""
    opened: list[Ledger] = []

    def open_ledger(url: str) -> Ledger:
        opened.append(Ledger(open_storage(url), "sweep", maximize=True))
        return opened[-1]

    yield open_ledger
    for ledger in opened:
        ledger.storage.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server, whose password is in the environment."""
    pytest.importorskip("psycopg")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    folder = Path(tempfile.mkdtemp(prefix="ffnn-postgres-"))
    try:
        server = Server(folder)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    import psycopg

    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        try:
            psycopg.connect(f"host=127.0.0.1 port={port} user=ffnn dbname=postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(log.read_text())


@pytest.mark.slow
def test_two_processes_share_a_database_without_a_duplicate(tmp_path: Path, server: Server) -> None:
    parameters = {"batch_size": {"values": [500, 1000]}, "learning_rate": {"values": [0.001, 0.01]}}
    file = write_sweep(tmp_path / "s.yaml", parameters, method="random")
    share(file, server.url, 4)
    result = run_sweep(file, f"--storage={server.url}", "--count=5", "--resume")
    assert result.returncode == 0, result.stderr  # all four points of the space were there


def test_a_database_that_cannot_be_reached_is_one_line_without_the_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    file = write_sweep(tmp_path / "s.yaml", {"l2": {"values": [0]}})
    result = run_sweep(file, "--storage=postgresql://me@127.0.0.1:1/none", PGPASSWORD="secret")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "127.0.0.1:1/none cannot be used" in result.stderr
    assert "secret" not in result.stderr


WITH_PASSWORD = [
    "postgresql://me:secret@h/d",
    "postgres:///d?host=h&user=me&password=secret",
    *(f"postgresql://me:my{mark}secret@h/d" for mark in "/#?:"),  # for URLs' general rules there is none in these
]


@pytest.mark.parametrize("url", WITH_PASSWORD)
def test_a_password_in_the_address_is_refused_with_where_it_belongs(url: str) -> None:
    with pytest.raises(FFNNError, match=r"without a password.*PGPASSWORD.*\.pgpass.*PGSERVICE") as caught:
        open_storage(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["postgresql://h:PORT/d", "postgresql://[::1/d", "postgresql://me:my@secret@h/d", "postgresql://m/e:secret@h/d"],
)
def test_an_address_that_cannot_be_read_is_one_line_without_its_secrets(url: str, tmp_path: Path) -> None:
    for use in (open_storage, public_address, Home(tmp_path).choose):
        with pytest.raises(FFNNError, match="expected postgresql://USER@HOST:PORT/DATABASE") as caught:
            use(url)
        assert "secret" not in str(caught.value)


def test_where_libpqs_variables_lead_is_part_of_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSERVICE", "one")
    assert public_address("postgresql:///") == "postgresql:///?service=one"
    assert public_address("postgresql:///?service=two") == "postgresql:///?service=two"
    monkeypatch.delenv("PGSERVICE")
    monkeypatch.setenv("PGHOST", "db.local")
    monkeypatch.setenv("PGDATABASE", "sweeps")
    assert public_address("postgresql://") == public_address("postgresql://db.local:5432/sweeps")


def test_a_service_file_gives_the_place_and_the_password(
    tmp_path: Path, server: Server, open_book: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD")
    port = server.url.rpartition(":")[2].partition("/")[0]
    place = f"host=127.0.0.1\nport={port}\nuser=ffnn\ndbname=postgres"
    (tmp_path / "services").write_text(f"[sweeps]\n{place}\npassword={PASSWORD}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    assert open_book("postgresql:///?service=sweeps").attempts() == []
    monkeypatch.setenv("PGSERVICE", "sweeps")
    assert open_book("postgresql:///").attempts() == []


@pytest.mark.slow
def test_a_server_that_restarts_is_waited_for(
    server: Server, open_book: Books, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever is asked meanwhile is answered afterwards: a claim, a report, an end."""
    book = open_book(server.url)
    asked = (
        lambda: book.claim(proposal("b"), None),
        lambda: book.report(trial, 1, 0.5),
        lambda: book.end(trial, Outcome(FINISHED, best=0.5, latest=0.5)),
        book.owners.beat,
    )
    trial = book.claim(proposal("a"), None)
    assert trial
    for ask in asked:
        server.stop(signal.SIGQUIT)
        back = threading.Timer(0.7, server.start)
        back.start()
        ask()
        back.join()
    statuses = [(attempt.key, attempt.status) for attempt in open_book(server.url).attempts()]
    assert statuses == [("a", FINISHED), ("b", RUNNING)]
    said = capfd.readouterr().err
    assert said.count("is away (") >= 3
    assert said.count("answers again, after") == said.count("is away (")
    assert PASSWORD not in said


def test_a_claim_whose_answer_was_lost_is_one_trial(server: Server, open_book: Books) -> None:
    """The server goes between having written the trial and saying so."""
    book = open_book(server.url)
    storage = book.storage
    create, lost = storage.optuna.create_new_trial, []

    def losing(*arguments: Any) -> int:
        identity = int(create(*arguments))
        if not lost:
            lost.append(identity)
            server.stop(signal.SIGQUIT)
            server.start()
        return identity

    storage.optuna.create_new_trial = losing  # type: ignore[method-assign]
    claimed = book.claim(proposal("a"), None)
    assert claimed
    assert [claimed.id] == lost == [attempt.id for attempt in book.attempts()]
    assert book.claim(proposal("a"), None) is None


def test_a_server_that_stays_away_is_one_line_in_the_end(
    server: Server, open_book: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Patience.__init__, "__defaults__", (0.8,))
    book = open_book(server.url)
    server.stop(signal.SIGQUIT)
    with pytest.raises(
        StorageAwayError, match=r"postgresql://127.0.0.1:\d+/postgres has been away for \d s: "
    ) as caught:
        book.attempts()
    assert "\n" not in str(caught.value)
    began = time.monotonic()
    with pytest.raises(StorageAwayError):
        book.attempts()
    assert time.monotonic() - began < 0.5  # not once more
    server.start()
    assert book.attempts() == []


@pytest.mark.slow
def test_a_restart_of_ten_seconds_and_a_kill_lose_and_repeat_nothing(tmp_path: Path, server: Server) -> None:
    """Three processes at work; the server is killed and comes back after 10 s, and one of the three is killed, too."""
    parameters = {"learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 0.1}}
    file = write_sweep(tmp_path / "s.yaml", {**parameters, "epochs": {"value": 1500}}, method="random")
    options = ("--count=12", f"--storage={server.url}")
    sweeps = [start_sweep(file, *options) for _ in range(3)]
    try:
        until(lambda: over(file) >= 1 and len(trials_of(tmp_path)) == 3, "trials of all three", 300)
        assert PASSWORD not in "".join(words_of(pid) for pid in family(sweeps[0].pid))
        server.stop(signal.SIGQUIT)
        sweeps[2].kill()
        sweeps[2].communicate()
        time.sleep(10)
        server.start()
        outputs = [sweep.communicate(timeout=400)[0] for sweep in sweeps[:2]]
        assert [sweep.returncode for sweep in sweeps[:2]] == [0, 0], outputs
        assert any("answers again" in output for output in outputs)
    finally:
        for sweep in sweeps:
            sweep.kill()
    assert not any("Traceback" in output for output in outputs), outputs
    check_complete(file, 12)
    held = [path for path in tmp_path.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
    assert held == []


@pytest.mark.slow
def test_the_end_of_patience_names_the_command_that_goes_on(tmp_path: Path, server: Server) -> None:
    file = write_sweep(tmp_path / "s.yaml", {"epochs": {"values": [1, 10**6]}})
    impatient = "from ffnn.sweep.postgres import Patience; Patience.__init__.__defaults__ = (3.0,)"
    runs = f"--runs_dir={tmp_path / 'runs'}"
    words = ["sweep", str(file), runs, "--wandb=disabled", f"--storage={server.url}"]
    code = f"import sys; {impatient}; sys.argv = ['ffnn', *{words!r}]; from ffnn.cli import main; main()"
    sweep = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    until(lambda: over(file) >= 1 and bool(trials_of(tmp_path)), "the endless trial")
    server.stop(signal.SIGQUIT)
    _, said = sweep.communicate(timeout=300)
    assert sweep.returncode == 2, said
    assert said.splitlines()[-1].endswith(f"go on with: {shlex.join(['ffnn', *words, '--resume'])}")
    until(lambda: not trials_of(tmp_path), "the trial to end with its sweep", 10)


def family(pid: int) -> list[int]:
    return [pid, *(one for child in children(pid) for one in family(child))]


def words_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()
