"""A model that processes share out: the numbers of one, checkpoints in parts, and who is refused before anything is
written."""

import importlib
import os
import shutil
import types

import pytest
import torch
from contract import recipes, trainees
from contract.gloo import in_two
from torch import nn

from deepcanon.cli import main
from deepcanon.engine import processes, sharding, slices, training
from deepcanon.engine.checkpoint import Checkpoints, read_folder
from deepcanon.errors import CheckpointError, UsageError
from deepcanon.parts import lbfgs
from deepcanon.parts.optimizers import SGD
from deepcanon.settings import Settings

STEPS = 6
EXACT = {  # by its stem: options with which it is compared
    "mlp": {"hidden": (5, 3), "batch": 8, "optimizer": "adamw", "weight_decay": 0.01},  # layers that have no halves
    "network_in_network": {},  # channels_last, with dropout whose masks follow the memory
    "rnn_lm": {"clip": 0.05, "hidden": 7, "optimizer": "sgd", "embedding": 5},  # each step is clipped
}


BY_A_STEP = {  # recipes whose first step shows that they cannot, and what is said
    ("mlp", "backward", "explicit"): "its step computes gradients without run.backward",
    ("learning_curves", "keep", 0.9): "the step of learning-curves cannot be taken in shards",
}


def refused(stem, option, value):
    """What is said of the first step of a recipe."""
    of = trainees.trainee(stem).with_({option: value}, shard=True)
    try:
        sharding.take_one_step(trainees.start(of)[0], of.name)
    except UsageError as error:
        return str(error)
    return "taken"


def exact(stem):
    return trainees.trainee(stem).with_(EXACT[stem])


def run_of():
    return exact("mlp").with_(shard=True, steps=STEPS, evaluate_every=3, checkpoint_every=0.0)


