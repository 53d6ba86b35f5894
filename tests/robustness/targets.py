"""Everything in ffnn that reads what somebody else wrote, each as a function of a file, with whole files to spoil.

Hypothesis (`test_bad_input.py`) and a coverage-guided fuzzer (`fuzz.py`) both feed these.
"""

import io
import json
import pickle
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ffnn.backend.numba_cache import File
from ffnn.comparison.measures import MEASURES
from ffnn.csv_file import read_csv
from ffnn.data import DATASETS
from ffnn.data.idx import count_idx, read_idx
from ffnn.data.unpickle import array_of, unpickle
from ffnn.diagnosis import Course, diagnose
from ffnn.errors import FFNNError
from ffnn.experiment.check import check_files
from ffnn.lab.command_line import config_of, parse_settings
from ffnn.lab.config import make_config, override
from ffnn.locks import HolderFile
from ffnn.report.advice import advice
from ffnn.report.experiment import abstract
from ffnn.report.results import result_tables
from ffnn.report.run import run_abstract
from ffnn.report.sources import ExperimentFolder, SweepFolder, find_sources
from ffnn.report.sweep import sweep_abstract
from ffnn.sweep.explain import explain
from ffnn.sweep.ledger import Ledger
from ffnn.sweep.plan import make_plan
from ffnn.sweep.schema import read_sweep
from ffnn.sweep.session import make_sampler
from ffnn.sweep.storage import open_storage
from ffnn.tracking import find_runs, read_run
from ffnn.tracking.run_directory import RunDirectory
from ffnn.training.checkpoints import Checkpoint

ROOT = Path(__file__).parents[2]
CONFIG = b"""dataset: digits
hidden_layers: [12, 8]
optimizer: {name: adam, beta1: 0.8}
learning_rate: 1e-3
schedule: {name: step, every: 2}
augment: [flip, {name: shift, pixels: 2}]
loss: {name: focal, gamma: 2.0}
class_weights: balanced
tags: [a, b]
notes: "why not"
epochs: 2
"""
SWEEP = b"""method: random
metric: {name: best/val/accuracy, goal: maximize}
parameters:
  learning_rate: {distribution: log_uniform_values, min: 1e-4, max: 0.1}
  batch_size: {values: [32, 64]}
  optimizer: {parameters: {name: {value: adam}, beta1: {min: 0.5, max: 0.99}}}
early_terminate: {type: hyperband, min_iter: 2}
run_cap: 4
"""
EXPERIMENT = b"""question: Is it so?
expected: Yes.
base: {dataset: digits, epochs: 2}
conditions: {a: {optimizer: adam}, b: {optimizer: sgd, learning_rate: 0.1}}
grid: {width: {narrow: {hidden_units: 4}, wide: {hidden_units: 8}}}
compare: {against: a, margin: 0.01, claims: [a > b, b > 0.5]}
datasets: {mnist: {base: {epochs: 1}, claims: [a > b]}}
"""


@dataclass(frozen=True)
class Target:
    """A reader of files.

    Attributes
    ----------
    suffix : str
        What the name of its files ends in.
    read : callable
        Takes the path; FFNNError is its only exception.
    samples : sequence of bytes
        Files that it accepts.
    words : sequence of bytes
        What its files are made of, for a generator to put in.
    """

    suffix: str
    read: Callable[[Path], object]
    samples: Sequence[bytes]
    words: Sequence[bytes] = ()


