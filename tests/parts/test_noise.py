import pytest
import torch

from deepcanon.parts.noise import normal, uniform


@pytest.mark.parametrize(("drawn", "draw"), [(uniform, torch.rand), (normal, torch.randn)])
def test_numbers_of_a_generator_of_the_cpu_are_the_same_wherever_the_tensor_lies(drawn, draw):
    here = torch.zeros(2, dtype=torch.float64)
    expected = draw(4, 3, generator=torch.Generator().manual_seed(5))
    assert torch.equal(drawn((4, 3), here, torch.Generator().manual_seed(5)), expected)
    there = drawn((4, 3), torch.zeros(2, device="meta"), torch.Generator().manual_seed(5))
    assert there.device.type == "meta" and there.shape == (4, 3) and there.dtype == torch.float32
    wide = drawn((4, 3), here, torch.Generator().manual_seed(5), torch.float64)
    assert torch.equal(wide, draw(4, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64))


@pytest.mark.parametrize("drawn", [uniform, normal])
def test_without_a_generator_the_tensors_own_device_draws(drawn):
    torch.manual_seed(1)
    first = drawn((5,), torch.zeros(()))
    torch.manual_seed(1)
    assert torch.equal(first, drawn((5,), torch.zeros(())))
    assert drawn((5,), torch.zeros((), device="meta")).device.type == "meta"