def process(rank, port, folder):
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    sharding.BUCKET = 600  # bytes: models of several groups
    for stem in EXACT:
        torch.save(recipes.final_state(exact(stem).with_(shard=True)), folder / f"{stem}-{rank}.pt")
    (folder / f"refused-{rank}.txt").write_text("\n".join(refused(*asked) for asked in BY_A_STEP))
    recipe, take_step = trainees.start(run_of())
    take_step()
    halves = [of["exp_avg"] for of in recipe.optimizer.state.values()]
    torch.save([(half.numel(), half.to_local().numel()) for half in halves], folder / f"halves-{rank}.pt")
    whole, stopped = folder / "whole", folder / "stopped"
    trainees.train(run_of(), whole)
    if rank == 0:  # as a kill leaves it in the middle of a checkpoint that the disk then lost a part of
        shutil.copytree(whole, stopped)
        part = next((stopped / "checkpoints" / f"step-{STEPS:09d}").glob("shard-*2-*"))
        part.write_bytes(part.read_bytes()[:-8])
        shutil.copytree(stopped, folder / "alone")
    processes.barrier()
    trainees.resume(run_of(), stopped)
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder in which two processes left what they found."""
    folder = tmp_path_factory.mktemp("two")
    in_two(process, folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("stem", EXACT)
def test_shards_have_the_numbers_of_one_process(two, stem):
    one = recipes.final_state(exact(stem))
    for rank in range(2):
        recipes.check_same_model(one, torch.load(two / f"{stem}-{rank}.pt", weights_only=True))


@pytest.mark.slow
def test_each_process_remembers_its_part(two):
    found = [torch.load(two / f"halves-{rank}.pt", weights_only=True) for rank in range(2)]
    for (size, first), (_, second) in zip(*found, strict=True):
        assert first + second == size and second < size


@pytest.mark.slow
def test_a_run_in_shards_is_an_ordinary_folder(two):
    folder = Checkpoints(two / "whole" / "checkpoints").named("step")[0]
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors"}
    recipe, step, content = training.load(run_of().recipe, two / "whole", "last")
    assert step == STEPS and content["settings"].shard and not content["notes"]
    parts = read_folder(folder)
    assert torch.equal(recipe.model.state_dict()["layers.0.weight"], parts["shared"]["model"]["layers.0.weight"])
    best = read_folder(Checkpoints(two / "whole" / "checkpoints").named("best")[0])
    assert best["shared"]["model"].keys() == parts["shared"]["model"].keys()


@pytest.mark.slow
def test_resumed_in_shards_after_a_lost_part_it_has_the_same_bits(two):
    whole, stopped = two / "whole", two / "stopped"
    for folder in sorted((whole / "checkpoints").iterdir()):
        parts, again = (read_folder(run / "checkpoints" / folder.name) for run in (whole, stopped))
        # Not the bytes of the files: safetensors writes what it is told of a file in any order.
        torch.testing.assert_close(parts["shared"], again["shared"], rtol=0, atol=0)
    assert (whole / "metrics.jsonl").read_text() == (stopped / "metrics.jsonl").read_text()


@pytest.mark.slow
def test_one_process_resumes_what_two_shared_out(two):
    said = []
    training.resume(run_of().recipe, two / "alone", run_of().open_data, say=said.append, quiet=True)
    assert any("shard-00002" in line and "truncated or altered" in line for line in said)
    assert any(line.startswith("one process has the whole model") for line in said)
    assert "trained by 2 processes so far, now by 1" in said
    ends = [Checkpoints(two / of / "checkpoints").newest("step") for of in ("whole", "alone")]
    (step, whole), (again, alone) = ends
    assert step == again == STEPS
    for name, weights in whole["shared"]["model"].items():
        torch.testing.assert_close(weights, alone["shared"]["model"][name])


@pytest.mark.slow
def test_torch_reads_the_parts_by_itself(two):
    from torch.distributed import checkpoint

    folder = Checkpoints(two / "whole" / "checkpoints").named("step")[0]
    known = read_folder(folder)["shared"]["optimizer"]["state"][0]["exp_avg"]
    found = {"/optimizer/state/0/exp_avg": torch.empty_like(known)}
    parts = two / "parts"
    parts.mkdir()
    for path in folder.glob("shard-*"):
        shutil.copy(path, parts)
    checkpoint.load(found, storage_reader=checkpoint.HuggingFaceStorageReader(str(parts)), no_dist=True)
    assert torch.equal(*found.values(), known)


@pytest.mark.slow
def test_a_checkpoint_without_one_of_its_parts_is_refused(two, tmp_path):
    folder = shutil.copytree(Checkpoints(two / "whole" / "checkpoints").named("step")[0], tmp_path / "step")
    next(folder.glob("shard-*2-*")).unlink()
    with pytest.raises(CheckpointError, match="shard-00002"):
        read_folder(folder)


@pytest.mark.slow
def test_a_part_that_cannot_be_written_is_an_error_that_is_caught(tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("no folder")
    monkeypatch.setattr(slices, "is_slice", lambda value: True)
    with pytest.raises(OSError, match="taken"):  # torch raises what is not an Exception
        slices.write_parts(tmp_path / "taken", {"weight": torch.ones(2)})


# What is sent together


def test_groups_are_cut_by_size_and_hold_each_weight_once():
    layers = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.Sequential(nn.Linear(5, 5), nn.Linear(2, 2)))
    sizes = [[sum(p.numel() for p in unit.parameters()) for unit in units] for units in sharding.groups_of(layers, 60)]
    assert sizes == [[12, 12], [30], [6]]
    assert sharding.groups_of(layers, 1000) == [[layers]]
    layers[0].weight = layers[2].weight
    assert sharding.groups_of(layers, 60) == [[layers]], "tied weights would be cut up twice"


# Who is refused


@pytest.mark.slow
def test_a_step_that_needs_whole_weights_is_refused(two):
    for rank in range(2):
        said = (two / f"refused-{rank}.txt").read_text().split("\n")
        for line, wanted in zip(said, BY_A_STEP.values(), strict=True):
            assert wanted in line and line.endswith("leave --shard out")


ALONE = nn.Parameter(torch.ones(2))


@pytest.mark.parametrize(
    "made, why",
    [
        (lambda net: {}, "it has no module with an optimizer"),
        (lambda net: {"other": nn.Linear(2, 2), "optimizer": SGD(net.parameters())}, "it trains more than one model"),
        (lambda net: {"optimizer": SGD([*net.parameters(), ALONE])}, "moves tensors that are not in the model"),
        (lambda net: {"optimizer": lbfgs.LBFGS(net.parameters())}, "L-BFGS needs the whole gradient"),
    ],
)
def test_the_models_of_a_recipe_show_that_it_cannot(made, why):
    recipe = types.SimpleNamespace(model=nn.Linear(2, 2))
    vars(recipe).update(made(recipe.model))
    with pytest.raises(UsageError, match=why):
        sharding.Shards(recipe)


def test_a_single_number_cannot_be_shared_out():
    model = nn.ParameterDict({"bias": nn.Parameter(torch.tensor(0.0))})
    with pytest.raises(UsageError, match="bias is a single number"):
        sharding.Shards(types.SimpleNamespace(model=model, optimizer=SGD(model.parameters())))


@pytest.mark.parametrize(
    "stem, compiled, why",
    [
        ("pca", False, "is for recipes whose processes share gradients; those of pca do not: leave --shard out"),
        ("dropout", False, "those of dropout do not"),
        ("text_cnn", False, "text_cnn does not train in shards: each fold begins with new weights"),
        ("mlp", True, "--compile needs whole weights"),
    ],
)
def test_what_a_recipe_declares_rules_it_out(monkeypatch, stem, compiled, why):
    module = importlib.import_module(f"deepcanon.recipes.{stem}")
    recipe, config = module.Recipe, module.Config(**({"folds": 10} if stem == "text_cnn" else {}))
    sharding.refuse(recipe, stem, config, Settings())
    monkeypatch.setattr(processes, "world", lambda: 2)
    with pytest.raises(UsageError, match=why):
        sharding.refuse(recipe, stem, config, Settings(shard=True, compile=compiled))


def test_one_process_is_told_to_start_several(tmp_path, capsys):
    assert main(["train", "mlp", "--preset", "smoke", "--shard", "--out", str(tmp_path / "run")]) == 2
    assert "--shard shares a model out among processes, and this is one: use torchrun" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
