"""Checks the built site: local links lead somewhere, pictures have words: python docs/site/check.py FOLDER"""

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
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if name := given.get("id"):
            if name in self.anchors:
                self.faults.append(f"the id {name} occurs twice")
            self.anchors.add(name)
        if tag == "img" and "alt" not in given:
            self.faults.append(f"the picture {given.get('src')} has no alt text")
        for key in ("href", "src"):
            if given.get(key):
                self.links.append(str(given[key]))
        outside = tag in ("script", "link", "img") and urlsplit(str(given.get("src") or given.get("href") or "")).netloc
        if outside:
            self.faults.append(f"{tag} is loaded from {outside}")


@cache
def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def faults(folder: Path) -> list[str]:
    """A line for each link that leads nowhere, and for each fault of a page."""
    found = []
    for path in sorted(folder.rglob("*.html")):
        page = read(path)
        where = path.relative_to(folder).as_posix()
        found += [f"{where}: {fault}" for fault in page.faults]
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
