"""Rows of a sparse matrix, such as word counts: torch's CSR tensors, made without a dense copy; sums and products.

SciPy's matrices and torch's sparse tensors are both taken. Values that are stored twice for one place are added up.

    >>> import scipy.sparse, torch
    >>> from deepcanon.parts.sparse_rows import class_sums, csr_rows
    >>> rows = csr_rows(scipy.sparse.csr_matrix([[1, 0, 2], [0, 0, 3]]))
    >>> class_sums(rows, torch.tensor([0, 0]), 2).tolist(), (rows @ torch.ones(3, 1, dtype=torch.float64)).tolist()
    ([[1.0, 0.0, 5.0], [0.0, 0.0, 0.0]], [[3.0], [3.0]])
"""

import functools
import warnings
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

__all__ = ["class_sums", "csr_rows", "csr_tensor", "is_csr", "is_sparse", "rows_at", "rows_times", "with_values"]


def is_sparse(X: Any) -> bool:
    """Whether X is a matrix of SciPy's, or a tensor of torch's, that leaves zeros out."""
    return X.layout is not torch.strided if isinstance(X, Tensor) else hasattr(X, "tocsr")


def is_csr(X: Any) -> bool:
    """Whether X is a tensor as `csr_rows` gives it."""
    return isinstance(X, Tensor) and X.layout is torch.sparse_csr


def csr_rows(X: Any) -> Float[Tensor, "batch features"]:
    """The same matrix as a CSR tensor in float64; what SciPy holds as CSR in float64 is shared, not copied.

    Raises:
        ValueError: it has complex numbers, or not two axes.
    """
    if X.ndim != 2:
        raise ValueError(f"Expected 2D array [samples, features], got shape {tuple(X.shape)}")
    if isinstance(X, Tensor):
        if X.layout is not torch.sparse_csr:
            _hear_once()
            X = X.coalesce().to_sparse_csr() if X.layout is torch.sparse_coo else X.to_sparse_csr()
        return X if X.dtype == torch.float64 else with_values(X, lambda values: values.double())
    if X.dtype.kind == "c":
        raise ValueError("Complex data not supported")
    rows = X.tocsr()
    if not rows.has_canonical_format:
        rows = rows.copy()  # the caller's stays as it is
        rows.sum_duplicates()
    parts = [rows.indptr, rows.indices, rows.data]
    ends, columns, values = (torch.from_numpy(part if part.flags.writeable else part.copy()) for part in parts)
    return csr_tensor(ends, columns, values.double(), tuple(rows.shape))


def with_values(rows: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """The same places of a CSR tensor with other values."""
    return csr_tensor(rows.crow_indices(), rows.col_indices(), change(rows.values()), tuple(rows.shape))


def rows_at(rows: Num[Tensor, "batch ..."], indices: Int[Tensor, "some"]) -> Num[Tensor, "some ..."]:
    """Some rows, by number, of a dense tensor or of a CSR tensor, which stays one."""
    if not is_csr(rows):
        return rows.index_select(0, indices)
    ends, columns, values = rows.crow_indices(), rows.col_indices(), rows.values()
    starts, lengths = ends[indices].long(), ends.diff()[indices].long()
    after = lengths.cumsum(0)
    places = torch.arange(int(lengths.sum()), device=starts.device) + (starts - after + lengths).repeat_interleave(
        lengths
    )
    ends = torch.cat([after.new_zeros(1), after]).to(columns.dtype)
    return csr_tensor(ends, columns[places], values[places], (len(indices), rows.shape[1]))


def rows_times(weight: Float[Tensor, "classes features"]) -> Callable[[Tensor], Tensor]:
    """x @ weight.T as a function of rows x; sparse ones read a copy where the classes of a feature lie together."""
    together = weight.T.contiguous()
    return lambda x: x @ (together if is_csr(x) else weight.T)


def class_sums(
    rows: Float[Tensor, "batch features"], labels: Int[Tensor, "batch"], classes: int
) -> Float[Tensor, "classes features"]:
    """The sum of the rows of each class, dense: one addition for each value that is stored.

    Of whole numbers it is exact, and has the bits of the sums of dense rows.
    """
    features = rows.shape[1]
    small = classes * features < 2**31  # half the memory
    places = labels.to(torch.int32 if small else torch.int64).repeat_interleave(rows.crow_indices().diff())
    places = places.mul_(features).add_(rows.col_indices())
    return torch.bincount(places, rows.values(), classes * features).view(classes, features)


def csr_tensor(ends: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Of the places where rows begin and the last one ends, the columns of the values, and the values; not checked."""
    _hear_once()
    return torch.sparse_csr_tensor(ends, columns, values, size=shape, check_invariants=False)


@functools.cache
def _hear_once() -> None:
    """torch says once that its CSR tensors are in beta state; of them only products with dense matrices are used."""
    with warnings.catch_warnings(action="ignore"):
        torch.sparse_csr_tensor([0], [], [], size=(0, 0), check_invariants=False)
