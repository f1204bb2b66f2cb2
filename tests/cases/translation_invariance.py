import numpy as np
from contract.cases import Case
from oracles import translation_invariance as oracle

from deepcanon.vision import Subsampled, blurred_subsample, circular_convolution, shift_error


def rectified(params, images, stride=1):
    return np.maximum(oracle.circular_convolution(images, params["weight"], params["bias"], stride), 0)


def largest(params, images):
    maps = rectified(params, images)
    batch, count, height, width = maps.shape
    return maps.reshape(batch, count, height // 2, 2, width // 2, 2).max((3, 5))


CASES = (
    Case(
        name="strided",
        build=lambda: Subsampled(2, 3, stride=2),
        inputs=lambda rng: (rng.normal(size=(3, 2, 6, 8)),),
        oracle=lambda params, images: rectified(params, images, 2),
        covers=("Subsampled",),
    ),
    Case(
        name="max_pooled",
        build=lambda: Subsampled(2, 3, how="max"),
        inputs=lambda rng: (rng.normal(size=(3, 2, 6, 8)),),
        oracle=largest,
    ),
    Case(
        name="blurred",
        build=lambda: Subsampled(1, 2, kernel_size=5, how="blur"),
        inputs=lambda rng: (rng.normal(size=(2, 1, 6, 8)),),
        oracle=lambda params, images: oracle.blurred_subsample(rectified(params, images)),
    ),
)

FUNCTIONS = (
    Case(
        name="circular_convolution",
        build=None,
        call=lambda images, weight, bias: circular_convolution(images, weight, bias, 3),
        inputs=lambda rng: (rng.normal(size=(2, 2, 7, 5)), rng.normal(size=(3, 2, 5, 5)), rng.normal(size=3)),
        oracle=lambda params, *given: oracle.circular_convolution(*given, stride=3),
    ),
    Case(
        name="blurred_subsample",
        build=None,
        call=blurred_subsample,
        inputs=lambda rng: (rng.normal(size=(2, 2, 6, 4)),),
        oracle=lambda params, images: oracle.blurred_subsample(images),
        rows=True,
    ),
    Case(
        name="shift_error",
        build=None,
        call=lambda images: shift_error(blurred_subsample, images, 3),
        inputs=lambda rng: (rng.normal(size=(2, 2, 6, 8)),),
        oracle=lambda params, images: oracle.shift_error(oracle.blurred_subsample, images, 3),
    ),
)
