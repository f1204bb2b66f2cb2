"""Sequences and memory: language models, recurrent networks, decoding."""

from .decoding import Beam as Beam
from .decoding import beam_search as beam_search
from .decoding import length_penalty as length_penalty
from .decoding import sample_sequence as sample_sequence
from .decoding import select_rows as select_rows
from .lstm import LSTM as LSTM
from .lstm import LSTMCell as LSTMCell
from .lstm import LSTMState as LSTMState
from .lstm import lstm_bf16 as lstm_bf16
from .lstm import lstm_cell as lstm_cell
from .lstm import lstm_sequence as lstm_sequence
from .ngram_lm import NgramLM as NgramLM
from .ngram_lm import modified_discounts as modified_discounts
from .rnn_lm import RecurrentLM as RecurrentLM
from .rnn_lm import StepCell as StepCell
from .rnn_lm import Window as Window
from .rnn_lm import detach as detach
from .rnn_lm import sequence_nll as sequence_nll
from .rnn_lm import streams as streams
from .rnn_lm import window as window
