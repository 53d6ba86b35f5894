"""A user's own images are read as they are, or refused with a line that names the culprit."""

import os
import pickle
import re
import struct
import sys
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from ffnn.data import DataError, load, make_split
from ffnn.data.sets import own_images
from ffnn.errors import FFNNError

RANDOM = np.random.default_rng(11)
GREY = RANDOM.integers(0, 256, (6, 5, 4)).astype(np.uint8)
COLOUR = RANDOM.integers(0, 256, (6, 5, 4, 3)).astype(np.uint8)


def own(kind, path):
    return load({"name": kind, "path": str(path)})


def save(pixels, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def folder_of(root, images, ending="png"):
    """Three images each of cat and dog, numbered against their order."""
    for row, pixels in enumerate(images):
        save(pixels, root / ("cat" if row < 3 else "dog") / f"{row}.{ending}")
    return root


@pytest.mark.parametrize("images", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("ending", ["png", "bmp", "PNG"])
def test_a_folder_of_class_folders(tmp_path, images, ending):
    data = own("folder", folder_of(tmp_path, images, ending))
    for row, pixels in enumerate(images):
        assert (data.image(row) == pixels).all()
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert (data.name, data.class_names, data.shape) == ("folder", ("cat", "dog"), images.shape[1:])
    assert (data.official_test, data.source) == (0, str(tmp_path))


def test_a_jpeg_is_nearly_what_was_saved(tmp_path):
    smooth = np.broadcast_to(np.linspace(0, 250, 16).astype(np.uint8), (6, 16, 16))
    data = own("folder", folder_of(tmp_path, smooth, "jpg"))
    assert np.abs(data.images.astype(int) - smooth.reshape(6, -1)).max() < 12


def test_grey_images_among_coloured_ones_get_three_channels(tmp_path):
    folder_of(tmp_path, COLOUR)
    save(GREY[0], tmp_path / "cat" / "0.png")
    assert (own("folder", tmp_path).image(0) == GREY[0][..., None]).all()


def test_hidden_files_are_passed_over_and_the_home_folder_is_known(tmp_path, monkeypatch):
    folder_of(tmp_path / "photos", GREY)
    (tmp_path / "photos" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "photos" / "cat" / ".hidden").write_bytes(b"x")
    (tmp_path / "photos" / ".git").mkdir()
    (tmp_path / "photos" / "notes.txt").write_bytes(b"about the photographs")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(own("folder", "~/photos")) == 6


def with_transparency(root):
    return save(np.zeros((5, 4, 4), np.uint8), root / "dog" / "9.png")


def with_a_transparent_colour(root):
    path = save(np.zeros((5, 4, 3), np.uint8), root / "dog" / "9.png")
    image = Image.open(path).convert("P")
    image.save(path, transparency=0)
    return path


def with_three_channels_of_sixteen_bits(root):
    """Pillow writes none: a header by hand, as for 4 x 5 pixels of 6 bytes."""
    rows = zlib.compress(b"".join(b"\0" + bytes(24) for _ in range(5)))
    chunks = ((b"IHDR", struct.pack(">2I5B", 4, 5, 16, 2, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b""))
    (root / "dog" / "9.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks))
    return root / "dog" / "9.png"


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def that_moves(root):
    frames = [Image.fromarray(GREY[row]) for row in range(3)]
    frames[0].save(root / "dog" / "9.png", save_all=True, append_images=frames[1:])
    return root / "dog" / "9.png"


def of_no_bytes(root):
    (root / "dog" / "9.png").write_bytes(b"")
    return root / "dog" / "9.png"


def of_a_gigantic_header(root, side=14_000):
    """A few bytes that say 196 million pixels."""
    header = (b"IHDR", struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0))
    content = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in (header, (b"IDAT", b""), (b"IEND", b"")))
    (root / "dog" / "9.png").write_bytes(content)
    return root / "dog" / "9.png"


def with_sixteen_bits(root):
    return save(np.zeros((5, 4), np.uint16), root / "dog" / "9.png")


def of_another_size(root):
    return save(np.zeros((5, 5), np.uint8), root / "dog" / "9.png")


def no_image(root):
    (root / "dog" / "9.png").write_bytes(b"<!DOCTYPE html>")
    return root / "dog" / "9.png"


def cut(root):
    path = root / "dog" / "4.png"
    path.write_bytes(path.read_bytes()[:-30])
    return path


def text(root):
    (root / "dog" / "notes.txt").write_bytes(b"")
    return root / "dog" / "notes.txt"


def another_format(root):
    Image.fromarray(GREY[0]).save(root / "dog" / "9.png", format="TIFF")
    return root / "dog" / "9.png"


def outside(root):
    return save(GREY[0], root / "lost.png")


def empty_class(root):
    (root / "emu").mkdir()
    return root / "emu"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (with_transparency, "no transparency, found mode RGBA"),
        (with_sixteen_bits, "8 bits a channel and no transparency, found mode I;16"),
        (with_a_transparent_colour, "no transparency, found mode P with transparent colours"),
        (with_three_channels_of_sixteen_bits, "8 bits a channel and no transparency, found 16 bits a channel"),
        (that_moves, "8 bits a channel and no transparency, found an animation of 3 images"),
        (of_no_bytes, "expected a PNG, JPEG or BMP image, found an empty file"),
        (of_a_gigantic_header, "expected images of at most 16,777,216 values, found far more in its header"),
        (of_another_size, "expected 4 x 5 pixels (width x height), as "),
        (no_image, "expected a PNG, JPEG or BMP image, found another kind or damage"),
        (another_format, "expected a PNG, JPEG or BMP image, found another kind or damage"),
        (cut, "expected a whole image, found damage"),
        (text, "expected images only (.png, .jpg, .jpeg, .bmp), found another file"),
        (outside, "expected images in subfolders, one a class"),
        (empty_class, "expected images of the class emu, found none"),
    ],
)
def test_an_unfit_image_is_named(tmp_path, spoil, message):
    culprit = spoil(folder_of(tmp_path, GREY))
    with pytest.raises(DataError, match=re.escape(message)) as raised:
        own("folder", tmp_path)
    assert str(raised.value).startswith(f"{culprit}: expected ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_as_its_camera_says(tmp_path, orientation):
    """The tag's eight values by hand: how rows and columns of what is stored become those of the picture."""
    turned = {
        1: lambda p: p, 2: np.fliplr, 3: lambda p: np.rot90(p, 2), 4: np.flipud,
        5: lambda p: p.transpose(1, 0, 2), 6: lambda p: np.rot90(p, -1),
        7: lambda p: np.rot90(p, 2).transpose(1, 0, 2), 8: np.rot90,
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    for row, pixels in enumerate(COLOUR):
        path = save(pixels, tmp_path / ("cat" if row < 3 else "dog") / f"{row}.png")
        Image.fromarray(pixels).save(path, exif=exif)
    data = own("folder", tmp_path)
    assert data.shape == turned(COLOUR[0]).shape
    assert all((data.image(row) == turned(pixels)).all() for row, pixels in enumerate(COLOUR))


def test_one_photograph_on_its_side_among_upright_ones_is_named(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    folder_of(tmp_path, COLOUR)
    Image.fromarray(COLOUR[4]).save(tmp_path / "dog" / "4.png", exif=exif)
    with pytest.raises(DataError, match=r"4\.png: expected 4 x 5 pixels .* found 5 x 4; all images"):
        own("folder", tmp_path)


def test_images_too_large_for_a_network_are_refused_before_they_are_unpacked(tmp_path):
    """Sound headers that Pillow itself would only warn of."""
    for row in range(2):
        (tmp_path / f"{row}" / "dog").mkdir(parents=True)
        of_a_gigantic_header(tmp_path / f"{row}", side=12_000).rename(tmp_path / f"{row}" / "9.png")
        (tmp_path / f"{row}" / "dog").rmdir()
    with pytest.raises(DataError, match=r"9\.png: expected images of at most 16,777,216 values, found 12000 x 12000"):
        own("folder", tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name themselves")
def test_a_class_folder_whose_name_is_not_utf_8_is_named(tmp_path):
    folder_of(tmp_path, GREY)
    (tmp_path / "dog").rename(os.fsdecode(bytes(tmp_path) + b"/caf\xe9"))
    with pytest.raises(DataError, match=r"expected names of classes in UTF-8.*found 'caf\\udce9'") as raised:
        own("folder", tmp_path)
    str(raised.value).encode()


def test_a_folder_needs_two_classes(tmp_path):
    with pytest.raises(DataError, match="expected a subfolder with images for each class, found none"):
        own("folder", tmp_path)
    save(GREY[0], tmp_path / "cat" / "1.png")
    with pytest.raises(DataError, match="expected at least two classes, found 1"):
        own("folder", tmp_path)


@pytest.mark.parametrize("kind", ["folder", "csv", "npz"])
def test_what_is_not_there_is_named(tmp_path, kind):
    with pytest.raises(DataError, match=f"^{re.escape(str(tmp_path / 'nowhere'))}: .*No such file"):
        own(kind, tmp_path / "nowhere")


def test_the_path_has_to_be_given():
    with pytest.raises(FFNNError, match="data set 'folder' needs path: write"):
        load("folder")


def csv(tmp_path, content):
    path = tmp_path / "images.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


ROWS = "9,0,1,2,3\n10,255,0,0,7\n9,4,4,4,4\n"


def quoted(text):
    """Every cell in quotes, as spreadsheets can write it."""
    return re.sub(r"[^,\n]+", r'"\g<0>"', text)


def floats(rows, form):
    """Every pixel as a float; labels stay."""
    return re.sub(r"(?<=,)[0-9]+", lambda pixel: form.format(int(pixel[0])), rows)


@pytest.mark.parametrize(
    "content",
    [
        ROWS,
        "label,p0,p1,p2,p3\n" + ROWS,
        "label,1x1,1x2,2x1,2x2\n" + ROWS,
        ROWS.replace("\n", "\r\n"),
        "\ufeff" + ROWS,
        ROWS.replace(",", ", ") + "\n\n",
        ROWS.rstrip(),
        quoted(ROWS),
        quoted("label,p0,p1,p2,p3\n" + ROWS),
        quoted(ROWS).replace(",", ", "),
        floats(ROWS, "{:.1f}"),
        "label,p0,p1,p2,p3\n" + floats(ROWS, "{:.18e}"),
        quoted(floats(ROWS, "{:.1f}")),
        floats(ROWS, "{:.0e}").replace("3e+02", "255").replace("4e", "4E"),
        "species,x,y,z,t\n" + ROWS,
    ],
    ids=[
        "bare",
        "headings",
        "headings with digits",
        "Windows",
        "byte order mark",
        "spaces",
        "no last end",
        "quoted",
        "quoted with headings",
        "quoted with spaces",
        "as pandas writes floats",
        "as NumPy writes",
        "quoted floats",
        "floats without points",
        "y beside x",
    ],
)
def test_csv_is_read_with_and_without_headings(tmp_path, content):
    data = own("csv", csv(tmp_path, content))
    assert data.images.tolist() == [[0, 1, 2, 3], [255, 0, 0, 7], [4, 4, 4, 4]]
    assert data.shape == (2, 2)
    assert data.class_names == ("9", "10")  # as numbers, not as words
    assert data.labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    "headings",
    [
        "label,0,1,2,3",
        "label,1,2,3,4",
        '"label","0","1","2","3"',
        "label,p0,p1,,p3",
        ",".join(map(str, range(5))).replace("0", "class", 1),
    ],
)
def test_headings_that_are_numbers_are_no_image(tmp_path, headings):
    data = own("csv", csv(tmp_path, f"{headings}\ncat,5,6,7,8\ndog,9,9,9,9\n"))
    assert data.class_names == ("cat", "dog")
    assert data.images.tolist() == [[5, 6, 7, 8], [9, 9, 9, 9]]


def test_many_columns_that_count_are_headings_whatever_their_label(tmp_path):
    """As pandas writes a table that was never given names."""
    columns = ",".join(map(str, range(785)))
    row = ",".join(["7"] * 784)
    data = own("csv", csv(tmp_path, f"{columns}\n0,{row}\n1,{row}\n"))
    assert (len(data), data.shape, data.class_names) == (2, (28, 28), ("0", "1"))


def test_an_image_that_counts_is_an_image_where_its_label_is_one(tmp_path):
    assert own("csv", csv(tmp_path, "cat,0,1,2,3\ndog,9,9,9,9\ncat,5,5,5,5\n")).labels.tolist() == [0, 1, 0]
    assert own("csv", csv(tmp_path, "4,0,1,2,3\n5,9,9,9,9\n")).labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("labels", "names", "expected"),
    [
        (["10", "9", "2.0", "2"], ("2", "9", "10"), [2, 1, 0, 0]),
        (["1.0", "0.0", "1.0"], ("0.0", "1.0"), [1, 0, 1]),
        (["-1", "+1", "1", "-1.0"], ("-1", "1"), [0, 1, 1, 0]),
        (["0.5", ".5", "1e-1", "0.1"], ("0.1", ".5"), [1, 1, 0, 0]),
        (["10", "other", "2", "10.0", "Other"], ("2", "10", "Other", "other"), [1, 3, 0, 1, 2]),
        (["007", "7", "1e9999", "9e99999"], ("7", "1e9999", "9e99999"), [0, 0, 1, 2]),
        (["nan", "inf", "1", "1_0"], ("1", "1_0", "inf", "nan"), [3, 2, 0, 1]),
        (["\u0663", "4"], ("4", "\u0663"), [1, 0]),
    ],
)
def test_labels_that_are_one_number_are_one_class_in_the_order_of_numbers(tmp_path, labels, names, expected):
    data = own("csv", csv(tmp_path, "".join(f"{label},5,2\n" for label in labels)))
    assert (data.class_names, data.labels.tolist()) == (names, expected)


def test_csv_labels_may_be_words_and_images_rows(tmp_path):
    data = own("csv", csv(tmp_path, 'dog,1,2,3\n"cat",4,5,6\n'))
    assert (data.class_names, data.labels.tolist(), data.shape) == (("cat", "dog"), [1, 0], (1, 3))


def test_labels_in_quotes_may_have_commas_and_quotes_in_them(tmp_path):
    data = own("csv", csv(tmp_path, '"Smith, J",0,1\n"the ""other""",2,3\n"Smith, J",4,5\n'))
    assert data.class_names == ("Smith, J", 'the "other"')
    assert data.images.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_an_image_in_quotes_that_counts_is_an_image_where_all_are_in_quotes(tmp_path):
    assert own("csv", csv(tmp_path, quoted("cat,0,1\ndog,9,9\ncat,5,5\n"))).labels.tolist() == [0, 1, 0]
    assert own("csv", csv(tmp_path, quoted("picture,0,1\n") + "dog,9,9\ncat,5,5\n")).class_names == ("cat", "dog")


NUMBERED = "".join(f"{row},{row % 3},5,6\n" for row in range(21))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,label,a,b\n" + NUMBERED, "found 'id' as the first and 'label' as column 2; make labels the first"),
        (",label,a,b\n" + NUMBERED, "found '' as the first and 'label' as column 2"),
        ('"","Label","0","1"\n' + NUMBERED, "found '' as the first and 'Label' as column 2"),
        ("id,class,0,1\n" + NUMBERED, "found 'id' as the first and 'class' as column 2"),
        ("a,b,c,target\n" + NUMBERED, "found 'a' as the first and 'target' as column 4"),
    ],
)
def test_labels_in_another_column_than_the_first_are_not_passed_over(tmp_path, content, message):
    path = csv(tmp_path, content)
    with pytest.raises(DataError, match=re.escape(message)) as raised:
        own("csv", path)
    assert str(raised.value).startswith(f"{path}, line 1: expected the labels in the first column, then pixels only")
    assert "\n" not in str(raised.value)


