from contract.cases import Case
from oracles import denoising_autoencoder as oracle

from deepcanon.representation import DenoisingAutoencoder
from deepcanon.representation.denoising_autoencoder import (
    add_gaussian,
    jacobian_norm,
    mask_inputs,
    nearest,
    salt_and_pepper,
)

CASES = (
    Case(
        name="denoising_autoencoder",
        build=lambda: DenoisingAutoencoder(6, 4),
        inputs=lambda rng: (rng.random(size=(3, 6)),),
        oracle=lambda params, u: oracle.reconstruct(params, u, "sigmoid"),
        covers=("DenoisingAutoencoder",),
    ),
    Case(
        name="denoising_autoencoder_untied",
        build=lambda: DenoisingAutoencoder(6, 4, output="linear", tied=False),
        inputs=lambda rng: (rng.normal(size=(3, 6)),),
        oracle=lambda params, u: oracle.reconstruct(params, u, "linear"),
    ),
    Case(
        name="jacobian_norm",
        build=lambda: DenoisingAutoencoder(6, 4),
        call=lambda model, x: jacobian_norm(model, x),
        inputs=lambda rng: (rng.normal(size=(3, 6)),),
        oracle=lambda params, x: oracle.jacobian_norm(x, params["encoder.weight"], params["encoder.bias"]),
        covers=("jacobian_norm",),
        skips={
            "gradients": "a measure of the encoder: the decoder has no part in it",
            "gradcheck": "a measure, not a loss: the slope of the activation is taken as it is",
            "export": "takes a gradient inside",
            "keys": "those of the module above",
        },
    ),
)

# Of random corruptions only what happens at their limits has a closed form; the rest is in the system's own tests.
FUNCTIONS = (
    Case(
        name="corruptions_at_zero",
        build=None,
        call=lambda x: (mask_inputs(x, 0.0), salt_and_pepper(x, 0.0), add_gaussian(x, 0.0)),
        inputs=lambda rng: (rng.random(size=(3, 6)),),
        oracle=lambda params, x: (x, x, x),
        covers=("mask_inputs", "salt_and_pepper", "add_gaussian"),
    ),
    Case(
        name="nearest",
        build=None,
        call=nearest,
        inputs=lambda rng: (rng.normal(size=(5, 6)), rng.normal(size=(50, 6))),
        oracle=lambda params, points, support: oracle.nearest(points, support),
        skips={"gradcheck": "a search: the nearest point jumps"},
    ),
)
