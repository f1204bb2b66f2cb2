"""The ImageNet form has torchvision's names and shapes: the list is written down here, not derived from the module."""

import pytest
import safetensors.torch
import torch

import deepcanon
from deepcanon.errors import UsageError
from deepcanon.vision import ResNet

BASIC = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
NORM = ("weight", "bias", "running_mean", "running_var")


def normalisation(name, channels):
    return {**{f"{name}.{kind}": (channels,) for kind in NORM}, f"{name}.num_batches_tracked": ()}


def published(depth):
    """Names and shapes of torchvision's resnet18, resnet34 and resnet50."""
    keys = {"conv1.weight": (64, 3, 7, 7), **normalisation("bn1", 64)}
    inputs = 64
    for layer, (blocks, filters) in enumerate(zip(BASIC.get(depth, BASIC[34]), (64, 128, 256, 512), strict=True), 1):
        outputs = filters if depth in BASIC else 4 * filters
        for block in range(blocks):
            name = f"layer{layer}.{block}"
            if depth in BASIC:
                shapes = ((filters, inputs, 3, 3), (filters, filters, 3, 3))
            else:
                shapes = ((filters, inputs, 1, 1), (filters, filters, 3, 3), (outputs, filters, 1, 1))
            for number, shape in enumerate(shapes, 1):
                keys[f"{name}.conv{number}.weight"] = shape
                keys |= normalisation(f"{name}.bn{number}", shape[0])
            if block == 0 and inputs != outputs:
                keys[f"{name}.downsample.0.weight"] = (outputs, inputs, 1, 1)
                keys |= normalisation(f"{name}.downsample.1", outputs)
            inputs = outputs
    return {**keys, "fc.weight": (1000, inputs), "fc.bias": (1000,)}


SAMPLE = {  # written out from torchvision's resnet18 and resnet50
    18: {
        "layer1.0.conv1.weight": (64, 64, 3, 3), "layer1.1.bn2.running_var": (64,),
        "layer2.0.conv1.weight": (128, 64, 3, 3), "layer2.0.downsample.0.weight": (128, 64, 1, 1),
        "layer2.0.downsample.1.num_batches_tracked": (), "layer4.1.conv2.weight": (512, 512, 3, 3),
        "fc.weight": (1000, 512),
    },
    50: {
        "layer1.0.conv3.weight": (256, 64, 1, 1), "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer3.5.conv2.weight": (256, 256, 3, 3), "layer4.0.downsample.1.running_mean": (2048,),
        "layer4.2.bn3.weight": (2048,), "fc.weight": (1000, 2048),
    },
}  # fmt: skip


COUNTS = {18: (11_689_512, 122), 34: (21_797_672, 218), 50: (25_557_032, 320)}
"""Parameters, and entries of the state dict."""


@pytest.mark.parametrize("depth", COUNTS)
def test_names_shapes_and_counts_are_torchvisions(depth):
    parameters, keys = COUNTS[depth]
    with torch.device("meta"):
        net = ResNet.imagenet(depth)
    found, expected = {name: tuple(value.shape) for name, value in net.state_dict().items()}, published(depth)
    assert found == expected and len(found) == keys
    assert SAMPLE.get(depth, {}).items() <= found.items()
    assert sum(p.numel() for p in net.parameters()) == parameters


def weights(**options):
    torch.manual_seed(4)
    net = ResNet.imagenet(18, width=4, classes=7, **options)
    for value in net.state_dict().values():
        if value.is_floating_point():
            value.normal_().abs_()
    return net


def test_a_state_dict_loads_also_one_of_old_files_without_counts():
    """Files made before the counts were kept lack `num_batches_tracked`; torch's own layer accepts them."""
    theirs, ours = weights(), ResNet.imagenet(18, width=4, classes=7)
    old = {name: value for name, value in theirs.state_dict().items() if "num_batches" not in name}
    ours.load_state_dict(old)
    x = torch.randn(2, 3, 40, 40)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))
    del old["bn1.running_mean"]
    with pytest.raises(RuntimeError, match=r"Missing key.*bn1.running_mean"):
        ours.load_state_dict(old)


@pytest.mark.parametrize("old", [False, True])
def test_a_training_begins_with_a_file_of_published_names(tmp_path, old):
    state = {n: v.contiguous() for n, v in weights().state_dict().items() if not (old and "num_batches" in n)}
    safetensors.torch.save_file(state, tmp_path / "w.safetensors")
    given = {"form": "imagenet", "depth": 18, "width": 4, "channels": 3, "size": 32, "batch": 16, "quiet": True}
    run = deepcanon.train(
        "resnet", data="digits", out=tmp_path / "run", steps=1, threads=1, precision="fp32",
        init_from=str(tmp_path / "w.safetensors"), freeze=("conv1", "bn1", "layer1"), learning_rate=1e-9, **given,
    )  # fmt: skip
    found = run.module.state_dict()
    for name in ("conv1.weight", "bn1.running_mean", "layer1.1.bn2.running_var", "layer1.0.conv2.weight"):
        assert torch.equal(found[name], state[name]), name
    torch.testing.assert_close(found["layer4.0.downsample.0.weight"], state["layer4.0.downsample.0.weight"])
    assert found["fc.weight"].shape == (10, 32)
    broken = tmp_path / "broken.safetensors"
    safetensors.torch.save_file({n: v for n, v in state.items() if n != "layer2.0.conv1.weight"}, broken)
    with pytest.raises(UsageError, match=r"layer2\.0\.conv1\.weight is not there"):
        deepcanon.train("resnet", data="digits", out=tmp_path / "no", steps=1, init_from=str(broken), **given)
