import torch

from deepcanon.parts.patches import WithoutMean, without_mean


def test_means_go_and_nothing_else():
    patches = torch.randn(5, 1, 4, 4) + 3
    rows = without_mean(patches)
    assert rows.shape == (5, 16) and rows.mean(1).abs().max() < 1e-6
    gaps = patches.flatten(1) - rows
    torch.testing.assert_close(gaps, gaps[:, :1].expand(-1, 16), atol=1e-5, rtol=0)
    assert torch.equal(WithoutMean()(patches), rows)
