"""The API of scikit-learn for what is fitted, not trained: parameters as given, learned buffers, errors by name.

An estimator keeps its arguments under their own names, lists in `LEARNED` the buffers that `fit` fills (each ends in
`_`), and is a module: its state dict restores an unfitted instance, and an export holds what was learned.

    >>> import torch
    >>> from deepcanon.parts.estimators import Estimator, rows_of
    >>> class Mean(Estimator):
    ...     LEARNED = ("mean_",)
    ...     def __init__(self, *, shrink=0.0):
    ...         super().__init__()
    ...         self.shrink = shrink
    ...     def fit(self, X, y=None):
    ...         self.mean_ = (1 - self.shrink) * rows_of(X, "Mean").mean(0)
    ...         return self
    >>> Mean(shrink=0.5).fit([[1.0, 2.0], [3.0, 6.0]]).mean_, Mean(shrink=0.5)
    (tensor([1., 2.], dtype=torch.float64), Mean(shrink=0.5))
"""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Estimator", "NotFitted", "labels_of", "rows_of"]

T = TypeVar("T")


class NotFitted(ValueError, AttributeError):
    """Raised when an estimator is used before `fit`; both types, as scikit-learn's own."""


class Estimator(nn.Module):
    """A module whose buffers `LEARNED` are filled by `fit`; None before."""

    LEARNED: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        self._derived: tuple[Any, ...] = (None, None, None)
        for name in self.LEARNED:
            self.register_buffer(name, None)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_derived": (None, None, None)}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments, as they were given."""
        return {
            name: getattr(self, name) for name in inspect.signature(type(self).__init__).parameters if name != "self"
        }

    def set_params(self, **params) -> "Estimator":
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {type(self).__name__}; it has {sorted(known)}"
                )
            setattr(self, name, value)
        return self

    def check_fitted(self, features: int | None = None, given: tuple = ()) -> None:
        """Refuses use before `fit`, and inputs of the shape `given` with another number of features."""
        if any(getattr(self, name) is None for name in self.LEARNED):
            raise NotFitted(f"this {type(self).__name__} instance is not fitted yet: call fit with data first")
        if features is not None and (len(given) != 2 or given[1] != features):
            has = f"{given[1]} features" if len(given) == 2 else f"the shape {tuple(given)}"
            raise ValueError(f"X has {has}, but {type(self).__name__} is expecting {features} features as input")

    def derived(self, name: str, make: Callable[[], T]) -> T:
        """What `make` computes from the buffers: once, and again when one of them was replaced or written into."""
        held = tuple(getattr(self, buffer) for buffer in self.LEARNED)
        if torch.compiler.is_compiling() or any(tensor.is_inference() for tensor in held):  # which have no version
            return make()
        state = (name, *((id(tensor), tensor._version) for tensor in held))
        if self._derived[0] != state:
            self._derived = (state, held, make())  # the buffers are held, so that no other takes their place in memory
        return self._derived[2]

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())

    def _load_from_state_dict(self, state_dict, prefix, *rest) -> None:
        # The shapes are learned: an unfitted instance takes those of the saved one.
        for name in self.LEARNED:
            saved, mine = state_dict.get(prefix + name), getattr(self, name)
            if saved is not None and (mine is None or mine.shape != saved.shape):
                device = saved.device if mine is None else mine.device
                setattr(self, name, torch.empty_like(saved, device=device))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def rows_of(X: Any, who: str, at_least: int = 1, *, narrow: bool = False) -> Float[Tensor, "batch features"]:
    """An array, list or tensor [samples, features] in float64; refuses what is not a table of finite real numbers.

    Args:
        narrow: float32 stays float32, and whether values are finite is left to the caller, who computes with some rows
            at a time.
    """
    if hasattr(X, "toarray"):
        raise TypeError(f"{who} takes dense data; convert a sparse matrix with .toarray() first")
    if not isinstance(X, Tensor):
        X = np.asarray(X)
        if np.iscomplexobj(X):
            raise ValueError("Complex data not supported")
        kept = narrow and X.dtype == np.float32
        X = torch.from_numpy(np.require(X, np.float32 if kept else np.float64, "W"))
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array [samples, features], got shape {tuple(X.shape)}. Reshape your data: "
            "X.reshape(-1, 1) for one feature, X.reshape(1, -1) for one sample"
        )
    if X.shape[1] == 0:
        raise ValueError(f"0 feature(s) (shape={tuple(X.shape)}) while a minimum of 1 is required.")
    if len(X) < at_least:
        raise ValueError(f"Found array with {len(X)} sample(s) while a minimum of {at_least} is required.")
    X = X if narrow and X.dtype == torch.float32 else X.to(torch.float64)
    if narrow:
        return X
    if not bool(torch.isfinite(X.sum())) and not bool(torch.isfinite(X).all()):  # a finite sum means finite entries
        raise ValueError("Input X contains NaN or infinity")
    return X


def labels_of(y: Any, count: int, who: str) -> tuple[Tensor, list]:
    """Places of the labels among the sorted classes, and the classes: a name or a whole number for each row."""
    if y is None:
        raise ValueError(f"{who} requires y to be passed, but the target y is None")
    values = y.detach().cpu().numpy() if isinstance(y, Tensor) else np.asarray(y)
    if values.ndim != 1 or len(values) != count:
        raise ValueError(f"y has shape {values.shape}, but one label for each of {count} rows is needed")
    if values.dtype.kind == "c" or (values.dtype.kind == "f" and not np.isfinite(values).all()):
        raise ValueError("Input y contains NaN or infinity, or complex numbers")
    if values.dtype.kind == "f" and (values != np.rint(values)).any():
        raise ValueError("Unknown label type: continuous numbers are not classes")
    classes, places = np.unique(values, return_inverse=True)
    return torch.from_numpy(places.astype(np.int64)), classes.tolist()
