"""Pictures: folders taken for classes, copies in several splits, classes that nobody judges, tables without names."""

import shutil

import numpy as np
import pytest
from PIL import Image

from deepcanon.cli import main
from deepcanon.data import DataError, open_data, read_inputs


@pytest.fixture
def folder(tmp_path):
    """Writes pictures that all differ, so many to each of some folders; returns the set."""
    noise = np.random.default_rng(0)

    def write(*places, count=3, ending="png"):
        for place in places:
            (tmp_path / "set" / place).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                pixels = noise.integers(0, 256, (6, 6), np.uint8)
                Image.fromarray(pixels).save(tmp_path / "set" / place / f"{index}.{ending}")
        return tmp_path / "set"

    return write


def read(path, **options):
    return open_data(("images",), str(path), options={"images": {"valid_share": 0.0, "test_share": 0.0, **options}})


def refusal(path):
    with pytest.raises(DataError) as error:
        read(path)
    return str(error.value)


@pytest.mark.parametrize("names", [("train_set", "test_set"), ("01-train", "02-valid"), ("TrainImages", "testimages")])
def test_folders_that_are_nearly_called_splits_are_no_classes(folder, names):
    said = refusal(folder(*(f"{name}/{label}" for name in names for label in "ab")))
    assert "split, and would be a class; call it t" in said and "the others likewise" in said


def test_classes_with_a_split_in_their_names_stay_classes(folder):
    assert read(folder("train station", "test tube", "car")).facts["classes"] == ["car", "test tube", "train station"]


def test_a_class_folder_of_other_files_is_told_what_is_in_it(folder):
    said = refusal(folder("a", ending="tif"))
    assert "without images, only other files: 3 .tif" in said and "save them as JPEG, PNG, WebP or BMP" in said


def test_pictures_that_are_in_two_splits_are_told(folder):
    path = folder("train/a", "train/b", "test/a", "test/b")
    assert "pixel by pixel" not in "\n".join(read(path).notes)
    shutil.copy(path / "train" / "a" / "0.png", path / "test" / "a" / "copy.png")
    assert "pictures of test that are in train too, pixel by pixel: 1" in "\n".join(read(path).notes)


def test_classes_that_a_split_has_no_picture_of_are_told(folder):
    folder("b", count=1)
    said = read(folder("a", count=9), valid_share=0.2).notes
    assert "no picture of valid is b: such a class is not judged by valid" in said


def test_classes_of_arrays_that_are_nearly_the_same_are_told(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((4, 5, 5), np.uint8), y=np.array(["a", "A ", "b", "b"]))
    assert "classes that are nearly the same, 'A ' and 'a', stay apart" in "\n".join(read(tmp_path / "x.npz").notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "0.png,a\n1.png,b\n2.png,a\n",
            "first line: names a picture (0.png), and is taken for the names of the columns",
        ),
        ("file,label\n0.PNG,a\n", "has no column that names pictures of the folder (its first row: 0.PNG, a)"),
    ],
)
def test_tables_of_labels_whose_names_are_not_found(folder, text, said):
    (folder(".") / "labels.csv").write_text(text)
    assert said in refusal(folder("."))


def test_an_input_has_one_remedy(folder):
    data = read(folder("a"))
    Image.fromarray(np.zeros((6, 6), np.uint16)).save(folder("a") / "deep.png")
    found = read_inputs("images", data.describe(), [str(folder("a"))])
    assert str(found.refused[0]).endswith("were not: save it with 8 bits")


def test_data_check_asks_for_classes_where_a_training_does(folder, capsys):
    assert main(["data", "check", "convnet", str(folder("."))]) == 2
    assert "a classifier needs labels: put the images into one folder per class" in capsys.readouterr().out
    assert main(["data", "check", "pca", str(folder("."))]) == 0
