"""Arrays instead of a path: the same data set as from a file, and what is refused."""

import numpy as np
import pytest
import torch

from deepcanon.data import IN_MEMORY, DataError, as_inputs, in_memory, open_data

X = np.random.default_rng(0).normal(size=(60, 3))
NAMES = np.array(["cat", "ant", "bee"])[np.arange(60) % 3]


def tables(*data, **options):
    return open_data(("tables",), in_memory(data if len(data) > 1 else data[0]), options={"tables": options})


def test_rows_are_the_table_that_a_file_of_them_would_be(tmp_path):
    path = tmp_path / "rows.csv"
    lines = [",".join(map(repr, row)) + f",{name}" for row, name in zip(X.tolist(), NAMES, strict=True)]
    path.write_text("\n".join(["x0,x1,x2,y", *lines]) + "\n")
    ours, theirs = tables(X, NAMES), open_data(("tables",), str(path))
    assert ours.describe() == theirs.describe() and ours.counts() == theirs.counts()
    for split in ("train", "valid", "test"):
        assert torch.equal(ours[split].x, theirs[split].x) and torch.equal(ours[split].y, theirs[split].y)
    assert ours.record["files"] == [IN_MEMORY]


def test_the_type_of_the_targets_says_what_they_are():
    whole = tables(X, np.arange(60) % 3 * 10 - 10)
    assert whole.facts["classes"] == ["-10", "0", "10"] and whole["train"].y.dtype == torch.int64
    assert tables(X, torch.arange(60) % 2 == 0).facts["classes"] == ["False", "True"]
    assert tables(X, NAMES.astype(object)).facts["classes"] == ["ant", "bee", "cat"]
    numbers = tables(X, np.arange(60.0)[:, None], valid_share=0.0, test_share=0.0)
    assert numbers.facts["classes"] is None and numbers["train"].y.tolist() == list(range(60))
    alone = tables(torch.from_numpy(X).float().requires_grad_())
    assert alone["train"].y is None and alone.facts["target"] == "" and "no target" in alone.notes[0]
    assert tables(X.tolist()).counts() == {"train": 48, "valid": 6, "test": 6}


def test_columns_bear_their_names():
    class Frame:
        columns = ("length", "width", "height")

        def __array__(self, *rest, **options):
            return X

    assert tables(Frame()).facts["columns"] == ["length", "width", "height"]


@pytest.mark.parametrize("shape", [(60, 8, 8), (60, 1, 8, 8), (60, 8, 8, 3)])
def test_pictures(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    data = open_data(("images", "tables"), (pixels, NAMES), options={"images": {"valid_share": 0.0, "test_share": 0.0}})
    assert data.kind == "images" and data["train"].x.dtype == torch.uint8
    assert data["train"].x.shape == (60, 3 if shape[-1] == 3 else 1, 8, 8)
    assert data.facts["classes"] == ["ant", "bee", "cat"] and data["train"].y[:3].tolist() == [2, 0, 1]
    assert torch.equal(as_inputs(data.describe(), pixels), data["train"].x)


def test_inputs_must_have_the_columns_of_the_training_data():
    about = tables(X, NAMES).describe()
    assert torch.equal(as_inputs(about, X), torch.from_numpy(X))
    kept = torch.ones(2, 9)
    assert as_inputs(about, kept) is kept
    with pytest.raises(DataError, match=r"rows \[N, 3\]"):
        as_inputs(about, X[:, :2])


def spoiled(value):
    x = X.copy()
    x[4, 1] = value
    return x


class Sparse:
    def toarray(self):
        return X


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (X[0], r"x: has shape \(3,\)"),
        (X[:0], r"x: has shape \(0, 3\)"),
        ((X, NAMES[:-1]), r"y: has shape \(59,\); give one label for each of 60 rows"),
        ((X, np.ones((60, 2))), "y: has shape"),
        (Sparse(), "sparse"),
        (X + 1j, "complex"),
        (spoiled(np.nan), r"x\[4, 1\]: is NaN"),
        (spoiled(1e200), r"x\[4, 1\]: is 1e\+200, not finite"),
        (np.array([["a", "b"], ["c", "d"]]), "x: holds what is not a number"),
        ((X, np.where(np.arange(60) == 3, np.nan, 1.0)), "y: holds NaN"),
        ((X, np.array([1, "a", None] * 20, dtype=object)), "y: mixes labels"),
        (np.ones((60, 8, 8)), "which is a set of images, but the recipe reads tables"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(data, said):
    with pytest.raises(DataError, match=said) as error:
        open_data(("tables",), data)
    assert "\n" not in str(error.value) and str(error.value).startswith(IN_MEMORY)
