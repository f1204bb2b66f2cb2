"""The LeNet-class network: batch normalisation in training, augmentation, sizes, and what a plain kernel computes."""

import numpy as np
import pytest
import torch
from oracles import convnet as oracle
from torch import nn

from deepcanon.parts.augment import flip_images, shift_images
from deepcanon.parts.batch_norm import BatchNorm2d
from deepcanon.vision import ConvNet


def as_numpy(module):
    return {name: value.double().numpy() for name, value in module.state_dict().items()}


def test_training_with_batch_norm_equals_the_oracle():
    torch.manual_seed(0)
    net = ConvNet(1, 3, size=(8, 8), channels=(3, 4), hidden=5, batch_norm=True, dtype=torch.float64)
    x = torch.randn(4, 1, 8, 8, dtype=torch.float64)
    expected = oracle.logits(as_numpy(net), x.numpy(), training=True)
    np.testing.assert_allclose(net.train()(x).detach().numpy(), expected, atol=1e-12)


def test_gradient_equals_finite_differences_of_the_oracle():
    torch.manual_seed(1)
    net = ConvNet(1, 2, size=(4, 4), channels=(2, 2), hidden=3, dtype=torch.float64)
    x = torch.randn(2, 1, 4, 4, dtype=torch.float64)
    weights = torch.randn(2, 2, dtype=torch.float64)
    (net(x) * weights).sum().backward()
    params = {name: value.copy() for name, value in as_numpy(net).items()}
    for name, parameter in net.named_parameters():
        array, numerical = params[name], np.zeros(parameter.shape)
        for index in np.ndindex(array.shape):
            values = []
            for step in (1e-6, -1e-6):
                array[index] += step
                values.append((oracle.logits(params, x.numpy()) * weights.numpy()).sum())
                array[index] -= step
            numerical[index] = (values[0] - values[1]) / 2e-6
        np.testing.assert_allclose(parameter.grad.numpy(), numerical, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_channels_last_gives_the_oracles_logits_and_the_gradients_of_channels_first(batch_norm):
    torch.manual_seed(2)
    net = ConvNet(2, 3, size=(9, 8), channels=(3, 4), hidden=5, batch_norm=batch_norm, dtype=torch.float64).train()
    x, results = torch.randn(4, 2, 9, 8, dtype=torch.float64), []
    expected = oracle.logits(as_numpy(net), x.numpy(), training=True)
    for layout in (torch.contiguous_format, torch.channels_last):
        net.to(memory_format=layout)
        net.zero_grad()
        outputs = net(x.contiguous(memory_format=layout))
        np.testing.assert_allclose(outputs.detach().numpy(), expected, atol=1e-12)
        outputs.square().sum().backward()
        results.append([parameter.grad.clone() for parameter in net.parameters()])
    for mine, other in zip(*results, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-12, rtol=1e-12)


def test_one_convolution_block_is_torchs_own():
    net = ConvNet(3, 5, size=(12, 12), channels=(4, 6), kernel_size=5, hidden=7)
    plain = nn.Sequential(
        nn.Conv2d(3, 4, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 5, padding=2), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(54, 7), nn.ReLU(), nn.Linear(7, 5),
    )  # fmt: skip
    plain.load_state_dict(dict(zip(plain.state_dict(), net.state_dict().values(), strict=True)))
    x = torch.randn(2, 3, 12, 12)
    torch.testing.assert_close(net(x), plain(x))


def test_parameter_count_of_the_28_x_28_network():
    net = ConvNet(1, 10, channels=(32, 64), hidden=128)
    assert sum(p.numel() for p in net.parameters()) == 320 + 18_496 + 64 * 49 * 128 + 128 + 1_290


@pytest.mark.parametrize("size", [(4, 4), (8, 8), (28, 28), (31, 45), (64, 64), (300, 200)])
def test_every_size_is_served_and_the_hidden_layer_stays_small(size):
    net = ConvNet(3, 2, size=size, channels=(4, 5), hidden=6).eval()
    assert net(torch.randn(1, 3, *size)).shape == (1, 2)
    assert net.features(torch.randn(1, 3, *size)).shape == (1, 6)
    assert net.hidden.in_features <= 5 * 49


def test_wrong_sizes_are_named():
    with pytest.raises(ValueError, match="3 x 9 are too small for 2 poolings"):
        ConvNet(1, 2, size=(3, 9))
    with pytest.raises(ValueError, match="even kernel"):
        ConvNet(1, 2, kernel_size=4)
    with pytest.raises(ValueError, match=r"expected \[batch, 1, 28, 28\] images, got \(2, 3, 28, 28\)"):
        ConvNet(1, 2)(torch.zeros(2, 3, 28, 28))


def test_shift_equals_the_oracle_and_keeps_bytes():
    rng = np.random.default_rng(0)
    images, offsets = rng.integers(256, size=(9, 2, 5, 7)).astype(np.uint8), rng.integers(-3, 4, size=(9, 2))
    ours = shift_images(torch.from_numpy(images), torch.from_numpy(offsets))
    assert ours.dtype == torch.uint8
    np.testing.assert_array_equal(ours.numpy(), oracle.shift(images, offsets))


def test_flip_mirrors_the_chosen_images_only():
    images = torch.arange(12).reshape(2, 1, 2, 3)
    flipped = flip_images(images, torch.tensor([True, False]))
    assert flipped[0, 0].tolist() == [[2, 1, 0], [5, 4, 3]]
    assert torch.equal(flipped[1], images[1])


def twins(channels=5):
    torch.manual_seed(3)
    ours, theirs = BatchNorm2d(channels, dtype=torch.float64), nn.BatchNorm2d(channels, dtype=torch.float64)
    for parameter in ours.parameters():
        nn.init.normal_(parameter)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def test_batch_norm_equals_torch_on_values_gradients_and_buffers():
    ours, theirs = twins()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for _ in range(3):
        x = torch.randn(4, 5, 3, 2, dtype=torch.float64)
        weights = torch.randn_like(x)
        results = []
        for module in (ours, theirs):
            module.zero_grad()
            inputs = x.clone().requires_grad_()
            y = module(inputs)
            (y * weights).sum().backward()
            results.append([y, inputs.grad, module.weight.grad, module.bias.grad, *module.state_dict().values()])
        for mine, other in zip(*results, strict=True):
            torch.testing.assert_close(mine, other, atol=1e-12, rtol=0)
    ours.eval(), theirs.eval()
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours(x)[:1], ours(x[:1]))


def test_running_values_are_the_mean_and_the_unbiased_variance():
    module, x = BatchNorm2d(2, momentum=1.0, dtype=torch.float64), torch.randn(3, 2, 2, 2, dtype=torch.float64)
    _, mean, unbiased = oracle.batch_normalise(x.numpy(), np.ones(2), np.zeros(2))
    module(x)
    np.testing.assert_allclose(module.running_mean.numpy(), mean, atol=1e-12)
    np.testing.assert_allclose(module.running_var.numpy(), unbiased, atol=1e-12)
