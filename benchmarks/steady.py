"""Steady state of our own recipes: page faults, system time, and what an example costs in training and in inference.

Every recipe that is trained by gradients, at its default preset and at that of its paper, and others that answer
`predict` or `encode`. Each is trained by `deepcanon.train` in a fresh process with the default settings of the
allocator, one thread, in fp32 (what is marked bf16 in bf16). Counted are minor page faults (`ru_minflt`) and system
time within `Recipe.step` and `Recipe.evaluate`, in the second half of the run: a heap needs some steps until it has
its size, those of L-BFGS a hundred. Then the run is loaded, and in turn are timed: the forward of a training step (raw
rows of the recipe's batch prepared and given to the module, with gradients), an evaluation, and each verb at 128 and at
1,000 rows. An example is a row, of language models a token. The peer of inference is that forward; where there is none
(closed forms, counts), the peer of 1,000 rows are 128. Answers of `predict` are dictionaries, which cost half a
microsecond each whatever the network.

    make bench NAME=steady          (data under $DEEPCANON_DATA; names as arguments choose recipes)
"""

import functools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from record import RESULTS, interleaved, ratio, record
from torch.nn.utils.rnn import pad_sequence

import deepcanon
from deepcanon.data import Inputs
from deepcanon.data.tree_lines import of_words
from deepcanon.engine import contract
from deepcanon.parts.histories import histories
from deepcanon.parts.recurrence import streams
from deepcanon.resolving import resolve
from deepcanon.sequence import rnn_lm

# name -> [(preset, steps)]; a step of some takes long
GRADIENTS = {
    "attention": [("smoke", 12)],
    "autoencoder": [("default", 60), ("paper", 24)],
    "capsules": [("smoke", 12)],
    "convnet": [("default", 60), ("paper", 60), ("bf16", 60)],
    "ctc-speech": [("default", 150)],
    "denoising-autoencoder": [("default", 60), ("paper", 24)],
    "factorized-bigram-lm": [("smoke", 24)],
    "gan": [("default", 24), ("bf16", 12)],
    "grid-lstm": [("default", 24)],
    "hred": [("smoke", 12)],
    "identity-rnn": [("default", 60)],
    "inception": [("default", 12)],
    "learning-curves": [("default", 60), ("paper", 60)],
    "logistic-regression": [("default", 60), ("paper", 60)],
    "memory-network": [("smoke", 24)],
    "mixture-density-rnn": [("smoke", 24)],
    "mlp": [("default", 300), ("paper", 60), ("bf16", 60)],
    "mv-rnn": [("smoke", 24)],
    "network-in-network": [("default", 12)],
    "neural-lm": [("smoke", 24)],
    "neural-turing-machine": [("default", 24)],
    "poem": [("smoke", 12)],
    "object-detection": [("smoke", 12)],
    "patch-features": [("smoke", 24)],
    "pixel-rnn": [("smoke", 12)],
    "pointer-generator": [("smoke", 60)],
    "pointer-network": [("smoke", 24)],
    "rbm": [("default", 60), ("paper", 24)],
    "recursive-network": [("smoke", 24)],
    "replicated-softmax": [("default", 24)],
    "resnet": [("default", 24)],
    "rica": [("default", 120), ("paper", 12)],
    "rnn-lm": [("default", 24), ("paper", 24), ("words", 24)],
    "seq2seq": [("smoke", 12)],
    "rntn": [("smoke", 24)],
    "scheduled-sampling": [("smoke", 60)],
    "sentiment": [("smoke", 24)],
    "sequence-level-training": [("smoke", 60)],
    "softmax-regression": [("default", 60), ("paper", 24)],
    "sparse-autoencoder": [("default", 200), ("paper", 24)],
    "spatial-transformer": [("default", 24)],
    "stacked-autoencoder": [("default", 120), ("paper", 120)],
    "text-cnn": [("smoke", 24)],
    "ufldl-convnet": [("default", 60), ("paper", 60)],
    "wavenet": [("smoke", 24)],
}
OTHERS = {
    "ica": [("default", 12)],
    "linear-regression": [("default", 1)],
    "naive-bayes": [("default", 1), ("paper", 1), ("films", 1)],
    "ngram-lm": [("default", 1), ("paper", 1)],
    "pca": [("default", 2), ("paper", 4)],
    "sparse-coding": [("default", 6)],
    "word2vec": [("default", 24)],
}
PAIRS = ("attention", "pointer-generator", "scheduled-sampling", "seq2seq", "sequence-level-training")
PTB = {"data": "ptb", "unit": "words", "hidden": 200, "batch": 20, "window": 35}
SPECIAL = {  # (preset, other options)
    ("naive-bayes", "films"): ("default", {"data": "rt-polarity"}),
    ("rnn-lm", "words"): ("default", PTB),
    **{(name, "bf16"): ("paper", {"precision": "bf16"}) for name in ("convnet", "gan", "mlp")},
    # All of a set: 1,000 rows are asked.
    ("poem", "smoke"): ("smoke", {"train_examples": 0, "valid_share": 0.1, "test_share": 0.1}),
    **{(name, "smoke"): ("smoke", {"pairs": 0}) for name in PAIRS},
}
# whose samples take many passes
BY_DRAWING = (
    "attention",
    "factorized-bigram-lm",
    "hred",
    "neural-lm",
    "pixel-rnn",
    "poem",
    "pointer-generator",
    "rbm",
    "replicated-softmax",
    "rnn-lm",
    "scheduled-sampling",
    "seq2seq",
    "sequence-level-training",
    "wavenet",
)
FEW, MANY, MOST = 128, 1_000, 8_192
WITHIN = 1.2  # an example of 1,000 rows against one of 128
ROUNDS, SLOW = 5, 3.0  # CPU seconds of a round from which three must do


