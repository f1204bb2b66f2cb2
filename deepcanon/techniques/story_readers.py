"""What a recipe shares that answers questions about stories: the words of each task, which restart counts, predictions,
and pictures of the sentences that were attended to.

A recipe subclasses `StoryReaders`, whose Config has `joint`, `memories`, `restarts` and the options of stories, and
gives `network`: a module `(story, question) -> (logits [B, R, words], attention [B, R, hops, sentences])` of R restarts
(`sequence.memory_network`). Each task has a network of its own, or all tasks have one.
"""

import math
import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepcanon.data.splits import Dataset
from deepcanon.data.story_lines import Question
from deepcanon.engine.contract import Facts, Metrics, Recipe
from deepcanon.engine.export import Export
from deepcanon.engine.figures import Dots, Heat, Panels
from deepcanon.errors import UsageError
from deepcanon.parts.story_words import PackedStories, StoryWords, any_word

__all__ = ["StoryReaders"]

C = TypeVar("C")
PART = 128  # questions that are answered at a time
SHOWN, SENTENCES = 6, 12  # stories in the picture, and the newest sentences of each
SOLVED = 0.05
ATTENTION = (
    "What each hop attended to before held-out questions (* marks what the answer follows from): a network that "
    "reasons goes from one of them to the next."
)
ERRORS = "Wrong answers by task, of the restart with the lowest training error and of all: far apart, restarts differ."


class OneRestart(nn.Module):
    """The chosen restart of a network: (story, question) to the probabilities of the words [B, V]."""

    def __init__(self, network: nn.Module, chosen: int) -> None:
        super().__init__()
        self.network, self.chosen = network, chosen

    def forward(self, story: Tensor, question: Tensor) -> Tensor:
        return self.network(story, question).logits[:, self.chosen].softmax(-1)


