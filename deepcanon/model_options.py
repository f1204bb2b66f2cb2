"""Options that recipes of one kind of model share: generators, Boltzmann machines, recurrent language models, value
networks with a memory, networks on trees.

As in `deepcanon.options`, the text under a field is its help, and a recipe changes a default by declaring the field
again. Without torch or NumPy.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from deepcanon.options import (
    Batches,
    Belongs,
    CopiedWeights,
    Count,
    Documents,
    Dropout,
    InputDropout,
    LargeTokens,
    NonNegative,
    Optimization,
    OptimizerName,
    Pairs,
    Pieces,
    Positive,
    Probability,
    Range,
    Schedule,
    Share,
    Training,
    Trees,
    Whole,
)  # fmt: skip

__all__ = [
    "TINY_TRANSLATION", "Adversarial", "ContrastiveDivergence", "DocumentTraining", "Environments", "Exploration",
    "Generator", "OwnWordsTraining", "RecurrentLanguage", "Replay", "TranslationTraining", "TreeTraining",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ContrastiveDivergence(Batches):
    gibbs: Count = 1
    """Gibbs steps per update (k)."""
    learning_rate: Positive = 0.05
    """Initial learning rate; it falls linearly to zero."""
    momentum: Share = 0.5
    """Momentum of the stochastic gradient."""
    decay: NonNegative = 0.0001
    """L2 penalty of the weights."""
    temperatures: Whole = 1000
    """Steps of annealed importance sampling (AIS) on the test split; 0: no AIS."""


# Language models


@dataclass(frozen=True, kw_only=True)
class RecurrentLanguage(LargeTokens, Pieces, Optimization, Schedule, InputDropout, CopiedWeights):
    """What `techniques.recurrent_language` reads."""

    GROUP: ClassVar[str] = ""

    unit: Literal["characters", "words", "pieces"] = "characters"
    """Kind of token: words are separated by spaces and each line is a sentence; pieces come from byte-pair
    encoding."""
    cache: Literal["auto", "off"] = "auto"
    cell: Literal["lstm", "gru", "rnn"] = "lstm"
    """Kind of recurrent layer."""
    hidden: Count = 512
    """Units of each recurrent layer."""
    layers: Count = 1
    """Recurrent layers."""
    embedding: Whole = 64
    """Size of the token vectors; 0: one-hot inputs."""
    tied: bool = False
    """Use the embedding as output weights (needs embedding = hidden)."""
    uniform: NonNegative = 0.0
    """Draw all initial weights and biases uniformly from +- this; 0: each layer's own initialisation."""
    dropout: Share = 0.1
    batch: Count = 32
    """Streams that the text is cut into (fewer on a short text)."""
    window: Count = 64
    """Tokens through which gradients flow back."""
    epochs: Positive = 15.0
    """Passes over the text if no steps are given."""
    optimizer: OptimizerName = "adamw"
    learning_rate: Positive = 6e-3
    warmup: Share = 0.05
    weight_decay: NonNegative = 0.01
    summed: bool = False
    """Use the gradient of the sum over a window, not of the mean: this is what a rate of 1 means in Zaremba et al.
    2014."""
    clip: Positive = 1.0
    """Largest global norm of the gradients."""
    samples: Whole = 0
    """Sampled softmax: tokens drawn by frequency in each step; 0: the full softmax."""
    correction: bool = True
    """Sampled softmax: correct for how often a word is drawn; otherwise frequent words get too low a probability."""
    frequency_bias: bool = False
    """Start the output biases at the log frequencies; for words this saves an epoch."""
    ngram: Whole = 0
    """Order of the Kneser-Ney model that is mixed in on the test text; 0: none."""
    sample: Count = 400
    """Length in tokens of the text that is sampled after each evaluation."""


# Classifiers of documents by their words in order


@dataclass(frozen=True, kw_only=True)
class DocumentTraining(Documents, Batches, Optimization, Schedule, Dropout):
    """What `techniques.document_classifiers` reads."""

    GROUP: ClassVar[str] = ""

    tokens: Literal["marks", "letters", "blanks"] = "marks"
    """What counts as a word. marks: a run of letters or of digits, or a punctuation mark; letters:
    a run of letters only; blanks: anything between blanks (for tokenised text)."""
    minimum_count: Count = 1
    """Words that occur less often in the training documents become the unknown word."""
    vocabulary: Whole = 0
    """How many of the most frequent words to keep; 0 keeps all."""
    longest: Count = 400
    """Maximum number of words read from a document; the rest is left out."""
    dimensions: Count = 128
    """Size of the word vectors."""
    vectors: str = ""
    """Initial word vectors: a run of word2vec (a folder), or a text file with a word and its numbers on each line;
    --dimensions is then theirs. Words without a vector start with random ones."""
    static: bool = False
    """Do not train the word vectors (needs --vectors); train everything else."""
    dropout: Share = 0.5
    """Probability of dropping a feature of the text in training."""
    embedding_dropout: Share = 0.0
    """Probability of dropping a word in training, at all its places in a batch."""
    batch: Count = 50
    """Documents per step."""
    epochs: Count = 6
    """Passes over the training set, if no steps are given; small sets get more, at least 400 steps."""
    optimizer: OptimizerName = "adamw"
    learning_rate: Positive = 1e-3
    clip: Positive = 5.0
    """Largest global norm of the gradients."""
    folds: Whole = 0
    """Number of folds of cross-validation over the training documents; 0: none. Each fold takes its vocabulary from
    its own training documents, a tenth of which chooses the epoch; afterwards a model is trained on all documents."""


