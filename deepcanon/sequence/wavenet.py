r"""WaveNet: the distribution of each sound sample given all before it, by dilated causal convolutions.

Paper: van den Oord et al., "WaveNet: A Generative Model for Raw Audio", 2016 (arXiv:1609.03499); Paine et al., "Fast
Wavenet Generation Algorithm", 2016 (arXiv:1611.09482), the queues.

Legend: x_t sample in [-1, 1], q_t its code out of Q = mu + 1 levels; B batch, T time; h_t^k features of layer k [C];
d_k its dilation, K taps; z gated features [C]; s skip features [S]; y the class of a recording; * causal convolution:
(W * h)_t = sum_j W_j h_{t - j d}, j = 0 .. K-1, with nothing before the beginning.

(1) p(x) = prod_t p(q_t | q_1 .. q_{t-1})
(2) f(x) = sign(x) ln(1 + mu |x|) / ln(1 + mu), rounded to the nearest of Q levels between -1 and 1
(3) z^k = tanh(W_f^k * h^k + V_f^k y) . sigmoid(W_g^k * h^k + V_g^k y)
(4) h^{k+1} = h^k + W_r^k z^k;  s = sum_k W_s^k z^k
(5) p(q_{t+1} | q_1 .. q_t) = softmax(W_2 relu(W_1 relu(s_t) + b_1) + b_2)
(6) receptive field: R = 1 + (K - 1) sum_k d_k samples; x_{t-R} and earlier ones have no effect on p(q_{t+1})
(7) generation keeps of each layer the last (K - 1) d_k features: a sample costs one column of each convolution,
    whatever R is

Bits per sample: -log2 p averaged over samples; it is of codes, not of x, and 8 for a model that knows nothing.

Departures: the first layer is a table of vectors, one for each code, which is a convolution over one-hot codes with one
tap (the paper's has two). The sizes of the paper are not stated; the defaults here suit a CPU. The top layer's residual
output, which nothing reads, is left out.

>>> net = WaveNet(16, channels=4, skip_channels=8, dilations=(1, 2, 4))
>>> codes = torch.randint(16, (2, 20))
>>> tuple(net(codes).shape), net.receptive_field
((2, 20, 16), 8)
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["WaveNet", "code_nll", "mu_law_decode", "mu_law_encode"]

State = tuple[Tensor, ...]  # of each layer the features that it will still read, [batch, C, (K - 1) d_k]
TWO_STACKS = tuple(2**k for k in range(10)) * 2


def mu_law_encode(x: Float[Tensor, "..."], levels: int = 256) -> Int[Tensor, "..."]:
    """Eq. (2): codes 0 .. levels - 1 of samples; what is beyond [-1, 1] gets the code of the end."""
    if not x.is_floating_point() or levels < 2:
        raise ValueError(f"samples are floating point and levels 2 or more; got {x.dtype} and {levels}")
    mu = levels - 1
    squeezed = x.sign() * torch.log1p(mu * x.abs().clamp(max=1)) / math.log1p(mu)
    return ((squeezed + 1) / 2 * mu + 0.5).floor().long()


def mu_law_decode(
    codes: Int[Tensor, "..."], levels: int = 256, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "..."]:
    """The samples in [-1, 1] that codes stand for: the inverse of eq. (2)."""
    mu = levels - 1
    squeezed = 2 * codes.to(dtype) / mu - 1
    return squeezed.sign() * torch.expm1(squeezed.abs() * math.log1p(mu)) / mu


def code_nll(
    logits: Float[Tensor, "batch time levels"], codes: Int[Tensor, "batch time"], reduction: str = "mean"
) -> Float[Tensor, "..."]:
    """-log p of eq. (1) in nats, of codes that are not negative; "mean" over them, "sum", or "none" [batch, time]."""
    if logits.ndim != 3 or logits.shape[:2] != codes.shape:
        raise ValueError(f"logits {tuple(logits.shape)} and codes {tuple(codes.shape)} do not match")
    wanted = torch.where(codes < 0, -100, codes)
    half = logits.dtype in (torch.bfloat16, torch.float16)
    columns = (logits.float() if half else logits).transpose(1, 2)
    return F.cross_entropy(columns, wanted, ignore_index=-100, reduction=reduction)


class _Block(nn.Module):
    """One layer: eqs. (3) and (4)."""

    def __init__(self, channels: int, skip_channels: int, dilation: int, taps: int, classes: int, last: bool, **make):
        super().__init__()
        self.back = (taps - 1) * dilation  # samples that the layer looks back
        self.dilated = nn.Conv1d(channels, 2 * channels, taps, dilation=dilation, **make)
        self.condition = nn.Embedding(classes, 2 * channels, **make) if classes else None
        self.residual = None if last else nn.Conv1d(channels, channels, 1, **make)
        self.skip = nn.Conv1d(channels, skip_channels, 1, **make)
        self.dilation = dilation

    def forward(self, padded: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """(h^{k+1}, what the layer adds to s) of features [B, C, T] that `back` earlier ones precede."""
        sums = self.dilated(padded)
        if self.condition is not None:
            sums = sums + self.condition(label)[:, :, None]
        # (3)
        filters, gates = sums.chunk(2, dim=1)
        z = filters.tanh() * gates.sigmoid()
        # (4)
        here = padded[:, :, self.back :]
        return here if self.residual is None else here + self.residual(z), self.skip(z)


class WaveNet(nn.Module):
    """Logits of the NEXT sample's code at each position.

    Args:
        levels: Q of the codes.
        channels: C, features of a layer.
        skip_channels: S.
        dilations: d_k of each layer, from the lowest.
        taps: K.
        classes: of recordings, each with a vector in every layer's gates; 0: none.
    """

    def __init__(
        self,
        levels: int = 256,
        channels: int = 32,
        *,
        skip_channels: int = 64,
        dilations: Sequence[int] = TWO_STACKS,
        taps: int = 2,
        classes: int = 0,
        device=None,
        dtype=None,
    ):
        super().__init__()
        if not dilations or min(dilations) < 1 or taps < 2:
            raise ValueError(f"dilations {tuple(dilations)} with {taps} taps look nowhere back")
        make = {"device": device, "dtype": dtype}
        self.levels, self.channels, self.classes = levels, channels, classes
        # (6)
        self.receptive_field = 1 + (taps - 1) * sum(dilations)
        self.embedding = nn.Embedding(levels, channels, **make)
        last = len(dilations) - 1
        self.looks_back = [(taps - 1) * d for d in dilations]
        self.blocks = nn.ModuleList(
            _Block(channels, skip_channels, d, taps, classes, k == last, **make) for k, d in enumerate(dilations)
        )
        self.hidden = nn.Conv1d(skip_channels, skip_channels, 1, **make)
        self.output = nn.Conv1d(skip_channels, levels, 1, **make)

    @property
    def silence(self) -> int:
        """The code of 0, which precedes the first sample."""
        return self.levels // 2

    def forward(
        self, codes: Int[Tensor, "batch time"], label: Int[Tensor, "batch"] | None = None
    ) -> Float[Tensor, "batch time levels"]:
        """Logits at t of the sample t + 1, given the samples up to t and the class of each row.

        Raises:
            ValueError: the shapes do not fit, or a class is missing or not wanted.
        """
        if codes.ndim != 2 or not codes.shape[1]:
            raise ValueError(f"codes {tuple(codes.shape)} are not [batch, time >= 1]")
        return self._read(codes, None, label)[0].transpose(1, 2)

    def start(self, batch: int) -> State:
        """The state before a recording: nothing has been read."""
        weight = self.embedding.weight
        return tuple(weight.new_zeros(batch, self.channels, back) for back in self.looks_back)

    def step(
        self, codes: Int[Tensor, "batch"], state: State, label: Int[Tensor, "batch"] | None = None
    ) -> tuple[Float[Tensor, "batch levels"], State]:
        """Logits of the next sample after one more of each row, and the state after it, eq. (7)."""
        logits, state = self._read(codes[:, None], state, label)
        return logits[:, :, 0], state

    def _read(self, codes: Tensor, state: State | None, label: Tensor | None) -> tuple[Tensor, State]:
        """Logits [B, levels, T] of codes [B, T] after what the state has read, and the state after them."""
        if (label is None) == bool(self.classes) or (label is not None and label.shape != codes.shape[:1]):
            given = None if label is None else tuple(label.shape)
            raise ValueError(f"classes {given} for codes {tuple(codes.shape)} and a model of {self.classes} classes")
        # laid out as convolutions read it, once: a layout that is only said costs a copy in every layer
        h, kept, skips = self.embedding(codes).transpose(1, 2).contiguous(), [], None
        for place, back in enumerate(self.looks_back):
            block = self.blocks[place]
            if state is None:
                padded = F.pad(h, (back, 0))
            else:
                padded = torch.cat([state[place], h], dim=2)
                kept.append(padded[:, :, padded.shape[2] - back :])
            h, skip = block(padded, label)
            skips = skip if skips is None else skips + skip
        # (5)
        return self.output(self.hidden(skips.relu()).relu()), tuple(kept)
