"""Two learning rates with three seeds each, and one report with all curves overlaid.

To run it: python examples/seeds.py
"""

from statistics import mean, stdev

import deepcanon

runs = []
for rate in (1e-3, 1e-2):
    accuracies = []
    for seed in range(3):
        run = deepcanon.train(
            "mlp",
            data="digits",
            out=f"rate-{rate:g}-seed-{seed}",
            seed=seed,
            steps=300,
            learning_rate=rate,
            quiet=True,  # no progress bar
            plain=True,  # no figures and no report for each run
        )
        accuracies.append(run.evaluate("valid")["accuracy"])
        runs.append(run)
    print(f"learning rate {rate:g}: validation accuracy {mean(accuracies):.3f} +- {stdev(accuracies):.3f}")

best = max(runs, key=lambda run: run.evaluate("valid")["accuracy"])
print(f"best run: {best.folder}, test accuracy {best.evaluate('test')['accuracy']:.3f}")
print(f"comparison: {deepcanon.report(runs, to='comparison.html')}")
