"""The image reader: what forms it takes, that pixels are right, and that what is wrong is named."""

import gzip
import io
import os
import struct
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deepcanon.data import check, open_data, pixels, read_inputs
from deepcanon.data.errors import DataError


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, dtype=np.uint8)).save(path, **options)
    return path


def noise(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def read(path, seed=0, skip_bad=False, **options):
    return open_data(("images",), str(path), seed=seed, options={"images": options}, skip_bad=skip_bad)


@pytest.fixture
def classes(tmp_path):
    """20 grey images of 6x5 in two classes."""
    for label in ("dog", "cat"):
        for i in range(10):
            save(tmp_path / "set" / label / f"{i}.png", noise(i + 10 * (label == "cat"), 5, 6))
    return tmp_path / "set"


def test_a_folder_of_classes(classes):
    data = read(classes)
    assert data.describe() == {"kind": "images", "size": [5, 6], "channels": 1, "classes": ["cat", "dog"]}
    assert data.counts() == {"train": 16, "valid": 2, "test": 2}
    found = {}
    for split in data.splits.values():
        assert split.x.dtype == torch.uint8 and split.y.dtype == torch.int64
        found |= {bytes(x.numpy().tobytes()): y for x, y in zip(split.x, split.y.tolist(), strict=True)}
    for i in range(10):
        assert found[noise(i, 5, 6).tobytes()] == 1 and found[noise(i + 10, 5, 6).tobytes()] == 0
    assert sorted(data["test"].y.tolist()) == [0, 1]
    assert data.record["counts"] == data.counts() and data.record["classes"] == {"cat": 8, "dog": 8}
    assert "drawn from train by seed 0 and class" in " ".join(data.notes)
    assert not torch.equal(read(classes, seed=1)["train"].x, data["train"].x)
    assert read(classes, valid_share=0.0, test_share=0.0).counts() == {"train": 20}


def test_given_splits_are_kept(tmp_path):
    for split, n in (("train", 8), ("val", 2), ("test", 3)):
        for label in ("a", "b"):
            for i in range(n):
                save(tmp_path / split / label / f"{i}.bmp", noise(i, 4, 4, 3))
    data = read(tmp_path)
    assert data.counts() == {"train": 16, "valid": 4, "test": 6} and data.describe()["channels"] == 3
    assert data["test"].y.tolist() == [0, 0, 0, 1, 1, 1]
    assert torch.equal(data["test"].x[1], torch.from_numpy(noise(1, 4, 4, 3)).permute(2, 0, 1))


def test_a_flat_folder_has_no_labels_and_a_missing_split_is_drawn(tmp_path):
    for i in range(10):
        save(tmp_path / "flat" / f"{i}.png", noise(i, 4, 4))
    data = read(tmp_path / "flat")
    assert data.describe()["classes"] == [] and data["train"].y is None and data.counts()["valid"] == 1
    for i in range(10):
        save(tmp_path / "tree" / "train" / "a" / f"{i}.png", noise(i, 4, 4))
        save(tmp_path / "tree" / "test" / "a" / f"{i}.png", noise(i, 4, 4))
    assert read(tmp_path / "tree").counts() == {"train": 9, "valid": 1, "test": 10}


def test_a_class_may_be_called_train(tmp_path):
    for label in ("car", "plane", "train"):
        for i in range(4):
            save(tmp_path / label / f"{i}.png", noise(i, 4, 4))
    assert read(tmp_path).describe()["classes"] == ["car", "plane", "train"]


# ----------------------------------------------------------------------------------------------- single images


def test_exif_rotation_is_applied(tmp_path):
    array = noise(0, 4, 6, 3)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    path = save(tmp_path / "x.png", array, exif=exif)
    assert pixels.head(path) == (4, 6, False, False, 1)
    assert np.array_equal(pixels.decode(path, (6, 4), 3), np.rot90(array, -1).transpose(2, 0, 1))


def test_alpha_lies_on_white(tmp_path):
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0, 3] = 255
    rgba[0, 1] = (200, 100, 0, 0)
    assert pixels.decode(save(tmp_path / "a.png", rgba), (2, 2), 1)[0].tolist() == [[0, 255], [255, 255]]
    la = np.stack([np.zeros((2, 2)), np.full((2, 2), 128)], -1)
    Image.fromarray(la.astype(np.uint8), "LA").save(tmp_path / "la.png")
    assert abs(int(pixels.decode(tmp_path / "la.png", (2, 2), 1)[0, 0, 0]) - 127) <= 1
    palette = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8)).convert("P")
    palette.putpalette([10, 20, 30, 200, 0, 0])
    palette.save(tmp_path / "p.png", transparency=1)
    assert pixels.decode(tmp_path / "p.png", (2, 2), 3)[:, 0].T.tolist() == [[10, 20, 30], [255, 255, 255]]


