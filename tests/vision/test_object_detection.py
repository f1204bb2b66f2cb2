"""Detection against brute force: overlap, suppression by class, the all-point rule, the matching, offsets, the loss."""

import numpy as np
import pytest
import torch
from oracles import object_detection as oracle

from deepcanon.parts.boxes import (
    Boxes,
    anchor_sizes,
    average_precision,
    hits,
    iou,
    mean_average_precision,
    unrivalled,
)
from deepcanon.vision import OneStageDetector
from deepcanon.vision.object_detection import (
    Detections,
    boxes_and_scores,
    decode,
    detection_loss,
    detections,
    encode,
    grid_anchors,
    match,
)


def drawn(rng, count, whole=False):
    corner, size = rng.uniform(0, 12, (count, 2)), rng.uniform(1, 8, (count, 2))
    found = np.concatenate([corner, corner + size], 1)
    return np.ceil(found) + [0, 0, 1, 1] if whole else found


def test_overlap_is_that_of_counted_cells():
    a, b = (drawn(np.random.default_rng(seed), 12, whole=True) for seed in (0, 1))
    expected = [[oracle.counted_iou(one, other, 25) for other in b] for one in a]
    np.testing.assert_allclose(iou(torch.tensor(a), torch.tensor(b)), expected, atol=1e-12)
    empty = torch.zeros(1, 4)
    assert iou(empty, empty).item() == 0 and iou(torch.zeros(0, 4), empty).shape == (0, 1)


@pytest.mark.parametrize("most", (2**18, 1000))  # all pictures together, and one after the other
def test_suppression_is_that_of_one_box_at_a_time_within_classes_and_pictures(monkeypatch, most):
    monkeypatch.setattr("deepcanon.parts.boxes.PAIRS", most)
    rng = np.random.default_rng(0)
    counts = (30, 0, 25, 1, 30, 28)
    boxes, classes = drawn(rng, sum(counts)), rng.integers(3, size=sum(counts))
    pictures = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    kept = unrivalled(torch.tensor(boxes), torch.tensor(classes), pictures, 0.3)
    begin = 0
    for count in counts:
        mine = slice(begin, begin := begin + count)
        best_first = -np.arange(count)
        expected = oracle.suppressed(boxes[mine], best_first, classes[mine], 0.3)
        assert kept[mine].nonzero()[:, 0].tolist() == expected
    one_class = unrivalled(torch.tensor(boxes), torch.zeros(sum(counts)).long(), pictures, 0.3)
    assert one_class.sum() < kept.sum()  # without classes a box of another one would be lost


def pictures(rng, count, classes):
    found, true = [], []
    for _ in range(count):
        truth = drawn(rng, rng.integers(0, 5))
        near = truth + rng.normal(0, 0.5, truth.shape)
        guesses = np.concatenate([near, near + 0.2, drawn(rng, rng.integers(0, 4))])
        guesses[:, 2:] = np.maximum(guesses[:, 2:], guesses[:, :2] + 0.1)
        labels = rng.integers(classes, size=len(truth))
        said = np.concatenate([labels, labels, rng.integers(classes, size=len(guesses) - 2 * len(truth))])
        scores = torch.tensor(rng.permutation(1000)[: len(guesses)] / 1000 + rng.uniform(0, 1e-4))
        found.append(Boxes(torch.tensor(guesses).reshape(-1, 4), torch.tensor(said).long(), scores))
        true.append(Boxes(torch.tensor(truth).reshape(-1, 4), torch.tensor(labels).long()))
    return found, true


def listed(boxes, label):
    """(picture, box, score) of the boxes of a class."""
    return [
        (i, one.boxes[k].numpy(), 0.0 if one.scores is None else float(one.scores[k]))
        for i, one in enumerate(boxes)
        for k in (one.classes == label).nonzero()[:, 0].tolist()
    ]


@pytest.mark.parametrize("seed", range(6))
def test_average_precision_is_that_of_brute_force_at_every_threshold(seed):
    found, true = pictures(np.random.default_rng(seed), 9, 2)
    thresholds = [0.5 + 0.05 * step for step in range(10)]
    each = []
    for label in range(2):
        ours, total = hits(found, true, label, thresholds)
        mine, theirs = listed(found, label), listed(true, label)
        where = [np.array([box for _, box, _ in rows]).reshape(-1, 4) for rows in (mine, theirs)]
        scores, owners = [score for *_, score in mine], [[i for i, *_ in rows] for rows in (mine, theirs)]
        expected = []
        for place, threshold in enumerate(thresholds):
            right = oracle.hits(where[0], scores, owners[0], where[1], owners[1], threshold)
            assert ours[place].tolist() == right
            expected.append(oracle.average_precision(right, len(theirs)))
        np.testing.assert_allclose(average_precision(ours, total), expected, atol=1e-12)
        each.append(expected)
    measured = mean_average_precision(found, true, 2)
    assert measured["ap50"] == pytest.approx(np.nanmean([row[0] for row in each]), abs=1e-12)
    assert measured["ap"] == pytest.approx(np.nanmean(each), abs=1e-12)


