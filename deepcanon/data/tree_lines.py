"""A line with a tree in brackets: `(3 (2 a) (4 (3 good) (2 film)))`, as the treebanks of Penn and Stanford have them.

A bracket holds a label, and then one word or the nodes below. A label `_` says nothing. Words whose characters the
notation needs are escaped: -LRB- is (, -RRB- is ), and -LSB-, -RSB-, -LCB-, -RCB- stand for [, ], { and }; `\\/` and
`\\*` are / and *.

>>> tree = grown("(3 (2 a) (4 (3 good) (2 film)))")
>>> tree.words, tree.labels, tree.heights
(['a', 'good', 'film', None, None], ['2', '3', '2', '4', '3'], [0, 0, 0, 1, 2])
>>> tree.children[3:]
[(1, 2), (0, 3)]
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

__all__ = [
    "UNLABELLED",
    "Binarise",
    "Tree",
    "Unreadable",
    "escaped",
    "grown",
    "in_brackets",
    "looks_like_tree",
    "of_words",
    "written",
]

Binarise = Literal["no", "left", "right"]
UNLABELLED = "_"
BRACKETS = {"-lrb-": "(", "-rrb-": ")", "-lsb-": "[", "-rsb-": "]", "-lcb-": "{", "-rcb-": "}"}
SIGNS = re.compile(r"[()]|[^\s()]+", re.ASCII)  # a no-break space is part of a word: the treebank has "8\u00a01\\/2"
BEGINS = re.compile(r"\(\s*(?:[^\s()]*\s*\(|[^\s()]+\s+[^\s()]+\s*\)\s*$)", re.ASCII)
BLANKS = " \t\n\r\f\v"
FORM = "write (LABEL word) or (LABEL (...) (...))"


class Unreadable(ValueError):
    """Why a line is not a tree, at which character (from 1; 0: the whole line), and the remedy."""

    def __init__(self, place: int, what: str, remedy: str) -> None:
        super().__init__(what)
        self.place, self.what, self.remedy = place, what, remedy


class Tree(NamedTuple):
    """One binary tree; nodes in an order in which children come before their parent, so that the root is the last.

    Leaves come first, in the order of the sentence.

    Attributes:
        words: of each node, or None of an inner one.
        labels: of each node as text; None if it has none.
        children: places of the two children; (-1, -1) of a leaf.
        heights: 0 of a leaf.
        escapes: words that were escaped.
        changed: nodes that were made, or joined, so that every inner one has two children.
    """

    words: list[str | None]
    labels: list[str | None]
    children: list[tuple[int, int]]
    heights: list[int]
    escapes: int = 0
    changed: int = 0

    @property
    def sentence(self) -> str:
        """The words in their order."""
        return " ".join(word for word in self.words if word is not None)


class _Node:
    __slots__ = ("label", "leaf", "nodes", "place", "word")

    def __init__(self, place: int) -> None:
        self.place, self.label, self.word, self.leaf = place, "", "", -1
        self.nodes: list[_Node] = []


def in_brackets(line: str) -> bool:
    """Whether the first sign of a line is a bracket."""
    return line.lstrip(BLANKS).startswith("(")


def looks_like_tree(line: str) -> bool:
    """Whether a line begins as a tree does."""
    return bool(BEGINS.match(line.lstrip(BLANKS)))


def grown(line: str, binarise: Binarise = "no") -> Tree:
    """The tree of a line.

    Args:
        binarise: what becomes of nodes that have not two children: "no" refuses them; "right" and "left" join the last
            two (the first two) children of a node until two are left, under nodes without a label, and put a child
            that is alone in its parent's place, with the parent's label.

    Raises:
        Unreadable: the line is not such a tree.
    """
    root = _parsed(line)
    if not root.label and not root.word and len(root.nodes) == 1:  # the outer bracket of Penn's trees
        root = root.nodes[0]
    return _flat(root, binarise)


def _parsed(line: str) -> _Node:
    """The brackets as nodes."""
    if not in_brackets(line):
        raise Unreadable(0, "is not a tree in brackets", f"{FORM}; a sentence needs a parser")
    open_ones: list[_Node] = []
    roots: list[_Node] = []
    for found in SIGNS.finditer(line):
        sign, place = found[0], found.start() + 1
        if roots and not open_ones:
            if sign == ")":
                raise Unreadable(place, "closes a bracket that is not open", "remove it")
            raise Unreadable(place, "has more than one tree", "write one tree a line, in one pair of brackets")
        if sign == "(":
            node = _Node(place)
            if open_ones and open_ones[-1].word:
                raise Unreadable(place, "has a node next to a word", "give the word a bracket of its own")
            (open_ones[-1].nodes if open_ones else roots).append(node)
            open_ones.append(node)
        elif sign == ")":
            _closed(open_ones.pop(), outer=not open_ones)
        else:
            _named(open_ones[-1], sign, place)
    if open_ones:
        many = f"{len(open_ones)} brackets that are" if len(open_ones) > 1 else "a bracket that is"
        raise Unreadable(open_ones[-1].place, f"opens {many} not closed", "close them on the same line")
    return roots[0]


def _named(node: _Node, letters: str, place: int) -> None:
    """Takes letters as the label of a node, or as its word."""
    if not node.label and not node.nodes:
        node.label = letters
    elif node.nodes:
        raise Unreadable(place, f"has the word {letters[:40]!r} next to a node", "give the word a bracket of its own")
    elif node.word:
        raise Unreadable(place, f"has two words in one bracket, {node.word[:40]!r} and {letters[:40]!r}",
                         "give each a bracket of its own")  # fmt: skip
    else:
        node.word = letters


def _closed(node: _Node, outer: bool) -> None:
    """Checks a node whose bracket ends."""
    if not node.label and not (outer and len(node.nodes) == 1):
        raise Unreadable(node.place, "has a bracket without a label", f"{FORM}; a label _ says nothing")
    if not node.word and not node.nodes:
        raise Unreadable(node.place, f"has neither word nor nodes after the label {node.label[:40]!r}", FORM)


def _flat(root: _Node, binarise: Binarise) -> Tree:
    tree = Tree([], [], [], [])
    escapes = changed = 0
    order, todo = [], [root]
    while todo:  # not by recursion: a tree may be as high as its sentence is long
        node = todo.pop()
        while len(node.nodes) == 1:
            if binarise == "no":
                raise _not_binary(node)
            (child,) = node.nodes
            node.word, node.nodes, changed = child.word, child.nodes, changed + 1
        if len(node.nodes) > 2 and binarise == "no":
            raise _not_binary(node)
        while len(node.nodes) > 2:
            joined = _Node(node.place)
            joined.label, changed = UNLABELLED, changed + 1
            if binarise == "right":
                joined.nodes, node.nodes = node.nodes[1:], [node.nodes[0], joined]
            else:
                joined.nodes, node.nodes = node.nodes[:-1], [joined, node.nodes[-1]]
        order.append(node)
        todo += node.nodes
    # The order is root, right subtree, left subtree: backwards, children come before their parent, left ones first.
    order.reverse()
    leaves = [node for node in order if node.word]
    for place, node in enumerate([*leaves, *(node for node in order if not node.word)]):
        node.leaf = place  # from here on its place
        word = _plain(node.word) if node.word else None
        escapes += word is not None and word != node.word
        pair = (node.nodes[0].leaf, node.nodes[1].leaf) if node.nodes else (-1, -1)
        tree.words.append(word)
        tree.labels.append(None if node.label == UNLABELLED else node.label)
        tree.children.append(pair)
        tree.heights.append(1 + max(tree.heights[k] for k in pair) if node.nodes else 0)
    return tree._replace(escapes=escapes, changed=changed)


def _not_binary(node: _Node) -> Unreadable:
    count = len(node.nodes)
    what = f"has a node of {count} {'children' if count > 1 else 'child'}, and trees must be binary"
    return Unreadable(node.place, what, "let --binarise right (or left) change it")


def _plain(word: str) -> str:
    """The word without escapes."""
    word = BRACKETS.get(word.lower(), word)
    return word.replace("\\/", "/").replace("\\*", "*") if "\\" in word else word


def escaped(word: str) -> str:
    """The word as it is written in a tree; the inverse of what reading does."""
    for name, sign in BRACKETS.items():
        word = word.replace(sign, name.upper()) if sign in "()" else word
    return word


def of_words(words: Sequence[str], branching: Literal["left", "right"]) -> Tree:
    """A tree of words alone, without labels, that branches to one side.

    Raises:
        ValueError: there are no words.
    """
    if not words:
        raise ValueError("a tree has at least one word")
    count = len(words)
    children, heights = [(-1, -1)] * count, [0] * count
    for step in range(count - 1):
        below = count + step - 1
        if branching == "right":
            children.append((count - 2 - step, below))  # the first one joins the last two words
        else:
            children.append((below if step else 0, step + 1))
        heights.append(step + 1)
    return Tree([*words, *[None] * (count - 1)], [None] * (2 * count - 1), children, heights)


def written(tree: Tree) -> str:
    """The tree as a line, with `_` where a node has no label."""
    return "".join(_pieces(tree))


def _pieces(tree: Tree) -> Iterator[str]:
    todo: list[int | str] = [len(tree.words) - 1]
    while todo:
        node = todo.pop()
        if isinstance(node, str):
            yield node
            continue
        word, label = tree.words[node], tree.labels[node] or UNLABELLED
        if word is not None:
            yield f"({label} {escaped(word)})"
        else:
            left, right = tree.children[node]
            yield f"({label} "
            todo += [")", right, " ", left]
