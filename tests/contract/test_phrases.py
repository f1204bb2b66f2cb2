"""Texts are free of turns of phrase that no engineer would use: strings, docstrings, comments and documents."""

import ast
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXTS = [
    *(path for folder in ("deepcanon", "examples", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))),
    *sorted(ROOT.glob("*.md")),
    *(path for folder in ("docs", "changes", "examples") for path in sorted((ROOT / folder).rglob("*.md"))),
]
BETTER = {
    r"in the place of": "instead of",
    r"the manners of": "the API of, the behaviour of",
    r"(lie|lies|stand|stands) beside|beside (it|them)": "next to, with",
    r"goes on\b(?! (forever|at most))": "resumes, continues",
    r"anew": "again",
    r"is no (number|vector|matrix|file|verdict|dependency|failure|schedule|curve|picture)": "is not a ...",
    r"are no (numbers|classes|files|tiles)": "are not ...",
    r"too dear|dearest": "too expensive, slowest",
    r"for want of": "for lack of, without",
    r"(is|are) [\w' ]*to mend|mended": "fixed, repaired",
    r"(one|two|three|\d+) at least[,.;:)\"]": "at least one",
    r"by turns": "alternately",
    r"(ReLU|pooling|dropout|convolution|nonlinearity|context) behind|behind (its|the|a|every|an early) "
    r"(pooling|nonlinearity|convolutions?|text|prompt|first)": "after",
    r"(is|are|was) not asked": "is not used, is not checked",
    r"know(s)? nothing of (each|one)": "are independent",
    r"as (they|it) stands?\b(?! for)": "as they are",
    r"would be waited for": "would wait for",
}
PHRASES = re.compile("|".join(rf"\b(?:{phrase})" for phrase in BETTER), re.IGNORECASE)


def texts_of(path):
    """(line, text) of every string and comment of a module, or of every line of a document.

    Lines of a comment that follow each other are one text.
    """
    content = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return list(enumerate(content.splitlines(), 1))
    nodes = (node for node in ast.walk(ast.parse(content)) if isinstance(node, ast.Constant))
    return [(node.lineno, node.value) for node in nodes if isinstance(node.value, str)] + comments_of(path)


def comments_of(path):
    found = []
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type == tokenize.COMMENT:
                words, line = token.string.lstrip("#: "), token.start[0]
                whole = token.line.lstrip().startswith("#")
                if whole and found and found[-1][3] and found[-1][0] + found[-1][2] == line:
                    found[-1] = (found[-1][0], f"{found[-1][1]} {words}", found[-1][2] + 1, True)
                else:
                    found.append((line, words, 1, whole))
    return [(line, words) for line, words, _, _ in found]


def wrong(texts):
    return [f"line {line}: {found[0]}" for line, text in texts for found in PHRASES.finditer(" ".join(text.split()))]


def test_no_text_holds_a_phrase_that_has_a_better_one():
    found = [f"{path.relative_to(ROOT)}: {what}" for path in TEXTS for what in wrong(texts_of(path))]
    assert not found, "\n".join([*found, "better:", *(f"  {phrase} -> {word}" for phrase, word in BETTER.items())])


def test_comments_are_read(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("x = 1  # computed\n# in the\n# place of 2\ny = 3  # anew\n", encoding="utf-8")
    assert wrong(texts_of(path)) == ["line 2: in the place of", "line 4: anew"]


@pytest.mark.parametrize(
    "text", ["the run goes on", "0.5 in the\nplace of 1", "computed anew", "give two at least, or"]
)
def test_a_phrase_is_found(text):
    assert len(wrong([(1, text)])) == 1 and not wrong([(1, "the run continues, next to the other; at least two")])
