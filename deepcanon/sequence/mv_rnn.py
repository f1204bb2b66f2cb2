r"""Matrix-vector recursive network: every word and phrase has a vector, and a matrix that acts on its neighbour.

Paper: Socher, Huval, Manning and Ng, "Semantic Compositionality through Recursive Matrix-Vector Spaces", EMNLP 2012,
sections 2.1 to 2.5.

Legend: (a, A), (b, B) vector [d] and matrix [d, d] of the left and the right part; (p, P) of the phrase; W [d, 2d],
W_M [d, 2d]; U_w [d, r], V_w [r, d], a_w [d] of a word w; E the identity; g, G gradients at p and P.

(1) p = f(W [B a; A b] + bias): each matrix acts on the OTHER part's vector, left part first; f is tanh, or
    max(-1, min(x, 1)) as in the paper's logic
(2) P = W_M [A; B], the parts' matrices on top of each other
(3) a word's matrix is A = U_w V_w + diag(a_w), of low rank plus a diagonal
(4) at the start a_w = 1, U_w and V_w uniform in +-r, so that A is the identity and noise; W = W_M = [E E] / 2 + uniform
    +-1/(4 sqrt(d)), bias 0, vectors uniform in +-r
(5) with delta = g o f'(p) and [x; y] = W^T delta, of which x belongs to B a and y to A b:
    dE / da = B^T x,  dE / dB = x a^T + (W_M^T G)_2;  dE / db = A^T y,  dE / dA = y b^T + (W_M^T G)_1

"not" is a matrix here that turns what follows. With d = 1 and clipping, eqs. (1) and (2) hold propositional logic
exactly (the tests write the numbers down).

Departures: `rank` None keeps a full matrix for each word. The paper leaves (4) open but for the identity and its noise.

>>> from deepcanon.parts.trees import Trees
>>> net = MVRNN(words=4, size=3, rank=2)
>>> vectors = net(Trees.of([((0, 1), 2), 3]).forest())
>>> tuple(vectors.shape)
(6, 3)
"""

import math
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.trees import Composition, Forest, Weights, evaluate

__all__ = ["MVRNN", "MatrixComposition", "matrix_composition"]

Nonlinearity = Literal["tanh", "clip"]


def _bounded(sums: Tensor, nonlinearity: Nonlinearity) -> Tensor:
    return sums.tanh() if nonlinearity == "tanh" else sums.clamp(-1, 1)