# Generators


@dataclass(frozen=True, kw_only=True)
class Generator(Training):
    """What `engine.generator` reads."""

    noise: Count = 64
    """Length of the noise vector."""
    average: Share = 0.999
    """Decay of the moving average of the generator, which draws the samples; 0: no average."""
    samples: Count = 10_000
    """Samples per evaluation."""
    score: bool = False
    """Judge the samples with a classifier that is trained once for each data set."""


@dataclass(frozen=True, kw_only=True)
class Adversarial(Generator):
    batch: Count = 64
    """Real examples per step, and as many samples; both updates use them."""
    learning_rate: Positive = 1e-3
    """Step size of Adam for the generator."""
    discriminator_rate: Positive = 1.0
    """The discriminator's step size as a multiple of the generator's."""
    decay: bool = True
    """Decrease the step size linearly to zero."""
    beta1: Share = 0.5
    """Adam's beta 1; small, as in DCGAN."""


# Policies


@dataclass(frozen=True, kw_only=True)
class Environments(Training):
    """What `engine.actor` reads."""

    environments: Count = 8
    """Copies of the environment that are stepped together."""
    scale: bool = True
    """Divide each observed number by its usual size, if that is known (CartPole, Acrobot)."""
    discount: Probability = 0.99
    """gamma: the weight of a reward one step later."""
    stop_at: float | None = None
    """Stop when an evaluation's mean return reaches this; by default all steps are taken."""


@dataclass(frozen=True, kw_only=True)
class Replay(Environments):
    updates: Count = 4
    """Updates of the network per training step (one step of every environment)."""
    batch: Count = 128
    """Transitions in one update."""
    replay_size: Count = 10_000
    """Transitions that the replay memory holds."""
    warmup: Whole = 1_000
    """Environment steps before the first update."""
    replay: bool = True
    """Sample from the memory; without it an update sees only the newest transitions (ablation)."""


@dataclass(frozen=True, kw_only=True)
class Exploration(Training):
    explore: Whole = 10_000
    """Environment steps over which the share of random actions falls."""
    epsilon_start: Probability = 1.0
    """Share of random actions at the start."""
    epsilon_end: Probability = 0.05
    """Share of random actions after `explore` steps."""


# Translators


@dataclass(frozen=True, kw_only=True)
class TranslationTraining(Pairs, Batches, Optimization, Schedule, Dropout):
    """What `techniques.translation` reads."""

    GROUP: ClassVar[str] = ""

    hidden: Count = 256
    """Units of the recurrent layers."""
    embedding: Count = 256
    """Size of the word vectors."""
    lower: bool = False
    """Convert all text to lower case."""
    minimum_count: Count = 2
    """Words that occur less often in the training pairs become the unknown word."""
    vocabulary: Whole = 0
    """How many of the most frequent words of each side to keep; 0 keeps all."""
    beam: Count = 5
    """Width of the beam search in `predict` and for the translations of the test split."""
    batch: Count = 64
    """Pairs per step."""
    epochs: Count = 8
    dropout: Share = 0.3
    """Probability of dropping a value of the word vectors or of the readout in training."""
    optimizer: OptimizerName = "adamw"
    learning_rate: Positive = 2e-3
    clip: Positive = 1.0
    """Largest norm of the gradient."""


@dataclass(frozen=True, kw_only=True)
class OwnWordsTraining(TranslationTraining, CopiedWeights):
    """What `techniques.own_words` reads."""

    GROUP: ClassVar[str] = ""

    network: Literal["attention", "location-aware", "seq2seq"] = "attention"
    """The translator to train: that of the recipe attention in Bahdanau's form, in its location-aware form, whose
    alignment also holds on sentences longer than those learned from, or that of seq2seq."""
    copied_rate: Annotated[float, Range("(0, 1]")] = 1.0


TINY_TRANSLATION: dict[str, Any] = {
    "hidden": 16, "embedding": 8, "minimum_count": 1, "batch": 16, "learning_rate": 1e-2, "words": 3, "beam": 2,
    "dropout": 0.1, "pairs": 300,
}  # fmt: skip
"""Of the smallest preset of translators."""


# Trees


@dataclass(frozen=True, kw_only=True)
class TreeTraining(Trees, Batches, Optimization, Schedule):
    """What `techniques.tree_models` reads."""

    BELONGS: ClassVar[Belongs] = {"forget": ("optimizer", ("adagrad",))}
    GROUP: ClassVar[str] = ""

    hidden: Count = 25
    """Size of the vector of a word or a phrase."""
    spread: Positive = 0.1
    """Word vectors are initialised uniformly between minus and plus this."""
    lower: bool = True
    """Take words in lower case."""
    minimum_count: Whole = 2
    """Words that occur less often in the training trees become the unknown word."""
    forget: Whole = 0
    """adagrad: forget the past gradients every this many passes; 0: never."""
    batch: Count = 32
    """Trees per step."""
    epochs: Count = 10
    """Passes over the training trees, if no steps are given."""
    warmup: Share = 0.0
    optimizer: OptimizerName = "adagrad"
    learning_rate: Positive = 0.05
    weight_decay: NonNegative = 1e-4
