"""Naive Bayes against scikit-learn's: fitting and predicting digits by their pixels, and words, CPU seconds.

    make bench NAME=naive-bayes          (MNIST under $DEEPCANON_DATA, or it is downloaded)

Gaussian and Bernoulli take pixels in [0, 1] (Bernoulli: above one half), multinomial takes them as counts. One thread,
the two alternating in one process. Both are given the same arrays in float64, which ours computes in; float32 stands
as well where scikit-learn keeps it. Words are those of sentences of film reviews (rt-polarity), all of them, as the
sparse matrix of scikit-learn's CountVectorizer. The quality is the share of equal predictions on other examples.
"""

import numpy as np
import sklearn
from record import cpu_seconds, interleaved, record, row_of_seconds
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB

from deepcanon.data import open_data
from deepcanon.foundations import NaiveBayes

ROUNDS, TARGET, EQUAL = 5, 1.0, 0.999
PAIRS = {
    "GaussianNB": (lambda: NaiveBayes("gaussian"), GaussianNB),
    "MultinomialNB": (lambda: NaiveBayes("multinomial"), MultinomialNB),
    "BernoulliNB": (lambda: NaiveBayes("bernoulli", threshold=0.5), lambda: BernoulliNB(binarize=0.5)),
}


def compare(name, train, test, kind):
    models, found = {}, {}

    def fit(who, make):
        return lambda: cpu_seconds(lambda: models.update({who: make().fit(*train)}))

    def predict(who):
        return lambda: cpu_seconds(lambda: found.update({who: models[who].predict(test[0])}))

    makes = dict(zip(("ours", "peer"), PAIRS[name], strict=True))
    variants = {("fit", who): fit(who, make) for who, make in makes.items()}
    variants |= {("predict", who): predict(who) for who in makes}
    interleaved(variants, 1)
    took = interleaved(variants, ROUNDS)
    same = float(np.mean(found["ours"] == found["peer"]))
    right = {who: float(np.mean(labels == test[1])) for who, labels in found.items()}
    assert same >= EQUAL, f"the ratio does not count: {same:.2%} of the predictions of {name} are equal"
    quality = (
        f"{same:.2%} of {len(test[1]):,} predictions equal; accuracy {right['ours']:.4f}, theirs {right['peer']:.4f}"
    )
    for verb, rows in (("fit", len(train[1])), ("predict", len(test[1]))):
        unit = f"CPU seconds to {verb} {rows:,} x {train[0].shape[1]}, {kind}"
        yield row_of_seconds(
            f"scikit-learn {name}", sklearn.__version__, unit, took[verb, "ours"], took[verb, "peer"], TARGET, quality
        )


def words():
    """Counts of the words of sentences, and their classes."""
    data = open_data(("documents",), "rt-polarity", options={"documents": {"valid_share": 0.0}})
    count = CountVectorizer().fit(data["train"].x)
    return [(count.transform(data[split].x).astype(float), data[split].y.numpy()) for split in ("train", "test")]


def main():
    data = open_data(("images",), "mnist", options={"images": {"valid_share": 0.0}})
    rows = []
    for kind in ("float64", "float32"):
        scaled = {
            split: (data[split].x.flatten(1).numpy().astype(kind) / 255, data[split].y.numpy())
            for split in ("train", "test")
        }
        for name in PAIRS:
            rows += compare(name, scaled["train"], scaled["test"], kind)
    for name in ("MultinomialNB", "BernoulliNB"):
        rows += compare(name, *words(), "sparse counts in float64")
    record("naive_bayes", rows)


if __name__ == "__main__":
    main()
