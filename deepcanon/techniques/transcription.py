"""What recipes share that write down what is said in recordings: batches of like lengths, errors, pictures, answers.

The update is the recipe's own. It holds a `model` `(x [B, T], lengths [B]) -> (log probabilities [B, F, K + 1], steps
[B])`, symbol 0 being the blank, and inherits the verbs.
"""

import functools
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from deepcanon.data.sequences import UNASKED
from deepcanon.data.speech import joined
from deepcanon.data.splits import Dataset, Split
from deepcanon.engine import shown
from deepcanon.engine.contract import Exports, Facts, Metrics, Predicts, Recipe
from deepcanon.engine.export import Export
from deepcanon.engine.figures import Heat, Panels
from deepcanon.engine.sounds import Sound
from deepcanon.errors import UsageError
from deepcanon.parts.edit_distance import error_rate
from deepcanon.parts.log_mel import LogMel
from deepcanon.sequence.ctc_speech import align, greedy, needed_frames, prefix_search

__all__ = ["Transcriber", "exceeding"]

C = TypeVar("C")
TOGETHER = 32  # recordings that are heard at a time where nothing is learned
STUDIED = 500  # recordings of which the energies' mean and deviation are taken
SHOWN, HEARD = 12, 3
TABLE = "Held-out recordings: what is said in them, and what was written down, path by path and by the prefix search."
SPIKES = (
    "A recording and what each step says of it: a trained network says a symbol in a step or two, and the blank else."
)
SOUNDS = "Held-out recordings with what was written down."


def exceeding(steps: Tensor, y: Any, names: list[str]) -> str:
    """A line about the first recording that has too few steps for its transcript; "" if there is none."""
    needed = needed_frames(y + 1)
    short = (needed > steps).nonzero()[:, 0].tolist()
    if not short:
        return ""
    first = short[0]
    more = f", and {len(short) - 1:,} more are so" if short[1:] else ""
    return (
        f"{names[first]}: its transcript needs {int(needed[first])} steps, its sound has {int(steps[first])}{more}: "
        "correct it, or let a step be shorter (--joined, --hop)"
    )


