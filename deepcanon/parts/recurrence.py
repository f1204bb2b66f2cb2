r"""What recurrent networks share: the loop over time, layers, and the state between windows.

Papers: Appleyard, Kocisky and Blunsom, "Optimizing Performance of Recurrent Neural Networks on GPUs", 2016
(arXiv:1604.01946), products of several steps taken together; Williams and Peng, "An Efficient Gradient-Based Algorithm
for On-Line Training of Recurrent Network Trajectories", 1990, truncation.

Legend: x_t input [batch B, input I]; h_t hidden vector, m_t the other parts of the state (the memory of an LSTM), each
[B, H]; a_t the sums that a step begins with, some blocks of [B, H]; T the size of a window.

(1) a_t = W_x x_t + b_x + W_h h_{t-1} + b_h;   h_t, m_t = f(a_t, h_{t-1}, m_{t-1})
(2) W_x x_t does not wait for h_{t-1}: one matrix product for all steps, before the loop
(3) where a mask is False the state stays as it was, and the output is 0
(4) truncated backpropagation through time: a text is cut into contiguous streams; window k reads T tokens of each and
    starts from the state that window k-1 ended in, VALUES carried and gradients cut

`scan` is the loop for any step, differentiated by autograd; for a step whose derivative is written by hand there is
`recurrence_by_hand`.

>>> x, zero = torch.randn(2, 7, 3), torch.zeros(2, 5)
>>> w_x, w_h = torch.randn(5, 3), torch.randn(5, 5)
>>> def step(sums, h):  # Elman's network
...     h = torch.tanh(sums + h @ w_h.T)
...     return h, h
>>> output, last = scan(step, x @ w_x.T, zero)
>>> tuple(output.shape), torch.equal(output[:, -1], last)
((2, 7, 5), True)
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

__all__ = [
    "Window", "add_layers", "begun", "detach", "kernel_layer", "lag_biases_", "last_real", "read_window", "scan",
    "select_rows", "stacked", "streams", "uniform_layers_", "weights_of", "window",
]  # fmt: skip

State = Any  # a tensor, or a nest of tensors in tuples, lists and dicts


# The state


def _each(function: Callable[..., Tensor], state: State, *others: State) -> State:
    """The function of each tensor of a nest, and of those in the same place of others."""
    if isinstance(state, Tensor):
        return function(state, *others)
    if isinstance(state, dict):
        return {name: _each(function, value, *(other[name] for other in others)) for name, value in state.items()}
    if isinstance(state, tuple | list):
        items = [_each(function, *values) for values in zip(state, *others, strict=True)]
        return type(state)(*items) if hasattr(state, "_fields") else type(state)(items)
    return state


def detach(state: State) -> State:
    """The same values without their history, as `detach` does."""
    return _each(lambda value: value.detach(), state)


def select_rows(state: State, rows: Int[Tensor, "rows"], axis: int = 0) -> State:
    """The given rows of every tensor of a state."""
    return _each(lambda value: value.index_select(axis, rows), state)


# Windows of a text


class Window(NamedTuple):
    """Where a step of truncated backpropagation reads in the streams; whether they start again."""

    start: int
    stop: int
    fresh: bool


def streams(
    tokens: Int[Tensor, "tokens"], count: int
) -> tuple[Int[Tensor, "count length"], Int[Tensor, "count length"]]:
    """Cuts a text into ``count`` contiguous streams; inputs, and targets one token further. The rest is dropped."""
    length = (tokens.numel() - 1) // count
    if tokens.ndim != 1 or length < 1:
        raise ValueError(f"{tuple(tokens.shape)} tokens are too few for {count} streams")
    used = count * length
    return tokens[:used].view(count, length), tokens[1 : used + 1].view(count, length)


def read_window(
    tokens: Any, count: int, here: Window, rows: slice = slice(None)
) -> tuple[Int[Tensor, "rows time"], Int[Tensor, "rows time"]]:
    """What ``streams`` gives of one window, inputs and targets, of the streams in ``rows`` only.

    Args:
        tokens: int64 [tokens] of the text: a tensor, or what gives a tensor of each slice of them.
        count: of the streams that the text is cut into.
    """
    length = (tokens.numel() - 1) // count
    begins = [stream * length for stream in range(count)[rows]]
    both = torch.stack([tokens[begin + here.start : begin + here.stop + 1] for begin in begins])
    return both[:, :-1], both[:, 1:]


def window(step: int, length: int, size: int) -> Window:
    """What step ``step`` reads of streams of ``length`` tokens, eq. (4); the last window of a pass may be short."""
    if step < 0 or length < 1 or size < 1:
        raise ValueError(f"step {step}, length {length} and size {size} do not describe a window")
    many = -(-length // size)
    start = step % many * size
    return Window(start, min(start + size, length), start == 0)


# The loop


def scan(
    step: Callable[[Tensor, State], tuple[Tensor, State]],
    inputs: Float[Tensor, "batch time ..."],
    state: State,
    mask: Bool[Tensor, "batch time"] | None = None,
) -> tuple[Float[Tensor, "batch time ..."], State]:
    """The outputs of a step that is applied along time, and the last state.

    Args:
        step: (input [batch, ...], state) -> (output, state).
        inputs: best W_x x_t of all steps, by one product, eq. (2).
        state: before the first step; tensors [batch, ...].
        mask: what is read; the rest is padding, eq. (3).
    """
    if inputs.ndim < 2 or not inputs.shape[1]:
        raise ValueError(f"inputs {tuple(inputs.shape)} are not [batch, time >= 1, ...]")
    if mask is not None and mask.shape != inputs.shape[:2]:
        raise ValueError(f"mask {tuple(mask.shape)} is not [batch, time] = {tuple(inputs.shape[:2])}")
    outputs = []
    # Views taken all at once: the derivative of each inputs[:, t] would be a tensor as large as all inputs.
    masks = (None,) * inputs.shape[1] if mask is None else mask.unbind(1)
    for given, keep in zip(inputs.unbind(1), masks, strict=True):
        output, new = step(given, state)
        if keep is not None:
            # (3)
            new = _each(lambda value, old, keep=keep: torch.where(_broadcast(keep, value), value, old), new, state)
            output = torch.where(_broadcast(keep, output), output, torch.zeros_like(output))
        outputs.append(output)
        state = new
    return torch.stack(outputs, dim=1), state


def _broadcast(keep: Tensor, value: Tensor) -> Tensor:
    return keep.view(-1, *(1,) * (value.ndim - 1))


@torch.no_grad()
def lag_biases_(bias: Float[Tensor, "sums"], hidden_size: int, longest: int) -> None:
    """Sets an LSTM's bias for lags up to ``longest``: log u of the forget gates, -log u of the input gates, u uniform.

    Tallec and Ollivier 2018 (arXiv:1804.11188), eq. 16: a unit whose forget gate is 1 - 1/u forgets within u steps. The
    blocks are i, f, g, o, or of coupled gates i, g, o, where the input gate says both.
    """
    if bias.ndim != 1 or len(bias) not in (3 * hidden_size, 4 * hidden_size) or longest < 2:
        raise ValueError(f"a bias {tuple(bias.shape)} does not fit {hidden_size} units and lags up to {longest}")
    lags = torch.empty_like(bias[:hidden_size]).uniform_(1, max(2, longest - 1)).log_()
    bias[:hidden_size] = -lags
    if len(bias) == 4 * hidden_size:
        bias[hidden_size : 2 * hidden_size] = lags


def last_real(
    outputs: Float[Tensor, "batch time hidden"], mask: Bool[Tensor, "batch time"] | None = None
) -> Float[Tensor, "batch hidden"]:
    """The output at the last step of each row that the mask keeps; of a row without any, at the first step."""
    if outputs.ndim != 3 or (mask is not None and mask.shape != outputs.shape[:2]):
        raise ValueError(f"outputs {tuple(outputs.shape)} are not [batch, time, hidden] with a mask [batch, time]")
    if mask is None:
        return outputs[:, -1]
    steps = torch.arange(mask.shape[1], device=mask.device)
    last = (steps * mask).amax(1)
    return outputs.gather(1, last[:, None, None].expand(-1, 1, outputs.shape[2])).squeeze(1)


def stacked(
    layer: Callable[[int, Any, tuple[Tensor, ...]], tuple[Tensor, Sequence[Tensor]]],
    x: Any,
    state: Sequence[Float[Tensor, "layers batch hidden"]],
    between: Callable[[Tensor], Tensor] = lambda x: x,
) -> tuple[Float[Tensor, "batch time hidden"], tuple[Float[Tensor, "layers batch hidden"], ...]]:
    """Layers that each read the outputs of the one below.

    Args:
        layer: (number, inputs, state [batch, hidden]) -> (outputs, state).
        x: inputs of the lowest layer, [batch, time, input] or whatever it takes.
        between: what the outputs of a layer pass through on their way to the next: a dropout layer.
    """
    ends = []
    for number, start in enumerate(zip(*state, strict=True)):
        if number:
            x = between(x)
        x, end = layer(number, x, start)
        ends.append(end)
    return x, tuple(torch.stack(parts) for parts in zip(*ends, strict=True))


def begun(
    x: Float[Tensor, "batch time input"],
    state: Float[Tensor, "layers batch hidden"] | None,
    input_size: int,
    size: tuple[int, int],
) -> Float[Tensor, "layers batch hidden"]:
    """The state with which layers begin a sequence: the given one, or zeros.

    Args:
        size: (layers, hidden).

    Raises:
        ValueError: x or the state does not fit.
    """
    if x.ndim != 3 or x.shape[2] != input_size or x.shape[1] == 0:
        raise ValueError(f"x {tuple(x.shape)} is not [batch, time >= 1, {input_size}]")
    expected = (size[0], x.shape[0], size[1])
    state = x.new_zeros(expected) if state is None else state
    if state.shape != expected:
        raise ValueError(f"state {tuple(state.shape)} is not [layers, batch, hidden] = {expected}")
    return state


KERNELS: dict[int, Callable[..., Any]] = {
    4: torch.lstm,
    3: torch.gru,
    1: torch.rnn_tanh,
}  # by how many blocks of [H] a step sums


def kernel_layer(
    x: Float[Tensor, "batch time input"],
    state: Sequence[Float[Tensor, "batch hidden"]],
    weights: Sequence[Tensor],
    kernel: Callable[..., Any] | None = None,
) -> tuple[Float[Tensor, "batch time hidden"], tuple[Float[Tensor, "batch hidden"], ...]]:
    """One layer by torch's kernel: of an LSTM, a GRU or the simple recurrence with tanh, as the weights have it.

    The kernels take several layers at once and dropout too, but draw the masks themselves, of the rows they are given.

    Args:
        state: the hidden vectors and, of an LSTM, the memory.
        weights: W_x, W_h, b_x, b_h as torch's modules have them.
        kernel: another one of the same form, such as torch.rnn_relu.
    """
    first = [part[None] for part in state]
    apply: Any = kernel or KERNELS[len(weights[1]) // weights[1].shape[1]]
    start = first if len(first) > 1 else first[0]
    output, *end = apply(x, start, list(weights), True, 1, 0.0, torch.is_grad_enabled(), False, True)
    return output, tuple(part[0] for part in end)


# Parameters of layers


def add_layers(
    module: nn.Module, blocks: int, input_size: int, hidden_size: int, num_layers: int, *, both: bool = False,
    device=None, dtype=None,
) -> None:  # fmt: skip
    """Gives a module the parameters of torch's recurrent ones, by torch's names, in torch's order, without values.

    Args:
        blocks: how many blocks of [hidden] a step sums: 4 of an LSTM, 3 of a GRU.
        both: whether each layer reads in both directions; the names of the second end in "_reverse".
    """
    sums, ends = (blocks * hidden_size,), ("", "_reverse")[: 1 + both]
    for layer in range(num_layers):
        wide = input_size if layer == 0 else hidden_size * len(ends)
        shapes = {"weight_ih": (*sums, wide), "weight_hh": (*sums, hidden_size), "bias_ih": sums, "bias_hh": sums}
        for end in ends:
            for name, shape in shapes.items():
                empty = torch.empty(*shape, device=device, dtype=dtype)
                module.register_parameter(f"{name}_l{layer}{end}", nn.Parameter(empty))


def weights_of(module: nn.Module, layer: int, end: str = "") -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """W_ih, W_hh, b_ih and b_hh of a layer that `add_layers` made."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    w_ih, w_hh, b_ih, b_hh = (getattr(module, f"{name}_l{layer}{end}") for name in names)
    return w_ih, w_hh, b_ih, b_hh


@torch.no_grad()
def uniform_layers_(module: nn.Module, hidden_size: int, block: int, bias: float) -> None:
    """Weights of layers uniform in +-1/sqrt(hidden), biases 0 but that of one block of the input biases."""
    bound = 1 / math.sqrt(hidden_size)
    for name, parameter in module.named_parameters():
        if name.startswith("weight"):
            parameter.uniform_(-bound, bound)
        else:
            parameter.zero_()
            if name.startswith("bias_ih"):
                parameter[block * hidden_size : (block + 1) * hidden_size] = bias
