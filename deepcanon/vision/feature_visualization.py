"""What the layers of an image network respond to: saliency, deconvolution, guided gradients, occlusion, best inputs.

Papers: Simonyan, Vedaldi and Zisserman 2013, "Deep Inside Convolutional Networks" (arXiv:1312.6034), for (1) and (2);
Zeiler and Fergus 2013, "Visualizing and Understanding Convolutional Networks" (arXiv:1311.2901), for (4) and (6);
Springenberg et al. 2014, "Striving for Simplicity" (arXiv:1412.6806), for (5); Adebayo et al. 2018, "Sanity Checks for
Saliency Maps" (arXiv:1810.03292), for `shuffled`; Alain and Bengio 2016 (arXiv:1610.01644) for linear probes.

B images I [C, H, W], S_k the logit of class k (or any number that a network computes), f a layer's inputs to a ReLU, R
what comes back to it from above.

    I_k    = argmax_I  S_k(I) - lambda |I|^2, by gradient ascent from noise                    (1)
    M_ij   = max_c |d S_k / d I_cij|                                       saliency             (2)
    R'     = [f > 0] R                                                     the gradient         (3)
    R'     = [R > 0] R                                                     deconvolution        (4)
    R'     = [f > 0] [R > 0] R                                             guided               (5)
    O_ij   = S_k(I) - S_k(I without the square at ij)                      occlusion            (6)

Deconvolution goes down through convolutions by their transposes and through max pooling by its switches, the places of
the maxima: both are what the gradient does, so that it is the backward pass with (4) in place of (3).

Departures: the ascent of (1) takes steps of one length for each image (the gradient is divided by its root mean
square), so that one rate suits all layers. ReLUs are found by the calls of a forward pass, as modules or as functions;
other activations keep their gradients, of which deconvolution knows nothing.

    >>> import torch
    >>> from deepcanon.vision.feature_visualization import backward_map, saliency
    >>> from torch import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    >>> back = backward_map(net, torch.rand(2, 1, 8, 8), lambda logits: logits[:, 0], rule="guided")
    >>> saliency(back).shape
    torch.Size([2, 8, 8])
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = [
    "activations", "ascended", "backward_map", "class_score", "layer_features", "layer_names", "occlusion", "pooled",
    "rank_correlation", "saliency", "shuffled", "unit_score",
]  # fmt: skip

Rule = Literal["gradient", "deconvolution", "guided"]
RULES: tuple[Rule, ...] = ("gradient", "deconvolution", "guided")
RECTIFIERS = (torch.relu, torch.relu_, F.relu, F.relu_, Tensor.relu, Tensor.relu_)


class _Rectifier(torch.autograd.Function):
    """A ReLU with (3), (4) or (5) on the way back."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, rule: Rule) -> Tensor:
        outputs = inputs.clamp_min(0)
        ctx.rule = rule
        ctx.save_for_backward(outputs > 0)
        return outputs

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor, None]:
        (active,), (back,) = ctx.saved_tensors, above
        if ctx.rule != "gradient":
            back = back.clamp_min(0)  # (4)
        return (back if ctx.rule == "deconvolution" else back * active), None  # (3), (5)


class _Rectified(TorchFunctionMode):
    """Within it every ReLU follows a rule."""

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in RECTIFIERS:
            return _Rectifier.apply(args[0] if args else (kwargs or {})["input"], self.rule)
        return func(*args, **(kwargs or {}))


def _images(images: Tensor) -> None:
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(f"expected floating images [B, C, H, W], got {images.dtype} {tuple(images.shape)}")


def _plain(model: nn.Module) -> nn.Module:
    """A frozen copy with contiguous weights: with the channels last, pooling and ReLU may be one function of ours."""
    plain = copy.deepcopy(model).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return plain.requires_grad_(False).eval()


