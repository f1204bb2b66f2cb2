"""Reinforcement and imitation learning."""

from .dqn import QNetwork as QNetwork
from .dqn import td_loss as td_loss
from .dqn import td_target as td_target
