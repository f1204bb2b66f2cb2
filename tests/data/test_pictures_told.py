"""Pictures: what is understood of folders, tables of labels, files and arrays is told or refused."""

import gzip
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from deepcanon.data import DataError, check, image_sets, open_data, read_inputs


def picture(path, level=0, mode="L", deep=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = (np.indices((6, 6)).sum(0) + level) % 250
    Image.fromarray((values * 16).astype(np.uint16) if deep else values.astype(np.uint8)).convert(
        "I;16" if deep else mode
    ).save(path)
    return path


def deep_colour(path, channels):
    """A PNG of 16 bits with values up to 4095, which Pillow cannot write."""
    values = (np.arange(6 * 6 * channels) * 37 % 4096).astype(">u2").reshape(6, -1)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 6, 6, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in values))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def animation(path, count=3):
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = [Image.new("RGB", (6, 6), (40 * i, 90, 20)) for i in range(count)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def read(path, skip_bad=False, **options):
    whole = {"valid_share": 0.0, "test_share": 0.0, **options}
    return open_data(("images",), str(path), options={"images": whole}, skip_bad=skip_bad)


def notes(path, **options):
    return "\n".join(read(path, **options).notes)


def refused(path, match, **options):
    with pytest.raises(DataError, match=match) as error:
        read(path, **options)
    assert str(error.value).isprintable()


@pytest.fixture
def table(tmp_path):
    """Writes labels.csv next to six pictures 0.png to 5.png."""

    def write(text, name="labels.csv"):
        for index in range(6):
            picture(tmp_path / "set" / f"{index}.png", index)
        (tmp_path / "set" / name).write_text(text)
        return tmp_path / "set"

    return write


ROWS = [f"{i}.png,{'ab'[i % 2]}" for i in range(6)]


def lines(*rows, header="file,label"):
    return "\n".join([header, *rows]) + "\n"


# Where the table of labels lies


def test_a_table_of_labels_is_never_stepped_over(tmp_path):
    for index in range(6):
        picture(tmp_path / "h" / "images" / f"batch{index % 2}" / f"{index}.png", index)
    rows = [f"images/batch{i % 2}/{i}.png,{'yes' if i < 3 else 'no'}" for i in range(6)]
    (tmp_path / "h" / "labels.csv").write_text(lines(*rows))
    assert read(tmp_path / "h").facts["classes"] == ["no", "yes"]


def test_a_table_of_labels_one_level_below_is_found(table):
    (table(lines(*ROWS)).parent / "set" / "readme.txt").write_text("x")
    outer = table(lines(*ROWS)).rename(table(lines(*ROWS)).with_name("inner")).parent
    data = read(outer)
    assert data.facts["classes"] == ["a", "b"] and any("read from inner" in note for note in data.notes)


def test_files_that_are_stepped_over_are_told(tmp_path):
    for name in ("a", "b"):
        picture(tmp_path / "set" / "images" / name / "0.png")
    (tmp_path / "set" / "readme.pdf").write_text("x")
    assert "not read: 1 .pdf" in notes(tmp_path / "set")


def test_what_lies_next_to_the_folders_of_splits_is_told(tmp_path):
    for split in ("train", "test"):
        for name in ("a", "b"):
            picture(tmp_path / "set" / split / name / "0.png")
    (tmp_path / "set" / "labels.csv").write_text(lines("train/a/0.png,x"))
    (tmp_path / "set" / "more.json").write_text("{}")
    said = notes(tmp_path / "set")
    assert "not read: 1 labels.csv, 1 .json; labels are those of the folders" in said
    (tmp_path / "set" / "labels.tsv").write_text("file\tlabel\n")
    refused(tmp_path / "set", r"labels\.tsv: is next to labels\.csv")


def test_a_table_next_to_splits_without_classes_is_refused(tmp_path):
    for split in ("train", "test"):
        picture(tmp_path / "set" / split / "0.png")
    (tmp_path / "set" / "labels.csv").write_text(lines("train/0.png,x"))
    refused(tmp_path / "set", r"labels\.csv: would not be read, and the pictures have no other labels.*train/CLASS/")


def test_two_tables_of_labels_are_refused(table):
    table(lines(*ROWS))
    refused(table("file\tlabel\n", "labels.tsv"), r"labels\.tsv: is next to labels\.csv, and only one can be read")


# Rows of the table


def test_a_picture_that_is_named_twice_is_refused(table):
    folder = table(lines(*ROWS, "0.png,b", "./1,b"))
    refused(folder, r"labels\.csv: line 2 and line 8: '0\.png' is named twice; keep one of the rows \(and 1 more\)")
    data = read(folder, skip_bad=True)  # which label of 0.png is right, nobody says; both rows of 1.png agree
    assert len(data["train"]) == 5 and data.record["classes"] == {"a": 2, "b": 3}


@pytest.mark.parametrize("name", ["Split", "SPLIT", "split"])
def test_the_column_of_splits_in_any_case(table, name):
    rows = [f"{row},{'test' if i > 3 else 'train'}" for i, row in enumerate(ROWS)]
    folder = table(lines(*rows, header=f"file,label,{name}"))
    data = read(folder)
    assert data.counts() == {"train": 4, "test": 2} and f"splits by column {name}" in "\n".join(data.notes)


def test_two_columns_of_splits_are_refused(table):
    rows = [f"{row},train,test" for row in ROWS]
    refused(table(lines(*rows, header="file,label,split,Split")), "has 2 columns of splits: split, Split")


def test_columns_that_could_all_be_the_label(table):
    folder = table(lines(*(f"{row},{i}" for i, row in enumerate(ROWS)), header="file,class,label"))
    refused(folder, "has 2 columns that could be the label: class, label; call the column with the labels `label`")
    said = notes(table(lines(*(f"{row},{i}" for i, row in enumerate(ROWS)), header="file,class,age")))
    assert "as column class of labels.csv says, files by column file; columns not used: age" in said


def test_the_column_of_files_is_the_one_with_most_different_files(table):
    rows = [f"{i % 2},{i}" for i in range(6)]  # the labels 0 and 1 are names of pictures too
    data = read(table(lines(*rows, header="label,id")))
    assert len(data["train"]) == 6 and data.facts["classes"] == ["0", "1"]
    rows = [f"{i}.png,{5 - i}.png,{'ab'[i % 2]}" for i in range(6)]
    refused(table(lines(*rows, header="image,mask,label")), "has 2 columns that name pictures: image, mask")


def test_a_name_that_two_pictures_bear(table):
    picture(table(lines(*ROWS)) / "0.bmp")
    refused(table(lines("0,a", "0.bmp,a", *ROWS[1:])), r"line 2: names '0', which may be 0\.png or 0\.bmp")


def test_what_a_table_says_of_its_cells_is_told(table):
    assert "says that cells are separated by ','" in notes(table("sep=,\n" + lines(*ROWS)))


# Other files next to the table


def test_other_files_next_to_the_table_are_told(table):
    folder = table(lines(*ROWS))
    Image.new("L", (6, 6)).save(folder / "x.gif")
    (folder / "notes.txt").write_text("x")
    said = notes(folder)
    assert "1 .gif (a picture, but not of a format that is read)" in said and "1 .txt" in said
    assert ".csv" not in said.split("not read")[1]


@pytest.mark.parametrize("name", ["x.gif", "x"])
def test_a_row_may_name_a_picture_of_another_format(table, name):
    Image.new("L", (6, 6)).save(table(lines(*ROWS)) / "x.gif")
    refused(table(lines(*ROWS, f"{name},a")), f"names '{name}', which is of a format that is not read; save it as JPEG")


def test_hidden_folders_and_those_of_archives_are_left_out(table):
    folder = table(lines(*ROWS))
    picture(folder / ".cache" / "9.png")
    picture(folder / "__MACOSX" / "9.png")
    assert len(read(folder)["train"]) == 6


def test_no_row_leads_out_of_the_folder(table):
    folder = table(lines(*ROWS))
    picture(folder.parent / "out.png")
    picture(folder.parent / "set.png")
    (folder / "sub").mkdir()
    for name in ("sub/../../out.png", "sub/../../out", "../out.png", str(folder.parent / "out.png")):
        refused(table(lines(*ROWS, f"{name},a")), "names '.*out.*', which is not in the folder")
    refused(table(lines(*ROWS, "sub/..,a")), r"names 'sub/\.\.', which is not in the folder")


def test_a_name_with_dots_that_stays_in_the_folder(table, tmp_path, monkeypatch):
    folder = table(lines("sub/../0.png,a", f"{tmp_path}/set/1.png,b", *ROWS[2:]))
    (folder / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    assert len(read("set")["train"]) == 6
    refused(table(lines("sub/../0.png,a", *ROWS)), "line 2 and line 3: '0.png' is named twice")


def test_linked_pictures_are_read(table, tmp_path):
    picture(tmp_path / "store" / "blob.png")
    (table(lines(*ROWS)) / "link.png").symlink_to(tmp_path / "store" / "blob.png")
    assert len(read(table(lines(*ROWS, "link.png,a")))["train"]) == 7


# Depth and frames


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_deep_pictures_that_are_not_plain_grey_are_refused(tmp_path, channels):
    deep_colour(tmp_path / "set" / "a" / "0.png", channels)
    picture(tmp_path / "set" / "b" / "0.png")
    refused(tmp_path / "set", "has 16 bits for each value and is not plain grey .*save it with 8 bits")
    describe = read(tmp_path / "set" / "b").describe()
    with pytest.raises(DataError, match="16 bits for each value"):
        read_inputs("images", describe, [str(tmp_path / "set" / "a" / "0.png")])


@pytest.mark.parametrize("ending", ["png", "webp"])
def test_of_animations_the_first_picture_is_read_and_told(tmp_path, ending):
    animation(tmp_path / "set" / f"0.{ending}")
    animation(tmp_path / "set" / f"1.{ending}")
    picture(tmp_path / "set" / "2.png")
    data = read(tmp_path / "set")
    assert f"only the first is read in 2: {tmp_path}/set/0.{ending} and 1 more" in "\n".join(data.notes)
    found = read_inputs("images", data.describe(), [str(tmp_path / "set")])
    said = "the first of 3 pictures in the file"
    assert found.notes == {0: said, 1: said}


def test_one_deep_file_among_plain_ones_is_not_made_black(tmp_path):
    for index in range(3):
        picture(tmp_path / "set" / "train" / "a" / f"{index}.png", index)
    deep = picture(tmp_path / "set" / "test" / "a" / "0.png", deep=True)
    picture(tmp_path / "set" / "test" / "a" / "1.png")
    refused(tmp_path / "set", r"test/a/0\.png: is grey of 16 bits, and no training picture is; save it with 8 bits")
    data = read(tmp_path / "set", skip_bad=True)
    assert data.counts() == {"train": 3, "test": 1}
    found = read_inputs("images", data.describe(), [str(deep), str(tmp_path / "set" / "train")])
    assert len(found.names) == 3 and [p.file for p in found.refused] == [str(deep)]
    assert "is grey of 16 bits, and the training pictures were not" in found.refused[0].what


def test_levels_that_nothing_needs_are_told(tmp_path):
    picture(tmp_path / "set" / "a" / "0.png")
    said = "--levels is not used"
    assert said in notes(tmp_path / "set", levels=(0.0, 4095.0)) and said not in notes(tmp_path / "set")
    assert said in notes("photos", levels=(0.0, 4095.0)) and said in notes("digits", levels=(0.0, 4095.0))
    picture(tmp_path / "set" / "a" / "1.png", deep=True)
    assert said not in notes(tmp_path / "set", levels=(0.0, 4095.0))


# Inputs of a trained model


def test_what_is_not_read_of_a_folder_of_inputs_is_told(tmp_path):
    describe = read(picture(tmp_path / "set" / "0.png").parent).describe()
    Image.new("L", (6, 6)).save(tmp_path / "set" / "1.gif")
    (tmp_path / "set" / "bad.png").write_bytes(b"x")
    (tmp_path / "set" / "notes.txt").write_text("x")
    found = read_inputs("images", describe, [str(tmp_path / "set")])
    assert found.names == [str(tmp_path / "set" / "0.png")] and found.values.shape == (1, 1, 6, 6)
    assert found.notes == {0: "not read next to it: 1 .txt"}
    assert [p.file.rsplit("/", 1)[1] for p in found.refused] == ["bad.png", "1.gif"]
    assert "not of a format that is read" in found.refused[1].what
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.txt").write_text("x")
    found = read_inputs("images", describe, [found.names[0], str(tmp_path / "none")])
    assert "holds no images, only other files: 1 .txt" in found.refused[0].what


# Arrays


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_the_range_of_arrays_is_told(tmp_path):
    path = tmp_path / "x.npz"
    grey = np.linspace(0, 1, 48).reshape(3, 4, 4)
    assert "x: numbers from 0 to 1 are taken as 0 to 1, rounded to 256 levels" in notes(save(path, x=grey))
    masks = (grey > 0.5).astype(np.int64)
    for kind in (np.int64, np.uint8):
        data = read(save(path, x=masks.astype(kind)))
        assert data["train"].x.max() == 1
        assert "x: whole numbers from 0 to 1 are taken as levels of 255, which is nearly black" in str(data.notes)
    data = read(save(path, x=masks.astype(bool)))
    assert data["train"].x.unique().tolist() == [0, 255] and "truth values become black" in str(data.notes)
    assert "whole numbers" not in notes(save(path, x=masks * 200))
    data = open_data(("images",), grey, options={"images": {"valid_share": 0.0, "test_share": 0.0}})
    assert "rounded to 256 levels" in "\n".join(data.notes)


def test_splits_of_different_scales_are_refused(tmp_path):
    small, large = np.full((3, 4, 4), 0.5), np.full((3, 4, 4), 200.0)
    path = save(tmp_path / "x.npz", x_train=large, x_test=small)
    refused(path, "x_test: has values up to 1, and x_train up to 255; give all as bytes")
    assert read(save(path, x_train=large, x_test=small * 0)).counts() == {"train": 3, "test": 3}


X, Y = np.arange(64, dtype=np.uint8).reshape(4, 4, 4), np.arange(4) % 2


def test_arrays_in_capital_letters_are_read(tmp_path):
    data = read(save(tmp_path / "x.npz", X_train=X, y_train=Y, X_test=X, Y_test=Y))
    assert data.counts() == {"train": 4, "test": 4} and data["test"].y.tolist() == Y.tolist()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"labels": Y}, "labels: is not called y_train, so the pictures would have no labels; call the labels"),
        ({"y": Y}, "y: is not called y_train"),
        ({"x": X}, "has x_train and x, each of which could be x of train; keep one"),
        ({"x_val": X, "x_valid": X}, "has x_valid and x_val, each of which could be x of valid"),
        ({"X_train": X}, "has x_train and X_train"),
        ({"x_test": X, "y_test": Y, "Y_test": Y}, "has y_test and Y_test, each of which could be y of test"),
    ],
)
def test_arrays_that_are_not_clear_are_refused(tmp_path, more, said):
    refused(save(tmp_path / "x.npz", x_train=X, **more), said)


