"""The digest of code: whatever can change a number changes it, wherever it stands, and nothing else does."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ffnn.lab import code
from ffnn.lab.config import REGISTRIES, make_config
from ffnn.nn import ACTIVATIONS
from ffnn.registry import Registry

WATCH = (
    "analysis", "bench", "commands", "comparison", "diagnosis", "figures", "report", "sklearn", "studies", "experiment",
    "rate_finder", "sweep",
)  # fmt: skip


def contents(package: Path, room: str = "") -> dict[str, bytes]:
    return {str(path.relative_to(package)): path.read_bytes() for path in code.computing_files(room, package)}


@pytest.fixture
def package(repository: Path, tmp_path: Path) -> Path:
    """A copy of ffnn that may be changed."""
    copy = tmp_path / "copy" / "ffnn"
    shutil.copytree(repository / "ffnn", copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def test_one_line_in_any_file_counts_unless_it_only_reads_runs(package: Path) -> None:
    """Also in files of rooms that nobody has thought of yet."""
    for room in ("invented", "nn/invented", "lab/invented"):
        (package / room).mkdir(exist_ok=True)
        (package / room / "part.py").write_text("FACTOR = 1\n")
    files = {room: contents(package, room) for room in ("", "reference")}
    digests = {room: code.digest_of(files[room]) for room in files}
    deaf, jumpy, rooms = [], [], set()
    for path in sorted(package.rglob("*")):
        inside = path.relative_to(package)
        name, room = str(inside), "reference" if inside.parts[0] == "reference" else ""
        if path.suffix not in (".py", ".cu", ".md"):
            continue
        changed = False
        if name in files[room]:
            changed = code.digest_of({**files[room], name: files[room][name] + b"\nCHANGED = 1\n"}) != digests[room]
        watches = any(inside.is_relative_to(observer) for observer in WATCH)
        doors = ("catalogue.py", "cli.py", "command_line.py", "console.py", "present.py", "terminal.py")
        talks = inside.name in doors or inside.suffix == ".md" or name.startswith("tracking/wandb_")
        if watches or talks or name in ("__init__.py", "__main__.py"):
            jumpy += [name] if changed else []
        else:
            rooms.add(inside.parts[0])
            deaf += [] if changed else [name]
    assert (deaf, jumpy) == ([], [])
    assert {"backend", "data", "invented", "lab", "nn", "ranges.py", "registry.py", "training"} <= rooms


@pytest.mark.parametrize(
    ("name", "old", "new", "counts"),
    [
        ("backend/formulas.py", "/ (1.0 + z)", "/ (1.0 + 2.0 * z)", True),
        ("backend/formulas.py", "where(x >= 0.0, 1.0, z)", "where(x > 0.0, 1.0, z)", True),
        ("backend/formulas.py", '"""x: for kernels', '"""x, for all kernels', False),
        ("backend/formulas.py", "def product", "# What a product is.\n\n\ndef product", False),
        ("registry.py", "import FFNNError, nearest", "import (\n    FFNNError,\n    nearest,\n)", False),
        ("lab/config.py", '"""Where the names in a config lead to."""', '"""Where names lead."""', False),
        ("backend/cuda_prelude.cu", "//", "// so to speak:", False),
        ("backend/cuda_prelude.cu", "0x85EBCA6B", "0x85EBCA6D", True),
    ],
)
def test_words_about_code_do_not_count(name: str, old: str, new: str, counts: bool) -> None:
    files = contents(code.PACKAGE)
    text = files[name].decode()
    position = text.lower().index(old.lower())
    changed = {**files, name: (text[:position] + new + text[position + len(old) :]).encode()}
    assert (code.digest_of(changed) != code.digest_of(files)) == counts


def fresh(folder: Path, program: str, path: Path | None = None) -> str:
    """What a program prints that runs in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, filter(None, (folder, path))))}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True, text=True, timeout=300)
    return done.stdout.strip()


