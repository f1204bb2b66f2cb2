"""Grid LSTM: by fronts as by blocks, a memory along depth, windows, tied weights, what is seen; what is refused."""

import jaxtyping
import pytest
import torch

import deepcanon
from deepcanon.cli import main
from deepcanon.errors import UsageError
from deepcanon.recipes import grid_lstm as recipe
from deepcanon.sequence import GridLSTM, GridState, grid_block

DOUBLE = torch.float64
SHAPES = {1: (), 2: (6,), 3: (3, 4)}


def drawn(dims, depth=4, **options):
    torch.manual_seed(dims)
    grid = GridLSTM(3, 5, depth, dims, dtype=DOUBLE, **options)
    torch.nn.init.normal_(grid.bias)
    return grid


@pytest.mark.parametrize("priority", [True, False])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("dims", SHAPES)
def test_fronts_and_blocks_have_the_same_outputs_states_and_gradients(dims, tied, priority):
    grid = drawn(dims, tied=tied, priority=priority)
    x, found = torch.randn(2, *SHAPES[dims], 3, dtype=DOUBLE, requires_grad=True), []
    for grid.fast in (True, False):
        output, state = grid(x)
        ends = [part for side in state for part in side]
        loss = (output**2).sum() + sum((part**3).sum() for part in ends)
        found.append([output, *ends, *torch.autograd.grad(loss, [x, *grid.parameters()])])
    assert len(found[0]) == 1 + 2 * (dims - 1) + 5
    for fast, slow in zip(*found, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dims", SHAPES)
def test_what_vanishes_along_depth_keeps_its_digits_in_float32(dims):
    """tanh by a sigmoid would lose them: here hidden vectors are halved by every layer."""
    grid = GridLSTM(3, 8, 20, dims)
    double = GridLSTM(3, 8, 20, dims, dtype=DOUBLE)
    double.load_state_dict(grid.state_dict())
    x = torch.randn(2, *SHAPES[dims], 3)
    exact = double(x.double())[0]
    torch.testing.assert_close(grid(x)[0].double(), exact, rtol=2e-4, atol=1e-6 * exact.abs().max().item())


@pytest.mark.parametrize("fast", [True, False])
def test_the_memory_along_depth_counts_and_is_kept(fast):
    """A stack of LSTM layers under this name has no memory along depth, and fails."""
    grid = drawn(2, depth=50, tied=True, fast=fast)
    x = torch.randn(2, 6, 3, dtype=DOUBLE)
    with torch.no_grad():
        before = grid(x)[0]
        grid.project.bias[5:] += 1.0  # of the memory alone
        assert (grid(x)[0] - before).abs().max() > 1e-6
        grid.weight[:, 1] = 0
        grid.bias[:, 1] = torch.tensor([-50.0, 50.0, 0.0, 50.0], dtype=DOUBLE).repeat_interleave(5)
        kept = grid.project(x)[..., 5:]
        torch.testing.assert_close(grid(x)[0], kept.tanh(), rtol=1e-12, atol=0)
        memory = grid.trace(x).memory
        torch.testing.assert_close(memory, kept.expand_as(memory), rtol=1e-12, atol=1e-12)
        grid.bias[:, 1, 5:10] = -50  # forgotten by every layer
        assert grid(x)[0].abs().max() < 1e-12


def test_every_dimension_has_weights_of_its_own_and_sees_all_hidden_vectors():
    grid = drawn(3)
    parts = [[torch.randn(2, 5, dtype=DOUBLE) for _ in range(3)] for _ in range(2)]
    weight, bias = grid.weight[0].detach(), grid.bias[0].detach()
    hidden, memory = grid_block(*parts, weight, bias)
    for n in range(3):
        other = weight.clone()
        other[n] += 0.1
        changed, _ = grid_block(*parts, other, bias)
        assert [not torch.equal(a, b) for a, b in zip(hidden, changed, strict=True)] == [k == n for k in range(3)]
        moved = [h + 0.1 * (k == n) for k, h in enumerate(parts[0])]
        changed, _ = grid_block(moved, parts[1], weight, bias)
        assert all(not torch.equal(a, b) for a, b in zip(hidden, changed, strict=True))
        kept = [m + 0.1 * (k == n) for k, m in enumerate(parts[1])]
        _, changed = grid_block(parts[0], kept, weight, bias)
        assert [not torch.equal(a, b) for a, b in zip(memory, changed, strict=True)] == [k == n for k in range(3)]


def test_only_depth_sees_new_hidden_vectors_where_it_has_priority():
    grid = drawn(2)
    parts = [[torch.randn(2, 5, dtype=DOUBLE) for _ in range(2)] for _ in range(2)]
    weight, bias = grid.weight[0], grid.bias[0]
    plain, first = (grid_block(*parts, weight, bias, priority=p)[0] for p in (False, True))
    assert torch.equal(plain[0], first[0]) and not torch.equal(plain[1], first[1])
    moved = grid_block([first[0], parts[0][1]], parts[1], weight, bias)[0]
    torch.testing.assert_close(moved[1], first[1])


def test_windows_with_their_state_are_the_whole_sequence():
    grid = drawn(2, priority=True)
    x = torch.randn(2, 9, 3, dtype=DOUBLE)
    whole, end = grid(x)
    first, state = grid(x[:, :4])
    second, last = grid(x[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(last[0].hidden, end[0].hidden)
    torch.testing.assert_close(last[0].memory, end[0].memory)


@pytest.mark.parametrize("dims", SHAPES)
def test_tied_weights_are_those_of_every_layer(dims):
    tied, free = drawn(dims, tied=True), drawn(dims)
    assert tied.weight.numel() * 4 == free.weight.numel()
    with torch.no_grad():
        free.weight.copy_(tied.weight.expand_as(free.weight))
        free.bias.copy_(tied.bias.expand_as(free.bias))
        free.project.load_state_dict(tied.project.state_dict())
    x = torch.randn(2, *SHAPES[dims], 3, dtype=DOUBLE)
    for grid in (tied, free):
        grid(x)[0].sum().backward()
    torch.testing.assert_close(tied(x)[0], free(x)[0])
    torch.testing.assert_close(tied.weight.grad[0], free.weight.grad.sum(0))


def test_a_place_of_a_picture_sees_what_lies_above_and_to_the_left():
    grid, x = drawn(3), torch.randn(1, 3, 4, 3, dtype=DOUBLE, requires_grad=True)
    output, _ = grid(x)
    for i in range(3):
        for j in range(4):
            (slope,) = torch.autograd.grad(output[0, i, j].sum(), x, retain_graph=True)
            seen = slope[0].abs().sum(2) > 0
            assert seen[: i + 1, : j + 1].all() and seen.sum() == (i + 1) * (j + 1)


def test_equal_projections_see_how_many_bits_are_set():
    grid = GridLSTM(20, 6, 3, 1)
    recipe.equal_(grid.project)
    x = torch.zeros(3, 20)
    x[0, :7], x[1, 13:], x[2, :8] = 1, 1, 1
    output, _ = grid(x)
    torch.testing.assert_close(output[0], output[1])
    assert (output[0] - output[2]).abs().max() > 1e-3
    turns = -grid.project.bias / grid.project.weight[:, 0]  # where a unit's sum changes its sign
    assert turns.min() >= 0 and turns.max() <= 20


def test_wrong_shapes_are_told():
    with pytest.raises(ValueError, match="0 layers"):
        GridLSTM(3, 5, 0)
    with pytest.raises(ValueError, match="side 1 >= 1, 3"):
        GridLSTM(3, 5, 2)(torch.zeros(2, 4, 2))
    wrong = [GridState(torch.zeros(1, 2, 5), torch.zeros(1, 2, 5))]
    with pytest.raises(ValueError, match="of each side"):
        GridLSTM(3, 5, 2)(torch.zeros(2, 4, 3), wrong)
    with pytest.raises((ValueError, jaxtyping.TypeCheckError)):
        grid_block([torch.zeros(2, 5)], [torch.zeros(2, 5)], torch.zeros(1, 20, 4), torch.zeros(1, 20))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--data", "addition", "--dims", "1"], "these ask for more"),
        (["--data", "addition", "--dims", "3"], "is for pictures"),
        (["--data", "parity", "--network", "relu"], "has --dims 1, not 2"),
        (["--data", "parity", "--projection", "equal"], "leave it out"),
        (["--data", "parity", "--network", "stacked", "--priority"], "leave it out"),
        (["--data", "parity", "--dims", "1", "--network", "relu", "--tied", "false"], "--tied is for --network grid"),
        (["--data", "parity", "--network", "stacked", "--forget-bias", "0"], "--forget-bias is for --network grid"),
    ],
)
def test_the_recipe_refuses_what_it_cannot_do(arguments, told, tmp_path, capsys):
    run = ["train", "grid-lstm", "--preset", "smoke", "--out", str(tmp_path / "run"), *arguments]
    assert main(run) == 2
    assert told in capsys.readouterr().err.replace("\n", " ")


def test_a_grid_over_pictures_is_not_written_as_onnx(tmp_path):
    options = {"preset": "smoke", "data": "digits", "dims": 3, "layers": 1, "steps": 1, "quiet": True}
    run = deepcanon.train("grid-lstm", out=tmp_path / "run", **options)
    with pytest.raises(UsageError, match=r"each cell of a grid .* takes many minutes: give --format torch"):
        run.export("onnx", tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()


def test_the_verified_runs_differ_in_the_network_alone():
    presets = {name: preset[0] for name, preset in recipe.PRESETS.items()}
    for arm in ("parity_relu", "parity_tanh", "addition_stacked"):
        ours, theirs = (vars(presets[f"verify:{name}"]) for name in (arm.split("_")[0], arm))
        assert {name for name in ours if ours[name] != theirs[name]} == {"network"}
