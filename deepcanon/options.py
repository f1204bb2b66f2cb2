"""Options that recipes share: what readers are told about data and how networks are trained.

A recipe's `Config` inherits the groups that it uses; the text under a field is its help, and a default is changed by
declaring the field again. Those of readers are in `deepcanon.reading`. Without torch or NumPy.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from deepcanon.ranges import Belongs as Belongs
from deepcanon.ranges import Count as Count
from deepcanon.ranges import NonNegative as NonNegative
from deepcanon.ranges import Number as Number
from deepcanon.ranges import Positive as Positive
from deepcanon.ranges import Probability as Probability
from deepcanon.ranges import Range as Range
from deepcanon.ranges import Share as Share
from deepcanon.ranges import Some as Some
from deepcanon.ranges import Whole as Whole
from deepcanon.ranges import plain_type as plain_type
from deepcanon.ranges import range_of as range_of
from deepcanon.ranges import types_of as types_of
from deepcanon.reading import READERS as READERS
from deepcanon.reading import Audio as Audio
from deepcanon.reading import Columns as Columns
from deepcanon.reading import Dialogues as Dialogues
from deepcanon.reading import Documents as Documents
from deepcanon.reading import Examples as Examples
from deepcanon.reading import Images as Images
from deepcanon.reading import LargeTokens as LargeTokens
from deepcanon.reading import Mixtures as Mixtures
from deepcanon.reading import Pairs as Pairs
from deepcanon.reading import Patches as Patches
from deepcanon.reading import Pieces as Pieces
from deepcanon.reading import Placed as Placed
from deepcanon.reading import PointSets as PointSets
from deepcanon.reading import Sequences as Sequences
from deepcanon.reading import Series as Series
from deepcanon.reading import SomeExamples as SomeExamples
from deepcanon.reading import Speech as Speech
from deepcanon.reading import Splits as Splits
from deepcanon.reading import Stories as Stories
from deepcanon.reading import Tables as Tables
from deepcanon.reading import Text as Text
from deepcanon.reading import Tokens as Tokens
from deepcanon.reading import Trees as Trees
from deepcanon.reading import reading_options as reading_options

__all__ = [
    "GROUPS", "READERS", "Activation", "ActivationName", "Audio", "Augmentation", "Batches", "Belongs",
    "BoxAugmentation", "ClassLoss", "Columns", "Convex", "CopiedWeights", "Count", "Dialogues", "Documents", "Dropout",
    "DropoutName", "Examples", "HiddenLayerName", "HiddenLayers", "ImageTraining", "Images", "InitialWeights",
    "Initialization", "InitializationName", "InputDropout", "LargeTokens", "Lbfgs", "Loss", "LossName", "MaxNorm",
    "Mixtures", "NonNegative", "NormalizationName", "Number", "Optimization", "OptimizerName", "Pairs", "Patches",
    "Perceptron", "Pieces", "Placed", "PointSets", "Pooling", "PoolingName", "Positive", "Probability", "Range",
    "Repeats", "Schedule", "ScheduleName", "SequenceTraining", "Sequences", "Series", "Share", "Some", "SomeExamples",
    "Speech", "Splits", "Stories", "Tables", "Text", "Tokens", "Training", "Tuning", "Whole", "group_of", "plain_type",
    "range_of", "reading_options", "types_of",
]  # fmt: skip


def group_of(config: type, name: str) -> str:
    """The group of a Config's field in the help: that of the class that declared it first."""
    for base in reversed(config.__mro__):
        if name in vars(base).get("__annotations__", ()):
            return "" if base is config else base.GROUP  # type: ignore[attr-defined]
    return ""


GROUPS = {
    "": "options",
    "training": "training",
    "augmentation": "augmentation of the training images",
    "initial weights": "starting from another model",
    "data": "reading the data",
}
"""The groups of options in the order of the help, with their titles; the first is that of the recipe itself."""


# Training

OptimizerName = Literal["sgd", "adamw", "gradient-descent", "momentum", "nesterov", "adagrad", "adadelta"]
ScheduleName = Literal["one-cycle", "steps", "constant"]
InitializationName = Literal["he", "glorot", "orthogonal", "small", "zero", "lecun"]
ActivationName = Literal["relu", "tanh", "sigmoid", "leaky-relu", "prelu", "rrelu", "elu", "selu"]
NormalizationName = Literal["none", "batch"]
HiddenLayerName = Literal["plain", "maxout", "highway"]
DropoutName = Literal["standard", "alpha"]
LossName = Literal["cross-entropy", "squared"]
PoolingName = Literal[
    "max", "mean", "overlapping", "lp", "stochastic", "mixed", "gated", "fractional", "k-max", "maxout", "pyramid"
]


@dataclass(frozen=True, kw_only=True)
class Training:
    """Every group of training options."""

    GROUP: ClassVar[str] = "training"


