import numpy as np
from contract.cases import Case
from oracles import mixture_density_rnn as oracle

from deepcanon.sequence import MixtureDensityRNN
from deepcanon.sequence.mixture_density_rnn import mixture_mean, mixture_nll, mixture_of, output_size

COMPONENTS, FLOOR = 3, 0.05


def net(features, layers=1, **options):
    return lambda: MixtureDensityRNN(features, 4, layers, components=COMPONENTS, **options)


def series(features):
    return lambda rng: (rng.normal(size=(3, 6, features)),)


def outputs(features):
    def draw(rng):
        size = output_size(features, COMPONENTS)
        return rng.normal(size=(2, 4, size)), rng.normal(size=(2, 4, features))

    return draw


def mean_oracle(params, rows):
    found = [
        sum(weight * mean for weight, mean, _ in oracle.components(row, COMPONENTS, 2, FLOOR))
        for row in rows.reshape(-1, rows.shape[-1])
    ]
    return np.array(found).reshape(*rows.shape[:-1], 2)


CASES = (
    Case(
        "mixture_density_rnn",
        net(2),
        series(2),
        lambda params, x: oracle.outputs(params, x),
        call=lambda module, x: module(x)[0],
        causal=True,
        covers=("MixtureDensityRNN", "GaussianMixture"),
    ),
    Case(
        "mixture_density_rnn_two_layers",
        net(1, 2),
        series(1),
        lambda params, x: oracle.outputs(params, x),
        call=lambda module, x: module(x)[0],
        causal=True,
    ),
)
FUNCTIONS = (
    *(
        Case(
            f"mixture_nll_{features}",
            None,
            outputs(features),
            lambda params, rows, values: oracle.nll(rows, values, COMPONENTS, FLOOR),
            call=lambda rows, values, f=features: mixture_nll(mixture_of(rows, f, COMPONENTS, FLOOR), values),
            covers=("mixture_nll", "mixture_of", "mixture_sample"),
        )
        for features in (1, 2, 4)
    ),
    Case(
        "mixture_mean",
        None,
        lambda rng: outputs(2)(rng)[:1],
        mean_oracle,
        call=lambda rows: mixture_mean(mixture_of(rows, 2, COMPONENTS, FLOOR)),
    ),
)
