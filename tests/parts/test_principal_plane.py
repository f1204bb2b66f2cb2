import torch

from deepcanon.parts.principal_plane import on_a_plane


def test_a_plane_keeps_the_two_largest_variances():
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([5.0, 0.1, 3.0, 0.1])
    points = on_a_plane(x)
    assert points.shape == (50, 2)
    largest = torch.linalg.eigvalsh(torch.cov(x.double().T))[-2:].flip(0)
    torch.testing.assert_close(points.var(0), largest)
    assert on_a_plane(x[:, :1]).shape == (50, 2) and on_a_plane(x[:1]).shape == (1, 2)
