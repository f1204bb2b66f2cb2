r"""Drawing tokens from a model's logits: temperature, top-k and top-p (nucleus) truncation.

Papers: Fan, Lewis and Dauphin, "Hierarchical Neural Story Generation", 2018 (arXiv:1805.04833), top-k; Holtzman et
al., "The Curious Case of Neural Text Degeneration", 2020 (arXiv:1904.09751), top-p.

Legend: z logits over V tokens; tau temperature; k tokens kept; p probability mass kept.

(1) q = softmax(z / tau); tau -> 0 is the argmax, tau = 1 the model itself
(2) top-k: tokens beyond the k largest get probability 0, the rest is normalised again
(3) top-p: the smallest set of most probable tokens whose mass under (1) reaches p is kept, and normalised again

Departures: everything is computed in float64, since sums of float32 probabilities over a large vocabulary can exceed 1.

>>> logits = torch.tensor([[2.0, 1.0, 0.0, -9.0]])
>>> truncated_probabilities(logits, top_k=2)[0].tolist()[2:]
[0.0, 0.0]
>>> sample(logits, temperature=0.0).tolist()
[0]
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["sample", "truncated_probabilities"]


def truncated_probabilities(
    logits: Float[Tensor, "*batch vocabulary"],
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    forbidden: Sequence[int] = (),
) -> Float[Tensor, "*batch vocabulary"]:
    """Probabilities after eqs. (1) to (3), in float64.

    Args:
        temperature: tau; 0 puts all probability on the largest logit.
        top_k: tokens kept; 0 keeps all.
        top_p: mass kept, in (0, 1]; 1 keeps all.
        forbidden: tokens that are never drawn.
    """
    if temperature < 0 or top_k < 0 or not 0 < top_p <= 1:
        raise ValueError(f"temperature {temperature}, top_k {top_k}, top_p {top_p}: need >= 0, >= 0 and in (0, 1]")
    z = logits.double()
    if forbidden:
        z = z.index_fill(-1, torch.as_tensor(list(forbidden), device=z.device), -torch.inf)
    if temperature == 0:
        return torch.zeros_like(z).scatter_(-1, z.argmax(-1, keepdim=True), 1.0)
    # (1)
    p = torch.softmax(z / temperature, -1)
    if 0 < top_k < p.shape[-1]:
        # (2) By rank, not by value: of equal values exactly k are kept.
        kept = p.topk(top_k, -1).indices
        p = torch.zeros_like(p).scatter_(-1, kept, p.gather(-1, kept))
        p = p / p.sum(-1, keepdim=True)
    if top_p < 1:
        # (3) A token stays if the mass before it has not reached p yet; the most probable one always stays.
        ordered, index = p.sort(dim=-1, descending=True, stable=True)
        before = ordered.cumsum(-1) - ordered
        ordered = torch.where(before < top_p, ordered, 0.0)
        p = torch.zeros_like(p).scatter_(-1, index, ordered)
        p = p / p.sum(-1, keepdim=True)
    return p


def sample(
    logits: Float[Tensor, "batch vocabulary"],
    generator: torch.Generator | None = None,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    forbidden: Sequence[int] = (),
) -> Int[Tensor, "batch"]:
    """One token for each row."""
    if logits.ndim != 2:
        raise ValueError(f"logits must be [batch, vocabulary], not {tuple(logits.shape)}")
    p = truncated_probabilities(logits, temperature, top_k, top_p, forbidden)
    if temperature == 0:
        return p.argmax(-1)
    # On the generator's device, so that a seed draws the same tokens wherever the model runs.
    where = generator.device if generator is not None else p.device
    return torch.multinomial(p.to(where), 1, generator=generator)[:, 0].to(logits.device)
