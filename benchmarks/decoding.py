"""Decoding: batched beam search and batched sampling against a call of the model for each hypothesis or sample.

Beam search has the rules of `beam_search` in every peer, so that the n-best lists must be identical:
(1) the tutorial form, one call of the model and one sort for each hypothesis of each sentence; (2) a tuned form, all
hypotheses of a sentence in one call, sentence by sentence; (3) a tuned form, all sentences and hypotheses in one call,
with the softmax and the choice over whole rows of the vocabulary. Sampling: one sample at a time, of the same model;
the greedy texts of both must be identical, since drawn ones depend on the order of the draws.

    python benchmarks/decoding.py
"""

import statistics

import torch
from record import cpu_seconds, interleaved, ratio, record

from deepcanon.parts.decoding import beam_search, sample_sequence
from deepcanon.parts.recurrence import select_rows
from deepcanon.sequence import RecurrentLM

ROUNDS, VOCABULARY, HIDDEN, SENTENCES, BEAM, LENGTH, END = 7, 8000, 256, 32, 5, 30, 0
FEW = 4  # sentences that the first peer searches in a round


def network():
    torch.manual_seed(0)
    model = RecurrentLM(VOCABULARY, HIDDEN, embedding_size=HIDDEN).eval()
    # Sharp enough that scores do not lie within rounding of each other; the end comes up now and then.
    model.output.weight.mul_(12.0)
    model.embedding.weight.mul_(2.0)
    return model, torch.randint(1, VOCABULARY, (SENTENCES,))


def one_call_a_hypothesis(model, start, beam, length, end):
    """[(log probability, tokens)] of one sentence, best first: Python lists, one call for each hypothesis."""
    live, done = [([], 0.0, start, model.start(1))], []
    for t in range(length):
        options = []
        for tokens, total, last, state in live:
            logits, after = model.step(torch.tensor([last]), state)
            best, choice = torch.log_softmax(logits[0], -1).topk(beam)
            options += [
                ([*tokens, v], total + p, v, after) for v, p in zip(choice.tolist(), best.tolist(), strict=True)
            ]
        options.sort(key=lambda item: -item[1])
        live, room = [], beam - len(done)
        for option in options[:room]:
            (done if option[2] == end or t == length - 1 else live).append(option)
        if not live:
            break
    return sorted(((total, tokens) for tokens, total, _, _ in done), key=lambda item: -item[0])


def in_one_call(model, start, beam, length, end):
    """[(log probability, tokens)] of each sentence, best first: one call for all hypotheses of the sentences given."""
    rows, tokens, state = torch.arange(len(start))[:, None], start, model.start(len(start))
    live, history = torch.zeros(len(start), 1), torch.empty(len(start), 1, 0, dtype=torch.int64)
    done = [[] for _ in start]
    for t in range(length):
        logits, state = model.step(tokens, state)
        scores = torch.log_softmax(logits, -1).view(len(start), -1, logits.shape[1]) + live[:, :, None]
        width = scores.shape[1]
        live, index = scores.flatten(1).topk(beam, 1)
        parent, token = index // logits.shape[1], index % logits.shape[1]
        history = torch.cat([history[rows, parent], token[:, :, None]], 2)
        totals, ended = live.tolist(), (token == end).tolist()
        for row, found in enumerate(done):
            room = beam - len(found)
            for place in range(beam):
                if place < room and (ended[row][place] or t == length - 1) and totals[row][place] > -torch.inf:
                    found.append((totals[row][place], history[row, place].tolist()))
                if place >= room or ended[row][place]:
                    live[row, place] = -torch.inf
        if all(len(found) == beam for found in done):
            break
        state, tokens = select_rows(state, (rows * width + parent).flatten(), 1), token.flatten()
    return [sorted(found, key=lambda item: -item[0]) for found in done]


