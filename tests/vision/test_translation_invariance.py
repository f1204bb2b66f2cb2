"""Shifts: exact at stride 1, aliasing at odd shifts of a stride, what pooling and a blur change; the experiment."""

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

import deepcanon
from deepcanon.data.splits import Split
from deepcanon.errors import UsageError
from deepcanon.techniques.shifts import aliasing, shifted_accuracies
from deepcanon.vision import Subsampled, circular_convolution, shift_error


def drawn(*shape):
    return torch.from_numpy(np.random.default_rng(0).integers(-9, 10, shape)).double()  # sums have no rounding


@pytest.mark.parametrize("shift", [(0, 1), (3, 0), (-2, 5), (7, 9)])
def test_a_circular_convolution_commutes_with_every_shift_bit_for_bit(shift):
    images, weight, bias = drawn(2, 3, 7, 9), drawn(4, 3, 5, 5), drawn(4)
    moved = circular_convolution(images.roll(shift, (2, 3)), weight, bias)
    assert torch.equal(moved, circular_convolution(images, weight, bias).roll(shift, (2, 3)))


@pytest.mark.parametrize("stride", [2, 3, 4])
def test_with_a_stride_it_does_where_the_stride_divides_the_shift_and_nowhere_else(stride):
    images, weight, bias = drawn(2, 3, 12, 12), drawn(4, 3, 3, 3), drawn(4)

    def layer(x):
        return circular_convolution(x, weight, bias, stride)

    for shift in range(13):
        moved, still = layer(images.roll(shift, 3)), layer(images)
        equal = [torch.equal(moved, still.roll(step, 3)) for step in range(still.shape[3])]
        assert any(equal) == (shift % stride == 0)
        assert (float(shift_error(layer, images, shift)) == 0) == (shift % stride == 0)


def test_a_zero_border_breaks_what_a_circular_one_keeps():
    images, weight = drawn(2, 3, 8, 8), drawn(4, 3, 3, 3)

    def padded(x):
        return torch.nn.functional.conv2d(x, weight, padding=1)

    assert shift_error(padded, images, 1) > 0.05


def test_the_mean_of_the_maps_is_invariant_at_stride_1_only():
    torch.manual_seed(0)
    images = torch.randn(4, 1, 8, 8, dtype=torch.float64)
    for stride, differ in ((1, False), (2, True)):
        layer = Subsampled(1, 6, stride=stride, dtype=torch.float64)
        means = [layer(images.roll(shift, 3)).detach().mean((2, 3)) for shift in (0, 1)]
        assert (float((means[0] - means[1]).abs().max()) > 1e-3) == differ


def test_a_blur_makes_aliasing_smaller_but_not_zero_and_pooling_has_it_too():
    smooth = torch.randn(8, 1, 16, 16, generator=torch.Generator().manual_seed(1)).cumsum(2).cumsum(3)
    errors = aliasing(smooth, 3)
    assert max(errors["1"]) < 1e-12 and max(values[2] for values in errors.values()) < 1e-12
    assert errors["2"][1] > 1.5 * errors["2, blurred"][1] > 1e-3 and errors["2, the largest"][1] > 1e-3


class Finder:
    """A trained run that finds the column of a bright pixel."""

    module = torch.nn.Identity()

    def __init__(self, split):
        self.recipe = self.run = self
        self.data, self.autocast = {"test": split}, torch.no_grad

    def classifier(self, images):
        return images[:, 0].float().sum(1)


def test_images_move_in_all_four_directions_in_turn():
    images = torch.zeros(8, 1, 9, 9, dtype=torch.uint8)
    images[:, :, 4, 4] = 255
    split = Split(images, torch.full((8,), 4))
    assert shifted_accuracies(Finder(split), 2) == [1.0, 0.5, 0.5]  # up and down leave the column as it is


def test_the_experiment_tells_what_each_arm_lost(tmp_path):
    run = deepcanon.train("translation-invariance", preset="smoke", out=tmp_path / "run", threads=1, quiet=True)
    recipe = run.recipe
    assert [result["arm"] for result in recipe.comparison.results] == ["mlp", "convnet", "network_in_network"]
    assert all(len(result["shifted"]) == 3 for result in recipe.comparison.results)
    for place, result in enumerate(recipe.comparison.results):
        assert result["shifted"][0] == pytest.approx(result["test"], abs=1e-6)  # a shift by 0 is the test itself
        result["shifted"] = [0.9, 0.9 - 0.1 * place, 0.1]
    found = recipe.findings()
    lost = [found[f"{arm}_lost"] for arm in ("mlp", "convnet", "network_in_network")]
    assert lost == pytest.approx([0.0, 0.1, 0.2])
    assert found["even"] < 1e-12 < found["odd_blurred"] < found["odd"]
    assert {"accuracy-by-shift", "aliasing"} <= set(recipe.figures())


def test_shifts_that_leave_nothing_are_refused(tmp_path):
    for wrong, words in (({"judged": 5}, "--judged 5"), ({"shifts": 8}, "--shifts 8 leaves nothing")):
        with pytest.raises(UsageError, match=words):
            deepcanon.train("translation-invariance", preset="smoke", out=tmp_path / "no", quiet=True, **wrong)
    with pytest.raises(ValueError, match="even or larger"):
        circular_convolution(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 5, 5), torch.zeros(1))
    with pytest.raises((ValueError, TypeCheckError), match="channels"):
        circular_convolution(torch.zeros(1, 2, 4, 4), torch.zeros(1, 1, 3, 3), torch.zeros(1))
