"""Residual networks: the identity, both shortcuts, torchvision's names and counts, sizes, and planted mistakes."""

import numpy as np
import pytest
import torch
from oracles import resnet as oracle
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from deepcanon.vision import ResidualBlock, ResNet, zero_padded


def count(net):
    return sum(p.numel() for p in net.parameters())


# The identity


@pytest.mark.parametrize("bottleneck", [False, True])
def test_a_zeroed_branch_gives_exactly_the_relu_of_the_input(bottleneck):
    torch.manual_seed(0)
    block = ResidualBlock(8, 2 if bottleneck else 8, bottleneck=bottleneck)
    last = block.bn3 if bottleneck else block.bn2
    nn.init.zeros_(last.weight)
    x = torch.randn(4, 8, 5, 5)
    for mode in (True, False):
        assert torch.equal(block.train(mode)(x), x.relu())


def test_a_zeroed_branch_where_shapes_change_gives_the_relu_of_the_shortcut():
    torch.manual_seed(0)
    x = torch.randn(4, 3, 7, 6)
    for shortcut in ("A", "B"):
        block = ResidualBlock(3, 5, stride=2, shortcut=shortcut).eval()
        nn.init.zeros_(block.bn2.weight)
        short = zero_padded(x, 5, 2) if shortcut == "A" else block.downsample(x)
        assert torch.equal(block(x), short.relu())
    plain = ResidualBlock(3, 3, shortcut="none")
    nn.init.zeros_(plain.bn2.weight)
    assert not plain(x).any()


def test_the_relu_follows_the_addition():
    """x + relu(F(x)), the common misreading, never falls below its input; the paper's block does."""
    torch.manual_seed(1)
    block, x = ResidualBlock(4, 4), torch.rand(3, 4, 6, 6)
    assert (block(x) < x).any()
    assert not (x + block.residual(x).relu() < x).any()


def test_the_last_scale_starts_at_one_as_in_the_paper():
    net = ResNet.cifar(20)
    assert all(bool((m.bn2.weight == 1).all()) for m in net.modules() if isinstance(m, ResidualBlock))
    assert not any(m.bias is not None for m in net.modules() if isinstance(m, nn.Conv2d))


def test_the_input_of_a_block_is_left_as_it_was():
    """The block works in place, on values of its own only."""
    for options in ({}, {"shortcut": "B", "stride": 2}, {"stride": 2}, {"shortcut": "none"}):
        block, x = ResidualBlock(4, 4, **options), torch.randn(2, 4, 6, 6)
        before = x.clone()
        block(x)
        assert torch.equal(x, before)


# Numbers


@pytest.mark.parametrize("shortcut", ["A", "B", "none"])
def test_training_equals_the_oracle_whatever_the_layout(shortcut):
    torch.manual_seed(2)
    net = ResNet.cifar(8, 2, 3, width=3, shortcut=shortcut).double()
    x, gradients = torch.randn(4, 2, 7, 8, dtype=torch.float64), []
    params = {name: value.double().numpy() for name, value in net.state_dict().items()}
    expected = oracle.logits(params, x.numpy(), residual=shortcut != "none", training=True)
    for layout in (torch.contiguous_format, torch.channels_last):
        net.to(memory_format=layout).zero_grad()
        outputs = net(x.contiguous(memory_format=layout))
        np.testing.assert_allclose(outputs.detach().numpy(), expected, atol=1e-12)
        outputs.square().sum().backward()
        gradients.append([p.grad.clone() for p in net.parameters()])
    for mine, other in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-10, rtol=1e-10)


def test_both_places_of_the_stride_equal_the_oracle_and_differ():
    found = []
    for place in ("3x3", "1x1"):
        torch.manual_seed(3)
        net = ResNet(2, 3, blocks=(1, 1), width=2, bottleneck=True, shortcut="B", stride_at=place).double().eval()
        x = torch.randn(2, 2, 8, 8, dtype=torch.float64)
        params = {name: value.numpy() for name, value in net.state_dict().items()}
        found.append(net(x).detach().numpy())
        np.testing.assert_allclose(found[-1], oracle.logits(params, x.numpy(), stride_at=place), atol=1e-12)
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_features_are_the_averaged_maps():
    net, x = ResNet.cifar(8, width=2).eval(), torch.randn(2, 3, 12, 9)
    assert torch.equal(net.features(x), net.maps(x).mean((2, 3)))
    assert torch.equal(net(x), net.fc(net.features(x)))


# Sizes


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_parameters_of_the_cifar_form_are_those_of_the_papers_table_6(depth, millions):
    net = ResNet.cifar(depth)
    assert round(count(net) / 1e6, 1 if millions > 1 else 2) == millions
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth


def test_a_shortcut_of_zeros_has_no_parameters():
    """Equal parameters with and without it: the comparison of depths is fair."""
    assert count(ResNet.cifar(20)) == count(ResNet.cifar(20, shortcut="none")) == 269_722
    assert count(ResNet.cifar(20, shortcut="B")) - 269_722 == 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64


@pytest.mark.parametrize(("side", "cifar", "imagenet"), [(8, 2, 1), (28, 7, 1), (32, 8, 1), (33, 9, 2), (224, 56, 7)])
def test_the_last_maps_of_every_size(side, cifar, imagenet):
    with torch.no_grad():
        x = torch.zeros(1, 1, side, side)
        assert ResNet.cifar(8, 1, width=1).eval().maps(x).shape[2:] == (cifar, cifar)
        assert ResNet.imagenet(18, 1, width=1).eval().maps(x).shape[2:] == (imagenet, imagenet)


class Convolutions(TorchDispatchMode):
    """Kernel and stride of each convolution that torch is asked for, forward and backward."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function)
        if name.startswith("aten.convolution"):
            weight, stride = (args[2], args[4]) if "backward" in name else (args[1], args[3])
            asked.append((tuple(weight.shape[2:]), tuple(stride)))
        return function(*args, **(kwargs or {}))


asked = []


@pytest.mark.parametrize("stride_at", ["1x1", "3x3"])
def test_no_kernel_is_asked_for_1x1_with_a_stride(stride_at):
    """The one of oneDNN writes outside its memory where channels are few; every other pixel gives the same numbers."""
    block = ResidualBlock(4, 4, stride=2, bottleneck=True, shortcut="B", stride_at=stride_at)
    images = torch.randn(2, 4, 8, 8).contiguous(memory_format=torch.channels_last)
    asked.clear()
    with Convolutions():
        block(images).sum().backward()
    assert len(asked) == 8 and ((1, 1), (2, 2)) not in asked
    (projection, _), plain = block.downsample, nn.Conv2d(4, 16, 1, 2, bias=False)
    plain.load_state_dict(projection.state_dict())
    torch.testing.assert_close(projection(images), plain(images))


def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"6 n \+ 2 layers .*, not 18"):
        ResNet.cifar(18)
    with pytest.raises(ValueError, match="18, 34 or 50 layers, not 20"):
        ResNet.imagenet(20)
    with pytest.raises(ValueError, match=r"every stage needs a block, \(2, 0\)"):
        ResNet(1, 2, blocks=(2, 0))
    with pytest.raises(ValueError, match=r"expected \[batch, 3, height, width\] images, got \(2, 1, 8, 8\)"):
        ResNet.cifar(8)(torch.zeros(2, 1, 8, 8))
    with pytest.raises(ValueError, match=r"\(1, 4, 2, 2\) cannot be padded to 3 channels"):
        zero_padded(torch.zeros(1, 4, 2, 2), 3)
