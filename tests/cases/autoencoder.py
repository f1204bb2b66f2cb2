import torch
from contract.cases import Case
from oracles import autoencoder as oracle

from deepcanon.representation import Autoencoder


def with_biases(**options):
    """Zero biases and a dead unit put the next one on its kink, where no numerical gradient is right."""
    model = Autoencoder(6, 2, **options)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter)
    return model


CASES = (
    Case(
        name="autoencoder",
        build=lambda: with_biases(hidden=(12, 9)),
        inputs=lambda rng: (rng.random(size=(4, 6)),),
        oracle=lambda params, x: oracle.reconstruct(params, x, "sigmoid"),
        covers=("Autoencoder",),
    ),
    Case(
        name="autoencoder_code",
        build=lambda: with_biases(hidden=(12, 9)),
        call=lambda model, x: (model.encode(x), model.decode(model.encode(x))),
        inputs=lambda rng: (rng.random(size=(4, 6)),),
        oracle=lambda params, x: (oracle.encode(params, x), oracle.reconstruct(params, x, "sigmoid")),
    ),
    Case(
        name="autoencoder_linear",
        build=lambda: with_biases(hidden=(), output="linear"),
        inputs=lambda rng: (rng.normal(size=(4, 6)),),
        oracle=lambda params, x: oracle.reconstruct(params, x, "linear"),
    ),
)
