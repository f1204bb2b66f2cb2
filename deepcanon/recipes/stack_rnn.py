"""Stack-augmented recurrent network: counts by pushing and popping, beyond the lengths it has seen.

Task: the next symbol of languages such as a^n b^n, in which what was read determines what follows.
Data: generated sequences. Metrics: accuracy, and whether all answers are right on strings three
times as long as any in training: a simple recurrent network fails there. Random restarts differ, as
in the paper, so that the target is a share of the seeds: `deepcanon verify stack-rnn --seeds 10`.
Ours: eight of ten on a^n b^n, two on a^n b^2n, each with ten stacks, one on a^n b^n c^n with four.

    deepcanon train stack-rnn --data counting-languages --language anbn
"""

from dataclasses import dataclass

from deepcanon.options import Count, Positive, SequenceTraining, Whole
from deepcanon.targets import ANSWERS, metric, target

SYSTEM = "sequence.stack_rnn"
DATA = ("sequences",)
METRICS = {
    **ANSWERS,
    "solved": metric("1 if every answer to every sequence is right, or 0", "", "max"),
}
TARGETS = (
    target(
        "anbn", "test/solved >= 0.5", "P", "n below 60, trained below 20; share of the restarts"
    ),
    target(
        "anb2n", "test/solved >= 0.5", "P", "n below 60, trained below 20; share of the restarts"
    ),
    target(
        "anbncn", "test/solved >= 0.2", "P", "n below 60, trained below 20; share of the restarts"
    ),
)


@dataclass(frozen=True, kw_only=True)
class Config(SequenceTraining):
    hidden: Count = 10
    """Hidden units."""
    stacks: Count = 1
    """Stacks, each with actions of its own."""
    read: Count = 2
    """Cells from the top of each stack that the hidden layer sees."""
    no_op: bool = False
    """A third action, which leaves a stack as it is."""
    recurrent: bool = False
    """Let the hidden layer also read its last state; otherwise only the stacks remember."""
    rounded: bool = False
    """Take only the likeliest action when evaluating, so that stacks are discrete."""
    depth: Whole = 0
    """Cells of each stack; what is pushed further is lost. 0: as many as steps."""
    scale: Positive = 1.0
    """Standard deviation of the initial weights."""
    batch: Count = 10
    learning_rate: Positive = 0.01


PUBLISHED = Config(hidden=40, stacks=10, batch=1, optimizer="sgd", learning_rate=0.1)
COUNTING = {"data": "counting-languages", "steps": 1500}
PRESETS = {
    "smoke": (Config(longest=5, beyond=8, batch=4), {"data": "counting-languages", "steps": 30}),
    "default": (Config(), {"data": "counting-languages", "options": {"epochs": 8}}),
    "paper": (PUBLISHED, {"data": "counting-languages"}),
    "verify:anbn": (Config(hidden=40, stacks=10), COUNTING),
    "verify:anb2n": (Config(language="anb2n", hidden=40, stacks=10), COUNTING),
    "verify:anbncn": (Config(language="anbncn", stacks=4), COUNTING),
}

from deepcanon.engine.figures import Heat, Line, Panels, Plot
from deepcanon.errors import UsageError
from deepcanon.sequence.stack_rnn import EMPTY, StackRNN
from deepcanon.techniques.sequence_tasks import ExportedTask

STACKS = "What each stack holds over empty cells rises and falls as it counts; below, its cells."


class Recipe(ExportedTask[Config]):
    def network(self, features):
        c = self.config
        if c.layers != 1:
            raise UsageError(
                "--layers: a network with stacks has one layer; give --stacks for more memory"
            )
        if 0 < c.depth < c.read:
            raise UsageError(f"--depth {c.depth}: give at least the {c.read} cells of --read, or 0")
        network = StackRNN(
            features,
            c.hidden,
            c.stacks,
            read=c.read,
            keep=c.no_op,
            recurrent=c.recurrent,
            rounded=c.rounded,
            depth=c.depth or None,
            scale=c.scale,
            device=self.run.device,
        )
        return network, c.hidden

    def evaluate(self, split):
        found = super().evaluate(split)
        return (
            {**found, "solved": float(found["all_correct"] == 1)}
            if "all_correct" in found
            else found
        )

    def figures(self):
        x = self.prepared(self.run.data[self.run.pictured].x[:1000])
        longest = x.ne(0).any(2).sum(1).argmax()
        trace = self.model.network.trace(x[longest, None].to(self.model.head.weight.dtype))
        stacks = trace.stacks[0].detach().cpu()  # [time, stacks, cells]
        held = (stacks - EMPTY).sum(2)
        used = max(2, int((stacks > EMPTY + 0.05).any(0).sum(1).max()))
        lines = [Line(held[:, k], label=f"stack {k}") for k in range(held.shape[1])]
        heats = [
            Heat(
                stacks[:, k, :used].T, "step", "cell from the top", f"stack {k}", limits=(EMPTY, 1)
            )
            for k in range(min(4, held.shape[1]))
        ]
        panels = [Plot(lines, "step", "sum of cells over empty ones"), *heats]
        return {**super().figures(), "stacks": Panels(panels, columns=1, caption=STACKS)}
