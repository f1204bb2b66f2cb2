from contract.cases import Case
from oracles import diversity as oracle

from deepcanon.representation import effective_rank, selectivity
from deepcanon.representation.diversity import mean_absolute_cosine

FUNCTIONS = (
    Case(
        name="mean_absolute_cosine",
        build=None,
        call=lambda w: mean_absolute_cosine(w),
        inputs=lambda rng: (rng.normal(size=(5, 2, 3)),),
        oracle=lambda params, w: oracle.mean_absolute_cosine(w),
    ),
    Case(
        name="effective_rank",
        build=None,
        call=lambda w: effective_rank(w),
        inputs=lambda rng: (rng.normal(size=(5, 7)),),
        oracle=lambda params, w: oracle.effective_rank(w),
    ),
    Case(
        name="selectivity",
        build=None,
        call=lambda a: selectivity(a),
        inputs=lambda rng: (rng.exponential(size=(9, 4)),),
        oracle=lambda params, a: oracle.selectivity(a),
        rows=False,
    ),
)
