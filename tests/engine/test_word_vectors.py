"""The verbs of word vectors, by a toy with known ones."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from deepcanon import engine
from deepcanon.data import DataError
from deepcanon.data.splits import Dataset, Split
from deepcanon.engine.run import Run
from deepcanon.engine.word_vectors import FIRST, HoldsWords, svd_vectors
from deepcanon.options import Text
from deepcanon.parts.vocabulary import Vocabulary
from deepcanon.settings import Settings

TEXT = "King queen man woman\n" * 3 + "king man\n" * 2
VECTORS = {"king": (1.0, 0, 1), "queen": (1, 0, -1), "man": (0.2, 1, 1), "woman": (0.2, 1, -1)}


@dataclass(frozen=True, kw_only=True)
class Config(Text):
    dimensions: int = 3
    lowercase: bool = True
    minimum_count: int = 1
    vocabulary: int = 0
    similarities: str = ""
    analogies: str = ""


class Fixed(HoldsWords, engine.Recipe[Config]):
    state = ()
    parallel = "none: a toy"

    def build(self):
        self.vocabulary = Vocabulary.from_json(self.facts["vocabulary"])

    def vectors(self):
        return torch.tensor([VECTORS.get(word, (9.0, 9, 9)) for word in self.vocabulary.symbols])

    def plan(self):
        return 1

    def step(self, step):
        return {}

    def evaluate(self, split):
        return self.asked()


@pytest.fixture
def of(tmp_path):
    (tmp_path / "pairs.csv").write_text("word,word,score\nKing,queen,1\nman,woman,2\nking,man,3\nking,frog,4\n")
    (tmp_path / "questions.txt").write_text(": sex\nman woman king queen\nman woman frog toad\n: none\nking man a b\n")
    config = Config(similarities=str(tmp_path / "pairs.csv"), analogies=str(tmp_path / "questions.txt"))
    data = Dataset("text", {name: Split(TEXT) for name in ("train", "valid")}, {})
    facts = {**Fixed.learn(config, data), "reader": {"kind": "text"}}
    return Fixed(config, facts, Run(Settings(device="cpu", steps=1), None, lambda: data))


def test_facts_are_the_words_their_counts_and_the_questions(of):
    facts = of.facts
    assert of.words == ("king", "man", "queen", "woman")
    assert facts["counts"][FIRST:].tolist() == [5, 5, 3, 3]
    assert facts["similarities"][0] == ("king", "queen", 1.0)
    assert facts["analogies"] == {"sex": [["man", "woman", "king", "queen"], ["man", "woman", "frog", "toad"]],
                                  "none": [["king", "man", "a", "b"]]}  # fmt: skip
    data = Dataset("text", {"train": Split("a b c")}, {})
    with pytest.raises(DataError, match="lower --minimum-count"):
        Fixed.learn(Config(minimum_count=5), data)


def test_training_sentences_are_shuffled_and_others_are_not(of):
    text = of.sentences("valid")
    assert text.numbers.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 2 + [4] * 2
    mixed = of.sentences("train")
    assert sorted(mixed.words.tolist()) == sorted(text.words.tolist())
    assert bool((mixed.numbers.diff() >= 0).all()) and mixed.words.tolist() != text.words.tolist()


def test_what_is_asked_and_compared(of):
    found = of.asked()
    assert found["analogies"] == 1 and found["analogies_coverage"] == pytest.approx(1 / 3)
    assert found["similarity_coverage"] == 0.75
    other = of.compared(torch.eye(len(of.vocabulary)))  # all cosines are 0: no correlation
    assert other == {"ppmi_similarity": 0.0, "similarity_above_ppmi": pytest.approx(found["similarity"])}


def test_verbs(of):
    near, completed = of.predict(["King frog", "man woman king ?"])
    assert near["unknown"] == ["frog"] and "king" not in near["neighbours"]
    assert completed["label"] == "queen"
    codes = of.encode(["king queen", "frog"])
    assert codes.tolist() == [[1, 0, 0], [0, 0, 0]]
    assert torch.equal(of.encode(codes), codes)
    assert of.preprocess("KING").tolist() == [FIRST, 1]
    module = of.export().module
    assert torch.equal(module(torch.tensor([FIRST]))[0], torch.tensor(VECTORS["king"]))
    shown = of.figures()
    assert set(shown) == {"neighbours", "map", "analogies"}
    assert set(shown["map"].texts.values()) == {"king", "queen", "woman"}  # the frequent words of four letters or more
    assert shown["neighbours"].text.startswith("king ")
    assert "1 of      1 known,      1 skipped" in shown["analogies"].text


def test_vectors_of_the_largest_singular_values():
    random = np.random.default_rng(0)
    table = np.where(random.random((12, 12)) < 0.4, random.random((12, 12)), 0)
    rows, columns = map(torch.from_numpy, table.nonzero())
    values = torch.from_numpy(table[table.nonzero()])
    left, singular, _ = np.linalg.svd(table)
    for kept in (3, 99):  # of 12 at most 11
        vectors = svd_vectors(rows, columns, values, torch.ones(12), kept)
        count = min(kept, 11)
        expected = left[:, :count] * singular[:count] @ left[:, :count].T
        np.testing.assert_allclose((vectors @ vectors.T).numpy(), expected, atol=1e-8)
