"""Recursive network on trees: the sentiment of every phrase from one linear map of its two parts.

Task: the label of every node of a binary tree. Data: trees in brackets, one per line, such as the
Stanford Sentiment Treebank (`sst`) or your own files. Metrics: accuracy at the roots over all
classes and, without neutral ones, over positive and negative ("binary"); accuracy at all nodes; how
often "not" reverses a positive word. Published on SST: 43.2 % with five classes and 82.4 % with
two. Ours: 44.1 % and 82.4 % in five CPU seconds (three seeds).

    deepcanon train recursive-network --data sst
    deepcanon predict last my-trees.txt
"""

from dataclasses import dataclass

from deepcanon.model_options import TreeTraining
from deepcanon.options import Count
from deepcanon.targets import TREES, target

SYSTEM = "sequence.recursive_network"
DATA = ("trees",)
METRICS = TREES
TARGETS = (
    target("sst", "test/accuracy >= 0.425", "P", "43.2 in Socher et al. 2013, table 1"),
    target("sst", "test/binary >= 0.825", "P", "82.4 in Socher et al. 2013, table 1"),
    target("logic", "worst test/accuracy <= 0.99", "P", "words of one number cannot be operators"),
)


@dataclass(frozen=True, kw_only=True)
class Config(TreeTraining):
    hidden: Count = 30


LOGIC = Config(
    hidden=1,
    spread=1.0,
    weight_decay=0.0,
    learning_rate=0.2,
    schedule="constant",
    depth=3,
    deeper=8,
)
AUTHORS = Config(batch=27, epochs=40, forget=1, learning_rate=0.01)
PRESETS = {
    "smoke": (Config(hidden=4, batch=4, learning_rate=0.1), {"data": "logic", "steps": 60}),
    "default": (Config(), {"data": "sst"}),
    "paper": (AUTHORS, {"data": "sst"}),
    "verify:sst": (Config(), {"data": "sst"}),
    "verify:logic": (LOGIC, {"data": "logic", "steps": 1500}),
}

from deepcanon.sequence.recursive_network import RecursiveNetwork
from deepcanon.techniques.tree_models import TreeModel


class Recipe(TreeModel[Config]):
    def network(self, words):
        c = self.config
        return RecursiveNetwork(words, c.hidden, spread=c.spread, device=self.run.device)
