"""CTC: every path is counted once, the padding not at all; and what simpler losses and decoders get wrong."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from oracles import ctc_speech as oracle

import deepcanon
from deepcanon.parts.edit_distance import edit_distance, error_rate
from deepcanon.parts.log_mel import LogMel, mel_filters
from deepcanon.sequence import Bidirectional, CTCSpeech, ctc_nll
from deepcanon.sequence.bidirectional import real_steps
from deepcanon.sequence.ctc_speech import align, both_ways, collapse, greedy, needed_frames, prefix_search


def random_log_probs(seed, batch=6, time=5, symbols=3, sharpness=1.5):
    generator = torch.Generator().manual_seed(seed)
    logits = sharpness * torch.randn(batch, time, symbols, generator=generator, dtype=torch.float64)
    return logits.log_softmax(2)


@pytest.mark.parametrize("seed", range(3))
def test_every_labelling_has_the_probability_of_all_its_paths(seed):
    """Over all labellings of up to five symbols the probabilities sum to 1, and each equals the enumeration's."""
    (log_probs,) = random_log_probs(seed, batch=1)
    wanted = oracle.by_labels(log_probs.numpy())
    total = 0.0
    for length in range(6):
        every = list(itertools.product((1, 2), repeat=length))
        labels = torch.tensor(every, dtype=torch.int64).reshape(len(every), length)
        frames = torch.full((len(every),), 5)
        got = ctc_nll(log_probs.expand(len(every), -1, -1), labels, frames).neg().exp()
        assert torch.allclose(got, torch.tensor([wanted.get(z, 0.0) for z in every], dtype=torch.float64), atol=1e-12)
        total += got.sum().item()
    assert abs(total - 1) < 1e-12


