"""Gabor functions, and the best one for each patch: how much of a learned filter is a localised, oriented grating.

Marcelja 1980, "Mathematical description of the responses of simple cortical cells"; the fit as a measure of learned
filters follows Jones and Palmer 1987. Pixels (x, y) count from the patch's middle, y downwards.

    u =  (x - x0) cos t + (y - y0) sin t,     v = -(x - x0) sin t + (y - y0) cos t                (1)
    g = exp(-u^2 / (2 su^2) - v^2 / (2 sv^2)) (a cos(2 pi f u) + b sin(2 pi f u))                 (2)
    R2 = 1 - |p - g|^2 / |p|^2      for a patch p and a g whose means were taken off              (3)

A filter is localised, oriented and band-pass, the claim of Olshausen and Field 1996, when its g says so. With the full
widths at half height of the envelope, wu = 2 sqrt(2 ln 2) su and wv alike, on a patch of H x W pixels, and with the
spectrum G(k) of g for waves of k cycles a pixel along u:

    localised:   wu wv <= H W / 4           four of them fit side by side into the patch: it has a place        (4)
    band-pass:   |G(0)| <= max_k |G(k)| / 2                                                                       (5)
    |G(k)|^2 is in proportion to (a^2 + b^2) (p^2 + m^2) + 2 (a^2 - b^2) p m,
                 p = exp(-2 (pi su (k - f))^2),   m = exp(-2 (pi su (k + f))^2)                                   (6)

The area in (4) is the one by which Daugman 1985 measures localisation: an edge that runs through the whole patch passes
if it is narrow. What is band-pass has a direction too: its response to the waves at right angles is at most |G(0)|. A
grating over the whole patch or a slope is not localised, a blob or a bar without side lobes not band-pass.

The fit starts at the peaks of the patch's spectrum, with a and b by linear least squares, and continues by the method
of Levenberg and Marquardt in all eight parameters, many patches and starts at once. Its bounds: the middle lies in the
patch, su and sv are between half a pixel and half the side (wu = 1.2 sides), f between half a cycle a side and 1/2.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["GaborFit", "GaborShares", "edge_like", "filter_shares", "fit_gabor", "gabor", "gabor_shares"]

PEAKS, WIDTHS = 2, (0.10, 0.18, 0.30)
WAVES = 400  # at which a spectrum is evaluated
SCREEN, POLISH = 12, 100
"""Iterations of every start, and then of the best start of each patch."""


class GaborFit(NamedTuple):
    """Columns x0, y0, t, f, log su, log sv, a, b for each patch, and R2 of equation (3)."""

    parameters: Float[Tensor, "patches 8"]
    r2: Float[Tensor, "patches"]


class GaborShares(NamedTuple):
    """The share of patches that a Gabor function fits, and the share that an edge-like one, by (4) and (5), fits."""

    gabor: float
    edge_like: float


def _axes(height: int, width: int) -> tuple[Tensor, Tensor]:
    """x and y of each pixel in reading order."""
    y = torch.arange(height, dtype=torch.float64) - (height - 1) / 2
    x = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    return x.repeat(height), y.repeat_interleave(width)


def gabor(parameters: Float[Tensor, "patches 8"], height: int, width: int) -> Float[Tensor, "patches height width"]:
    """The functions of equation (2) on a grid of pixels."""
    if parameters.ndim != 2 or parameters.shape[1] != 8:
        raise ValueError(f"expected [patches, 8], got {tuple(parameters.shape)}")
    x, y = (axis.to(parameters) for axis in _axes(height, width))
    return _value(parameters, x, y)[0].reshape(-1, height, width)


def _centred(rows: Tensor) -> Tensor:
    return rows - rows.mean(-1, keepdim=True)


def _value(parameters: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    """g, and what its derivatives are made of."""
    x0, y0, t, f, su, sv, a, b = parameters[:, :, None].unbind(1)
    u = (x - x0) * t.cos() + (y - y0) * t.sin()  # (1)
    v = (y - y0) * t.cos() - (x - x0) * t.sin()
    squares = (u / su.exp()).square(), (v / sv.exp()).square()
    envelope = torch.exp(-0.5 * (squares[0] + squares[1]))
    phase = 2 * math.pi * f * u
    even, odd = envelope * phase.cos(), envelope * phase.sin()
    return a * even + b * odd, even, odd, u, v, *squares  # (2)


def _jacobian(parameters: Tensor, value: tuple[Tensor, ...]) -> Float[Tensor, "patches 8 pixels"]:
    """Derivatives of g for each of the eight parameters."""
    _, _, t, f, su, sv, a, b = parameters[:, :, None].unbind(1)
    g, even, odd, u, v, along, across = value
    turned = b * even - a * odd  # the derivative in the phase
    by_u = 2 * math.pi * f * turned - g * u / (2 * su).exp()
    by_v = -g * v / (2 * sv).exp()
    columns = (
        by_v * t.sin() - by_u * t.cos(),
        -by_u * t.sin() - by_v * t.cos(),
        by_u * v - by_v * u,
        2 * math.pi * u * turned,
        g * along,
        g * across,
        even,
        odd,
    )
    return torch.stack(columns, 1)


def _bounded(parameters: Tensor, height: int, width: int) -> Tensor:
    """The nearest parameters that keep the bounds; a and b are free."""
    side = max(height, width)
    low = [-width / 2, -height / 2, -math.inf, 0.5 / side, math.log(0.5), math.log(0.5)]
    high = [width / 2, height / 2, math.inf, 0.5, math.log(side / 2), math.log(side / 2)]
    inner = parameters[:, :6].clamp(parameters.new_tensor(low), parameters.new_tensor(high))
    return torch.cat([inner, parameters[:, 6:]], 1)


def _starts(patches: Tensor, height: int, width: int) -> Float[Tensor, "patches starts 8"]:
    """Peaks of the spectrum, the place where that frequency is strongest, several widths; a and b still 0."""
    size = 4 * max(height, width)
    images = patches.reshape(-1, height, width)
    power = torch.fft.rfft2(images, (size, size)).abs()
    rows, columns = torch.fft.fftfreq(size).double(), torch.fft.rfftfreq(size).double()
    radius = torch.hypot(rows[:, None], columns)
    power = power * ((radius >= 0.5 / max(height, width)) & (radius <= 0.5))
    x, y = _axes(height, width)
    blur = [
        torch.exp(-0.5 * ((torch.arange(n)[:, None] - torch.arange(n)) / (n / 8)).square()) for n in images.shape[1:]
    ]
    starts = []
    for _ in range(PEAKS):
        best = power.flatten(1).argmax(1)
        fy, fx = rows[best // len(columns)], columns[best % len(columns)]
        # What is near this peak, in the spectrum's half plane and mirrored into it, is not the next peak.
        for sign in (1, -1):
            near = torch.hypot(rows[:, None] - sign * fy[:, None, None], columns - sign * fx[:, None, None])
            power = power * (near > 1 / max(height, width))
        shift = torch.polar(torch.ones(1).double(), -2 * math.pi * (fx[:, None] * x + fy[:, None] * y))
        carrier = (patches * shift).reshape(-1, height, width)
        local = (blur[0].to(carrier) @ carrier @ blur[1].to(carrier)).abs().flatten(1).argmax(1)
        common = (x[local], y[local], torch.atan2(fy, fx), torch.hypot(fx, fy))
        zero = torch.zeros_like(fx)
        for part in WIDTHS:
            width_ = torch.full_like(fx, math.log(part * max(height, width)))
            starts.append(torch.stack([*common, width_, width_, zero, zero], 1))
    return torch.stack(starts, 1)


def _solve(patches: Tensor, parameters: Tensor, height: int, width: int, iterations: int) -> tuple[Tensor, Tensor]:
    """Levenberg and Marquardt; returns parameters and squared errors."""
    x, y = _axes(height, width)
    value = _value(parameters, x, y)
    error = (patches - _centred(value[0])).square().sum(1)
    damping = torch.full_like(error, 1e-2)
    for _ in range(iterations):
        jacobian = _centred(_jacobian(parameters, value))
        normal = jacobian @ jacobian.mT
        slope = (jacobian @ (patches - _centred(value[0]))[:, :, None]).squeeze(2)
        scale = normal.diagonal(dim1=1, dim2=2)
        ridge = damping[:, None] * scale + 1e-12 * scale.amax(1, keepdim=True) + 1e-30
        step = torch.linalg.solve(normal + torch.diag_embed(ridge), slope)
        tried = _bounded(parameters + step, height, width)
        value_there = _value(tried, x, y)
        error_there = (patches - _centred(value_there[0])).square().sum(1)
        better = error_there < error
        parameters = torch.where(better[:, None], tried, parameters)
        value = tuple(torch.where(better[:, None], new, old) for new, old in zip(value_there, value, strict=True))
        error = torch.where(better, error_there, error)
        damping = torch.where(better, damping * 0.3, damping * 4).clamp(1e-9, 1e6)
    return parameters, error


def fit_gabor(patches: Float[Tensor, "patches height width"]) -> GaborFit:
    """The Gabor function of least squared error for each patch; R2 is 0 where a patch is constant."""
    if patches.ndim != 3 or min(patches.shape[1:]) < 4:
        raise ValueError(f"expected patches [N, H, W] of 4x4 pixels or more, got {tuple(patches.shape)}")
    if not bool(torch.isfinite(patches).all()):
        raise ValueError("the patches hold NaN or infinity")
    count, height, width = patches.shape
    if count == 0:
        return GaborFit(patches.new_zeros(0, 8).double(), patches.new_zeros(0).double())
    flat = patches.detach().cpu().double().flatten(1)
    flat = _centred(flat)
    norms = flat.norm(dim=1, keepdim=True)
    flat = flat / torch.where(norms > 1e-9 * (1 + patches.detach().cpu().double().abs().amax()), norms, torch.inf)
    starts = _starts(flat, height, width)
    number = starts.shape[1]
    repeated, tried = flat.repeat_interleave(number, 0), starts.flatten(0, 1)
    # a and b by least squares: columns 6 and 7 of the Jacobian do not depend on them.
    even, odd = _value(tried, *_axes(height, width))[1:3]
    columns = _centred(torch.stack([even, odd], 1))
    normal = columns @ columns.mT + 1e-9 * torch.eye(2, dtype=columns.dtype)
    tried[:, 6:] = torch.linalg.solve(normal, (columns @ repeated[:, :, None]).squeeze(2))
    tried, error = _solve(repeated, tried, height, width, SCREEN)
    best = error.view(count, number).argmin(1)
    chosen = tried.view(count, number, 8)[torch.arange(count), best]
    chosen, error = _solve(flat, chosen, height, width, POLISH)
    r2 = torch.where(flat.abs().amax(1) > 0, 1 - error, 0.0)  # (3): |p| is 1
    scale = norms.squeeze(1)[:, None] * (flat.abs().amax(1) > 0)[:, None]
    return GaborFit(torch.cat([chosen[:, :6], chosen[:, 6:] * scale], 1), r2)


def edge_like(parameters: Float[Tensor, "patches 8"], height: int, width: int) -> Bool[Tensor, "patches"]:
    """Which functions are localised, band-pass and so oriented: equations (4) and (5)."""
    f, su, sv, a, b = parameters[:, 3:, None].unbind(1)
    area = 8 * math.log(2) * (su + sv).exp().squeeze(1)
    turns = 2 * math.pi * su.exp()  # k and f are counted in half-widths 1 / turns of the spectrum of the envelope
    k = torch.linspace(0, 1, WAVES, dtype=f.dtype, device=f.device) * (turns * f + 3)
    p, m = torch.exp(-0.5 * (k - turns * f).square()), torch.exp(-0.5 * (k + turns * f).square())
    power = (a.square() + b.square()) * (p.square() + m.square()) + 2 * (a.square() - b.square()) * p * m  # (6)
    return (area <= height * width / 4) & (4 * power[:, 0] <= power.amax(1))  # (4), (5)


def gabor_shares(patches: Float[Tensor, "patches height width"], at_least: float = 0.6) -> GaborShares:
    """The shares of patches of which a Gabor function explains R2 >= `at_least`."""
    if not len(patches):
        return GaborShares(0.0, 0.0)
    fit = fit_gabor(patches)
    fitted = fit.r2 >= at_least
    edges = fitted & edge_like(fit.parameters, *patches.shape[1:])
    return GaborShares(float(fitted.double().mean()), float(edges.double().mean()))


def filter_shares(rows: Float[Tensor, "filters features"], shape: Sequence[int]) -> dict[str, float]:
    """The shares of filters that are pictures (C, H, W), colours averaged; {} if not, or below 4 x 4 pixels."""
    if len(shape) != 3 or min(shape[1:]) < 4:
        return {}
    return gabor_shares(rows.reshape(-1, *shape).mean(1))._asdict()
