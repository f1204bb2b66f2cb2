"""The form of poems and what of them is copied; poems end, begin afresh, and are read by paragraphs."""

import random

import pytest
import torch
from oracles import poem as oracle

import deepcanon
from deepcanon.data import DataError, open_data
from deepcanon.parts.vocabulary import Vocabulary
from deepcanon.sequence import PoemLM
from deepcanon.sequence.poem import (
    CLOSING,
    copied_lines,
    form,
    is_legal,
    lines_of,
    longest_copy,
    poem_nll,
    training_poems,
    writing_measures,
)

MOON = "床前明月光，疑是地上霜。舉頭望明月，低頭思故鄉。"
VERSE = "so much depends\nupon\n\na red wheel\nbarrow\n"


def test_lines_end_at_line_ends_and_in_han_at_full_stops_and_commas():
    assert lines_of(MOON) == ["床前明月光", "疑是地上霜", "舉頭望明月", "低頭思故鄉"]
    assert form(MOON) == (5, 5, 5, 5)
    assert form("床前明月光\n疑是、地上霜！") == (5, 5)
    assert lines_of("so  much, depends \n\nupon.") == ["so much, depends", "upon."]
    assert form("so much, depends\nupon.") == (3, 1)
    assert form("") == form(" \n") == ()


def test_a_form_is_legal_by_the_number_of_lines_and_by_their_lengths():
    forms = {form(MOON), (7, 7, 7, 7)}
    assert is_legal(MOON, forms)
    assert not is_legal(MOON[:-6], forms)  # three lines
    assert not is_legal(MOON.replace("霜", ""), forms)  # a line of four
    assert not is_legal("", forms)


def test_a_line_is_copied_whole_and_short_ones_are_not_counted():
    lines = set(lines_of(MOON)) | {"upon"}
    assert copied_lines("床前明月光，千山鳥飛絕。", lines) == ["床前明月光"]
    assert copied_lines("床前明月光千，疑是地上。", lines) == []
    assert copied_lines("upon", lines) == []


def test_the_longest_copy_is_that_of_trying_all():
    rng = random.Random(0)
    for _ in range(50):
        poem = "".join(rng.choices("abc", k=12))
        others = ["".join(rng.choices("abc", k=15)) for _ in range(3)]
        assert longest_copy(poem, others) == oracle.longest_copy(poem, others)


def test_copies_do_not_run_from_one_poem_into_the_next():
    assert longest_copy("abcd", ["ab", "cd"]) == "ab"


def test_training_poems_are_legal_copies_of_themselves():
    assert writing_measures([MOON], training_poems([MOON])) == {"legal": 1.0, "copied": 1.0, "longest_copy": 24.0}
    with pytest.raises(ValueError, match="no poem was written"):
        writing_measures([], training_poems([MOON]))


def test_padding_costs_nothing_and_each_poem_begins_afresh():
    torch.manual_seed(0)
    model = PoemLM(9, 6, closing=1)
    poems = torch.tensor([[3, 4, 5, 1], [6, 1, 0, 0]])
    inside = torch.tensor([[True] * 4, [True, True, False, False]])
    loss = poem_nll(model(poems[:, :-1]), poems, inside)
    apart = [poem_nll(model(row[None, :-1]), row[None], torch.ones(1, len(row), dtype=torch.bool)) * len(row)
             for row in (poems[0], poems[1, :2])]  # fmt: skip
    torch.testing.assert_close(loss, sum(apart) / 6)


def test_a_closing_character_is_the_end_and_is_kept_by_the_stored_vocabulary():
    vocabulary = Vocabulary.build("ab" + CLOSING, closing=CLOSING)
    assert vocabulary.end == vocabulary.number[CLOSING]
    assert Vocabulary.from_json(vocabulary.to_json()).end == vocabulary.end
    assert Vocabulary.build("ab").end is None
    with pytest.raises(ValueError, match="which is not one of the characters"):
        Vocabulary.build("ab", closing=CLOSING)


def test_paragraphs_are_documents(tmp_path):
    path = tmp_path / "verse.txt"
    path.write_text("\n" + VERSE + "  \n\nglazed\n")
    data = open_data(
        ("documents",), str(path), options={"documents": {"each": "paragraph", "valid_share": 0.0, "test_share": 0.0}}
    )
    assert data["train"].x == ["so much depends\nupon", "a red wheel\nbarrow", "glazed"]
    assert data.facts["unit"] == "paragraphs"


def poems(folder, count=40):
    """Two lines each, of which the second repeats the first backwards."""
    rng = random.Random(1)
    texts = []
    for _ in range(count):
        line = "".join(rng.choices("天地玄黃宇宙", k=4))
        texts.append(f"{line}，{line[::-1]}。")
    path = folder / "verse.txt"
    path.write_text("\n\n".join(texts))
    return path


def test_own_verse_is_learned_written_and_measured(tmp_path):
    path = poems(tmp_path)
    run = deepcanon.train(
        "poem", data=str(path), out=tmp_path / "run", hidden=32, embedding=32, batch=8, steps=150, learning_rate=1e-2,
        dropout=0.0, input_dropout=0.0, written=50, ngram=2,
    )  # fmt: skip
    assert run.metrics["valid/legal"] > 0.5
    assert run.metrics["valid/perplexity"] < 5  # six characters at four places in ten, the rest is determined
    written = run.generate(count=3, prompt="天地")
    assert all(one["text"].startswith("天地") and CLOSING not in one["text"] for one in written)
    (best,) = run.generate(beam=3, prompt="天")
    assert form(best["text"]) == (4, 4)
    told = []
    (one,) = run.generate(seed=1, tell=told.append)  # shown as it is drawn
    assert len(told) > 1 and "".join(told).strip() == one["text"].strip() and [one] == run.generate(seed=1)


def test_a_poem_that_is_too_long_is_named(tmp_path):
    path = poems(tmp_path)
    with pytest.raises(DataError, match=r"poem 1 of train has 10 characters.*raise --longest"):
        deepcanon.train("poem", data=str(path), out=tmp_path / "run", longest=9, steps=2)


def test_one_poem_is_enough(tmp_path):
    """Its end occurs once, and is kept though rare characters are not."""
    path = tmp_path / "one.txt"
    path.write_text("one two\n")
    run = deepcanon.train("poem", preset="smoke", data=str(path), out=tmp_path / "run", steps=2)
    assert run.recipe.vocabulary.symbols[run.recipe.vocabulary.end] == CLOSING
    assert CLOSING not in run.generate(count=1)[0]["text"]
