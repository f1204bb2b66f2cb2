"""Softmax regression of 60,000 digits against scikit-learn and torch's L-BFGS: CPU seconds to the same objective.

    make bench NAME=softmax-regression          (MNIST under $DEEPCANON_DATA, or it is downloaded)

One thread, float32, the variants alternating in one process. scikit-learn takes 100 iterations of L-BFGS; every other
variant takes the fewest of tens of iterations whose objective is no larger, found before anything is timed. One
function computes the objective of all in float64. Two of ours:
    fit_softmax      the function alone
    train            deepcanon.train on the pixels in memory: reading, the run's folder, checkpoint and evaluation too
Two of torch's L-BFGS with autograd: as people write it (a step of 10 iterations, no line search, the loss read in
each), and tuned (strong Wolfe conditions, one call for all iterations); both remember 100 pairs, as fit_softmax does.
scikit-learn remembers 10, which is no option there, and so does `train`. `deepcanon.Estimator`, which is given 30, and
scikit-learn are compared on columns of mean 0 and deviation 1, which the recipe makes of a table and which stay as they
are; and by what their predictions cost. Fits of float64 are computed in float64 by scikit-learn, in float32 by ours.
"""

import functools
import tempfile
import warnings

import numpy as np
import sklearn
import torch
from record import cpu_seconds, interleaved, record, row_of_seconds
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn

import deepcanon
from deepcanon.data import open_data
from deepcanon.foundations.softmax_regression import fit_softmax, softmax_objective

DECAY, PEER_ITERATIONS, ROUNDS = 1e-4, 100, 5
TARGETS = {"scikit_learn": 1.2, "tuned": 1.0, "plain": 1.0}
TENS, ALLOWED = range(20, 201, 10), 1 + 1e-6


class Task:
    def __init__(self, standardized=None):
        data = open_data(("images",), "mnist", options={"images": {"valid_share": 0.0}})["train"]
        self.raw, self.y = data.x, data.y
        self.x = data.x.flatten(1).float() / 255
        if standardized:
            self.x = torch.from_numpy(StandardScaler().fit_transform(self.x.numpy().astype(standardized)))
        self.arrays = self.x.numpy(), self.y.numpy()

    def objective(self, weight, bias):
        wide = (torch.as_tensor(part).detach().double() for part in (weight, bias))
        return float(softmax_objective(*wide, self.x.double(), self.y, decay=DECAY))

    def scikit_learn(self, iterations):
        c = 1 / (DECAY * len(self.y))
        self.peer = LogisticRegression(C=c, max_iter=iterations, tol=0.0).fit(*self.arrays)
        return self.peer.coef_, self.peer.intercept_

    def estimator(self, iterations):
        options = {"decay": DECAY, "steps": iterations, "tolerance": 0.0, "history": 30}
        self.ours = deepcanon.Estimator("softmax-regression", **options).fit(*self.arrays)
        run = self.ours.run_
        first = self.x[:64].float()
        assert torch.allclose(run.preprocess(self.x[:64]), first, atol=1e-4), "the columns were not standardised"
        return run.module.weight, run.module.bias

    def fit_softmax(self, iterations):
        model = fit_softmax(self.x, self.y, 10, decay=DECAY, iterations=iterations)
        return model.weight, model.bias

    def train(self, iterations):
        with tempfile.TemporaryDirectory() as place:
            run = deepcanon.train(
                "softmax-regression", data=(self.raw, self.y), out=f"{place}/run", quiet=True, plain=True, threads=1,
                precision="fp32", valid_share=0.0, test_share=0.0, decay=DECAY, steps=iterations, tolerance=0.0,
            )  # fmt: skip
        first, scale = run.preprocess(self.raw[:64]), self.x[:64]
        assert torch.allclose(first, scale, atol=1e-6), "the run's inputs are not the pixels in [0, 1]"
        return run.module.weight, run.module.bias

    def tuned(self, iterations):
        return self.by_autograd(iterations, 1, line_search_fn="strong_wolfe", max_iter=iterations)

    def plain(self, iterations):
        return self.by_autograd(iterations, iterations // 10, max_iter=10)

    def by_autograd(self, iterations, calls, **options):
        model = nn.Linear(784, 10)
        nn.init.zeros_(model.weight)
        nn.init.zeros_(model.bias)
        options |= {"tolerance_grad": 0.0, "tolerance_change": 0.0, "history_size": 100}
        optimizer = torch.optim.LBFGS(model.parameters(), **options)

        def closure():
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(self.x), self.y) + 0.5 * DECAY * model.weight.square().sum()
            loss.backward()
            return loss

        for _ in range(calls):
            optimizer.step(closure).item()
        return model.weight, model.bias


