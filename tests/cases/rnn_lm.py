from contract.cases import Case
from oracles import rnn_lm as oracle
from torch import nn

from deepcanon.sequence import LSTM, RecurrentLM
from deepcanon.sequence.rnn_lm import StepCell, sequence_nll


def tokens(rng):
    return (rng.integers(0, 9, size=(3, 5)),)


def one_token(states):
    def draw(rng):
        return rng.integers(0, 9, size=3), *(rng.normal(size=(3, 2, 4)) for _ in range(states))

    return draw


def step_oracle(params, token, *state):
    """The export's state has the batch first."""
    params = {name.removeprefix("model."): value for name, value in params.items()}
    logits, new = oracle.forward(params, token[:, None], *(s.transpose(1, 0, 2) for s in state))
    return logits[:, 0], *(s.transpose(1, 0, 2) for s in new)


def lm(**options):
    return lambda: RecurrentLM(9, 4, **options)


def stepped(**options):
    return lambda: StepCell(RecurrentLM(9, 4, layers=2, **options))


CASES = (
    Case("rnn_lm", lm(layers=2, dropout=0.1), tokens, oracle.forward, causal=True, covers=("RecurrentLM",)),
    Case("rnn_lm_gru", lm(cell=nn.GRU, embedding_size=3), tokens, oracle.forward, causal=True),
    Case("rnn_lm_simple", lm(cell=nn.RNN, embedding_size=0), tokens, oracle.forward, causal=True),
    Case("rnn_lm_tied", lm(tied=True), tokens, oracle.forward, causal=True),
    Case("rnn_lm_own_cell", lm(cell=LSTM, embedding_size=3), tokens, oracle.forward, causal=True),
    Case("step_cell", stepped(), one_token(2), step_oracle, covers=("StepCell",)),
    Case("step_cell_gru", stepped(cell=nn.GRU), one_token(1), step_oracle),
    Case("step_cell_simple", stepped(cell=nn.RNN, embedding_size=0), one_token(1), step_oracle),
)
FUNCTIONS = (
    Case(
        "sequence_nll",
        None,
        lambda rng: (rng.normal(size=(3, 4, 6)), rng.integers(0, 6, size=(3, 4))),
        lambda params, logits, targets: oracle.nll(logits, targets),
        call=lambda logits, targets: sequence_nll(logits, targets, "none"),
    ),
)