def test_average_precision_of_a_worked_example():
    hit = torch.tensor([True, False, True])  # precision 1, 1/2, 2/3 at recall 1/4, 1/4, 2/4
    assert average_precision(hit, 4).item() == pytest.approx(1 / 4 + 2 / 3 / 4)
    assert average_precision(torch.zeros(0, dtype=torch.bool), 3).item() == 0
    assert average_precision(hit, 0).isnan()


def test_a_second_detection_of_one_box_is_false():
    box = torch.tensor([[0.0, 0, 4, 4]])
    twice = Boxes(box.repeat(2, 1), torch.zeros(2).long(), torch.tensor([0.9, 0.8]))
    hit, total = hits([twice], [Boxes(box, torch.zeros(1).long())], 0, [0.5])
    assert hit.tolist() == [[True, False]] and total == 1


def test_every_box_has_a_responsible_anchor_and_others_by_overlap():
    anchors = grid_anchors(2, 2, 8, torch.tensor([[8.0, 8.0]]))
    assert anchors.tolist() == [[0, 0, 8, 8], [8, 0, 16, 8], [0, 8, 8, 16], [8, 8, 16, 16]]
    boxes = torch.tensor([[[0.0, 0, 8, 8], [9, 9, 12, 12], [0, 0, 0, 0]]])
    matched = match(anchors, boxes, torch.tensor([[True, True, False]]))
    assert matched.tolist() == [[0, -1, -1, 1]]  # the small box has an overlap of 0.14 with its responsible anchor
    between = torch.tensor([[[0.0, 0, 8, 8], [0, 0, 8, 3.6]]])
    assert match(anchors, between, torch.tensor([[False, True]])).tolist() == [[1, -1, -1, -1]]
    wide = torch.tensor([[[4.5, 0, 12.5, 8.0]]])  # 0.39 of the first, 0.50 of the second
    assert match(anchors, wide, torch.tensor([[True]]))[0, 1] == 0


def test_a_box_that_no_anchor_overlaps_has_the_nearest_and_one_anchor_has_one_box():
    anchors = grid_anchors(3, 3, 8, torch.tensor([[2.0, 2.0]]))
    between = torch.tensor([[[14.5, 15.0, 16.0, 16.5], [0, 0, 0, 0]]])  # nearest to the middle of the middle cell
    assert iou(anchors, between[0]).sum() == 0
    assert match(anchors, between, torch.tensor([[True, False]])).tolist() == [[-1, -1, -1, -1, 0, -1, -1, -1, -1]]
    twice = torch.tensor([[[3.0, 3.0, 4.5, 4.5], [3.5, 3.5, 5.0, 5.0]]])
    assert match(anchors, twice, torch.ones(1, 2).bool())[0].tolist() == [1, *[-1] * 8]


def test_offsets_are_undone_and_no_box_gives_a_finite_loss():
    rng = np.random.default_rng(3)
    boxes, anchors = torch.tensor(drawn(rng, 20)), torch.tensor(drawn(rng, 20))
    torch.testing.assert_close(decode(encode(boxes, anchors), anchors), boxes)
    absent = -torch.ones(2, 3)
    found = Detections(torch.zeros(2, 20, 4), torch.zeros(2, 20, 4))
    loss = detection_loss(found, anchors.float(), absent[:, :, None].expand(-1, -1, 4), absent.long())
    assert loss.item() == pytest.approx(20 * 4 * 0.75 * 0.25 * np.log(2), rel=1e-5)  # equation (3) at 1/2


def test_offsets_of_the_matched_anchors_alone_are_in_the_loss():
    anchors, box = grid_anchors(2, 2, 8, torch.tensor([[8.0, 8.0]])), torch.tensor([[[1.0, 0, 9, 8]]])
    logits, offsets = torch.randn(1, 4, 2), torch.zeros(1, 4, 4)
    offsets[0, 0] = torch.tensor([1 / 8, 0, 0, 0])  # the box is one pixel to the right of its anchor of eight
    label = torch.zeros(1, 1).long()
    right = detection_loss(Detections(logits, offsets), anchors, box, label).item()
    offsets[0, 3] = 5.0  # an anchor that has no box
    assert detection_loss(Detections(logits, offsets), anchors, box, label).item() == pytest.approx(right)
    offsets[0, 0] += torch.tensor([0.0, 0.04, 0.0, 0.5])
    # smooth L1 with a corner at 0.1: 0.04^2 / 0.2 and 0.5 - 0.05
    expected = right + 0.04**2 / 0.2 + 0.45
    assert detection_loss(Detections(logits, offsets), anchors, box, label).item() == pytest.approx(expected, rel=1e-5)