def fewest_tens(task, name, goal):
    """The fewest tens of iterations whose objective is no larger, None if there are none, and the objective."""
    for iterations in TENS:
        found = task.objective(*getattr(task, name)(iterations))
        if found <= goal * ALLOWED:
            return iterations, found
    print(f"{name}: {found:.6f} after {TENS[-1]} iterations, which are not enough")
    return None, found


def by_estimator(kind):
    """Rows of fits and predictions by `Estimator`, on arrays of this type."""
    task = Task(kind)
    goal = task.objective(*task.scikit_learn(PEER_ITERATIONS))
    count, found = fewest_tens(task, "estimator", goal)
    if count is None:
        return []
    fits = {"estimator": count, "scikit_learn": PEER_ITERATIONS}
    forms = {who: functools.partial(getattr(task, who), iterations) for who, iterations in fits.items()}
    variants = {who: functools.partial(cpu_seconds, fit) for who, fit in forms.items()}
    peer, version = f"scikit-learn LogisticRegression, lbfgs, {kind}", sklearn.__version__
    quality = f"objective {found:.6f} after {count} iterations, theirs {goal:.6f} after {PEER_ITERATIONS} iterations"
    took, unit = interleaved(variants, ROUNDS), "CPU seconds to the same objective, ours by Estimator"
    fitted = row_of_seconds(
        peer, version, unit, took["estimator"], took["scikit_learn"], TARGETS["scikit_learn"], quality
    )
    x, found = task.arrays[0][:10_000], {}
    models = {"ours": task.ours, "peers": task.peer}
    asks = {who: (lambda who=who, model=model: found.update({who: model.predict(x)})) for who, model in models.items()}
    variants = {who: functools.partial(cpu_seconds, ask) for who, ask in asks.items()}
    interleaved(variants, 1)
    took = interleaved(variants, ROUNDS)
    quality = f"{np.mean(found['ours'] == found['peers']):.2%} of {len(x):,} predictions equal, fits of that objective"
    unit = f"CPU seconds to predict {len(x):,} x {x.shape[1]}, ours by Estimator"
    return [fitted, row_of_seconds(peer, version, unit, took["ours"], took["peers"], 1.0, quality)]


def main():
    warnings.simplefilter("ignore")  # that the peer has not converged
    rows = by_estimator("float32") + by_estimator("float64")
    task = Task()
    goal = task.objective(*task.scikit_learn(PEER_ITERATIONS))
    print(f"objective of scikit-learn after {PEER_ITERATIONS} iterations: {goal:.6f}")
    fewest, reached = {"scikit_learn": PEER_ITERATIONS}, {"scikit_learn": goal}
    for name in ("fit_softmax", "train", "tuned", "plain"):
        count, reached[name] = fewest_tens(task, name, goal)
        fewest |= {name: count} if count else {}
    variants = {
        name: (lambda name=name, count=count: cpu_seconds(lambda: getattr(task, name)(count)))
        for name, count in fewest.items()
    }
    took = interleaved(variants, ROUNDS)
    peers = {
        "scikit_learn": ("scikit-learn LogisticRegression, lbfgs, float32", sklearn.__version__),
        "tuned": ("torch L-BFGS with strong Wolfe conditions, autograd", torch.__version__),
        "plain": ("torch L-BFGS without line search, autograd, 10 iterations a step", torch.__version__),
    }
    for ours in ("fit_softmax", "train"):
        for peer, (words, version) in peers.items():
            if ours not in fewest or peer not in fewest:
                print(f"no row of {ours} against {peer}: the objective is not reached")
                continue
            pair = [f"{reached[name]:.6f} after {fewest[name]} iterations" for name in (ours, peer)]
            quality = f"objective {pair[0]}, theirs {pair[1]}"
            unit = f"CPU seconds to the same objective, ours by {ours}"
            rows.append(row_of_seconds(words, version, unit, took[ours], took[peer], TARGETS[peer], quality))
    record("softmax_regression", rows)


if __name__ == "__main__":
    main()
