"""The grid of a sampler against torch's own, in values and gradients."""

import pytest
import torch
import torch.nn.functional as F

from deepcanon.parts.affine_points import affine_points


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(4, 7), (5, 5), (3, 2)])
def test_points_and_their_gradient_are_those_of_torch(size, align_corners):
    generator = torch.Generator().manual_seed(0)
    theta = torch.randn(3, 2, 3, dtype=torch.float64, generator=generator)
    outer = torch.randn(3, *size, 2, dtype=torch.float64, generator=generator)
    ours, theirs = (theta.clone().requires_grad_() for _ in range(2))
    found = affine_points(ours, size, align_corners=align_corners)
    expected = F.affine_grid(theirs, [3, 1, *size], align_corners=align_corners)
    torch.testing.assert_close(found, expected, atol=1e-14, rtol=0)
    for points in (found, expected):
        (points * outer).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-12, rtol=0)


def test_a_side_of_one_pixel_is_the_middle():
    points = affine_points(torch.eye(2, 3)[None], (1, 3))
    assert points[0, 0, :, 1].tolist() == [0, 0, 0]
