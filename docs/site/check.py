"""Checks the built site: python docs/site/check.py FOLDER

Local links lead somewhere, and what a screen reader needs is there: the language, one title and one first heading,
words for pictures and links, labels for controls.
"""

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit


class Page(HTMLParser):
    """The anchors of a page, what it refers to, and what is wrong with it by itself."""

    def __init__(self, text: str):
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.faults: list[str] = []
        self.titles = {"title": 0, "h1": 0}
        self.named: set[str] = set()  # ids that a label is for
        self.unnamed: list[str] = []  # ids of controls without another name
        self.within: list[str] = []  # open labels and links
        self.words = ""  # of the innermost link
        self.feed(text)
        self.close()
        self.faults += [f"{count} {tag} elements" for tag, count in self.titles.items() if count != 1]
        self.faults += [f"the control {name!r} has no label" for name in self.unnamed if name not in self.named]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if name := given.get("id"):
            if name in self.anchors:
                self.faults.append(f"the id {name} occurs twice")
            self.anchors.add(name)
        if tag == "html" and not given.get("lang"):
            self.faults.append("the page does not say its language")
        if tag in self.titles and not {"svg", "symbol"} & set(self.within):
            self.titles[tag] += 1
        if tag == "img" and "alt" not in given:
            self.faults.append(f"the picture {given.get('src')} has no alt text")
        self.words += str(given.get("alt") or given.get("aria-label") or given.get("title") or "")
        if tag == "a" and given.get("href"):
            self.words = str(given.get("aria-label") or given.get("title") or "")
        if tag in ("a", "label", "svg"):
            self.within.append(tag)
        if tag == "label" and given.get("for"):
            self.named.add(str(given["for"]))
        control = tag in ("input", "select", "textarea") and given.get("type") not in ("hidden", "submit", "checkbox")
        if control and "label" not in self.within and not given.get("aria-label"):
            self.unnamed.append(str(given.get("id") or given.get("name")))
        for key in ("href", "src"):
            if given.get(key):
                self.links.append(str(given[key]))
        outside = tag in ("script", "link", "img") and urlsplit(str(given.get("src") or given.get("href") or "")).netloc
        if outside:
            self.faults.append(f"{tag} is loaded from {outside}")

    def handle_data(self, data: str) -> None:
        self.words += data

    def handle_endtag(self, tag: str) -> None:
        if tag in self.within:
            while self.within.pop() != tag:
                pass
            if tag == "a" and not self.words.strip():
                self.faults.append("a link has no words")


@cache
def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def faults(folder: Path) -> list[str]:
    """A line for each link that leads nowhere, and for each fault of a page."""
    found = []
    for path in sorted(folder.rglob("*.html")):
        page = read(path)
        where = path.relative_to(folder).as_posix()
        themes_own = where == "search.html"  # written by the theme, without a heading
        found += [f"{where}: {fault}" for fault in page.faults if not (themes_own and fault == "0 h1 elements")]
        for link in page.links:
            target, fragment = urldefrag(link)
            if urlsplit(link).scheme or link.startswith("//"):
                continue
            to = (path.parent / unquote(target.split("?")[0])).resolve() if target else path
            if not to.exists():
                found.append(f"{where}: {link} leads nowhere")
            elif fragment and to.suffix == ".html" and unquote(fragment) not in read(to).anchors:
                found.append(f"{where}: {link} names no place of that page")
    return found


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python docs/site/check.py FOLDER")
    lines = faults(Path(sys.argv[1]).resolve())
    sys.exit("\n".join(lines) if lines else None)
