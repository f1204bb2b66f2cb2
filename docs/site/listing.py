"""Equations beside the code that computes them: the docstring of a system file and its source, linked both ways."""

import ast
import html
import re
import textwrap
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

N = r"\((\d+[a-z']?)\)"
NUMBERED = re.compile(rf"^ *{N}|^ {{4}}.*{N}$")  # before an equation, or at the end of its line
COMMENT = re.compile(rf"#[^#\n]*{N}")
MENTIONED = re.compile(r"\b(?:eqs?\.|equations?) ", re.I)
NUMBER = re.compile(r"\((\d+)([a-z']?)\)(?: to \((\d+)\))?")
SOURCES = ("Paper", "Papers", "Source", "Sources")


class Source(NamedTuple):
    """A system file: first line, paragraphs of the docstring by what they are, and the lines of code after it."""

    summary: str
    papers: str
    equations: list[str]  # paragraphs, with legend
    departures: str
    example: str
    shown_by: str
    first: int  # the line number of `lines[0]`
    lines: list[str]


@cache
def read(path: Path) -> Source:
    """The parts of a file whose docstring has the form that CONTRIBUTING.md describes."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    doc, _, rest = (ast.get_docstring(tree) or "").partition("\n")
    found: dict[str, str] = {"papers": "", "departures": "", "example": "", "shown_by": ""}
    equations: list[str] = []
    paragraphs = [part.strip("\n") for part in re.split(r"\n\s*\n", rest) if part.strip()]
    for paragraph in paragraphs:
        head = re.split(r"[:\s]", paragraph, maxsplit=1)[0]
        if paragraph.lstrip().startswith(">>>"):
            found["example"] += textwrap.dedent(paragraph) + "\n"
        elif (head in SOURCES or ("arXiv:" in paragraph and not found["papers"])) and not equations:
            found["papers"] = paragraph.partition(":")[2].strip() if head in SOURCES else paragraph
        elif head == "Departures":
            found["departures"] = paragraph.removeprefix("Departures").lstrip(":").strip()
        elif paragraph.startswith("Shown by:"):
            found["shown_by"] = paragraph.partition(":")[2].strip()
        else:
            equations.append(paragraph)
    first = (tree.body[0].end_lineno or 0) + 1 if tree.body else 1
    lines = text.splitlines()[first - 1 :]
    while lines and not lines[0].strip():
        lines, first = lines[1:], first + 1
    return Source(
        doc, found["papers"], equations, found["departures"], found["example"], found["shown_by"], first, lines
    )


def number_of(line: str) -> str:
    """The number of the equation on a line of the docstring; "" if it has none."""
    found = NUMBERED.match(line)
    return (found[1] or found[2]) if found else ""


def numbers_in(text: str) -> list[str]:
    """The equation numbers that a comment names; "(3) to (5)" are three."""
    found = []
    for one, letter, last in NUMBER.findall(text):
        ends = range(int(one), int(last) + 1) if last else ()
        found += [str(k) for k in ends] or [one + letter]
    return found


def places(source: Source) -> dict[str, list[int]]:
    """For each equation number the lines of code that name it: comments first, else texts of functions."""
    known = {number for part in source.equations for line in part.split("\n") if (number := number_of(line))}
    by_comment: dict[str, list[int]] = {}
    by_text: dict[str, list[int]] = {}
    for at, line in enumerate(source.lines, source.first):
        if found := COMMENT.search(line):
            into, text = by_comment, line[found.start() :]
        elif found := MENTIONED.search(line):
            into, text = by_text, line[found.start() :]
        else:
            continue
        for number in numbers_in(text):
            if number in known and at not in into.setdefault(number, []):
                into[number].append(at)
    return {number: by_comment.get(number) or by_text.get(number, []) for number in sorted(known, key=_order)}


def _order(number: str) -> tuple[int, str]:
    found = re.match(r"(\d+)(.*)", number)
    return (int(found[1]), found[2]) if found else (0, number)


def beside(source: Source) -> str:
    """HTML: the equations, each number a link to its first line, and the code, each number a link back."""
    where = places(source)
    return (
        '<div class="beside">\n<div class="equations" role="region" aria-label="equations" tabindex="0"><pre>'
        + _equations("\n\n".join(source.equations), where)
        + '</pre></div>\n<div class="code highlight" role="region" aria-label="source code" tabindex="0"><pre>'
        + _code(source, where)
        + "</pre></div>\n</div>"
    )


def _equations(text_of_all: str, where: dict[str, list[int]]) -> str:
    lines, left = [], set(where)
    for line in text_of_all.split("\n"):
        text = html.escape(line, quote=False)
        if (number := number_of(line)) in left:  # later lines that begin with it speak of it
            left.remove(number)
            shown = f"({html.escape(number, quote=False)})"
            linked = shown
            if lines_of := where.get(number, []):
                linked = f'<a href="#line-{lines_of[0]}" title="line {lines_of[0]}">{shown}</a>'
            before, _, after = text.rpartition(shown) if text.endswith(shown) else text.partition(shown)
            text = f'{before}<span id="{_anchor(number)}">{linked}</span>{after}'
        lines.append(text)
    return "\n".join(lines)


def _code(source: Source, where: dict[str, list[int]]) -> str:
    marked = highlight("\n".join(source.lines) + "\n", PythonLexer(stripnl=False), HtmlFormatter(nowrap=True))
    rows, named = [], {at for lines in where.values() for at in lines}
    for at, line in enumerate(marked.rstrip("\n").split("\n"), source.first):
        if at in named:
            line = re.sub(r"\((\d+(?:[a-z]|&#39;|')?)\)", lambda found: _back(found, where), line)
        rows.append(f'<span id="line-{at}" class="row"><span class="at">{at}</span>{line}</span>')
    return "".join(rows)  # each row is a block


def _back(found: re.Match[str], where: dict[str, list[int]]) -> str:
    number = html.unescape(found[1])
    return f'<a href="#{_anchor(number)}">({found[1]})</a>' if number in where else found[0]


def _anchor(number: str) -> str:
    return "eq-" + number.replace("'", "-prime")
