"""What the symbols of a text are: the vocabulary of the training text, or that of the model with which a run begins."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

from torch import Tensor

from deepcanon.data import DataError, Problem
from deepcanon.data.errors import one_line
from deepcanon.data.large_text import LargeText
from deepcanon.data.pieces import STRETCHES, learned, sample_size, vocabulary_of
from deepcanon.data.splits import Dataset
from deepcanon.data.tokens import Tokens, tokens_of
from deepcanon.engine.initial import shapes_of, source_of
from deepcanon.errors import UsageError
from deepcanon.options import Pieces
from deepcanon.parts.vocabulary import UNKNOWN, Vocabulary

__all__ = ["build_vocabulary", "named", "numbered", "text_facts", "told", "vocabulary_facts", "vocabulary_of"]


class Asked(Protocol):
    """The options of a recipe that say what a token is."""

    @property
    def unit(self) -> str: ...
    @property
    def minimum_count(self) -> int: ...
    @property
    def vocabulary(self) -> int: ...


def build_vocabulary(config: Asked, data: Dataset, least: int = 1) -> tuple[Vocabulary, "Tensor | Tokens"]:
    """The vocabulary of a training text, and the text in its numbers.

    Raises:
        DataError: the text has fewer than `least` tokens.
        UsageError: an option has no effect on tokens of this unit, or the library of pieces is not installed.
    """
    _refuse_idle(config)
    text = data["train"].x
    if isinstance(config, Pieces) and config.unit == "pieces":
        vocabulary: Vocabulary = learned(text, config.pieces)
    else:
        parts = text if isinstance(text, str) else text.strings(f"characters of which {config.unit} are counted")
        vocabulary = Vocabulary.build(parts, config.unit, config.minimum_count, config.vocabulary)
    tokens = numbered(text, vocabulary)
    _require(tokens, config.unit, least)
    return vocabulary, tokens


def _refuse_idle(config: Asked) -> None:
    if config.unit != "pieces":
        if isinstance(config, Pieces) and config.pieces != Pieces.pieces:
            raise UsageError("--pieces is the size of the vocabulary of --unit pieces: give both, or leave it out")
        return
    for name, changed in (("minimum-count", config.minimum_count > 1), ("vocabulary", config.vocabulary)):
        if changed:
            raise UsageError(f"--{name} leaves symbols out, and a text in pieces has none to leave out: give --pieces")


def text_facts(config: Asked, data: Dataset, least: int = 1) -> tuple[dict[str, Any], Vocabulary, "Tensor | Tokens"]:
    """What a run keeps of a training text: its vocabulary, and of pieces what they were learned from.

    Returns:
        the facts "vocabulary" and (of pieces) "learned"; the vocabulary; and the text in its numbers.

    Raises:
        DataError, UsageError: as of `build_vocabulary`.
    """
    vocabulary, tokens = build_vocabulary(config, data, least)
    facts: dict[str, Any] = {"vocabulary": vocabulary.to_json()}
    if isinstance(config, Pieces) and config.unit == "pieces":
        text = data["train"].x
        facts["learned"] = {"asked": config.pieces, "read": sample_size(text), "of": len(text)}
    return facts, vocabulary, tokens


def told(facts: dict[str, Any], vocabulary: Vocabulary) -> list[str]:
    """What is said of a vocabulary when a run begins: how pieces were learned, and what it lacks."""
    lines = []
    if learnt := facts.get("learned"):
        size, read, of = len(vocabulary), learnt["read"], learnt["of"]
        fewer = f" instead of {learnt['asked']:,}: no other pair occurs twice" if size < learnt["asked"] else ""
        whence = f"{read:,} of {of:,} characters ({STRETCHES} stretches)" if read < of else f"{of:,} characters"
        lines.append(f"{size:,} pieces{fewer}, learned from {whence} of the training text")
    if strange := facts.get("strangers"):
        share = f"{strange['tokens']:,} of {strange['of']:,} {vocabulary.unit} to train on"
        which = f"{strange['different']:,} symbols that the vocabulary lacks are read as {UNKNOWN}"
        lines.append(f"{which} ({share}): {named(strange['first'], strange['different'])}")
    return lines


def _require(tokens: "Tensor | Tokens", unit: str, least: int) -> None:
    if len(tokens) < least:
        what = f"the text has {len(tokens):,} {unit} to train on" if len(tokens) else "the text has no tokens"
        more = f", and one window with the token after it has {least:,}" if least > 1 else ""
        remedy = "give a longer text" + (", or a shorter --window" if least > 2 else "")
        raise DataError(Problem("", "", what + more, remedy))


def vocabulary_facts(
    config: Any, data: Dataset, least: int = 1
) -> tuple[dict[str, Any], Vocabulary, "Tensor | Tokens"]:
    """What a run keeps of a training text: its vocabulary, or that of the run with whose weights it begins.

    Of the latter also which symbols of the text it lacks: they are read as the unknown one. A file of weights has no
    vocabulary.

    Args:
        config: of `Tokens` and `CopiedWeights`.

    Returns:
        the facts of `text_facts`, "initial" and "strangers"; the vocabulary; and the text in its numbers.

    Raises:
        DataError: the text has fewer than `least` tokens, or most of them are unknown.
        UsageError: the run is not of a language model, or of other units.
    """
    source = source_of(config)
    if source is None or not source.facts:
        facts, vocabulary, tokens = text_facts(config, data, least)
        return {**facts, **(shapes_of(source, False) if source else {})}, vocabulary, tokens
    if "vocabulary" not in source.facts:
        raise UsageError(f"--init-from {config.init_from}: is not a run of a language model")
    vocabulary = vocabulary_of(source.facts["vocabulary"])
    if vocabulary.unit != config.unit:
        raise UsageError(
            f"--init-from {config.init_from} is a model of {vocabulary.unit}: give --unit {vocabulary.unit}"
        )
    text = data["train"].x
    tokens = numbered(text, vocabulary)
    _require(tokens, config.unit, least)
    pieces = [text] if isinstance(text, str) else text.strings("characters whose symbols are looked up")
    strangers = list(dict.fromkeys(symbol for piece in pieces for symbol in vocabulary.strangers(piece)))
    unknown = int(tokens.bincount(minlength=len(vocabulary))[vocabulary.unknown])
    if strangers and 2 * unknown > len(tokens):
        what = f"{unknown:,} of {len(tokens):,} {config.unit} are unknown to {config.init_from}"
        raise DataError(Problem("", "", what, "train a new model on it, without --init-from"))
    lacking = {"first": strangers[:5], "different": len(strangers), "tokens": unknown, "of": len(tokens)}
    facts = {"vocabulary": vocabulary.to_json(), **shapes_of(source, True)}
    return {**facts, **({"strangers": lacking} if strangers else {})}, vocabulary, tokens


def named(symbols: Sequence[str], count: int) -> str:
    """Some symbols of `count`, quoted."""
    names = ", ".join(one_line(repr(symbol), 40) for symbol in symbols)
    return names + ", ..." * (count > len(symbols))


@lru_cache(maxsize=8)
def numbered(text: "str | LargeText", vocabulary: Vocabulary) -> "Tensor | Tokens":
    """The tokens of a text, remembered for the last few texts: a training step asks for the same one again."""
    return vocabulary.encode(text) if isinstance(text, str) else tokens_of(text, vocabulary)
