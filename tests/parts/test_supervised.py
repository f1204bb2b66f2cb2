"""Standardisation, schedules and classification measures: worked examples and refusals."""

import jaxtyping
import pytest
import torch

from deepcanon.parts.classification import confident_mistakes, confusion, cross_entropy, measures, records
from deepcanon.parts.schedules import one_cycle
from deepcanon.parts.standardize import Standardize, channel_statistics, unit_pixels


def test_channel_statistics_of_bytes_are_those_of_their_numbers():
    x = torch.randint(256, (40, 3, 5, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    x[:, 2] = 255
    for batches in (x.split(9), [x]):
        mean, scale = channel_statistics(batches)
        expected = x.double().transpose(0, 1).flatten(1)
        torch.testing.assert_close(mean, expected.mean(1).float(), atol=0, rtol=0)
        torch.testing.assert_close(scale, expected.std(1, correction=0).float(), atol=0, rtol=0)


def test_channel_statistics_broadcast_over_pixels():
    x = torch.randint(0, 256, (4, 3, 5, 6), dtype=torch.uint8)
    mean, std = x.float().mean((0, 2, 3)), x.float().std((0, 2, 3))
    y = Standardize(mean, std)(x)
    torch.testing.assert_close(y.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(y[1, 2], (x[1, 2] - mean[2]) / std[2])


def test_constant_features_are_only_shifted_and_float64_stays():
    module = Standardize([1.0, 2.0], [0.0, 4.0])
    assert module(torch.tensor([[3.0, 4.0]])).tolist() == [[2.0, 0.5]]
    assert module.double()(torch.tensor([[3.0, 4.0]], dtype=torch.float64)).dtype == torch.float64
    assert set(module.state_dict()) == {"shift", "scale"}
    assert Standardize(0.0, 255.0)(torch.tensor([[255]], dtype=torch.uint8)).item() == 1.0


def test_pixels_come_to_lie_between_0_and_1():
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 2, 4, 4)
    inputs = Standardize(*unit_pixels(2))(pixels)
    assert inputs.shape == pixels.shape and torch.equal(inputs[:, 1, 0, 0], torch.tensor([0.0, 0.2, 1.0]))


def test_statistics_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"\(2,\) and scale \(3,\)"):
        Standardize(torch.zeros(2), torch.ones(3))
    with pytest.raises(ValueError, match=r"2 statistics do not fit axis 1 of an input \(4, 3\)"):
        Standardize(torch.zeros(2), torch.ones(2))(torch.zeros(4, 3))
    with pytest.raises(ValueError, match="finite"):
        Standardize([float("nan")], [1.0])


def test_one_cycle_rises_then_falls_to_zero():
    rates = [one_cycle(step, 100, warmup=0.3) for step in range(101)]
    assert max(rates) == 1.0 and abs(rates[-1]) < 1e-12 and rates[0] == pytest.approx(1 / 30)
    assert rates[:30] == sorted(rates[:30]) and rates[30:] == sorted(rates[30:], reverse=True)
    assert one_cycle(0, 5, warmup=0.0) == 1.0
    with pytest.raises(ValueError):
        one_cycle(0, 0)


def test_measures_on_a_worked_example(monkeypatch):
    logits = torch.tensor([[0.0, 0.0, 0.0], [9.0, 0.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 8.0]])
    labels = torch.tensor([0, 1, 1, 0])
    result = measures(logits[:1], labels[:1])
    assert result["nll"] == pytest.approx(1.0986122886681098, abs=1e-15) and result["error"] == 0
    assert measures(logits, labels)["accuracy"] == 0.5
    assert confusion(logits, labels).tolist() == [[1, 0, 1], [1, 1, 0], [0, 0, 0]]
    assert confident_mistakes(logits, labels).tolist() == [1, 3]
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # the user has no run-time check of shapes
    with pytest.raises(ValueError, match="do not fit"):
        measures(logits, labels[:2])


def test_answers_carry_every_class():
    (record,) = records(torch.tensor([[0.0, 2.0]]), ["cat", "dog"])
    assert record["label"] == "dog" and list(record["probabilities"]) == ["cat", "dog"]
    assert record["probabilities"]["dog"] == pytest.approx(0.8807970779778823, abs=1e-15)
    assert sum(record["probabilities"].values()) == pytest.approx(1, abs=1e-15)


def test_half_precision_logits_give_a_loss_in_full_precision():
    logits, labels = torch.randn(6, 4), torch.randint(4, (6,))
    assert cross_entropy(logits.bfloat16(), labels).dtype == torch.float32
    assert cross_entropy(logits.double(), labels).dtype == torch.float64
    torch.testing.assert_close(cross_entropy(logits, labels), torch.nn.functional.cross_entropy(logits, labels))


def test_statistics_of_batches_are_those_of_the_whole():
    x = torch.randint(0, 256, (50, 3, 4, 4), dtype=torch.uint8)
    mean, scale = channel_statistics(x.split(7))
    torch.testing.assert_close(mean, x.double().mean((0, 2, 3)).float())
    torch.testing.assert_close(scale, x.double().std((0, 2, 3), correction=0).float())
    table = torch.randn(30, 2, dtype=torch.float64) + torch.tensor([0.0, 1e6])
    found = channel_statistics(table.split(4))
    torch.testing.assert_close(found[0], table.mean(0))  # in float64, since 1e6 needs its digits
    torch.testing.assert_close(found[1], table.std(0, correction=0))
    with pytest.raises(ValueError):
        channel_statistics([])


def test_standardised_values_become_the_inputs_again():
    x = torch.randn(4, 3, 5, 6, dtype=torch.float64)
    for shift, scale in (([1.0, 2.0, 3.0], [2.0, 0.0, 5.0]), (3.0, 7.0), (x[0], x[1].abs())):
        module = Standardize(shift, scale)
        torch.testing.assert_close(module.double().inverse(module(x)), x)
    table = Standardize([1.0, -1.0], [2.0, 4.0])
    assert table.inverse(torch.tensor([[1.0, 0.5]])).tolist() == [[3.0, 1.0]]
