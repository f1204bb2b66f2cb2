"""Moves the changelog fragments into CHANGELOG.md: `python changes/assemble.py VERSION`; without a version it prints.

`changes/README.md` says what a fragment looks like.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
KINDS = {"new": "New", "affecting": "Changed, other numbers", "neutral": "Changed, same numbers", "fixed": "Fixed"}
PLACE = re.compile(r"^## Unreleased\n(?:(?!## ).*\n)*", re.M)  # the section up to the next one


def fragments(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.md") if path.name != "README.md")


def parse(path: Path) -> dict[str, list[str]]:
    """The items of a fragment by kind.

    Raises:
        ValueError: naming the file and what is wrong with it.
    """
    found: dict[str, list[str]] = {}
    text = path.read_text(encoding="utf-8").strip()
    before, *sections = re.split(r"^# +(.*)$", text, flags=re.M)
    if before.strip() or not sections:
        raise ValueError(f"{path.name} does not begin with a heading: # {', # '.join(KINDS)}")
    for kind, body in zip(sections[::2], sections[1::2], strict=True):
        if kind.strip() not in KINDS:
            raise ValueError(f"{path.name} has the heading {kind.strip()!r}, not one of {', '.join(KINDS)}")
        items = [item.strip() for item in re.split(r"^- ", body, flags=re.M)]
        if items[0] or len(items) < 2 or not all(items[1:]):
            raise ValueError(f"{path.name}: under '# {kind.strip()}' stands a list of items, each after '- '")
        found.setdefault(kind.strip(), []).extend(items[1:])
    return found


def assembled(paths: list[Path]) -> str:
    """All fragments as one text, kind by kind."""
    parsed = [parse(path) for path in paths]
    parts = []
    for kind, title in KINDS.items():
        items = [item for fragment in parsed for item in fragment.get(kind, ())]
        if items:
            parts.append(f"{title}:\n\n" + "\n".join(f"- {item}" for item in items) + "\n")
    return "\n".join(parts)


def release(version: str, changelog: Path, folder: Path) -> None:
    """Writes the fragments into the changelog as the section of a version, below "Unreleased", and deletes them."""
    paths, text = fragments(folder), changelog.read_text(encoding="utf-8")
    if not paths:
        raise ValueError(f"there is no fragment in {folder}")
    place = PLACE.search(text)
    if not place or f"\n## {version}\n" in text:
        raise ValueError(f"{changelog.name} has no section Unreleased, or one of {version} already")
    section = f"## {version}\n\n{assembled(paths)}\n"
    changelog.write_text(text[: place.end()] + section + text[place.end() :], encoding="utf-8")
    for path in paths:
        path.unlink()


if __name__ == "__main__":
    try:
        if len(sys.argv) > 1:
            release(sys.argv[1], ROOT / "CHANGELOG.md", ROOT / "changes")
        else:
            print(assembled(fragments(ROOT / "changes")), end="")
    except ValueError as error:
        sys.exit(str(error))
