import pytest
import torch

from deepcanon.parts.patches import Whitened, WithoutMean, patch_rows, without_mean


def test_means_go_and_nothing_else():
    patches = torch.randn(5, 1, 4, 4) + 3
    rows = without_mean(patches)
    assert rows.shape == (5, 16) and rows.mean(1).abs().max() < 1e-6
    gaps = patches.flatten(1) - rows
    torch.testing.assert_close(gaps, gaps[:, :1].expand(-1, 16), atol=1e-5, rtol=0)
    assert torch.equal(WithoutMean()(patches), rows)


def test_a_whitening_matrix_is_applied_to_what_is_left_of_the_centre():
    x = torch.randn(500, 3, dtype=torch.float64) @ torch.randn(3, 3, dtype=torch.float64) + 2
    values, rows = torch.linalg.eigh(torch.cov(x.T, correction=0))
    white = Whitened(x.mean(0), rows / values.sqrt() @ rows.T)(x)
    torch.testing.assert_close(torch.cov(white.T, correction=0), torch.eye(3, dtype=torch.float64))
    assert white.mean(0).abs().max() < 1e-12
    with pytest.raises(ValueError, match=r"\(2,\).*\(3, 4\)"):
        Whitened(torch.zeros(2), torch.zeros(3, 4))


def test_rows_are_scaled_and_may_lose_their_mean():
    pixels = torch.randint(0, 256, (5, 3, 2, 2), dtype=torch.uint8)
    torch.testing.assert_close(patch_rows(255.0, centred=False)(pixels), pixels.flatten(1) / 255)
    torch.testing.assert_close(patch_rows(255.0)(pixels), without_mean(pixels / 255))


def test_the_way_back_is_exact_but_for_the_mean_of_a_patch():
    x = torch.rand(7, 1, 3, 3)
    layer = Whitened(torch.rand(9), torch.randn(9, 9))
    torch.testing.assert_close(layer.inverse(layer(x.flatten(1))), x.flatten(1), atol=1e-3, rtol=0)
    fewer = Whitened(torch.zeros(2), torch.tensor([[2.0], [0.0]]))
    assert fewer.inverse(torch.tensor([[3.0]])).tolist() == [[1.5, 0.0]]
    torch.testing.assert_close(WithoutMean().inverse(without_mean(x)), without_mean(x) + 0.5)
