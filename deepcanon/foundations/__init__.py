"""Foundations: linear models, perceptrons and backpropagation."""

from .mlp import MLP as MLP
from .mlp import backward_cached as backward_cached
from .mlp import cross_entropy_backward as cross_entropy_backward
from .mlp import cross_entropy_forward as cross_entropy_forward
from .mlp import dropout_backward as dropout_backward
from .mlp import dropout_forward as dropout_forward
from .mlp import forward_cached as forward_cached
from .mlp import linear_backward as linear_backward
from .mlp import linear_forward as linear_forward
from .mlp import relu_backward as relu_backward
from .mlp import relu_forward as relu_forward
from .softmax_regression import SoftmaxRegression as SoftmaxRegression
from .softmax_regression import softmax_gradient as softmax_gradient
from .softmax_regression import softmax_objective as softmax_objective
