"""Pointer network: it points at its inputs, whatever their number; polygons are judged as polygons."""

import itertools
import math

import numpy as np
import pytest
import torch
from contract.shapes import unchecked

import deepcanon
from deepcanon.sequence import PointerNetwork, pointer_nll
from deepcanon.techniques.polygons import averaged, judged, same_polygon, trails

QUIET = {"threads": 1, "precision": "fp32", "device": "cpu", "quiet": True, "plain": True}


def network(seed=0):
    torch.manual_seed(seed)
    return PointerNetwork(2, 6, dtype=torch.float64)


def test_the_decoder_is_shown_the_element_that_was_pointed_at():
    """Two answers that begin with different places are continued alike if the points are the same, only so."""
    net, points = network(), torch.rand(1, 5, 2, dtype=torch.float64)
    points[0, 3] = points[0, 1]
    first, same, other = (net(points, torch.tensor([[place, 2]])) for place in (1, 3, 4))
    torch.testing.assert_close(first, same)
    assert torch.equal(first[:, 0], other[:, 0]) and not torch.allclose(first[:, 1:], other[:, 1:])


def test_targets_do_not_leak_into_the_steps_before_them():
    net, points = network(), torch.rand(2, 6, 2, dtype=torch.float64)
    answer = torch.tensor([[0, 3, 1, 5], [2, 4, 0, 1]])
    later = answer.clone()
    later[:, 2:] = torch.tensor([4, 2])
    assert torch.equal(net(points, answer)[:, :3], net(points, later)[:, :3])


def test_decoding_is_the_greedy_path_of_the_forced_scores():
    net, points = network(), torch.rand(4, 5, 2, dtype=torch.float64)
    for distinct in (False, True):
        found = net.decode(points, distinct)
        logits = net(points, found).detach().clone()
        for row, scores in zip(found.tolist(), logits, strict=True):
            for t, place in enumerate(row):
                scores[t, [*row[:t], 5] if distinct else []] = -math.inf
                assert scores[t].argmax().item() == (place if place >= 0 else 5)
                if place < 0:
                    break
        if distinct:
            assert (found.sort(1).values == torch.arange(5)).all()  # a tour visits every point once


def test_the_end_is_counted_once_and_padding_never():
    logits = torch.randn(1, 5, 5, dtype=torch.float64)
    loss = pointer_nll(logits, torch.tensor([[0, 1, -1, -1]]))
    each = -logits[0].log_softmax(1)
    torch.testing.assert_close(loss, (each[0, 0] + each[1, 1] + each[2, 4]) / 3)
    with pytest.raises(ValueError, match="do not fit logits"):
        pointer_nll(logits, torch.tensor([[0, 1]]))


def test_the_same_network_reads_sets_of_any_size():
    net = network()
    assert [net.decode(torch.rand(2, size, 2, dtype=torch.float64)).shape[1] for size in (3, 10, 30)] == [3, 10, 30]


def test_polygons_are_the_same_wherever_they_begin():
    assert same_polygon([2, 4, 0], [0, 2, 4]) and not same_polygon([4, 2, 0], [0, 2, 4])
    assert same_polygon([4, 2, 0, 1], [0, 2, 4, 1], either_way=True)
    assert not same_polygon([], []) and not same_polygon([0, 2], [0, 2, 4]) and not same_polygon([7, 2, 4], [0, 2, 4])


def trained(folder, **options):
    return deepcanon.train("pointer-network", preset="smoke", out=folder, **{**QUIET, "steps": 3, **options})


def test_crossing_and_repeating_answers_are_failures():
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    answers = [[2, 3, 0, 1], [0, 2, 1, 3], [0, 1, 0, 2], [0, 1, 2], [0, 1]]
    told = [judged("hull", square, [0, 1, 2, 3], given, given) for given in answers]
    # rotated: right; crossing, repeated and two corners: invalid; a triangle: valid, half the area, wrong
    assert [one["accuracy"] for one in told] == [1, 0, 0, 0, 0] and [one["invalid"] for one in told] == [0, 1, 1, 0, 1]
    assert [one.get("area") for one in told] == [1, None, None, 0.5, None]
    assert averaged({"area": [1.0, 0.5], "length": []}) == {"area": 0.75, "length": 0.0}


def test_tours_are_judged_in_both_directions_and_validity_by_free_decoding():
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    right = judged("tour", square, [0, 1, 2, 3], [0, 3, 2, 1], [0, 3, 3, 1])
    assert right == {"accuracy": True, "invalid": True, "length": 1.0}
    long = judged("tour", square, [0, 1, 2, 3], [0, 2, 1, 3], [3, 1, 2, 0])
    assert not long["accuracy"] and not long["invalid"] and long["length"] == pytest.approx((2 + 2 * 2**0.5) / 4)


def test_triangulations_are_judged_as_sets_of_triangles():
    exact = [0, 1, 2, 1, 2, 3]
    answers = {
        "other order": ([3, 2, 1, 2, 0, 1], True, False, 1.0),
        "one wrong": ([0, 1, 2, 0, 2, 3], False, False, 0.5),
        "one twice": ([0, 1, 2, 2, 1, 0], False, True, 0.5),
        "a point twice": ([0, 1, 2, 1, 1, 3], False, True, 0.5),
        "cut short": ([0, 1, 2, 1, 2], False, True, 0.5),
        "one more": ([0, 1, 2, 1, 2, 3, 0, 1, 3], False, False, 1.0),
        "nothing": ([], False, True, 0.0),
    }
    for name, (given, right, invalid, coverage) in answers.items():
        told = judged("delaunay", np.zeros((4, 2)), exact, given, given)
        assert told == {"accuracy": right, "invalid": invalid, "coverage": coverage}, name


