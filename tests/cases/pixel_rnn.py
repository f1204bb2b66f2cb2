import torch
from contract.cases import Case
from oracles import pixel_rnn as oracle

from deepcanon.sequence import DiagonalLSTM, MaskedConv2d, PixelConvolutions, PixelRNN, RowLSTM

SMALL = {"features": 3, "layers": 2}
ALONE = {"cnn": PixelConvolutions, "row": RowLSTM, "diagonal": DiagonalLSTM}


def shaken(net):
    """With biases other than 0: the first pixel sees nothing, and ReLU has no derivative at 0."""
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("bias"):
                parameter.add_(0.5 * torch.randn_like(parameter))
    return net


def pictures(channels):
    return lambda rng: (rng.normal(size=(2, channels, 4, 5)),)


CASES = (
    *(
        Case(
            name=f"pixel_rnn_{layer}",
            build=lambda layer=layer: shaken(PixelRNN(1, layer=layer, **SMALL)),
            inputs=pictures(1),
            oracle=lambda params, x, layer=layer: oracle.logits(params, x, layer),
            covers=("PixelRNN",),
        )
        for layer in ALONE
    ),
    *(
        Case(
            name=f"pixel_rnn_{layer}_colours",
            build=lambda layer=layer: PixelRNN(3, levels=4, features=6, layers=1, head=9, layer=layer),
            inputs=pictures(3),
            oracle=lambda params, x, layer=layer: oracle.logits(params, x, layer, 4),
            gradcheck=False,  # that of one colour above
        )
        for layer in ALONE
    ),
    *(
        Case(
            name=f"pixel_layer_{layer}",
            build=lambda build=build: shaken(build(4, colours=2)),
            inputs=pictures(8),
            oracle=lambda params, s, layer=layer: oracle.one(params, layer, s, 2),
            covers=(build.__name__,),
        )
        for layer, build in ALONE.items()
    ),
    Case(
        name="diagonal_lstm_one_way",
        build=lambda: DiagonalLSTM(2, both=False),
        inputs=pictures(4),
        oracle=lambda params, s: oracle.one(params, "diagonal", s),
    ),
    Case(
        name="masked_convolution",
        build=lambda: MaskedConv2d(3, 6, (3, 5), "A", colours=3, blocks=2),
        inputs=pictures(3),
        oracle=lambda params, x: oracle.np.stack(
            [oracle.masked(params["weight"], params["bias"], each, "A", 3, 2) for each in x]
        ),
        covers=("MaskedConv2d",),
    ),
    Case(
        name="pixel_rnn_nll",
        build=lambda: shaken(PixelRNN(2, levels=3, features=2, layers=1, layer="diagonal")),
        inputs=lambda rng: (rng.integers(3, size=(2, 2, 3, 4)),),
        call=lambda net, values: net.nll(values),
        oracle=lambda params, values: oracle.nll(params, values, "diagonal", 3),
    ),
)
