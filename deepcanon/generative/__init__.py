"""Generative models: from noise to data."""

from .gan import GAN as GAN
from .gan import ConvDiscriminator as ConvDiscriminator
from .gan import ConvGenerator as ConvGenerator
from .gan import MLPDiscriminator as MLPDiscriminator
from .gan import MLPGenerator as MLPGenerator
from .gan import discriminator_loss as discriminator_loss
from .gan import generator_loss as generator_loss