def _apart(pairs: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """a [n, d, 1], A [n, d, d], b, B."""
    left, right = pairs.chunk(2, 1)
    parts = [(one[:, :size, None], one[:, size:].unflatten(1, (size, size))) for one in (left, right)]
    return *parts[0], *parts[1]


def matrix_composition(
    pairs: Float[Tensor, "n pair"],
    weight: Float[Tensor, "size twice"],
    bias: Float[Tensor, "size"],
    matrix_weight: Float[Tensor, "size twice"],
    nonlinearity: Nonlinearity = "tanh",
) -> Float[Tensor, "n state"]:
    """Eqs. (1) and (2) of n nodes; a state is the vector and the rows of the matrix, d + d^2 numbers.

    Raises:
        ValueError: the shapes do not fit.
    """
    size = len(weight)
    if pairs.ndim != 2 or pairs.shape[1] != 2 * (size + size * size) or weight.shape != matrix_weight.shape:
        shapes = f"weight {tuple(weight.shape)} and matrix_weight {tuple(matrix_weight.shape)}"
        raise ValueError(f"pairs {tuple(pairs.shape)} do not fit {shapes}")
    a, left, b, right = _apart(pairs, size)
    crossed = torch.cat([right @ a, left @ b], 1)[:, :, 0]
    vector = _bounded(nn.functional.linear(crossed, weight, bias), nonlinearity)  # (1)
    matrix = matrix_weight[:, :size] @ left + matrix_weight[:, size:] @ right  # (2)
    return torch.cat([vector, matrix.flatten(1)], 1)


class MatrixComposition(Composition):
    """Eqs. (1), (2) and (5).

    Args:
        nonlinearity: g of eq. (1).
    """

    rows = 256

    def __init__(self, nonlinearity: Nonlinearity) -> None:
        self.nonlinearity: Nonlinearity = nonlinearity

    def forward(self, pairs: Tensor, weights: Weights) -> Tensor:
        """The states of parents [n, S]; pairs [n, 2 S] are those of their two children, end to end."""
        weight, bias, matrix_weight = weights
        return matrix_composition(pairs, weight, bias, matrix_weight, self.nonlinearity)

    def backward(self, grad: Tensor, pairs: Tensor, states: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
        weight, _, matrix_weight = weights
        size = len(weight)
        vector = states[:, :size]
        slope = 1 - vector * vector if self.nonlinearity == "tanh" else (vector.abs() < 1).to(vector.dtype)
        delta, of_matrix = grad[:, :size] * slope, grad[:, size:].unflatten(1, (size, size))
        a, left, b, right = _apart(pairs, size)
        x, y = ((delta @ weight)[:, :, None]).chunk(2, 1)
        d_left = torch.baddbmm(matrix_weight[:, :size].T @ of_matrix, y, b.transpose(1, 2))
        d_right = torch.baddbmm(matrix_weight[:, size:].T @ of_matrix, x, a.transpose(1, 2))
        d_a, d_b = (right.transpose(1, 2) @ x)[:, :, 0], (left.transpose(1, 2) @ y)[:, :, 0]
        below = torch.cat([d_a, d_left.flatten(1), d_b, d_right.flatten(1)], 1)
        return torch.cat([delta, grad[:, size:]], 1), below

    def gradients(self, errors: Tensor, pairs: Tensor, states: Tensor, weights: Weights) -> tuple[Tensor, ...]:
        size = len(weights[0])
        found = [torch.zeros_like(weight) for weight in weights]
        for error, part in zip(errors.split(self.rows), pairs.split(self.rows), strict=True):
            a, left, b, right = _apart(part, size)
            crossed = torch.cat([right @ a, left @ b], 1)[:, :, 0]
            delta, of_matrix = error[:, :size], error[:, size:].unflatten(1, (size, size))
            found[0].addmm_(delta.T, crossed)
            found[1].add_(delta.sum(0))
            for side, matrix in zip(found[2].split(size, 1), (left, right), strict=True):
                side.add_(torch.tensordot(of_matrix, matrix, dims=([0, 2], [0, 2])))
        return tuple(found)


class MVRNN(nn.Module):
    """Vectors of all nodes of a forest.

    Args:
        words: rows of the tables.
        size: d of every vector, and of the sides of every matrix.
        rank: r of eq. (3); None: a full matrix for each word.
        nonlinearity: f of eq. (1).
        spread: r of eq. (4).

    Raises:
        ValueError: there is no such nonlinearity.
    """

    def __init__(
        self,
        words: int,
        size: int = 25,
        *,
        rank: int | None = 3,
        nonlinearity: Nonlinearity = "tanh",
        spread: float = 0.1,
        device=None,
        dtype=None,
    ):
        super().__init__()
        if nonlinearity not in ("tanh", "clip"):
            raise ValueError(f"nonlinearity {nonlinearity!r} is not 'tanh' or 'clip'")
        self.size, self.rank, self.spread = size, rank, spread
        self.nonlinearity: Nonlinearity = nonlinearity
        make = {"device": device, "dtype": dtype}
        self.vectors = nn.Parameter(torch.empty(words, size, **make))
        if rank is None:
            self.matrices = nn.Parameter(torch.empty(words, size * size, **make))
        else:
            self.diagonals = nn.Parameter(torch.empty(words, size, **make))
            self.factors = nn.Parameter(torch.empty(words, 2 * size * rank, **make))  # U_w and V_w
        self.weight = nn.Parameter(torch.empty(size, 2 * size, **make))
        self.bias = nn.Parameter(torch.empty(size, **make))
        self.matrix_weight = nn.Parameter(torch.empty(size, 2 * size, **make))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Eq. (4)."""
        nn.init.uniform_(self.vectors, -self.spread, self.spread)
        if self.rank is None:
            nn.init.uniform_(self.matrices, -self.spread, self.spread)
            self.matrices.unflatten(1, (self.size, self.size)).diagonal(dim1=1, dim2=2).add_(1)
        else:
            nn.init.ones_(self.diagonals)
            nn.init.uniform_(self.factors, -self.spread, self.spread)
        bound = 0.25 / math.sqrt(self.size)
        for weight in (self.weight, self.matrix_weight):
            nn.init.uniform_(weight, -bound, bound)
            for side in weight.split(self.size, 1):
                side.diagonal().add_(0.5)
        nn.init.zeros_(self.bias)

    def word_matrices(self, words: Tensor) -> Float[Tensor, "n size size"]:
        """Eq. (3)."""
        if self.rank is None:
            return nn.functional.embedding(words, self.matrices).unflatten(1, (self.size, self.size))
        factors = nn.functional.embedding(words, self.factors).unflatten(1, (2, -1))
        low = factors[:, 0].unflatten(1, (self.size, self.rank)) @ factors[:, 1].unflatten(1, (self.rank, self.size))
        return low + torch.diag_embed(nn.functional.embedding(words, self.diagonals))

    def leaves(self, words: Int[Tensor, "n"]) -> Float[Tensor, "n state"]:
        """The states of words: their vectors and their matrices."""
        return torch.cat([nn.functional.embedding(words, self.vectors), self.word_matrices(words).flatten(1)], 1)

    def composition(self) -> tuple[Composition, Weights]:
        """Eqs. (1) and (2) and their weights."""
        return MatrixComposition(self.nonlinearity), (self.weight, self.bias, self.matrix_weight)

    def forward(self, forest: Forest) -> Float[Tensor, "nodes size"]:
        """Eqs. (1) to (3) at every node, in the order of the forest; the vectors without the matrices."""
        rule, weights = self.composition()
        return evaluate(rule, self.leaves(forest.words), forest, *weights)[:, : self.size]
