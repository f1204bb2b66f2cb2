"""The loop by hand equals torch's kernels and backpropagation written out, and rows of a table equal their values."""

import jaxtyping
import pytest
import torch
from cases.recurrence_by_hand import Elman
from oracles import recurrence as oracle
from torch import nn

from deepcanon.parts.recurrence_by_hand import Rows, StepRule, recur


class TorchGRU(StepRule):
    """torch's form: the reset gate acts on the recurrent product, so that the candidate needs both products apart.

    a_t = [n of the input | r | z | n of the state].
    """

    input_blocks, hidden_blocks, kept = (1, 2, 0), (1, 2, 3), 1

    def forward(self, sums, hidden, memory, new_hidden, new_memory, kept):
        n_x, r, z, n_h = sums.blocks
        r.sigmoid_()
        z.sigmoid_()
        n = torch.tanh(n_x + r * n_h, out=kept[0])
        new_hidden.copy_((1 - z) * n + z * hidden)

    def backward(self, d_sums, d_hidden, d_memory, sums, hidden, memory, kept):
        (_, r, z, n_h), n = sums.blocks, kept[0]
        d_n = d_hidden * (1 - z) * (1 - n**2)
        parts = d_n, d_n * n_h * r * (1 - r), d_hidden * (hidden - n) * z * (1 - z), d_n * r
        torch.cat(parts, 1, out=d_sums.whole)
        return d_hidden * z


