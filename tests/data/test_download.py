"""Downloads from a server on this machine: what arrives is whole and right, or nothing is there.

What broke off is gone on with: servers record which bytes they were asked for.
"""

import errno
import gzip
import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tiny_set
from mirror import send
from tiny_set import FILES, PLAIN, ZIPPED, Tiny, write

from ffnn.data import DataError, load
from ffnn.data.download import RemoteFile, download
from ffnn.data.sets.idx_sets import FashionMnist, Mnist
from ffnn.data.transfer import CHUNK

PATIENCE = 60  # seconds after which something that should have happened has not


def serve(handler, name, content=None, length=None):
    """Answer with the right file, or with `content`, of which it claims `length` bytes."""
    send(handler, ZIPPED[name] if content is None else content, length)


def first_half(handler, name):
    """Announce the whole file and send its first half; returns where the rest begins."""
    middle = len(ZIPPED[name]) // 2
    serve(handler, name, ZIPPED[name][:middle], len(ZIPPED[name]))
    return middle


def not_found(handler, name):
    handler.send_error(404)


def wrong_content(handler, name):
    serve(handler, name, b"x" * len(ZIPPED[name]))


def broken_off(handler, name):
    serve(handler, name, ZIPPED[name][:-3], len(ZIPPED[name]))


def silently_short(handler, name):
    serve(handler, name, ZIPPED[name][:-3])


@pytest.fixture
def use(tiny, monkeypatch):
    """Makes the small data set come from these mirrors."""
    return lambda *mirrors: monkeypatch.setattr(tiny, "mirrors", tuple(m.address for m in mirrors))


@pytest.fixture
def nobody():
    """A mirror that cannot be reached."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refuses connections

        class Nobody:
            address = f"http://127.0.0.1:{taken.getsockname()[1]}/"

        yield Nobody


def contents(root):
    """All files below the data set's folder, and their bytes."""
    folder = Path(root) / Tiny.folder
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_downloaded_is_unpacked_loaded_and_announced(tmp_path, make_mirror, use, capsys):
    mirror = make_mirror(serve)
    use(mirror)
    data = load("tiny", tmp_path)
    assert (data.labels == tiny_set.LABELS).all()
    assert contents(tmp_path) == PLAIN
    assert mirror.requests == [file.name for file in FILES]
    printed = capsys.readouterr()
    assert printed.out == ""
    size = sum(map(len, ZIPPED.values())) / 1e6
    assert printed.err == f"Downloading Tiny ({size:.1f} MB) to {tmp_path / Tiny.folder}\n"


def test_torchvision_finds_what_was_downloaded():
    """torchvision looks for files without .gz, in a folder named like its class."""
    for entry, folder in ((Mnist, "MNIST"), (FashionMnist, "FashionMNIST")):
        assert entry.folder == f"{folder}/raw"
        assert [file.unpacked for file in entry.train_files + entry.test_files] == list(PLAIN)


def test_files_can_be_read_by_others(tmp_path, make_mirror, use):
    """A shared data folder is of no use when its files are private like temporary ones."""
    use(make_mirror(serve))
    (tmp_path / "own").write_bytes(b"")
    load("tiny", tmp_path)
    usual = (tmp_path / "own").stat().st_mode
    assert {path.stat().st_mode for path in (tmp_path / Tiny.folder).iterdir()} == {usual}


def test_what_is_there_is_not_asked_for_again(tmp_path, make_mirror, use, capsys):
    mirror = make_mirror(serve)
    use(mirror)
    absent = FILES[2]
    write(tmp_path, {name: content for name, content in ZIPPED.items() if name != absent.name})
    load("tiny", tmp_path)
    load("tiny", tmp_path)
    assert mirror.requests == [absent.name]
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("fault", [not_found, wrong_content, broken_off, silently_short])
def test_the_next_mirror_serves_when_one_fails(tmp_path, make_mirror, use, fault):
    bad, good = make_mirror(fault), make_mirror(serve)
    use(bad, good)
    load("tiny", tmp_path)
    assert contents(tmp_path) == PLAIN
    assert bad.requests == good.requests == [file.name for file in FILES]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (not_found, "404 Not Found"),
        (wrong_content, "wrong checksum"),
        (broken_off, "broken off"),
        (silently_short, "wrong checksum"),
    ],
)
def test_when_all_mirrors_fail_nothing_is_left_and_one_line_says_what_to_do(
    tmp_path, make_mirror, use, nobody, fault, reason
):
    bad = make_mirror(fault)
    use(bad, nobody)
    with pytest.raises(DataError) as raised:
        load("tiny", tmp_path)
    message = str(raised.value)
    assert "\n" not in message
    first = FILES[0].name
    assert f"{bad.address}{first} ({reason}), {nobody.address}{first} (no connection)" in message
    assert f"put {', '.join(ZIPPED)} into {tmp_path / Tiny.folder} by hand" in message
    assert "--dataset=digits" in message
    assert list((tmp_path / Tiny.folder).iterdir()) == []


