from contract.cases import Case
from oracles import convnet as oracle

from deepcanon.parts.augment import flip_images, shift_images
from deepcanon.vision import ConvNet

CASES = (
    Case(
        name="convnet",
        build=lambda: ConvNet(1, 3, size=(9, 8), channels=(3, 4), hidden=5),
        inputs=lambda rng: (rng.normal(size=(3, 1, 9, 8)),),
        oracle=oracle.logits,
        covers=("ConvNet",),
    ),
    Case(
        name="convnet_batch_norm",
        build=lambda: ConvNet(2, 3, size=(8, 8), channels=(3, 4), kernel_size=5, hidden=5, batch_norm=True),
        inputs=lambda rng: (rng.normal(size=(3, 2, 8, 8)),),
        oracle=oracle.logits,
    ),
    Case(
        name="convnet_large_images",
        build=lambda: ConvNet(1, 2, size=(20, 18), channels=(2,), hidden=5),
        inputs=lambda rng: (rng.normal(size=(2, 1, 20, 18)),),
        oracle=lambda params, x: oracle.logits(params, x, reduction=(2, 2)),
    ),
)

FUNCTIONS = (
    Case(
        name="shift_images",
        build=None,
        call=shift_images,
        inputs=lambda rng: (rng.normal(size=(5, 2, 4, 6)), rng.integers(-2, 3, size=(5, 2))),
        oracle=lambda params, images, offsets: oracle.shift(images, offsets),
        rows=True,
    ),
    Case(
        name="flip_images",
        build=None,
        call=flip_images,
        inputs=lambda rng: (rng.normal(size=(5, 2, 4, 6)), rng.integers(2, size=5).astype(bool)),
        oracle=lambda params, images, chosen: oracle.flip(images, chosen),
        rows=True,
    ),
)
