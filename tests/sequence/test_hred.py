"""HRED: turns side by side equal the loop over words, what depends on what, sums of probabilities, planted bugs."""

import itertools
import math

import pytest
import torch
from oracles import hred as oracle

from deepcanon.parts.turns import turns_of
from deepcanon.recipes import hred as recipe
from deepcanon.sequence import HRED

END, WORDS = 1, 6
CONTEXTS = ("session", "last", "stream")


def make(seed=0, words=WORDS, **how):
    torch.manual_seed(seed)
    return HRED(words, 5, embedding_size=4, dtype=torch.float64, **how).eval()


def dialogue(*turns):
    """Inputs of one dialogue: the stream that begins with END and lacks the last one."""
    return torch.tensor([[END, *[word for turn in turns for word in (*turn, END)][:-1]]])


TALK = dialogue([2, 3, 4], [5, 2], [3], [4, 4, 2, 5])
STARTS = (0, 4, 7, 9)  # of its turns in the stream


def chances(model, stream, turns=None):
    return model.output(model(stream, turns)).log_softmax(-1)


# The equations


@pytest.mark.parametrize("context", CONTEXTS)
def test_turns_side_by_side_equal_the_loop_over_words_with_their_gradients(context):
    streams = torch.randint(2, WORDS, (4, 13), generator=torch.Generator().manual_seed(3))
    streams[:, 0] = END
    streams[torch.rand(4, 13, generator=torch.Generator().manual_seed(4)) < 0.25] = END
    found = []
    for fast in (True, False):
        model = make(context=context, fast=fast)
        out = model(streams)
        out.square().sum().backward()
        found.append([out.detach(), *(p.grad for p in model.parameters() if p.grad is not None)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("how", [{}, {"every_step": True}, {"context": "last"}, {"context": "stream"}])
def test_steps_equal_the_whole(how):
    model = make(**how)
    with torch.no_grad():
        whole, state = model.output(model(TALK)), model.begin(1)
        for place, tokens in enumerate(TALK.unbind(1)):
            logits, state = model.step(tokens, state)
            torch.testing.assert_close(logits, whole[:, place])


@pytest.mark.parametrize("how", [{}, {"every_step": True}, {"context": "last"}, {"context": "stream"}])
def test_a_turn_is_written_as_the_whole_goes_on(how):
    """After two complete turns of one stream and none of the other: the third turn, and the first."""
    model = make(**how)
    with torch.no_grad():
        whole = model.output(model(TALK))[0]
        state = model.listen(TALK.expand(2, -1), torch.tensor([STARTS[2] + 1, 1]))
        for step in range(2):
            places = [STARTS[2] + step, step]
            logits, state = model.write(TALK[0, places], state)
            torch.testing.assert_close(logits, whole[places])


def test_the_first_state_of_a_turn_is_tanh_of_the_state_of_the_dialogue():
    """By hand from the vectors of two turns; of the first turn it is tanh of the bias alone."""
    model = make()
    with torch.no_grad():
        model.decoder.bias_ih[5:10] = 60.0  # the update gates keep: d stays what it was at first
        model.decoder.weight_ih[5:10] = 0
        model.decoder.weight_hh[5:10] = 0
        session, starts = torch.zeros(1, 5).double(), [torch.tanh(model.start.bias)]
        for turn in ([2, 3, 4, END], [5, 2, END]):
            vector = torch.zeros(1, 5).double()
            for word in turn:
                vector = model.encoder(model.embedding.weight[None, word], vector)
            session = model.session(vector, session)
            starts.append(torch.tanh(model.start.weight @ session[0] + model.start.bias))
        words = model.embedding(TALK[0])
        for begin, stop, state in zip(STARTS, STARTS[1:], starts, strict=False):
            expected = model.of_state(state) + model.of_word(words[begin:stop])
            torch.testing.assert_close(model(TALK)[0, begin:stop], expected, rtol=1e-9, atol=1e-12)


# What depends on what


@pytest.mark.parametrize("context", CONTEXTS)
def test_no_word_depends_on_a_later_one(context):
    model, before = make(context=context), None
    for place in range(1, TALK.shape[1]):
        changed = TALK.clone()
        changed[0, place:] = torch.where(TALK[0, place:] == END, END, (TALK[0, place:] - 1) % 4 + 2)
        before = chances(model, TALK) if before is None else before
        after = chances(model, changed)
        torch.testing.assert_close(after[:, :place], before[:, :place], rtol=0, atol=1e-14)
        assert not torch.allclose(after[:, place:], before[:, place:]) or torch.equal(changed, TALK)


def slope(model, by, of):
    """The largest derivative of the chances from turn `of` on by the word vectors of turn `by`."""
    table = model.embedding.weight
    streams = TALK.clone()
    streams[0, STARTS[by] + 1 : STARTS[by + 1]] = WORDS  # words of their own
    model.embedding = torch.nn.Embedding(WORDS + 1, 4, _weight=torch.cat([table, table[2:3]]).detach())
    loss = chances(model, streams)[0, STARTS[of] :, :WORDS].square().sum()
    (found,) = torch.autograd.grad(loss, model.embedding.weight)
    model.embedding = torch.nn.Embedding(WORDS, 4, _weight=table.detach())
    return float(found[WORDS].abs().max())


def test_the_last_turn_has_a_gradient_in_the_first_one():
    assert slope(make(), 0, 3) > 1e-6 and slope(make(context="stream"), 0, 3) > 1e-9
    last = make(context="last")
    assert slope(last, 0, 3) == 0 == slope(last, 1, 3) and slope(last, 2, 3) > 1e-6


def test_a_model_of_the_last_turn_forgets_all_others():
    one, other = (dialogue(first, [5, 2], [3, 3]) for first in ([2, 3, 4], [5, 5]))
    rest = slice(-3, None)
    for context, same in (("last", True), ("session", False), ("stream", False)):
        model = make(context=context)
        assert torch.allclose(chances(model, one)[0, rest], chances(model, other)[0, rest], atol=1e-12) is same


def test_padding_and_other_dialogues_change_nothing():
    rows = [TALK[0], dialogue([3], [4, 5])[0], dialogue([2, 2, 2, 2, 2, 2, 2])[0]]
    lengths = torch.tensor([len(row) for row in rows])
    for context in CONTEXTS:
        model = make(context=context)
        for pad in (END, 4):
            padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad)
            padded = torch.cat([padded, torch.full((3, 6), pad)], 1)
            found = chances(model, padded, turns_of(padded, lengths, END))
            for row, stream in zip(found, rows, strict=True):
                torch.testing.assert_close(row[: len(stream)], chances(model, stream[None])[0], rtol=0, atol=1e-13)


def test_short_turns_have_probabilities_that_sum_to_one():
    """Of all turns of up to 3 words and all longer beginnings, after a dialogue: enumerated."""
    for how in ({}, {"every_step": True}, {"context": "stream"}):
        model, known, total = make(words=4, **how), [2, 3, 2, END, 3, END], 0.0
        for length in range(4):
            for words in itertools.product((0, 2, 3), repeat=length):
                turn = [*words, END] if length < 3 else [*words]
                stream = torch.tensor([[END, *known, *turn]])
                log = chances(model, stream)[0, len(known) : -1]
                total += math.exp(float(log[range(len(turn)), turn].sum().detach()))
        assert total == pytest.approx(1, abs=1e-12)


# Planted bugs: each differs from the oracle, which the model itself equals (tests/cases/hred.py)


def params(model):
    return {name: value.numpy() for name, value in model.state_dict().items()}


class Leaking(HRED):
    """A turn is predicted from a state that has read it."""

    def _sessions(self, vectors):
        return torch.cat([super()._sessions(vectors)[:, 1:], torch.zeros_like(vectors[:, :1])], 1)


class Linear(HRED):
    """(3) without tanh."""

    def _side_by_side(self, words, turns):
        start, linear = self.start, torch.nn.Linear(5, 5, dtype=torch.float64)
        linear.load_state_dict(start.state_dict())
        self.start = torch.nn.Sequential(linear, Inverse())
        found = super()._side_by_side(words, turns)
        self.start = start
        return found


class Inverse(torch.nn.Module):
    """Undoes the tanh that follows."""

    def forward(self, x):
        return x.clamp(-0.99, 0.99).atanh()


class Padded(HRED):
    """The vector of a turn is the state after the pads of its group."""

    def _side_by_side(self, words, turns):
        read = tuple(g._replace(lengths=torch.full_like(g.lengths, g.places.shape[1])) for g in turns.read)
        return super()._side_by_side(words, turns._replace(read=read))


class Carried(HRED):
    """The encoder is not emptied between turns."""

    def _step(self, word, closes, state):
        readout, after = super()._step(word, closes, state)
        turn = torch.where(closes[:, None], torch.ones_like(after.turn), after.turn)
        return readout, after._replace(turn=turn)


@pytest.mark.parametrize("kind", [Leaking, Linear, Padded, Carried])
def test_planted_bugs_differ_from_the_oracle(kind):
    good = make(fast=kind is not Carried)
    bad = kind(WORDS, 5, embedding_size=4, dtype=torch.float64, fast=kind is not Carried)
    bad.load_state_dict(good.state_dict())
    wanted = torch.from_numpy(oracle.module(params(good), TALK.numpy()))
    with torch.no_grad():
        torch.testing.assert_close(good.output(good(TALK)), wanted, rtol=1e-10, atol=1e-12)
        assert (bad.output(bad(TALK)) - wanted).abs().max() > 1e-4


def test_what_does_not_fit_is_refused():
    with pytest.raises(Exception, match="context"):  # by its type, where types are checked
        HRED(6, context="all")
    with pytest.raises(ValueError, match="no state of the dialogue"):
        HRED(6, context="stream", every_step=True)
    with pytest.raises(ValueError, match="does not begin with the sign"):
        make()(torch.tensor([[2, 3]]))


def test_networks_that_are_compared_have_equal_size():
    """Within half a percent, also without the table of words."""
    sizes = []
    for name in ("verify:daily", "verify:flat"):
        c = recipe.PRESETS[name][0]
        seen = c.every_step and c.context != "stream"
        how = {"embedding_size": c.embedding, "context": c.context, "every_step": seen, "tied": c.tied}
        model = HRED(10_000, c.hidden, **how)
        sizes.append(sum(p.numel() for p in model.parameters()) - model.output.weight.numel())
    assert abs(sizes[0] - sizes[1]) < 0.005 * sizes[0]
