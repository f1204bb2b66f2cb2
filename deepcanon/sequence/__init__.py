"""Sequences and memory: language models and recurrent networks."""

from .bag_of_words import BagClassifier as BagClassifier
from .bag_of_words import log_shares as log_shares
from .bidirectional import Bidirectional as Bidirectional
from .bidirectional import real_steps as real_steps
from .factorized_bigram_lm import FactorizedBigramLM as FactorizedBigramLM
from .gru import GRU as GRU
from .lstm import LSTM as LSTM
from .lstm import LSTMCell as LSTMCell
from .neural_lm import NeuralLM as NeuralLM
from .ngram_lm import NgramLM as NgramLM
from .pixel_rnn import DiagonalLSTM as DiagonalLSTM
from .pixel_rnn import MaskedConv2d as MaskedConv2d
from .pixel_rnn import PixelConvolutions as PixelConvolutions
from .pixel_rnn import PixelRNN as PixelRNN
from .pixel_rnn import RowLSTM as RowLSTM
from .rnn_lm import RecurrentLM as RecurrentLM
from .rnn_lm import StepCell as StepCell
from .rnn_lm import sequence_nll as sequence_nll
from .sampled_softmax import SampledSoftmax as SampledSoftmax
from .sampled_softmax import sampled_softmax_loss as sampled_softmax_loss
from .stack_rnn import StackRNN as StackRNN
from .stack_rnn import StackState as StackState
from .stack_rnn import stack_step as stack_step
