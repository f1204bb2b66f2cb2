"""Recurrent language model (LSTM, GRU, simple) over characters or words, by truncated backpropagation through time.

Task: the next character or word of a text; own .txt files work. Metric: valid/nll in nats per token and perplexity,
over the whole split with the state carried. Tiny Shakespeare, last 10 %: nanoGPT's readme gives 1.88 for 3 minutes of
CPU and 1.4697 for its GPU run; ours 1.48 after 2.2 CPU minutes of one core, below 1.46 after 5. Penn Treebank words:
`--data ptb --unit words`.

    deepcanon train rnn-lm --data tinyshakespeare
"""

from dataclasses import dataclass, replace
from typing import Literal

SYSTEM = "sequence.rnn_lm"
DATA = ("text",)
TARGETS = (
    {"run": "short", "metric": "valid/nll", "relation": "<=", "value": 1.55,
     "mark": "P", "source": "D10 (1.75 there), 3 minutes on 2 cores", "statistic": "mean"},
    {"run": "short", "metric": "cpu_minutes", "relation": "<=", "value": 3.0,
     "mark": "P", "source": "D10", "statistic": "worst"},
    {"run": "long", "metric": "valid/nll", "relation": "<=", "value": 1.47,
     "mark": "C", "source": "nanoGPT's readme, GPU 1.4697", "statistic": "mean"},
    {"run": "long", "metric": "cpu_minutes", "relation": "<=", "value": 15.0,
     "mark": "P", "source": "D10", "statistic": "worst"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    unit: Literal["characters", "words"] = "characters"
    """What a token is; words stand between blanks, and each line is a sentence."""
    cell: Literal["lstm", "gru", "rnn"] = "lstm"
    """Kind of recurrent layer."""
    hidden: int = 512
    """Units of each recurrent layer."""
    layers: int = 1
    """Recurrent layers."""
    embedding: int = 64
    """Size of the token vectors; 0: one-hot inputs."""
    tied: bool = False
    """Use the embedding as output weights (needs embedding = hidden)."""
    dropout: float = 0.1
    """Share of values dropped of the top output and between layers."""
    input_dropout: float = 0.0
    """Share of values dropped of the embedding (of use for words)."""
    batch: int = 32
    """Streams that the text is cut into (fewer on a short text)."""
    window: int = 64
    """Tokens that gradients flow back over."""
    epochs: float = 15.0
    """Passes over the text if no steps are given."""
    learning_rate: float = 6e-3
    """Peak rate of AdamW; it rises over the warm-up and falls to zero along a cosine."""
    warmup: float = 0.05
    """Share of the steps in which the rate rises."""
    weight_decay: float = 0.01
    """Decoupled decay of matrices."""
    clip: float = 1.0
    """Largest norm of all gradients together."""
    samples: int = 0
    """Words or characters drawn by frequency for the softmax of each step (sampled softmax); 0 takes all of them."""
    correction: bool = True
    """Sampled softmax: subtract the logarithms of the expected counts; without, frequent words come out unlikely."""
    frequency_bias: bool = False
    """Start the output biases at the logarithms of the frequencies: of words that saves about an epoch."""
    minimum_count: int = 1
    """Rarer tokens become the unknown one."""
    vocabulary: int = 0
    """Most tokens to keep, by frequency; 0 keeps all."""
    sample: int = 400
    """Tokens of the text sample after each evaluation."""
    valid_share: float = 0.1
    """Share of the text, at its end, that is held out for validation."""
    test_share: float = 0.0
    """Share behind that for a test."""


def smoke():
    small = Config(hidden=64, embedding=32, batch=8, window=32, learning_rate=1e-2, sample=40)
    return small, {"data": "pydoc", "steps": 30, "threads": 1}


def default():
    return Config(hidden=256, epochs=8.0), {"data": "pydoc"}


def paper():
    # char-rnn's own settings (Karpathy 2015), RMSProp replaced by AdamW.
    small = Config(hidden=128, layers=2, embedding=0, dropout=0.0, batch=50, window=50, epochs=50.0, clip=5.0)
    return replace(small, learning_rate=2e-3, weight_decay=0.0), {"data": "tinyshakespeare"}


def verify():
    run = {"data": "tinyshakespeare"}
    return {
        "short": (Config(dropout=0.2), {**run, "steps": 1800, "evaluate_every": 600}),
        "long": (Config(dropout=0.2), {**run, "steps": 4000, "evaluate_every": 1000}),
    }


import math

import torch
from torch import nn

from deepcanon.data import DataError, Problem
from deepcanon.engine import Export
from deepcanon.engine.errors import UsageError
from deepcanon.parts.clipping import clip_in_step
from deepcanon.parts.schedules import one_cycle
from deepcanon.parts.vocabulary import Vocabulary, encode_once
from deepcanon.representation.sampled_softmax import draw_classes, proposal, sampled_softmax_loss
from deepcanon.sequence.decoding import beam_search, sample_sequence, select_rows
from deepcanon.sequence.rnn_lm import RecurrentLM, StepCell, detach, sequence_nll, streams, window

EVALUATION_STREAMS, WARM = 16, 256


class Recipe:
    state = ("model", "optimizer", "carry")
    monitor = ("valid/nll", "min")
    parallel = "gradients"
    precisions = ("fp32", "bf16")

    @staticmethod
    def learn(config, data) -> dict:
        text = data["train"].x
        vocabulary = Vocabulary.build(text, config.unit, config.minimum_count, config.vocabulary)
        tokens = len(encode_once(text, vocabulary))
        if tokens < 2:
            raise DataError(Problem("", "", f"the text has {tokens} {config.unit} to train on", "give a longer text"))
        # Short texts: fewer streams rather than windows that are mostly empty.
        count = min(config.batch, max(1, (tokens - 1) // config.window))
        facts = {"vocabulary": vocabulary.to_json(), "streams": count}
        if config.samples < 0:
            raise UsageError(f"--samples {config.samples}: 0 or more")
        if config.samples or config.frequency_bias:
            # One more of each: what never occurs may be asked for, and must have been drawn now and then.
            facts["counts"] = encode_once(text, vocabulary).bincount(minlength=len(vocabulary)) + 1
        return facts

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        self.vocabulary = Vocabulary.from_json(facts["vocabulary"])
        self.model = RecurrentLM(
            len(self.vocabulary), config.hidden, embedding_size=config.embedding, layers=config.layers,
            cell=getattr(nn, config.cell.upper()), dropout=config.dropout, input_dropout=config.input_dropout,
            tied=config.tied, device=run.device,
        )  # fmt: skip
        matrices = [p for p in self.model.parameters() if p.ndim > 1]
        vectors = [p for p in self.model.parameters() if p.ndim < 2]
        groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)
        self.carry = None
        self.source = None
        counts = torch.as_tensor(facts.get("counts", ())).to(run.device)
        if config.frequency_bias:
            with torch.no_grad():
                self.model.output.bias.copy_((counts / counts.sum()).log())
        if config.samples:
            source = proposal(counts, min(config.samples, len(counts)))
            self.source = source if config.correction else source._replace(log_counts=0 * source.log_counts)

    @property
    def preprocess(self):
        return self.vocabulary.encode

    def plan(self) -> int:
        tokens = len(encode_once(self.run.data["train"].x, self.vocabulary))
        per_epoch = math.ceil((tokens - 1) // self.facts["streams"] / self.config.window)
        return max(1, round(self.config.epochs * per_epoch))

    def step(self, step: int) -> dict:
        config, rows = self.config, self.run.rows(self.facts["streams"])
        x, y = streams(encode_once(self.run.data["train"].x, self.vocabulary), self.facts["streams"])
        here = window(step, x.shape[1], config.window)
        x, y = (self.run.to(part[rows, here.start : here.stop]) for part in (x, y))
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * one_cycle(step, self.run.steps, config.warmup)
        with self.run.autocast():
            loss, state = self.loss(x, y, None if here.fresh else self.carry)
        self.carry = detach(state)
        loss = self.run.backward(loss, self.model)
        norm = clip_in_step(self.optimizer, config.clip)
        self.optimizer.zero_grad()
        return {"loss": loss, "gradient_norm": norm, "learning_rate": self.optimizer.param_groups[0]["lr"]}

    def loss(self, x, y, state):
        """Of the next tokens, by all of the vocabulary or by a sample of it; and the state."""
        if self.source is None:
            logits, state = self.model(x, state)
            return sequence_nll(logits, y), state
        h, state = self.model.features(x, state)
        output, drawn = self.model.output, draw_classes(self.source, self.run.generator("samples"))
        counts = self.source.log_counts
        return sampled_softmax_loss(h.flatten(0, 1), output.weight, output.bias, y.flatten(), drawn, counts), state

    def evaluate(self, split: str) -> dict:
        nll = self._nll(encode_once(self.run.data[split].x, self.vocabulary).to(self.run.device))
        return {"nll": nll, "perplexity": math.exp(min(nll, 700.0))}

    def _nll(self, tokens) -> float:
        """Nats per token of a whole text, each predicted once; the text is read in a few streams side by side, each
        of which has read the WARM tokens before its beginning."""
        count = len(tokens) - 1
        if count < 1:
            raise DataError(Problem("", "", "the text is shorter than two tokens", "give a longer text"))
        many = max(1, min(EVALUATION_STREAMS, count // (2 * WARM)))
        length = -(-count // many)
        begin = torch.arange(many, device=tokens.device)[:, None] * length
        state, total = None, 0.0
        with self.run.autocast():
            if many > 1:
                before = begin[1:] + torch.arange(-min(WARM, length), 0, device=tokens.device)
                _, warm = self.model(tokens[before])
                state = tuple(torch.cat([torch.zeros_like(s[:, :1]), s], 1) for s in warm)
            for start in range(0, length, 256):
                at = begin + torch.arange(start, min(start + 256, length), device=tokens.device)
                real = at < count
                logits, state = self.model(tokens[at.clamp(max=count - 1)], state)
                nll = sequence_nll(logits, tokens[at.clamp(max=count - 1) + 1], "none")
                total += float((nll * real).double().sum())
        return total / count

    def figures(self) -> dict:
        with torch.no_grad():
            sample = self.generate("", 1, 0.8, 0, self.run.generator("sample"), self.config.sample)[0]["text"]
        return {"sample": sample}

    def generate(self, prompt, count, temperature, beam, generator, length=400, top_k=0, top_p=1.0, alpha=0.0):
        """Continues the prompt; with beam search, the `count` best continuations (of words: up to the sentence end)."""
        vocabulary = self.vocabulary
        tokens = vocabulary.encode(prompt, closed=False).to(self.run.device)
        if vocabulary.end is not None or not len(tokens):
            first = vocabulary.number.get("\n", 1) if vocabulary.end is None else vocabulary.end
            tokens = torch.cat([tokens.new_tensor([min(first, len(vocabulary) - 1)]), tokens])
        state = self.model.start(1)
        if len(tokens) > 1:
            _, state = self.model(tokens[None, :-1], state)
        never = [vocabulary.unknown] if len(vocabulary) > 1 else []
        if beam:
            found = beam_search(
                self.model.step, tokens[-1:], state, beam=max(beam, count), length=length, end=vocabulary.end,
                alpha=alpha, forbidden=never, logits=True, state_axis=1,
            )  # fmt: skip
            drawn = [t[:n] for t, n in zip(found.tokens[0], found.lengths[0], strict=True)][:count]
            scores = found.scores[0]
        else:
            state = select_rows(state, tokens.new_zeros(count), 1)
            drawn, scores = sample_sequence(
                self.model.step, tokens[-1:].expand(count), state, length, generator,
                temperature=temperature, top_k=top_k, top_p=top_p, forbidden=never,
            )  # fmt: skip
        return [{"text": vocabulary.join(prompt, t), "score": float(s)} for t, s in zip(drawn, scores, strict=False)]

    def predict(self, inputs) -> list[dict]:
        """How well the model predicts each text: nats per token."""
        results = []
        for text in inputs:
            tokens = torch.cat([torch.tensor([self._border()]), self.vocabulary.encode(text)]).to(self.run.device)
            nll = self._nll(tokens)
            results.append({"value": nll, "perplexity": math.exp(min(nll, 700.0)), "tokens": len(tokens) - 1})
        return results

    def encode(self, inputs):
        """The top layer's hidden vector after each text."""
        rows = []
        for text in inputs:
            tokens = torch.cat([torch.tensor([self._border()]), self.vocabulary.encode(text)]).to(self.run.device)
            rows.append(self.model(tokens[None])[1][0][-1, 0])
        return torch.stack(rows)

    def _border(self) -> int:
        """The token that stands before a text: sentence end, of characters the line end."""
        vocabulary = self.vocabulary
        return vocabulary.end if vocabulary.end is not None else vocabulary.number.get("\n", vocabulary.unknown)

    def export(self):
        hidden = torch.zeros(1, self.config.layers, self.config.hidden, device=self.run.device)
        states = (hidden, hidden.clone()) if self.model.memory else (hidden,)
        names = ("hidden", "memory")[: len(states)]
        about = {
            "task": "one step of generation: feed the token and the state, sample from softmax(logits), feed back",
            "start": "all states zero", "unknown": self.vocabulary.unknown, **self.vocabulary.to_json(),
        }  # fmt: skip
        token = torch.zeros(1, dtype=torch.int64, device=self.run.device)
        return Export(
            StepCell(self.model), (token, *states), ("token", *names), ("logits", *(f"next_{n}" for n in names)), about
        )
