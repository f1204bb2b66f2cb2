import torch
from contract.cases import Case
from oracles import spatial_transformer as oracle

from deepcanon.vision import SpatialTransformer
from deepcanon.vision.spatial_transformer import affine_points, bilinear_sample


def moved(**how):
    """A transformer that has learned something: at its start, nothing but the last layer gets a gradient."""
    module = SpatialTransformer(2, (6, 5), **how)
    torch.nn.init.normal_(module.pose.weight, std=0.3)
    torch.nn.init.normal_(module.pose.bias, std=0.3)
    return module


CASES = (
    Case(
        name="spatial_transformer",
        build=moved,
        inputs=lambda rng: (rng.normal(size=(3, 2, 6, 5)),),
        oracle=lambda params, x: oracle.transform(params, x, (6, 5)),
        covers=("SpatialTransformer",),
    ),
    Case(
        name="spatial_transformer_convolutional",
        build=lambda: moved(localiser="convolutional", output_size=(4, 7), align_corners=True, outside="border"),
        inputs=lambda rng: (rng.normal(size=(2, 2, 6, 5)),),
        oracle=lambda params, x: oracle.transform(params, x, (4, 7), True, True),
    ),
    Case(
        name="spatial_transformer_reduced",
        build=lambda: moved(reduction=2),
        inputs=lambda rng: (rng.normal(size=(2, 2, 6, 5)),),
        oracle=lambda params, x: oracle.transform(params, x, (6, 5), reduction=2),
    ),
)

FUNCTIONS = (
    Case(
        name="affine_points",
        build=None,
        call=lambda theta: affine_points(theta, (3, 4)),
        inputs=lambda rng: (rng.normal(size=(2, 2, 3)),),
        oracle=lambda params, theta: oracle.points(theta, (3, 4)),
        rows=True,
    ),
    Case(
        name="bilinear_sample",
        build=None,
        call=bilinear_sample,
        inputs=lambda rng: (rng.normal(size=(2, 3, 4, 5)), rng.uniform(-1.4, 1.4, size=(2, 3, 2, 2))),
        oracle=lambda params, images, points: oracle.sample(images, points),
        rows=True,
    ),
)
