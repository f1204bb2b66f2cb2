r"""Recurrent language model over characters or words: embedding, recurrent layers, softmax; truncated BPTT.

Papers: Mikolov et al., "Recurrent neural network based language model", 2010; Graves, "Generating Sequences With
Recurrent Neural Networks", 2013 (arXiv:1308.0850), characters; Williams and Peng, "An Efficient Gradient-Based
Algorithm for On-Line Training of Recurrent Network Trajectories", 1990, truncation; Press and Wolf, 2017
(arXiv:1608.05859), tied weights.

Legend: w_t token out of V; e_t its vector [E]; s_t recurrent state; h_t top hidden vector [H]; T window; B streams.

(1) e_t = C[w_t], or the one-hot vector of w_t if ``embedding_size`` is 0
(2) h_t, s_t = f(e_t, s_{t-1}): the simple recurrence tanh(U e_t + W h_{t-1} + b), a GRU or an LSTM
(3) p(w_{t+1} | w_1 .. w_t) = softmax(O h_t + b);  tied: O = C
(4) L = -(1 / BT) sum log p(w_{t+1} | ...), in nats per token;  perplexity = exp(L)
(5) truncated BPTT: the text is cut into B contiguous streams; window k reads T tokens of each, starts from the state
    that window k-1 ended in, VALUES carried and gradients cut (detached, never set to 0), and from 0 at the beginning

The gradient of a shared weight is the sum over the steps of the window; from one window to an earlier one it is
exactly zero. With T at least the length of the text this is full backpropagation through time.

Departures: the state starts again only where the streams do, not at sentence ends. LSTM biases begin as in
``lstm`` (forget gate 1). Dropout (arXiv:1409.2329) is on the top output and between layers, never on the recurrence;
on the embedding, where that paper has it too, only by ``input_dropout``: the short vectors of characters suffer from it
(0.2 cost 0.01 nats on tiny Shakespeare).

>>> model = RecurrentLM(11, 8, layers=2)
>>> logits, state = model(torch.zeros(3, 5, dtype=torch.int64))
>>> tuple(logits.shape), [tuple(s.shape) for s in state]
((3, 5, 11), [(2, 3, 8), (2, 3, 8)])
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.recurrence import kernel_layer, stacked
from deepcanon.parts.recurrence_by_hand import Rows
from deepcanon.parts.vocabulary_loss import linear_nll, rows_nll
from deepcanon.sequence.lstm import LSTMState, initialise, lstm_cell, lstm_layer
from deepcanon.sequence.sampled_softmax import Proposal, draw_classes, sampled_softmax_loss

__all__ = ["RecurrentLM", "StepCell", "sequence_nll", "window_nll"]

WIDE = 300_000  # weights of a gate above which `lstm_layer` in bf16 is quicker than torch's kernel
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
State = tuple[Tensor, ...]  # each [layers, batch, hidden]: the hidden vectors and, of an LSTM, the memory


def sequence_nll(
    logits: Float[Tensor, "batch time vocabulary"], targets: Int[Tensor, "batch time"], reduction: str = "mean"
) -> Float[Tensor, "..."]:
    """Eq. (4) in nats, computed in float32 or better: "mean" over tokens, "sum", or "none" [batch, time]."""
    if logits.ndim != 3 or logits.shape[:2] != targets.shape:
        raise ValueError(f"logits {tuple(logits.shape)} and targets {tuple(targets.shape)} do not match")
    rows, wanted = logits.flatten(0, 1), targets.flatten()
    if logits.dtype == torch.bfloat16 and logits.device.type == "cpu":
        loss = rows_nll(rows, wanted, 1 / max(1, len(rows)) if reduction == "mean" else 1.0)
        loss = {"mean": loss.sum, "sum": loss.sum, "none": lambda: loss}[reduction]()
    else:
        half = logits.dtype in (torch.bfloat16, torch.float16)
        loss = F.cross_entropy(rows.float() if half else rows, wanted, reduction=reduction)
    return loss.view(targets.shape) if reduction == "none" else loss


class RecurrentLM(nn.Module):
    """Language model whose forward pass gives the logits of the NEXT token at each position, and the state.

    Args:
        vocabulary_size: V.
        hidden_size: H, units of each recurrent layer.
        embedding_size: E; 0: one-hot inputs.
        layers: recurrent layers.
        cell: the recurrent module's class: nn.RNN, nn.GRU, nn.LSTM, or one with the same interface.
        dropout: share dropped of the top output and between layers.
        input_dropout: share dropped of the embedding.
        tied: whether the output weights are the embedding (needs E = H).
    """

    def __init__(
        self,
        vocabulary_size: int,
        hidden_size: int,
        *,
        embedding_size: int | None = None,
        layers: int = 1,
        cell: type[nn.Module] = nn.LSTM,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        tied: bool = False,
        device=None,
        dtype=None,
    ):
        super().__init__()
        make = {"device": device, "dtype": dtype}
        embedding_size = hidden_size if embedding_size is None else embedding_size
        if tied and embedding_size != hidden_size:
            raise ValueError(f"tied weights need embedding_size {embedding_size} = hidden_size {hidden_size}")
        self.vocabulary_size, self.hidden_size, self.layers = vocabulary_size, hidden_size, layers
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, **make) if embedding_size else None
        self.recurrent = cell(embedding_size or vocabulary_size, hidden_size, layers, batch_first=True, **make)
        self.input_dropout, self.dropout = nn.Dropout(input_dropout), nn.Dropout(dropout)
        self.between = nn.Dropout(dropout if layers > 1 else 0.0)  # the layers
        self.output = nn.Linear(hidden_size, vocabulary_size, **make)
        if isinstance(self.recurrent, nn.LSTM):
            initialise(self.recurrent, hidden_size, 1.0)
        if tied:
            nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
            self.output.weight = self.embedding.weight

    def start(self, batch: int) -> State:
        """The state before the first token: zeros."""
        zero = torch.zeros(self.layers, batch, self.hidden_size, device=self.output.weight.device)
        zero = zero.to(self.output.weight.dtype)
        return (zero, zero) if self.memory else (zero,)

    @property
    def of_symbols(self) -> tuple[str, ...]:
        """The parts whose weights belong to single symbols: with another vocabulary they mean nothing."""
        return ("recurrent.weight_ih_l0" if self.embedding is None else "embedding", "output")

    @property
    def memory(self) -> bool:
        """Whether the state has a memory besides the hidden vectors."""
        return self.recurrent.weight_hh_l0.shape[0] == 4 * self.hidden_size

    def forward(
        self, tokens: Int[Tensor, "batch time"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time vocabulary"], State]:
        """(logits of the next token at each position, state after the last one)."""
        h, state = self.features(tokens, state)
        return self.logits(h), state

    def logits(self, h: Float[Tensor, "batch time hidden"]) -> Float[Tensor, "batch time vocabulary"]:
        """Eq. (3) before the softmax."""
        if h.dtype == torch.bfloat16:  # as a matrix: one product with the bias in it, where a view over time takes two
            return self.output(h.flatten(0, 1)).unflatten(0, h.shape[:2])
        return self.output(h)

    def features(
        self, tokens: Int[Tensor, "batch time"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """h_t of (2), dropout applied: what the output layer reads, or a loss instead of it; and the state."""
        if tokens.ndim != 2:
            raise ValueError(f"tokens {tuple(tokens.shape)} are not [batch, time]")
        state = self.start(len(tokens)) if state is None else state
        wide = self._wide_layers_in_bf16(tokens)
        # (1)
        x: Tensor | Rows
        if self.embedding is None:
            x = F.one_hot(tokens, self.vocabulary_size).to(self.output.weight.dtype)
        elif 0 in wide and not (self.training and self.input_dropout.p):
            x = Rows(self.embedding.weight, tokens)
        else:
            x = self.input_dropout(self.embedding(tokens))
        # (2)
        # A kernel of several layers would draw its own masks, for the rows of one process only.
        if wide or (self.training and self.between.p):
            h, state = self._by_layers(x, state, wide)
        else:
            h, state = self.recurrent(x, state if self.memory else state[0])
        return self.dropout(h), tuple(state) if self.memory else (state,)

    def _wide_layers_in_bf16(self, tokens: Tensor) -> set[int]:
        """The layers of which `lstm_layer` is quicker than torch's kernel, with the same results up to rounding."""
        autocast = tokens.device.type == "cpu" and torch.is_autocast_enabled("cpu")
        training = torch.is_grad_enabled() and not torch.compiler.is_compiling()
        if not (training and autocast and self.memory and tokens.shape[1] > 1):
            return set()
        if torch.get_autocast_dtype("cpu") != torch.bfloat16:
            return set()
        sizes = [self.recurrent.weight_ih_l0.shape[1]] + [self.hidden_size] * (self.layers - 1)
        return {number for number, size in enumerate(sizes) if self.hidden_size * (size + self.hidden_size) > WIDE}

    def _by_layers(self, x: Tensor | Rows, state: State, wide: set[int]) -> tuple[Tensor, State]:
        def one(number: int, x: Tensor | Rows, start: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
            weights = [getattr(self.recurrent, f"{name}_l{number}") for name in WEIGHTS]
            if number in wide or isinstance(x, Rows):
                w_ih, w_hh, b_ih, b_hh = weights
                return lstm_layer(x, LSTMState(*start), w_ih, w_hh, b_ih, b_hh, torch.bfloat16)
            return kernel_layer(x, start, weights)

        h, state = stacked(one, x, state, self.between)
        return h, state if self.memory else state[0]

    def step(self, tokens: Int[Tensor, "batch"], state: State) -> tuple[Float[Tensor, "batch vocabulary"], State]:
        """One token for each row: what sampling and beam search call. The axis of the rows in the state is 1."""
        logits, state = self(tokens[:, None], state)
        return logits[:, 0], state


def window_nll(
    model: RecurrentLM,
    tokens: Int[Tensor, "batch time"],
    targets: Int[Tensor, "batch time"],
    state: State | None = None,
    source: Proposal | None = None,
    generator: torch.Generator | None = None,
    *,
    corrected: bool = True,
) -> tuple[Float[Tensor, ""], State]:
    """Eq. (4) of one window, by all of the vocabulary or by a sample of it; and the state after the window.

    Args:
        state: the one that the window before ended in, detached; zeros if not given.
        source: what `sampled_softmax` draws from, by the generator; all of the vocabulary if not given.
        corrected: whether a sampled logit is corrected by the logarithm of how often it is drawn.
    """
    h, state = model.features(tokens, state)
    if source is None:
        if h.dtype == torch.bfloat16 and h.device.type == "cpu" and not torch.compiler.is_compiling():
            output = model.output
            loss = linear_nll(h.flatten(0, 1), output.weight, output.bias, targets.flatten(), h.dtype)
            return loss, state
        return sequence_nll(model.logits(h), targets), state
    if not corrected:
        source = source._replace(log_counts=torch.zeros_like(source.log_counts))
    drawn, output = draw_classes(source, generator), model.output
    rows = h.flatten(0, 1), output.weight, output.bias, targets.flatten()
    return sampled_softmax_loss(*rows, drawn, source.log_counts), state


class StepCell(nn.Module):
    """One step as explicit equations, for export: (token, hidden [batch, layers, H], memory) -> logits and new state.

    Shares the parameters of a RecurrentLM on any of torch's three recurrent kernels.

    Args:
        model: whose parameters are shared.
    """

    def __init__(self, model: RecurrentLM):
        super().__init__()
        self.model = model
        kinds = {4: "lstm", 3: "gru", 1: "rnn"}
        self.kind = kinds[model.recurrent.weight_hh_l0.shape[0] // model.hidden_size]

    def forward(
        self,
        token: Int[Tensor, "batch"],
        hidden: Float[Tensor, "batch layers hidden"],
        memory: Float[Tensor, "batch layers hidden"] | None = None,
    ) -> tuple[Tensor, ...]:
        """(logits of the next token, hidden, memory of an LSTM)."""
        model, parts = self.model, self.model.recurrent
        if model.embedding is None:
            x = F.one_hot(token, model.vocabulary_size).to(hidden.dtype)
        else:
            x = model.embedding(token)
        hiddens, memories = [], []
        for layer in range(model.layers):
            h = hidden[:, layer]
            a = F.linear(x, getattr(parts, f"weight_ih_l{layer}"), getattr(parts, f"bias_ih_l{layer}"))
            b = F.linear(h, getattr(parts, f"weight_hh_l{layer}"), getattr(parts, f"bias_hh_l{layer}"))
            if self.kind == "lstm":
                x, c = lstm_cell(a + b, memory[:, layer])
                memories.append(c)
            elif self.kind == "gru":
                # torch's form: the reset gate acts after the recurrent product, whose candidate has its own bias.
                (a_r, a_z, a_n), (b_r, b_z, b_n) = a.chunk(3, 1), b.chunk(3, 1)
                z = (a_z + b_z).sigmoid()
                x = (1 - z) * (a_n + (a_r + b_r).sigmoid() * b_n).tanh() + z * h
            else:
                x = (a + b).tanh()
            hiddens.append(x)
        stacked = (torch.stack(hiddens, 1), torch.stack(memories, 1)) if memories else (torch.stack(hiddens, 1),)
        return (model.output(x), *stacked)
