"""How well a mixture density RNN predicts many series: `predict` against two forms of what people write.

Both peers have the same weights and standardised values, nn.LSTM and torch's kernels:
(1) the plain form, series by series, the density by torch.distributions (MixtureSameFamily of MultivariateNormal); (2)
a tuned form, all series sorted by length and padded in batches, the density written out, in the same precision. What
counts is the nats a step of every series, which must be equal.

    python benchmarks/mixture_density_rnn.py
"""

import math
import statistics

import torch
from record import cpu_seconds, interleaved, ratio, record
from torch import distributions
from torch.nn.utils.rnn import pad_sequence

from deepcanon.data.splits import Dataset, Split
from deepcanon.engine import Run
from deepcanon.recipes.mixture_density_rnn import Config, Recipe
from deepcanon.settings import Settings

ROUNDS, HIDDEN, COMPONENTS, FLOOR, TOGETHER = 7, 64, 5, 1e-3, 128
ALIKE, TWO = "1,000 series of 100 rows, one column", "400 series of 50 to 200 rows, two columns"


def drawn(kind):
    random = torch.Generator().manual_seed(0)
    if kind == ALIKE:
        return [*torch.randn(1000, 100, 1, dtype=torch.float64, generator=random).cumsum(1)]
    lengths = torch.randint(50, 201, (400,), generator=random).tolist()
    return [torch.randn(length, 2, dtype=torch.float64, generator=random).cumsum(0) for length in lengths]


def trained(features):
    """A recipe with weights that are not those of its beginning, so that densities differ from step to step."""
    x = torch.randn(600, features, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).cumsum(0)
    data = Dataset("series", {"train": Split(x[:500]), "valid": Split(x[500:])}, {"columns": ["a", "b"][:features]})
    config = Config(hidden=HIDDEN, components=COMPONENTS, floor=FLOOR)
    torch.manual_seed(0)
    run = Run(Settings(steps=1, device="cpu"), None, lambda: data)
    recipe = Recipe(config, {**Recipe.learn(config, data), "reader": data.describe()}, run)
    for parameter in recipe.model.parameters():
        parameter.mul_(2)
    return recipe


def parts(outputs, features):
    """(log weights, means, scales, lower factor of the correlations) from what the network says."""
    sizes = [COMPONENTS, COMPONENTS * features, COMPONENTS * features]
    weights, means, scales, raw = outputs.split([*sizes, outputs.shape[-1] - sum(sizes)], -1)
    scales = scales.exp().unflatten(-1, (COMPONENTS, features)) + FLOOR
    means = means.unflatten(-1, (COMPONENTS, features))
    return weights.log_softmax(-1), means, scales, raw.tanh()


def one_by_one(model, shift, scale, series):
    found = []
    for values in series:
        x = ((values - shift) / scale).float()
        weights, means, scales, rho = parts(model.output(model.lstm(x[None, :-1])[0][0]), x.shape[1])
        factor = torch.diag_embed(scales)
        if x.shape[1] == 2:
            factor[..., 1, 0] = scales[..., 1] * rho
            factor[..., 1, 1] = scales[..., 1] * (1 - rho.square()).sqrt()
        each = distributions.MultivariateNormal(means, scale_tril=factor)
        density = distributions.MixtureSameFamily(distributions.Categorical(logits=weights), each)
        found.append(float(-density.log_prob(x[1:]).mean() + scale.log().sum()))
    return found


def side_by_side(model, shift, scale, series):
    found, order = [0.0] * len(series), sorted(range(len(series)), key=lambda place: len(series[place]))
    for start in range(0, len(order), TOGETHER):
        here = order[start : start + TOGETHER]
        x = ((pad_sequence([series[place] for place in here], batch_first=True) - shift) / scale).float()
        weights, means, scales, rho = parts(model.output(model.lstm(x[:, :-1])[0]), x.shape[2])
        z = (x[:, 1:, None] - means) / scales
        log_volume = scales.log().sum(-1)
        square = z.square().sum(-1)
        if x.shape[2] == 2:
            rest = 1 - rho.square()
            square = (square - 2 * rho * z[..., 0] * z[..., 1]) / rest
            log_volume = log_volume + 0.5 * rest.log()
        log_normal = -0.5 * square - log_volume - 0.5 * x.shape[2] * math.log(2 * math.pi)
        nats = -(weights + log_normal).logsumexp(-1)
        counts = torch.tensor([len(series[place]) - 1 for place in here])
        inside = torch.arange(nats.shape[1]) < counts[:, None]
        means = (nats * inside).double().sum(1) / counts + scale.log().sum()
        for place, value in zip(here, means.tolist(), strict=True):
            found[place] = value
    return found


@torch.no_grad()
def rows(kind):
    series = drawn(kind)
    recipe = trained(series[0].shape[1])
    model, shift, scale = recipe.model, recipe.preprocess.shift, recipe.preprocess.scale
    steps, found = sum(len(one) - 1 for one in series), {}

    def timed(name, ask):
        return lambda: steps / cpu_seconds(lambda: found.update({name: ask()})) / 1e6

    peers = {
        "plain: series by series, torch.distributions": (4.0, one_by_one),
        "tuned: padded batches, the density written out": (1.0, side_by_side),
    }
    asked = {name: timed(name, lambda f=f: f(model, shift, scale, series)) for name, (_, f) in peers.items()}
    ours = timed("ours", lambda: [one["value"] for one in recipe.predict(series)])
    rates = interleaved({"ours": ours, **asked}, ROUNDS)
    made = []
    for name, (target, _) in peers.items():
        apart = max(abs(mine - theirs) for mine, theirs in zip(found["ours"], found[name], strict=True))
        assert apart < 1e-3, (name, apart)
        made.append(
            {
                "peer": f"`predict`, {name} ({kind}, LSTM {HIDDEN}, {COMPONENTS} Gaussians)",
                "version": torch.__version__, "unit": "million steps/CPU-s", "ours": statistics.median(rates["ours"]),
                "peers": statistics.median(rates[name]), "ratio": ratio(rates["ours"], rates[name]), "target": target,
                "quality": f"nats a step of all {len(series)} series equal to {apart:.0e}, fp32 all",
            }
        )  # fmt: skip
    return made


def main():
    torch.set_num_threads(1)
    record("mixture_density_rnn", [row for kind in (ALIKE, TWO) for row in rows(kind)])


if __name__ == "__main__":
    main()