def test_numbers_of_images_are_no_labels(tmp_path):
    """Without headings, or an array of them: as many classes as images."""
    message = "expected several images of a class, found another class for each of 21 images"
    with pytest.raises(DataError, match=message):
        own("csv", csv(tmp_path, NUMBERED))
    with pytest.raises(DataError, match=message):
        own("npz", npz(tmp_path, images=np.zeros((21, 4), np.uint8), labels=np.arange(21)))
    few = "".join(NUMBERED.splitlines(keepends=True)[:20])
    assert len(own("csv", csv(tmp_path, few)).class_names) == 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2,3\n0,256,3\n", "line 2: expected whole pixels from 0 to 255: could not convert string '256'"),
        ("1,2,3\n0,2,-1\n", "line 2: expected whole pixels from 0 to 255: could not convert string '-1'"),
        ("1,2,3\n0,2,0.5\n", "line 2: expected whole pixels from 0 to 255: could not convert string '0.5'"),
        ("1,2,3\n0,2,dog\n", "line 2: expected whole pixels from 0 to 255: could not convert string 'dog'"),
        ("l,a,b\n1,2,3\n\n0,2\n", "line 4: expected 3 columns, found 2"),
        ("1,2,3\n0,2,3,4\n", "line 2: expected 3 columns, found 4"),
        ("1;2;3\n", "line 1: expected a label, then pixels, found '1;2;3'; write commas between the columns"),
        ("1\t2\t3\n", r"line 1: expected a label, then pixels, found '1\t2\t3'; write commas between the columns"),
        ("1,2,3\n0,2.0,0.5\n", "line 2: expected whole pixels from 0 to 255: could not convert string '0.5'"),
        ("1,2,3\n0,2.0,256.0\n", "line 2: expected whole pixels from 0 to 255: could not convert string '256'"),
        ("1,2,3\n0,1,2.0.0\n", "line 2: expected whole pixels from 0 to 255: could not convert string '2.0.0'"),
        ("1,2,3\n0,1,1 2.0\n", "line 2: expected whole pixels from 0 to 255: could not convert string '1 2.0'"),
        ("1,2,3\n0,1,1e999.0\n", "line 2: expected whole pixels from 0 to 255: could not convert string '1e999.0'"),
        ('cat,"1,5","2,0"\n', "line 1: expected cells of one pixel, found '1,5'"),
        ('cat,1,2\n"dog,1,2\n', "line 2: expected a label, then pixels, found '\"dog,1,2'"),
        ('cat,"' + 200_000 * "1" + "\n", "line 1: expected cells in pairs of quotes: field larger than field limit"),
        ("l,a,b\n", "expected lines of a label and pixels, found none"),
        ("", "expected lines of a label and pixels, found none"),
        ("1,2,3\n1,2,3\n", "expected at least two classes, found 1"),
        (b"\xff\xfe1\x00", "expected text in UTF-8"),
        ("cat,,2\ndog,1,2\n", "line 1: expected whole pixels from 0 to 255: found an empty cell"),
        ("cat,1,2\ndog,1,\n", "line 2: expected whole pixels from 0 to 255: found an empty cell"),
        ("cat,x,2\ndog,1,2\n", "line 1: expected whole pixels from 0 to 255: could not convert string 'x'"),
        ("cat,1,2\n,1,2\n", "line 2: expected a label, found an empty cell"),
        ("cat,1,2\n" + 5000 * "9" + ",1,2\n", "line 2: expected a label of at most 200 letters, found 5,000: 9999"),
        ("cat,1,2\ndog,1," + 5000 * "9" + "\n", "line 2: expected whole pixels from 0 to 255: could not convert"),
        ("label,0,1\n", "expected lines of a label and pixels, found headings only"),
    ],
)
def test_a_wrong_csv_is_refused_with_its_line(tmp_path, content, message):
    path = csv(tmp_path, content)
    with pytest.raises(DataError, match=re.escape(message)) as raised:
        own("csv", path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("there", [GREY.size - 1, GREY.size])
def test_more_images_than_memory_are_refused(tmp_path, monkeypatch, there):
    monkeypatch.setattr(own_images, "available_bytes", lambda: there)
    path = npz(tmp_path, images=GREY, labels=HALVES)
    if there < GREY.size:
        with pytest.raises(DataError, match=r"expected images that fit into the .* found 6 of 20 values"):
            own("npz", path)
    else:
        assert len(own("npz", path)) == 6


def npz(tmp_path, **arrays):
    path = tmp_path / "images.npz"
    np.savez(path, **arrays)
    return path


HALVES = np.array([0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize("images", [GREY, COLOUR, GREY[..., None], GREY.reshape(6, 20), COLOUR[..., 0]])
def test_npz_of_every_form(tmp_path, images):
    data = own("npz", npz(tmp_path, images=images, labels=HALVES.astype(np.uint8), other=np.zeros(3)))
    assert (data.images == images.reshape(6, -1)).all()
    assert data.labels.tolist() == HALVES.tolist()
    assert data.class_names == ("0", "1")
    expected = images.shape[1:3] if images.shape[-1] == 1 else images.shape[1:]
    assert data.shape == (expected if images.ndim > 2 else (1, 20))


def test_npz_may_name_its_classes(tmp_path):
    names = np.array(["ant", "bee", "cow"])
    assert own("npz", npz(tmp_path, images=GREY, labels=HALVES, class_names=names)).class_names == ("ant", "bee", "cow")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"images": GREY / 255},
            "images of type uint8, (N, h, w[, c]) or (N, features), found float64 (6, 5, 4)",
        ),
        ({"images": GREY[0, 0]}, "found uint8 (4,)"),
        (
            {"images": GREY[:0], "labels": HALVES[:0]},
            "expected at least one image of at least one pixel, found none: uint8 (0, 5, 4)",
        ),
        ({"images": GREY[:, :0]}, "expected at least one image of at least one pixel, found none: uint8 (6, 0, 4)"),
        ({"images": np.zeros((6, 1 << 25), np.bool_).view(np.uint8)}, "at most 16,777,216 values, found 33554432"),
        ({"class_names": np.array(["ant", "b" * 201])}, "class_names of at most 200 letters, found <U201 (2,)"),
        ({"class_names": np.array(["ant", "\ud800"])}, "names of classes in UTF-8, of at most 200 letters"),
        (
            {"class_names": np.array([1 << 31, 1], "<u4").view("<U1")},
            "expected class_names of characters, found other bytes",
        ),
        ({"images": np.zeros((6, 5, 4, 4), np.uint8)}, "images of 1 or 3 channels, found uint8 (6, 5, 4, 4)"),
        ({"labels": HALVES[:5]}, "expected labels of a whole-number type, (6,), found int64 (5,)"),
        ({"labels": HALVES / 1}, "expected labels of a whole-number type, (6,), found float64 (6,)"),
        ({"labels": HALVES - 1}, "expected labels from 0 to 5, found -1"),
        ({"labels": HALVES.astype(np.uint64) << 60}, "expected labels from 0 to 5, found 1152921504606846976"),
        ({"class_names": np.array(["ant"])}, "expected labels from 0 to 0, found 1"),
        ({"class_names": np.array([1, 2])}, "expected class_names as strings, (classes,), found int64 (2,)"),
        ({"labels": HALVES * 0}, "expected at least two classes, found 1"),
    ],
)
def test_a_wrong_npz_is_refused(tmp_path, change, message):
    path = npz(tmp_path, **{"images": GREY, "labels": HALVES} | change)
    with pytest.raises(DataError, match=re.escape(message)) as raised:
        own("npz", path)
    assert str(raised.value).startswith(str(path))


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("(2**70,)", "found malformed node or string on line 1"),
        ("(True,)", "found the shape (True,), which is not of whole numbers"),
    ],
)
def test_a_heading_that_is_no_shape_is_told_in_words_without_an_address(tmp_path, shape, words):
    heading = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    with zipfile.ZipFile(tmp_path / "images.npz", "w") as packed:
        packed.writestr("images.npy", b"\x93NUMPY\1\0" + struct.pack("<H", 118) + heading.encode())
    with pytest.raises(DataError) as raised:
        own("npz", tmp_path / "images.npz")
    path = tmp_path / "images.npz"
    assert str(raised.value) == f"{path}: expected sound arrays without pickled objects, {words}"


