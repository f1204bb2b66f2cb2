"""Sentences and phrases of the Stanford Sentiment Treebank with a class, as documents.

Paper: Socher et al., "Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank", EMNLP 2013. Every
node of a tree is a phrase with a rating from 0, very negative, to 4. Five classes are the ratings; three join both
negative and both positive ones; two leave neutral phrases out too. Words are those of the trees (`tree_lines.py`): as
published, but for what their notation escapes.

    >>> rated_phrases("(3 (2 It) (4 (2 's) (4 good)))")
    [('It', 2), ("'s", 2), ('good', 4), ("'s good", 4), ("It 's good", 3)]
"""

from collections.abc import Iterator

from .tree_lines import grown

__all__ = ["CLASSES", "labelled", "rated_phrases"]

CLASSES: dict[str, tuple[str | None, ...]] = {
    "sst-5": ("very negative", "negative", "neutral", "positive", "very positive"),
    "sst-3": ("negative", "negative", "neutral", "positive", "positive"),
    "sst-2": ("negative", "negative", None, "positive", "positive"),
}
"""The class of each rating, by the name of the set; None leaves the phrase out."""


def rated_phrases(line: str) -> list[tuple[str, int]]:
    """The phrase of each node of a tree and its rating; children before their parents, the sentence last."""
    tree = grown(line)
    words = [word for word in tree.words if word is not None]
    spans: list[tuple[int, int]] = []
    for place, (left, right) in enumerate(tree.children):
        spans.append((place, place + 1) if left < 0 else (spans[left][0], spans[right][1]))
    order = sorted(range(len(spans)), key=lambda node: (spans[node][1], -spans[node][0]))
    return [(" ".join(words[slice(*spans[node])]), int(tree.labels[node] or "")) for node in order]


def labelled(name: str, text: str, phrases: bool) -> Iterator[tuple[str, str]]:
    """Sentences and their classes, a tree a line; or all phrases, each pair of a phrase and a class once."""
    classes, seen = CLASSES[name], set()
    for line in filter(str.strip, text.split("\n")):
        nodes = rated_phrases(line)
        for words, rating in nodes if phrases else nodes[-1:]:
            label = classes[rating]
            if label is None or (phrases and (words, label) in seen):
                continue
            seen.add((words, label))
            yield words, label