class StoryReaders(Recipe[C]):
    """Networks that read stories, several restarts of each side by side.

    Attributes:
        wrong, losses: [networks, restarts], over the training batches of this pass so far.
        chosen: [networks], the restart that had the fewest wrong answers in the last pass.
    """

    computed = ("packed",)
    wrong: Tensor
    losses: Tensor
    chosen: Tensor

    @classmethod
    def learn(cls, config: Any, data: Dataset) -> Facts:
        tasks = data.facts["tasks"]
        groups = [tasks] if config.joint else [[task] for task in tasks]
        nets = []
        for names in groups:
            asked = [(q.story, q.text, q.answer) for q in data["train"].x if q.task in names]
            nets.append({"tasks": names, **StoryWords.build(asked).to_json()})
        return {"networks": nets}

    @abstractmethod
    def network(self, words: int) -> nn.Module:
        """A network for a vocabulary, with all its restarts, on the run's device."""

    def build(self) -> None:
        config: Any = self.config
        self.words = [StoryWords.from_json(net) for net in self.facts["networks"]]
        self.model = nn.ModuleList(self.network(len(words)) for words in self.words)
        count, device = len(self.words), self.run.device
        self.wrong = torch.zeros(count, config.restarts, device=device)
        self.losses = torch.zeros(count, config.restarts, device=device)
        self.chosen = torch.zeros(count, dtype=torch.long, device=device)
        self.packed: dict[str, list[PackedStories]] = {}

    @property
    def tasks(self) -> list[str]:
        """All tasks, in the order of the networks."""
        return [task for net in self.facts["networks"] for task in net["tasks"]]

    def questions(self, split: str, place: int) -> list[Question]:
        """The questions that a network answers."""
        asked = self.run.data[split].x
        own = {task for task in {question.task for question in asked} if self.place_of(task) == place}
        return [question for question in asked if question.task in own]

    def pack(self, place: int, questions: Sequence[Question]) -> PackedStories:
        """Questions in the numbers of a network."""
        config: Any = self.config
        return self.words[place].pack([(q.story, q.text, q.answer) for q in questions], config.memories)

    def rows(self, split: str) -> list[PackedStories]:
        """The questions of a split for each network, packed once; answers that are not known stay -1."""
        if split not in self.packed:
            self.packed[split] = [self.pack(place, self.questions(split, place)) for place in range(len(self.words))]
        return self.packed[split]

    def tally(self, place: int, logits: Tensor, losses: Tensor, answers: Tensor, size: int) -> None:
        """Counts the wrong answers of a training batch; at the end of each pass the best restart is chosen.

        Args:
            losses: [batch, restarts].
            size: of the global batch.
        """
        run = self.run
        passed = max(1, len(self.rows("train")[place].answers) // size)
        self.wrong[place] += (logits.argmax(2) != answers[:, None]).sum(0)
        self.losses[place] += losses.sum(0)
        if (run.step + 1) % passed and run.step + 1 < run.steps:
            return
        wrong, total = run.sum(self.wrong[place]).double(), run.sum(self.losses[place]).double()
        self.chosen[place] = (wrong + total / (1 + total)).argmin()  # of equal numbers the lower loss
        self.wrong[place] = 0
        self.losses[place] = 0

    def answers(self, place: int, rows: PackedStories) -> tuple[Tensor, Tensor]:
        """(logits [N, R, words], attention [N, R, hops, sentences]) of any number of questions, on the CPU."""
        parts = [
            self.model[place](*(self.run.to(part) for part in some))
            for some in zip(rows.story.split(PART), rows.question.split(PART), strict=True)
        ]
        return torch.cat([part.logits.cpu() for part in parts]), torch.cat([part.attention.cpu() for part in parts])

    def evaluate(self, split: str) -> Metrics:
        errors, everyone, losses = self.measured(split)
        found: dict[str, float] = {"nll": sum(losses.values()) / len(losses) if losses else math.nan}
        found["error"] = sum(errors.values()) / len(errors)
        found["error_of_restarts"] = sum(map(sum, everyone.values())) / sum(map(len, everyone.values()))
        if len(self.tasks) > 1:
            found["solved"] = float(sum(error <= SOLVED for error in errors.values()))
            found |= {f"error_{name}": errors[task] for task, name in self.short().items() if task in errors}
        return found

    def measured(self, split: str) -> tuple[dict[str, float], dict[str, list[float]], dict[str, float]]:
        """By task: the error of the chosen restart, the errors of all, and the loss."""
        errors, everyone, losses = dict[str, float](), dict[str, list[float]](), dict[str, float]()
        for place, rows in enumerate(self.rows(split)):
            if not len(rows.answers):
                continue
            logits, _ = self.answers(place, rows)
            best = int(self.chosen[place])
            wrong = (logits.argmax(2) != rows.answers[:, None]).double()
            # an answer that training lacks is wrong, and has no likelihood
            nll = F.cross_entropy(logits[:, best].double(), rows.answers, reduction="none", ignore_index=-1)
            known = rows.answers >= 0
            given = [question.task for question in self.questions(split, place)]
            for task in dict.fromkeys(given):
                mine = torch.tensor([other == task for other in given])
                everyone[task] = wrong[mine].mean(0).tolist()
                errors[task] = everyone[task][best]
                if bool(known[mine].any()):
                    losses[task] = nll[mine & known].mean().item()
        return errors, everyone, losses

    def short(self) -> dict[str, str]:
        """A name of each task for its metric: what stands before the first underscore, if that is enough."""
        first = [task.split("_")[0] for task in self.tasks]
        names = first if len(set(first)) == len(first) else self.tasks
        return {task: re.sub(r"\W", "_", name) for task, name in zip(self.tasks, names, strict=True)}

    # What is shown and handed out

    def figures(self) -> Mapping[str, Any]:
        split = self.run.pictured
        panels = list[Heat]()
        for place in range(len(self.words)):
            questions = self.questions(split, place)
            for task in self.facts["networks"][place]["tasks"]:
                mine = [question for question in questions if question.task == task]
                if mine and len(panels) < SHOWN:
                    middle = sorted(mine, key=lambda question: len(question.story))[len(mine) // 2]
                    panels.append(self.seen(place, middle))
        shown: dict[str, Any] = {"attention": Panels(panels, columns=1, caption=ATTENTION)}
        if len(self.tasks) > 1:
            errors, everyone, _ = self.measured(split)
            best = [100 * errors.get(task, float("nan")) for task in self.tasks]
            mean = [100 * sum(everyone[task]) / len(everyone[task]) if task in everyone else float("nan")
                    for task in self.tasks]  # fmt: skip
            series = {"chosen restart": best, "mean of all": mean}
            shown["errors"] = Dots(
                series, self.tasks, "wrong answers in %", marks={"solved": 100 * SOLVED}, caption=ERRORS
            )
        return shown

    def seen(self, place: int, question: Question) -> Heat:
        """What each hop attended to before a question: the newest sentences, the oldest of them first."""
        record = self.told(place, [question])[0]
        sentences = record["attention"][-SENTENCES:]
        first = len(question.story) - len(sentences)
        names = [f"{'* ' if first + n in question.support else ''}{one['sentence']}" for n, one in enumerate(sentences)]
        title = f"{question.text} {record['label']}" + ("" if record["label"] == question.answer else
                                                       f" (right: {question.answer})")  # fmt: skip
        hops = [str(hop + 1) for hop in range(len(sentences[0]["hops"]))]
        values = torch.tensor([one["hops"] for one in sentences])
        return Heat(values, "hop", "sentence", title, x_names=hops, y_names=names, limits=(0, 1), unit="attention")

    def told(self, place: int, questions: Sequence[Question]) -> list[dict[str, Any]]:
        """A record of each question: the answer, its probabilities, and the sentences with what each hop gave them."""
        rows, words, best = self.pack(place, questions), self.words[place], int(self.chosen[place])
        logits, attention = self.answers(place, rows)
        records = []
        for question, chances, hops in zip(questions, logits[:, best].softmax(1), attention[:, best], strict=True):
            by_label = {text: chances[number].item() for number, text in words.labels.items()}
            newest = question.story[-hops.shape[1] :]
            seen = [
                {"sentence": sentence, "hops": [round(share, 4) for share in hops[:, age].tolist()]}
                for age, sentence in enumerate(reversed(newest))
            ]
            label = words.label(int(chances.argmax()))
            strange = words.strangers([*newest, question.text])
            records.append({"question": question.text, "label": label, "probabilities": by_label,
                            "attention": seen[::-1], **({"unknown": strange} if strange else {})})  # fmt: skip
        return records

    def predict(self, inputs: Any) -> list[dict[str, Any]]:
        """A record for each question: see `told`.

        Raises:
            UsageError: each task has a network of its own, and a question's file is named after none of them.
        """
        places = [self.place_of(question.task) for question in inputs]
        found: dict[int, dict[str, Any]] = {}
        for place in set(places):
            numbers = [number for number, own in enumerate(places) if own == place]
            found |= dict(zip(numbers, self.told(place, [inputs[number] for number in numbers]), strict=True))
        return [found[number] for number in range(len(inputs))]

    def place_of(self, task: str) -> int:
        """The network that answers the questions of a task, which its file is named after.

        Raises:
            UsageError: each task has a network of its own, and this is none of them.
        """
        if len(self.words) == 1:
            return 0
        tasks = self.tasks
        short = list(self.short().values())
        for names in (tasks, short):
            if task in names:
                return names.index(task)
        if (first := task.split("_")[0]) in short:
            return short.index(first)
        some = ", ".join(tasks[:3])
        raise UsageError(
            f"this run has a network for each of {len(tasks)} tasks, and {task!r} is none of them: name the "
            f"file after one ({some}{', ...' if tasks[3:] else ''}), or train with --joint"
        )

    def export(self) -> Export:
        """Numbers of words to the probabilities of the words, of the chosen restart."""
        if len(self.words) > 1:
            raise UsageError(
                f"this run has a network for each of {len(self.words)} tasks, and one can be exported: train with "
                "--tasks and one of them, or with --joint"
            )
        config: Any = self.config
        words, device = self.words[0], self.run.device
        module = OneRestart(self.model[0], int(self.chosen[0]))
        numbers = torch.zeros(2, config.memories, 12, dtype=torch.long, device=device)
        about = {
            "task": "answer", "words": list(words.words), "none": len(words), "labels": words.to_json()["labels"],
            "story": "sentences, the newest first, each the numbers of its words, then the number `none`",
            "pattern": any_word().pattern, "how": "`pattern` (Python's re) finds words, which are read in lower case",
        }  # fmt: skip
        names = ("story", "question")
        return Export(module, (numbers, numbers[:, 0]), names, ("probabilities",), about)