def test_a_server_that_says_nothing_is_given_up(tmp_path, make_mirror, use, monkeypatch):
    monkeypatch.setattr("ffnn.data.transfer.TIMEOUTS", (5.0, 0.2))
    given_up = threading.Event()
    use(make_mirror(lambda handler, name: given_up.wait(5) or serve(handler, name)))
    with pytest.raises(DataError, match=re.escape("(timed out)")):
        load("tiny", tmp_path)
    given_up.set()


def test_files_put_there_by_hand_as_the_message_says_are_found(tmp_path, use, nobody):
    use(nobody)
    with pytest.raises(DataError) as raised:
        load("tiny", tmp_path)
    names, folder = re.search("put (.*) into (.*) by hand", str(raised.value)).groups()
    for name in names.split(", "):
        (Path(folder) / name).write_bytes(ZIPPED[name])
    assert len(load("tiny", tmp_path)) == len(tiny_set.LABELS)


def test_a_folder_that_cannot_be_made_is_named(tmp_path, make_mirror, use):
    use(make_mirror(serve))
    (tmp_path / "Tiny").write_bytes(b"a file where a folder should be")
    with pytest.raises(DataError, match=f"cannot store Tiny in {re.escape(str(tmp_path / Tiny.folder))}: .*--data_dir"):
        load("tiny", tmp_path)


def test_a_full_disk_leaves_no_part_of_a_file_but_the_download_for_the_next_try(
    tmp_path, make_mirror, use, monkeypatch
):
    mirror = make_mirror(serve)
    use(mirror)

    def fill_the_disk(_, out, *__):
        out.write(b"some of it")
        out.flush()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with (
        monkeypatch.context() as full,
        pytest.raises(DataError, match=r"cannot store Tiny in .*: No space left on dev"),
    ):
        full.setattr("ffnn.data.download.shutil.copyfileobj", fill_the_disk)
        load("tiny", tmp_path)
    first = FILES[0].name
    assert contents(tmp_path) == {f".download/{first}.part": ZIPPED[first]}
    load("tiny", tmp_path)
    assert contents(tmp_path) == PLAIN
    assert mirror.requests == [file.name for file in FILES]