def test_the_loss_and_its_gradient_are_those_of_torch():
    """Which is what training uses; some rows have too few frames for their labels, which is said by infinity."""
    log_probs = random_log_probs(3, batch=8, time=30, symbols=6).requires_grad_()
    labels = torch.randint(1, 6, (8, 9), generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([9, 3, 0, 1, 7, 9, 9, 2])
    labels = labels.where(torch.arange(9) < lengths[:, None], -100)
    frames = torch.tensor([30, 30, 4, 1, 20, 12, 3, 2])
    ours = ctc_nll(log_probs, labels, frames)
    (gradient,) = torch.autograd.grad(ours[ours.isfinite()].sum(), log_probs)
    theirs = F.ctc_loss(log_probs.transpose(0, 1), labels.clamp(min=0), frames, lengths, reduction="none")
    assert torch.equal(ours.isfinite(), theirs.isfinite())
    assert torch.equal(ours.isfinite(), needed_frames(labels) <= frames) and not ours.isfinite().all()
    good = ours.isfinite()
    assert (ours - theirs)[good].abs().max() < 1e-6
    (other,) = torch.autograd.grad(theirs[good].sum(), log_probs)
    # torch gives the gradient before the softmax: equal once the log softmax has been taken through
    project = lambda g: g - log_probs.exp() * g.sum(2, keepdim=True)  # noqa: E731
    assert (project(gradient) - project(other))[good].abs().max() < 1e-6 and gradient.isfinite().all()


def test_repeated_symbols_need_a_blank_between_them():
    """A loss that collapses the labels too gives "11" the paths of "1"."""
    log_probs = torch.log(torch.tensor([[[0.1, 0.9], [0.1, 0.9], [0.1, 0.9]]]))
    once, twice = (ctc_nll(log_probs, torch.tensor([z]), torch.tensor([3])).neg().exp().item() for z in ([1], [1, 1]))
    assert abs(twice - 0.9 * 0.1 * 0.9) < 1e-6 and abs(once + twice + 0.001 - 1) < 1e-6
    assert collapse([0, 1, 1, 0, 1, 2, 2, 0]) == [1, 1, 2]


@pytest.mark.parametrize("seed", range(5))
def test_a_wide_search_finds_the_likeliest_labelling(seed):
    log_probs = random_log_probs(10 + seed, sharpness=0.7)
    frames = torch.tensor([5, 4, 3, 5, 2, 1])
    texts, scores = prefix_search(log_probs, frames, 300)
    for row, n in enumerate(frames.tolist()):
        wanted = sorted(oracle.by_labels(log_probs[row, :n].numpy()).items(), key=lambda item: -item[1])
        assert tuple(texts[row][0]) == wanted[0][0]
        assert {tuple(text) for text in texts[row]} == {z for z, _ in wanted}  # each once
        assert np.allclose(scores[row, : len(wanted)].exp(), [chance for _, chance in wanted], atol=1e-12)


def test_a_narrow_search_is_what_it_would_be_for_each_row_alone_and_beats_the_likeliest_path():
    log_probs = random_log_probs(5, batch=200, time=8, symbols=4, sharpness=1.0)
    frames = torch.arange(200) % 8 + 1
    texts, _ = prefix_search(log_probs, frames, 3)
    for row in range(0, 200, 7):
        n = frames[row : row + 1]
        assert prefix_search(log_probs[row : row + 1, : int(n)], n, 3)[0][0] == texts[row]

    def cost(found):
        labels = torch.full((200, 8), -100)
        for row, text in enumerate(found):
            labels[row, : len(text)] = torch.tensor(text, dtype=torch.int64)
        return ctc_nll(log_probs, labels, frames).mean().item()

    best, path = cost([text[0] for text in texts]), cost(greedy(log_probs, frames))
    assert best < path


def test_alignments_of_repeated_labels_and_of_rows_without_any():
    log_probs = torch.full((2, 6, 3), -8.0)
    for t, k in enumerate([0, 1, 1, 0, 1, 2]):
        log_probs[:, t, k] = 0.0
    labels = torch.tensor([[1, 1, 2], [-100, -100, -100]])
    assert align(log_probs, labels, torch.tensor([6, 6])).tolist() == [[1, 4, 5], [-1, -1, -1]]


def test_both_ways_equals_the_masked_network():
    torch.manual_seed(0)
    network = Bidirectional(4, 6, 2)
    x, n = torch.randn(5, 9, 4), torch.tensor([9, 1, 4, 8, 3])
    mask = real_steps(n, 9)
    wanted, _ = network(x, mask=mask)
    assert (both_ways(network, x, n) - wanted)[mask].abs().max() < 1e-6


def test_nothing_after_the_end_of_a_recording_is_heard():
    torch.manual_seed(1)
    model = CTCSpeech(LogMel(1000, 4), 3, joined=2, hidden=5)
    x, lengths = torch.rand(4, 200) - 0.5, torch.tensor([200, 20, 77, 131])
    log_probs, n = model(x, lengths)
    other, _ = model(torch.where(torch.arange(200) < lengths[:, None], x, torch.rand(4, 200)), lengths)
    wanted = oracle.forward({k: v.double().numpy() for k, v in model.state_dict().items()}, x.double().numpy(), lengths)
    for row, steps in enumerate(n.tolist()):
        assert torch.equal(log_probs[row, :steps], other[row, :steps])
        assert np.abs(log_probs[row, :steps].detach().numpy() - wanted[row]).max() < 1e-4
        assert len(wanted[row]) == steps


def test_a_tone_is_loudest_in_the_band_of_its_pitch():
    for hertz, band in ((440.0, 8), (1500.0, 21)):
        heard = LogMel(8000, 40)(torch.sin(2 * torch.pi * hertz * torch.arange(8000) / 8000)[None])
        mel = 2595 * np.log10(1 + hertz / 700) / (2595 * np.log10(1 + 4000 / 700) / 41)
        assert abs(int(heard.mean(1).argmax()) - (mel - 1)) < 1, (band, mel)
    with pytest.raises(ValueError, match="too many"):
        mel_filters(8000, 64, 40)


def test_edits_are_counted_as_the_table_has_them():
    random = np.random.default_rng(0)
    for _ in range(200):
        a, b = (random.integers(0, 4, random.integers(0, 9)).tolist() for _ in range(2))
        table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
        for i, j in itertools.product(range(len(a) + 1), range(len(b) + 1)):
            ways = [table[i - 1][j] + 1] if i else []
            ways += [table[i][j - 1] + 1] if j else []
            ways += [table[i - 1][j - 1] + (a[i - 1] != b[j - 1])] if i and j else []
            table[i][j] = min(ways, default=0)
        assert edit_distance(a, b) == table[-1][-1]
    assert error_rate(["ab", ""], ["abc", "d"]) == 0.5
    with pytest.raises(ValueError, match="do not fit"):
        error_rate(["a"], [""])


def test_recordings_are_answered_together_as_each_alone(tmp_path):
    """Of different lengths, in the order in which they are given; a silent one too."""
    trained = deepcanon.train("ctc-speech", preset="smoke", out=tmp_path / "run", steps=60, quiet=True)
    train = trained.recipe.run.data["train"].x
    given = [train[3], torch.zeros(100), train[0], train[7], torch.zeros(2000)]
    together = trained.predict(given)
    for x, record in zip(given, together, strict=True):
        (alone,) = trained.predict([x])
        assert alone["text"] == record["text"] and alone["begins"] == record["begins"]
        assert len(record["begins"]) == len(record["text"]) and alone["others"] == record["others"]
        assert abs(alone["log_probability"] - record["log_probability"]) < 1e-4
    assert any(record["text"] for record in together)
