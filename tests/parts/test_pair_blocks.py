import jaxtyping
import pytest
import torch

from deepcanon.parts import pair_blocks
from deepcanon.parts.pair_blocks import PairBlocks


def graph(count=80, kept=6, seed=0):
    """Random neighbours; point 0 is the neighbour of all others."""
    generator = torch.Generator().manual_seed(seed)
    score = torch.rand(count, count, generator=generator).fill_diagonal_(-1)
    score[1:, 0] = 2
    return score.topk(kept).indices, torch.rand(count, kept, generator=generator, dtype=torch.float64)


def dense(which, weights):
    p = torch.zeros(len(which), len(which), dtype=weights.dtype).scatter_(1, which, weights)
    return (p + p.T) / (2 * len(p))


@pytest.mark.parametrize(("entries", "edges"), [(1 << 16, 1 << 22), (40, 1 << 22), (40, 300), (1, 1)])
def test_however_the_pairs_are_cut_the_sums_are_those_of_the_matrix(monkeypatch, entries, edges):
    monkeypatch.setattr(pair_blocks, "ENTRIES", entries)
    monkeypatch.setattr(pair_blocks, "EDGES", edges)
    which, weights = graph()
    pairs, p = PairBlocks(which, weights), dense(which, weights)
    assert len(pairs) == 80 and torch.equal(pairs.order[pairs.place], torch.arange(80))
    torch.testing.assert_close(pairs.dense(), p)
    torch.testing.assert_close(pairs.constant, -torch.special.entr(p).sum())
    y = torch.randn(80, 2, dtype=torch.float64)
    gaps = y[:, None] - y
    away = 1 + gaps.square().sum(2)
    force, total = pairs.pull(y)
    torch.testing.assert_close(force, ((p / away)[..., None] * gaps).sum(1))
    torch.testing.assert_close(total, (p * away.log()).sum())
    torch.testing.assert_close(pairs.pull(y, cost=False), (force, None))


def test_little_is_padded_though_one_point_is_everyones_neighbour():
    which, weights = graph(3000, 8)
    pairs = PairBlocks(which, weights.float())
    held = sum(block.p.numel() for block in pairs.blocks)
    real = int(sum((block.p > 0).sum() for block in pairs.blocks))
    assert max(block.p.shape[1] for block in pairs.blocks) == 2999 and real < held < 1.2 * real
    assert pairs.blocks[0].p.dtype == torch.float32


def test_what_does_not_fit_is_refused():
    which, weights = graph()
    with pytest.raises((ValueError, jaxtyping.TypeCheckError)):
        PairBlocks(which, weights[:, :3])
    with pytest.raises(ValueError, match="of 80 points"):
        PairBlocks(which, weights).pull(torch.zeros(79, 2))