@pytest.mark.parametrize(("rule", "kernel"), [(Elman, nn.RNN), (TorchGRU, nn.GRU)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_loop_by_hand_equals_torchs_kernel_in_outputs_and_all_gradients(rule, kernel, dtype):
    module = kernel(5, 7, batch_first=True, dtype=dtype)
    x, h = torch.randn(3, 9, 5, dtype=dtype), torch.randn(3, 7, dtype=dtype)
    weight = torch.randn(3, 9, 7, dtype=dtype)
    parameters, results = list(module.parameters()), []
    for by_hand in (False, True):
        leaves = [value.clone().requires_grad_() for value in (x, h)]
        if by_hand:
            output, (last,) = recur(rule(), leaves[0], leaves[1:], *parameters)
        else:
            output, last = module(leaves[0], leaves[1][None])
            last = last[0]
        loss = (output * weight).sum() + (last**2).sum()
        results.append([output, last, *torch.autograd.grad(loss, [*leaves, *parameters])])
    tolerance = 1e-10 if dtype == torch.float64 else 2e-5
    for found, true in zip(*reversed(results), strict=True):
        assert found.dtype == dtype
        torch.testing.assert_close(found, true, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("rule", [Elman, TorchGRU])
def test_products_in_bf16_change_the_results_by_rounding_only_and_autocast_changes_nothing(rule):
    module = (nn.GRU if rule is TorchGRU else nn.RNN)(5, 16, batch_first=True)
    x, h = torch.randn(3, 9, 5, requires_grad=True), torch.zeros(3, 16)

    def result(products, autocast=False):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            output, (last,) = recur(rule(), x, (h,), *module.parameters(), products=products)
            loss = (output.float() ** 2).sum() + last.sum()
            return [output, last, *torch.autograd.grad(loss, [x, *module.parameters()])]

    exact, half = result(None), result(torch.bfloat16)
    assert half[0].dtype == torch.bfloat16 and half[1].dtype == exact[0].dtype == torch.float32
    for found, true in zip(half, exact, strict=True):
        assert ((found.float() - true).norm() / true.norm()).item() < 0.03
    for products, without in ((None, exact), (torch.bfloat16, half)):
        for found, true in zip(result(products, autocast=True), without, strict=True):
            assert torch.equal(found, true)


def test_what_the_derivative_needs_is_not_changed_by_who_writes_into_the_outputs():
    x, w_x, w_h = torch.randn(1, 3, 2), torch.randn(4, 2), torch.randn(4, 4, requires_grad=True)
    zero = torch.zeros(4)
    gradients = []
    for spoiled in (False, True):
        output, (last,) = recur(Elman(), x, (torch.zeros(1, 4),), w_x, w_h, zero, zero)
        loss = output.sum() + last.sum()
        if spoiled:
            output.data.zero_()
            last.data.zero_()
        gradients += torch.autograd.grad(loss, w_h)
    assert torch.equal(*gradients)


def test_gradients_equal_backpropagation_through_time_written_out():
    values, d_outputs, d_last = oracle.example()
    x, h, w_x, w_h, bias = leaves = [torch.from_numpy(value).requires_grad_() for value in values]
    outputs, (last,) = recur(Elman(), x, (h,), w_x, w_h, bias, torch.zeros_like(bias))
    loss = (outputs * torch.from_numpy(d_outputs)).sum() + (last * torch.from_numpy(d_last)).sum()
    for mine, other in zip(torch.autograd.grad(loss, leaves), oracle.backward(*values, d_outputs, d_last), strict=True):
        torch.testing.assert_close(mine, torch.from_numpy(other), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize(("rule", "blocks"), [(Elman, 1), (TorchGRU, 3)])
@pytest.mark.parametrize(
    "numbers", [[[3, 3, 0, 3, 5], [0, 5, 5, 3, 3]], [[2], [2]], [[0, 1, 2, 3, 4], [5, 6, 7, 8, 8]]]
)
def test_rows_of_a_table_give_the_results_and_gradients_of_their_values(rule, blocks, numbers):
    numbers = torch.tensor(numbers)
    shapes = (9, 3), (2, 4), (4 * blocks, 3), (4 * blocks, 4), (4 * blocks,), (4 * blocks,)
    table, h, *weights = leaves = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    grow = torch.randn(*numbers.shape, 4, dtype=torch.float64)
    results = []
    for x in (table[numbers], Rows(table, numbers)):
        outputs, (last,) = recur(rule(), x, (h,), *weights)
        results.append([outputs, last, *torch.autograd.grad((outputs * grow).sum() + (last**2).sum(), leaves)])
    for found, true in zip(*results, strict=True):
        torch.testing.assert_close(found, true, atol=1e-12, rtol=1e-12)
    never = torch.ones(9, dtype=torch.bool)
    never[numbers] = False
    assert bool((results[1][2][never] == 0).all()) and bool((results[1][2][~never] != 0).all())


def test_rows_in_bf16_differ_by_rounding_only_and_a_fixed_table_has_no_gradient():
    module, numbers = nn.RNN(5, 16, batch_first=True), torch.randint(7, (3, 9))
    table, h, results = torch.randn(7, 5, requires_grad=True), torch.zeros(3, 16), []
    for products in (None, torch.bfloat16):
        outputs, _ = recur(Elman(), Rows(table, numbers), (h,), *module.parameters(), products=products)
        loss = (outputs.float() ** 2).sum()
        results.append([outputs.float(), *torch.autograd.grad(loss, [table, *module.parameters()])])
    for found, true in zip(*results, strict=True):
        assert ((found - true).norm() / true.norm()).item() < 0.03
    outputs, _ = recur(Elman(), Rows(torch.eye(5), numbers % 5), (h,), *module.parameters())
    outputs.sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_wrong_shapes_are_refused():
    x, h, w_x, w_h, bias = (torch.zeros(shape) for shape in ((2, 6, 3), (2, 4), (4, 3), (4, 4), (4,)))
    # With the shape hook of the tests its error may come first.
    refused = (ValueError, jaxtyping.TypeCheckError)
    with pytest.raises(refused):
        recur(Elman(), torch.zeros(2, 6, 5), (h,), w_x, w_h, bias, bias)
    with pytest.raises(refused):
        recur(Elman(), Rows(torch.zeros(7, 5), torch.zeros(2, 6, dtype=torch.int64)), (h,), w_x, w_h, bias, bias)
    with pytest.raises(refused):
        recur(Elman(), x, (torch.zeros(3, 4),), w_x, w_h, bias, bias)
    with pytest.raises(ValueError, match=r"is not 1 of \(2, 4\)"):
        recur(Elman(), x, (h, h), w_x, w_h, bias, bias)
    with pytest.raises(ValueError, match="do not fit 4 hidden units"):
        recur(TorchGRU(), x, (h,), w_x, w_h, bias, bias)
