"""The loss of a large vocabulary equals cross-entropy of the logits, in value and gradients, in pieces of any size."""

import jaxtyping
import pytest
import torch
import torch.nn.functional as F

from deepcanon.parts import vocabulary_loss
from deepcanon.parts.vocabulary_loss import linear_nll, rows_nll


def leaves(rows=23, features=5, classes=11, dtype=torch.float64):
    shapes = (rows, features), (classes, features), (classes,)
    made = [torch.randn(shape, dtype=dtype).requires_grad_() for shape in shapes]
    return made, torch.randint(classes, (rows,))


@pytest.mark.parametrize("piece", [1, 11 * 4, 11 * 23, 2**19])
def test_equals_cross_entropy_of_the_layer_in_float64(piece, monkeypatch):
    monkeypatch.setattr(vocabulary_loss, "PIECE", piece)  # one row at a time, pieces that leave a rest, one piece
    (hidden, weight, bias), targets = leaves()
    results = []
    for loss in (F.cross_entropy(F.linear(hidden, weight, bias), targets), linear_nll(hidden, weight, bias, targets)):
        results.append([loss, *torch.autograd.grad(3 * loss, [hidden, weight, bias])])
    for found, true in zip(*results, strict=True):
        torch.testing.assert_close(found, true, atol=1e-12, rtol=1e-12)


def test_in_bf16_the_loss_is_that_of_the_rounded_logits_and_gradients_differ_by_rounding():
    (hidden, weight, bias), targets = leaves(60, 32, 200, torch.float32)
    results = []
    for products in (torch.float32, torch.bfloat16):
        loss = linear_nll(hidden, weight, bias, targets, products)
        assert loss.dtype == torch.float32
        results.append([loss, *torch.autograd.grad(loss, [hidden, weight, bias])])
    logits = (hidden.bfloat16() @ weight.bfloat16().T).float() + bias
    torch.testing.assert_close(results[1][0], F.cross_entropy(logits, targets), atol=1e-6, rtol=1e-6)
    for found, true in zip(*reversed(results), strict=True):
        assert found.dtype == torch.float32
        assert ((found - true).norm() / true.norm()).item() < 0.02


def test_a_target_whose_probability_underflows_has_a_finite_loss():
    logits = torch.tensor([[0.0, 300.0, -200.0]])
    hidden, weight = torch.ones(1, 1, requires_grad=True), logits.T.clone().requires_grad_()
    loss = linear_nll(hidden, weight, torch.zeros(3), torch.tensor([2]))
    assert loss.item() == 500.0
    loss.backward()
    assert weight.grad[:, 0].tolist() == [0.0, 1.0, -1.0]
    assert rows_nll(logits.bfloat16(), torch.tensor([0])).item() == 300.0


def test_what_is_not_finite_shows_in_the_loss():
    hidden, weight = torch.full((2, 3), torch.inf), torch.randn(4, 3)
    assert not bool(linear_nll(hidden, weight, torch.zeros(4), torch.tensor([0, 1])).isfinite())


def test_gradients_of_parameters_that_want_none_are_not_there_and_there_is_no_second_derivative():
    (hidden, weight, bias), targets = leaves()
    linear_nll(hidden.detach(), weight, bias, targets).backward()
    assert hidden.grad is None and weight.grad is not None
    with pytest.raises(RuntimeError, match="second derivative"):
        torch.autograd.grad(linear_nll(hidden, weight, bias, targets), hidden, create_graph=True)


def test_shapes_that_do_not_match_are_refused():
    (hidden, weight, bias), targets = leaves()
    # With the shape hook of the tests its error may come first.
    for wrong in ((hidden[:, :4], weight, bias, targets), (hidden, weight, bias[:3], targets)):
        with pytest.raises((ValueError, jaxtyping.TypeCheckError)):
            linear_nll(*wrong)
    with pytest.raises((ValueError, jaxtyping.TypeCheckError)):
        linear_nll(hidden, weight, bias, targets[:5])