def test_an_npz_without_a_byte_is_called_empty(tmp_path):
    (tmp_path / "images.npz").write_bytes(b"")
    with pytest.raises(DataError, match=r"expected an \.npz file, found an empty file"):
        own("npz", tmp_path / "images.npz")


def test_npz_without_labels_says_what_is_there(tmp_path):
    with pytest.raises(DataError, match="expected arrays images and labels, found images"):
        own("npz", npz(tmp_path, images=GREY, digits=HALVES))


class Hostile:
    """Would raise in the reader's process."""

    def __reduce__(self):
        return pytest.fail, ("unpickled",)


def test_nothing_in_an_npz_is_unpickled(tmp_path):
    path = npz(tmp_path, images=GREY, labels=np.array([Hostile()] * 6, dtype=object))
    with pytest.raises(DataError, match="expected sound arrays without pickled objects, found"):
        own("npz", path)
    path.write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(DataError, match=r"expected an \.npz file, found another kind"):
        own("npz", path)


def test_a_damaged_npz_is_refused(tmp_path):
    path = npz(tmp_path, images=GREY, labels=HALVES)
    whole = path.read_bytes()
    start = whole.index(GREY.tobytes())
    for damaged in (whole[:-40], whole[:200], whole[:start] + b"\0\1\2" + whole[start + 3 :]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="expected sound arrays"):
            own("npz", path)
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("images.npy", b"no array")
    with pytest.raises(DataError, match="expected arrays images and labels, found none"):
        own("npz", path)


def test_own_images_are_shared_out(tmp_path):
    images = np.concatenate([GREY] * 10)
    data = own("npz", npz(tmp_path, images=images, labels=np.arange(60) % 2))
    split = make_split(data)
    assert [len(part) for part in (split.train, split.val, split.test)] == [48, 6, 6]


def test_own_images_train_by_config(tmp_path):
    """The mapping that `--dataset.name=npz --dataset.path=...` and YAML give reaches the files."""
    from ffnn.lab.config import make_config
    from ffnn.lab.run import train
    from ffnn.training.callbacks import Callback

    path = npz(tmp_path, images=np.concatenate([GREY] * 10), labels=np.arange(60) % 2)
    values = {"dataset": {"name": "npz", "path": str(path)}, "epochs": 1, "hidden_layers": [4], "engine": "numpy"}
    config = make_config({**values, "runs_dir": str(tmp_path / "runs"), "wandb": "disabled"})
    record = train(config, lambda line: None, Callback())
    assert record.environment["data"]["source"] == str(path)
    assert record.environment["data"]["counts"] == {"train": 48, "val": 6, "test": 6}