class Transcriber(Recipe[C], Predicts, Exports):
    """A recipe whose options are those of `Speech`, `batch`, `bands`, `frame`, `hop`, `joined`, `epochs` and `beam`."""

    config: Any
    state = ("model", "optimizer")
    monitor = ("valid/error", "min")
    parallel = "gradients"
    computed = ("by_length",)
    model: Any

    @classmethod
    def learn(cls, config: Any, data: Dataset) -> Facts:
        """Mean and deviation of the energies, and whether every transcript can be said in the time it takes."""
        energies = LogMel(data.facts["rate"], config.bands, config.frame, config.hop)
        for part in data.splits.values():
            steps = -(-energies.frames(part.x.lengths) // config.joined)
            if said := exceeding(steps, part.y, part.x.names):
                raise UsageError(said)
        train = data["train"].x
        chosen = torch.linspace(0, len(train) - 1, min(STUDIED, len(train))).round().long().unique()
        with torch.no_grad():
            heard = torch.cat([energies(train[row][None])[0] for row in chosen.tolist()]).double()
        scale = heard.std(0, correction=0).clamp(min=1e-3)
        return {"shift": heard.mean(0).float(), "scale": scale.float(), "symbols_each": _symbols_each(data["train"])}

    def energies(self) -> LogMel:
        config, facts = self.config, self.facts
        return LogMel(
            facts["reader"]["rate"], config.bands, config.frame, config.hop, shift=facts["shift"], scale=facts["scale"]
        )

    @property
    def symbols(self) -> list[str]:
        return list(self.facts["reader"]["symbols"])

    def spelled(self, numbers: list[int]) -> str:
        """The transcript of numbers as the model has them, from 1 on."""
        return joined([self.symbols[k - 1] for k in numbers], self.facts["reader"]["spelling"])

    # Batches

    @functools.cached_property
    def by_length(self) -> Tensor:
        """The training recordings, short ones first."""
        return self.run.data["train"].x.lengths.argsort(stable=True)

    def plan(self) -> int:
        return max(1, round(self.config.epochs * len(self.run.data["train"]) / self.config.batch))

    def chosen(self) -> Tensor:
        """This process's recordings of the step's batch, of neighbouring lengths: little of it is padding."""
        run, count, size = self.run, len(self.run.data["train"]), self.config.batch
        first = torch.randint(max(1, count - size + 1), (), generator=run.generator("recordings"))
        return self.by_length[(first + torch.arange(size)[run.rows(size)]).clamp(max=count - 1)]

    def heard(self, rows: Split) -> tuple[Tensor, Tensor]:
        """What the model says of recordings, on the run's device."""
        lengths = rows.x.lengths
        x = rows.x.windows(torch.arange(len(rows)), torch.zeros(len(rows), dtype=torch.int64), int(lengths.max()))
        return self.model(self.run.to(x), self.run.to(lengths))

    @abstractmethod
    def nats(self, log_probs: Tensor, y: Tensor, steps: Tensor) -> Tensor:
        """-log p of each transcript y [B, L], symbols from 1 on; the padding is less."""

    # Measured, answered, drawn

    def decoded(self, log_probs: Tensor, steps: Tensor) -> list[list[int]]:
        """As evaluations count errors: by the prefix search if there is a beam, else the likeliest path."""
        if not self.config.beam:
            return greedy(log_probs, steps)
        return [texts[0] for texts in prefix_search(log_probs, steps, self.config.beam)[0]]

    def evaluate(self, split: str) -> Metrics:
        rows, wanted, found, total = self.run.data[split], [], [], 0.0
        for chosen in rows.x.lengths.argsort(stable=True).split(TOGETHER):
            part = rows.take(chosen)
            log_probs, steps = (value.cpu() for value in self.heard(part))
            total += self.nats(log_probs, part.y + 1, steps).sum(dtype=torch.float64).item()
            found += [self.spelled(numbers) for numbers in self.decoded(log_probs, steps)]
            wanted += [self.spelled(_numbers(y)) for y in part.y]
            self.run.breathe()
        symbols = int((rows.y != UNASKED).sum())
        right = sum(a == b for a, b in zip(found, wanted, strict=True)) / len(wanted)
        apart = self.facts["reader"]["spelling"] == "words"
        units = [[text.split() if apart else list(text) for text in side] for side in (found, wanted)]
        return {"nll": total / symbols, "error": error_rate(*units), "all_correct": right}

    def predict(self, inputs: Any) -> list[dict[str, Any]]:
        """Of each recording [T] the text, log p of it, the seconds at which its symbols begin, and other texts."""
        lengths = torch.tensor([len(x) for x in inputs])
        records: dict[int, dict[str, Any]] = {}
        one = self.config.hop * self.config.joined
        for group in lengths.argsort(stable=True).split(TOGETHER):
            x = pad_sequence([inputs[row] for row in group.tolist()], batch_first=True)
            log_probs, steps = (value.cpu() for value in self.model(self.run.to(x), self.run.to(lengths[group])))
            texts, scores = prefix_search(log_probs, steps, self.config.beam or 8)
            best = pad_sequence([torch.tensor(found[0], dtype=torch.int64) for found in texts], batch_first=True)
            begins = align(log_probs, best, steps)
            for place, row in enumerate(group.tolist()):
                records[row] = {
                    "text": self.spelled(texts[place][0]), "log_probability": float(scores[place, 0]),
                    "begins": [round(t * one, 4) for t in begins[place, : len(texts[place][0])].tolist()],
                    "others": [self.spelled(text) for text in texts[place][1:4]],
                }  # fmt: skip
        return [records[row] for row in range(len(records))]

    def figures(self) -> Mapping[str, Any]:
        rows = self.run.data[self.run.pictured]
        part = rows.take(torch.arange(min(SHOWN, len(rows))))
        log_probs, steps = (value.cpu() for value in self.heard(part))
        said = [self.spelled(_numbers(y)) for y in part.y]
        paths = [self.spelled(numbers) for numbers in greedy(log_probs, steps)]
        searched = [self.spelled(texts[0]) for texts in prefix_search(log_probs, steps, self.config.beam or 8)[0]]
        table = shown.columns(
            ["recording", "said", "likeliest path", "prefix search"],
            [[row[0], *map(repr, row[1:])] for row in zip(part.x.names, said, paths, searched, strict=True)],
            TABLE,
        )
        n, one = int(steps[0]), 1000 * self.config.hop * self.config.joined
        energies = self.model.energies(self.run.to(part.x[0][None])).cpu()[0]
        frame = f"frame of {1000 * self.config.hop:g} ms"
        names = ["blank", *(repr(s) if s.isspace() else s for s in self.symbols)]
        spikes = Panels(
            [
                Heat(energies.T.flip(0), frame, "mel band, high ones on top", f"heard: {said[0]}", diverging=True),
                Heat(
                    log_probs[0, :n].exp().T, f"step of {one:g} ms", "symbol", f"written: {paths[0]}", y_names=names,
                    limits=(0, 1), unit="probability",
                ),
            ],
            columns=1,
            caption=SPIKES,
        )  # fmt: skip
        some = part.take(torch.arange(min(HEARD, len(part))))
        waves = some.x.windows(torch.arange(len(some)), torch.zeros(len(some), dtype=torch.int64), some.x.shape[1])
        told = [f"said {a}, written {b}" for a, b in zip(said, searched, strict=True)]
        return {
            "table": table,
            "spikes": spikes,
            "recordings": Sound(waves.numpy(), some.x.rate, told[:HEARD], "", SOUNDS),
        }

    def export(self) -> Export:
        """Samples and their numbers to log probabilities and steps; the symbols are told, the blank first."""
        reader, device = self.facts["reader"], self.run.device
        example = torch.zeros(2, min(reader["longest"], 2 * reader["rate"]), device=device)
        lengths = torch.full((2,), example.shape[1], device=device)
        about = {
            "task": "transcribe", "symbols": ["", *self.symbols], "blank": 0, "rate": reader["rate"],
            "range": [-1, 1], "step_seconds": self.config.hop * self.config.joined, "spelling": reader["spelling"],
        }  # fmt: skip
        return Export(
            self.model, (example, lengths), ("samples", "lengths"), ("log_probabilities", "steps"), about,
            lengths={"samples": "time", "log_probabilities": "steps"},
        )  # fmt: skip


def _numbers(y: Tensor) -> list[int]:
    """The symbols of a transcript as the model has them, from 1 on."""
    return [k + 1 for k in y.tolist() if k != UNASKED]


def _symbols_each(rows: Split) -> float:
    """The mean number of symbols of a transcript."""
    return float((rows.y != UNASKED).sum() / len(rows)) if rows.y is not None else 0.0
