"""The Inception block: its 163,696 parameters, a true 5 x 5, a ReLU on reductions, heads in training only, export."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import deepcanon
from deepcanon.errors import UsageError
from deepcanon.vision import Inception, MiniGoogLeNet
from deepcanon.vision.inception import block_widths

BLOCK_3A = (192, 64, (96, 128), (16, 32), 32)


def test_block_3a_has_the_papers_parameters_and_maps():
    block = Inception(*BLOCK_3A)
    weights = sum(parameter.numel() for parameter in block.parameters() if parameter.ndim > 1)
    biases = sum(parameter.numel() for parameter in block.parameters() if parameter.ndim == 1)
    assert (weights, biases, weights + biases) == (163_328, 368, 163_696)
    assert block.out_channels == 256 and block(torch.zeros(1, 192, 5, 4)).shape == (1, 256, 5, 4)
    assert block_widths(256) == BLOCK_3A[1:]


def test_the_third_branch_sees_two_pixels_far_and_the_second_one():
    torch.manual_seed(0)
    block = Inception(1, 1, (1, 1), (1, 1), 1).eval()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.fill_(1.0)
    point = torch.zeros(1, 1, 9, 9)
    point[0, 0, 4, 4] = 1
    seen = block(point) - block(torch.zeros_like(point))
    reach = [int((branch.abs() > 0).sum(1).max()) for branch in seen[0]]
    assert reach == [1, 3, 5, 3]  # a 3 x 3 in place of the 5 x 5 would reach 3


def test_reductions_are_rectified():
    torch.manual_seed(1)
    block, maps = Inception(4, 2, (3, 5), (3, 5), 2).eval(), torch.randn(2, 4, 7, 7)
    for reduce, wide, sides in ((block.three_reduce, block.three, 3), (block.five_reduce, block.five, 5)):
        a, b = reduce.convolution, wide.convolution
        merged = torch.einsum("nruv,rc->ncuv", b.weight, a.weight[:, :, 0, 0])
        without = F.relu(F.conv2d(maps, merged, padding=sides // 2))
        assert (wide(reduce(maps)) - without).abs().max() > 0.05  # what one convolution would give


def test_the_four_branches_at_once_are_the_four_one_after_another():
    torch.manual_seed(2)
    block = Inception(3, 2, (3, 4), (2, 3), 2, dtype=torch.float64)
    maps = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    weight = torch.cat([unit.convolution.weight for unit in (block.one, block.three_reduce, block.five_reduce)])
    first, three, five = F.relu(F.conv2d(maps, weight)).split([2, 3, 2], 1)  # one 1 x 1 convolution for three
    pooled = block.pooled(F.max_pool2d(maps, 3, 1, 1))
    parallel = torch.cat([first, block.three(three), block.five(five), pooled], 1)
    torch.testing.assert_close(block(maps), parallel, atol=1e-12, rtol=0)


def test_heads_are_neither_computed_in_evaluation_nor_felt_by_it():
    torch.manual_seed(3)
    net, images = MiniGoogLeNet(1, 3, stages=((16,), (16,)), auxiliary=4), torch.randn(2, 1, 12, 12)
    net.auxiliaries[0].forward = lambda maps: pytest.fail("an auxiliary head was computed")
    before = net.eval()(images)
    with torch.no_grad():
        for parameter in net.auxiliaries.parameters():
            parameter.fill_(torch.nan)
    assert torch.equal(net(images), before) and isinstance(before, torch.Tensor)
    heads = sum(parameter.numel() for parameter in net.auxiliaries.parameters())
    assert net.parameters_in_use == sum(parameter.numel() for parameter in net.parameters()) - heads
    assert MiniGoogLeNet(1, 3, auxiliary=0)(torch.randn(2, 1, 28, 28)).auxiliary == ()


def test_the_last_layer_reads_the_features():
    torch.manual_seed(4)
    net, images = MiniGoogLeNet(1, 3, stages=((16,), (32,))).eval(), torch.randn(2, 1, 12, 12)
    assert net.features(images).shape == (2, 32)
    torch.testing.assert_close(net(images), net.output(net.features(images)))


def test_wrong_sizes_are_named():
    with pytest.raises(ValueError, match="24 maps cannot be divided"):
        MiniGoogLeNet(1, 2, stages=((24,),))
    with pytest.raises(ValueError, match="at least one block"):
        MiniGoogLeNet(1, 2, stages=((16,), ()))
    with pytest.raises(ValueError, match=r"expected \[batch, 1, height, width\] images, got \(2, 3, 28, 28\)"):
        MiniGoogLeNet(1, 2)(torch.zeros(2, 3, 28, 28))
    with pytest.raises(ValueError, match="3 x 9 are too small for 2 poolings"):
        MiniGoogLeNet(1, 2)(torch.zeros(2, 1, 3, 9))


SMALL = {"data": "digits", "preset": "smoke", "threads": 1, "quiet": True, "precision": "fp32"}


def test_the_loss_adds_three_tenths_of_each_head_and_the_export_has_none_of_them(tmp_path):
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    run = deepcanon.train("inception", out=tmp_path / "run", steps=3, **SMALL)
    logits, labels = torch.randn(2, 4, 10), torch.tensor([1, 2, 3, 4])
    judged = type(run.module.train()(torch.zeros(2, 1, 8, 8)))(logits[0], (logits[1],))
    parts = [F.cross_entropy(one, labels) for one in logits]
    torch.testing.assert_close(run.recipe.loss(judged, labels), parts[0] + 0.3 * parts[1])
    run.export("onnx", tmp_path / "net.onnx")
    graph = onnx.load(tmp_path / "net.onnx").graph
    sizes = [list(weights.dims) for weights in graph.initializer]
    assert [16, 64] in [list(p.shape) for p in run.module.auxiliaries.parameters()] and [16, 64] not in sizes
    pixels = torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8)
    (exported,) = onnxruntime.InferenceSession(tmp_path / "net.onnx").run(None, {"pixels": pixels.numpy()})
    with torch.no_grad():
        ours = run.module.eval()(run.preprocess(pixels)).softmax(1).numpy()
    np.testing.assert_allclose(exported, ours, atol=1e-5)


def test_other_weights_replace_all_heads_and_options_that_do_not_fit_are_named(tmp_path):
    source = deepcanon.train("inception", out=tmp_path / "source", steps=2, **SMALL)
    few = torch.randint(0, 256, (40, 1, 8, 8), dtype=torch.uint8)
    run = deepcanon.train(
        "inception", out=tmp_path / "run", steps=1, freeze=("stem", "stages"), init_from=str(tmp_path / "source"),
        **{**SMALL, "data": (few, ["a", "b"] * 20)},
    )  # fmt: skip
    assert torch.equal(run.module.stem.convolution.weight, source.module.stem.convolution.weight)
    assert run.module.auxiliaries[0].output.weight.shape == (2, 16)
    with pytest.raises(UsageError, match="--widths: a block of 20 maps"):
        deepcanon.train("inception", out=tmp_path / "no", steps=1, widths=(20,), **SMALL)
    with pytest.raises(UsageError, match="too small for 4 poolings"):
        deepcanon.train("inception", out=tmp_path / "no", steps=1, widths=(16, 16, 16, 16), **SMALL)
