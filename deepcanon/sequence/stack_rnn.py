r"""Stack-augmented recurrent network: a hidden layer that counts and remembers on stacks it learns to push and pop.

Paper: Joulin and Mikolov, "Inferring Algorithmic Patterns with Stack-Augmented Recurrent Nets", 2015
(arXiv:1503.01007), section 3.

Legend: x_t input [batch B, input I]; h_t hidden vector [B, H]; s_t stacks [B, stacks S, cells C], cell 0 the top; k the
cells that the hidden layer sees; a_t how much each stack is pushed, popped and left [B, S, 2 or 3]; d_t what would be
pushed [B, S], between 0 and 1. An empty cell is -1, which no pushed value can be.

(1) h_t = sigmoid(W_x x_t + b + P s_{t-1}[0..k-1])   ``recurrent``: + R h_{t-1} before the sigmoid
(2) a_t = softmax(A h_t + b_a), of each stack by itself;   d_t = sigmoid(D h_t + b_d)
(3) s_t[0] = a_t[PUSH] d_t + a_t[POP] s_{t-1}[1] + a_t[NO-OP] s_{t-1}[0]
(4) s_t[i] = a_t[PUSH] s_{t-1}[i-1] + a_t[POP] s_{t-1}[i+1] + a_t[NO-OP] s_{t-1}[i]
(5) ``rounded``, outside training only: a_t one-hot at its largest entry, so that the stacks are discrete

Eqs. (3) and (4) are linear in the old stack: with actions drawn at random from a_t instead of mixed, the expected stack
is the same.

Departures: the biases, which the paper leaves out, start at 0. Stacks have as many cells as could have been filled, so
that nothing is lost; ``depth`` bounds them, and then what is pushed below the last cell is lost, and popping draws
empty cells in. Weights are normal with deviation ``scale``.

>>> net = StackRNN(3, 5, stacks=2)
>>> outputs, state = net(torch.zeros(4, 7, 3))
>>> tuple(outputs.shape), tuple(state.stacks.shape)
((4, 7, 5), (4, 2, 9))
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from deepcanon.parts.recurrence import scan

__all__ = ["EMPTY", "StackRNN", "StackState", "StackTrace", "stack_step"]

EMPTY = -1.0
PUSH, POP, KEEP = 0, 1, 2  # where the actions stand
aten = torch.ops.aten


class StackState(NamedTuple):
    """Between two steps: the hidden vector [batch, hidden] and the stacks [batch, stacks, cells]."""

    hidden: Tensor
    stacks: Tensor


class StackTrace(NamedTuple):
    """Of every step: hidden [batch, time, hidden], actions [batch, time, stacks, 2 or 3], pushed [batch, time, stacks],
    and the stacks after it [batch, time, stacks, cells]."""

    hidden: Tensor
    actions: Tensor
    pushed: Tensor
    stacks: Tensor


def stack_step(
    stacks: Float[Tensor, "batch stacks cells"],
    actions: Float[Tensor, "batch stacks actions"],
    pushed: Float[Tensor, "batch stacks"],
) -> Float[Tensor, "batch stacks cells"]:
    """The stacks after PUSH, POP and, of three actions, NO-OP, each by its share, eqs. (3) and (4).

    Raises:
        ValueError: the shapes do not fit, or there are not two or three actions.
    """
    if stacks.ndim != 3 or actions.shape[:-1] != stacks.shape[:2] or pushed.shape != stacks.shape[:2]:
        raise ValueError(
            f"stacks {tuple(stacks.shape)}, actions {tuple(actions.shape)} and pushed {tuple(pushed.shape)} do not fit"
        )
    if actions.shape[-1] not in (2, 3):
        raise ValueError(f"{actions.shape[-1]} actions are not PUSH, POP and perhaps NO-OP")
    down = torch.cat([pushed[..., None], stacks[..., :-1]], 2)
    up = F.pad(stacks[..., 1:], (0, 1), value=EMPTY)
    new = actions[..., PUSH, None] * down + actions[..., POP, None] * up
    return new if actions.shape[-1] == 2 else new + actions[..., KEEP, None] * stacks


class StackRNN(nn.Module):
    """A layer of hidden units over a batch of sequences, with stacks as its memory.

    Args:
        stacks: S, each with actions of its own.
        read: k, cells from the top that the hidden layer sees.
        keep: whether there is a third action, NO-OP.
        recurrent: whether the hidden layer also sees itself, eq. (1); without, only the stacks remember.
        rounded: take the likeliest action wholly outside training, eq. (5).
        depth: cells of each stack; None: as many as steps.
        scale: standard deviation of the initial weights.

    Raises:
        ValueError: no stack, no cell read, or fewer cells than are read.
    """

    weight_ih: Tensor
    bias_ih: Tensor
    weight_stack: Tensor
    weight_action: Tensor
    bias_action: Tensor
    weight_push: Tensor
    bias_push: Tensor
    weight_hh: Tensor | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        stacks: int = 1,
        *,
        read: int = 2,
        keep: bool = False,
        recurrent: bool = False,
        rounded: bool = False,
        depth: int | None = None,
        scale: float = 1.0,
        device=None,
        dtype=None,
    ):
        super().__init__()
        if stacks < 1 or read < 1 or (depth is not None and depth < read):
            raise ValueError(f"{stacks} stacks of {depth} cells, of which {read} are read, cannot be")
        self.input_size, self.hidden_size, self.stacks, self.read = input_size, hidden_size, stacks, read
        self.actions, self.rounded, self.depth, self.scale = 2 + keep, rounded, depth, scale
        shapes = {
            "weight_ih": (hidden_size, input_size),
            "bias_ih": (hidden_size,),
            "weight_stack": (hidden_size, stacks * read),
            "weight_action": (stacks * self.actions, hidden_size),
            "bias_action": (stacks * self.actions,),
            "weight_push": (stacks, hidden_size),
            "bias_push": (stacks,),
        }
        if recurrent:
            shapes["weight_hh"] = (hidden_size, hidden_size)
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.empty(*shape, device=device, dtype=dtype)))
        if not recurrent:
            self.register_parameter("weight_hh", None)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Normal weights, biases 0."""
        for name, parameter in self.named_parameters():
            if name.startswith("weight"):
                nn.init.normal_(parameter, 0.0, self.scale)
            else:
                parameter.zero_()

    def start(self, x: Float[Tensor, "batch time input"]) -> StackState:
        """Before the first step: a hidden vector of zeros and empty stacks."""
        cells = self.read if self.depth is None else self.depth
        stacks = x.new_full((x.shape[0], self.stacks, cells), EMPTY)
        return StackState(x.new_zeros(x.shape[0], self.hidden_size), stacks)

    def forward(
        self,
        x: Float[Tensor, "batch time input"],
        state: StackState | None = None,
        mask: Bool[Tensor, "batch time"] | None = None,
    ) -> tuple[Float[Tensor, "batch time hidden"], StackState]:
        """(hidden vectors, state after the last real step); ValueError for shapes that do not fit."""
        trace, last = self._run(x, state, mask)
        return trace[..., : self.hidden_size], last

    def trace(self, x: Float[Tensor, "batch time input"]) -> StackTrace:
        """Everything at every step, from empty stacks; cells that were never reached are -1."""
        steps, last = self._run(x, None, None, traced=True)
        sizes = [self.hidden_size, self.stacks * self.actions, self.stacks, last.stacks[0].numel()]
        hidden, actions, pushed, stacks = steps.split(sizes, 2)
        each = (self.stacks, -1)
        return StackTrace(hidden, actions.unflatten(2, each), pushed, stacks.unflatten(2, each))

    def _run(self, x: Tensor, state: StackState | None, mask: Tensor | None, traced: bool = False):
        if x.ndim != 3 or x.shape[2] != self.input_size or x.shape[1] == 0:
            raise ValueError(f"x {tuple(x.shape)} is not [batch, time >= 1, {self.input_size}]")
        hidden, stacks = self.start(x) if state is None else state
        fits = hidden.shape == (x.shape[0], self.hidden_size) and stacks.shape[:-1] == (x.shape[0], self.stacks)
        if not fits or stacks.shape[-1] < self.read:
            raise ValueError(f"state {tuple(hidden.shape)}, {tuple(stacks.shape)} does not fit x {tuple(x.shape)}")
        if self.depth is None:
            stacks = F.pad(stacks, (0, x.shape[1]), value=EMPTY)
        # Actions and pushed values come from one product.
        into_stack = torch.cat([self.weight_action, self.weight_push])
        bias, parts = torch.cat([self.bias_action, self.bias_push]), [len(self.bias_action), self.stacks]
        sums = F.linear(x, self.weight_ih, self.bias_ih)
        learns = self.training and torch.is_grad_enabled() and not torch.compiler.is_compiling()
        if learns and mask is None and not traced and self.weight_hh is None:
            outputs, stacks = _Stacks.apply(sums, stacks, self.weight_stack, into_stack, bias)
            return outputs, StackState(outputs[:, -1], stacks)

        def step(sums: Tensor, state: StackState) -> tuple[Tensor, StackState]:
            # (1)
            sums = sums + F.linear(state.stacks[..., : self.read].flatten(1), self.weight_stack)
            if self.weight_hh is not None:
                sums = sums + F.linear(state.hidden, self.weight_hh)
            hidden = sums.sigmoid()
            # (2)
            actions, pushed = F.linear(hidden, into_stack, bias).split(parts, 1)
            actions, pushed = actions.unflatten(1, (self.stacks, self.actions)).softmax(2), pushed.sigmoid()
            # (5)
            if self.rounded and not self.training:
                actions = F.one_hot(actions.argmax(2), self.actions).to(actions.dtype)
            new = stack_step(state.stacks, actions, pushed)
            out = torch.cat([hidden, actions.flatten(1), pushed, new.flatten(1)], 1) if traced else hidden
            return out, StackState(hidden, new)

        return scan(step, sums, StackState(hidden, stacks), mask)


