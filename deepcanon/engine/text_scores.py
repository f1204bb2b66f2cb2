"""BLEU and chrF of translations by sacrebleu, on texts with their punctuation in place; its signature says how.

BLEU counts words as its tokenizer "13a" cuts them, which suits scripts with blanks. References of other scripts are cut
into characters, by "zh" (Chinese, where words of Latin letters stay whole) or "char": by blanks a sentence would be one
word, and every translation that is not wholly right would score 0.
"""

import functools
import importlib.util
import re
from collections.abc import Sequence

from deepcanon.parts.word_expressions import UNSPACED

__all__ = ["MISSING", "has_sacrebleu", "text_scores", "tokenizer_for"]

MISSING = "BLEU and chrF are left out: they need sacrebleu, pip install 'deepcanon[text]'"
HAN, SIGNS = "\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff", "\u3000-\u303f\uff00-\uff0f"


@functools.cache
def has_sacrebleu() -> bool:
    """Whether BLEU can be computed."""
    return importlib.util.find_spec("sacrebleu") is not None


def text_scores(found: Sequence[str], references: Sequence[str], lower: bool) -> tuple[dict[str, float], str]:
    """BLEU and chrF from 0 to 100 by sacrebleu, and the signature of both.

    Args:
        lower: whether capitals count as small letters, as they must if the model writes none.
    """
    from sacrebleu.metrics import BLEU, CHRF

    metrics = {"bleu": BLEU(lowercase=lower, tokenize=tokenizer_for(references)), "chrf": CHRF(lowercase=lower)}
    scores, signatures = {}, []
    for name, metric in metrics.items():
        scores[name] = float(metric.corpus_score(list(found), [list(references)]).score)
        signatures.append(f"{name} {metric.get_signature()}")
    return scores, "; ".join(signatures)


def tokenizer_for(references: Sequence[str]) -> str:
    """The name of sacrebleu's tokenizer for references of this script."""
    text = "".join("".join(references).split())
    if text.isascii():
        return "13a"
    unspaced, han, signs = (len(re.findall(f"[{some}]", text)) for some in (UNSPACED, HAN, SIGNS))
    if 2 * unspaced < len(text):
        return "13a"
    others = unspaced - han - signs  # kana, Thai, Khmer, ...
    return "zh" if 20 * others < unspaced else "char"
