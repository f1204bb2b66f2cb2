"""Identity start: torch's kernels, a gradient that neither vanishes nor grows, a state that is kept, an exact adder."""

import jaxtyping
import pytest
import torch
from torch import nn

from deepcanon.cli import main
from deepcanon.data.tasks.adding import sequences
from deepcanon.recipes import identity_rnn as recipe
from deepcanon.sequence import LSTM, SimpleRNN
from deepcanon.sequence.identity_rnn import gradient_by_step
from deepcanon.techniques.sequence_tasks import Rows

DOUBLE = torch.float64


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("unit", ["relu", "tanh"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-6)])
def test_equals_torch_in_outputs_and_all_gradients(unit, fast, dtype, tolerance):
    theirs = nn.RNN(5, 7, 2, nonlinearity=unit, batch_first=True, dtype=dtype)
    ours = SimpleRNN(5, 7, 2, nonlinearity=unit, fast=fast, dtype=dtype)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(3, 9, 5, dtype=dtype, requires_grad=True)
    state = torch.rand(2, 3, 7, dtype=dtype)
    results = []
    for module in (theirs, ours):
        output, h = module(x, state)
        loss = (output**2).mean() + (h**3).mean()
        results.append([output, h, *torch.autograd.grad(loss, [x, *module.parameters()])])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(b, a, atol=tolerance, rtol=tolerance)


def test_the_start_is_that_of_the_paper():
    torch.manual_seed(0)
    rnn = SimpleRNN(300, 200, 2, scale=0.01)
    for layer in range(2):
        assert torch.equal(rnn.get_parameter(f"weight_hh_l{layer}"), 0.01 * torch.eye(200))
        into = rnn.get_parameter(f"weight_ih_l{layer}")
        assert into.std().item() == pytest.approx(0.001, rel=0.02) and abs(into.mean().item()) < 2e-5
        assert not rnn.get_parameter(f"bias_ih_l{layer}").any() and not rnn.get_parameter(f"bias_hh_l{layer}").any()
    plain = SimpleRNN(3, 100, scale=None)
    assert plain.weight_hh_l0.abs().max() <= 0.1 and plain.weight_hh_l0.std() > 0.05


@pytest.mark.parametrize("scale", [1.0, 0.9])
def test_the_gradient_of_units_that_stay_positive_is_a_power_of_the_scale(scale):
    rnn = SimpleRNN(3, 8, scale=scale, dtype=DOUBLE)
    with torch.no_grad():
        rnn.weight_ih_l0.abs_()
    norms = gradient_by_step(rnn, torch.rand(4, 60, 3, dtype=DOUBLE))
    lags = torch.arange(59, -1, -1, dtype=DOUBLE)
    torch.testing.assert_close(norms / norms[-1], scale**lags, rtol=1e-12, atol=0)


def test_usual_starts_lose_it():
    """The probe fails for what is not an identity start of rectified units."""
    torch.manual_seed(0)
    x = torch.rand(4, 60, 3, dtype=DOUBLE)
    for other in (
        SimpleRNN(3, 8, scale=None, dtype=DOUBLE),
        SimpleRNN(3, 8, nonlinearity="tanh", scale=None, dtype=DOUBLE),
        LSTM(3, 8, dtype=DOUBLE),
    ):
        norms = gradient_by_step(other, x)
        assert norms[0] < 1e-3 * norms[-1]
    saturated = SimpleRNN(3, 8, nonlinearity="tanh", input_std=1.0, dtype=DOUBLE)
    norms = gradient_by_step(saturated, x)
    assert norms[0] < 0.1 * norms[-1]


def test_a_state_without_input_is_kept_to_the_bit():
    state = torch.rand(1, 2, 5)
    output, last = SimpleRNN(3, 5)(torch.zeros(2, 1000, 3), state)
    assert torch.equal(last, state) and torch.equal(output[:, 500], state[0])
    _, last = SimpleRNN(3, 5, scale=0.5)(torch.zeros(2, 4, 3), state)
    assert torch.equal(last, state / 16)


def test_two_units_solve_the_adding_problem_exactly():
    rnn = SimpleRNN(2, 2, dtype=DOUBLE)
    with torch.no_grad():
        rnn.weight_ih_l0.copy_(torch.tensor([[1.0, 1.0], [0.0, 0.0]]))  # relu(number + mark - 1)
        rnn.bias_ih_l0.copy_(torch.tensor([-1.0, 0.0]))
        rnn.weight_hh_l0.copy_(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))  # added to what is held
    split = sequences(20, 400, torch.Generator().manual_seed(0))
    output, _ = rnn(split.x.double())
    torch.testing.assert_close(output[:, -1].sum(1), split.y.double(), atol=1e-6, rtol=0)


def test_padding_is_not_read():
    module = SimpleRNN(4, 3, 2, scale=None, dtype=DOUBLE)
    x, lengths = torch.randn(3, 6, 4, dtype=DOUBLE), torch.tensor([6, 2, 4])
    output, state = module(x, mask=torch.arange(6) < lengths[:, None])
    for row, length in enumerate(lengths.tolist()):
        alone, last = module(x[row : row + 1, :length])
        torch.testing.assert_close(output[row, :length], alone[0])
        torch.testing.assert_close(state[:, row], last[:, 0])
        assert not output[row, length:].any()


def test_pictures_are_read_in_the_order_of_reading():
    images = torch.arange(2 * 12.0).view(2, 1, 3, 4)
    shift, scale = torch.zeros(1), torch.ones(1)
    assert torch.equal(Rows(shift, scale)(images)[1], torch.arange(12.0, 24).view(3, 4))
    assert torch.equal(Rows(shift, scale, pixels=True)(images)[1], torch.arange(12.0, 24).view(12, 1))


def test_wrong_shapes_and_names_are_told():
    with pytest.raises(ValueError, match="time >= 1, 4"):
        SimpleRNN(4, 3)(torch.zeros(2, 5, 3))
    # With the shape hook of the tests its error comes first.
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match="state"):
        SimpleRNN(4, 3)(torch.zeros(2, 5, 4), torch.zeros(1, 3, 3))
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match="nonlinearity"):
        SimpleRNN(4, 3, nonlinearity="sigmoid")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--data", "adding", "--pixels"], "--pixels is for pictures"),
        (["--data", "adding", "--network", "lstm", "--scale", "0.5"], "leave it out"),
    ],
)
def test_the_recipe_refuses_what_it_cannot_do(arguments, told, tmp_path, capsys):
    run = ["train", "identity-rnn", "--preset", "smoke", "--out", str(tmp_path / "run"), *arguments]
    assert main(run) == 2
    assert told in capsys.readouterr().err.replace("\n", " ")


def test_the_verified_runs_differ_in_the_network_alone():
    presets = {name: preset[0] for name, preset in recipe.PRESETS.items()}
    for arm in ("adding_tanh", "adding_lstm", "rows_tanh", "rows_lstm"):
        ours, theirs = (vars(presets[f"verify:{name}"]) for name in (arm.split("_")[0], arm))
        assert {name for name in ours if ours[name] != theirs[name]} == {"network"}
