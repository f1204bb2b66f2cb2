import torch
from contract.cases import Case
from oracles import stacked_autoencoder as oracle

from deepcanon.representation import StackedAutoencoder

NO_PART = {"gradients": "the decoders' biases have no part in the classifier"}


def started():
    model = StackedAutoencoder(6, 3, hidden=(5, 4))  # the classifier is zero at the start, which would hide the codes
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


CASES = (
    Case(
        name="stacked_autoencoder",
        build=started,
        inputs=lambda rng: (rng.random(size=(4, 6)),),
        oracle=lambda params, x: oracle.logits(params, x, 2),
        covers=("StackedAutoencoder",),
        skips=NO_PART,
    ),
    Case(
        name="stacked_autoencoder_codes",
        build=started,
        call=lambda model, x: model.codes(x, 1),
        inputs=lambda rng: (rng.random(size=(4, 6)),),
        oracle=lambda params, x: oracle.codes(params, x, 1),
        skips=NO_PART,
    ),
)