def usage():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_minflt, used.ru_stime, used.ru_stime + used.ru_utime


class Watch:
    """Page faults, system time and CPU time of each call of a method."""

    def __init__(self, owner, name):
        self.calls, inner = [], getattr(owner, name)

        def watched(*arguments):
            before = usage()
            found = inner(*arguments)
            self.calls.append([after - then for after, then in zip(usage(), before, strict=True)])
            return found

        setattr(owner, name, watched)

    def steady(self):
        """Of the second half of the calls: faults, share of system time, milliseconds; None without calls."""
        if not self.calls:
            return None
        faults, system, seconds = zip(*self.calls[len(self.calls) // 2 :], strict=True)
        return {
            "faults": statistics.median(faults),
            "mean_faults": round(statistics.mean(faults), 1),
            "system": round(sum(system) / max(sum(seconds), 1e-9), 3),
            "ms": round(1e3 * statistics.median(seconds), 3),
        }


def forward_of(trained):
    """(what a training step's forward computes, of how many examples), or None."""
    recipe, run, config = trained.recipe, trained.recipe.run, trained.config
    if recipe.parallel != "gradients":
        return None
    name, batch = trained.name, getattr(config, "batch", 0)
    if name == "rnn-lm":
        x, y = streams(recipe.tokens("train"), recipe.facts["streams"])
        x, y = x[:, : config.window], y[:, : config.window]
        return lambda: rnn_lm.window_nll(recipe.model, x, y, None), x.numel()
    if name == "gan":
        return lambda: recipe.model(torch.randn(batch, config.noise)), batch
    if name in ("neural-lm", "factorized-bigram-lm"):
        places = run.indices(len(recipe.tokens("train")), batch)
        history = histories(recipe.tokens("train"), places, recipe.model.length, recipe.border)
        return lambda: recipe.model(history), batch
    train = run.data["train"]
    if name == "wavenet":
        chosen = torch.arange(min(batch, len(recipe.cut["train"])))
        return lambda: recipe.losses("train", chosen), int(recipe.cut["train"].counts[chosen].sum())
    count = min(len(train), batch or MOST)
    if name == "replicated-softmax":
        rows = recipe.split("train").take(torch.arange(count)).x.to(recipe.model.weight)
        return lambda: recipe.model(rows), count
    if name in ("mv-rnn", "recursive-network", "rntn"):
        forest = recipe.forest(train.x.take(torch.arange(count)), train.symbols)
        return lambda: recipe.model(forest), count
    if name == "ctc-speech":
        rows = train.take(recipe.by_length[:count])
        return lambda: recipe.heard(rows), int(rows.x.lengths.sum())
    raw = train.x[:count]
    if name == "neural-turing-machine":
        return lambda: recipe.logits(raw), count
    if name in ("attention", "pointer-generator", "scheduled-sampling", "seq2seq", "sequence-level-training"):
        sources, targets, inputs = recipe.forced(recipe.encoded("train"), range(count))
        return lambda: recipe.model(*sources, inputs), int(targets.lengths.sum())
    if name == "hred":
        talks = recipe.batch(0)
        return lambda: recipe.readout(talks), int(talks.lengths.sum())
    if name == "memory-network":
        story, question, answers, _ = recipe.rows("train")[0]
        return lambda: recipe.model[0](story[:batch], question[:batch]), min(batch, len(answers))
    if name == "pointer-network":
        sets, _ = recipe.of_one_size()
        return lambda: recipe.model(sets, torch.zeros(sets.shape[:2], dtype=torch.long)), len(sets)
    if name == "poem":
        rows = pad_sequence([recipe.closed(text) for text in raw], batch_first=True)
        return lambda: recipe.model(rows[:, :-1]), rows.numel()  # what predict counts: characters
    if name == "pixel-rnn":
        return lambda: recipe.model.nll(recipe.levels(raw)), count
    if hasattr(recipe, "prepared") and not hasattr(recipe, "encoder"):
        return lambda: recipe.model(recipe.prepared(raw)), count
    if hasattr(recipe, "classifier"):
        return lambda: recipe.classifier.model(recipe.classifier.prepare(raw)), count
    if hasattr(recipe, "encoder") and not hasattr(recipe, "reconstructor"):
        inside = torch.nn.Sequential(*recipe.encoder.layers)
        return lambda: inside(raw), count
    return lambda: recipe.model(recipe.preprocess(raw)), count


def inputs_of(trained):
    """{rows: (inputs, examples)} of the verbs."""
    data = trained.recipe.run.data
    split = data["train"]
    if data.kind in ("text", "documents"):
        lines = split.x if data.kind == "documents" else [line for line in split.x.splitlines() if len(line) > 3]
        made = {rows: [lines[i % len(lines)] for i in range(rows)] for rows in (FEW, MANY)}
        read = getattr(trained.recipe, "read", None)
        return {rows: (texts, sum(len(read(t)) - 1 for t in texts) if read else rows) for rows, texts in made.items()}
    if data.kind == "dialogues":
        made = {rows: [split.x[i % len(split.x)] for i in range(rows)] for rows in (FEW, MANY)}
        return {rows: (some, sum(map(len, map(trained.recipe.numbers, some)))) for rows, some in made.items()}
    if data.kind == "stories":
        return {rows: ([split.x[i % len(split.x)] for i in range(rows)], rows) for rows in (FEW, MANY)}
    if data.kind == "trees":
        return {rows: ([of_words(["true", "and", "false"], "right")] * rows, rows) for rows in (FEW, MANY)}
    if data.kind in ("audio", "speech"):
        made = {rows: [split.x[i % len(split.x)] for i in range(rows)] for rows in (FEW, MANY)}
        return {rows: (sounds, sum(map(len, sounds))) for rows, sounds in made.items()}  # samples
    return {rows: (split.x[:rows] if len(split.x) >= rows else None, rows) for rows in (FEW, MANY)}


def calls_of(trained, trained_by_gradients):
    """(verb, rows, call, examples) of the verbs whose work is a forward: what is drawn step by step has none."""
    recipe = trained.recipe
    draws = isinstance(recipe, contract.Generates) and trained_by_gradients and trained.name not in BY_DRAWING
    known = {"predict": trained.answer, "encode": trained.codes}
    for rows, (values, count) in inputs_of(trained).items():
        if draws:
            yield "generate", rows, functools.partial(trained.generate, count=rows), rows
        if values is None:
            continue
        for verb, answer in known.items():
            if isinstance(recipe, contract.VERBS[verb]):
                if isinstance(values, list):  # texts; lines that are given are read as paths
                    yield verb, rows, functools.partial(answer, Inputs([""] * rows, values)), count
                else:
                    yield verb, rows, functools.partial(getattr(trained, verb), values), count


def measure(name, preset, steps):
    first, given = SPECIAL.get((name, preset), (preset, {}))
    recipe_class = resolve(name)[1].Recipe
    with tempfile.TemporaryDirectory() as folder:
        step, evaluation = Watch(recipe_class, "step"), Watch(recipe_class, "evaluate")
        out = Path(folder) / "run"
        every = {"evaluate_every": max(1, steps // 6), "log_every": max(1, steps // 6)}
        options = {"precision": "fp32", "threads": 1, **every, **given}
        trained = deepcanon.train(name, preset=first, out=out, steps=steps, quiet=True, **options)
        recipe, config = trained.recipe, trained.config
        found = {"data": trained.data, "step": step.steady(), "evaluation": evaluation.steady()}
        work, examples = {}, {}
        forward = forward_of(trained)
        if forward:
            compute, count = forward

            def training():
                for module in contract.modules_of(recipe):
                    module.train()
                with recipe.run.autocast(), torch.enable_grad():
                    compute()
                for module in contract.modules_of(recipe):
                    module.eval()

            work["forward"], examples["forward"] = training, count
        for verb, rows, call, count in calls_of(trained, forward is not None):
            work[f"{verb} {rows}"], examples[f"{verb} {rows}"] = call, count
        there = recipe.splits or tuple(recipe.run.data.splits)
        split = next(split for split in ("valid", "train") if split in there)
        if split in recipe.run.data.splits and not isinstance(recipe.run.data[split].x, str):
            work["evaluate"] = lambda: trained.evaluate(split)
            examples["evaluate"] = len(recipe.run.data[split])

        def timed(key):
            before, repeats = time.process_time(), 0
            while repeats == 0 or time.process_time() - before < 0.05:
                work[key]()
                repeats += 1
            return 1e6 * (time.process_time() - before) / repeats / examples[key]

        began = time.process_time()
        for call in work.values():
            call()
        rounds = ROUNDS if time.process_time() - began < SLOW else 3
        found["us"] = interleaved({key: (lambda key=key: timed(key)) for key in work}, rounds)
        found["verb faults"] = {}
        for key, call in work.items():
            watched = []
            for _ in range(3):
                before = usage()[0]
                call()
                watched.append(usage()[0] - before)
            found["verb faults"][key] = statistics.median(watched)
        found["batch"] = getattr(config, "batch", None)
        found["precision"] = trained.content["settings"].precision
    return found


def fresh(name, preset, steps):
    done = subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), "--measure", name, preset, str(steps)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        print(f"{name} {preset}: {done.stderr.strip().splitlines()[-1]}", flush=True)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def words(steady):
    """What was counted, for the table."""
    evaluated, us = steady["evaluation"], steady["us"]
    said = f"faults a step {steady['step']['faults']:g}"
    said += f", an evaluation {evaluated['faults']:g}" if evaluated else ""
    said += f", system time {100 * steady['step']['system']:.1f} %; us"
    said += f" forward {us['forward']:.3g}," if "forward" in us else ""
    verbs = [key.split()[0] for key in us if key.endswith(f" {FEW}")]
    return f"{said} at {FEW} and {MANY:,} rows " + ", ".join(
        f"{verb} {us[f'{verb} {FEW}']:.3g}, {us[f'{verb} {MANY}']:.3g}" for verb in verbs if f"{verb} {MANY}" in us
    )


def row_of(name, preset, found):
    """The row of a recipe: its slowest verb against the forward of its step, and what was counted; None without one."""
    us = found["us"]
    many = [key for key in us if key.endswith(f" {MANY}")]
    if not many:
        return None
    middle = {key: statistics.median(values) for key, values in us.items()}
    slowest = max(many, key=middle.__getitem__)
    verb, data = slowest.split()[0], found["data"] or "a task"
    peer = "forward" if "forward" in us else f"{verb} {FEW}"
    steady = {"step": found["step"], "evaluation": found["evaluation"], "inference_faults": found["verb faults"]}
    steady["us"] = {key: round(value, 3) for key, value in middle.items()}
    return {
        "peer": "the forward of its training step" if peer == "forward" else f"{verb} of {FEW} rows",
        "version": "",
        "ours": middle[slowest],
        "peers": middle[peer],
        "unit": f"{name}, {preset}: us an example of {verb} at {MANY} rows",
        "ratio": ratio(us[slowest], us[peer], larger_is_better=False),
        "target": 1.0 if peer == "forward" else round(1 / WITHIN, 2),
        "quality": f"{data}, batch {found['batch'] or 'all'}, {found['precision']}; {words(steady)}",
        "steady": steady,
    }


def main(names):
    chosen = {name: presets for name, presets in {**GRADIENTS, **OTHERS}.items() if not names or name in names}
    longest = max(map(len, chosen.values()))
    for place in range(longest):  # the quick ones first
        for name, (preset, steps) in ((name, of[place]) for name, of in chosen.items() if len(of) > place):
            found = fresh(name, preset, steps)
            row = found and row_of(name, preset, found)
            if row:
                record("steady", [row], RESULTS)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2], sys.argv[3], int(sys.argv[4]))))
    else:
        main(sys.argv[1:])