def compare(found, mine):
    """How many n-best sequences are the same.

    Raises:
        AssertionError: one is not.
    """
    for row, sentence in enumerate(found):
        for place, (total, tokens) in enumerate(sentence):
            assert mine.tokens[row, place, : mine.lengths[row, place]].tolist() == tokens, (row, place)
            assert abs(float(mine.log_probs[row, place]) - total) < 1e-3, (row, place)
    return sum(map(len, found))


@torch.no_grad()
def beams():
    model, start = network()
    results = {}
    peers = {
        "one call a hypothesis": (12.0, FEW, lambda: [
            one_call_a_hypothesis(model, int(s), BEAM, LENGTH, END) for s in start[:FEW]
        ]),
        "tuned: one call for the hypotheses of a sentence": (1.5, SENTENCES, lambda: [
            in_one_call(model, s[None], BEAM, LENGTH, END)[0] for s in start
        ]),
        "tuned: one call for all, choice over whole rows": (
            1.0, SENTENCES, lambda: in_one_call(model, start, BEAM, LENGTH, END)
        ),
    }  # fmt: skip

    def ours():
        return beam_search(
            model.step, start, model.start(SENTENCES), beam=BEAM, length=LENGTH, end=END, logits=True, state_axis=1
        )

    def timed(name, sentences, search):
        return lambda: sentences * LENGTH / cpu_seconds(lambda: results.update({name: search()}))

    measured = {name: timed(name, sentences, search) for name, (_, sentences, search) in peers.items()}
    rates = interleaved({"ours": timed("ours", SENTENCES, ours), **measured}, ROUNDS)
    return [
        {
            "peer": f"beam search, {name} (LSTM {HIDDEN}, vocabulary {VOCABULARY}, beam {BEAM}, {LENGTH} tokens)",
            "version": torch.__version__, "unit": "output tokens/CPU-s", "ours": statistics.median(rates["ours"]),
            "peers": statistics.median(rates[name]), "ratio": ratio(rates["ours"], rates[name]), "target": target,
            "quality": f"{compare(results[name], results['ours'])} n-best sequences of {sentences} sentences "
            f"identical, fp32 both, ours {SENTENCES} sentences at once",
        }
        for name, (target, sentences, _) in peers.items()
    ]  # fmt: skip


@torch.no_grad()
def samples():
    model, start = network()

    def drawn(first, temperature):
        random = torch.Generator().manual_seed(0)
        return sample_sequence(model.step, first, model.start(len(first)), LENGTH, random, temperature=temperature)[0]

    def one_by_one(first, temperature):
        texts, random = [], torch.Generator().manual_seed(0)
        for token in first.split(1):
            state, text = model.start(1), []
            for _ in range(LENGTH):
                logits, state = model.step(token, state)
                chances = torch.softmax(logits / temperature, 1) if temperature else logits
                token = torch.multinomial(chances, 1, generator=random)[0] if temperature else logits.argmax(1)
                text.append(int(token))
            texts.append(text)
        return texts

    assert drawn(start, 0.0).tolist() == one_by_one(start, 0.0)
    amount = SENTENCES * LENGTH
    rates = interleaved(
        {
            "ours": lambda: amount / cpu_seconds(lambda: drawn(start, 1.0)),
            "plain": lambda: amount / cpu_seconds(lambda: one_by_one(start, 1.0)),
        },
        ROUNDS,
    )
    return {
        "peer": f"sampling, one sample at a time (LSTM {HIDDEN}, vocabulary {VOCABULARY}, {LENGTH} tokens)",
        "version": torch.__version__, "unit": "output tokens/CPU-s", "ours": statistics.median(rates["ours"]),
        "peers": statistics.median(rates["plain"]), "ratio": ratio(rates["ours"], rates["plain"]), "target": 0.0,
        "quality": f"{SENTENCES} greedy texts identical; ours draws in float64, the peer in float32",
    }  # fmt: skip


def main():
    torch.set_num_threads(1)
    record("decoding", [*beams(), samples()])


if __name__ == "__main__":
    main()
