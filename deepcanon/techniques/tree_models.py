"""What recipes share that train a network on trees: words, the softmax at every node, metrics, one update, pictures.

Paper: Socher, Perelygin, Wu, Chuang, Manning, Ng and Potts, "Recursive Deep Models for Semantic Compositionality Over a
Sentiment Treebank", EMNLP 2013, sections 4 and 5.

A recipe subclasses `TreeModel`, names its `Config` (`model_options.TreeTraining` with fields of its own) and gives
`network`, a module from a `parts.trees.Forest` to the states of all its nodes. The error of a batch is the sum of the
cross-entropies of all labelled nodes, divided by the number of trees.
"""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepcanon.data.splits import Dataset
from deepcanon.data.tree_lines import Tree, written
from deepcanon.data.trees import packed
from deepcanon.engine.branches import Branches
from deepcanon.engine.confusions import confusion_figure
from deepcanon.engine.contract import Exports, Facts, Metrics, Predicts, Recipe
from deepcanon.engine.export import Export
from deepcanon.engine.figures import Panels
from deepcanon.errors import UsageError
from deepcanon.model_options import TreeTraining
from deepcanon.parts.classification import measures
from deepcanon.parts.trees import NOTHING, Forest, Trees
from deepcanon.parts.vocabulary import UNKNOWN
from deepcanon.techniques.exported_trees import HOW, NodeByNode
from deepcanon.techniques.optimizers import optimizer_of, set_rate
from deepcanon.techniques.schedules import scheduled

__all__ = ["TreeClassifier", "TreeModel", "node_loss", "polarity", "tree_measures"]

C = TypeVar("C", bound=TreeTraining)
TOGETHER = 256  # trees that are evaluated at a time
SHOWN, SHORTEST, LONGEST = 6, 5, 13  # trees that are drawn, and words of each
LEAST, MOST = 5, 200  # how often a word occurs that is negated, and how many are
MARKS = {5: ("--", "-", "0", "+", "++"), 3: ("-", "0", "+"), 2: ("-", "+")}
DRAWN = (
    "Held-out sentences with the label that the network gives every node; where the treebank has another one, that is "
    "next to it in red. A good network changes its mind where a word turns what follows."
)
CONFUSION = "Share of each true class of the roots by the class that was given: a good network has a bright diagonal."


class TreeClassifier(nn.Module):
    """A network on trees with a linear layer at every node.

    Args:
        network: from a forest to states [nodes, size].
        size: of a state.
        classes: of the labels.
    """

    def __init__(self, network: nn.Module, size: int, classes: int, device: torch.device | None = None):
        super().__init__()
        self.network = network
        self.head = nn.Linear(size, classes, device=device)
        with torch.no_grad():
            self.head.bias.zero_()

    def forward(self, forest: Forest) -> Tensor:
        """Logits [nodes, K] in the order of the forest."""
        return self.head(self.network(forest))


def node_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy in nats of the labelled nodes.

    Raises:
        ValueError: the shapes do not fit.
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)} do not fit")
    return F.cross_entropy(logits, labels, ignore_index=NOTHING, reduction="sum") / (labels != NOTHING).sum().clamp_min(
        1
    )


def polarity(logits: Tensor) -> Tensor:
    """Probability [N] of the upper classes minus that of the lower ones; a middle class counts for neither side."""
    chances, half = logits.double().softmax(1), logits.shape[1] // 2
    return chances[:, -half:].sum(1) - chances[:, :half].sum(1)


def tree_measures(logits: Tensor, labels: Tensor, roots: Tensor, ordered: bool) -> dict[str, float]:
    """Metrics of all nodes of some trees.

    Args:
        logits, labels: of every node [N, K] and [N]; `NOTHING` where there is no label.
        roots: places of the roots.
        ordered: whether the classes are degrees: then also "binary", the share of roots on the right side of the
            middle, without those whose label is the middle.
    """
    top, truth = logits[roots], labels[roots]
    there = truth != NOTHING
    found = measures(top[there], truth[there]) if bool(there.any()) else {}
    every = labels != NOTHING
    found["node_accuracy"] = (logits[every].argmax(1) == labels[every]).double().mean().item()
    classes = logits.shape[1]
    side = 2 * truth - (classes - 1)  # negative, 0 in the middle, positive
    sided = there & (side != 0)
    if ordered and classes > 2 and bool(sided.any()):
        found["binary"] = ((polarity(top[sided]) > 0) == (side[sided] > 0)).double().mean().item()
    return found


