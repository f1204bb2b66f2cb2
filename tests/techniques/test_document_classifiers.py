"""Classifiers of documents: folds with words of their own, the effect of each word, given vectors, own files."""

import csv
import json
import math

import pytest
import torch

import deepcanon
from deepcanon.cli import deciding
from deepcanon.errors import UsageError
from deepcanon.parts.word_numbers import FIRST_WORD, WordNumbers
from deepcanon.techniques.document_classifiers import word_effects

SMALL = {"dimensions": 4, "filters": 3, "widths": (2,), "batch": 4, "steps": 16, "embedding_dropout": 0.0}
QUIET = {"threads": 1, "precision": "fp32", "device": "cpu", "quiet": True, "plain": True}


def reviews(path, count=24):
    """Documents with a word of their own each, and one that says the class."""
    rows = [(f"own{chr(97 + i)} a film that is {'good' if i % 2 else 'bad'} .", "np"[i % 2]) for i in range(count)]
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return str(path)


def trained(folder, **options):
    folder.mkdir(exist_ok=True)
    given = {"out": folder / "run", **SMALL, **QUIET, **options}
    return deepcanon.train("text-cnn", data=reviews(folder / "reviews.csv"), **given)


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("folds"), folds=3, valid_share=0.0, test_share=0.0, learning_rate=0.03)


def test_words_of_documents_that_are_held_out_are_unknown(folded):
    """The vocabulary of a fold is that of its own training documents."""
    recipe = folded.recipe
    texts = recipe.run.data["train"].x
    for fold in range(3):
        part = recipe.part(fold)
        rows = torch.cat([part.train, part.dev, part.test])
        assert sorted(rows.tolist()) == list(range(24)) and len(part.test) == 8 and len(part.dev)
        assert not set(part.dev.tolist()) & set(part.train.tolist())
        for row in part.test.tolist():
            numbers = recipe.numbered(fold)[row].tolist()
            assert numbers[0] == 1 and min(numbers[1:]) >= FIRST_WORD, texts[row]
        for row in part.train.tolist():
            assert min(recipe.numbered(fold)[row].tolist()) >= FIRST_WORD
    held = torch.cat([recipe.part(fold).test for fold in range(3)])
    assert sorted(held.tolist()) == list(range(24))
    # In the last training all documents but those that choose the epoch are learned from, and all words are known.
    assert not len(recipe.part(3).test) and len(recipe.known(3)) == len(recipe.numbers)


def test_each_fold_trains_a_model_of_its_own_and_is_tested_once(folded):
    found = folded.evaluate("test")
    assert found["folds_done"] == 3 and 0 <= found["cv_low"] <= found["cv_accuracy"] <= found["cv_high"]
    assert found["cv_accuracy"] == pytest.approx(folded.recipe.accuracy.mean().item())
    assert folded.recipe.run.steps == 4 * folded.recipe.span


def test_folds_need_documents_of_each_class(tmp_path):
    with pytest.raises(UsageError, match="12 training documents: --folds is 0 or from 2"):
        trained(tmp_path, folds=13, valid_share=0.0, test_share=0.0)


def test_effects_are_falls_of_the_log_odds():
    """Of a linear classifier with two classes they are its weights."""
    weights = torch.tensor([0.5, -1.0, 2.0])
    logits = torch.tensor([0.0, 1.5])
    without = torch.stack([torch.zeros(3), 1.5 - weights], 1)
    assert word_effects([torch.cat([logits[None], without])], [3]) == [weights.tolist()]
    # Three classes: p / (1 - p) of the chosen one.
    p = torch.tensor([0.2, 0.7, 0.1])
    q = torch.tensor([0.5, 0.3, 0.2])
    expected = math.log(0.7 / 0.3) - math.log(0.3 / 0.7)
    assert word_effects([torch.stack([p, q]).log()], [1]) == [[pytest.approx(expected)]]


def test_neighbours_that_are_left_out_together_share_the_effect():
    read = torch.tensor([[0.0, 1.0], [0.0, 0.0], [0.0, 0.5]])
    other = torch.tensor([[2.0, 0.0], [1.0, 0.0]])  # texts of several lengths, among them one without words
    found = word_effects([read, read[:1], other], [5, 0, 1])
    assert found == [pytest.approx([1 / 3, 1 / 3, 1 / 3, 0.25, 0.25]), [], [1.0]]