def test_sixteen_bits_and_one_bit_keep_their_range(tmp_path):
    deep = np.array([[0, 65535], [257 * 100, 128]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert pixels.head(tmp_path / "deep.png").grey
    assert pixels.decode(tmp_path / "deep.png", (2, 2), 1)[0].tolist() == [[0, 255], [100, 0]]
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "bit.png")
    assert pixels.decode(tmp_path / "bit.png", (1, 2), 1)[0].tolist() == [[255, 0]]


def test_resize_covers_and_keeps_the_middle(tmp_path):
    array = np.zeros((40, 120), np.uint8)
    array[:, 36:84] = 200  # the filter reaches a little beyond the cut
    out = pixels.decode(save(tmp_path / "wide.png", array), (20, 20), 1)
    assert out.shape == (1, 20, 20) and (out == 200).all()
    assert (pixels.decode(save(tmp_path / "tall.png", array.T), (20, 20), 1) == 200).all()
    # a thin image is cut before it is enlarged
    assert pixels.decode(save(tmp_path / "thin.png", noise(0, 1, 20_000)), (64, 64), 1).shape == (1, 64, 64)


def test_the_size_is_chosen_and_told(tmp_path):
    save(tmp_path / "a" / "0.png", noise(0, 30, 50))
    save(tmp_path / "a" / "1.png", noise(1, 40, 40, 3))
    data = read(tmp_path, valid_share=0, test_share=0)
    assert data.describe()["size"] == [30, 30] and data.describe()["channels"] == 3
    assert "centre-cropped to 30x30 colour" in data.notes[0]
    data = read(tmp_path, size=8, channels=1)
    assert data.describe()["size"] == [8, 8] and data["train"].x.shape[1:] == (1, 8, 8)
    save(tmp_path / "b" / "0.png", noise(0, 300, 400))
    assert read(tmp_path / "b").describe()["size"] == [128, 128]
    for wrong in ({"size": -1}, {"size": 100_000}, {"channels": 2}):
        with pytest.raises(DataError):
            read(tmp_path, **wrong)


def test_the_bomb_guard_stays_on(tmp_path, monkeypatch):
    path = save(tmp_path / "a" / "big.png", np.zeros((100, 100)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 9_999)
    with pytest.raises(DataError, match=r"big\.png.*more than the limit"):
        read(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4_000)
    with pytest.raises(DataError, match=r"big\.png"):
        read(tmp_path)
    assert path.exists()


# ------------------------------------------------------------------------------------------------ what is wrong


def test_a_bad_file_is_named_or_left_out(classes):
    (classes / "cat" / "3.png").write_bytes(b"")
    whole = (classes / "dog" / "4.png").read_bytes()
    (classes / "dog" / "4.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError) as error:
        read(classes)
    assert str(classes / "cat" / "3.png") in str(error.value) and "is empty" in str(error.value)
    assert "\n" not in str(error.value)
    data = read(classes, skip_bad=True)
    assert sum(data.counts().values()) == 18
    assert data.record["skipped"] == [str(classes / "cat" / "3.png"), str(classes / "dog" / "4.png")]
    report = check(("images",), str(classes))
    assert len(report.problems) == 2 and sum(report.counts.values()) == 18 and len(report.examples) == 3
    assert any("dog/4.png" in line for line in report.lines())
    assert report.as_json()["problems"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: (p / "x").mkdir(), "without images"),
        (lambda p: save(p / "stray.png", noise(0, 4, 4)), "is next to class folders"),
        (lambda p: (p / "cat" / "5.png").write_bytes(b"GIF89a"), "is not an image that can be read"),
    ],
)
def test_folders_that_are_not_in_order(classes, make, said):
    make(classes)
    with pytest.raises(DataError, match=said):
        read(classes)
    assert sum(read(classes, skip_bad=True).counts().values()) in (19, 20)


def test_split_trees_that_are_not_in_order(tmp_path):
    for split, label in (("train", "a"), ("train", "b"), ("test", "c"), ("test", "a")):
        save(tmp_path / "set" / split / label / "0.png", noise(0, 4, 4))
    with pytest.raises(DataError, match="class c of test is not in train"):
        read(tmp_path / "set")
    data = read(tmp_path / "set", skip_bad=True, valid_share=0)
    assert data["test"].y.tolist() == [0]
    save(tmp_path / "set" / "labels" / "0.png", noise(0, 4, 4))
    with pytest.raises(DataError, match="is next to train"):
        read(tmp_path / "set")
    save(tmp_path / "two" / "train" / "a" / "0.png", noise(0, 4, 4))
    save(tmp_path / "two" / "val" / "a" / "0.png", noise(0, 4, 4))
    save(tmp_path / "two" / "valid" / "a" / "0.png", noise(0, 4, 4))
    with pytest.raises(DataError, match="second folder for valid"):
        read(tmp_path / "two")


def test_nothing_to_read(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        read(tmp_path / "empty")
    (tmp_path / "empty" / "notes.md").write_text("no")
    with pytest.raises(DataError, match=r"only other files: 1 \.md"):
        read(tmp_path / "empty")
    with pytest.raises(DataError, match="neither a data set's name nor a path"):
        read(tmp_path / "nowhere")
    with pytest.raises(DataError, match="did you mean mnist"):
        read("mnits")
    with pytest.raises(DataError, match="is a set of text"):
        read("pydoc")


@pytest.fixture
def removed_by_hand(classes):
    """A folder this deep is too deep for the recursion of `shutil.rmtree`, which clears up after the tests."""
    yield
    subprocess.run(["rm", "-rf", str(classes / "dog" / "d")], check=True)


def test_links_pipes_and_deep_folders(classes, removed_by_hand):
    deep = str(classes / "dog")
    for _ in range(1200):
        deep += "/d"
        os.mkdir(deep)
    Path(deep, "deep.png").write_bytes((classes / "dog" / "0.png").read_bytes())
    (classes / "dog" / "round").symlink_to(classes, target_is_directory=True)
    (classes / "dog" / "link.png").symlink_to(classes / "dog" / "0.png")
    data = read(classes)
    assert sum(data.counts().values()) == 22 and any("links not followed" in note for note in data.notes)
    (classes / "dog" / "broken.png").symlink_to(classes / "nowhere")
    os.mkfifo(classes / "dog" / "pipe.png")
    data = read(classes, skip_bad=True)
    assert sum(data.counts().values()) == 22 and len(data.record["skipped"]) == 2


def test_names_of_files_never_break_the_line(tmp_path):
    odd = tmp_path / "cl\nass\x1b[31m"
    odd.mkdir()
    (odd / "new\nline.png").write_bytes(b"no")
    with pytest.raises(DataError) as error:
        read(tmp_path)
    assert "\n" not in str(error.value) and "\x1b" not in str(error.value)


# ------------------------------------------------------------------------------------------------------- arrays


@pytest.mark.parametrize("zipped", [True, False])
def test_idx_files(tmp_path, zipped):
    x, y = noise(0, 30, 5, 4), np.arange(30, dtype=np.uint8) % 3
    end = ".gz" if zipped else ""
    for start, rows in (("train", slice(0, 20)), ("t10k", slice(20, 30))):
        for kind, array in (("images-idx3", x[rows]), ("labels-idx1", y[rows])):
            data = idx(array)
            (tmp_path / f"{start}-{kind}-ubyte{end}").write_bytes(gzip.compress(data) if zipped else data)
    data = read(tmp_path, valid_share=0)
    assert data.counts() == {"train": 20, "test": 10}
    assert np.array_equal(data["train"].x[:, 0], x[:20]) and data["test"].y.tolist() == y[20:].tolist()
    assert read(tmp_path / f"train-images-idx3-ubyte{end}", valid_share=0, test_share=0).counts() == {"train": 20}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no idx header"),
        (b"\0\0\x0d\x03", "type 0x0d"),
        (b"\0\0\x08\x03\0\0", "cut short in its header"),
        (idx(noise(0, 3, 2, 2))[:-1], "the file holds 11"),
        (idx(noise(0, 3, 2, 2)) + b"x", "the file holds 13"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1), "the file holds 0"),
        (idx(noise(0, 3)), "holds labels"),
        (idx(np.zeros((0, 4, 4), np.uint8)), "holds no images"),
        (idx(np.zeros((2, 0, 4), np.uint8)), "has shape"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_broken_idx_files(tmp_path, data, said):
    path = tmp_path / "x.idx"
    path.write_bytes(data)
    with pytest.raises(DataError, match=said):
        read(path)
    path = tmp_path / "x.idx.gz"
    path.write_bytes(gzip.compress(data)[:-9])
    with pytest.raises(DataError, match="not a whole gzip"):
        read(path)


def test_npz_forms(tmp_path):
    x, y = noise(0, 12, 4, 4, 3), np.array(list("abcabcabcabc"))
    path = tmp_path / "x.npz"
    np.savez(path, x=x, y=y)
    data = read(path, valid_share=0, test_share=0)
    assert data.describe() == {"kind": "images", "size": [4, 4], "channels": 3, "classes": ["a", "b", "c"]}
    assert np.array_equal(data["train"].x, x.transpose(0, 3, 1, 2))
    np.savez_compressed(path, x_train=x[..., 0] / 255, y_train=np.arange(12) % 2 * 5, x_test=x[:2, ..., 0] / 255,
                        y_test=np.array([5.0, 0.0]))  # fmt: skip
    data = read(path, valid_share=0.25)
    assert data.counts() == {"train": 9, "valid": 3, "test": 2} and data.describe()["classes"] == ["0", "5"]
    assert data["test"].y.tolist() == [1, 0] and np.array_equal(data["test"].x[:, 0], x[:2, ..., 0])
    np.savez(path, x=np.asfortranarray(x))
    assert np.array_equal(read(path, valid_share=0, test_share=0)["train"].x, x.transpose(0, 3, 1, 2))
    assert read(path, size=2, channels=1)["train"].x.shape[1:] == (1, 2, 2)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.array([{}], dtype=object)}, "neither numbers nor text"),
        ({"z": np.zeros(3)}, "neither x nor x_train"),
        ({"x": np.zeros((3, 4))}, "has shape"),
        ({"x": np.full((3, 4, 4), np.nan)}, "finite"),
        ({"x": np.full((3, 4, 4), -0.5)}, "from -0.5 to -0.5"),
        ({"x": np.full((3, 4, 4), 300)}, "from 300 to 300"),
        ({"x": np.zeros((3, 4, 4)), "y": np.zeros(2)}, "3 images but 2 labels"),
        ({"x": np.zeros((3, 4, 4)), "y": np.full(3, 0.5)}, "not whole numbers"),
        ({"x_train": np.zeros((3, 4, 4)), "x_test": np.zeros((3, 5, 4))}, "has images of"),
        ({"x_train": np.zeros((3, 4, 4)), "y_train": np.zeros(3), "x_test": np.zeros((3, 4, 4))}, "some splits"),
        ({"x_train": np.zeros((3, 4, 4)), "y_train": np.zeros(3), "x_test": np.zeros((1, 4, 4)), "y_test": np.ones(1)},
         "label 1.0 is not among"),
    ],
)  # fmt: skip
def test_npz_that_cannot_be_used(tmp_path, arrays, said):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError, match=said):
        read(tmp_path / "x.npz")


