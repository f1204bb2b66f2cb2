"""Bags of words: order is nowhere, to the last bit; words once; words of the training documents only; limits."""

import math

import numpy as np
import pytest
import torch
from cases.bag_of_words import documents
from oracles import bag_of_words as oracle

import deepcanon
from deepcanon.data import open_data
from deepcanon.parts.bag_of_words import BagOfWords, shuffled, stratified_folds, words_of
from deepcanon.sequence import BagClassifier

METHODS = ("naive-bayes", "logistic", "nbsvm")
TEXTS = [
    "a fine fine film and a warm one", "warm and witty , not cold", "witty film , fine cast",
    "a cold film , not witty", "not a fine film", "dull and cold , cold cast",
]  # fmt: skip
LABELS = torch.tensor([1, 1, 1, 0, 0, 0])


def fitted(method, order=1, **options):
    bag = BagOfWords.build(TEXTS, 10**6, order=order, blanks=True)
    return bag, BagClassifier(method, **options).fit(bag.present(bag.pack(TEXTS)), LABELS)


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_the_words_changes_no_bit(method):
    bag, model = fitted(method)
    before = model(bag.present(bag.pack(TEXTS)))
    mixed = shuffled(TEXTS, torch.Generator().manual_seed(0))
    assert mixed != TEXTS and [sorted(t.split()) for t in mixed] == [sorted(t.split()) for t in TEXTS]
    assert torch.equal(model(bag.present(bag.pack(mixed))), before)
    # Pairs of words see the order.
    bag, model = fitted(method, order=2)
    assert not torch.equal(model(bag.present(bag.pack(mixed))), model(bag.present(bag.pack(TEXTS))))


def test_words_of_scripts_without_blanks_change_places_too():
    text = "我喜歡這部電影"
    (mixed,) = shuffled([text], torch.Generator().manual_seed(0), words_of)
    assert mixed.split() != list(text) and sorted(mixed.split()) == sorted(text)


@pytest.mark.parametrize("method", METHODS)
def test_dense_and_sparse_counts_and_repeated_words_are_the_same(method):
    bag, model = fitted(method)
    packed = bag.pack(TEXTS)
    dense = bag.counts(packed)
    assert dense.max() == 2, "a word occurs twice"
    torch.testing.assert_close(model(dense), model(bag.present(packed)))
    again = BagClassifier(method).fit(5 * dense, LABELS)
    assert torch.equal(again.weight_, model.weight_)


@pytest.mark.parametrize("method", METHODS)
def test_words_that_no_training_document_has_change_nothing(method):
    """The vocabulary of a fold is that of its training documents: more columns neither smooth nor weigh."""
    counts, labels = (torch.from_numpy(part) for part in documents(np.random.default_rng(1)))
    wide = torch.cat([counts, torch.zeros(len(counts), 50)], 1)
    narrow, other = (BagClassifier(method).fit(x, labels) for x in (counts, wide))
    torch.testing.assert_close(other.weight_[:, :8], narrow.weight_)
    assert not other.weight_[:, 7:].any()
    assert torch.equal(other(torch.cat([counts, torch.ones(len(counts), 50)], 1)), other(wide))


def test_naive_bayes_by_hand():
    """Wang and Manning's r: in six texts "fine" is in two good and one bad one."""
    bag, model = fitted("naive-bayes")
    good, bad = (sum(len(set(t.split())) for t in part) for part in (TEXTS[:3], TEXTS[3:]))
    size, place = len(bag), bag.number["fine"]
    expected = [math.log(2 / (bad + size)), math.log(3 / (good + size))]
    assert model.weight_[:, place].tolist() == pytest.approx(expected)
    assert model.bias_.tolist() == pytest.approx([math.log(0.5)] * 2)


def test_beta_goes_from_one_sign_for_all_words_to_the_support_vector_machine():
    counts, labels = documents(np.random.default_rng(2))
    x, y = torch.from_numpy(counts), torch.from_numpy(labels)
    r = oracle.log_shares([(counts[labels == c] > 0).sum(0)[:7] for c in (0, 1)], 1.0)
    ratio = torch.from_numpy(r[1] - r[0])
    mean = BagClassifier("nbsvm", beta=0.0).fit(x, y).weight_
    shares = (mean[1] - mean[0])[:7] / ratio
    torch.testing.assert_close(shares, shares[:1].expand(7))
    assert shares[0] > 0
    svm = (BagClassifier("nbsvm", beta=1.0).fit(x, y).weight_.diff(dim=0)[0][:7]) / ratio
    assert svm.std() > 0.1 * svm.mean()


@pytest.mark.parametrize("method", ["logistic", "nbsvm"])
def test_what_is_fitted_is_a_minimum(method):
    """A step in any direction raises the objective, as the oracle computes it."""
    counts, labels = documents(np.random.default_rng(4))
    f, y = (counts[:, :7] > 0) * 1.0, 2.0 * labels - 1
    r = oracle.log_shares([f[labels == c].sum(0) for c in (0, 1)], 1.0)
    scale = np.ones(7) if method == "logistic" else r[1] - r[0]
    loss = oracle.logistic if method == "logistic" else oracle.squared_hinge
    model = BagClassifier(method, beta=1.0, penalty=0.5, tolerance=1e-9).fit(*map(torch.from_numpy, (counts, labels)))
    w = (model.weight_[1] - model.weight_[0])[:7].numpy() / scale
    b = float(model.bias_[1] - model.bias_[0])

    def objective(w, b):
        return 0.25 * w @ w + loss(y * (f * scale @ w + b))[0].sum()

    rng = np.random.default_rng(0)
    for _ in range(50):
        step = rng.normal(size=8) * 1e-3
        assert objective(w + step[:7], b + step[7]) > objective(w, b)