def test_arrays_that_are_not_used_are_told(tmp_path):
    path = save(tmp_path / "x.npz", x_train=X, y_train=Y, names=np.array(["a", "b"]), y_test=Y)
    assert "arrays not used: names, y_test" in notes(path)


@pytest.mark.parametrize("packed", ["images", "labels"])
def test_idx_files_find_their_labels_packed_or_not(tmp_path, packed):
    for kind, values in (("images-idx3", X), ("labels-idx1", Y.astype(np.uint8))):
        data = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()
        zipped = kind.startswith(packed)
        path = tmp_path / f"train-{kind}-ubyte{'.gz' if zipped else ''}"
        path.write_bytes(gzip.compress(data) if zipped else data)
    assert read(tmp_path)["train"].y.tolist() == Y.tolist() and "not read" not in notes(tmp_path)
    (tmp_path / "readme.txt").write_text("x")
    picture(tmp_path / "more" / "0.png")
    assert "not read: readme.txt, more/" in notes(tmp_path)


def test_one_place_for_the_files_of_folders():
    from deepcanon.data import folders, label_files

    assert folders.walk is label_files.walk is image_sets.walk


def test_the_report_of_a_folder_names_what_was_understood(table):
    report = check(("images",), str(table(lines(*ROWS))))
    assert report.ok and any("files by column file" in line for line in report.lines())
    assert torch.is_tensor(read(table(lines(*ROWS)))["train"].y)


