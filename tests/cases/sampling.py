from contract.cases import Case
from oracles import sampling as oracle

from deepcanon.parts.sampling import sample, truncated_probabilities

ALL = {"temperature": 1.5, "top_k": 5, "top_p": 0.8, "forbidden": (2,)}
OPTIONS = ({}, {"temperature": 0.7}, {"top_k": 3}, {"top_p": 0.6}, ALL)


def draw(rng):
    return (rng.normal(size=(4, 8)) * 2,)


FUNCTIONS = (
    *(
        Case(
            f"truncated_probabilities_{index}",
            None,
            draw,
            lambda params, logits, options=options: oracle.probabilities(logits, **options),
            call=lambda logits, options=options: truncated_probabilities(logits, **options),
        )
        for index, options in enumerate(OPTIONS)
    ),
    Case(
        "sample",
        None,
        draw,
        lambda params, logits: logits.argmax(-1),
        call=lambda logits: sample(logits, temperature=0.0),
    ),
)