def test_more_classes_than_two():
    counts, labels = (torch.from_numpy(part) for part in documents(np.random.default_rng(5), 90, classes=3))
    for method in METHODS:
        right = (BagClassifier(method).fit(counts, labels)(counts).argmax(1) == labels).double().mean()
        assert right > 0.6, f"{method}: {right:.2f} by chance 0.33"


def test_folds_are_stratified_and_hold_each_document_once():
    labels = torch.tensor([0] * 23 + [1] * 41)
    folds = stratified_folds(labels, 10, torch.Generator().manual_seed(1))
    counts = torch.stack([torch.bincount(folds[labels == c], minlength=10) for c in (0, 1)])
    assert counts.sum() == 64 and (counts.max(1).values - counts.min(1).values <= 1).all()
    assert (counts.sum(0).max() - counts.sum(0).min()) <= 1
    assert not torch.equal(folds, stratified_folds(labels, 10, torch.Generator().manual_seed(2)))


def test_folds_are_the_same_in_all_steps_and_their_mean_is_that_of_all_documents(tmp_path):
    """The held-out parts of the steps are a partition: each document is judged once, by a model without it."""
    rng = np.random.default_rng(0)
    for name, words in (("good", "fine warm witty film"), ("bad", "dull cold long film")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(30):
            text = " ".join(rng.choice(words.split() + ["a", "the", "it"], 4))
            (tmp_path / "data" / name / f"{i}.txt").write_text(text)
    given = {"folds": 5, "valid_share": 0.0, "test_share": 0.0, "method": "naive-bayes", "order": 1, "quiet": True}
    run = deepcanon.train("bag-of-words", data=tmp_path / "data", out=tmp_path / "run", **given)
    cut = deepcanon.train("bag-of-words", data=tmp_path / "data", out=tmp_path / "cut", steps=4, **given)
    assert not {"cv_accuracy", "cv_low"} & cut.evaluate("test").keys(), "one of five folds was not held out"
    recipe, seen, right = run.recipe, [], 0
    texts, y = recipe.run.data["train"].x, recipe.run.data["train"].y
    for step in range(5):
        recipe.run.step = step
        fold = recipe.fold()
        rows, held = (fold != step).nonzero()[:, 0], (fold == step).nonzero()[:, 0]
        bag = BagOfWords.build([texts[i] for i in rows], 10**6)  # with words of its own
        model = BagClassifier("naive-bayes").fit(bag.present(bag.pack(texts), rows), y[rows])
        right += int((model(bag.present(bag.pack(texts), held)).argmax(1) == y[held]).sum())
        seen += held.tolist()
    assert sorted(seen) == list(range(60))
    found = run.evaluate("test")
    assert found["cv_accuracy"] == pytest.approx(right / 60) and found["cv_accuracy"] > 0.8
    values = recipe.accuracy.numpy()
    half = 2.7764451 * values.std(ddof=1) * math.sqrt(1 / 5 + 1 / 4)  # Nadeau and Bengio 2003
    assert found["cv_high"] - found["cv_low"] == pytest.approx(2 * half, rel=1e-6)


@pytest.mark.real_data("rt-polarity")
def test_naive_bayes_gives_what_scikit_learn_gives_on_the_same_folds():
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB

    train = open_data(("documents",), "rt-polarity")["train"]
    bag, rows = BagOfWords.build(train.x, 10**6, blanks=True), torch.arange(len(train.y)) % 10
    packed, counter = bag.pack(train.x), CountVectorizer(tokenizer=str.split, token_pattern=None, binary=True)
    held, kept = (rows == 0).nonzero()[:, 0], (rows != 0).nonzero()[:, 0]
    theirs = MultinomialNB().fit(counter.fit_transform([train.x[i] for i in kept]), train.y[kept].numpy())
    expected = theirs.predict_log_proba(counter.transform([train.x[i] for i in held]))
    model = BagClassifier("naive-bayes").fit(bag.present(packed, kept), train.y[kept])
    ours = model(bag.present(packed, held)).log_softmax(1)
    torch.testing.assert_close(ours, torch.from_numpy(expected), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize(
    "make",
    [
        lambda: BagClassifier("svm"),
        lambda: BagClassifier(penalty=0.0),
        lambda: BagClassifier(beta=1.5),
        lambda: BagClassifier().fit(torch.ones(0, 2), torch.zeros(0, dtype=torch.int64)),
        lambda: BagClassifier().fit(torch.ones(2, 2), torch.tensor([0, 2])),
        lambda: BagClassifier()(torch.ones(2, 2)),
        lambda: BagClassifier().fit(torch.eye(2), torch.tensor([0, 1]))(torch.ones(2, 3)),
        lambda: stratified_folds(torch.zeros(4, dtype=torch.int64), 1),
    ],
)
def test_refusals(make):
    with pytest.raises(ValueError):
        make()