def test_predict_marks_the_words_that_decided(tmp_path):
    run = trained(tmp_path, steps=100, learning_rate=0.05)
    record = run.predict([str(write(tmp_path / "new.jsonl", "a good film indeed", "?"))])[0]
    assert record["label"] == "p" and [word["word"] for word in record["words"]] == ["a", "good", "film", "indeed"]
    assert max(record["words"], key=lambda word: word["effect"])["word"] == "good"
    assert record["words"][3]["effect"] == 0  # an unknown word that is read as an unknown word
    assert deciding.named(record["words"]).startswith("good +")
    empty = run.recipe.predict([" "])[0]
    assert empty["words"] == [] and deciding.told(empty["words"]) == "decided by: no word"
    assert run.recipe.figures()["words"].values is not None
    long = "a good film that is " * 60
    assert [len(words) for words in run.recipe.effects([long, "", "a"])] == [300, 0, 1]


def write(path, *texts):
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return path


def test_a_terminal_shows_words_on_colours(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    words = [{"word": w, "effect": e} for w, e in (("a", 0.0), ("good", 2.0), ("but", -0.6), ("end", 0.1))]
    assert deciding.told(words) == "a \x1b[97;48;5;28mgood\x1b[0m \x1b[97;48;5;52mbut\x1b[0m end"


def test_texts_are_measured_alike_one_by_one_and_together(folded):
    recipe = folded.recipe
    texts = ["a good film", "bad", "", *["a film that is bad ." * n for n in (1, 2, 3)]]
    together = recipe.of_texts(texts)
    torch.testing.assert_close(together, torch.cat([recipe.of_texts([text]) for text in texts]))


def test_given_vectors_begin_and_stay(tmp_path):
    table = write_vectors(tmp_path / "v.txt", {"good": (1, 2, 3), "bad": (-1, 0.5, 0), "elsewhere": (9, 9, 9)})
    run = trained(tmp_path, vectors=table, static=True)
    weight, number = run.module.embedding.weight, run.recipe.numbers.number
    assert weight.shape == (len(run.recipe.numbers), 3) and not weight[:2].any()
    assert weight[number["good"]].tolist() == [1, 2, 3] and weight[number["bad"]].tolist() == [-1, 0.5, 0]
    spread = torch.tensor([[1, 2, 3], [-1, 0.5, 0]]).std().item()
    assert 0 < weight[number["film"]].abs().max() <= math.sqrt(3) * spread + 1e-6
    run = trained(tmp_path / "more", vectors=table)
    assert run.module.embedding.weight[run.recipe.numbers.number["good"]].tolist() != [1, 2, 3]
    with pytest.raises(UsageError, match="--static keeps given vectors of words: it needs --vectors"):
        trained(tmp_path / "more", static=True, out=tmp_path / "other")


def write_vectors(path, vectors):
    path.write_text("".join(f"{w} {' '.join(map(str, v))}\n" for w, v in vectors.items()), encoding="utf-8")
    return str(path)


def test_words_are_runs_of_letters_marks_or_what_stands_between_blanks():
    text = "Don't stop_it: 3.5 stars!"
    assert WordNumbers([], "marks").split(text) == ["don't", "stop", "_", "it", ":", "3", ".", "5", "stars", "!"]
    assert WordNumbers([], "letters").split(text) == ["don't", "stop", "it", "stars"]
    assert WordNumbers([], "blanks", longest=2).split(text) == ["don't", "stop_it:"]
    numbers = WordNumbers.build(["b a a", "c b a"], most=2)
    assert numbers.words == ("a", "b") and numbers.encode("c a b").tolist() == [1, 2, 3] and len(numbers) == 4
    assert WordNumbers.padded([torch.tensor([2]), torch.tensor([], dtype=torch.int64)]).tolist() == [[2], [0]]
    with pytest.raises(ValueError, match="the kind of words"):
        WordNumbers([], "bytes")
