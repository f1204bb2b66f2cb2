"""Logistic regression of the digits 0 and 1 against scikit-learn's solvers: CPU seconds to the same objective.

    make bench NAME=logistic-regression          (MNIST under $DEEPCANON_DATA, or it is downloaded)

12,665 digits of 784 pixels in [0, 1], C = 1, one thread, the variants alternating in one process. Each peer stops by
its own rule at its usual tolerance; ours takes the fewest iterations whose objective is no larger, found
before anything is timed. One function computes the objective of all in float64. Ours is `deepcanon.train` on the pixels
in memory (reading, the run's folder, checkpoint and evaluation too), and `inner`: the same L-BFGS on the written-out
objective alone.
"""

import tempfile
import warnings

import sklearn
import torch
from record import cpu_seconds, interleaved, record, row_of_seconds
from sklearn.linear_model import LogisticRegression as Peer

import deepcanon
from deepcanon.data import open_data
from deepcanon.foundations import LogisticRegression
from deepcanon.foundations.logistic_regression import decay_of_c, logistic_both, logistic_objective
from deepcanon.parts.lbfgs import LBFGS, AffineRows

C, ROUNDS, TARGET, COUNTS = 1.0, 5, 1.2, range(5, 201)
SOLVERS = ("lbfgs", "newton-cholesky")


class Task:
    def __init__(self):
        data = open_data(("images",), "mnist", options={"images": {"valid_share": 0.0}})["train"]
        two = data.y < 2
        self.raw, self.y = data.x[two], data.y[two]
        self.x = self.raw.flatten(1).float() / 255
        self.decay = decay_of_c(C, len(self.y))

    def objective(self, weight, bias):
        wide = [torch.as_tensor(part).detach().double() for part in (weight, bias)]
        return float(logistic_objective(wide[0].view(-1), wide[1].view(()), self.x.double(), self.y, decay=self.decay))

    def peer(self, solver):
        model = Peer(C=C, solver=solver, max_iter=1000).fit(self.x.numpy(), self.y.numpy())
        return model.coef_, model.intercept_

    def inner(self, iterations):
        model = LogisticRegression(784).requires_grad_(False)
        weight, bias = model.weight, model.bias
        optimizer = LBFGS([weight, bias], iterations=iterations, basis=AffineRows(self.x.mean(0)))

        def closure():
            found, weight.grad, bias.grad = logistic_both(weight, bias, self.x, self.y, decay=self.decay)
            return found

        optimizer.step(closure)
        return weight, bias

    def train(self, iterations):
        with tempfile.TemporaryDirectory() as place:
            run = deepcanon.train(
                "logistic-regression", data=(self.raw, self.y), out=f"{place}/run", quiet=True, plain=True, threads=1,
                precision="fp32", valid_share=0.0, test_share=0.0, penalty=1 / C, steps=iterations, tolerance=0.0,
            )  # fmt: skip
        assert torch.allclose(run.preprocess(self.raw[:64]), self.x[:64], atol=1e-6)
        return run.module.weight, run.module.bias


def main():
    warnings.simplefilter("ignore")
    task, rows = Task(), []
    for solver in SOLVERS:
        goal = task.objective(*task.peer(solver))
        calls, words = {"peer": lambda solver=solver: task.peer(solver)}, {}
        for name in ("inner", "train"):
            for iterations in COUNTS:
                reached = task.objective(*getattr(task, name)(iterations))
                if reached <= goal * (1 + 1e-6):
                    calls[name] = lambda name=name, count=iterations: getattr(task, name)(count)
                    words[name] = f"objective {reached:.8f} after {iterations} iterations, theirs {goal:.8f}"
                    break
            else:
                print(
                    f"no row of {name} against {solver}: {reached:.8f} after {COUNTS[-1]} iterations, theirs {goal:.8f}"
                )
        took = interleaved({name: lambda call=call: cpu_seconds(call) for name, call in calls.items()}, ROUNDS)
        for name, quality in words.items():
            unit = f"CPU seconds to the same objective, ours by {name}"
            peer = f"scikit-learn LogisticRegression, {solver}"
            rows.append(
                row_of_seconds(peer, sklearn.__version__, unit, took[name], took["peer"], TARGET, quality),
            )
    record("logistic_regression", rows)


if __name__ == "__main__":
    main()
