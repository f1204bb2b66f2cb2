"""A recipe as a scikit-learn estimator: for pipelines, searches and cross-validation, on arrays in memory.

    codes = make_pipeline(StandardScaler(), deepcanon.Estimator("rica", overcomplete=2.0)).fit_transform(X)
    search = GridSearchCV(deepcanon.Estimator("mlp", epochs=20), {"learning_rate": [1e-3, 1e-2]}).fit(X, y)

Its methods follow from what the recipe declares: one that wants classes is a classifier (predict, predict_proba,
score), one that encodes is a transformer (transform), one that wants numbers is a regressor (predict, score).
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from scipy.sparse import csr_array, csr_matrix
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import ClassifierTags, RegressorTags, Tags, TransformerTags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from deepcanon import heads
from deepcanon.data import IN_MEMORY, as_inputs
from deepcanon.engine.classifier import Classifies
from deepcanon.engine.contract import Encodes, Predicts, Recipe
from deepcanon.errors import UsageError
from deepcanon.resolving import resolve, settle
from deepcanon.verbs import Trained, train, train_in_memory

if TYPE_CHECKING:  # scikit-learn's own has no types: every method under it would be Any
    M = TypeVar("M", bound=Callable[..., Any])

    def available_if(check: Callable[["Estimator"], bool]) -> Callable[[M], M]: ...

else:
    from sklearn.utils.metaestimators import available_if

__all__ = ["Estimator"]

NEEDED = "an estimator needs a recipe that learns from rows of numbers"


def _has(mixin: type) -> Callable[["Estimator"], bool]:
    return lambda self: issubclass(self._recipe()[1], mixin)


@functools.lru_cache
def _recipe(name: str) -> tuple[heads.Head, type[Recipe[Any]]]:
    try:
        head, module = resolve(name)
    except UsageError as error:
        raise ValueError(str(error)) from None
    return head, module.Recipe


@functools.lru_cache
def _kind(name: str) -> str:
    """What a recipe is for scikit-learn, which asks several times for each fit and prediction."""
    head, recipe = _recipe(name)
    if "tables" not in head.data:
        raise ValueError(f"{head.name} reads {' or '.join(head.data)}: {NEEDED}")
    if issubclass(recipe, Predicts) and recipe.wants == "classes":
        return "classifier"
    if issubclass(recipe, Encodes):
        return "transformer"
    if issubclass(recipe, Predicts):
        return "regressor"
    raise ValueError(f"{head.name} compares others: {NEEDED}")


@functools.lru_cache
def _takes(name: str, preset: str, options: tuple[tuple[str, Any], ...]) -> tuple[str, ...]:
    try:
        config, _ = settle(name, preset, {**dict(options), "data": IN_MEMORY})
    except UsageError:
        return ()
    return resolve(name)[1].Recipe.takes(config)


def _reading(takes: tuple[str, ...]) -> dict[str, Any]:
    """How scikit-learn checks rows; that they are finite is left to the reader, which names the place."""
    dtype = [np.float64, np.float32] if "float32" in takes else np.float64
    return {"dtype": dtype, "accept_sparse": "csr" if "sparse" in takes else False, "ensure_all_finite": False}


def _plain(X: Any, takes: tuple[str, ...]) -> bool:
    """Whether scikit-learn's checks would give the rows back as they are.

    Most of these look for data frames, and take as long as the answers of a small model.
    """
    sparse = "sparse" in takes and type(X) in (csr_array, csr_matrix)
    if not (type(X) is np.ndarray or sparse) or X.ndim != 2 or 0 in X.shape:
        return False
    return X.dtype == np.float64 or (X.dtype == np.float32 and "float32" in takes)


def _is(*kinds: str) -> Callable[["Estimator"], bool]:
    return lambda self: self._kind() in kinds


@contextlib.contextmanager
def _threads_kept() -> Iterator[None]:
    """A run sets the number of torch's threads, which belongs to the program that calls an estimator."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Estimator(BaseEstimator):
    """A recipe that is trained by `fit`.

    All rows train it (`valid_share` and `test_share` are 0), in fp32 on one thread, unless the options say otherwise
    (`threads=0` measures). Small networks gain nothing from more threads, searches run several fits at once, and on a
    busy machine two threads were 8 to 27 times slower; the number of torch's threads is left as it was. Nothing is
    written unless `out` says where; the weights stay with the estimator, which can be copied and pickled.

    Rows are float64; recipes that say so (`Recipe.takes`) read float32 as it is, and sparse matrices of SciPy of any
    form, as CSR, without a dense copy: naive Bayes that counts (`distribution="multinomial"` or `"bernoulli"`).

    Args:
        name: of a recipe that reads tables, as `deepcanon list` shows it.
        preset: the options to begin with.
        out: a new folder that keeps the run, for one fit.
        options: the recipe's own (as `deepcanon show NAME` lists them), and seed, steps, minutes, threads ...
    """

    run_: Trained

    def __init__(self, name: str, *, preset: str = "default", out: str | Path | None = None, **options: Any) -> None:
        self.name, self.preset, self.out = name, preset, out
        self._options = options

    # scikit-learn's API

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The recipe's name, preset and folder, and the options that were given."""
        return {"name": self.name, "preset": self.preset, "out": self.out, **self._options}

    def set_params(self, **params: Any) -> "Estimator":
        """An option that the recipe does not have is refused by `fit`, as one that was given at the beginning."""
        for name, value in params.items():
            if name in ("name", "preset", "out"):
                setattr(self, name, value)
            else:
                self._options[name] = value
        return self

    def _recipe(self) -> tuple[heads.Head, type[Recipe[Any]]]:
        return _recipe(str(self.name))

    def _kind(self) -> str:
        return _kind(str(self.name))

    def _takes(self) -> tuple[str, ...]:
        """Which rows the recipe takes as they are, by the options; none if those do not fit, which `fit` will say."""
        asked = self.name, self.preset, tuple(self._options.items())
        try:
            return _takes(*asked)
        except TypeError:  # an option is a list, which is no key of what is remembered
            return _takes.__wrapped__(*asked)

    def __sklearn_tags__(self) -> Tags:
        tags, kind = super().__sklearn_tags__(), self._kind()
        tags.estimator_type = kind
        tags.input_tags.sparse = "sparse" in self._takes()
        tags.target_tags.required = kind != "transformer"
        tags.classifier_tags = ClassifierTags() if kind == "classifier" else None
        tags.regressor_tags = RegressorTags() if kind == "regressor" else None
        tags.transformer_tags = TransformerTags(preserves_dtype=[]) if issubclass(self._recipe()[1], Encodes) else None
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "run_")

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return {**state, "run_": self.run_.learned()} if "run_" in state else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "run_" in state:
            with _threads_kept():
                self.run_ = Trained.of(state["run_"])

    # The verbs

    def fit(self, X: Any, y: Any = None) -> "Estimator":
        """Trains the recipe.

        Raises:
            ValueError: the rows, the targets or an option do not fit.
        """
        kind = self._kind()
        data: Any = self._checked(X, y, kind)
        options: dict[str, Any] = {"threads": 1, "precision": "fp32"}
        splits = {o.name: 0.0 for o in self._recipe()[0].options if o.name in ("valid_share", "test_share")}
        options |= {**splits, **self._options}
        try:
            with _threads_kept():
                if self.out:
                    self.run_ = train(self.name, preset=self.preset, out=self.out, data=data, quiet=True, **options)
                else:
                    self.run_ = train_in_memory(self.name, data, preset=self.preset, **options)
        except UsageError as error:
            raise ValueError(str(error)) from error
        return self

    def _checked(self, X: Any, y: Any, kind: str) -> Any:
        """Arrays that `train` understands: targets as places in `classes_`, or as floating point numbers."""
        takes = self._takes()
        how = {**_reading(takes), "ensure_min_samples": 2}
        if kind == "transformer":
            return validate_data(self, X, **how)
        whole = type(y) is np.ndarray and y.dtype.kind in "biu" and y.ndim == 1
        if whole and _plain(X, takes) and len(y) == X.shape[0] > 1:
            self.n_features_in_ = X.shape[1]
            self.__dict__.pop("feature_names_in_", None)
        else:
            X, y = validate_data(self, X, y, y_numeric=kind == "regressor", **how)
        if kind == "regressor":
            return X, y.astype(np.float64)
        if y.dtype.kind not in "biu":  # whole numbers are classes, whatever they are
            check_classification_targets(y)
        self.classes_, places = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"{self.name} needs at least two classes; y holds one")
        return X, places

    def _rows(self, X: Any) -> Any:
        check_is_fitted(self)
        takes = self.run_.recipe.takes(self.run_.config)
        if _plain(X, takes) and X.shape[1] == self.n_features_in_ and not hasattr(self, "feature_names_in_"):
            return X
        return validate_data(self, X, reset=False, **_reading(takes))

    @available_if(_has(Encodes))
    def transform(self, X: Any) -> np.ndarray:
        """The representation [N, K] of the rows."""
        rows = self._rows(X)
        return self.run_.encode(rows).cpu().numpy()

    @available_if(_has(Encodes))
    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        return self.fit(X, y).transform(X)

    @available_if(_has(Predicts))
    def predict(self, X: Any) -> np.ndarray:
        """Classes, or the number that the recipe predicts of each row."""
        rows = self._rows(X)
        if self._kind() == "classifier":
            return self.classes_[self._asked("scores", rows).argmax(1)]
        return np.array([record["value"] for record in self.run_.predict(rows)])

    @available_if(_is("classifier"))
    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of every class, in the order of `classes_`."""
        return self._asked("probabilities", self._rows(X))

    def _asked(self, what: str, rows: Any) -> np.ndarray:
        """What the recipe tells of each class [N, K], in the order of `classes_`."""
        recipe, run = self.run_.offers(Classifies), self.run_
        facts, takes = run.recipe.facts["reader"], run.recipe.takes(run.config)
        ask = getattr(recipe, what)
        with torch.no_grad():
            try:
                read = rows if "unchecked" in takes else as_inputs(facts, rows, takes)
                given = torch.from_numpy(np.require(read, None, "W")) if isinstance(read, np.ndarray) else read
                found = ask(given).cpu().numpy()
            except ValueError:
                as_inputs(facts, rows, takes)  # names the place of what is not finite
                raise
        # The recipe's classes are the places in `classes_`, as text, and in another order where there are over ten.
        names = facts["classes"]
        return found[:, np.argsort([int(name) for name in names])] if len(names) > 10 else found

    @available_if(_is("classifier", "regressor"))
    def score(self, X: Any, y: Any) -> float:
        """Accuracy, or R2."""
        return float((accuracy_score if self._kind() == "classifier" else r2_score)(y, self.predict(X)))