YAML_WORDS = (
    b"[", b"]", b"{", b"}", b": ", b"- ", b"\n", b"\n  ", b"&a ", b"*a", b"<<: ", b"? ", b"!!int ", b"!!float ",
    b"!!set ", b"!!binary ", b"!!timestamp ", b"!!python/name:os.system ", b"2024-13-45", b"1:61", b".nan", b"-.inf",
    b"1e999", b"null", b"0x" + 5000 * b"f", b"9" * 5000, b"''", b'"\\0"', b'"\\ud800"', b"~", b"true", b"name", b"path",
    b"learning_rate", b"dataset", b"=", b"|", b">", b"%YAML 1.9\n---\n", b"\t", b"#", b"\xff", b"\xc2\x85", b"0o17",
    b"0b1", b"1_000", b"-1",
)  # fmt: skip
JSON_WORDS = (
    b"[", b"]", b"{", b"}", b":", b",", b"\n", b"NaN", b"null", b'"epoch"', b'"\\ud800"', b"1e999", b"9" * 5000, b"-1",
    b'""', b"\xff", b"true", b'"status"', b"[" * 3000,
)  # fmt: skip
COMMAND_LINE_WORDS = (
    b"--", b"\0", b"=", b"epochs", b"optimizer", b".", b"notes", b"dataset", b"[", b"{", b"'", b"(", b"1j", b"b'x'",
    b"0x" + 5000 * b"f", b"-", b"~", b"None", b"\xff", b"{[]: 1}", b"[2024-13-45]", b"1e999", b"nan", b"[" * 500,
    b"}", b"]", b": ", b",", b"{name: ", b"name:", b"beta1: 1, beta1: 2", b"!!set ", b"&a ", b"*a", b"? ", b"<<: ",
    b"012", b"1:30", b"1_000", b".inf", b"yes", b"\xd9\xa3", b"#", b"|", b"\n",
)  # fmt: skip
PICKLE_WORDS = (b"cos\nsystem\n", b"(", b"t", b"R", b".", b"\x95", b"}", b"q\x00")
IMAGE_WORDS = (
    b"IHDR", b"IDAT", b"IEND", b"PLTE", b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"iCCP", b"zTXt", b"iTXt",
    b"\xff\xd8", b"\xff\xe1", b"\xff\xc0", b"\xff\xda", b"Exif\0\0", b"MM\0*", b"II*\0", b"BM", b"\0\0\x36\xb0",
    b"\x7f\xff\xff\xff",
)  # fmt: skip
CSV_WORDS = (
    b",", b"\n", b"256", b"-1", b"1.5", b"2.0", b"1e9999", b"label", b"0,1,2", b",,",
    b'"', b"\xef\xbb\xbf", b"\xff", b"\0", b"9" * 5000, b"\xd9\xa3",
)  # fmt: skip


def read_config(path: Path) -> object:
    return config_of(path, {}).digest()


def read_command_line(path: Path) -> object:
    return make_config(override({}, parse_settings(path.read_text("utf-8", "surrogateescape").split("\0")))).digest()


def read_sweep_file(path: Path) -> object:
    plan = make_plan(read_sweep(path), {}, None, 3, {})
    lines, problems = explain(plan, make_sampler(plan))
    return one_line_each(problems) + lines


def read_experiment_file(path: Path) -> object:
    _, problems = check_files([path], {})
    return one_line_each(problems)


def read_idx_file(path: Path) -> object:
    count_idx(path, (2, 2), 1 << 16)
    return read_idx(path, np.empty((3, 2, 2), np.uint8))


def read_batch(path: Path) -> object:
    return array_of(path, unpickle(path, 1 << 20).get(b"data"), (2, 3))


def read_journal(path: Path) -> object:
    ledger = Ledger(open_storage(path), "sweep", maximize=True)
    ledger.owners.dead()("host-1-0")
    return ledger.plan(), ledger.attempts()


def take_lock(path: Path) -> object:
    """The file is the lock that somebody holds."""
    lock = HolderFile(path)
    return lock.try_acquire(), lock.holder(), lock.release()


def own(kind: str) -> Callable[[Path], object]:
    return lambda path: DATASETS.create({"name": kind, "path": str(path)}).load(path.parent).digest


def read_table(path: Path) -> object:
    return read_csv(path, ("run", "condition"))


def read_photograph(path: Path) -> object:
    """Reads a file as the images of two classes."""
    for name in ("cat", "dog"):
        folder = path.parent / "photographs" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "1.png").write_bytes(path.read_bytes())
    return own("folder")(path.parent / "photographs")


def read_kernel(path: Path) -> object:
    """A compiled kernel; what is none is compiled again."""
    try:
        return File(str(path.parent), path.name).load()
    except ValueError as problem:
        raise FFNNError(str(problem)) from problem


def kernel() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        File(folder, "kernel").save(("machine code", 1))
        return Path(folder, "kernel").read_bytes()


def in_a_run(name: str) -> Callable[[Path], object]:
    """Reads a run of which one file is the one given: as `ffnn report`, `ffnn compare` and `--resume` begin."""

    def read(path: Path) -> object:
        run = path.parent / "run"
        run.mkdir(exist_ok=True)
        for file, content in RUN.items():
            (run / file).write_bytes(content)
        (run / name).write_bytes(path.read_bytes())
        record = read_run(run)
        assert all(isinstance(line, dict) for line in record.history)
        diagnose(Course.of(record))
        run_abstract(record)
        for measure in MEASURES.values():
            measure.of(record)
            measure.resolution(record)
        find_sources([run])
        RunDirectory(run).cut_history(1)
        return [record, find_runs(path.parent)]

    return read


