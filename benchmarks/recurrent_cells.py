"""Cells that no kernel of torch has against naive step loops: CPU seconds of a forward and backward pass.

    make bench NAME=recurrent_cells

One thread, float32, 20 sequences of 35 steps, inputs as wide as the hidden vectors (stacks: 20 sequences of 60 steps of
three symbols, 10 stacks), the variants alternating in one process. Peers, both with autograd:
    loop        the whole step applied to x[:, t], as the equations are written down
    tuned       one product for the inputs of all steps, taken apart by `unbind`; of stacks one product for actions and
                pushed values as well, and no copy of the stacks to push and pop
Quality: largest difference of outputs and of all gradients from the peer in float64, relative to the largest of them.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from record import cpu_seconds, interleaved, record, row_of_seconds
from torch import Tensor, nn

from deepcanon.sequence.lstm import LSTM
from deepcanon.sequence.stack_rnn import EMPTY, StackRNN

BATCH, ROUNDS = 20, 7
SIZES = {64: 0.95, 128: 0.95, 256: 1.5, 512: 1.5}


def lstm_loop(net: LSTM, x: Tensor, tuned: bool = False) -> Tensor:
    """Layer normalisation or peepholes, a step at a time."""
    size = net.hidden_size
    given = dict(net.named_parameters())
    p = {name.removesuffix("_l0"): value for name, value in given.items()}
    hidden = cell = x.new_zeros(len(x), size)
    found = []
    bias = p["bias_ih"] + p["bias_hh"]

    def given(part: Tensor) -> Tensor:
        """What a step, or all of them, has from its input."""
        if net.layer_norm:
            return F.layer_norm(F.linear(part, p["weight_ih"]), (4 * size,), p["gain_ih"], bias)
        return F.linear(part, p["weight_ih"], bias)

    all_steps = given(x).unbind(1) if tuned else ()
    for t in range(x.shape[1]):
        into, back = all_steps[t] if tuned else given(x[:, t]), F.linear(hidden, p["weight_hh"])
        if net.layer_norm:
            back = F.layer_norm(back, (4 * size,), p["gain_hh"])
        i, f, g, o = (into + back).chunk(4, 1)
        if net.peepholes:
            i, f = i + p["peephole"][0] * cell, f + p["peephole"][1] * cell
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        if net.peepholes:
            o = o + p["peephole"][2] * cell
        seen = F.layer_norm(cell, (size,), p["gain_c"], p["shift_c"]) if net.layer_norm else cell
        hidden = o.sigmoid() * seen.tanh()
        found.append(hidden)
    return torch.stack(found, 1)


def stack_loop(net: StackRNN, x: Tensor, tuned: bool = False) -> Tensor:
    """Push, pop and read, a step at a time."""
    stacks = x.new_full((len(x), net.stacks, x.shape[1] + net.read), EMPTY)
    found, parts = [], [len(net.bias_action), net.stacks]
    into, bias = torch.cat([net.weight_action, net.weight_push]), torch.cat([net.bias_action, net.bias_push])
    all_steps = F.linear(x, net.weight_ih, net.bias_ih).unbind(1) if tuned else ()
    for t in range(x.shape[1]):
        given = all_steps[t] if tuned else F.linear(x[:, t], net.weight_ih, net.bias_ih)
        hidden = torch.sigmoid(given + F.linear(stacks[..., : net.read].flatten(1), net.weight_stack))
        if tuned:
            actions, pushed = F.linear(hidden, into, bias).split(parts, 1)
        else:
            actions = F.linear(hidden, net.weight_action, net.bias_action)
            pushed = F.linear(hidden, net.weight_push, net.bias_push)
        actions, pushed = actions.unflatten(1, (net.stacks, -1)).softmax(2), torch.sigmoid(pushed)
        if tuned:
            framed = torch.cat([pushed[..., None], F.pad(stacks, (0, 1), value=EMPTY)], 2)
            down, up = framed[..., :-2], framed[..., 2:]
        else:
            down = torch.cat([pushed[..., None], stacks[..., :-1]], 2)
            up = torch.cat([stacks[..., 1:], torch.full_like(stacks[..., :1], EMPTY)], 2)
        stacks = actions[..., :1] * down + actions[..., 1:] * up
        found.append(hidden)
    return torch.stack(found, 1)


Loop = Callable[..., Tensor]
CELLS: dict[str, tuple[Callable[[int], nn.Module], Loop, int, int | None]] = {
    "layer-norm LSTM": (lambda size: LSTM(size, size, layer_norm=True), lstm_loop, 35, None),
    "peephole LSTM": (lambda size: LSTM(size, size, peepholes=True), lstm_loop, 35, None),
    "stack RNN": (lambda size: StackRNN(3, size, stacks=10, scale=0.1), stack_loop, 60, 3),
}


def passed(net: nn.Module, loop: Loop | None, x: Tensor, outer: Tensor, tuned: bool = False) -> list[Tensor]:
    """Outputs, and the gradients of inputs and parameters."""
    x = x.detach().requires_grad_()
    outputs = net(x)[0] if loop is None else loop(net, x, tuned)
    return [outputs.detach(), *torch.autograd.grad((outputs * outer).sum(), [x, *net.parameters()], allow_unused=True)]


def error(found: list[Tensor], exact: list[Tensor]) -> float:
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(found, exact, strict=True) if b is not None)


def main():
    rows = []
    for name, (make, loop, steps, features) in CELLS.items():
        for size, target in SIZES.items():
            torch.manual_seed(0)
            net, x = make(size), torch.randn(BATCH, steps, features or size)
            outer = torch.randn(BATCH, steps, size)
            wide = make(size).double()
            wide.load_state_dict(net.state_dict())
            exact = passed(wide, loop, x.double(), outer.double())
            forms = {"ours": (None, False), "loop": (loop, False), "tuned": (loop, True)}
            errors = {form: error(passed(net, used, x, outer, tuned), exact) for form, (used, tuned) in forms.items()}
            measure = {
                form: lambda given=(net, used, x, outer, tuned): cpu_seconds(lambda: passed(*given))
                for form, (used, tuned) in forms.items()
            }
            interleaved(measure, 1)  # memory is touched, kernels are chosen
            took = interleaved(measure, ROUNDS)
            unit = f"CPU seconds for the {name}, H = {size}, forward and backward"
            for form in ("loop", "tuned"):
                quality = f"largest relative error {errors['ours']:.0e}, theirs {errors[form]:.0e}"
                peer = f"torch, {form}"
                rows.append(row_of_seconds(peer, torch.__version__, unit, took["ours"], took[form], target, quality))
    record("recurrent_cells", rows)


if __name__ == "__main__":
    main()
