"""Archives are downloaded from a server on this machine and taken apart; nothing in them reaches out of its folder."""

import gzip
import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import zipfile

import numpy as np
import pytest
from mirror import send
from tiny_set import idx

from ffnn.data import DATASETS, DataError, load
from ffnn.data.archives import extract_tar, extract_zip
from ffnn.data.download import RemoteFile
from ffnn.data.sets.cifar10 import Cifar10
from ffnn.data.sets.emnist import VARIANTS, Emnist
from ffnn.data.sets.idx_sets import FashionMnist, Mnist

PATIENCE = 60  # seconds after which something that should have happened has not


def tar_of(*members):
    """A gzipped tar archive of (name, content) or (name, content, changes to the entry)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as packed:
        for name, content, *changes in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for attribute, value in (changes[0] if changes else {}).items():
                setattr(member, attribute, value)
            packed.addfile(member, io.BytesIO(content))
    return out.getvalue()


def zip_of(*members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members:
            packed.writestr(name, content)
    return out.getvalue()


MAKERS = {"tar": (tar_of, extract_tar), "zip": (zip_of, extract_zip)}


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.mark.parametrize("kind", MAKERS)
def test_only_what_is_named_is_taken_and_only_where_it_is_told(tmp_path, out, kind):
    pack, extract = MAKERS[kind]
    archive = tmp_path / "archive"
    escapes = [(f"{'../' * depth}escaped", b"x") for depth in range(1, 4)]
    archive.write_bytes(pack(("set/one", b"1"), *escapes, (f"{tmp_path}/absolute", b"x"), ("set/two", b"2")))
    extract(archive, {"set/one": "first", "set/two": "second"}, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {"first": b"1", "second": b"2"}
    assert {path.name for path in tmp_path.iterdir()} == {"archive", "out"}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_wanted_name_that_points_outside_is_not_followed(tmp_path, out, kind):
    """Even if a member is asked for by such a name, it lands under the name that was chosen."""
    pack, extract = MAKERS[kind]
    archive = tmp_path / "archive"
    archive.write_bytes(pack(("../escaped", b"x")))
    if kind == "tar":
        with pytest.raises(DataError, match=r"expected a sound archive, found damage .*outside the destination"):
            extract(archive, {"../escaped": "inside"}, out)
    else:
        extract(archive, {"../escaped": "inside"}, out)
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize("type_", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_a_link_in_the_place_of_a_file_is_refused(tmp_path, out, type_):
    secret = tmp_path / "secret"
    secret.write_bytes(b"not for you")
    archive = tmp_path / "archive.tar.gz"
    archive.write_bytes(tar_of(("set/one", b"", {"type": type_, "linkname": str(secret)})))
    with pytest.raises(DataError, match=r"archive\.tar\.gz: expected set/one as plain files in it, found none"):
        extract_tar(archive, {"set/one": "one"}, out)
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("kind", MAKERS)
def test_a_damaged_archive_is_refused_in_one_line(tmp_path, out, kind):
    pack, extract = MAKERS[kind]
    whole = pack(("set/one", np.random.default_rng(0).bytes(100_000)))
    for damaged in (whole[: len(whole) // 2], b"", b"<!DOCTYPE html>", whole[:5000] + b"damage" * 9 + whole[5054:]):
        (tmp_path / "archive").write_bytes(damaged)
        with pytest.raises(DataError, match=r"^archive: expected ") as raised:
            extract(tmp_path / "archive", {"set/one": "one"}, out)
        assert "\n" not in str(raised.value)


CIFAR_FILES = {name: name.encode() * 1000 for name in (*Cifar10.batches, "batches.meta")}
CIFAR_ARCHIVE = tar_of(
    ("cifar-10-batches-py/", b"", {"type": tarfile.DIRTYPE}),
    *((f"cifar-10-batches-py/{name}", content) for name, content in CIFAR_FILES.items()),
    ("cifar-10-batches-py/readme.html", b"about"),
)


def labelled(variant):
    first = VARIANTS[variant].first_label
    return {
        "train-images-idx3-ubyte": idx(np.zeros((3, 28, 28))),
        "train-labels-idx1-ubyte": idx(np.arange(3) + first),
        "test-images-idx3-ubyte": idx(np.zeros((2, 28, 28))),
        "test-labels-idx1-ubyte": idx(np.arange(2) + first),
    }


EMNIST_FILES = {
    f"emnist-{variant}-{name}": content for variant in VARIANTS for name, content in labelled(variant).items()
}
EMNIST_ARCHIVE = zip_of(
    *((f"gzip/{name}.gz", gzip.compress(content)) for name, content in EMNIST_FILES.items()),
    ("gzip/emnist-balanced-mapping.txt", b"0 48"),
)
SETS = {"cifar10": (Cifar10, CIFAR_ARCHIVE), "emnist": (Emnist, EMNIST_ARCHIVE)}


def remote(name, content):
    return RemoteFile(name, len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def use(monkeypatch):
    """Makes a data set's archive come from these mirrors."""

    def use(name, *mirrors):
        entry, content = SETS[name]
        monkeypatch.setattr(entry, "archive", remote(entry.archive.name, content))
        monkeypatch.setattr(entry, "mirrors", tuple(mirror.address for mirror in mirrors))

    return use


def serving(name):
    return lambda handler, asked: send(handler, SETS[name][1])


