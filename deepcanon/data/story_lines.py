"""Stories with questions as numbered lines, the form of bAbI: each line checked, what is wrong named by its number.

    1 Mary moved to the bathroom.
    2 John went to the hallway.
    3 Where is Mary?<tab>bathroom<tab>1

A line that is numbered 1 begins a story. A line with a tab is a question: its answer comes after the tab, and after a
second one the numbers of the lines that support it, which may be missing. Several answers with commas between them are
one label.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from .errors import Problems, one_line
from .named_splits import Told

__all__ = ["Question", "Story", "looks_like_stories", "stories_of"]

NUMBER = re.compile("[0-9]+ ")
ASKS = ("?", "？", "؟", "՞", "⁇")  # of Chinese and Japanese, Arabic, Armenian
AFTER = re.compile(
    rf"(?:\?\s+|[{''.join(ASKS[1:])}]\s*)\w[^{''.join(ASKS)}]*$"
)  # an answer after blanks, without a tab
NUMBERED = "number the lines of a story 1, 2, 3 ... with a blank after each number"
FORM = "write: number, blank, question, tab, answer, tab, numbers of the supporting lines"


class Question(NamedTuple):
    """A question about what was said before it.

    Attributes:
        task: the name of the task that it belongs to.
        story: the sentences before it, the oldest first, without the questions among them.
        text: the question.
        answer: a label; "" where none was given (inputs of `predict`).
        support: places in `story` of the sentences that the answer follows from; () where none were given.
        line: of the file.
    """

    task: str
    story: tuple[str, ...]
    text: str
    answer: str
    support: tuple[int, ...] = ()
    line: int = 0


class Story(NamedTuple):
    """The questions of one story, in their order, and the number of its first line in the file."""

    questions: list[Question]
    line: int


class _Wrong(Exception):
    """(what, remedy) of a line."""


def looks_like_stories(lines: Sequence[str]) -> bool:
    """Whether the first lines of a file look like stories: most are numbered, one is numbered 1, and one has a tab."""
    numbered = [line for line in lines if NUMBER.match(line)]
    first = any(line.split(" ", 1)[0] == "1" for line in numbered)
    return first and 2 * len(numbered) > len(lines) and any("\t" in line for line in numbered)


def stories_of(
    path: str | Path, text: str, task: str, problems: Problems, told: Told, asking: bool = False
) -> list[Story]:
    """The stories of a text; of each that has something wrong the first wrong line is a problem, and it is left out.

    Args:
        asking: whether the text only asks (`predict`): then a line that ends in a question mark is a question, without
            an answer.
    """
    found = []
    for lines in _pieces(text, told):
        try:
            found.append(_story(lines, task, asking))
        except _Wrong as wrong:
            number, what, remedy = wrong.args
            problems.add(path, f"line {number}", what, remedy)
    told.counts["questions without numbers of supporting lines"] += (
        0 if asking else sum(not question.support for story in found for question in story.questions)
    )
    return found


def _pieces(text: str, told: Told) -> Iterator[list[tuple[int, str]]]:
    """The lines of each story with their numbers in the file; a line that is numbered 1 begins one."""
    piece: list[tuple[int, str]] = []
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            told.counts["blank lines, which are left out"] += number < len(lines)
            continue
        if piece and line.split(" ", 1)[0] == "1":
            yield piece
            piece = []
        piece.append((number, line))
    if piece:
        yield piece


def _story(lines: list[tuple[int, str]], task: str, asking: bool) -> Story:
    said: list[str] = []
    places: dict[int, int] = {}  # of each sentence in `said`, by the number that its line bears
    questions: list[Question] = []
    for expected, (number, line) in enumerate(lines, 1):
        label, blank, rest = line.partition(" ")
        if not (label.isascii() and label.isdigit() and blank):
            raise _Wrong(number, f"begins with {one_line(label, 20)!r}, not with a number and a blank", NUMBERED)
        if label != str(expected):
            first = "begins a story" if expected == 1 else f"follows line {expected - 1} of its story"
            raise _Wrong(number, f"is numbered {one_line(label, 20)}, but {first}", NUMBERED)
        if not rest.strip():
            raise _Wrong(number, "says nothing after its number", "write a sentence, or leave the line out")
        if "\t" in rest or (asking and rest.rstrip().endswith(ASKS)):
            questions.append(_question(number, expected, rest, task, said, places, asking))
        elif rest.rstrip().endswith(ASKS):
            raise _Wrong(number, "ends in a question mark, but has no tab with an answer after it", FORM)
        else:
            places[expected] = len(said)
            said.append(rest.strip())
    if not questions:
        raise _Wrong(lines[0][0], "begins a story without a question", f"add one: {FORM}")
    return Story(questions, lines[0][0])


def _question(
    number: int, label: int, rest: str, task: str, said: list[str], places: dict[int, int], asking: bool
) -> Question:
    text, answer, support, *more = [*(part.strip() for part in rest.split("\t")), "", ""][
        : max(3, rest.count("\t") + 1)
    ]
    if more:
        raise _Wrong(number, f"has {rest.count(chr(9))} tabs", FORM)
    if not text:
        raise _Wrong(number, "has no question before its tab", FORM)
    if AFTER.search(text) and not asking:
        raise _Wrong(number, f"has words between its question mark and its first tab: {one_line(text, 60)!r}", FORM)
    if not answer and not asking:
        raise _Wrong(number, "has a question without an answer", FORM)
    if not said:
        raise _Wrong(number, "asks before its story has said anything", "begin the story with a sentence")
    if asking:
        return Question(task, tuple(said), text, answer, (), number)
    found = []
    for word in support.split():
        if not (word.isascii() and word.isdigit()):
            raise _Wrong(
                number, f"names {one_line(word, 20)!r} as a supporting line", "give numbers with blanks between"
            )
        if (place := places.get(int(word[:9]))) is None:
            isnt = "is a question" if 0 < int(word[:9]) < label else "does not come before it in its story"
            raise _Wrong(
                number, f"names line {one_line(word, 20)} as support, which {isnt}", "name sentences before it"
            )
        found.append(place)
    return Question(task, tuple(said), text, answer, tuple(found), number)
