"""What the recipe of n-grams says and refuses around counting, the tables of ARPA files, and quantising."""

import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from deepcanon.data import arpa
from deepcanon.engine.run import Run
from deepcanon.errors import DeepcanonError, UsageError
from deepcanon.parts.backoff import BackoffModel
from deepcanon.parts.vocabulary import Vocabulary
from deepcanon.sequence.ngram_lm import NgramLM

__all__ = ["count", "facts_of_arpa", "log_sum", "quantize", "refuse", "take_arpa"]

HISTORIES, TOGETHER = 2_000, 250  # of a text; after which all words are asked for at once


@lru_cache(maxsize=1)
def read_once(path: str, unit: str) -> tuple[Vocabulary, BackoffModel]:
    """`arpa.read_arpa`, once for what is learned and for the model."""
    return arpa.read_arpa(Path(path).expanduser(), unit)


def facts_of_arpa(config: Any, defaults: Sequence[Any]) -> dict[str, Any]:
    """The vocabulary and the order of the file that a Config names.

    Args:
        defaults: Configs; what differs from all of them was asked for.

    Raises:
        UsageError: an option of counting is asked for.
    """
    for name in ("order", "smoothing", "discount", "added", "memory"):
        if getattr(config, name) not in [getattr(default, name) for default in defaults]:
            what = "is of counting, and the ARPA file is taken as it is"
            raise UsageError(f"--{name} {what}: leave it or --arpa out")
    vocabulary, model = read_once(config.arpa, config.unit)
    return {"vocabulary": vocabulary.to_json(), "order": model.order}


def take_arpa(model: BackoffModel, path: str, unit: str, run: Run) -> None:
    """The n-grams of the file, and a line if texts with words that it lacks have no probability."""
    vocabulary, read = read_once(path, unit)
    if not read.unigrams()[0]:
        what = "texts with words it lacks have infinite perplexity"
        run.say(f"the ARPA file has no {vocabulary.symbols[0]}: {what}")
    model.adopt(read.to(run.device))


def refuse(config: Any) -> None:
    """UsageError if the smoothing that a Config names cannot be counted on disk, and it asks for that."""
    if config.memory and config.smoothing == "katz":
        raise UsageError("--memory counts for kneser-ney and add-k on disk, not for katz: leave it or --smoothing out")


def count(model: NgramLM, tokens: Any, megabytes: int, run: Run) -> None:
    """Counts a text in memory, or on disk where `megabytes` are given.

    Raises:
        DeepcanonError: the disk is full, in one line that names the folder.
    """
    if not megabytes:
        model.fit(run.to(tokens[:]))
        return
    folder = run.folder or Path(tempfile.gettempdir())
    try:
        model.fit_on_disk(tokens, megabytes * 1_000_000, folder)
    except OSError as error:
        what = f"the n-grams cannot be sorted in {folder}: {error.strerror or error}"
        raise DeepcanonError(f"{what}; make room there, or leave --memory out") from error
    run.say(f"sorted on disk, {megabytes:,} MB at a time")


def log_sum(model: BackoffModel, tokens: Any) -> float:
    """The mean of log sum_w p(w | h) after histories of a text: what nats of a model whose sums are not 1 lack."""
    reach = max(1, model.order - 1)
    rows = min(HISTORIES, len(tokens) // reach)
    text = tokens[: rows * reach].view(rows, reach)
    return float(torch.cat([model.distribution(part).sum(1) for part in text.split(TOGETHER)]).log().mean())


def quantize(model: BackoffModel, bits: int, recipe: Any) -> dict[str, float]:
    """Quantises the model and says what that gains and costs.

    Args:
        recipe: of `engine.language.Speaks`.

    Returns:
        quantization_loss, nats a token, if there is a validation text; what sums differ from 1 is counted in.
    """
    count, run = sum(model.sizes), recipe.run
    held_out = "valid" in run.data
    exact = recipe.evaluate("valid")["nll"] if held_out else 0.0
    before = model.kept_bytes / count
    model.quantize(bits)
    after = model.kept_bytes / count
    gained = f"{bits} bits for probabilities and weights: {after:.2f} bytes an n-gram, {before:.2f} before"
    if not held_out:
        run.say(gained)
        return {}
    loss = recipe.evaluate("valid")["nll"] + log_sum(model, run.to(recipe.tokens("valid"))) - exact
    run.say(f"{gained}; the validation text costs {loss:.6f} nats a token more")
    return {"quantization_loss": loss}
