"""Plain recurrent networks with equal initial weights, trained side by side; backpropagation in time is written out.

Paper: Rumelhart, Hinton and Williams 1986, "Learning representations by back-propagating errors" (Nature 323).

x_t: inputs, h_t: state, y: the answer after T steps, of each of K networks with its own weights.

    h_t = tanh(x_t U + h_{t-1} W + b),   y = h_T v + c,   J = mean (y - target)^2                    (1)
    d_T = dJ/dy v^T (1 - h_T^2),   d_{t-1} = d_t W^T (1 - h_{t-1}^2)                                 (2)
    dJ/dW = sum_t h_{t-1}^T d_t,   dJ/dU = sum_t x_t^T d_t,   dJ/db = sum_t d_t                      (3)

Small networks spend their time in overhead: K side by side cost little more than one, and (2) and (3) cost a fifth of
autograd's graph.

    >>> import torch
    >>> from deepcanon.parts.tanh_networks import TanhNetworks
    >>> networks = TanhNetworks(4, torch.randn(2, 5), torch.eye(5), torch.randn(5, 1))
    >>> losses, gradients = networks.gradients(torch.randn(8, 20, 2), torch.randn(8))
    >>> losses.shape, gradients["W"].shape
    (torch.Size([4]), torch.Size([4, 5, 5]))
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["TanhNetworks"]


class TanhNetworks(nn.Module):
    """Equation (1), `count` times.

    Args:
        count: K.
        input_weight, recurrent_weight, output_weight: where U, W and v begin in every network; biases begin at 0.
    """

    U: Tensor
    W: Tensor
    b: Tensor
    v: Tensor
    c: Tensor

    def __init__(
        self,
        count: int,
        input_weight: Float[Tensor, "inputs hidden"],
        recurrent_weight: Float[Tensor, "hidden hidden"],
        output_weight: Float[Tensor, "hidden 1"],
    ) -> None:
        super().__init__()
        hidden = len(recurrent_weight)
        shapes = [tuple(weight.shape[:2]) for weight in (input_weight, recurrent_weight, output_weight)]
        if shapes != [(len(input_weight), hidden), (hidden, hidden), (hidden, 1)]:
            raise ValueError(f"weights {', '.join(map(str, shapes))} do not make a network")
        bias, offset = input_weight.new_zeros(1, hidden), input_weight.new_zeros(1, 1)
        starts = {"U": input_weight, "W": recurrent_weight, "b": bias, "v": output_weight, "c": offset}
        for name, start in starts.items():
            self.register_parameter(name, nn.Parameter(start.detach().repeat(count, 1, 1)))

    def states(self, inputs: Float[Tensor, "batch time inputs"]) -> Float[Tensor, "states count batch hidden"]:
        """h_0 ... h_T."""
        steps = torch.einsum("bti,kih->tkbh", inputs, self.U) + self.b
        states = [torch.zeros_like(steps[0])]
        for step in steps:
            states.append(torch.baddbmm(step, states[-1], self.W).tanh())  # (1)
        return torch.stack(states)

    def forward(self, inputs: Float[Tensor, "batch time inputs"]) -> Float[Tensor, "count batch"]:
        """The output of every network after the last time step."""
        return torch.baddbmm(self.c, self.states(inputs)[-1], self.v)[..., 0]

    @torch.no_grad()
    def gradients(
        self, inputs: Float[Tensor, "batch time inputs"], targets: Float[Tensor, "batch"]
    ) -> tuple[Float[Tensor, "count"], dict[str, Tensor]]:
        """J of each network, and its gradient for each parameter by name, [K, ...]."""
        states = self.states(inputs)
        error = torch.baddbmm(self.c, states[-1], self.v)[..., 0] - targets
        change = 2 * error[..., None] / len(targets)
        back, slopes, parts = change @ self.v.mT, 1 - states[1:] ** 2, []
        for slope in slopes.flip(0):
            parts.append(back * slope)  # (2)
            back = parts[-1] @ self.W.mT
        # [K, T B, H]: time and batch are summed over
        sums, before = (t.transpose(0, 1).flatten(1, 2) for t in (torch.stack(parts[::-1]), states[:-1]))
        found = {
            "U": inputs.transpose(0, 1).flatten(0, 1).T @ sums,  # (3)
            "W": before.mT @ sums,
            "b": sums.sum(1, keepdim=True),
            "v": states[-1].mT @ change,
            "c": change.sum(1, keepdim=True),
        }
        return error.square().mean(1), found
