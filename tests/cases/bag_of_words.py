import numpy as np
import torch
from contract.cases import Case
from oracles import bag_of_words as oracle

from deepcanon.sequence import BagClassifier
from deepcanon.sequence.bag_of_words import log_shares


def documents(rng, count=30, classes=2):
    """Counts of 8 words, of which each class likes some, the last one is never used; labels."""
    labels = np.arange(count) % classes
    rates = 0.3 + 1.2 * (np.arange(7)[None] % classes == np.arange(classes)[:, None])
    return np.hstack([rng.poisson(rates[labels]), np.zeros((count, 1))]).astype(float), labels


def fitted(classes, *args, **options):
    counts, labels = documents(np.random.default_rng(3), classes=classes)
    return BagClassifier(*args, **options, tolerance=1e-12).fit(torch.from_numpy(counts), torch.from_numpy(labels))


def expected(classes, *args, **options):
    counts, labels = documents(np.random.default_rng(3), classes=classes)
    return lambda params, new: oracle.scores(counts, labels, new, *args, **options)


def new(rng):
    return (rng.poisson(0.7, size=(9, 8)).astype(float),)


VARIANTS = {
    "bayes": (2, "naive-bayes"),
    "bayes_three": (3, "naive-bayes"),
    "logistic": (2, "logistic"),
    "logistic_three": (3, "logistic"),
    "nbsvm": (2, "nbsvm"),
    "nbsvm_three": (3, "nbsvm"),
}
CASES = tuple(
    Case(
        f"bag_of_words_{name}",
        lambda given=given: fitted(*given, penalty=2.0),
        new,
        expected(*given, penalty=2.0),
        covers=("BagClassifier",),
        skips={"gradients": "nothing is trained by gradients", "gradcheck": "binarised inputs have none"},
    )
    for name, given in VARIANTS.items()
)
FUNCTIONS = (
    Case(
        "log_shares",
        None,
        lambda rng: (rng.poisson(2.0, size=(2, 6)).astype(float),),
        lambda params, present: oracle.log_shares(present, 1.0),
        call=log_shares,
    ),
)
