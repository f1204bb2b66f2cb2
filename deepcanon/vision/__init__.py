"""Vision: networks that see images."""

from .convnet import ConvNet as ConvNet
from .convnet import flip_images as flip_images
from .convnet import shift_images as shift_images
