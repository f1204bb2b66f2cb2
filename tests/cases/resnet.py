from contract.cases import Case
from oracles import resnet as oracle

from deepcanon.vision import ResidualBlock, ResNet, zero_padded


def started(module):
    """With normalisations that do something: their scales and running values differ from 1 and 0."""
    import torch

    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith(("running_var", "weight")) and value.ndim == 1:
                value.uniform_(0.5, 1.5)
            elif name.endswith(("running_mean", "bias")):
                value.normal_(std=0.3)
    return module


def block(params, x, *, stride=1, **options):
    return oracle.block({f"block.{name}": value for name, value in params.items()}, "block", x, stride, **options)


CASES = (
    Case(
        name="resnet_cifar",
        build=lambda: started(ResNet.cifar(8, 2, 3, width=2)),
        inputs=lambda rng: (rng.normal(size=(2, 2, 9, 6)),),
        oracle=oracle.logits,
    ),
    Case(
        name="resnet_plain",
        build=lambda: started(ResNet.cifar(8, 1, 3, width=2, shortcut="none")),
        inputs=lambda rng: (rng.normal(size=(2, 1, 8, 8)),),
        oracle=lambda params, x: oracle.logits(params, x, residual=False),
    ),
    Case(
        name="resnet_projection_training",
        build=lambda: started(ResNet.cifar(8, 1, 3, width=2, shortcut="B")),
        inputs=lambda rng: (rng.normal(size=(4, 1, 8, 7)),),
        oracle=lambda params, x: oracle.logits(params, x, training=True),
        training=True,
        rows=False,
    ),
    Case(
        name="resnet_18",
        build=lambda: started(ResNet.imagenet(18, 3, 4, width=2)),
        inputs=lambda rng: (rng.normal(size=(2, 3, 18, 33)),),
        oracle=oracle.logits,
    ),
    Case(
        name="resnet_bottlenecks",
        build=lambda: started(ResNet(1, 3, blocks=(1, 2), width=2, bottleneck=True, shortcut="B", large_stem=True)),
        inputs=lambda rng: (rng.normal(size=(2, 1, 13, 16)),),
        oracle=oracle.logits,
    ),
    Case(
        name="residual_block",
        build=lambda: started(ResidualBlock(3, 2, stride=2, bottleneck=True, stride_at="1x1")),
        inputs=lambda rng: (rng.normal(size=(2, 3, 5, 6)),),
        oracle=lambda params, x: block(params, x, stride=2, stride_at="1x1"),
        covers=("ResidualBlock", "ResNet"),
    ),
)

FUNCTIONS = (
    Case(
        name="zero_padded",
        build=None,
        call=lambda images: zero_padded(images, 5, 2),
        inputs=lambda rng: (rng.normal(size=(3, 2, 5, 4)),),
        oracle=lambda params, images: oracle.zero_padded(images, 5, 2),
        rows=True,
    ),
)
