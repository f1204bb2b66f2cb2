"""Matrices on the local page: a table of the figure's numbers whose cells open the examples that they count."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from serving.conftest import MARKUP, made

from deepcanon.engine.confusions import confusion_figure
from deepcanon.engine.figures import Examples, Heat
from deepcanon.engine.pictures import save_figures
from deepcanon.engine.svg import draw
from deepcanon.serving.matrices import cell_html, matrix_html, matrix_of

NAMES = [MARKUP, "dog"]
LABELS = torch.tensor([0, 0, 0, 1])
LOGITS = torch.tensor([[3.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, 9.0]])


def confusion(x, names=NAMES, **more):
    return confusion_figure(LOGITS, LABELS, names, x=x, **more)


@pytest.fixture(scope="module")
def run(runs) -> Path:
    folder = made(runs / "sorted")
    figures = {
        "words": confusion([MARKUP, "b", "c", "d"]),
        "pictures": confusion(torch.arange(4 * 12 * 12, dtype=torch.uint8).reshape(4, 1, 12, 12)),
        "strange": Heat(np.eye(2), "a", "b", examples=Examples(np.eye(3), [], [], [])),
    }
    save_figures(folder / "figures", 4, figures)
    return folder


@pytest.fixture
def get(run, ask):
    return lambda kind, name, **more: ask(
        f"{kind}/sorted?folder=figures&name={name}&step=4" + "".join(f"&{key}={value}" for key, value in more.items())
    )


def test_the_table_has_the_numbers_of_the_report(get):
    page = get("figure", "words").text
    told = dict(re.findall(r"aria-label='([^']*)'[^>]*>([.\d]+)<small>", page))
    assert "<svg" not in page and "<script" not in page and "&lt;script&gt;" in page and len(told) == 3
    assert told["true class dog, predicted class dog: 1 example"] == "1.00"
    assert sorted(told.values()) == [".33", ".67", "1.00"]
    assert all(f">{value}</text>" in draw(confusion(None))[0] for value in told.values())


def test_a_cell_opens_its_examples(get):
    opened = get("cell", "words", row=0, column=0).text
    assert "2 examples" in opened and "&lt;script&gt;alert(1)&lt;/script&gt; <small>95.3\u00a0%, example 1<" in opened
    assert "<script" not in opened and "example 3" in opened and "example 2" not in opened
    pictures = get("cell", "pictures", row=0, column=1).text
    assert pictures.count("<img src='data:image/png;base64,") == 1 and "73.1\u00a0%, example 2" in pictures
    assert "0 examples" in get("cell", "words", row=1, column=0).text


@pytest.mark.parametrize(
    ("name", "more", "status"),
    [("words", {"row": 2, "column": 0}, 404), ("words", {"row": -1, "column": 0}, 404), ("words", {"row": "x"}, 400),
     ("map", {"row": 0, "column": 0}, 404), ("none", {"row": 0, "column": 0}, 404),
     ("strange", {"row": 0, "column": 0}, 409)],
)  # fmt: skip
def test_what_is_no_cell_is_refused(get, name, more, status):
    assert get("cell", name, **more).status == status


def test_rows_of_a_table_are_shown_by_their_columns():
    values = torch.tensor([[1.5, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.25]])
    opened = cell_html(matrix_of(confusion(values, columns=["size", MARKUP])), 1, 1)
    assert "<th scope='col'>size</th>" in opened and "<td class='n'>8.25</td>" in opened and "<script" not in opened


def test_of_many_classes_the_most_frequent_mistakes_are_listed():
    names = [f"class {k}" for k in range(50)]
    labels = torch.arange(200) % 50
    guesses = torch.where(torch.arange(200) < 3, 7, labels)
    guesses[50] = 7
    matrix = matrix_of(confusion_figure(torch.eye(50)[guesses], labels, names, x=None))
    html = matrix_html(matrix, "<svg></svg>")
    assert re.findall(r">(class \d+ → class \d+)</button> <small>(\d+)", html) == [
        ("class 0 → class 7", "2"), ("class 1 → class 7", "1"), ("class 2 → class 7", "1"),
    ]  # fmt: skip
    assert html.startswith("<svg>") and matrix_of(Heat(np.eye(2), "a", "b")) is None
