"""Training on arrays that you already have in memory, and what a trained run can do.

`data=` takes X or (X, y): NumPy, torch or pandas, rows of numbers [N, F] or pictures [N, H, W]. Text and whole
numbers in y are classes.

To run it: python examples/own_data.py
"""

import numpy as np
from sklearn.datasets import load_breast_cancer

import deepcanon

X, benign = load_breast_cancer(return_X_y=True)  # 569 rows of 30 measurements
y = np.where(benign == 1, "benign", "malignant")

# The first three rows are held back. Validation and test rows are drawn from the others, class by class.
run = deepcanon.train("mlp", data=(X[3:], y[3:]), out="tumours", seed=0, steps=400, quiet=True)

scores = run.evaluate("test")
print(f"test accuracy {scores['accuracy']:.3f}, negative log-likelihood {scores['nll']:.3f}")

for truth, answer in zip(y[:3], run.predict(X[:3]), strict=True):
    label = answer["label"]
    print(f"{truth}: predicted {label} with probability {answer['probabilities'][label]:.3f}")

weights = sum(parameter.numel() for parameter in run.module.parameters())  # an ordinary nn.Module
print(f"{type(run.module).__name__} with {weights:,} weights; curves and figures in {run.folder / 'report.html'}")

# Later, in another program: the run no longer needs the data that it was trained on.
again = deepcanon.load("tumours")
print(f"loaded {again.name} at step {again.step}: the first row is {again.predict(X[:1])[0]['label']}")
