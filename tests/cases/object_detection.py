import numpy as np
from cases.network_in_network import biased
from contract.cases import Case
from oracles import object_detection as oracle

from deepcanon.parts.boxes import iou
from deepcanon.vision import OneStageDetector


def drawn(rng, count):
    corner = rng.uniform(0, 9, size=(count, 2))
    return np.concatenate([corner, corner + rng.uniform(0.5, 6, size=(count, 2))], 1)


CASES = (
    Case(
        name="object_detection",
        build=lambda: biased(OneStageDetector(2, 3, anchors=2, widths=(3, 4, 5))),
        inputs=lambda rng: (rng.normal(size=(2, 2, 9, 10)),),
        oracle=oracle.detector,
        covers=("OneStageDetector", "detection_loss", "Detections", "boxes_and_scores"),
    ),
)

FUNCTIONS = (
    Case(
        name="iou",
        build=None,
        call=iou,
        inputs=lambda rng: (drawn(rng, 4), drawn(rng, 6)),
        oracle=lambda params, a, b: oracle.iou(a, b),
    ),
)
