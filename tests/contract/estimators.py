"""What scikit-learn's own checks run over: the systems that are fitted, and recipes; and what is excepted, and why."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import ClassifierTags, RegressorTags, TransformerTags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

import deepcanon
from deepcanon.foundations import LinearRegression, NaiveBayes
from deepcanon.representation import ICA, PCA, SparseCoding


def offers(method):
    return available_if(lambda self: hasattr(self.system, method))


class Direct(BaseEstimator):
    """A system that is fitted, held by a plain object: scikit-learn allows an estimator no attributes before `fit`,
    and a torch module has some. Inputs go through untouched: what refuses bad ones is the system itself."""

    def __init__(self, system=PCA, options=None):
        self.system, self.options = system, options

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = hasattr(self.system, "predict")
        if hasattr(self.system, "transform"):
            tags.transformer_tags = TransformerTags(preserves_dtype=[])
        elif hasattr(self.system, "predict_proba"):
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        else:
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        return tags

    def fit(self, X, y=None):
        if y is not None and hasattr(self.system, "predict_proba"):
            y = np.asarray(y)
            self.classes_, places = np.unique(y, return_inverse=True)
            y = places if y.dtype.kind in "OUS" else y  # classes that are names get numbers
        self.fitted_ = self.system(**(self.options or {})).fit(X, y)
        self.n_features_in_ = self.fitted_.n_features_in_
        return self

    def fitted(self):
        check_is_fitted(self)
        return self.fitted_

    @offers("transform")
    def transform(self, X):
        return self.fitted().transform(X)

    @offers("transform")
    def fit_transform(self, X, y=None):
        return self.fit(X, y).transform(X)

    @offers("predict_proba")
    def predict_proba(self, X):
        return self.fitted().predict_proba(X)

    @offers("predict")
    def predict(self, X):
        if hasattr(self.system, "predict_proba"):
            probabilities = self.predict_proba(X)
            return self.classes_[probabilities.argmax(1)]
        return self.fitted().predict(X)

    @offers("score")
    def score(self, X, y):
        return self.fitted().score(X, y)


ESTIMATORS = {
    "PCA": Direct(PCA),
    "PCA, white": Direct(PCA, {"whiten": "zca", "eps": 1e-3}),
    "ICA": Direct(ICA),
    "SparseCoding": Direct(SparseCoding, {"n_atoms": 4, "penalty": 0.1, "rounds": 5}),
    "NaiveBayes": Direct(NaiveBayes, {"distribution": "gaussian", "smoothing": 1e-6}),
    "LinearRegression": Direct(LinearRegression, {"ridge": 1e-3}),
    "pca": deepcanon.Estimator("pca", components=3),
    "pca, white": deepcanon.Estimator("pca", components=3, whiten="pca", eps=1e-3),
    "ica": deepcanon.Estimator("ica"),
    "rica": deepcanon.Estimator("rica", steps=10),
    "rbm": deepcanon.Estimator("rbm", steps=20, hidden=8),
    "naive-bayes": deepcanon.Estimator("naive-bayes"),
    "linear-regression": deepcanon.Estimator("linear-regression"),
}
EXCEPTIONS = {
    "NaiveBayes": {"check_supervised_y_2d": "asks for a warning where labels are a column; here they are refused"},
    "LinearRegression": {"check_supervised_y_2d": "asks for a warning where targets are a column; here they stay one"},
}
"""Checks that are expected to fail: of these estimators, these, for these reasons."""
