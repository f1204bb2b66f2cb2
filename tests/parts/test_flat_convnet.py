"""Steps of convolutional networks by hand: autograd's gradients in float64, its accuracy in bf16, the oracle's loss."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from oracles import convnet as oracle
from torch import nn

from deepcanon.parts.flat_convnet import FlatConvNet
from deepcanon.vision import ConvNet

NETS = {  # image channels, size, filters, kernel, smoothing, batch
    "few filters": (1, (28, 28), (6, 16), 5, 0.0, 8),
    "many filters": (1, (28, 28), (32, 64), 3, 0.1, 5),
    "odd sizes, three convolutions": (3, (17, 13), (3, 5, 7), 3, 0.0, 6),
    "one convolution": (2, (9, 8), (17,), 3, 0.3, 3),
    "filters of one pixel": (1, (8, 8), (4, 20), 1, 0.0, 4),
    "one image": (1, (12, 10), (16, 4), 5, 0.0, 1),
}


def made(name, dtype=torch.float64, dropout=0.0):
    torch.manual_seed(0)
    channels, size, filters, kernel, smoothing, batch = NETS[name]
    net = ConvNet(channels, 4, size=size, channels=filters, kernel_size=kernel, hidden=9, dropout=dropout, dtype=dtype)
    return net, torch.randn(batch, channels, *size, dtype=dtype), torch.randint(4, (batch,)), smoothing


def gradients(net):
    return [parameter.grad.clone() for parameter in net.parameters()]


def by_autograd(net, x, labels, smoothing, autocast=False):
    net.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        logits = net(x)
    wide = torch.promote_types(logits.dtype, torch.float32)
    loss = F.cross_entropy(logits.to(wide), labels, label_smoothing=smoothing)
    loss.backward()
    return loss.detach(), gradients(net)


@pytest.mark.parametrize("name", NETS)
def test_loss_and_gradients_are_autograds(name):
    net, x, labels, smoothing = made(name)
    expected = [by_autograd(net, rows, labels, smoothing) for rows in (x, x.flip(0), x)]
    flat = FlatConvNet(*net.layers)
    for rows, (loss, slopes) in zip((x, x.flip(0), x), expected, strict=True):  # buffers are used again
        torch.testing.assert_close(flat.gradient(rows, labels, smoothing), loss, atol=1e-12, rtol=1e-12)
        for ours, theirs in zip(gradients(net), slopes, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-12)


def test_the_loss_is_the_oracles():
    net, x, labels, _ = made("many filters")
    params = {name: value.numpy() for name, value in net.state_dict().items()}
    z = oracle.logits(params, x.numpy())
    logs = z - np.log(np.exp(z).sum(1, keepdims=True))
    np.testing.assert_allclose(FlatConvNet(*net.layers).gradient(x, labels).item(),
                               -logs[np.arange(len(x)), labels.numpy()].mean(), rtol=1e-12)  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_in_bf16_the_gradient_is_as_near_to_the_true_one_as_autocasts(name):
    net, x, labels, smoothing = made(name, torch.float32)
    truth = by_autograd(net.double(), x.double(), labels, smoothing)[1]
    net.float()
    _, theirs = by_autograd(net, x.contiguous(memory_format=torch.channels_last), labels, smoothing, autocast=True)
    FlatConvNet(*net.layers, dtype=torch.bfloat16).gradient(x, labels, smoothing)

    def error(found):
        pairs = list(zip(found, truth, strict=True))
        return (sum((a - b).square().sum() for a, b in pairs) / sum(b.square().sum() for _, b in pairs)) ** 0.5

    assert error(gradients(net)) < 1.5 * error(theirs) + 1e-3


def test_other_shapes_and_other_memory_are_seen():
    net, x, labels, _ = made("few filters")
    flat = FlatConvNet(*net.layers)
    flat.gradient(x, labels)
    expected = by_autograd(net, x[:3], labels[:3], 0.0)[1]
    flat.places = []  # autograd's gradients stand in other memory now
    flat.gradient(x[:3], labels[:3])
    for ours, theirs in zip(gradients(net), expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-12)
    net.float()
    flat.gradient(x.float(), labels)
    assert flat.vector.dtype == torch.float32 and net.hidden.weight.data_ptr() in flat.places


def test_dropout_is_that_of_the_module():
    net, x, labels, _ = made("many filters", dropout=0.4)
    torch.manual_seed(5)
    loss, slopes = by_autograd(net, x, labels, 0.0)
    flat = FlatConvNet(*net.layers)
    torch.manual_seed(5)
    torch.testing.assert_close(flat.gradient(x, labels), loss, atol=1e-12, rtol=1e-12)
    for ours, theirs in zip(gradients(net), slopes, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-12)
    assert flat.gradient(x, labels) != flat.gradient(x, labels)
    net.eval()
    assert flat.gradient(x, labels) == flat.gradient(x, labels)


@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_steps_are_the_optimizers(weight_decay):
    nets = [made("few filters") for _ in range(2)]
    optimizers = [torch.optim.AdamW(net.parameters(), 0.01, weight_decay=weight_decay, fused=True)
                  for net, *_ in nets]  # fmt: skip
    (plain, x, labels, _), (net, *_) = nets
    flat = FlatConvNet(*net.layers)
    for step in range(6):
        by_autograd(plain, x, labels, 0.0)
        optimizers[0].step()
        flat.gradient(x, labels)
        flat.step(optimizers[1])
        if step == 2:  # a checkpoint that is restored
            net.load_state_dict({name: value.clone() for name, value in net.state_dict().items()})
            optimizers[1].load_state_dict(optimizers[1].state_dict())
    for ours, theirs in zip(net.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-10)
    assert list(net.state_dict()) == list(plain.state_dict())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("index", range(4))
def test_a_weight_that_is_not_a_number_makes_the_loss_none(index, sign, dtype):
    net, x, labels, _ = made("few filters", torch.float64 if dtype == torch.float64 else torch.float32)
    flat = FlatConvNet(*net.layers, dtype=dtype)
    with torch.no_grad():
        flat.parameters[index].view(-1)[3] = torch.tensor(float("nan")).copysign(torch.tensor(float(sign)))
    assert flat.gradient(x, labels).isnan()


def test_what_it_does_not_know_is_refused():
    convolution, hidden, output = nn.Conv2d(1, 2, 3, padding=1), nn.Linear(8, 3), nn.Linear(3, 2)
    for other in (nn.Conv2d(1, 2, 3), nn.Conv2d(1, 2, 4, padding=2), nn.Conv2d(1, 2, 3, 2, 1), nn.Linear(1, 2)):
        with pytest.raises(ValueError, match="an odd kernel that keeps the size"):
            FlatConvNet([other], hidden, output)
    with pytest.raises(ValueError, match="a bias in every layer"):
        FlatConvNet([nn.Conv2d(1, 2, 3, padding=1, bias=False)], hidden, output)
    with pytest.raises(ValueError, match="at least one convolution"):
        FlatConvNet([], hidden, output)
    flat = FlatConvNet([convolution], hidden, output)
    with pytest.raises(ValueError, match="do not fit"):
        flat.gradient(torch.zeros(2, 3, 4, 4), torch.zeros(2, dtype=torch.long))
    with pytest.raises(ValueError, match="do not fit"):
        flat.gradient(torch.zeros(2, 1, 8, 8), torch.zeros(2, dtype=torch.long))
    with pytest.raises(ValueError, match=r"no steps by hand in torch\.float16"):
        FlatConvNet([convolution], hidden, output, dtype=torch.float16).gradient(
            torch.zeros(2, 1, 4, 4), torch.zeros(2, dtype=torch.long)
        )
