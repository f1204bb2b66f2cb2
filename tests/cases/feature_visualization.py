"""Maps of images; functions that take a model stand in tests/vision/test_feature_visualization.py."""

from contract.cases import Case
from oracles import feature_visualization as oracle

from deepcanon.vision.feature_visualization import rank_correlation, saliency

CASES: tuple[Case, ...] = ()

FUNCTIONS = (
    Case(
        name="saliency",
        build=None,
        call=saliency,
        inputs=lambda rng: (rng.normal(size=(3, 2, 4, 5)),),
        oracle=lambda params, back: oracle.saliency(back),
        rows=True,
    ),
    Case(
        name="map_rank_correlation",
        build=None,
        call=rank_correlation,
        inputs=lambda rng: (rng.normal(size=(3, 4, 5)), rng.normal(size=(3, 4, 5))),
        oracle=lambda params, one, other: oracle.rank_correlation(one, other),
        rows=True,
        gradcheck=False,
        bf16=False,
    ),
)
