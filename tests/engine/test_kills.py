"""SIGKILL at random moments of trainings of twelve kinds: resumed, each ends as if it had never been killed.

The number of kills is DEEPCANON_KILLS (4 where it is not set), spread over the recipes.
"""

import os
import time

import pytest
from contract.kills import Training, kill

from deepcanon.resolving import resolve

KILLS = int(os.environ.get("DEEPCANON_KILLS", "4"))
EACH = {"checkpoint_every": 0.0}  # after every step
TRAININGS = [
    Training("mlp", {**EACH, "steps": 30, "dropout": 0.2, "evaluate_every": 5}),
    Training("convnet", {**EACH, "steps": 10, "evaluate_every": 4}),
    Training("rnn-lm", {**EACH, "steps": 12, "layers": 2, "dropout": 0.3, "evaluate_every": 4}),
    Training("word2vec", {**EACH, "steps": 12, "evaluate_every": 5}),
    Training("gan", {**EACH, "steps": 6, "evaluate_every": 3}),
    Training("dqn", {**EACH, "steps": 40, "evaluate_every": 15}),
    Training("naive-bayes", EACH),
    Training("pca", EACH),
    Training("tsne", {**EACH, "steps": 40, "evaluate_every": 15}),
    Training("rbm", {**EACH, "steps": 20, "evaluate_every": 8}),
    Training("ngram-lm", EACH),
    Training("adagrad", {**EACH, "steps": 4}),
]


@pytest.mark.timeout(60 + 20 * KILLS)
@pytest.mark.parametrize("number", range(len(TRAININGS)), ids=[of.name for of in TRAININGS])
def test_killed_and_resumed_it_ends_as_if_it_had_never_been(number, in_memory):
    kills = KILLS * (number + 1) // len(TRAININGS) - KILLS * number // len(TRAININGS)
    if not kills:
        pytest.skip("DEEPCANON_KILLS is smaller than the number of trainings")
    began = time.process_time() + sum(os.times()[2:4])
    course = kill(TRAININGS[number], in_memory, kills)
    took = time.process_time() + sum(os.times()[2:4]) - began
    kinds = {kind: course.struck.count(kind) for kind in sorted(set(course.struck))}
    print(
        f"{TRAININGS[number].name}: {len(course.struck)} kills, {course.half} left half a file, {kinds}, {took:.1f} s"
    )
    assert not course.wrong, "\n".join(course.wrong)


def test_state_that_is_not_saved_is_caught(in_memory, monkeypatch):
    _, module = resolve("rnn-lm")
    monkeypatch.setattr(module.Recipe, "state", tuple(name for name in module.Recipe.state if name != "carry"))
    course = kill(Training("rnn-lm", {**EACH, "steps": 6}), in_memory, 12)
    assert any("shared.safetensors differs" in line for line in course.wrong)
