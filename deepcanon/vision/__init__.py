"""Vision: networks that see images."""

from .convnet import ConvNet as ConvNet
from .convolution import Convolution as Convolution