def test_an_npz_header_that_claims_too_much_is_refused_before_memory_is_taken(tmp_path):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (10**13, 4, 4)})
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", stream.getvalue())
    with pytest.raises(DataError, match="the file holds 0 bytes"):
        read(tmp_path / "x.npz")


# ----------------------------------------------------------------------------------------------------- inputs


def test_inputs_are_made_as_in_training(classes, tmp_path, monkeypatch):
    describe = read(classes).describe()
    one = classes / "cat" / "2.png"
    found = read_inputs("images", describe, [str(one), str(classes / "dog")])
    names, x = found.names, found.values
    assert names[0] == str(one) and len(names) == 11 and x.shape == (11, 1, 5, 6) and x.dtype == torch.uint8
    assert np.array_equal(x[0, 0], noise(12, 5, 6))
    big = save(tmp_path / "big.jpg", noise(0, 50, 60, 3))
    assert read_inputs("images", describe, [str(big)]).values.shape == (1, 1, 5, 6)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(one.read_bytes())))
    found = read_inputs("images", describe, ["-"])
    names, x = found.names, found.values
    assert names == ["stdin"] and np.array_equal(x[0, 0], noise(12, 5, 6))
    (tmp_path / "bad.png").write_bytes(b"x")
    (tmp_path / "none").mkdir()
    for wrong in (["bad.png"], ["none"], ["nowhere.png"]):
        with pytest.raises(DataError):
            read_inputs("images", describe, [str(tmp_path / wrong[0])])
    with pytest.raises(DataError, match="no input"):
        read_inputs("images", describe, [])


