"""The line that `predict` prints for an answer: the input, what was found, how sure the model is, what to note."""

from typing import Any

from deepcanon.data.errors import one_line

__all__ = ["line_of", "strangers"]

LONGEST = 4096  # characters of an input that are shown: paths may be as long


def line_of(record: dict[str, Any]) -> str:
    """One answer on one line: names of files and classes may hold line breaks, which are escaped."""
    chances = record.get("probabilities", {})
    words = ", ".join(f"{one_line(name)} {chance:.3f}" for name, chance in chances.items())
    said = [*([record["note"]] if "note" in record else []), *strangers(record)]
    answer = record.get("text", one_line(record["label"]) if "label" in record else record.get("value"))
    if "boxes" in record:
        answer = _boxes(record["boxes"])
    if "perplexity" in record:
        answer = f"{record['text']}  ({_of_text(record)})" if "text" in record else _of_text(record)
    note = f"  [{'; '.join(said)}]" if said else ""
    return f"{one_line(record['input'], LONGEST)}: {answer}{f'  ({words})' if words else ''}{note}"


def strangers(record: dict[str, Any]) -> list[str]:
    """A line about words of an input that the model read as one unknown word, if it names them."""
    words = record.get("unknown")
    return [f"unknown words: {one_line(', '.join(words), 200)}"] if isinstance(words, list) and words else []


def _of_text(record: dict[str, Any]) -> str:
    """A line about a text: how well a language model predicts it."""
    unknown = f", {record['unknown']} unknown symbols" if record["unknown"] else ""
    bits = f"{record['bits_per_character']:.4g} bits per character"
    return f"{record['value']:.6g} {record['unit']}, perplexity {record['perplexity']:.4g}, {bits}{unknown}"


def _boxes(boxes: list[dict[str, Any]]) -> str:
    """A line about the boxes of a picture: of each its class, its score, its size, and its upper left corner."""
    shown = [
        f"{one_line(box['label'])} {box['score']:.2f} "
        f"{box['width']:.0f}x{box['height']:.0f} at {box['x']:.0f},{box['y']:.0f}"
        for box in boxes
    ]
    return "; ".join(shown) or "no box"