def test_a_terminal_sees_progress(tmp_path, make_mirror, use, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    use(make_mirror(not_found), make_mirror(serve))
    load("tiny", tmp_path)
    printed = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    for file in FILES:
        assert re.search(f"{re.escape(file.name)} .* {file.size}/{file.size} bytes", printed)


def start(root, *mirrors):
    """A process of its own that fetches and loads the small data set."""
    command = [sys.executable, "-W", "error", tiny_set.__file__, str(root), *(mirror.address for mirror in mirrors)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.posix
def test_a_process_killed_half_way_leaves_nothing_that_looks_whole(tmp_path, make_mirror):
    half_way, released = threading.Event(), threading.Event()

    def half(handler, name):
        first_half(handler, name)
        half_way.set()
        released.wait(PATIENCE)

    mirror = make_mirror(lambda handler, name: (serve if name == FILES[0].name else half)(handler, name))
    process = start(tmp_path, mirror)
    assert half_way.wait(PATIENCE)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    released.set()
    names = {path.name for path in (tmp_path / Tiny.folder).iterdir()}
    assert {name for name in names if not name.startswith(".download")} == {FILES[0].unpacked}
    mirror.answer = serve
    again = start(tmp_path, mirror)
    output = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, output
    assert contents(tmp_path) == PLAIN
    assert len(list((tmp_path / Tiny.folder).iterdir())) == len(PLAIN)


BIG = np.random.default_rng(3).bytes(8 * CHUNK)
PACKED = gzip.compress(BIG, mtime=0)
BIG_FILE = RemoteFile("big.gz", len(PACKED), hashlib.sha256(PACKED).hexdigest())
HALF = 4 * CHUNK

FETCH = """
import sys
from pathlib import Path
from ffnn.data.download import RemoteFile, download
folder, name, size, sha256, *mirrors = sys.argv[1:]
download("Big", [RemoteFile(name, int(size), sha256)], mirrors, Path(folder))
"""


class Resuming:
    """Answers as servers do that know Range; `ranges` is what was asked for, `breaks` where it breaks off each time."""

    def __init__(self, content=PACKED, *breaks):
        self.content, self.breaks = content, list(breaks)
        self.ranges, self.sent = [], 0

    def __call__(self, handler, _):
        asked = handler.headers["Range"]
        self.ranges.append(asked)
        begin = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked else 0
        size = len(self.content)
        if begin >= size:
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{size}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(206 if asked else 200)
        if asked:
            handler.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
        handler.send_header("Content-Length", str(size - begin))
        handler.end_headers()
        piece = self.content[begin : self.breaks.pop(0) if self.breaks else size]
        self.sent += len(piece)
        handler.wfile.write(piece)


class Forgetful(Resuming):
    """A server that always sends all."""

    def __call__(self, handler, _):
        self.ranges.append(handler.headers["Range"])
        send(handler, self.content)


def fetch_big(folder, *mirrors):
    download("Big", [BIG_FILE], [mirror.address for mirror in mirrors], folder)


def start_big(folder, mirror):
    """A process of its own that downloads the big file."""
    about = [BIG_FILE.name, str(BIG_FILE.size), BIG_FILE.sha256]
    command = [sys.executable, "-W", "error", "-c", FETCH, str(folder), *about, mirror.address]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def only_big(folder):
    """Whether the folder holds the big file, whole, and nothing else, hidden or not."""
    return {path.name: path.is_file() and path.read_bytes() for path in folder.iterdir()} == {"big": BIG}


def begun(folder, content):
    """Leave behind what a killed download leaves."""
    (folder / ".download" / "out").mkdir(parents=True)
    (folder / ".download" / "out" / "big").write_bytes(b"half unpacked")
    (folder / ".download" / "big.gz.part").write_bytes(content)
    (folder / ".download.lock").write_bytes(b"")


def until(condition):
    """Wait for another process to get that far."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def stuck_half_way(released):
    """A server that sends half of the big file and then no more."""

    def answer(handler, _):
        send(handler, PACKED[:HALF], len(PACKED))
        released.wait(PATIENCE)

    return answer


def half_there(folder):
    part = folder / ".download" / "big.gz.part"
    return part.exists() and part.stat().st_size == HALF


@pytest.mark.posix
def test_what_a_killed_process_got_is_not_asked_for_again(tmp_path, make_mirror):
    released = threading.Event()
    mirror = make_mirror(stuck_half_way(released))
    process = start_big(tmp_path, mirror)
    until(lambda: half_there(tmp_path))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    released.set()
    mirror.answer = server = Resuming()
    again = start_big(tmp_path, mirror)
    _, error = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, error
    assert server.ranges == [f"bytes={HALF}-"]
    assert server.sent == len(PACKED) - HALF
    assert only_big(tmp_path)


@pytest.mark.posix
def test_a_second_process_waits_and_takes_over_when_the_first_is_killed(tmp_path, make_mirror):
    released = threading.Event()
    mirror = make_mirror(stuck_half_way(released))
    first = start_big(tmp_path, mirror)
    until(lambda: half_there(tmp_path))
    mirror.answer = server = Resuming()
    second = start_big(tmp_path, mirror)
    waiting = f"Waiting for another process that is downloading Big to {tmp_path}\n"
    assert second.stderr.readline() == waiting
    assert server.ranges == []
    os.kill(first.pid, signal.SIGKILL)
    first.communicate(timeout=PATIENCE)
    released.set()
    _, error = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0, error
    assert server.ranges == [f"bytes={HALF}-"]
    assert only_big(tmp_path)


def test_of_two_processes_that_want_the_same_files_one_downloads_them(tmp_path, make_mirror):
    asked, second_waits = threading.Event(), threading.Event()

    def when_the_second_waits(handler, name):
        asked.set()
        second_waits.wait(PATIENCE)
        serve(handler, name)

    mirror = make_mirror(when_the_second_waits)
    first = start(tmp_path, mirror)
    assert asked.wait(PATIENCE)
    second = start(tmp_path, mirror)
    said = second.stderr.readline()
    second_waits.set()
    results = [process.communicate(timeout=PATIENCE) for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], results
    assert said == f"Waiting for another process that is downloading Tiny to {tmp_path / Tiny.folder}\n"
    assert results[1][1] == ""  # it downloads nothing, and does not say that it does
    assert results[0][0] == results[1][0] != ""
    assert mirror.requests == [file.name for file in FILES]
    assert contents(tmp_path) == PLAIN


OTHER = b"x" * len(PACKED)


@pytest.mark.parametrize(
    ("there", "kind", "ranges"),
    [
        (PACKED[:1000], Resuming, ["bytes=1000-"]),
        (PACKED[:-1], Resuming, [f"bytes={len(PACKED) - 1}-"]),
        (PACKED, Resuming, []),
        (b"", Resuming, [None]),
        (PACKED[:1000], Forgetful, ["bytes=1000-"]),
        (OTHER[:1000], Forgetful, ["bytes=1000-"]),
        (OTHER[:1000], Resuming, ["bytes=1000-", None]),
        (OTHER, Resuming, [f"bytes={len(PACKED)}-", None]),
        (PACKED + b"more", Resuming, [f"bytes={len(PACKED) + 4}-", None]),
    ],
    ids=["begun", "but-one-byte", "whole", "empty", "no-range", "no-range-other", "other", "other-as-long", "longer"],
)
def test_whatever_an_earlier_download_left_the_file_becomes_right(tmp_path, make_mirror, there, kind, ranges):
    begun(tmp_path, there)
    server = kind()
    fetch_big(tmp_path, make_mirror(server))
    assert server.ranges == ranges
    assert only_big(tmp_path)


def test_a_server_that_breaks_off_is_asked_for_the_rest(tmp_path, make_mirror):
    server = Resuming(PACKED, HALF, 6 * CHUNK)
    fetch_big(tmp_path, make_mirror(server))
    assert server.ranges == [None, f"bytes={HALF}-", f"bytes={6 * CHUNK}-"]
    assert server.sent == len(PACKED)
    assert only_big(tmp_path)


def test_a_server_that_falls_silent_is_asked_for_the_rest(tmp_path, make_mirror, monkeypatch):
    monkeypatch.setattr("ffnn.data.transfer.TIMEOUTS", (5.0, 0.5))
    released, server = threading.Event(), Resuming()
    stuck = stuck_half_way(released)
    fetch_big(tmp_path, make_mirror(lambda *request: (server if mirror_asked(request) else stuck)(*request)))
    released.set()
    assert server.ranges == [f"bytes={HALF}-"]
    assert only_big(tmp_path)


def mirror_asked(request):
    """Whether the request is for the rest of a file."""
    return request[0].headers["Range"] is not None


def test_a_slow_server_is_waited_for_as_long_as_bytes_come(tmp_path, make_mirror, monkeypatch):
    silence = 2.0
    monkeypatch.setattr("ffnn.data.transfer.TIMEOUTS", (5.0, silence))
    begin = time.monotonic()

    def drip(handler, _):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(PACKED)))
        handler.end_headers()
        step = -(-len(PACKED) // 24)
        for place in range(0, len(PACKED), step):
            handler.wfile.write(PACKED[place : place + step])
            time.sleep(0.1)

    mirror = make_mirror(drip)
    fetch_big(tmp_path, mirror)
    assert mirror.requests == [BIG_FILE.name]
    assert time.monotonic() - begin > silence
    assert only_big(tmp_path)


def test_the_next_mirror_goes_on_where_the_one_before_broke_off(tmp_path, make_mirror):
    first, second = Resuming(PACKED, HALF, HALF), Resuming()
    fetch_big(tmp_path, make_mirror(first), make_mirror(second))
    assert first.ranges == [None, f"bytes={HALF}-"]
    assert second.ranges == [f"bytes={HALF}-"]
    assert only_big(tmp_path)


def test_the_next_mirror_begins_again_where_the_one_before_sent_something_else(tmp_path, make_mirror):
    first, second = Resuming(OTHER, HALF, HALF), Resuming()
    fetch_big(tmp_path, make_mirror(first), make_mirror(second))
    assert second.ranges == [f"bytes={HALF}-", None]
    assert only_big(tmp_path)


def test_what_came_before_all_mirrors_failed_is_kept_for_the_next_try(tmp_path, make_mirror, nobody):
    with pytest.raises(DataError, match=re.escape("(broken off)")):
        fetch_big(tmp_path, make_mirror(Resuming(PACKED, HALF, HALF)), nobody)
    assert half_there(tmp_path)
    assert not (tmp_path / "big").exists()
    server = Resuming()
    fetch_big(tmp_path, make_mirror(server))
    assert server.ranges == [f"bytes={HALF}-"]
    assert only_big(tmp_path)


@pytest.mark.parametrize("there", [b"", PACKED[:1000]], ids=["nothing", "begun"])
@pytest.mark.parametrize("breaks", [(), (HALF, HALF + CHUNK, len(OTHER)) * 2], ids=["at-once", "in-pieces"])
def test_a_mirror_with_another_file_is_given_up_and_its_bytes_are_not_kept(tmp_path, make_mirror, there, breaks):
    if there:
        begun(tmp_path, there)
    server = Resuming(OTHER, *breaks)
    with pytest.raises(DataError, match=re.escape("(wrong checksum)")):
        fetch_big(tmp_path, make_mirror(server))
    assert server.ranges.count(None) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_sees_bytes_that_were_there_before_counted(tmp_path, make_mirror, capsys, monkeypatch):
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "150"}.items():
        monkeypatch.setenv(name, value)
    begun(tmp_path, PACKED[:HALF])
    fetch_big(tmp_path, make_mirror(Resuming()))
    printed = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    kilobytes = f"{len(PACKED) / 1000:.1f}"
    assert re.search(f"big.gz .* {kilobytes}/{kilobytes} kB", printed)