class TreeModel(Recipe[C], Predicts, Exports):
    """A network on trees and a softmax at every node, trained by gradients through whole trees."""

    state = ("model", "optimizer")
    parallel = "gradients"
    monitor = ("valid/accuracy", "max")
    computed = ("tables",)

    @classmethod
    def learn(cls, config: C, data: Dataset) -> Facts:
        train: Any = data["train"]
        if not bool((train.x.labels != NOTHING).any()):
            raise UsageError("no node of the training trees has a label: label at least the roots")
        symbols = [_form(word, config.lower) for word in train.symbols]
        used = train.x.words[train.x.words >= 0]
        counts: Counter[str] = Counter()
        for number, count in enumerate(used.bincount(minlength=len(symbols)).tolist()):
            counts[symbols[number]] += count
        kept = sorted(word for word, count in counts.items() if count >= config.minimum_count and word != UNKNOWN)
        return {"vocabulary": [UNKNOWN, *kept], "negated": _negated(train, symbols, counts, kept, data.facts)}

    @abstractmethod
    def network(self, words: int) -> nn.Module:
        """The network on the run's device, for a table of so many words."""

    def slower(self, network: Any) -> tuple[Sequence[nn.Parameter], float]:
        """Parameters of the network that have a share of the learning rate, and the share."""
        return (), 1.0

    def build(self) -> None:
        config, run, reader = self.config, self.run, self.facts["reader"]
        self.number = {word: number for number, word in enumerate(self.facts["vocabulary"])}
        self.classes, self.ordered = reader["classes"], bool(reader.get("ordered"))
        network = self.network(len(self.number))
        self.model = TreeClassifier(network, config.hidden, len(self.classes), run.device)
        slower, share = self.slower(network)
        self.optimizer = optimizer_of(config, self.model, slower=slower, share=share)
        self.tables: dict[int, tuple[Any, Tensor]] = {}

    def _table(self, symbols: Sequence[str]) -> Tensor:
        """From the numbers of a data set's words to those of the vocabulary; 0 for a word that is not known."""
        if id(symbols) not in self.tables:
            numbers = [self.number.get(_form(word, self.config.lower), 0) for word in symbols]
            self.tables = {id(symbols): (symbols, torch.tensor(numbers))}
        return self.tables[id(symbols)][1]

    def forest(self, trees: Trees, symbols: Sequence[str]) -> Forest:
        """The batch on the run's device."""
        return trees.numbered(self._table(symbols)).forest().moved(self.run.to)

    def step(self, step: int) -> Mapping[str, Tensor]:
        config, run = self.config, self.run
        data = run.data["train"]
        rows = run.examples(data, config.batch)
        labelled = int((rows.x.labels != NOTHING).sum())
        forest = self.forest(rows.x, rows.symbols)
        rate = config.learning_rate * scheduled(config, step, run.steps)
        set_rate(self.optimizer, rate)
        if config.forget and step % (config.forget * max(1, len(data) // config.batch)) == 0:
            for kept in self.optimizer.state.values():
                if "sum" in kept:
                    kept["sum"].zero_()
        self.optimizer.zero_grad()
        nodes = run.sum(torch.tensor(float(labelled), dtype=torch.float64)).item() / config.batch  # of a tree
        loss = node_loss(self.model(forest), forest.labels)
        loss = run.backward(loss * nodes, self.model, count=labelled)
        self.optimizer.step()
        return {"loss": loss / nodes, "learning_rate": torch.tensor(rate, dtype=torch.float64)}

    def logits(self, trees: Trees, symbols: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """(logits, labels, places of the roots) of all nodes, on the CPU."""
        found, labels, roots, count = list[Tensor](), list[Tensor](), list[Tensor](), 0
        for rows in torch.arange(len(trees)).split(TOGETHER):
            forest = self.forest(trees.take(rows), symbols)
            found.append(self.model(forest).cpu())
            labels.append(forest.labels.cpu())
            roots.append(forest.roots.cpu() + count)
            count += len(found[-1])
        return torch.cat(found), torch.cat(labels), torch.cat(roots)

    def evaluate(self, split: str) -> Metrics:
        data = self.run.data[split]
        found = tree_measures(*self.logits(data.x, data.symbols), ordered=self.ordered)
        words = self.facts["negated"]
        if words:
            alone, negated = self.negated(words)
            found["negation"] = (negated[alone > 0] < 0).double().mean().item() if bool((alone > 0).any()) else 0.0
        return found

    def negated(self, words: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Polarity [N] of words alone, and of "not" next to them."""
        count = len(words)
        trees = Trees.of([*range(1, count + 1), *((0, k) for k in range(1, count + 1))])
        logits, _, roots = self.logits(trees, ("not", *words))
        alone, negated = polarity(logits[roots]).split(count)
        return alone, negated

    # Verbs and pictures

    def labelled(self, trees: Sequence[Tree]) -> Iterable[tuple[Tensor, list[int]]]:
        """Of each tree the logits of its nodes in the tree's own order, and the classes that they say."""
        words: dict[str, int] = {}
        whole = packed(trees, words, {})
        symbols = tuple(words)
        for rows in torch.arange(len(trees)).split(TOGETHER):
            some = whole.take(rows)
            logits = torch.empty(len(some.words), len(self.classes))
            logits[some.order()] = self.model(self.forest(some, symbols)).float().cpu()
            for one in logits.split(some.starts.diff().tolist()):
                yield one, one.argmax(1).tolist()

    def predict(self, inputs: Sequence[Tree]) -> list[dict[str, Any]]:
        """Of each tree the class of its root, with probabilities, and the tree with the label of every node."""
        names, answers = self.facts["reader"]["labels"], []
        for tree, (logits, guesses) in zip(inputs, self.labelled(inputs), strict=True):
            chances = logits[-1].double().softmax(0).tolist()
            words = dict.fromkeys(word for word in tree.words if word is not None)
            unknown = [word for word in words if _form(word, self.config.lower) not in self.number]
            answers.append(
                {
                    "label": self.classes[guesses[-1]],
                    "probabilities": dict(zip(self.classes, chances, strict=True)),
                    "tree": written(tree._replace(labels=[names[k] for k in guesses])),
                    **({"unknown": unknown} if unknown else {}),
                }
            )
        return answers

    def export(self) -> Export:
        """Trees as rows of nodes to the probabilities of every node."""
        example = [[0, 0, -1, 0, -1], [0, 0, 0, 0, 2], [0, 0, 1, 0, 3]]  # ((0, 1), 2), twice
        inputs = tuple(torch.tensor([row, row], device=self.run.device) for row in example)
        names = ("words", "left", "right")
        about = {"task": "classify the nodes of trees", "classes": list(self.classes), "how": HOW,
                 "lower": self.config.lower, "vocabulary": self.facts["vocabulary"]}  # fmt: skip
        lengths = dict.fromkeys((*names, "probabilities"), "nodes")
        return Export(NodeByNode(self.model), inputs, names, ("probabilities",), about, lengths=lengths)

    def figures(self) -> Mapping[str, Any]:
        data = self.run.data[self.run.pictured]
        logits, labels, roots = self.logits(data.x, data.symbols)
        there = labels[roots] != NOTHING
        read = [text for known, text in zip(there.tolist(), sentences(data), strict=True) if known]
        heat = confusion_figure(
            logits[roots][there], labels[roots][there], self.classes, x=read, across="class given", limits=(0, 1),
            caption=CONFUSION,
        )  # fmt: skip
        return {"trees": Panels(self._drawn(data), columns=1, caption=DRAWN), "confusion": heat}

    def _drawn(self, data: Any) -> list[Branches]:
        """The first held-out trees that are neither short nor long."""
        leaves = (data.x.starts.diff() + 1) // 2
        rows = ((leaves >= SHORTEST) & (leaves <= LONGEST)).nonzero()[:, 0]
        if not len(rows):
            rows = leaves.argsort(stable=True)
        return [self._picture(data.x.take(row[None]), data.symbols) for row in rows[:SHOWN]]

    def _picture(self, one: Trees, symbols: Sequence[str]) -> Branches:
        logits = torch.empty(len(one.words), len(self.classes), dtype=torch.float64)
        logits[one.order()] = self.model(self.forest(one, symbols)).double().cpu()
        order = torch.cat([(one.words >= 0).nonzero()[:, 0], (one.words < 0).nonzero()[:, 0]])  # leaves first
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order))
        children = torch.where(one.children < 0, -1, place[one.children.clamp_min(0)])[order]
        guesses, labels = logits.argmax(1)[order].tolist(), one.labels[order].tolist()
        marks = MARKS[len(self.classes)] if self.ordered and len(self.classes) in MARKS else self.classes
        values = polarity(logits)[order] if self.ordered or len(self.classes) == 2 else torch.zeros(len(order))
        expected = {
            node: marks[label]
            for node, (label, guess) in enumerate(zip(labels, guesses, strict=True))
            if label not in (guess, NOTHING)
        }
        names = (self.classes[0], self.classes[-1])
        return Branches(
            [symbols[w] for w in one.words[one.words >= 0].tolist()], children, [marks[k] for k in guesses], values,
            expected, unit=f"{names[1]} (-1: {names[0]})",
        )  # fmt: skip


def sentences(data: Any) -> list[str]:
    """The words of each tree of a split."""
    parts = data.x.words.split(data.x.starts.diff().tolist())
    return [" ".join(data.symbols[word] for word in part.tolist() if word >= 0) for part in parts]


def _form(word: str, lower: bool) -> str:
    return word.lower() if lower else word


def _negated(
    train: Any, symbols: Sequence[str], counts: Counter[str], kept: Sequence[str], facts: Mapping[str, Any]
) -> list[str]:
    """The most frequent words of the vocabulary whose label is always above the middle; none without "not"."""
    classes = len(facts["classes"])
    if not facts.get("ordered") or "not" not in kept:
        return []
    leaf = train.x.words >= 0
    lowest: dict[str, int] = {}
    for number, label in zip(train.x.words[leaf].tolist(), train.x.labels[leaf].tolist(), strict=True):
        word = symbols[number]
        lowest[word] = min(lowest.get(word, classes), label)
    known = set(kept)
    good = [
        word for word, label in lowest.items() if 2 * label > classes - 1 and word in known and counts[word] >= LEAST
    ]
    return sorted(good, key=lambda word: (-counts[word], word))[:MOST]
