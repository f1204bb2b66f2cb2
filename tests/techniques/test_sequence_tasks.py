"""The base of recipes that answer about sequences: heads, losses and measures against NumPy, and what is refused."""

import jaxtyping
import numpy as np
import pytest
import torch
from torch import nn

from deepcanon.cli import main
from deepcanon.data.sequences import UNASKED
from deepcanon.parts.recurrence import last_real
from deepcanon.techniques.sequence_tasks import Answering, Rows, answer_loss, answer_measures


class Sums(nn.Module):
    """Running sums: outputs that can be counted; from the right if asked to, where a mask says what is read."""

    def __init__(self, ahead=False):
        super().__init__()
        self.ahead = ahead

    def forward(self, x, state=None, mask=None):
        if self.ahead:
            assert mask is not None
            x = torch.where(mask[..., None], x, 1e9 * torch.ones_like(x)) * mask[..., None]
            return x.flip(1).cumsum(1).flip(1), None
        assert mask is None, "a causal network is spared the mask: kernels would not take it"
        return x.cumsum(1), None


def plain(model):
    nn.init.eye_(model.head.weight)
    nn.init.zeros_(model.head.bias)
    return model


PADDED = torch.tensor([[[1.0, 0], [0, 2], [0, 0]], [[3, 0], [0, 0], [0, 0]], [[0, 1], [1, 0], [0, 4]]])


def test_the_last_real_output_or_all_of_them():
    assert plain(Answering(Sums(), 2, 2, each=True))(PADDED).tolist() == PADDED.cumsum(1).tolist()
    last = [[1, 2], [3, 0], [1, 5]]
    assert plain(Answering(Sums(), 2, 2, each=False, padded=True))(PADDED).tolist() == last
    ahead = plain(Answering(Sums(ahead=True), 2, 2, each=True, padded=True, ahead=True))
    assert ahead(PADDED)[:, 0].tolist() == last


def test_last_real_takes_gaps_and_names_shapes():
    outputs, mask = torch.arange(12.0).view(2, 3, 2), torch.tensor([[1, 0, 1], [0, 1, 0]], dtype=torch.bool)
    assert last_real(outputs, mask).tolist() == [[4, 5], [8, 9]]
    assert torch.equal(last_real(outputs), outputs[:, -1])
    with pytest.raises((ValueError, jaxtyping.TypeCheckError)):
        last_real(outputs[..., 0])


def test_losses_and_measures_of_classes_at_some_steps():
    rng = np.random.default_rng(0)
    logits, y = rng.normal(size=(4, 5, 3)), rng.integers(0, 3, size=(4, 5))
    y[0], y[1, 2:], y[2, 1] = UNASKED, UNASKED, UNASKED
    y[3] = logits[3].argmax(1)
    told = [(logits[n, t], y[n, t]) for n in range(4) for t in range(5) if y[n, t] != UNASKED]
    nll = np.mean([np.log(np.exp(row).sum()) - row[label] for row, label in told])
    right = [row.argmax() == label for row, label in told]
    whole = [all(y[n, t] in (UNASKED, logits[n, t].argmax()) for t in range(5)) for n in range(4)]
    found = answer_measures(torch.from_numpy(logits), torch.from_numpy(y))
    assert found == pytest.approx(
        {"nll": nll, "accuracy": np.mean(right), "error": 1 - np.mean(right), "all_correct": np.mean(whole)}
    )
    assert answer_loss(torch.from_numpy(logits), torch.from_numpy(y)).item() == pytest.approx(nll)


def test_losses_of_numbers_and_of_one_class_each():
    answers, y = torch.tensor([[1.0], [2], [4]]), torch.tensor([1.0, 1, 1])
    assert answer_measures(answers, y) == {"mse": pytest.approx(10 / 3)}
    logits, labels = torch.tensor([[2.0, 0], [0, 1]]), torch.tensor([0, 0])
    found = answer_measures(logits, labels)
    assert found["accuracy"] == 0.5 and set(found) == {"nll", "accuracy", "error"}
    with pytest.raises(ValueError, match="do not fit targets"):
        answer_loss(torch.zeros(3, 2), y)  # else three numbers would be compared with six
    with pytest.raises(ValueError, match="do not fit targets"):
        answer_loss(torch.zeros(2, 7, 3), labels)


def test_pictures_are_read_by_rows_or_pixels():
    images = torch.randint(256, (2, 3, 4, 5), dtype=torch.uint8)
    shift, scale = torch.zeros(3), torch.ones(3) * 0.5
    values = images.double().numpy() / 0.5
    rows, pixels = (Rows(shift, scale, pixels=p)(images) for p in (False, True))
    assert rows.shape == (2, 4, 15) and pixels.shape == (2, 20, 3)
    for t in range(4):
        np.testing.assert_allclose(rows[:, t].view(2, 3, 5), values[:, :, t], atol=1e-6)
        for column in range(5):
            np.testing.assert_allclose(pixels[:, 5 * t + column], values[:, :, t, column], atol=1e-6)


def test_sequences_that_ask_for_classes_are_no_task_for_a_recipe_of_numbers(tmp_path, capsys):
    assert main(["train", "gradient-clipping", "--data", "parity", "--out", str(tmp_path / "run")]) == 2
    assert "these sequences ask for classes" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
