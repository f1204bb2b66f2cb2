"""Stretches of words that two texts share, against sets of tuples."""

import json

import numpy as np
import pytest
import torch

from deepcanon.data import dialogues, open_data
from deepcanon.data.near_copies import Stretches, numbered


def share(text, others, length):
    """By the definition."""
    seen = {tuple(other[at : at + length]) for other in others for at in range(len(other) - length + 1)}
    own = [tuple(text[at : at + length]) for at in range(len(text) - length + 1)]
    return sum(one in seen for one in own) / len(own) if own else 0.0


@pytest.mark.parametrize("length", [1, 3, 8])
def test_shares_are_those_of_sets(length):
    draw = np.random.default_rng(0)
    texts = [draw.integers(0, 2, draw.integers(0, 15)) for _ in range(60)]
    others = [draw.integers(0, 2, draw.integers(0, 15)) for _ in range(20)]
    found = Stretches(others, length).shares(texts)
    wanted = [share(text.tolist(), [other.tolist() for other in others], length) for text in texts]
    assert found.tolist() == pytest.approx(wanted)
    assert length == 1 or 0.05 < np.mean(wanted) < 0.95


def test_nothing_shares_nothing():
    assert Stretches([]).shares([np.arange(20)]).tolist() == [0.0]
    assert Stretches([np.arange(5)]).shares([np.arange(5), np.arange(0)]).tolist() == [0.0, 0.0]
    assert Stretches([np.arange(9)]).shares([]).tolist() == []


def test_words_are_numbered_whatever_their_case():
    known = {}
    first, second = numbered(["The cat, the Dog.", "a CAT"], known)
    assert first.tolist() == [0, 1, 2, 0, 3, 4] and second.tolist() == [5, 1]


def test_dialogues_that_are_nearly_in_train_are_told_and_kept_apart(tmp_path):
    ours, rest = "how are you today my friend i hope", "that all is well with your family and you"
    talks = {
        "train": [[f"{ours} {rest}", "thank you very much"], ["hello there", "good bye"]],
        "valid": [[f"{ours} {rest}", "thank you very little"]],
        "test": [["hello there", "good evening to you , old friend of mine"], [rest, "fine , thank you"]],
    }
    for split, some in talks.items():
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps({"turns": turns}) + "\n" for turns in some))
    found = dialogues.read(tmp_path)
    assert found["valid"].near.tolist() == [True] and found["test"].near.tolist() == [False, True]
    assert not found["train"].near.any() and not found["valid"].leaked.any()
    told = "dialogues of test that have a quarter or more of their stretches of 8 words in common with train: 1"
    assert told in found.notes
    taken = found["test"].take(torch.tensor([1]))
    assert taken.near.tolist() == [True]


@pytest.mark.parametrize(("copied", "told"), [(0, False), (2, False), (3, True), (30, True)])
def test_lines_of_a_text_that_are_in_train_are_told(tmp_path, copied, told):
    lines = [f"this is line number {i} of a text, which nobody wrote twice" for i in range(60)]
    (tmp_path / "train.txt").write_text("\n".join([*lines[:30], "Short.", ""]))
    (tmp_path / "valid.txt").write_text("short, and nothing that is long enough\n")
    (tmp_path / "test.txt").write_text("\n".join([*lines[:copied], *lines[30 + copied :], "Short.", ""]))
    notes = open_data(("text",), str(tmp_path)).notes
    wanted = f"lines of test of 30 characters or more that are in train too: {copied} of 30"
    assert (wanted in notes) == told and not any("lines of valid" in note for note in notes)


def test_rows_of_a_table_that_are_in_train_are_told(tmp_path):
    def write(split, rows):
        (tmp_path / f"{split}.csv").write_text("\n".join(["a,b,y", *rows, ""]))

    write("train", [f"{i},{i % 3 - 1}.0,{'no' if i % 2 else 'yes'}" for i in range(20)])
    # Equal but for how it is written, another target, another feature, and equal.
    write("valid", ["1,-0.0,no"])
    write("test", ["1.0,0,no", "2,1,no", "2,0,yes", "3,-1,no"])
    notes = open_data(("tables",), str(tmp_path)).notes
    assert "rows of test that are in train too, with features and target: 2 of 4" in notes
    assert "rows of valid that are in train too, with features and target: 1 of 1" in notes
    write("test", ["1.5,0,no"])
    write("valid", ["0,0,yes"])
    assert not any("in train too" in note for note in open_data(("tables",), str(tmp_path)).notes)