def test_few_lines_draw_every_edge_once():
    edges = {(a, b) for a in range(5) for b in range(a + 1, 5)} | {(7, 8), (8, 9)}
    ways = trails(edges)
    drawn = [(min(pair), max(pair)) for way in ways for pair in itertools.pairwise(way)]
    assert sorted(drawn) == sorted(edges) and len(ways) <= 3


def test_means_are_over_steps_and_sets_not_over_sizes(tmp_path):
    """Twenty triangles and one set of six points with a hull of six: the few long answers do not count as much."""
    drawn = torch.Generator().manual_seed(0)
    rows = [f"t{n},{x},{y}" for n in range(20) for x, y in torch.rand(3, 2, generator=drawn).tolist()]
    rows += [f"six,{x},{y}" for x, y in [(2, 0), (4, 0), (5, 2), (4, 4), (2, 4), (0, 2)]]
    path = tmp_path / "p.csv"
    path.write_text("set,x,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    run = trained(tmp_path / "run", data=str(path), valid_share=0, test_share=0)
    live, split, losses = run.recipe, run.recipe.run.data["train"], []
    for points, answer in zip(split.x, split.y, strict=True):
        size = int((~points[:, 0].isnan()).sum())
        logits = live.model(points[None, :size], answer[None, :size])
        losses += [-logits[0, t].log_softmax(0)[k].item() for t, k in enumerate([*answer[:size].tolist(), size])]
    values = run.evaluate("train")
    assert len(losses) == 20 * 4 + 7
    assert values["nll"] == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    assert values["accuracy"] == pytest.approx((20 * values["accuracy_3"] + values["accuracy_6"]) / 21)


def test_sets_larger_than_all_of_training_are_measured_too(tmp_path):
    for name, size in (("train", 4), ("valid", 6)):
        points = torch.rand(12, size, 2, generator=torch.Generator().manual_seed(size))
        rows = [f"s{n},{x},{y}" for n, some in enumerate(points.tolist()) for x, y in some]
        (tmp_path / f"{name}.csv").write_text("set,x,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    values = trained(tmp_path / "run", data=str(tmp_path), test_share=0).evaluate("valid")
    assert values["nll"] > 0 and values["accuracy"] == values["accuracy_6"]


def test_own_points_are_answered_and_drawn(tmp_path):
    run = trained(tmp_path / "run")
    path = tmp_path / "p.csv"
    path.write_text("set,x,y\na,0,0\na,9,0\na,0,9\nb,1,1\nb,2,1\nb,1,3\nb,2,2\n", encoding="utf-8")
    records = run.predict([path])
    assert [record["input"] for record in records] == [f"{path}: set a", f"{path}: set b"]
    assert all(set(record["value"]) <= set(range(4)) for record in records)
    assert {"accuracy_20", "area_20", "accuracy_5"} <= set(run.evaluate("test"))
    figure = run.recipe.figures()["answers"].figures[0]
    assert [line.label for line in figure.lines] == ["points", "exact", "answer"]


def test_tours_name_every_point(tmp_path):
    run = trained(tmp_path / "run", data="travelling-salesman")
    values = run.evaluate("test")
    assert values["length"] == values["length_5"] >= 1 and "area" not in values
    assert 0 < values["invalid"] <= 1  # what an untrained network decodes freely is no tour
    answers = run.predict(torch.rand(4, 6, 2))
    assert all(sorted(answer["value"]) == list(range(6)) for answer in answers)


def test_triangulations_are_learned_answered_and_drawn(tmp_path):
    run = trained(tmp_path / "run", data="delaunay-triangulation", fewest=4, most=6, beyond=8)
    values = run.evaluate("test")
    assert {"accuracy", "invalid", "coverage", "coverage_4", "accuracy_6", "coverage_8"} <= set(values)
    assert run.recipe.run.data["test"].y.shape[1] == 3 * (2 * 8 - 5)
    triangles = [row for answer in run.predict(torch.rand(3, 6, 2)) for row in answer["value"]]
    assert all(row == sorted(row) and len(row) <= 3 and set(row) <= set(range(6)) for row in triangles)
    lines = run.recipe.figures()["answers"].figures[0].lines
    assert [line.label for line in lines if line.label] == ["points", "exact", "answer"]
    exact = [line for line in lines if line.style == "--"]
    assert sum(len(line.x) - 1 for line in exact) in (5, 6)  # edges of two or three triangles of four points


@pytest.mark.slow
def test_onnxruntime_points_at_what_predict_points_at(tmp_path):
    """Sets of two sizes, batches of two sizes, each point once."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    run = trained(tmp_path / "run", data="travelling-salesman")
    with unchecked():
        run.export("onnx", tmp_path / "net.onnx")
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"))
    for count, size in ((3, 5), (1, 8)):
        points = torch.rand(count, size, 2, generator=torch.Generator().manual_seed(size))
        (places,) = session.run(None, {"points": points.numpy()})
        assert places.tolist() == run.recipe.decoded(points).tolist()
