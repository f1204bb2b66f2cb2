"""Vision: networks that see images."""

from .activations import ELU as ELU
from .activations import LeakyReLU as LeakyReLU
from .activations import Maxout as Maxout
from .activations import PReLU as PReLU
from .activations import RReLU as RReLU
from .batch_norm import BatchNorm as BatchNorm
from .batch_norm import batch_norm_backward as batch_norm_backward
from .batch_norm import batch_norm_forward as batch_norm_forward
from .convnet import ConvNet as ConvNet
from .convolution import Convolution as Convolution
from .highway import Highway as Highway
from .inception import AuxiliaryHead as AuxiliaryHead
from .inception import Inception as Inception
from .inception import MiniGoogLeNet as MiniGoogLeNet
from .network_in_network import MlpConv as MlpConv
from .network_in_network import NetworkInNetwork as NetworkInNetwork
from .resnet import ResidualBlock as ResidualBlock
from .resnet import ResNet as ResNet
from .resnet import zero_padded as zero_padded
from .selu import SELU as SELU
from .selu import AlphaDropout as AlphaDropout
from .selu import alpha_dropout as alpha_dropout
from .translation_invariance import Subsampled as Subsampled
from .translation_invariance import blurred_subsample as blurred_subsample
from .translation_invariance import circular_convolution as circular_convolution
from .translation_invariance import shift_error as shift_error
