import numpy as np
from contract.cases import Case
from oracles import memory_network as oracle

from deepcanon.sequence import MemoryNetwork
from deepcanon.sequence.memory_network import answer_nll, clip_restarts, noisy_ages

WORDS, NONE = 5, 5


def stories(rng):
    """Stories of three, two and one sentences, with sentences of different lengths and words that are not known."""
    story = rng.integers(WORDS, size=(3, 3, 4))
    story[0, 1, 2:] = NONE
    story[1, 2:] = NONE
    story[1, 0, 1] = NONE  # an unknown word between others
    story[2, 1:] = NONE
    return story, rng.integers(WORDS, size=(3, 2))


def aged(rng):
    return (*stories(rng), np.array([[1, 2, 4], [0, 3, 3], [2, 4, 4]]))


def build(**options):
    return MemoryNetwork(WORDS, 5, width=4, **{"hops": 2, "deviation": 0.6, **options})


def linear(module, story, question):
    return module(story, question, linear=True)


def clipped(*gradients, limit=40.0):
    found = [g.clone() for g in gradients]
    clip_restarts(found, limit)
    return tuple(found)


def answers(rng):
    return rng.normal(size=(3, 2, 4)), np.array([0, 3, 2])


def nll(_, logits, y):
    log = logits - np.log(np.exp(logits).sum(2, keepdims=True))
    return -np.array([log[n, :, k] for n, k in enumerate(y)])


CASES = (
    Case("memory_network", build, stories, oracle.module, covers=("Reading",)),
    Case("memory_network_restarts", lambda: build(restarts=3), aged, oracle.module),
    Case(
        "memory_network_full", lambda: MemoryNetwork(WORDS, 3, width=4, hops=3, deviation=0.6), stories, oracle.module
    ),
    Case(
        "memory_network_bags",
        lambda: build(position=False, hops=1),
        stories,
        lambda p, *given: oracle.module(p, *given, position=False),
    ),
    Case(
        "memory_network_linear",
        build,
        stories,
        lambda p, *given: oracle.module(p, *given, linear=True),
        call=linear,
    ),
)
FUNCTIONS = (
    Case("answer_nll", None, answers, nll, call=answer_nll),
    Case(
        "clip_restarts",
        None,
        lambda rng: (rng.normal(size=(3, 4)) * np.array([[0.1], [5], [1]]), rng.normal(size=(3, 2, 2))),
        lambda _, *g: oracle.clipped(_, *g, limit=2.0),
        call=lambda *g: clipped(*g, limit=2.0),
        gradcheck=False,
    ),
    Case(
        "noisy_ages",
        None,
        lambda rng: (np.array([4, 1, 0, 9]), rng.random((4, 12)), 0.3, 8),
        oracle.noisy_ages,
        call=noisy_ages,
        gradcheck=False,
    ),
)