def test_folders_below_classes_of_given_splits_are_of_the_class(tmp_path):
    for number, split in enumerate(("train", "valid", "test")):
        for level, name in enumerate("ab"):
            picture(tmp_path / split / name / "deep" / f"{level}.png", 10 * number + level)
    data = read(tmp_path)
    assert {name: len(split.x) for name, split in data.splits.items()} == {"train": 2, "valid": 2, "test": 2}
    assert "images in folders below a class folder are of that class: 2" in "\n".join(data.notes)


def test_two_links_to_one_folder_are_not_two_classes(tmp_path):
    picture(tmp_path / "elsewhere" / "0.png")
    picture(tmp_path / "set" / "a" / "0.png", 3)
    for name in ("b", "c"):
        (tmp_path / "set" / name).symlink_to(tmp_path / "elsewhere")
    refused(tmp_path / "set", "c: is the same folder as b: its pictures would be of two classes")


def test_too_few_pictures_to_draw_from_are_told(tmp_path):
    for level, name in enumerate("ab"):
        picture(tmp_path / name / "0.png", level)
    assert "examples: train 2 (too few for valid and test)" in notes(tmp_path, valid_share=0.1, test_share=0.1)


def test_labels_of_ones_and_zeros_and_arrays_of_either_order_are_told(tmp_path):
    np.savez(tmp_path / "hot.npz", x=np.zeros((4, 6, 6), np.uint8), y=np.eye(4, 3, dtype=np.uint8))
    refused(tmp_path / "hot.npz", r"has labels of shape \(4, 3\), and a label is one number; y.argmax\(1\) makes one")
    np.savez(tmp_path / "either.npz", x=np.arange(108, dtype=np.uint8).reshape(4, 3, 3, 3), y=np.arange(4))
    assert "x: shape (4, 3, 3, 3) is taken as [N,H,W,C], with the colours last" in notes(tmp_path / "either.npz")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train_labels.csv", "id,breed\n0,a\n1,b\n"),
        ("train.txt", "train/0.png 3\ntrain/1.png 1\n"),
        ("metadata.jsonl", '{"file_name": "0.png", "label": 1}\n'),
    ],
)
def test_a_list_that_names_pictures_and_is_not_read_is_told(tmp_path, name, content):
    for level in (0, 1):
        picture(tmp_path / f"{level}.png", level)
    (tmp_path / name).write_text(content, "utf-8")
    said = f"{name} names pictures and is not read: if it says their classes, call it labels.csv, with file,label"
    assert said in notes(tmp_path)
    (tmp_path / name).write_text("some words about these 2 pictures\n", "utf-8")
    assert "names pictures" not in notes(tmp_path)
