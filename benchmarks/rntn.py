"""Networks on trees against recursion node by node and against heights in plain PyTorch: CPU seconds of a step.

    make bench NAME=rntn

One thread, float32, 64 trees of the Stanford Sentiment Treebank: the softmax at every node, forward and backward pass,
by the public classes; sorting the nodes is part of the measured time, as in training. The recursive network has 30
numbers a node, the tensor network 25, the matrix-vector network 20 and rank 3; the variants alternating in one process.
Peers, both with autograd:
    nodes       recursion over nested nodes, one after the other (the form of most repositories)
    heights     what a careful user writes: nodes sorted by height beforehand, one call for each height, the states
                joined by cat, both parts taken at once, the tensor as one matrix
Quality: largest difference of the loss and of all gradients from the recursion in float64, relative to the largest
of each.
"""

import itertools

import torch
import torch.nn.functional as F
from record import cpu_seconds, interleaved, record, row_of_seconds
from torch import Tensor, nn

from deepcanon.data import open_data
from deepcanon.parts.trees import Trees
from deepcanon.sequence import MVRNN, RNTN, RecursiveNetwork
from deepcanon.techniques.tree_models import TreeClassifier, node_loss

BATCH, ROUNDS, TARGET = 64, 5, 10.0


def compose(net: nn.Module, h: Tensor, tensor: Tensor | None) -> Tensor:
    """One or several nodes in plain PyTorch; h [n, 2 S] the states of both parts, `tensor` as a matrix."""
    left, right = h.chunk(2, 1)
    if isinstance(net, MVRNN):
        size = net.size
        (a, A), (b, B) = ((s[:, :size], s[:, size:].view(-1, size, size)) for s in (left, right))
        crossed = torch.cat([torch.bmm(B, a[:, :, None]), torch.bmm(A, b[:, :, None])], 1)[:, :, 0]
        vector = torch.tanh(F.linear(crossed, net.weight, net.bias))
        return torch.cat([vector, torch.matmul(net.matrix_weight, torch.cat([A, B], 1)).flatten(1)], 1)
    sums = F.linear(h, net.weight, net.bias)
    if tensor is not None:
        sums = sums + torch.bmm((h @ tensor).view(len(h), -1, h.shape[1]), h[:, :, None])[:, :, 0]
    return torch.tanh(sums)


def as_matrix(net: nn.Module) -> Tensor | None:
    return net.tensor.permute(1, 0, 2).flatten(1) if isinstance(net, RNTN) else None


def leaf(net: nn.Module, words: Tensor) -> Tensor:
    vectors = F.embedding(words, net.vectors)
    return torch.cat([vectors, net.word_matrices(words).flatten(1)], 1) if isinstance(net, MVRNN) else vectors


def nodes(model: TreeClassifier, trees: Trees) -> Tensor:
    """Every node by itself, its softmax too; the words are looked up at once. The loss of all is their mean."""
    net, losses = model.network, []
    tensor = as_matrix(net)
    starts, labels, children = trees.starts.tolist(), trees.labels.split(1), trees.children.tolist()
    words = iter(leaf(net, trees.words[trees.words >= 0]).split(1))

    def state(node: int, base: int) -> Tensor:
        left, right = children[base + node]
        found = next(words) if left < 0 else compose(net, torch.cat([state(left, base), state(right, base)], 1), tensor)
        losses.append(F.cross_entropy(model.head(found[:, : net.size]), labels[base + node]))
        return found

    for begin, end in itertools.pairwise(starts):
        state(end - begin - 1, begin)
    return torch.stack(losses).mean()


def heights(model: TreeClassifier, trees: Trees) -> Tensor:
    net, forest = model.network, trees.forest()
    states, tensor = leaf(net, forest.words), as_matrix(net)
    for children in forest.children.flatten().split([2 * size for size in forest.sizes]):
        both = states.index_select(0, children).view(len(children) // 2, -1)
        states = torch.cat([states, compose(net, both, tensor)])
    return F.cross_entropy(model.head(states[:, : net.size]), forest.labels)


def ours(model: TreeClassifier, trees: Trees) -> Tensor:
    forest = trees.forest()
    return node_loss(model(forest), forest.labels)


VARIANTS = {"ours": ours, "nodes": nodes, "heights": heights}


def passed(name: str, model: TreeClassifier, trees: Trees) -> list[Tensor]:
    """The loss, and the gradients of all parameters."""
    loss = VARIANTS[name](model, trees)
    return [loss.detach(), *torch.autograd.grad(loss, list(model.parameters()))]


def main():
    train = open_data(("trees",), "sst")["train"]
    trees, rows = train.x.take(torch.arange(BATCH)), []
    words = len(train.symbols)
    for kind, make in {
        "recursive network": lambda: RecursiveNetwork(words, 30),
        "tensor network": lambda: RNTN(words, 25),
        "matrix-vector network": lambda: MVRNN(words, 20),
    }.items():
        torch.manual_seed(0)
        network = make()
        model = TreeClassifier(network, network.size, 5)
        double = TreeClassifier(make(), network.size, 5).double()
        double.load_state_dict({name: value.double() for name, value in model.state_dict().items()})
        exact = passed("nodes", double, trees)
        gaps = {}
        for name in VARIANTS:
            pairs = zip(passed(name, model, trees), exact, strict=True)
            gaps[name] = max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)
        measure = {
            name: lambda name=name, model=model: cpu_seconds(lambda: passed(name, model, trees)) for name in VARIANTS
        }
        interleaved(measure, 1)  # memory is touched, kernels are chosen
        took = interleaved(measure, ROUNDS)
        unit = f"CPU seconds, {kind}, {BATCH} trees, forward and backward"
        for name, target in (("nodes", TARGET), ("heights", 1.0)):
            quality = f"largest relative difference {gaps['ours']:.1e}, theirs {gaps[name]:.1e}"
            row = (f"torch, {name}", torch.__version__, unit, took["ours"], took[name], target, quality)
            rows.append(row_of_seconds(*row))
    record("rntn", rows)


if __name__ == "__main__":
    main()