def test_an_anchor_in_between_has_no_part_in_the_loss_and_boxes_end_at_the_border():
    anchors, box = grid_anchors(1, 2, 8, torch.tensor([[8.0, 8.0]])), torch.tensor([[[2.2, 0, 13.7, 8]]])
    label, logits = torch.zeros(1, 1).long(), torch.zeros(1, 2, 1)
    matched = match(anchors, box, label >= 0)[0].tolist()
    assert sorted(matched) == [-2, 0], "one is responsible, the other has an overlap from 0.4 to 0.5"
    before = detection_loss(Detections(logits, torch.zeros(1, 2, 4)), anchors, box, label)
    logits[0, matched.index(-2)] = 7.0
    assert detection_loss(Detections(logits, torch.zeros(1, 2, 4)), anchors, box, label) == before
    wide = Detections(torch.full((1, 2, 1), 3.0), torch.tensor([0.0, 0, 2, 1]).expand(1, 2, 4))
    found = detections(wide, anchors, (8, 16))[0].boxes
    assert found.min() == 0 and found[:, 2].max() == 16 and found[:, 3].max() == 8


def test_the_loss_of_a_batch_is_the_mean_of_its_pictures():
    torch.manual_seed(0)
    anchors = grid_anchors(3, 3, 8, torch.tensor([[8.0, 10.0], [12.0, 6.0]]))
    boxes = torch.tensor([[[2.0, 2, 11, 12], [0, 0, 0, 0]], [[10, 9, 20, 17], [0, 14, 9, 23]]])
    labels = torch.tensor([[1, -1], [0, 2]])
    found = Detections(torch.randn(2, 18, 3), torch.randn(2, 18, 4))
    parts = [
        detection_loss(Detections(*(one[i : i + 1] for one in found)), anchors, boxes[i : i + 1], labels[i : i + 1])
        for i in range(2)
    ]
    torch.testing.assert_close(detection_loss(found, anchors, boxes, labels), torch.stack(parts).mean())


def test_perfect_answers_are_found_and_have_a_precision_of_one():
    anchors = grid_anchors(8, 8, 8, torch.tensor([[14.0, 20.0], [20.0, 20.0]]))
    boxes = torch.tensor([[[5.0, 6, 20, 26], [30, 30, 49, 51], [0, 0, 0, 0]]])
    labels = torch.tensor([[2, 0, -1]])
    matched = match(anchors, boxes, labels >= 0)[0]
    logits, offsets = torch.full((1, 128, 3), -9.0), torch.zeros(1, 128, 4)
    for place in (matched >= 0).nonzero()[:, 0].tolist():
        logits[0, place, labels[0, matched[place]]] = 5.0
        offsets[0, place] = encode(boxes[0, matched[place]], anchors[place])
    found = detections(Detections(logits, offsets), anchors, (64, 64))
    torch.testing.assert_close(found[0].boxes.sort(0).values, boxes[0, :2].sort(0).values, atol=1e-4, rtol=0)
    assert mean_average_precision(found, [Boxes(boxes[0, :2], labels[0, :2])], 3) == {"ap50": 1.0, "ap": 1.0}
    every, scores = boxes_and_scores(Detections(logits, offsets), anchors, (64, 64))
    assert every.shape == (1, 128, 4) and every.min() >= 0 and every.max() <= 64  # outer anchors are cut
    torch.testing.assert_close(scores, logits.sigmoid())
    nothing = detections(Detections(logits.fill_(-9.0), offsets), anchors, (64, 64))
    assert len(nothing[0].boxes) == 0


def test_the_grid_has_as_many_anchors_as_the_network_has_answers():
    for size in ((64, 64), (33, 50), (8, 9), (17, 24)):
        net = OneStageDetector(1, 2, anchors=3, widths=(2, 2, 3, 4)).eval()
        rows, columns = net.grid(size)
        assert net(torch.zeros(1, 1, *size)).logits.shape == (1, rows * columns * 3, 2)
    with pytest.raises(ValueError, match=r"of 8 pixels and more, got \(1, 1, 7, 9\)"):
        net(torch.zeros(1, 1, 7, 9))


def test_anchors_are_the_sizes_that_occur():
    rng = np.random.default_rng(0)
    sizes = torch.tensor([[4.0, 20.0]] * 50 + [[20.0, 20.0]] * 70) + torch.tensor(rng.normal(0, 0.3, (120, 2))).float()
    found = anchor_sizes(sizes, 2)
    np.testing.assert_allclose(found, [[4, 20], [20, 20]], atol=0.3)
    assert anchor_sizes(torch.ones(5, 2), 3).shape == (1, 2)


def test_pictures_smaller_than_a_cell_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match="pictures of 9x3 are smaller than a cell of 4 pixels: give --size 4 or more"):
        OneStageDetector(1, 2, anchors=1, widths=(4, 4, 4)).grid((3, 9))
