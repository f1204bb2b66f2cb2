"""The confusion of a classifier: its shares, and which examples are kept of each cell."""

import numpy as np
import pytest
import torch

from deepcanon.engine import confusions
from deepcanon.engine.confusions import confusion_figure, kept_of_cells
from deepcanon.engine.figures import from_arrays, to_arrays
from deepcanon.engine.svg import draw

LABELS = torch.tensor([0, 0, 1, 1, 1])
LOGITS = torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 2.0], [0.0, 9.0], [5.0, 0.0]])


def test_shares_counts_and_examples_belong_together():
    texts = ["zero", "one <b>", "two\nlines", "three", "four"]
    figure = confusion_figure(LOGITS, LABELS, ["a", "b"], x=texts)
    kept = figure.examples
    assert figure.values.tolist() == [[0.5, 0.5], [pytest.approx(1 / 3), pytest.approx(2 / 3)]]
    assert kept.counts.tolist() == [[1, 1], [1, 2]] and sorted(kept.places.tolist()) == [0, 1, 2, 3, 4]
    by_place = dict(zip(kept.places.tolist(), zip(kept.cells.tolist(), kept.texts, strict=True), strict=True))
    assert by_place[4] == ([1, 0], "four") and by_place[2] == ([1, 1], "two\\nlines")
    expected = LOGITS.double().softmax(1).amax(1)[torch.as_tensor(kept.places)]
    assert kept.chances.tolist() == pytest.approx(expected.tolist())
    again = from_arrays(to_arrays(figure))
    assert draw(again) == draw(figure) and again.examples.texts == list(kept.texts)
    assert again.examples.cells.tolist() == kept.cells.tolist()


def test_the_surest_of_each_cell_are_kept_and_mistakes_come_first(monkeypatch):
    random = torch.Generator().manual_seed(0)
    labels, guesses = (torch.randint(0, 3, (500,), generator=random) for _ in range(2))
    chances = torch.rand(500, generator=random)
    kept = kept_of_cells(labels, guesses, chances, 600)
    for label in range(3):
        for guess in range(3):
            there = ((labels == label) & (guesses == guess)).nonzero()[:, 0]
            surest = there[chances[there].argsort(descending=True)][: confusions.OF_A_CELL]
            mine = [row for row in kept.tolist() if labels[row] == label and guesses[row] == guess]
            assert mine == surest.tolist()
    few = kept_of_cells(labels, guesses, chances, 8).tolist()
    cells = {(int(labels[row]), int(guesses[row])) for row in few}
    assert len(cells) == 8 and sum(label == guess for label, guess in cells) == 2, "six cells of mistakes before"
    assert len(kept_of_cells(labels[:0], labels[:0], chances[:0], 8)) == 0


@pytest.mark.parametrize(
    ("x", "found"),
    [(torch.zeros(5, 1, 8, 8, dtype=torch.uint8), "images"), (torch.ones(5, 2), "values"), (["a"] * 5, "texts"),
     (torch.zeros(5, 4, 8, 8, dtype=torch.uint8), ""), (torch.zeros(5, 3, 8), ""), (None, "")],
)  # fmt: skip
def test_what_can_be_seen_follows_from_the_form_of_the_inputs(x, found):
    kept = confusion_figure(LOGITS, LABELS, ["a", "b"], x=x, columns=["size", "weight"]).examples
    there = {
        name for name in ("images", "texts", "values") if getattr(kept, name) is not None and len(getattr(kept, name))
    }
    assert there == ({found} if found else set()) and len(kept.places) == 5


def test_many_large_pictures_take_a_megabyte():
    labels = torch.arange(2000) % 20
    x = torch.zeros(2000, 3, 64, 64, dtype=torch.uint8)
    kept = confusion_figure(torch.eye(20)[labels], labels, [str(k) for k in range(20)], x=x).examples
    assert kept.images.nbytes <= 1 << 20 and len(kept.images) == len(kept.cells) == confusions.LEAST
    assert np.asarray(kept.counts).sum() == 2000
