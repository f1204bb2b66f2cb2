"""Pictures that fill the window when they are clicked, and go back when they are clicked again: without a script."""

import zlib

from deepcanon.engine.svg.frame import escape

__all__ = ["enlarging"]


def enlarging(content: str, name: str) -> str:
    """The picture as the label of a box that nobody sees; the style enlarges it while the box is checked.

    Args:
        content: HTML that is allowed in a line of text.
        name: of the picture, another one for each of a page.
    """
    known = f"zoom-{zlib.crc32(name.encode('utf-8', 'replace')):08x}"
    return (
        f"<input type='checkbox' class='zoom' id='{known}' aria-label='enlarge {escape(name)}'>"
        f"<label class='canvas' for='{known}'>{content}</label>"
    )
