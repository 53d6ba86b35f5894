"""The commands of `ffnn data` print what is so, and download only when told to."""

import re

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from tiny_set import PLAIN, Tiny, write

from ffnn.commands.data import data
from ffnn.data import DATASETS, DataError, load, pixel_statistics
from ffnn.data.catalog import Published
from ffnn.data.sheet import contact_sheet
from ffnn.data.verify import differences
from ffnn.errors import FFNNError


@pytest.fixture
def run(monkeypatch):
    """Runs `ffnn data` with arguments on a wide page; returns what it printed as lines of cells."""
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*arguments):
        result = CliRunner().invoke(data, [str(argument) for argument in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return [re.split(r"\s*│\s*|\s{2,}", line.strip("│ ")) for line in result.output.splitlines()]

    return invoke


def test_list_says_what_is_here(run, tmp_path, tiny):
    write(tmp_path, PLAIN)
    lines = run("list", "--data_dir", tmp_path)
    rows = {row[0]: row for row in lines if row[0].split()[0] in DATASETS}
    own = ["folder", "csv", "npz"]
    assert {name.split()[0] for name in rows} == set(DATASETS) - set(own)
    assert lines[-1] == ["images of your own: folder --path=..., csv --path=..., npz --path=..."]
    assert rows["emnist --variant=letters"][1:] == ["145,600", "20,800", "26", "28 x 28", "no"]
    assert rows["tiny"] == ["tiny", "42", "12", "3", "4 x 5", "yes"]
    assert rows["digits"][-1] == "yes"
    assert rows["mnist"][-1] == "no"
    assert [f"looked for under {tmp_path}"] in lines


def test_info_counts_every_image_once(run, tmp_path, tiny):
    folder = write(tmp_path, PLAIN)
    lines = run("info", "tiny", "--data_dir", tmp_path)
    facts = {line[0]: line[1] for line in lines if len(line) == 2}
    loaded = load("tiny", tmp_path)
    mean, std = pixel_statistics(loaded, np.arange(Tiny.train_size))
    assert facts["images"] == "42, of which official test 12"
    assert facts["digest"] == loaded.digest
    assert facts["source"] == str(folder)
    assert facts["imbalance"].startswith("1.00 : 1")
    assert facts["mean, std"].startswith(f"{mean[0]:.4f}, {std[0]:.4f}")
    counts = {line[0]: [int(n) for n in line[1:]] for line in lines if line[0] in {"a", "b", "c", "all"}}
    assert counts == {"a": [9, 1, 4, 14], "b": [9, 1, 4, 14], "c": [9, 1, 4, 14], "all": [27, 3, 12, 42]}


def test_info_of_digits_needs_nothing(run):
    facts = {line[0]: line[1] for line in run("info", "digits") if len(line) == 2}
    assert facts["images"] == "1,797, of which official test 0"
    assert facts["imbalance"].startswith("1.05 : 1")  # 183 threes, 174 eights
    assert facts["licence"] == "CC BY 4.0"


def test_a_path_in_brackets_is_printed_as_it_is(run, tmp_path, tiny):
    folder = write(tmp_path / "[red]", PLAIN)
    assert ["source", str(folder)] in run("info", "tiny", "--data_dir", tmp_path / "[red]")
    assert [f"looked for under {tmp_path / '[red]'}"] in run("list", "--data_dir", tmp_path / "[red]")


def test_info_does_not_download(tmp_path, tiny):
    with pytest.raises(DataError, match="`ffnn data fetch tiny` downloads"):
        CliRunner().invoke(data, ["info", "tiny", "--data_dir", str(tmp_path)], catch_exceptions=False)


def test_fetch_checks_what_is_here(run, tmp_path, tiny):
    folder = write(tmp_path, PLAIN)
    assert run("fetch", "tiny", "--data_dir", tmp_path) == [[f"tiny: 42 images, {folder}"]]
    (folder / "t10k-labels-idx1-ubyte").write_bytes(b"")
    with pytest.raises(DataError, match="found an empty file"):
        run("fetch", "tiny", "--data_dir", tmp_path)


@pytest.mark.parametrize("command", ["fetch", "info", "preview", "verify"])
def test_a_misspelt_name_gets_a_hint(command):
    with pytest.raises(FFNNError, match="did you mean 'digits'"):
        CliRunner().invoke(data, [command, "digit"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["emnist", "--variant=letter"], "did you mean 'letters'"),
        (["emnist", "--varient=letters"], "did you mean 'variant'"),
        (["emnist", "--variant", "letters"], "--variant: expected an option of the data set as --name=value"),
        (["folder"], "data set 'folder' needs path"),
        ([], "expected one data set, received 0: write one of cifar10"),
        (["mnist", "digits"], "expected one data set, received 2"),
    ],
)
def test_options_of_a_data_set_are_judged_by_its_entry(words, message):
    with pytest.raises(FFNNError, match=message):
        CliRunner().invoke(data, ["info", *words], catch_exceptions=False)


@pytest.fixture
def own(tmp_path):
    """Sixty images of two classes, 2 : 1, as an .npz file."""
    path = tmp_path / "own.npz"
    images = np.random.default_rng(0).integers(0, 256, (60, 4, 5, 3)).astype(np.uint8)
    np.savez(path, images=images, labels=np.arange(60) % 3 // 2, class_names=np.array(["[a]", "b"]))
    return path


def test_info_of_own_images(run, own):
    lines = run("info", "npz", f"--path={own}")
    facts = {line[0]: line[1] for line in lines if len(line) == 2}
    assert facts["shape"] == "4 x 5 x 3, pixels 0 to 255"
    assert facts["imbalance"].startswith("2.00 : 1")
    assert ["[a]", "32", "4", "4", "40"] in lines


def test_info_says_that_a_class_is_empty(run, own, tmp_path):
    arrays = dict(np.load(own))
    np.savez(tmp_path / "gap.npz", **arrays | {"class_names": np.array(["a", "b", "none"])})
    facts = {line[0]: line[1] for line in run("info", "npz", f"--path={tmp_path / 'gap.npz'}") if len(line) == 2}
    assert facts["imbalance"] == "a class is empty"


def test_info_says_that_a_part_is_one(run, tmp_path, tiny, monkeypatch):
    monkeypatch.setattr(tiny, "remarks", lambda entry, root, dataset: [f"a part: {len(dataset)} of 99 in {root}"])
    write(tmp_path, PLAIN)
    facts = {line[0]: line[1] for line in run("info", "tiny", "--data_dir", tmp_path) if len(line) == 2}
    assert facts["remark"] == f"a part: 42 of 99 in {tmp_path}"


def verify(*arguments):
    """Exit code and lines of `ffnn data verify`."""
    result = CliRunner().invoke(data, ["verify", *map(str, arguments)], catch_exceptions=False)
    return result.exit_code, result.output.splitlines()


def test_verify_says_what_is_well_and_what_is_not_there(tmp_path, tiny):
    folder = write(tmp_path, PLAIN)
    code, lines = verify("--data_dir", tmp_path)
    assert code == 0
    assert f"tiny: ok: 42 images in 3 classes; in {folder}" in lines
    assert "mnist: not there" in lines
    assert "emnist --variant=byclass: not there" in lines
    assert [line for line in lines if line.startswith("digits: ok: 1,797 images in 10 classes")]
    assert len(lines) == len({line.split(":")[0] for line in lines})


def test_verify_fails_where_a_named_set_is_not_there(tmp_path, tiny):
    assert verify("tiny", "digits", "--data_dir", tmp_path)[0] == 1
    assert verify("emnist", "--data_dir", tmp_path)[0] == 1
    write(tmp_path, PLAIN)
    assert verify("tiny", "digits", "--data_dir", tmp_path)[0] == 0


def test_verify_names_the_damaged_file_and_goes_on(tmp_path, tiny):
    folder = write(tmp_path, PLAIN | {"t10k-labels-idx1-ubyte": b""})
    code, lines = verify("tiny", "digits", "--data_dir", tmp_path)
    assert code == 1
    assert lines[0].startswith(f"tiny: WRONG: {folder}/t10k-labels-idx1-ubyte: expected ")
    assert lines[1].startswith("digits: ok: ")


KNOWN = {
    "train_counts": ((9, 11, 10), "training images of class a: expected 9, found 10"),
    "test_counts": ((4, 3, 5), "test images of class b: expected 3, found 4"),
    "mean": ((0.9,), "mean of training pixels: expected 0.9000, found 0."),
    "std": ((0.1,), "std of training pixels: expected 0.1000, found 0."),
}


@pytest.mark.parametrize("what", KNOWN)
def test_verify_compares_with_what_is_published(tmp_path, tiny, monkeypatch, what):
    published, message = KNOWN[what]
    monkeypatch.setattr(tiny, "published", Published(**{what: published}))
    write(tmp_path, PLAIN)
    code, lines = verify("tiny", "--data_dir", tmp_path)
    assert code == 1
    assert lines[0].startswith(f"tiny: WRONG: {message}")


def test_verify_accepts_what_is_as_published(tmp_path, tiny, monkeypatch):
    loaded = load("tiny", write(tmp_path, PLAIN).parent.parent)
    mean, std = (tuple(values + 0.001) for values in pixel_statistics(loaded, np.arange(Tiny.train_size)))
    monkeypatch.setattr(tiny, "published", Published(mean, std, (10, 10, 10), (4, 4, 4)))
    assert verify("tiny", "--data_dir", tmp_path)[0] == 0


def test_verify_does_not_ask_for_published_counts_of_a_part(tmp_path, tiny, monkeypatch):
    monkeypatch.setattr(tiny, "published", Published(train_counts=(100, 100, 100)))
    monkeypatch.setattr(tiny, "remarks", lambda entry, root, dataset: ["a part: few of many"])
    write(tmp_path, PLAIN)
    entry = tiny()
    entry.train_size = 300
    assert differences(entry, load("tiny", tmp_path)) == []
    assert differences(tiny(), load("tiny", tmp_path)) != []


def test_verify_misses_a_class_without_images(make_dataset):
    without = make_dataset([0, 2, 0, 2, 0, 1, 2], classes=3, official_test=3)
    assert differences(Tiny(), without) == ["training images of class c1: expected some, found none"]


def test_verify_reads_own_images(own):
    code, lines = verify("npz", f"--path={own}")
    assert (code, lines) == (0, [f"npz --path={own}: ok: 60 images in 2 classes; in {own}"])


def test_preview_draws_every_class_with_its_name(run, tmp_path, own):
    out = tmp_path / "new folder" / "sheet.png"
    printed = run("preview", "npz", f"--path={own}", f"--out={out}", "--count=3")
    assert printed == [[f"{out}: 2 classes, up to 3 images of each"]]
    picture = np.asarray(Image.open(out))
    assert picture.shape[0] > 150
    assert (picture[..., :3] < 128).any()
    vector = tmp_path / "sheet.svg"
    run("preview", "npz", f"--path={own}", f"--out={vector}", "--count=3")
    assert {"[a]", "b"} <= set(re.findall("<!-- (.+?) -->", vector.read_text()))  # each text that is drawn as paths


def test_preview_goes_where_the_user_is(run, tmp_path, own, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("preview", "digits")
    run("preview", "npz", f"--path={own}")
    assert {path.name for path in tmp_path.glob("*.png")} == {"preview-digits.png", "preview-npz-own.png"}


def test_preview_names_a_file_that_cannot_be_written(run, tmp_path):
    for out in ("sheet.unknown", "."):
        with pytest.raises(DataError, match="--out: expected a file that can be written"):
            run("preview", "digits", f"--out={tmp_path / out}")


def test_a_contact_sheet_shows_the_images_themselves(make_dataset):
    made = make_dataset([1, 0, 1, 1], shape=(2, 3, 3))
    sheet = contact_sheet(made, 2)
    assert sheet.shape == (2 + 2 * 4, 2 + 2 * 5, 3)
    assert (sheet[2:4, 2:5] == made.image(1)).all()
    assert (sheet[6:8, 2:5] == made.image(0)).all()
    assert (sheet[6:8, 7:10] == made.image(2)).all()
    assert (sheet[2:4, 7:10] == 255).all()