def in_an_experiment(name: str) -> Callable[[Path], object]:
    """Reads what `ffnn run` or `ffnn sweep` left beside its runs, one file of it the one given, and writes of it."""

    def read(path: Path) -> object:
        folder = path.parent / "group"
        (folder / "sweep").mkdir(parents=True, exist_ok=True)
        for file in BESIDE:
            (folder / file).unlink(missing_ok=True)
        files = SWEPT if name.startswith("sweep/") else COMPARED
        for file, content in {**files, name: path.read_bytes()}.items():
            (folder / file).write_bytes(content)
        (source,) = find_sources([folder])
        if isinstance(source, ExperimentFolder):
            return [*result_tables(source), abstract(source), *advice(source)]
        assert isinstance(source, SweepFolder)
        return source.trials and sweep_abstract(source)

    return read


def one_line_each(problems: list[str]) -> list[str]:
    for problem in problems:
        assert "\n" not in problem, problem
    return problems


def zipped(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def checkpoint() -> bytes:
    arrays = {"network/linear1.weight": np.ones((2, 2)), "optimizer/steps": np.array(3)}
    return zipped(meta=np.array(json.dumps({"epoch": 1, "step": 3})), **arrays)


def photograph(kind: str, **options: Any) -> bytes:
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(IMAGES[0]).save(file, kind, **({"exif": exif} if kind != "BMP" else {}), **options)
    return file.getvalue()


def batch() -> bytes:
    return pickle.dumps({b"data": np.arange(6, dtype=np.uint8).reshape(2, 3), b"labels": [0, 1]}, 2)


JOURNAL = b"""{"op_code":0,"worker_id":"w","study_name":"sweep","directions":[2]}
{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"owner host-1-0":{"machine":"m","pid":1,"started":"2","beat":1}}}
{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"plan":"{\\"overrides\\": {}, \\"seed\\": 0}"}}
{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":"2026-11-30T15:32:17+00:00","state":0,"value":null,\
"values":null,"distributions":{},"params":{},"user_attrs":{"key":"a","arguments":"{}","owner":"host-1-0"},\
"system_attrs":{},"intermediate_values":{}}
{"op_code":7,"worker_id":"w","trial_id":0,"step":1,"intermediate_value":0.5}
{"op_code":8,"worker_id":"w","trial_id":0,"user_attr":{"best":0.5}}
{"op_code":8,"worker_id":"w","trial_id":0,"user_attr":{"status":"finished"}}
{"op_code":6,"worker_id":"w","trial_id":0,"state":1,"values":[0.5],"datetime_complete":"2026-11-30T15:32:17+00:00"}
""".replace(b"\\\n", b"")
IDX = bytes((0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2)) + bytes(range(12))
IMAGES = np.arange(48, dtype=np.uint8).reshape(4, 3, 4)
RUN = {
    "config.yaml": CONFIG,
    "history.jsonl": b'{"epoch": 1, "train/loss": 0.5}\n{"epoch": 2, "train/loss": 0.25}\n',
    "summary.json": b'{"status": "finished", "epochs": 2, "test/accuracy": 0.5}',
    "environment.json": b'{"versions": {"numpy": "2"}, "data": {"digest": "0"}, "resumed": []}',
}
COMPARED = {
    "comparison.json": b'{"question": "q", "expected": "e", "found": "f", "verdict": "confirmed", "certainty": "c", '
    b'"metric": "test/accuracy", "margin": 0.01, "reference": "a", "conditions": [{"condition": "a", "runs": 2, '
    b'"verdict": "reference", "test/accuracy mean": 0.5}, {"condition": "b", "runs": 2, "verdict": "undecided", '
    b'"difference": 0.1, "difference \xc2\xb1 95 %": 0.2, "pairs": 2, "p (Holm)": 0.5}], "claims": [{"claim": "a > b", '
    b'"measure": "test/accuracy", "verdict": "undecided", "difference": 0.1}], "experiment": {"sweep": "s.yaml"}}',
    "runs.csv": b"condition,seed,run\na,0,run-0\n",
}
SWEPT = {
    "sweep/trials.csv": b"trial,status,best/val/accuracy,seconds,run,learning_rate\nab,finished,0.5,1.0,runs/r,0.1\n",
    "sweep/sweep.json": b'{"metric": "best/val/accuracy", "maximize": true, "logarithmic": {"learning_rate": true}, '
    b'"importances": {"learning_rate": 1.0}, "edges": ["x"], "description": "grid search"}',
}
BESIDE = (*COMPARED, *SWEPT)
TARGETS: dict[str, Target] = {
    "config": Target(".yaml", read_config, [CONFIG, b""], YAML_WORDS),
    "command_line": Target(
        "",
        read_command_line,
        [
            b"--epochs=3\0--optimizer.beta1=0.8\0--hidden_layers\0[3, 4]",
            b"--optimizer={name: adam, epsilon: 1e-8}\0--augment=[flip, {name: shift, pixels: 2}]\0--seed=012",
            b"--schedule={'name': 'step', 'every': 2}\0--hidden_layers=16\0--tags=[a, yes, 1:30]",
            b"--notes=a",
        ],
        COMMAND_LINE_WORDS,
    ),
    "sweep": Target(".yaml", read_sweep_file, [SWEEP, (ROOT / "sweeps/lr_bayes.yaml").read_bytes()], YAML_WORDS),
    "experiment": Target(".yaml", read_experiment_file, [EXPERIMENT], YAML_WORDS),
    "idx": Target("", read_idx_file, [IDX]),
    "cifar_pickle": Target("", read_batch, [batch()], PICKLE_WORDS),
    "npz": Target(".npz", own("npz"), [zipped(images=IMAGES, labels=np.array([0, 1, 1, 0]))]),
    "image": Target(
        "",
        read_photograph,
        [photograph("PNG"), photograph("JPEG"), photograph("BMP"), photograph("PNG", bits=1)],
        IMAGE_WORDS,
    ),
    "csv": Target(
        ".csv",
        own("csv"),
        [b"label,0,1\ncat,1,2\ndog,3,4\n", b"label,a,b\ncat,1,2\ndog,3,4\n", b"0,1,2,3,4\n1,5,6,7,8\n"],
        CSV_WORDS,
    ),
    "kernel": Target(".nbc", read_kernel, [kernel()], PICKLE_WORDS),
    "table": Target(".csv", read_table, [b'run,condition,=x\na,\'=1+1,-0.5\nb,"c\n",\n'], CSV_WORDS),
    "checkpoint": Target(".npz", Checkpoint.load, [checkpoint()]),
    "run_config": Target("", in_a_run("config.yaml"), [CONFIG], YAML_WORDS),
    "history": Target("", in_a_run("history.jsonl"), [RUN["history.jsonl"]], JSON_WORDS),
    "summary": Target("", in_a_run("summary.json"), [RUN["summary.json"]], JSON_WORDS),
    "journal": Target(
        ".log",
        read_journal,
        [JOURNAL, JOURNAL + b'{"op_co', b""],
        (*JSON_WORDS, b"\0" * 40, b'"op_code":', b'"trial_id":'),
    ),
    "lock": Target("", take_lock, [b"", b"m host 12 345 0a1b", b"- host 12 - 0a1b"], (b" ", b"\0", b"-1", b"/")),
    "environment": Target("", in_a_run("environment.json"), [RUN["environment.json"]], JSON_WORDS),
    "comparison": Target("", in_an_experiment("comparison.json"), [COMPARED["comparison.json"]], JSON_WORDS),
    "runs_table": Target("", in_an_experiment("runs.csv"), [COMPARED["runs.csv"]], CSV_WORDS),
    "sweep_about": Target("", in_an_experiment("sweep/sweep.json"), [SWEPT["sweep/sweep.json"]], JSON_WORDS),
    "trials_table": Target("", in_an_experiment("sweep/trials.csv"), [SWEPT["sweep/trials.csv"]], CSV_WORDS),
}


def outcome(target: Target, content: bytes, folder: Path) -> str:
    """What becomes of a file: "accepted" or "refused"; anything but a refusal in one line is an exception."""
    path = folder / f"input{target.suffix}"
    path.write_bytes(content)
    try:
        target.read(path)
    except FFNNError as problem:
        assert str(problem).strip(), "a refusal without words"
        return "refused"
    return "accepted"
