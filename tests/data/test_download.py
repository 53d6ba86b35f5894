"""Downloads from a server on this machine: what arrives is whole and right, or nothing is there."""

import errno
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import tiny_set
from mirror import send
from tiny_set import FILES, PLAIN, ZIPPED, Tiny, write

from ffnn.data import DataError, load
from ffnn.data.idx_sets import FashionMnist, Mnist

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
    monkeypatch.setattr("ffnn.data.download.TIMEOUTS", (5.0, 0.2))
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


def test_a_full_disk_leaves_no_part_of_a_file(tmp_path, make_mirror, use, monkeypatch):
    use(make_mirror(serve))

    def fill_the_disk(_, out, *__):
        out.write(b"some of it")
        out.flush()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("ffnn.data.download.shutil.copyfileobj", fill_the_disk)
    with pytest.raises(DataError, match=r"cannot store Tiny in .*: No space left on device"):
        load("tiny", tmp_path)
    assert list((tmp_path / Tiny.folder).iterdir()) == []


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


def test_two_processes_can_want_the_same_files_at_once(tmp_path, make_mirror):
    both = threading.Barrier(2)

    def when_both_ask(handler, name):
        both.wait(PATIENCE)
        middle = first_half(handler, name)
        both.wait(PATIENCE)
        handler.wfile.write(ZIPPED[name][middle:])

    mirror = make_mirror(when_both_ask)
    processes = [start(tmp_path, mirror) for _ in range(2)]
    results = [process.communicate(timeout=PATIENCE) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    assert results[0][0] == results[1][0] != ""
    assert len(mirror.requests) == 2 * len(FILES)
    assert contents(tmp_path) == PLAIN


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
    folder = tmp_path / Tiny.folder
    assert {path.name for path in folder.iterdir() if path.is_file()} == {FILES[0].unpacked}
    mirror.answer = serve
    again = start(tmp_path, mirror)
    output = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, output
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == PLAIN