class _Stacks(torch.autograd.Function):
    """Eqs. (1) to (4) without R over a whole sequence, the derivative written by hand.

    A step is a few operations on small tensors, of which autograd would make three times as many. Row ``t`` of
    ``cells`` has the stacks before step t between what is pushed then and an empty cell, so that the stack after a push
    and that after a pop are views of it.
    """

    @staticmethod
    def forward(ctx, sums, stacks, weight, into_stack, bias):
        batch, time = sums.shape[:2]
        many, depth = stacks.shape[1:]
        kinds, read = len(bias) // many - 1, weight.shape[1] // many
        hiddens = sums.clone(memory_format=torch.contiguous_format)
        tops, actions = sums.new_empty(batch, time, many, read), sums.new_empty(batch, time, many, kinds)
        chosen = sums.new_empty(batch, len(bias))
        cells = sums.new_full((time + 1, batch, many, depth + 2), EMPTY)
        cells[0, :, :, 1:-1] = stacks
        views = (part.unbind(1) for part in (hiddens, tops, tops.flatten(2), actions))
        for hidden, top, flat, action, old, new in zip(*views, cells[:-1], cells[1:], strict=True):
            # (1)
            top.copy_(old[..., 1 : read + 1])
            hidden.addmm_(flat, weight.T).sigmoid_()
            # (2)
            torch.addmm(bias, hidden, into_stack.T, out=chosen)
            torch.softmax(chosen[:, : many * kinds].view(batch, many, kinds), 2, out=action)
            torch.sigmoid(chosen[:, many * kinds :], out=old[..., 0])
            # (3), (4)
            push, pop, *keep = action.split(1, 2)
            inner = torch.mul(push, old[..., :-2], out=new[..., 1:-1]).addcmul_(pop, old[..., 2:])
            for share in keep:
                inner.addcmul_(share, old[..., 1:-1])
        ctx.save_for_backward(hiddens, tops, actions, cells, weight, into_stack)
        return hiddens, cells[-1, :, :, 1:-1].clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_outputs, d_stacks):
        hiddens, tops, actions, cells, weight, into_stack = ctx.saved_tensors
        batch, time, many, kinds = actions.shape
        d_sums = torch.empty_like(hiddens)
        d_chosen = hiddens.new_empty(batch, time, many * (kinds + 1))
        inner, outer = d_stacks.clone(), cells.new_zeros(cells.shape[1:])
        read, depth = tops.shape[3], inner.shape[2]
        shifts = (slice(0, depth), slice(2, depth + 2), slice(1, depth + 1))[:kinds]
        views = (part.unbind(1) for part in (d_outputs, hiddens, actions, d_sums, d_chosen))
        each = list(zip(*views, cells[:-1], strict=True))
        for d_output, hidden, action, d_sum, d_logits, old in reversed(each):
            # (3), (4)
            d_action = torch.stack([(inner * old[..., shift]).sum(2) for shift in shifts], 2)
            outer[..., depth:] = 0
            torch.mul(action[..., PUSH, None], inner, out=outer[..., :depth])
            for kind, shift in list(enumerate(shifts))[1:]:
                outer[..., shift].addcmul_(action[..., kind, None], inner)
            # (2)
            d_logits[:, : many * kinds] = aten._softmax_backward_data(d_action, action, 2, action.dtype).flatten(1)
            pushed = old[..., 0]
            aten.sigmoid_backward.grad_input(outer[..., 0], pushed, grad_input=d_logits[:, many * kinds :])
            # (1)
            d_hidden = torch.addmm(d_output, d_logits, into_stack)
            aten.sigmoid_backward.grad_input(d_hidden, hidden, grad_input=d_sum)
            inner.copy_(outer[..., 1:-1])
            inner[..., :read] += (d_sum @ weight).view(batch, many, read)
        flat_sums, flat_chosen = d_sums.flatten(0, 1), d_chosen.flatten(0, 1)
        d_weight, d_into = flat_sums.T @ tops.flatten(0, 1).flatten(1), flat_chosen.T @ hiddens.flatten(0, 1)
        return d_sums, inner, d_weight, d_into, flat_chosen.sum(0)
