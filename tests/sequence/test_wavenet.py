"""WaveNet: what an output may depend on, cached generation, and what is measured of recordings."""

import math

import numpy as np
import pytest
import torch

from deepcanon.data.sounds import Pieces, Sounds
from deepcanon.sequence import WaveNet, code_nll, mu_law_decode, mu_law_encode

DILATIONS = (1, 2, 4, 8, 1, 2)


def net(**options):
    torch.manual_seed(0)
    return WaveNet(16, 6, skip_channels=5, dilations=DILATIONS, **options).double()


def jacobian(model, time):
    """Which inputs [T] have an effect on the logits of each position [time, T], by derivatives through the table."""
    codes = torch.randint(16, (1, time), generator=torch.Generator().manual_seed(1))
    rows = torch.eye(16, dtype=torch.float64)[codes].requires_grad_()
    table = model.embedding.weight.detach().clone()
    del model.embedding
    model.embedding = lambda _: rows @ table
    effects = []
    for t in range(time):
        (gradient,) = torch.autograd.grad(model(codes)[0, t].square().sum(), rows, retain_graph=True)
        effects.append(gradient[0].abs().sum(1))
    return torch.stack(effects)


@pytest.mark.parametrize("taps", [2, 3])
def test_the_jacobian_is_zero_for_the_future_and_beyond_the_receptive_field_alone(taps):
    model = net(taps=taps)
    model.hidden.bias.data += 2  # so that at no time all rectifiers are off
    model.blocks[0].skip.bias.data += 2
    reach = model.receptive_field
    assert reach == 1 + (taps - 1) * sum(DILATIONS)
    effects = jacobian(model, reach + 6)
    ages = torch.arange(len(effects))[:, None] - torch.arange(len(effects))
    assert (effects[(ages < 0) | (ages >= reach)] == 0).all()  # exactly
    assert (effects[(ages >= 0) & (ages < reach)] > 0).all()


@pytest.mark.parametrize("classes", [0, 3])
def test_cached_generation_equals_the_full_pass(classes):
    model = net(classes=classes)
    codes = torch.randint(16, (4, 50), generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([0, 2, 1, 0]) if classes else None
    whole, state, steps = model(codes, labels), model.start(4), []
    for t in range(50):
        logits, state = model.step(codes[:, t], state, labels)
        steps.append(logits)
    torch.testing.assert_close(torch.stack(steps, 1), whole, rtol=1e-12, atol=1e-12)
    assert sum(part.shape[2] for part in state) == sum(DILATIONS)  # what is kept does not grow with the length


def test_the_probabilities_of_all_recordings_sum_to_one():
    """All 4^4 sequences of four codes, by the chain rule of eq. (1)."""
    torch.manual_seed(0)
    model = WaveNet(4, 5, skip_channels=5, dilations=(1, 2)).double()
    codes = torch.cartesian_prod(*[torch.arange(4)] * 4)
    before = torch.cat([torch.full((256, 1), model.silence), codes[:, :-1]], 1)
    nats = code_nll(model(before), codes, "none").sum(1)
    assert nats.neg().exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_mu_law_spends_its_levels_on_what_is_quiet():
    codes = torch.arange(256)
    assert torch.equal(mu_law_encode(mu_law_decode(codes, dtype=torch.float64)), codes)
    x = torch.linspace(-1, 1, 20_001, dtype=torch.float64)
    error = (mu_law_decode(mu_law_encode(x), dtype=torch.float64) - x).abs()
    # Uniform levels would err by 0.004 everywhere.
    assert error[x.abs() < 0.005].max() < 2.5e-4 and 0.015 < error.max() < 0.025
    assert mu_law_encode(torch.tensor([0.0, 2.0, -2.0])).tolist() == [128, 255, 0]


def test_classes_are_needed_where_they_were_learned_and_only_there():
    codes = torch.zeros(2, 4, dtype=torch.int64)
    with pytest.raises(ValueError, match="model of 3 classes"):
        net(classes=3)(codes)
    with pytest.raises(ValueError, match="model of 0 classes"):
        net()(codes, torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="look nowhere back"):
        WaveNet(16, 4, dilations=())


def test_recordings_in_pieces_cost_what_they_cost_as_a_whole():
    """Each piece is preceded by as much as the network sees; a piece without that would cost something else."""
    model, random = net(), np.random.default_rng(0)
    lengths = torch.tensor([70, 9, 53])
    samples = torch.from_numpy(random.uniform(-1, 1, 132).astype(np.float32))
    sounds = Sounds(samples, lengths.cumsum(0) - lengths, lengths, 8000, ["a", "b", "c"])

    def nats(x, counted):
        codes = mu_law_encode(x, 16)
        before = torch.cat([codes.new_full((len(codes), 1), model.silence), codes[:, :-1]], 1)
        return code_nll(model(before), codes.where(counted, -1), "none").sum().item()

    whole = sum(nats(sounds[row][None], torch.tensor([True])) for row in range(3))
    pieces = Pieces(sounds, model.receptive_field)
    assert int(pieces.counts.sum()) == 132 and len(pieces) == 4 + 1 + 3

    def cut(before):
        return sum(nats(*pieces.read(chosen, before)) for chosen in pieces.groups(3))

    assert cut(model.receptive_field) == pytest.approx(whole, rel=1e-12)
    assert abs(cut(0) - whole) > 1e-6


def test_a_note_is_learned_from_a_period_ago():
    """A square wave of period 7: with a receptive field of 8 nearly certain, with one of 4 a guess at each edge."""
    wave = (torch.arange(300) % 7 < 3).long() * 15
    starts = torch.arange(7)
    codes = torch.stack([wave[s : s + 120] for s in starts])
    found = {}
    for dilations in ((1, 2, 4), (1, 1)):
        torch.manual_seed(0)
        model = WaveNet(16, 8, skip_channels=16, dilations=dilations)
        optimizer = torch.optim.Adam(model.parameters(), 0.02)
        for _ in range(100):
            loss = code_nll(model(codes[:, :-1])[:, 8:], codes[:, 9:])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        found[len(dilations)] = loss.item() / math.log(2)
    assert found[3] < 0.05 < 0.2 < found[2]
