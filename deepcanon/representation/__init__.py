"""Representation learning: codes found without labels."""

from .pca import PCA as PCA
from .pca import Moments as Moments
from .pca import decompose as decompose
from .pca import merge as merge
from .pca import moments as moments
