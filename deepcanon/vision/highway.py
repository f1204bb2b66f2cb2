"""Highway layers: gates that let each unit pass its input on or transform it, for networks of very many layers.

Papers: Srivastava, Greff and Schmidhuber 2015, "Highway Networks" (arXiv:1505.00387) and "Training Very Deep Networks"
(arXiv:1507.06228), equations 2 to 5.

x [B, n] the input of a layer, y [B, n] its output: all layers have n units. * is the elementwise product.

    H = f(x W_H^T + b_H),   T = sigmoid(x W_T^T + b_T)      [B, n], a gate for each unit               (1)
    y = H * T + x * (1 - T)                                                                            (2)
    T = 0: y = x, dy/dx = I;      T = 1: y = H, a plain layer                                          (3)
    b_T at the start: negative, -1 to -4, the deeper the more, so that layers begin as (3), left       (4)

T is the TRANSFORM gate and C = 1 - T the carry gate. Texts that write the carry gate Z, y = H * (1 - Z) + x * Z, must
begin with a POSITIVE bias; the sign is a common error, as is an H without its nonlinearity f. With b_T = 0 half of the
input is lost in each layer, and 50 layers leave 2^-50 of it.

Departures: f is a ReLU with He's initial weights, if no other is given (the papers search among rectifiers and tanh);
the gate's weights begin with variance 1 / n. The bias of the gate is a parameter of the layer and not of the linear map
in it: initialisations that set the biases of linear maps to 0 leave it alone.

    >>> import torch
    >>> from deepcanon.vision import Highway
    >>> net = torch.nn.Sequential(*[Highway(50, transform_bias=-3.0) for _ in range(20)])
    >>> x = torch.randn(8, 50)
    >>> torch.corrcoef(torch.stack([x.flatten(), net(x).flatten()]))[0, 1].item() > 0.9
    True
"""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Highway", "highway", "initial_correlation", "transform_gates"]


def highway(
    inputs: Float[Tensor, "batch units"], transformed: Float[Tensor, "batch units"], gate: Float[Tensor, "batch units"]
) -> Float[Tensor, "batch units"]:
    """Equation (2) of x, H and T.

    Raises:
        ValueError: the three differ in shape: every unit has a gate, and layers keep their width.
    """
    if inputs.shape != transformed.shape or inputs.shape != gate.shape:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in (inputs, transformed, gate))
        raise ValueError(f"a highway layer needs x, H and T of one shape, got {shapes}")
    # Under autocast H and T are bf16; what is passed on keeps its precision.
    return torch.lerp(inputs, transformed.to(inputs.dtype), gate.to(inputs.dtype))  # (2): x + T (H - x)


class Highway(nn.Module):
    """Equations (1) and (2).

    Args:
        units: n, of input and output.
        transform_bias: b_T at the start.
        activation: makes f.
    """

    def __init__(
        self,
        units: int,
        *,
        transform_bias: float = -2.0,
        activation: Callable[[], nn.Module] = nn.ReLU,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        self.transform = nn.Linear(units, units, device=device, dtype=dtype)
        self.gate = nn.Linear(units, units, bias=False, device=device, dtype=dtype)
        self.gate_bias = nn.Parameter(torch.full((units,), transform_bias, device=device, dtype=dtype))
        self.activation = activation()
        nn.init.normal_(self.transform.weight, std=(2 / units) ** 0.5)
        nn.init.zeros_(self.transform.bias)
        nn.init.normal_(self.gate.weight, std=units**-0.5)

    def gates(self, inputs: Float[Tensor, "batch units"]) -> Float[Tensor, "batch units"]:
        """T: 0 where a unit passes its input on."""
        return torch.sigmoid(nn.functional.linear(inputs, self.gate.weight, self.gate_bias))  # (1)

    def forward(self, inputs: Float[Tensor, "batch units"]) -> Float[Tensor, "batch units"]:
        """The outputs, of the width of the inputs."""
        return highway(inputs, self.activation(self.transform(inputs)), self.gates(inputs))

    def extra_repr(self) -> str:
        return f"{len(self.gate_bias)}"


@torch.no_grad()
def transform_gates(
    layers: Iterable[nn.Module], inputs: Float[Tensor, "batch features"]
) -> Float[Tensor, "layers batch units"]:
    """T of every highway layer in a chain of layers, for inputs of the first one.

    Raises:
        ValueError: there is no highway layer, or they differ in width.
    """
    found, outputs = [], inputs
    for layer in layers:
        if isinstance(layer, Highway):
            found.append(layer.gates(outputs))
        outputs = layer(outputs)
    if not found or len({gates.shape for gates in found}) > 1:
        raise ValueError(f"gates of {len(found)} highway layers: give layers of one width")
    return torch.stack(found)


@torch.no_grad()
def initial_correlation(
    depth: int, units: int, transform_bias: float, generator: torch.Generator | None = None, examples: int = 1000
) -> float:
    """Correlation of the inputs and outputs of `depth` new highway layers, over standard normal inputs.

    Raises:
        ValueError: there is no layer.
    """
    if depth < 1:
        raise ValueError(f"{depth} layers pass nothing on")
    inputs = outputs = torch.randn(examples, units, generator=generator)
    for _ in range(depth):
        layer = Highway(units, transform_bias=transform_bias)
        layer.transform.weight.normal_(0, (2 / units) ** 0.5, generator=generator)
        layer.gate.weight.normal_(0, units**-0.5, generator=generator)
        outputs = layer(outputs)
    return torch.corrcoef(torch.stack([inputs.flatten(), outputs.flatten()]))[0, 1].item()
