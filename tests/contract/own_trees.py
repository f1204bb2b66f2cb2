"""Own data of the kind `trees`, for the contract of recipes."""

import numpy as np

GOOD, BAD, THINGS = ("good", "great", "fine"), ("bad", "dull", "poor"), ("film", "plot", "naïve", "-LRB-")


def own_trees(folder):
    """A file of 60 trees of three classes: a thing that is good or bad, or its opposite."""
    random = np.random.default_rng(0)
    lines = []
    for _ in range(60):
        good = bool(random.integers(2))
        word, thing = str(random.choice(GOOD if good else BAD)), str(random.choice(THINGS))
        label = 2 * good
        tree = f"({label} ({label} {word}) (1 {thing}))"
        lines.append(f"({2 - label} (1 not) {tree})" if random.integers(2) else tree)
    folder.mkdir(parents=True)
    (folder / "trees.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "trees.txt"


def asked_trees(folder):
    """Two files with a tree each, the second of a word that no training tree has."""
    folder.mkdir()
    for name, line in (("a", "(_ (_ good) (_ film))"), ("b", "(3 unheard)")):
        (folder / f"{name}.txt").write_text(line + "\n", encoding="utf-8")
    return [str(path) for path in sorted(folder.iterdir())]
