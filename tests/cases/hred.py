from contract.cases import Case
from oracles import hred as oracle

from deepcanon.sequence import HRED

END, WORDS = 1, 6
WAYS = [{}, {"every_step": True}, {"context": "last"}, {"context": "stream"}, {"fast": False}]
UNUSED = "the recurrent weights between turns meet a state of zeros by definition: test_hred.py looks at all others"
FOLLOWS = "which turns are read side by side follows from the words: the loop word by word is exported"


def dialogues(rng):
    """Three streams of 9 words that begin with END: two or three turns, one of them empty, the last one open."""
    streams = rng.integers(2, WORDS, size=(3, 9))
    streams[:, 0] = END
    streams[0, [3, 4, 7]] = END
    streams[1, 5] = END
    return (streams,)


def name(way):
    words = {"context": way.get("context"), "fast": "plain", "every_step": "every_step"}
    return "_".join(["hred", *(words[key] for key in way)])


CASES = tuple(
    Case(
        name(way),
        lambda way=way: HRED(WORDS, 4, embedding_size=3, end=END, **way),
        dialogues,
        lambda params, streams, how={k: v for k, v in way.items() if k != "fast"}: oracle.module(
            params, streams, end=END, **how
        ),
        call=lambda module, streams: module.output(module(streams)),
        causal=True,
        covers=("Talk",),
        skips={"gradients": UNUSED} if way.get("context") == "last" else {},
    )
    for way in WAYS
)
FUNCTIONS = ()
