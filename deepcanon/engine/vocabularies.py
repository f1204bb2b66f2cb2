"""What the symbols of a text are: the vocabulary of the training text, or that of the model with which a run begins."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

from torch import Tensor

from deepcanon.data import DataError, Problem
from deepcanon.data.errors import one_line
from deepcanon.data.large_text import LargeText
from deepcanon.data.splits import Dataset
from deepcanon.data.tokens import Tokens, tokens_of
from deepcanon.engine.initial import shapes_of, source_of
from deepcanon.errors import UsageError
from deepcanon.parts.vocabulary import Vocabulary

__all__ = ["build_vocabulary", "named", "numbered", "vocabulary_facts"]


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
    """
    text = data["train"].x
    pieces = text if isinstance(text, str) else text.strings(f"characters of which {config.unit} are counted")
    vocabulary = Vocabulary.build(pieces, config.unit, config.minimum_count, config.vocabulary)
    tokens = numbered(text, vocabulary)
    _require(tokens, config.unit, least)
    return vocabulary, tokens


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
        the facts "vocabulary", "initial" and "strangers"; the vocabulary; and the text in its numbers.

    Raises:
        DataError: the text has fewer than `least` tokens, or most of them are unknown.
        UsageError: the run is not of a language model, or of other units.
    """
    source = source_of(config)
    if source is None or not source.facts:
        vocabulary, tokens = build_vocabulary(config, data, least)
        return {"vocabulary": vocabulary.to_json(), **(shapes_of(source, False) if source else {})}, vocabulary, tokens
    if "vocabulary" not in source.facts:
        raise UsageError(f"--init-from {config.init_from}: is not a run of a language model")
    vocabulary = Vocabulary.from_json(source.facts["vocabulary"])
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
    told = {"first": strangers[:5], "different": len(strangers), "tokens": unknown, "of": len(tokens)}
    facts = {"vocabulary": vocabulary.to_json(), **shapes_of(source, True)}
    return {**facts, **({"strangers": told} if strangers else {})}, vocabulary, tokens


def named(symbols: Sequence[str], count: int) -> str:
    """Some symbols of `count`, quoted."""
    names = ", ".join(one_line(repr(symbol), 40) for symbol in symbols)
    return names + ", ..." * (count > len(symbols))


@lru_cache(maxsize=8)
def numbered(text: "str | LargeText", vocabulary: Vocabulary) -> "Tensor | Tokens":
    """The tokens of a text, remembered for the last few texts: a training step asks for the same one again."""
    return vocabulary.encode(text) if isinstance(text, str) else tokens_of(text, vocabulary)