def backward_map(
    model: nn.Module,
    images: Float[Tensor, "batch channels height width"],
    score: Callable[[Any], Tensor],
    *,
    rule: Rule = "gradient",
    layer: str = "",
) -> Float[Tensor, "batch channels height width"]:
    """What comes back to the images from a score of each, by one of the three rules.

    Args:
        model: in any mode; a copy in eval mode is asked.
        score: from the outputs to a number for each image [B].
        layer: name of the module whose outputs are scored; the model itself if empty.

    Raises:
        ValueError: images or rule of another kind, or a score that is not one number for each image.
    """
    _images(images)
    if rule not in RULES:
        raise ValueError(f"rule {rule!r}: choose {', '.join(RULES)}")
    inputs = images.detach().contiguous().requires_grad_(True)
    with torch.enable_grad():
        with _Rectified(rule):
            outputs = _outputs(_plain(model), inputs, layer)
        values = score(outputs)
        if values.shape != images.shape[:1]:
            raise ValueError(f"a score of {len(images)} images is [{len(images)}], not {tuple(values.shape)}")
        return torch.autograd.grad(values.sum(), inputs)[0]


def _outputs(model: nn.Module, images: Tensor, layer: str) -> Any:
    if not layer:
        return model(images)
    return activations(model, images, (layer,))[layer]


