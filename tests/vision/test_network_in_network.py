"""Network in Network: 1 x 1 convolutions are linear layers of pixels, nonlinear between, and one map is one class."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepcanon.vision import MlpConv, NetworkInNetwork


def test_a_1x1_convolution_is_the_same_linear_layer_at_every_pixel_bit_for_bit_in_whole_numbers():
    torch.manual_seed(0)
    block = MlpConv(3, (4, 5, 2), kernel_size=1, dtype=torch.float64)
    layer = block.layers[1].convolution
    with torch.no_grad():
        layer.weight.copy_(torch.randint(-9, 10, layer.weight.shape))  # sums of whole numbers have no rounding
        layer.bias.copy_(torch.randint(-9, 10, layer.bias.shape))
    maps = torch.randint(-9, 10, (2, 4, 6, 5)).double()
    rows = F.linear(maps.permute(0, 2, 3, 1), layer.weight[:, :, 0, 0], layer.bias)
    assert torch.equal(layer(maps), rows.permute(0, 3, 1, 2))


def test_the_features_are_the_mean_of_the_maps_before_those_of_the_classes():
    torch.manual_seed(4)
    net, images = NetworkInNetwork(1, 3, widths=(4, 5), kernel_size=3).eval(), torch.randn(2, 1, 9, 8)
    maps = F.max_pool2d(net.blocks[0](images), 3, 2, ceil_mode=True)
    first, second, last = net.output.layers
    torch.testing.assert_close(net.features(images), second(first(maps)).mean((2, 3)))
    torch.testing.assert_close(net(images), last(second(first(maps))).mean((2, 3)))


def test_units_are_dropped_between_blocks_in_training_only():
    torch.manual_seed(5)
    net, images = NetworkInNetwork(1, 3, widths=(4, 5), kernel_size=3, dropout=1.0), torch.randn(2, 1, 8, 8)
    bare = net.output(torch.zeros(2, 4, 4, 4))
    torch.testing.assert_close(net.class_maps(images), bare)
    assert (net.eval().class_maps(images) - bare).abs().max() > 1e-3


def one_convolution(block, side):
    """The three layers as one k x k convolution, as if there were no nonlinearity."""
    first, second, third = (layer.convolution.weight for layer in block.layers)
    product = third[:, :, 0, 0] @ second[:, :, 0, 0] @ first.flatten(1)
    return product.view(len(third), first.shape[1], side, side)


def test_there_is_a_nonlinearity_after_each_layer():
    torch.manual_seed(1)
    block, maps = MlpConv(2, (6, 6, 3), kernel_size=3), torch.randn(4, 2, 8, 8)
    merged = F.conv2d(maps, one_convolution(block, 3), padding=1)
    assert (block(maps) >= 0).all()
    assert (block(maps) - F.relu(merged)).abs().max() > 0.1  # a ReLU at the end only would agree
    with torch.no_grad():
        for layer in block.layers:
            layer.convolution.weight.abs_()
    bright = maps.abs()  # where nothing is below zero, the three are one convolution
    torch.testing.assert_close(block(bright), F.conv2d(bright, one_convolution(block, 3), padding=1))


def test_logits_are_the_means_of_the_class_maps_and_have_no_weights():
    torch.manual_seed(2)
    net = NetworkInNetwork(1, 4, widths=(5, 6), kernel_size=3, batch_norm=True).eval()
    images = torch.randn(3, 1, 9, 12)
    maps = net.class_maps(images)
    assert maps.shape == (3, 4, 4, 6) and not any(isinstance(module, nn.Linear) for module in net.modules())
    np.testing.assert_allclose(net(images).detach(), maps.detach().numpy().mean((2, 3)), atol=1e-6)


def test_one_network_takes_images_of_any_size():
    net = NetworkInNetwork(3, 2, widths=(4, 4, 4), kernel_size=3)
    for size in ((4, 4), (8, 5), (28, 28), (31, 64)):
        assert net(torch.randn(1, 3, *size)).shape == (1, 2)


def test_parameter_counts_of_wide_blocks_and_of_the_preset():
    def count(net):
        return sum(parameter.numel() for parameter in net.parameters())

    wide = NetworkInNetwork(3, 10)
    blocks = (75 * 192 + 192) + (25 * 192 * 192 + 192) * 2 + (192 * 192 + 192) * 5 + 1930
    assert count(wide) == blocks
    preset = NetworkInNetwork(1, 10, widths=(32, 64, 128), kernel_size=3, batch_norm=True)
    assert count(preset) == 121_450 < 421_642


def test_wrong_sizes_are_named():
    with pytest.raises(ValueError, match="even kernel"):
        NetworkInNetwork(1, 2, kernel_size=4)
    with pytest.raises(ValueError, match="at least one block"):
        NetworkInNetwork(1, 2, widths=())
    with pytest.raises(ValueError, match=r"expected \[batch, 1, height, width\] images, got \(2, 3, 28, 28\)"):
        NetworkInNetwork(1, 2)(torch.zeros(2, 3, 28, 28))
    with pytest.raises(ValueError, match="3 x 9 are too small for 2 poolings"):
        NetworkInNetwork(1, 2)(torch.zeros(2, 1, 3, 9))
