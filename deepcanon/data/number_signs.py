"""Signs around the digits of a number, as people of different languages and their programs write them.

>>> signs = {}
>>> bare("R$ -12", signs), bare("١٬٢٣٤٫٥", signs), signs["R$ removed"]
('-12', "1'234.5", 'R$ -12')
"""

import re
import unicodedata

__all__ = ["CURRENCY", "SAME", "bare"]

CURRENCY = "$€£¥₹"
PERCENT = "%٪％"
SAME = {"%": PERCENT, "¥": "¥￥", "$": "$＄", "£": "£￡"}
"""Signs that mean the same."""
MINUS = "−－﹣‐‑‒–"
"""What stands for a minus where a number begins: only there is a dash none."""
PRINTED = {
    **{code: chr(code - 0xFEE0) for code in map(ord, "．，＋（）")},
    **dict.fromkeys(map(ord, "’ʼ٬"), "'"),  # between thousands, whatever the decimal sign is
    **dict.fromkeys(map(ord, "\u2009\u2007"), "\u00a0"),
    ord("٫"): ".",
    ord("،"): ",",
}
"""Points, commas and what stands between thousands, as number notations have them."""
PREFIXED = re.compile(r"[+-]?([A-Z]{1,3}[$£])")
DIGITS = "digits of another script read as 0 to 9"


def bare(cell: str, signs: dict[str, str]) -> str:
    """A number without its surroundings; what was removed is noted in `signs` with its first cell."""
    text = cell if cell.isascii() else _of_ascii(cell, signs)
    if text.startswith("(") and text.endswith(")") and _currencies(text):
        text = "-" + text[1:-1]
        signs.setdefault("amounts in brackets read as negative", cell)
    for mark in _currencies(text):
        if prefixed := PREFIXED.match(text):  # R$ and US$ are two units
            mark = prefixed[1]
        text = text.replace(mark, "", 1).strip().replace("- ", "-")
        signs.setdefault(f"{mark} removed", cell)
    if text and (text[-1] in PERCENT or text[0] in PERCENT):
        text = (text[:-1] if text[-1] in PERCENT else text[1:]).strip()
        signs.setdefault("% removed (5% is read as 5)", cell)
    return text


def _currencies(text: str) -> list[str]:
    found = [mark for mark in CURRENCY if mark in text]
    return found if text.isascii() else [sign for sign in dict.fromkeys(text) if unicodedata.category(sign) == "Sc"]


def _of_ascii(cell: str, signs: dict[str, str]) -> str:
    """The digits and the signs of numbers in ASCII; all else stays."""
    text = "".join(sign for sign in cell if unicodedata.category(sign) != "Cf").strip()
    if text != cell:
        signs.setdefault("signs that nobody sees left out", cell)
    if text[:1] and text[0] in MINUS and text[1:2] and not text[1].isalpha():
        signs.setdefault(f"the sign {text[0]} read as minus", cell)
        text = f"-{text[1:]}"
    elif "\u2212" in text:  # behind a currency, or in an exponent
        signs.setdefault("the sign \u2212 read as minus", cell)
        text = text.replace("\u2212", "-")
    if any(sign.isdecimal() and not sign.isascii() for sign in text):
        signs.setdefault(DIGITS, cell)
        text = "".join(str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in text)
    return text.translate(PRINTED)