def saliency(back: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch height width"]:
    """Equation (2) of what came back."""
    return back.abs().amax(1)


def activations(
    model: nn.Module,
    images: Float[Tensor, "batch channels height width"],
    layers: Sequence[str],
    *,
    inputs: bool = False,
) -> dict[str, Tensor]:
    """The outputs of named modules in one forward pass, or what they are given (`inputs`).

    Raises:
        ValueError: there is no such module, or the pass does not reach it.
    """
    modules = dict(model.named_modules())
    if strange := [name for name in layers if name not in modules]:
        raise ValueError(f"the model has no module {strange[0]!r}, only {', '.join(filter(None, modules))}")
    found: dict[str, Tensor] = {}

    def keeper(name: str) -> Callable[..., None]:
        def keep(module: nn.Module, given: Any, outputs: Tensor) -> None:
            found[name] = given[0] if inputs else outputs

        return keep

    handles = [modules[name].register_forward_hook(keeper(name)) for name in layers]
    try:
        model(images)
    finally:
        for handle in handles:
            handle.remove()
    if missed := [name for name in layers if name not in found]:
        raise ValueError(f"the forward pass does not reach {missed[0]!r}")
    return {name: found[name] for name in layers}


def layer_names(model: nn.Module, most: int = 0) -> list[str]:
    """Names of the convolutions and linear layers in the order of the module, or `most` of them, evenly spaced."""
    names = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    if not most or len(names) <= most:
        return names
    return [names[round(place * (len(names) - 1) / max(1, most - 1))] for place in range(most)]


@torch.no_grad()
def occlusion(
    model: nn.Module,
    images: Float[Tensor, "batch channels height width"],
    score: Callable[[Any], Tensor],
    *,
    side: int,
    stride: int = 1,
    fill: float = 0.0,
) -> Float[Tensor, "batch rows columns"]:
    """Equation (6): how much of the score is lost when a square is filled, for squares within the image.

    Args:
        score: from the outputs to a number for each image [B].
        side, stride: of the squares, in pixels.
        fill: the value of hidden pixels; 0 is the mean of standardised images.

    Returns:
        rows = (H - side) // stride + 1, columns likewise.
    """
    _images(images)
    height, width = images.shape[2:]
    if not 1 <= side <= min(height, width) or stride < 1:
        raise ValueError(f"squares of {side} pixels at steps of {stride} do not fit images of {height} x {width}")
    rows, columns = range(0, height - side + 1, stride), range(0, width - side + 1, stride)
    whole, lost = score(model(images)), []
    for top in rows:
        for left in columns:
            hidden = images.clone()
            hidden[:, :, top : top + side, left : left + side] = fill
            lost.append(whole - score(model(hidden)))
    return torch.stack(lost, 1).reshape(len(images), len(rows), len(columns))


def ascended(
    model: nn.Module,
    images: Float[Tensor, "batch channels height width"],
    score: Callable[[Any], Tensor],
    *,
    rate: float,
    decay: float = 0.0,
    smooth: int = 0,
    layer: str = "",
) -> tuple[Float[Tensor, "batch channels height width"], Float[Tensor, "batch"]]:
    """One step of the ascent (1): new images, and the scores of the old ones.

    Args:
        score: from the outputs to a number for each image [B].
        rate: length of the step, as root mean square over the pixels of an image.
        decay: lambda.
        smooth: how often the gradient is blurred by (1, 2, 1) / 4 along both axes, against patterns of single pixels.
        layer: name of the module whose outputs are scored; the model itself if empty.
    """
    _images(images)
    inputs = images.detach().requires_grad_(True)
    with torch.enable_grad():
        values = score(_outputs(model, inputs, layer))
        goal = values.sum() - decay * inputs.square().sum()
        slope = torch.autograd.grad(goal, inputs)[0]
    for _ in range(smooth):
        slope = _blurred(slope)
    size = slope.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
    return images + rate * slope / size, values.detach()


def _blurred(maps: Tensor) -> Tensor:
    """By (1, 2, 1) / 4 along both axes; the border repeats."""
    wide = F.pad(maps, (1, 1, 1, 1), mode="replicate")
    rows = (wide[:, :, :-2] + 2 * wide[:, :, 1:-1] + wide[:, :, 2:]) / 4
    return (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 4


def pooled(
    maps: Float[Tensor, "batch channels height width"] | Float[Tensor, "batch features"], most: int = 4096
) -> Float[Tensor, "batch features"]:
    """The features of a linear probe: maps averaged over as large a grid as leaves at most `most` numbers."""
    if maps.ndim == 2:
        return maps
    if maps.ndim != 4:
        raise ValueError(f"expected [B, C, H, W] or [B, F], got {tuple(maps.shape)}")
    side = max(1, min(*maps.shape[2:], int((most / maps.shape[1]) ** 0.5)))
    return F.adaptive_avg_pool2d(maps, side).flatten(1)


def shuffled(model: nn.Module, generator: torch.Generator | None = None) -> nn.Module:
    """A copy whose weights are permuted within each tensor: it keeps their sizes, and nothing that was learned."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
            parameter.copy_(parameter.flatten()[order].reshape(parameter.shape))
    return other


def rank_correlation(
    one: Float[Tensor, "batch height width"], other: Float[Tensor, "batch height width"]
) -> Float[Tensor, "batch"]:
    """Spearman's correlation of two maps of each image; equal values share the mean of their ranks."""
    if one.shape != other.shape or one.ndim != 3:
        raise ValueError(f"maps {tuple(one.shape)} and {tuple(other.shape)} do not fit")
    ranks = [_ranks(maps.flatten(1).double()) for maps in (one, other)]
    centred = [values - values.mean(1, keepdim=True) for values in ranks]
    sizes = [values.norm(dim=1) for values in centred]
    return (centred[0] * centred[1]).sum(1) / (sizes[0] * sizes[1])


def _ranks(values: Float[Tensor, "batch pixels"]) -> Float[Tensor, "batch pixels"]:
    below = torch.stack([torch.searchsorted(row.sort().values, row) for row in values])
    above = torch.stack([torch.searchsorted(row.sort().values, row, right=True) for row in values])
    return (below + above - 1).double() / 2


def unit_score(outputs: Float[Tensor, "batch units ..."]) -> Float[Tensor, "batch"]:
    """Of image u the activation of unit u of a layer; units are counted round.

    Of a map it is the mean square of what is above zero: the mean itself would be raised most by a constant image,
    since positive and negative places of a pattern cancel.
    """
    if outputs.ndim < 2:
        raise ValueError(f"a layer's outputs are [B, units, ...], not {tuple(outputs.shape)}")
    place = torch.arange(len(outputs), device=outputs.device)
    chosen = outputs[place, place % outputs.shape[1]]
    return chosen if chosen.ndim == 1 else chosen.flatten(1).clamp_min(0).square().mean(1)


def layer_features(
    model: nn.Module, images: Float[Tensor, "batch channels height width"], layers: Sequence[str], portion: int = 500
) -> list[Float[Tensor, "batch features"]]:
    """What linear probes read: the inputs of named layers, after the nonlinearity of the layer before, by `pooled`."""
    found: list[list[Tensor]] = [[] for _ in layers]
    for part in images.split(portion):
        for kept, values in zip(found, activations(model, part, layers, inputs=True).values(), strict=True):
            kept.append(pooled(values))
    return [torch.cat(parts) for parts in found]


def class_score(classes: Int[Tensor, "batch"]) -> Callable[[Tensor], Tensor]:
    """The score of (2): the logit of a class for each image."""
    return lambda logits: logits.gather(1, classes[:, None])[:, 0]