def test_cifar10_is_put_where_torchvision_looks(tmp_path, make_mirror, use):
    mirror = make_mirror(serving("cifar10"))
    use("cifar10", mirror)
    entry = DATASETS.create("cifar10")
    entry.fetch(tmp_path)
    entry.fetch(tmp_path)
    assert mirror.requests == ["cifar-10-python.tar.gz"]
    folder = tmp_path / "cifar-10-batches-py"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CIFAR_FILES


def test_emnist_is_put_where_torchvision_looks_and_serves_all_variants(tmp_path, make_mirror, use, capsys):
    mirror = make_mirror(serving("emnist"))
    use("emnist", mirror)
    assert len(load({"name": "emnist", "variant": "letters"}, tmp_path)) == 5
    for variant in VARIANTS:
        assert len(load({"name": "emnist", "variant": variant}, tmp_path)) == 5
    assert mirror.requests == ["gzip.zip"]
    found = {path.name for path in (tmp_path / "EMNIST" / "raw").iterdir()}
    assert found == {name if "letters" in name else f"{name}.gz" for name in EMNIST_FILES}
    assert capsys.readouterr().err.count("Downloading EMNIST, all variants") == 1


def test_files_that_are_there_stay_as_they_are(tmp_path, make_mirror, use):
    """A part of one variant, put there by hand, is not exchanged because another variant is wanted."""
    use("emnist", make_mirror(serving("emnist")))
    folder = tmp_path / "EMNIST" / "raw"
    folder.mkdir(parents=True)
    mine = folder / "emnist-bymerge-train-images-idx3-ubyte.gz"
    mine.write_bytes(b"mine")
    load({"name": "emnist", "variant": "letters"}, tmp_path)
    assert mine.read_bytes() == b"mine"


@pytest.mark.parametrize("name", SETS)
def test_a_wrong_archive_leaves_nothing_and_says_what_to_do(tmp_path, make_mirror, use, name):
    use(
        name,
        make_mirror(lambda handler, _: send(handler, b"x")),
        make_mirror(lambda handler, _: handler.send_error(404)),
    )
    entry = SETS[name][0]()
    with pytest.raises(DataError) as raised:
        load(name, tmp_path)
    message = str(raised.value)
    assert "(wrong checksum), " in message
    assert "(404 Not Found); " in message
    assert (
        f"put the files of {entry.archive.name} into {entry.location(tmp_path)} by hand, or use --dataset=" in message
    )
    assert "\n" not in message
    assert [path for path in tmp_path.rglob("*") if path.is_file() or path.name.startswith(".")] == []


@pytest.mark.parametrize("name", SETS)
def test_the_next_mirror_serves_when_one_fails(tmp_path, make_mirror, use, name):
    use(name, make_mirror(lambda handler, _: handler.send_error(503)), make_mirror(serving(name)))
    entry = SETS[name][0]()
    entry.fetch(tmp_path)
    assert entry.missing(tmp_path) == []


FETCH = """
import sys
from pathlib import Path
from ffnn.data.sets.cifar10 import Cifar10
from ffnn.data.download import RemoteFile
Cifar10.mirrors = (sys.argv[2],)
Cifar10.archive = RemoteFile("cifar-10-python.tar.gz", int(sys.argv[3]), sys.argv[4])
Cifar10().fetch(Path(sys.argv[1]))
"""


def start(root, mirror):
    """A process of its own that fetches CIFAR-10."""
    about = remote("", CIFAR_ARCHIVE)
    command = [sys.executable, "-c", FETCH, str(root), mirror.address, str(about.size), about.sha256]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.posix
def test_a_process_killed_half_way_leaves_nothing_that_looks_whole(tmp_path, make_mirror):
    half_way, released = threading.Event(), threading.Event()

    def half(handler, _):
        send(handler, CIFAR_ARCHIVE[: len(CIFAR_ARCHIVE) // 2], len(CIFAR_ARCHIVE))
        half_way.set()
        released.wait(PATIENCE)

    mirror = make_mirror(half)
    process = start(tmp_path, mirror)
    assert half_way.wait(PATIENCE)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    released.set()
    entry = Cifar10()
    assert entry.missing(tmp_path) == list(CIFAR_FILES)
    mirror.answer = serving("cifar10")
    again = start(tmp_path, mirror)
    output = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, output
    assert entry.missing(tmp_path) == []


def test_of_two_processes_that_want_the_same_archive_one_downloads_it(tmp_path, make_mirror):
    asked, second_waits = threading.Event(), threading.Event()

    def when_the_second_waits(handler, _):
        asked.set()
        second_waits.wait(PATIENCE)
        send(handler, CIFAR_ARCHIVE)

    mirror = make_mirror(when_the_second_waits)
    first = start(tmp_path, mirror)
    assert asked.wait(PATIENCE)
    second = start(tmp_path, mirror)
    said = second.stderr.readline()
    second_waits.set()
    results = [process.communicate(timeout=PATIENCE) for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], results
    assert said.startswith("Waiting for another process that is downloading CIFAR-10 to ")
    assert mirror.requests == ["cifar-10-python.tar.gz"]
    folder = tmp_path / "cifar-10-batches-py"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CIFAR_FILES


def test_folders_are_torchvisions():
    """As in torchvision/datasets/cifar.py and mnist.py: base_folder, and the class's name and raw."""
    assert Cifar10.folder == "cifar-10-batches-py"
    assert (Mnist.folder, FashionMnist.folder, Emnist.folder) == ("MNIST/raw", "FashionMNIST/raw", "EMNIST/raw")