@dataclass(frozen=True, kw_only=True)
class Batches(Training):
    batch: Count = 128
    """Examples per step."""
    epochs: Count = 20
    """Passes over the training set, if no steps are given."""


@dataclass(frozen=True, kw_only=True)
class Lbfgs(Training):
    iterations: Count = 200
    """L-BFGS: maximum number of steps; it stops earlier if the gradient vanishes."""
    history: Count = 20
    """L-BFGS: past steps and gradient changes that approximate the Hessian."""


@dataclass(frozen=True, kw_only=True)
class Convex(Lbfgs, Batches):
    """Options of models whose loss is convex."""

    BELONGS: ClassVar[Belongs] = {
        **dict.fromkeys(("centre", "history", "tolerance", "iterations"), ("optimizer", ("lbfgs",))),
        **dict.fromkeys(("learning_rate", "momentum", "batch", "epochs"), ("optimizer", ("sgd",))),
    }

    optimizer: Literal["lbfgs", "sgd"] = "lbfgs"
    """L-BFGS on the whole training set at each step, or SGD with momentum on batches."""
    centre: bool = True
    """L-BFGS: step as if the inputs had mean 0; on pictures this halves the number of steps."""
    history: Count = 10
    tolerance: NonNegative = 1e-6
    """L-BFGS: stop when no entry of the gradient is larger than this."""
    learning_rate: Positive = 0.5
    """SGD: learning rate of the first step; it falls to 0 along half a cosine."""
    momentum: Share = 0.9
    """SGD: momentum, the share of the last update that is kept."""
    batch: Count = 250


@dataclass(frozen=True, kw_only=True)
class Perceptron(Training):
    hidden: tuple[Count, ...] = (256, 256)
    """Units of each hidden layer."""


@dataclass(frozen=True, kw_only=True)
class Optimization(Training):
    BELONGS: ClassVar[Belongs] = {"momentum": ("optimizer", ("sgd", "momentum", "nesterov"))}

    optimizer: OptimizerName = "sgd"
    """sgd is torch's fused Nesterov momentum, adamw and adadelta (whose learning rate is 1) are torch's; the others
    are this package's own, as in the papers."""
    learning_rate: Positive = 0.1
    """Learning rate at the peak of the schedule."""
    momentum: Share = 0.9
    """Momentum of sgd, momentum and nesterov: the share of the last update that is kept."""
    weight_decay: NonNegative = 0.0
    """Weight decay; not applied to biases and normalisation."""


@dataclass(frozen=True, kw_only=True)
class Schedule(Training):
    BELONGS: ClassVar[Belongs] = {
        "warmup": ("schedule", ("one-cycle",)),
        "drops": ("schedule", ("steps",)),
        "drop_factor": ("schedule", ("steps",)),
    }

    schedule: ScheduleName = "one-cycle"
    """A linear rise and half a cosine down to 0; a lower rate after each of `drops`; or a constant rate."""
    warmup: Share = 0.1
    """one-cycle: share of the steps over which the rate rises to its peak."""
    drops: tuple[Annotated[float, Range("(0, 1]")], ...] = (0.5, 0.75)
    """steps: shares of all steps after which the rate falls."""
    drop_factor: Annotated[float, Range("(0, 1]")] = 0.1
    """steps: what the rate is multiplied by at each drop."""


@dataclass(frozen=True, kw_only=True)
class BoxAugmentation(Training):
    """Random changes to training images, new in every step, under which a box is still a box."""

    GROUP: ClassVar[str] = "augmentation"

    shift: Whole = 0
    """Shift each training image by up to this many pixels in each direction."""
    flip: bool = False
    """Mirror half of the training images (not for digits and letters)."""
    crop: Annotated[float, Range("(0, 1]")] = 1.0
    """Crop windows of at least this share of the image's side, enlarged to the full size; 1: the whole image."""
    colour: Share = 0.0
    """Change brightness, contrast and saturation by up to this share of each."""


@dataclass(frozen=True, kw_only=True)
class Augmentation(BoxAugmentation):
    """Random changes to training images, new in every step."""

    rotate: Annotated[float, Range("[0, 180]")] = 0.0
    """Rotate each training image by up to this many degrees in either direction."""
    cutout: Whole = 0
    """Side in pixels of a square that is filled with the image's mean colour; 0: none."""


@dataclass(frozen=True, kw_only=True)
class ClassLoss(Training):
    """The cross-entropy of a classifier."""

    label_smoothing: Share = 0.0
    """Label smoothing: share of each label that is spread over all classes."""
    class_weights: Literal["equal", "balanced"] = "equal"
    """Weight of each example in the loss: equal, or balanced, inversely proportional to the size of its class."""


