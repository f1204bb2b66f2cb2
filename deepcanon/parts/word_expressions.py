r"""Words of any script as regular expressions: runs of letters with the marks that belong to them.

Python's ``\w`` has no combining marks, and so would cut words of Hindi at every vowel sign, and "é" of two code points
into a letter and a sign. Here a mark belongs to the letter or sign before it (categories M of the Unicode standard), as
do the joiners of Persian and of Indic scripts. Scripts that are written without blanks (Chinese, Japanese, Thai, Lao,
Khmer, Burmese, Tibetan) have a word for each letter with its marks, since only a dictionary could tell more. Other
signs stand alone; a flag or a family of emoji is one of them.

    >>> import re
    >>> re.findall(word_pattern(r"\W\d_", "'’"), "हिन्दी में, don’t 你好 ที่นี่")
    ['हिन्दी', 'में', 'don’t', '你', '好', 'ที่', 'นี่']
    >>> re.findall(sign_pattern(), "ok! 👩‍👧 🇩🇪")
    ['!', '👩\u200d👧', '🇩🇪']

The expressions are for texts with other characters than those of ASCII: marks are collected when the first one is read.
"""

import functools
import unicodedata

__all__ = ["UNSPACED", "marks", "sign_pattern", "word_pattern"]

UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff00-\uff0f"
    "\uff66-\uff9f\U00020000-\U0003ffff"
)
"""The scripts without blanks, with their signs and those of full width, for use in a class."""
SKINS, FLAGS = "\U0001f3fb-\U0001f3ff", "\U0001f1e6-\U0001f1ff"
JOINER, APART = "\u200d", "\u200c"


@functools.cache
def marks() -> str:
    """The combining marks of the first 65,536 code points, for use in a class."""
    found: list[list[int]] = []
    for point in range(0x300, 0x10000):
        if unicodedata.category(chr(point))[0] == "M":
            if found and found[-1][1] == point - 1:
                found[-1][1] = point
            else:
                found.append([point, point])
    return "".join(rf"\u{first:04x}-\u{last:04x}" for first, last in found)


def word_pattern(without: str, inside: str = "", more: bool = False) -> str:
    r"""The expression of a word.

    Args:
        without: what letters are not, for use in a class: r"\\W\\d_" leaves no digits.
        inside: signs that join letters to one word, as the apostrophe does.
        more: whether they may do so more than once.
    """
    tail, letter = f"[{marks()}{JOINER}{APART}]", f"[^{without}{UNSPACED}]"
    run = f"{letter}+(?:{tail}+{letter}*)*"
    joined = f"(?:[{inside}]{run}){'*' if more else '?'}" if inside else ""
    return f"(?![{without}])[{UNSPACED}][{marks()}]*|{run}{joined}"


def sign_pattern() -> str:
    r"""The expression of what is neither a letter, a digit, "_" nor a blank."""
    one = rf"[^\w\s](?:[{marks()}]|[{SKINS}])*"
    return rf"[{FLAGS}]{{2}}|{one}(?:{JOINER}{one})*"
