r"""Log mel energies: what the bands of a recording carry, frame by frame, as speech recognisers read it.

Legend: x samples [batch B, samples T] in [-1, 1]; F = 1 + floor((T - W) / S) frames of W samples, S apart (a recording
shorter than W is followed by silence); m bands.

(1) X_{f,k} = sum_n w_n x_{fS + n} exp(-2 pi i k n / N),   0 <= k <= N/2,  w the Hann window, N the power of 2 >= W
(2) E_{f,b} = sum_k H_{b,k} |X_{f,k}|^2,  H_b a triangle between the neighbouring centres of m + 2 equally spaced on the
    mel scale, mel(h) = 2595 log10(1 + h / 700), from 0 to half the rate
(3) y_{f,b} = (log(E_{f,b} + 1e-6) - shift_b) / scale_b

Source: Davis and Mermelstein, "Comparison of Parametric Representations for Monosyllabic Word Recognition", 1980, in
the form of the HTK book (Young et al. 2006, section 5.4), without the cosine transform and pre-emphasis.

(1) is one product with a fixed matrix, so that it is the same operation in every exported form.

>>> energies = LogMel(8000, bands=4)
>>> tuple(energies(torch.zeros(2, 1000)).shape), energies.frames(torch.tensor([1000, 200, 50])).tolist()
((2, 11, 4), [11, 1, 1])
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["LogMel", "fourier_basis", "mel_filters"]

FLOOR = 1e-6


def mel_filters(rate: int, size: int, bands: int) -> Float[Tensor, "bins bands"]:
    """Eq. (2): the triangles over the bins of a transform of ``size`` points, float64.

    Raises:
        ValueError: so many bands that some of them have no bin.
    """
    top = 2595 * math.log10(1 + rate / 2 / 700)
    centres = 700 * (10 ** (torch.linspace(0, top, bands + 2, dtype=torch.float64) / 2595) - 1)
    bins = torch.arange(size // 2 + 1, dtype=torch.float64)[:, None] * rate / size
    up = (bins - centres[:-2]) / (centres[1:-1] - centres[:-2])
    down = (centres[2:] - bins) / (centres[2:] - centres[1:-1])
    filters = torch.minimum(up, down).clamp(min=0)
    if bool((filters.sum(0) == 0).any()):
        raise ValueError(f"{bands} bands are too many for windows of {size} points at {rate} samples a second")
    return filters


def fourier_basis(window: int, size: int) -> Float[Tensor, "window both"]:
    """Eq. (1) as a matrix: real parts of all bins, then the imaginary parts, times the Hann window, float64."""
    n = torch.arange(window, dtype=torch.float64)[:, None]
    angle = 2 * math.pi * n * torch.arange(size // 2 + 1, dtype=torch.float64) / size
    hann = torch.hann_window(window, periodic=False, dtype=torch.float64)[:, None]
    return torch.cat([angle.cos(), -angle.sin()], 1) * hann


class LogMel(nn.Module):
    """Log mel energies of recordings.

    Args:
        rate: samples a second.
        bands: m.
        window, hop: W and S in seconds.
        shift, scale: [m] of eq. (3), such as mean and standard deviation over the training data.
    """

    basis: Tensor
    filters: Tensor
    shift: Tensor
    scale: Tensor

    def __init__(
        self, rate: int, bands: int = 40, window: float = 0.025, hop: float = 0.01, *, shift: Tensor | None = None,
        scale: Tensor | None = None, device=None,
    ):  # fmt: skip
        super().__init__()
        self.window, self.hop = max(2, round(window * rate)), max(1, round(hop * rate))
        size = 1 << (self.window - 1).bit_length()
        values = {
            "basis": fourier_basis(self.window, size), "filters": mel_filters(rate, size, bands),
            "shift": torch.zeros(bands) if shift is None else shift,
            "scale": torch.ones(bands) if scale is None else scale,
        }  # fmt: skip
        for name, value in values.items():
            self.register_buffer(name, value.to(device, torch.float32).contiguous())

    def frames(self, lengths: Int[Tensor, "batch"]) -> Int[Tensor, "batch"]:
        """F of recordings of so many samples."""
        return torch.div((lengths - self.window).clamp(min=0), self.hop, rounding_mode="floor") + 1

    def forward(self, x: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames bands"]:
        """Eqs. (1) to (3)."""
        x = x.to(self.basis.dtype)
        if x.shape[1] < self.window:
            x = F.pad(x, (0, self.window - x.shape[1]))
        count = (x.shape[1] - self.window) // self.hop + 1
        firsts = self.hop * torch.arange(count, device=x.device)
        # A gather and a product: a convolution of so long a stride sets its kernel up for every new length.
        frames = x[:, firsts[:, None] + torch.arange(self.window, device=x.device)]
        real, imaginary = (frames @ self.basis).chunk(2, 2)
        energies = (real.square() + imaginary.square()) @ self.filters
        return ((energies + FLOOR).log() - self.shift) / self.scale