@dataclass(frozen=True, kw_only=True)
class CopiedWeights(Training):
    """Weights of another model to begin with."""

    GROUP: ClassVar[str] = "initial weights"

    init_from: str = ""
    """Start from the weights of this run (a folder) or of this .safetensors file; the output layer is initialised
    again unless the classes are the same. A language model or a translator takes over the vocabulary of the run."""
    copy: tuple[str, ...] = ()
    """Copy only the layers whose names begin with these prefixes (`deepcanon show NAME --layers` lists them).
    Default: all."""
    freeze: tuple[str, ...] = ()
    """Copied layers that are not trained, their batch statistics included; `all` means every copied layer."""
    copied_rate: Annotated[float, Range("(0, 1]")] = 0.1
    """Learning rate of copied layers, as a share of that of new layers."""


@dataclass(frozen=True, kw_only=True)
class InitialWeights(CopiedWeights):
    """The same of a model of images, and its normalisation."""

    mean: tuple[Share, ...] = ()
    """Mean of each channel, from 0 to 1, that the other model subtracts. Default: the mean stored in its run; for a
    file, the mean of the new images."""
    std: tuple[Share, ...] = ()
    """Standard deviation of each channel, from 0 to 1, that the other model divides by."""


@dataclass(frozen=True, kw_only=True)
class ImageTraining(Placed, Examples, Batches, Optimization, Schedule, Augmentation, ClassLoss, InitialWeights):
    """Everything that a classifier of images is told apart from its own shape."""


@dataclass(frozen=True, kw_only=True)
class Dropout(Training):
    dropout: Share = 0.0
    """Probability that a hidden unit is dropped in training."""


@dataclass(frozen=True, kw_only=True)
class InputDropout(Dropout):
    input_dropout: Share = 0.0
    """Probability that an input is dropped in training."""


@dataclass(frozen=True, kw_only=True)
class MaxNorm(Training):
    max_norm: NonNegative = 0.0
    """Largest norm of the incoming weights of a hidden unit; 0: no limit."""


@dataclass(frozen=True, kw_only=True)
class Initialization(Training):
    initialization: InitializationName = "he"
    """Initial weights; small is N(0, 0.01), lecun has variance 1 / fan_in; biases start at 0."""


@dataclass(frozen=True, kw_only=True)
class Activation(Training):
    activation: ActivationName = "relu"
    """Activation function of the hidden units."""


@dataclass(frozen=True, kw_only=True)
class HiddenLayers(Activation):
    """What stands in a fully connected hidden layer, besides its activation."""

    BELONGS: ClassVar[Belongs] = {
        "activation": ("layer", ("plain", "highway")),
        "normalization": ("layer", ("plain",)),
        "pieces": ("layer", ("maxout",)),
        "transform_bias": ("layer", ("highway",)),
    }

    layer: HiddenLayerName = "plain"
    """Hidden layers: plain; maxout, units of several pieces instead of an activation; highway, gates that pass units
    on wherever a layer is as wide as the one before."""
    normalization: NormalizationName = "none"
    """batch: batch normalisation before the activation of plain layers, over the batch of all processes."""
    pieces: Annotated[int, Range("[2, inf)")] = 2
    """maxout: linear pieces of each unit."""
    transform_bias: Number = -2.0
    """highway: initial bias of the transform gates; the deeper the network, the more negative."""
    dropout_kind: DropoutName = "standard"
    """standard sets hidden units to 0; alpha, for selu, keeps their mean and variance."""


@dataclass(frozen=True, kw_only=True)
class Pooling(Training):
    pooling: PoolingName = "max"
    """Pooling after each convolution, by 2; maxout halves the channels too, pyramid ends with 4 x 4, 2 x 2 and 1
    regions."""


@dataclass(frozen=True, kw_only=True)
class Loss(Training):
    loss: LossName = "cross-entropy"
    """Cross-entropy of the softmax, or half the squared error of sigmoid outputs."""


@dataclass(frozen=True, kw_only=True)
class Repeats(Training):
    """Options of an experiment."""

    seeds: Count = 3
    """Number of seeds with which each arm is trained after tuning."""


@dataclass(frozen=True, kw_only=True)
class Tuning(Repeats):
    learning_rates: tuple[Positive, ...] = (0.01, 0.03, 0.1)
    """Learning rates to try for every arm; each arm takes the best on validation."""
    extend: Whole = 4
    """How many further rates to try beyond the largest or smallest one, as long as that one is the best."""


@dataclass(frozen=True, kw_only=True)
class SequenceTraining(Sequences, Batches, Optimization, Schedule):
    """What `techniques.sequence_tasks` reads."""

    hidden: Count = 128
    """Units of each recurrent layer."""
    layers: Count = 1
    """Recurrent layers."""
    batch: Count = 50
    """Sequences per step."""
    epochs: Count = 100
    """Passes over the training set, if no steps are given; 2,000 generated sequences count as one."""
    optimizer: OptimizerName = "adamw"
    learning_rate: Positive = 2e-3
    clip: Positive = 1.0
    """Largest global norm of the gradients; inf: no limit."""