def test_the_result_is_kept_and_a_damaged_or_old_one_is_not_believed(package: Path) -> None:
    def digest() -> str:
        return code._package_digest.__wrapped__("", package)

    before = digest()
    (kept,) = package.glob("__pycache__/ffnn_code.*.txt")
    raw, _ = right = kept.read_text().split()
    assert right[1] == before == code._package_digest()
    for damaged in (b"", b"x", f"{raw} {before[:-1]}\n".encode(), f"{'0' * 64} {'1' * 64}\n".encode(), b"\xff"):
        kept.write_bytes(damaged)
        assert digest() == before
        assert kept.read_text().split() == right
    formulas = package / "backend" / "formulas.py"
    text, time_before = formulas.read_text(), formulas.stat().st_mtime
    for changed, same in ((text.replace("a * b\n", "a * b * 2.0\n"), False), (text, True)):
        formulas.write_text(changed)
        os.utime(formulas, (time_before,) * 2)
        assert (digest() == before) == same
    shutil.rmtree(kept.parent)
    kept.parent.write_text("no folder")
    assert digest() == before


# -- a user's own parts ---------------------------------------------------------------------------

OWN = '''
"""An activation of one's own."""

from ffnn.backend.vocabulary import tanh
from ffnn.nn import ACTIVATIONS, Elementwise


def own_derivative(x, y):
    """The derivative."""
    import steepness
    return steepness.SLOPE * (1.0 - y * y)


@ACTIVATIONS.register("of_ones_own")
class OfOnesOwn(Elementwise):
    function = tanh
    derivative = own_derivative
'''
OWN_DIGESTS = """
import own
from ffnn.lab.config import make_config
print(*(make_config({"activation": name}).digest() for name in ("of_ones_own", "tanh")))
"""


def test_a_users_own_part_counts_with_what_it_imports_and_only_for_runs_that_name_it(
    repository: Path, tmp_path: Path
) -> None:
    part, number = tmp_path / "own.py", tmp_path / "steepness.py"

    def digests(own: str = OWN, steepness: str = "SLOPE = 1.0\n") -> list[str]:
        part.write_text(own)
        number.write_text(steepness)
        return fresh(tmp_path, OWN_DIGESTS, repository).split()

    named, other = digests()
    assert digests(OWN.replace("The derivative", "What the slope is") + "# the end\n") == [named, other]
    assert other == make_config({"activation": "tanh"}).digest()
    broken = digests(OWN.replace("1.0 - y * y", "1.0 - y"))
    deeper = digests(steepness="SLOPE = 2.0\n")
    assert len({named, broken[0], deeper[0]}) == 3
    assert broken[1] == deeper[1] == other


IN_MEMORY = """
from ffnn.lab.config import make_config
from ffnn.nn import ACTIVATIONS, Tanh

@ACTIVATIONS.register("typed")
class Typed(Tanh):
    pass

config = make_config({"activation": "typed"})
print(config.digest(), config.digest() == make_config({"activation": "typed"}).digest())
"""


def test_code_without_a_file_is_no_other_processs(repository: Path) -> None:
    """What stood in another notebook under the same name cannot be known."""
    (one, same), (other, _) = (fresh(repository, IN_MEMORY).split() for _ in range(2))
    assert same == "True"
    assert one != other


def test_a_file_edited_after_the_process_began_is_no_other_processs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = tmp_path / "edited_part.py"
    part.write_text(OWN.replace("of_ones_own", "edited"))
    (tmp_path / "steepness.py").write_text("SLOPE = 1.0\n")
    for name in (part, tmp_path / "steepness.py"):
        os.utime(name, (1e9, 1e9))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(ACTIVATIONS, "_entries", dict(ACTIVATIONS._entries))  # where other tests would find it
    import edited_part

    def digest() -> str:
        code._part_digest.cache_clear()
        return code.code_digest([edited_part.OfOnesOwn])

    before = digest()
    os.utime(part, (time.time() + 1e6,) * 2)  # a clock that is wrong is no edit
    assert digest() == before
    os.utime(part, (time.time(),) * 2)
    assert digest() == code.code_digest([type("Typed", (), {"__module__": "nowhere"})]) != before


def test_every_registry_that_a_config_names_is_looked_through() -> None:
    known = {registry.kind for registry in REGISTRIES}
    modules = [module for name, module in sys.modules.items() if name.startswith(("ffnn.nn", "ffnn.data"))]
    found = {value.kind for module in modules for value in vars(module).values() if isinstance(value, Registry)}
    assert found | {"framework"} == known