# ----------------------------------------------------------------------------------------------------- named sets


def test_embedded_images():
    data = read("digits")
    assert data.counts() == {"train": 1437, "valid": 180, "test": 180}
    assert data["train"].x.max() == 255 and data.describe()["size"] == [8, 8]
    photos = read("photos")
    assert photos["train"].x.shape == (6100, 1, 32, 32) and photos["train"].y is None
    assert read("photos", size=16, channels=3)["valid"].x.shape[1:] == (3, 16, 16)
    with pytest.raises(DataError, match="no patch"):
        read("photos", size=500)


@pytest.mark.real_data("mnist")
def test_mnist_is_mnist():
    data = read("mnist", valid_share=0)
    assert data.counts() == {"train": 60_000, "test": 10_000}
    train = data["train"]
    assert torch.bincount(train.y).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert torch.bincount(data["test"].y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert train.x.double().mean().item() / 255 == pytest.approx(0.1306604762738429, abs=1e-12)
    assert train.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    drawn = read("mnist")
    assert drawn.counts() == {"train": 54_000, "valid": 6_000, "test": 10_000}
    share = torch.bincount(drawn["valid"].y) / torch.bincount(train.y)
    assert ((share - 0.1).abs() < 1e-3).all() and torch.equal(drawn["test"].x, data["test"].x)


@pytest.mark.real_data("fashion-mnist")
def test_fashion_mnist_is_fashion_mnist():
    data = read("fashion-mnist", valid_share=0)
    assert torch.bincount(data["train"].y).tolist() == [6000] * 10
    assert torch.bincount(data["test"].y).tolist() == [1000] * 10
    assert data["train"].x.double().mean().item() / 255 == pytest.approx(0.2860405969887955, abs=1e-12)
    assert data.describe()["classes"][0] == "T-shirt/top" and data.describe()["classes"][9] == "Ankle boot"


# Layouts and depths of one's own


def stripes(path, axis, low=1000, step=80, deep=True):
    grid = (np.indices((16, 16))[axis] // 2 % 2) * step + low
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grid.astype(np.uint16 if deep else np.uint8)).save(path)


def test_deep_files_keep_their_range_and_say_so(tmp_path):
    for name, axis in (("rows", 0), ("columns", 1)):
        for index in range(10):
            stripes(tmp_path / "scans" / name / f"{index}.png", axis)
    data = read(tmp_path / "scans")
    assert set(data["train"].x.unique().tolist()) == {0, 255} and data.facts["levels"] == [1000, 1080]
    assert any("grey levels 1,000 to 1,080" in note for note in data.notes)
    found = read_inputs("images", data.describe(), [str(tmp_path / "scans" / "rows" / "0.png")])
    assert set(found.values.unique().tolist()) == {0, 255}
    chosen = read(tmp_path / "scans", levels=(0.0, 4095.0))
    assert set(chosen["train"].x.unique().tolist()) == {62, 67}
    with pytest.raises(DataError, match="darker one first"):
        read(tmp_path / "scans", levels=(5.0, 5.0))


@pytest.mark.parametrize("names", [("training", "testing"), ("train", "test"), ("Train", "val"), ("training", "dev")])
def test_folders_of_splits_under_other_names(tmp_path, names):
    for split, count in zip(names, (6, 3), strict=True):
        for name, axis in (("rows", 0), ("columns", 1)):
            for index in range(count):
                stripes(tmp_path / "set" / split / name / f"{index}.png", axis, 0, 200, deep=False)
    data = read(tmp_path / "set", valid_share=0, test_share=0)
    assert data.facts["classes"] == ["columns", "rows"]
    assert sorted(data.counts().values()) == [6, 12]


def test_one_level_too_many_is_stepped_over_and_told(tmp_path):
    for name, axis in (("rows", 0), ("columns", 1)):
        for index in range(4):
            stripes(tmp_path / "set" / "images" / name / f"{index}.png", axis, 0, 200, deep=False)
    data = read(tmp_path / "set", valid_share=0, test_share=0)
    assert data.facts["classes"] == ["columns", "rows"]
    assert any("read from images, the only folder in set" in note for note in data.notes)


def test_linked_folders_are_followed_once(tmp_path):
    for name, axis in (("rows", 0), ("columns", 1)):
        for index in range(4):
            stripes(tmp_path / "store" / name / f"{index}.png", axis, 0, 200, deep=False)
    (tmp_path / "set" / "a").mkdir(parents=True)
    (tmp_path / "set" / "b").mkdir()
    (tmp_path / "set" / "a" / "link").symlink_to(tmp_path / "store" / "rows")
    (tmp_path / "set" / "a" / "round").symlink_to(tmp_path / "set" / "a")
    (tmp_path / "set" / "b" / "link").symlink_to(tmp_path / "store" / "columns")
    data = read(tmp_path / "set", valid_share=0, test_share=0)
    assert data.counts() == {"train": 8} and data.facts["classes"] == ["a", "b"]


def test_pictures_of_formats_that_are_not_read_are_named_as_such(tmp_path):
    for name, axis in (("rows", 0), ("columns", 1)):
        for index in range(4):
            stripes(tmp_path / name / f"{index}.png", axis, 0, 200, deep=False)
    (tmp_path / "rows" / "more.tif").write_bytes(b"II*\0")
    (tmp_path / "rows" / "notes.txt").write_text("x")
    notes = " ".join(read(tmp_path).notes)
    assert "1 .tif (a picture, but not of a format that is read)" in notes and "1 .txt" in notes
    with pytest.raises(DataError, match=r"only other files: 1 \.heic \(a picture, but not"):
        (tmp_path / "none").mkdir()
        (tmp_path / "none" / "a.heic").write_bytes(b"x")
        read(tmp_path / "none")


def test_labels_may_stand_in_a_table(tmp_path):
    for index in range(8):
        stripes(tmp_path / "set" / "pictures" / f"{index}.png", index % 2, 0, 200, deep=False)
    rows = ["id,label,split"] + [f"pictures/{i},{'ab'[i % 2]},{'test' if i > 5 else 'train'}" for i in range(8)]
    (tmp_path / "set" / "labels.csv").write_text("\n".join(rows) + "\n")
    data = read(tmp_path / "set", valid_share=0)
    assert data.counts() == {"train": 6, "test": 2} and data.facts["classes"] == ["a", "b"]
    (tmp_path / "set" / "labels.csv").write_text("\n".join(rows[:-1]) + "\npictures/9,a,train\n")
    report = check(("images",), str(tmp_path / "set"))
    said = " ".join(map(str, report.problems))
    assert "names 'pictures/9', which is not here" in said and "7.png: has no row in labels.csv" in said
