"""The recipes of the linear classifier and the perceptron: two gradients, two optimisers, tables and images."""

import numpy as np
import pytest
import torch

import deepcanon


def trained(tmp_path, name, kind="run", **options):
    options = {"preset": "smoke", "threads": 1, "precision": "fp32", "quiet": True, **options}
    return deepcanon.train(name, out=tmp_path / kind, **options)


def test_explicit_and_autograd_train_the_same_network(tmp_path):
    runs = [
        trained(tmp_path, "mlp", kind, steps=20, backward=kind, evaluate_every=20) for kind in ("autograd", "explicit")
    ]
    for mine, theirs in zip(*(run.module.parameters() for run in runs), strict=True):
        torch.testing.assert_close(mine, theirs, atol=2e-5, rtol=0)


def test_lbfgs_and_sgd_reach_the_same_objective(tmp_path):
    values = []
    for optimizer, steps in (("lbfgs", 80), ("sgd", 1500)):
        run = trained(tmp_path, "softmax-regression", optimizer, optimizer=optimizer, steps=steps, decay=0.01,
                      learning_rate=0.5, batch=250, valid_share=0.0, evaluate_every=steps)  # fmt: skip
        values.append(run.evaluate("train")["objective"])
    assert values[1] == pytest.approx(values[0], rel=0.01)


def test_lbfgs_stops_where_the_gradient_vanishes(tmp_path):
    run = trained(tmp_path, "softmax-regression", steps=500, decay=1.0, tolerance=1e-4, evaluate_every=500)
    assert "gradient vanishes" in run.status()["reason"] and run.status()["step"] < 200


@pytest.mark.parametrize("name", ["softmax-regression", "mlp"])
def test_a_table_is_learned(tmp_path, name):
    rng = np.random.default_rng(0)
    rows = ["a,b,constant,kind"]
    for index in range(120):
        a, b = rng.normal(size=2)
        rows.append(f"{1000 + 50 * a:.4f},{b:.4f},7,{'high' if a + b > 0 else 'low'}")
    table = tmp_path / "table.csv"
    table.write_text("\n".join(rows) + "\n")
    steps = 40 if name == "mlp" else 20
    run = trained(tmp_path, name, data=str(table), steps=steps, evaluate_every=steps)
    assert run.evaluate("train")["accuracy"] > 0.95
    records = run.predict(torch.tensor([[1100.0, 1.0, 7.0], [900.0, -1.0, 7.0]]))
    assert [record["label"] for record in records] == ["high", "low"]
    paths = run.export("torch", tmp_path / "net.pt2")
    raw = torch.tensor([[1100.0, 1.0, 7.0]] * 3, dtype=torch.float64)
    program = torch.export.load(paths[0]).module()
    ours = torch.tensor([list(record["probabilities"].values()) for record in run.predict(raw)])
    torch.testing.assert_close(program(raw), ours, atol=1e-6, rtol=0, check_dtype=False)


@pytest.mark.real_data("mnist")
def test_the_linear_objective_falls_below_the_least_squares_floor_on_mnist(tmp_path):
    """15 iterations of L-BFGS: accuracy far above least squares (13.98 % error); a broken gradient stays behind."""
    run = trained(tmp_path, "softmax-regression", data="mnist", steps=15, valid_share=0.8, evaluate_every=15)
    assert run.evaluate("test")["accuracy"] > 0.87
