"""A trained model without torch: exported to ONNX, then run by onnxruntime.

Needs an extra: pip install 'deepcanon[onnx]'

To run it: python examples/onnx_runtime.py
"""

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import deepcanon

try:
    import onnxruntime
except ImportError:
    sys.exit("this example needs an extra: pip install 'deepcanon[onnx]'")

run = deepcanon.train("convnet", data="digits", out="digits", seed=0, steps=200, quiet=True, plain=True)
run.export("onnx", "digits.onnx")  # writes digits.json as well

# From here on neither torch nor deepcanon is needed.
about = json.loads(Path("digits.json").read_text())
source = about["inputs"][0]
print(f"input {source['name']}: {source['dtype']} {source['shape']}, {about['channel_order']}, range {about['range']}")

digits = load_digits()
pixels = (digits.images * 255 / 16).round().astype(np.uint8)[:, None]  # raw pixels: the model holds its normalisation
session = onnxruntime.InferenceSession("digits.onnx")
(probabilities,) = session.run(None, {source["name"]: pixels})

labels = np.array(about["classes"])[probabilities.argmax(1)]
truth = digits.target.astype(str)
print(f"the first ten: {' '.join(truth[:10])}")
print(f"predicted:     {' '.join(labels[:10])}")
print(f"accuracy on all {len(pixels):,} images (it was trained on most of them): {(labels == truth).mean():.3f}")
