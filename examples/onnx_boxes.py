"""A detector of your own: pictures with boxes.csv, training, ONNX, and final boxes chosen in NumPy, without torch.

The exported graph gives a box and scores for every anchor, of which many overlap. Which are kept (non-maximum
suppression) is left to you: boxes.json says it in words ("how") and numbers ("final").
Needs an extra: pip install 'deepcanon[onnx]'

To run it: python examples/onnx_boxes.py
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

import deepcanon

try:
    import onnxruntime
except ImportError:
    sys.exit("this example needs an extra: pip install 'deepcanon[onnx]'")

random, rows = np.random.default_rng(0), ["file,x,y,width,height,label"]
Path("shapes").mkdir()
for number in range(200):
    picture = Image.fromarray(random.integers(0, 90, (48, 64, 3), np.uint8))
    for label, shape in (("disc", "ellipse"), ("square", "rectangle"))[random.integers(2) :]:
        x, y, side = 32 * (label == "square") + random.integers(10), random.integers(26), random.integers(14, 20)
        getattr(ImageDraw.Draw(picture), shape)((x, y, x + side - 1, y + side - 1), fill="white")
        rows.append(f"{number}.png,{x},{y},{side},{side},{label}")
    picture.save(f"shapes/{number}.png")
Path("shapes/boxes.csv").write_text("\n".join(rows))

options: Any = {"widths": (8, 16, 32, 32), "anchors": 1, "batch": 16, "learning_rate": 0.005, "precision": "fp32"}
run = deepcanon.train("object-detection", data="shapes", out="run", seed=0, steps=300, quiet=True, **options)
run.export("onnx", "boxes.onnx")  # writes boxes.json as well
answers = run.predict([f"shapes/{number}.png" for number in range(20)])
print(f"average precision on pictures that were held out: {run.evaluate('test')['ap50']:.2f}")

# From here on neither torch nor deepcanon is needed.
about = json.loads(Path("boxes.json").read_text())


def final(boxes, scores, least_score, largest_overlap, most, candidates):
    """(box, class, score) of what is kept of a picture, best first; boxes [P, 4] in pixels, scores [P, K]."""
    anchors, classes = np.nonzero(scores >= least_score)
    kept: list[Any] = []
    for place in np.argsort(-scores[anchors, classes], kind="stable")[:candidates]:
        box, label = boxes[anchors[place]], about["classes"][classes[place]]
        rivals = np.array([other for other, k, _ in kept if k == label]).reshape(-1, 4)
        sides = np.minimum(box[2:], rivals[:, 2:]) - np.maximum(box[:2], rivals[:, :2])
        common, areas = sides.clip(0).prod(1), (rivals[:, 2:] - rivals[:, :2]).prod(1)
        if not (common > largest_overlap * ((box[2:] - box[:2]).prod() + areas - common)).any():
            kept.append((box, label, scores[anchors[place], classes[place]]))
    return kept[:most]


pixels = np.stack([np.asarray(Image.open(f"shapes/{number}.png")).transpose(2, 0, 1) for number in range(20)])
outputs = onnxruntime.InferenceSession("boxes.onnx").run(None, {"pixels": pixels})
found = [final(*one, **about["final"]) for one in zip(*outputs, strict=True)]
print(*(f"{label} {box.round()}, score {score:.2f}" for box, label, score in found[0]), sep="\n")
ours = [[box["label"] for box in answer["boxes"]] for answer in answers]
same = sum([label for _, label, _ in one] == two for one, two in zip(found, ours, strict=True))
print(f"pictures of 20 where `predict` finds the same: {same}")
