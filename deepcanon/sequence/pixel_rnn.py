r"""PixelRNN and PixelCNN: the probability of a picture, pixel by pixel, each from those above it and to its left.

Paper: van den Oord, Kalchbrenner and Kavukcuoglu, "Pixel Recurrent Neural Networks", ICML 2016 (arXiv:1601.06759).

Legend: x a picture of C colours and H rows of W pixels; i row, j column; k a level of a colour; h features; * a
convolution over a row, with a bias; s a map of features [2 h, H, W]; M_A, M_B the masks.

(1) p(x) = prod_{i, j} prod_c p(x_{c, i, j} | all pixels before (i, j) in raster order, colours before c at (i, j))
(2) M_A keeps of a convolution what lies before a place, and at the place itself the colours before its own;
    M_B its own too. M_A stands in the first layer only; features are split into C groups, one for each colour
(3) s = (M_A 7 x 7) x, then some residual layers of one kind, s <- s + up(g(s)), and p = last(relu(head(relu(s))))
    with up, head and last of 1 x 1 under M_B
(4) PixelCNN:    g(s) = relu((M_B 3 x 3) relu((M_B 1 x 1) relu(s)))
(5) Row LSTM:    a_i = (M_B 1 x 3) * s_i + K * h_{i-1}, K of size 3: a triangle of what is above
(6) diagonal:    a_{i, j} = (M_B 1 x 1) s_{i, j} + K_0 h_{i, j-1} + K_1 h_{i-1, j}: all that is above and to the left
(7) both:        i, f, o = sigmoid(i), sigmoid(f), sigmoid(o), g = tanh(g);  c = f c' + i g, c' the memory where h_{i-1}
                 or h_{i, j-1} comes from;  h = o tanh(c);  g(s) = h
(8) diagonal, both ways: the same from the right with weights of its own, and its map shifted down by a row, since at
    (i, j) it has seen what is to the right in row i; the two maps are added

The diagonals of (6) are the columns of a picture whose row i is shifted to the right by i: one step of a recurrence
over lines each (`parts/recurrence_on_lines`). Outside of the picture h and c are zero.

Departures: a picture of two levels has one logit for each pixel (a Bernoulli variable) instead of two. Levels are
scaled to [-1, 1]. Gates lie in the order i, f, o, g, and the forget gate begins with a bias of 1 (Jozefowicz et al.
2015). As in the paper, the first pixel of a row cannot see the end of the row above it if the 7 x 7 filter does not
reach that: the map from the right ends there with what is before the last pixel.

>>> net = PixelRNN(1, features=4, layers=1, layer="diagonal")
>>> net(torch.zeros(2, 1, 5, 6)).shape, net.nll(torch.zeros(2, 1, 5, 6, dtype=torch.long)).shape
(torch.Size([2, 1, 5, 6]), torch.Size([2]))
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.progress import told
from deepcanon.parts.recurrence import scan
from deepcanon.parts.recurrence_on_lines import recur_on_lines
from deepcanon.parts.sampling import sample
from deepcanon.sequence.lstm import LSTMRule

__all__ = ["DiagonalLSTM", "MaskedConv2d", "PixelConvolutions", "PixelRNN", "RowLSTM", "shift_down"]

Layer = Literal["cnn", "row", "diagonal"]
GATES = 4


class MaskedConv2d(nn.Module):
    """A convolution that sees what lies before a place in raster order, equation (2).

    Args:
        in_channels, out_channels: at least one for each colour; group k of C is that of colour k.
        kernel_size: height and width, odd.
        kind: "A" or "B".
        colours: C.
        blocks: the outputs are this many blocks, as the gates are, each of `colours` groups.

    Raises:
        ValueError: there are fewer channels than colours, or a side of the kernel is even.
    """

    mask: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: tuple[int, int] = (1, 1), kind: str = "B", *,
        colours: int = 1, blocks: int = 1, device=None, dtype=None,
    ) -> None:  # fmt: skip
        super().__init__()
        made = {"device": device, "dtype": dtype}
        height, width = kernel_size
        if min(in_channels, out_channels // blocks) < colours or out_channels % blocks:
            raise ValueError(f"{in_channels} and {out_channels} channels leave a group of {colours} colours empty")
        if height % 2 == 0 or width % 2 == 0 or kind not in ("A", "B"):
            raise ValueError(f"a mask has odd sides and kind A or B, not {height} x {width} and {kind!r}")
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, height, width, **made))
        self.bias = nn.Parameter(torch.zeros(out_channels, **made))
        colour_in = torch.arange(in_channels) * colours // in_channels
        colour_out = (torch.arange(out_channels // blocks) * colours * blocks // out_channels).repeat(blocks)
        mask = torch.zeros(out_channels, in_channels, height, width)
        mask[:, :, : height // 2] = 1
        mask[:, :, height // 2, : width // 2] = 1
        before = colour_in < colour_out[:, None] if kind == "A" else colour_in <= colour_out[:, None]
        mask[:, :, height // 2, width // 2] = before.float()
        self.register_buffer("mask", mask.to(self.weight))
        seen = max(1.0, float(mask.flatten(1).sum(1).mean()))
        nn.init.uniform_(self.weight, -math.sqrt(3 / seen), math.sqrt(3 / seen))  # unit variance of what is seen

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch n height width"]:
        """Maps of the size of those that come in."""
        height, width = self.weight.shape[2:]
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=(height // 2, width // 2))


class PixelConvolutions(nn.Module):
    """g of equation (4).

    Args:
        features: h.
        colours: C.
    """

    def __init__(self, features: int, *, colours: int = 1, device=None, dtype=None) -> None:
        super().__init__()
        made = {"colours": colours, "device": device, "dtype": dtype}
        self.narrow = MaskedConv2d(2 * features, features, **made)
        self.near = MaskedConv2d(features, features, (3, 3), **made)

    def forward(self, s: Float[Tensor, "batch double height width"]) -> Float[Tensor, "batch features height width"]:
        """h features of each place, from 2 h of it and of those before it."""
        return F.relu(self.near(F.relu(self.narrow(F.relu(s)))))  # (4)


class RowLSTM(nn.Module):
    """g of equations (5) and (7), row by row from the top.

    Args:
        features: h.
        colours: C.
    """

    def __init__(self, features: int, *, colours: int = 1, device=None, dtype=None) -> None:
        super().__init__()
        made = {"device": device, "dtype": dtype}
        self.inputs = MaskedConv2d(2 * features, GATES * features, (1, 3), colours=colours, blocks=GATES, **made)
        self.weight = _recurrent(features, 3, made)
        _forget(self.inputs.bias, features)

    def forward(self, s: Float[Tensor, "batch double height width"]) -> Float[Tensor, "batch features height width"]:
        """h features of each place, from 2 h of it and of those before it."""
        sums = self.inputs(s).permute(0, 2, 3, 1)
        return _recur(sums, self.weight, (-1, 0, 1)).permute(0, 3, 1, 2)


class DiagonalLSTM(nn.Module):
    """g of equations (6) to (8).

    Args:
        features: h.
        both: whether (8) adds the map from the right.
        colours: C.
    """

    def __init__(self, features: int, *, both: bool = True, colours: int = 1, device=None, dtype=None) -> None:
        super().__init__()
        made = {"device": device, "dtype": dtype}
        ways = ["left", "right"][: 1 + both]
        self.inputs, self.weights = nn.ModuleDict(), nn.ParameterDict()
        for way in ways:
            inputs = MaskedConv2d(2 * features, GATES * features, colours=colours, blocks=GATES, **made)
            _forget(inputs.bias, features)
            self.inputs[way], self.weights[way] = inputs, _recurrent(features, 2, made)

    def forward(self, s: Float[Tensor, "batch double height width"]) -> Float[Tensor, "batch features height width"]:
        """h features of each place, from 2 h of it and of those before it."""
        found = self._one("left", s)
        if "right" in self.inputs:
            found = found + shift_down(self._one("right", s.flip(3)).flip(3))  # (8)
        return found

    def _one(self, way: str, s: Tensor) -> Tensor:
        sums = self.inputs[way](s).permute(0, 2, 3, 1)
        return _recur(sums, self.weights[way], (0, -1), diagonals=True).permute(0, 3, 1, 2)


LAYERS: dict[str, type[nn.Module]] = {"cnn": PixelConvolutions, "row": RowLSTM, "diagonal": DiagonalLSTM}


def shift_down(maps: Float[Tensor, "batch n height width"]) -> Float[Tensor, "batch n height width"]:
    """Each row where the next one was; the first is zero."""
    return F.pad(maps, (0, 0, 1, 0))[:, :, :-1]


class PixelRNN(nn.Module):
    """Logits of each pixel's levels from the pixels before it, equations (1) to (3).

    Args:
        channels: C.
        levels: of a colour, whole numbers from 0; 2 has one logit.
        features: h, at least C.
        layers: residual layers.
        layer: "cnn", "row" or "diagonal".
        head: features between the residual layers and the logits. Default: 2 h.

    Raises:
        ValueError: there are fewer features than colours, or there is one level.
    """

    def __init__(
        self, channels: int = 1, *, levels: int = 2, features: int = 16, layers: int = 7, layer: Layer = "cnn",
        head: int = 0, device=None, dtype=None,
    ) -> None:  # fmt: skip
        super().__init__()
        if levels < 2:
            raise ValueError(f"{levels} levels leave nothing to predict")
        made: dict = {"colours": channels, "device": device, "dtype": dtype}
        self.channels, self.levels = channels, levels
        wide, outputs = head or 2 * features, channels * (levels if levels > 2 else 1)
        self.first = MaskedConv2d(channels, 2 * features, (7, 7), "A", **made)
        self.layers = nn.ModuleList(LAYERS[layer](features, **made) for _ in range(layers))
        self.up = nn.ModuleList(MaskedConv2d(features, 2 * features, **made) for _ in range(layers))
        self.head = MaskedConv2d(2 * features, wide, **made)
        self.last = MaskedConv2d(wide, outputs, **made)
        self.reach = 3 + layers if layer == "cnn" else 0
        """Rows above a pixel that it can see; 0: all of them."""

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch *levels c height width"]:
        """Logits [N, C, H, W] of level 1 for two levels, else [N, levels, C, H, W].

        Args:
            x: levels scaled to [-1, 1], see `scaled`.
        """
        if x.ndim != 4 or x.shape[1] != self.channels:
            raise ValueError(f"pictures {tuple(x.shape)} are not [batch, {self.channels}, height, width]")
        s = self.first(x.contiguous(memory_format=torch.channels_last))  # places of all features are neighbours
        for layer, up in zip(self.layers, self.up, strict=True):
            s = s + up(layer(s))
        logits = self.last(F.relu(self.head(F.relu(s))))  # (3)
        if self.levels == 2:
            return logits
        return logits.unflatten(1, (self.channels, self.levels)).transpose(1, 2)

    def scaled(self, values: Int[Tensor, "batch channels height width"]) -> Tensor:
        """Levels 0 .. levels - 1 as numbers from -1 to 1."""
        return values.to(self.first.weight.dtype) * (2 / (self.levels - 1)) - 1

    def nll(self, values: Int[Tensor, "batch channels height width"]) -> Float[Tensor, "batch"]:
        """-log p of each picture in nats by (1): the sum over its pixels and colours."""
        logits = self(self.scaled(values))
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if self.levels == 2:
            nats = F.binary_cross_entropy_with_logits(logits, values.to(logits), reduction="none")
        else:
            nats = F.cross_entropy(logits, values.long(), reduction="none")
        return nats.flatten(1).sum(1)

    @torch.no_grad()
    def complete(
        self,
        values: Int[Tensor, "batch channels height width"],
        row: int = 0,
        generator: torch.Generator | None = None,
        *,
        temperature: float = 1.0,
    ) -> Int[Tensor, "batch channels height width"]:
        """The pictures with all rows from `row` on drawn by (1), pixel by pixel.

        Args:
            values: levels; what they hold below `row` is not looked at.
            temperature: divides the logits; 0 takes the likeliest level.
        """
        values = values.clone()
        values[:, :, row:] = 0
        for i in told(range(row, values.shape[2])):
            # What lies below does not count, nor does what a stack of convolutions cannot reach.
            top = max(0, i - self.reach) if self.reach else 0
            for j in range(values.shape[3]):
                for c in range(self.channels):
                    logits = self(self.scaled(values[:, :, top : i + 1]))[..., c, i - top, j].double()
                    if self.levels == 2:
                        logits = torch.stack([torch.zeros_like(logits), logits], 1)
                    values[:, c, i, j] = sample(logits, generator, temperature)
        return values


def _recur(sums: Tensor, weight: Tensor, offsets: tuple[int, ...], *, diagonals: bool = False) -> Tensor:
    # What is written by hand changes tensors in place, which a graph cannot hold.
    if torch.compiler.is_exporting():
        return by_autograd(sums, weight, offsets, diagonals=diagonals)
    return recur_on_lines(LSTMRule(), sums, weight, offsets, diagonals=diagonals)


def by_autograd(
    sums: Float[Tensor, "batch height width gates"], weight: Float[Tensor, "gates offsets hidden"],
    offsets: tuple[int, ...], *, diagonals: bool = False,
) -> Float[Tensor, "batch height width hidden"]:  # fmt: skip
    """Equations (5) to (7) of sums on the lines of a map as `recur_on_lines` has them, step by step."""
    height, width = sums.shape[1:3]
    if diagonals:
        rows = [F.pad(sums[:, i], (0, 0, i, height - 1 - i)) for i in range(height)]
        lines = torch.stack(rows, 1).transpose(1, 2)
    else:
        lines = sums

    def step(line: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        hidden, cell = state
        near = [F.pad(hidden, (0, 0, 1, 1))[:, 1 + o : 1 + o + hidden.shape[1]] for o in offsets]
        i, f, o, g = (line + F.linear(torch.cat(near, 2), weight.flatten(1))).chunk(GATES, 2)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * cell.tanh()
        return hidden, (hidden, cell)

    zero = torch.zeros_like(lines[:, 0, :, : weight.shape[2]])
    maps, _ = scan(step, lines, (zero, zero))
    if not diagonals:
        return maps
    return torch.stack([maps[:, i : i + width, i] for i in range(height)], 1)


def _recurrent(features: int, offsets: int, made: dict) -> nn.Parameter:
    """Weights [4 h, offsets, h], uniform in +-1/sqrt(what a sum sees)."""
    bound = 1 / math.sqrt(offsets * features)
    return nn.Parameter(torch.empty(GATES * features, offsets, features, **made).uniform_(-bound, bound))


@torch.no_grad()
def _forget(bias: Tensor, features: int) -> None:
    bias[features : 2 * features] = 1.0
