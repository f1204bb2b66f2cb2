"""Devices: which one a process takes, what comes there without a wait, and metrics that are read at borders only."""

import datetime
import json

import pytest
import torch
from contract import recipes, toys
from contract.trainees import resume, train

from deepcanon.data.seeds import stream_seed
from deepcanon.data.splits import Split
from deepcanon.engine import devices, metrics, processes, training
from deepcanon.engine.run import Run
from deepcanon.errors import NonFiniteError, UsageError
from deepcanon.settings import Settings

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA here")
META = torch.device("meta")
TOY = toys.TOYS["Recipe"].with_(steps=24, evaluate_every=10, log_every=7, checkpoint_every=0)


# Which device


@pytest.mark.parametrize(("there", "backend"), [(True, "cpu:gloo,cuda:nccl"), (False, "gloo")])
def test_process_group_serves_both_devices(monkeypatch, there, backend):
    """Flags and shares are tensors on the CPU, whatever the device of the run."""
    asked = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(processes.dist, "init_process_group", lambda *args, timeout: asked.append((*args, timeout)))
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv(processes.WAIT, "90")
    processes.join()
    assert asked == [(backend, datetime.timedelta(seconds=90))]


def test_each_process_takes_the_gpu_of_its_own_number(monkeypatch):
    taken = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert devices.device_of("cuda") == torch.device("cuda", 1) and taken == [1]
    assert devices.device_of("cpu") == torch.device("cpu")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(UsageError, match="process 2 on this machine has no GPU: start at most 2"):
        devices.device_of("cuda")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert devices.device_of("cuda") == torch.device("cuda")


def test_what_needs_float64_leaves_apples_gpu_before_anything_is_written(monkeypatch):
    here = devices.settle_float64
    wide, plain = {"shift": torch.zeros(2, dtype=torch.float64)}, {"shift": torch.zeros(2), "name": "x"}
    mps, rows = Settings(device="mps"), [Split(torch.zeros(2, 2, dtype=torch.float64))]
    assert here(mps, "auto", False, plain, [Split(torch.zeros(2, 2)), Split("a text")]) == (mps, "")
    for computes, facts, splits in ((True, plain, []), (False, wide, []), (False, plain, rows)):
        settings, note = here(mps, "auto", computes, facts, splits)
        assert settings.device == "cpu" and note.endswith("float64, which Apple's GPU does not have: using the CPU")
        with pytest.raises(UsageError, match=r"--device mps: .* float64, .*: use --device cpu or auto"):
            here(mps, "mps", computes, facts, splits)
    assert here(Settings(device="cuda"), "auto", True, wide, rows) == (Settings(device="cuda"), "")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.settle_device(Settings()).device == "mps"


@pytest.mark.parametrize("asked", ["auto", "mps"])
def test_a_recipe_in_float64_says_in_one_line_that_it_takes_the_cpu(monkeypatch, tmp_path, asked):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.mps, "manual_seed", lambda seed: None)
    said, of = [], recipes.trainee("linear_regression").with_(device=asked, steps=2)
    begin = (of.recipe, of.name, of.config, of.settings, tmp_path / "run", of.open_data)
    if asked == "auto":
        assert training.train(*begin, said.append, quiet=True)["state"] == "done"
        assert [line for line in said if "float64" in line] == [
            "this recipe computes in float64, which Apple's GPU does not have: using the CPU"
        ]
        _, _, content = training.load(of.recipe, tmp_path / "run")
        assert content["notes"] == [line for line in said if "float64" in line]
    else:
        with pytest.raises(UsageError, match="--device mps: this recipe computes in float64"):
            training.train(*begin, said.append, quiet=True)
        assert not (tmp_path / "run").exists()


# What is on it


def run_on(device, **settings):
    run = Run(Settings(device="cpu", threads=1, steps=4, seed=3, **settings))
    run.device = device
    return run


def test_splits_of_tensors_are_held_on_the_device_if_they_fit(monkeypatch):
    split, bare = Split(torch.zeros(8, 3), torch.zeros(8)), Split(torch.zeros(8, 3))
    run = run_on(META)
    held = run.held(split)
    assert held.x.device == held.y.device == META and run.held(split) is held and run.held(bare).y is None
    batch = run.batch(split, 4)
    assert batch.x.device == batch.y.device == META and batch.x.shape == (4, 3)
    monkeypatch.setattr(devices, "fits", lambda needed, device: needed < 8 * 3 * 4)
    assert run_on(META).held(split) is split
    assert run_on(META).batch(split, 4).x.device == META  # copied, batch by batch
    assert run.held("a text") == "a text" and run_on(torch.device("cpu")).held(split) is split


def test_a_split_may_take_a_quarter_of_what_is_free(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (4000, 8000))
    gpu = torch.device("cuda", 0)
    assert devices.fits(1000, gpu) and not devices.fits(1001, gpu)


def test_copies_to_a_gpu_are_of_pinned_memory_and_nobody_waits(monkeypatch):
    class Pinned:
        device, layout, pinned = torch.device("cpu"), torch.strided, False

        def pin_memory(self):
            self.pinned = True
            return self

        def to(self, device, non_blocking):
            return device, self.pinned, non_blocking

    gpu = torch.device("cuda", 0)
    assert devices.moved(Pinned(), gpu) == (gpu, True, True)
    sparse = Pinned()
    sparse.layout = torch.sparse_csr  # which torch cannot pin
    assert devices.moved(sparse, gpu) == (gpu, False, True)
    here = torch.zeros(2)
    assert devices.moved(here, torch.device("cpu")) is here


def test_noise_on_the_cpu_is_that_of_the_stream():
    """And a device that is not the CPU gets a generator of its own, seeded alike."""
    run = run_on(torch.device("cpu"))
    seed = stream_seed(3, 0, "noise")
    for drawn, draw in ((run.randn("noise", (4, 2)), torch.randn), (run.rand("noise", (4, 2)), torch.rand)):
        assert torch.equal(drawn, draw(4, 2, generator=torch.Generator().manual_seed(seed)))
    kept = (torch.rand(4, 2, generator=torch.Generator().manual_seed(seed)) >= 0.3) / 0.7
    assert torch.equal(run.keep("noise", (4, 2), 0.3), kept)


# Metrics that stay on the device


@pytest.fixture
def later(monkeypatch):
    """Within it metrics are read at borders only, as if the host had to wait for the CPU."""

    def switch(on):
        monkeypatch.setattr(metrics, "waits_for", lambda device: on)

    return switch


@pytest.mark.parametrize("room", [1024, 3])
def test_metrics_read_at_borders_are_those_read_at_once(tmp_path, monkeypatch, later, room):
    monkeypatch.setattr(metrics.Unread, "ROOM", room)
    for on in (False, True):
        later(on)
        assert train(TOY, tmp_path / str(on))["state"] == "done"
    recipes.check_same_run(tmp_path / "False", tmp_path / "True")


def test_a_run_whose_metrics_are_read_at_borders_resumes_bit_for_bit(tmp_path, later):
    """In the middle between two rows, from a checkpoint of which the sums are a part."""
    later(True)
    recipes.check_resume(TOY, tmp_path)


def broken(at, then=None):
    """The toy, whose loss is NaN in one step and sound again after it; in the next step something else may happen."""

    class Recipe(toys.Recipe):
        def step(self, step):
            if then and step == at + 1:
                raise then
            found = dict(super().step(step))
            return {**found, "loss": found["loss"] * float("nan")} if step == at else found

    Recipe.__module__ = toys.__name__
    return toys.toy(Recipe).with_(steps=24, evaluate_every=10, log_every=7, checkpoint_every=3600)


@pytest.mark.parametrize("then", [None, RuntimeError("device-side assert"), FloatingPointError("the norm is nan")])
@pytest.mark.parametrize("at", [0, 4, 9, 23])
def test_the_first_step_that_is_not_finite_is_named(tmp_path, later, at, then):
    """With the same words, rows and checkpoints as if each number had been read at once."""
    told, left = [], []
    for on in (False, True):
        later(on)
        folder = tmp_path / str(on)
        with pytest.raises(NonFiniteError) as caught:
            train(broken(at, then), folder)
        told.append(str(caught.value).replace(str(folder), ""))
        status = json.loads((folder / "status.json").read_text())
        rows = (folder / "metrics.jsonl").read_text() if (folder / "metrics.jsonl").exists() else ""
        names = sorted(path.name for path in (folder / "checkpoints").iterdir())
        left.append((status["state"], status["step"], rows, names))
    assert told[0] == told[1] and told[0].startswith(f"train/loss is nan at step {at}; ")
    assert left[0] == left[1]


def test_what_a_recipe_writes_over_is_not_read_too_late(later):
    later(True)
    unread, own = metrics.Unread(torch.device("cpu")), torch.zeros(())
    for step in range(3):
        own.fill_(step)
        unread.add(step, {"loss": own, "rate": 0.1 * step})
    assert [(step, row["loss"]) for step, row in unread.read()] == [(0, 0.0), (1, 1.0), (2, 2.0)]
    assert unread.read() == []


# On a GPU


@cuda
def test_a_step_on_a_gpu_waits_for_nothing(tmp_path):
    """torch itself says where the host would wait."""
    recipe, _ = recipes.start(recipes.trainee("denoising_autoencoder").with_(device="cuda"), 4)
    unread = metrics.Unread(recipe.run.device)
    unread.add(0, recipe.step(0))  # kernels are loaded, splits and optimizer set up
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(1, 4):
            recipe.run.step = step
            unread.add(step, recipe.step(step))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(unread.read()) == 4


@cuda
@pytest.mark.parametrize("stem", ["mlp", "rnn_lm", "gan"])
def test_a_run_on_a_gpu_resumes(tmp_path, stem):
    of = recipes.trainee(stem).with_(device="cuda", steps=12, evaluate_every=6)
    assert train(of, tmp_path / "run")["state"] == "done"
    assert resume(of.with_(steps=12), tmp_path / "run")["state"] == "done"


@cuda
def test_noise_on_a_gpu_follows_from_seed_step_and_stream():
    one, two = (Run(Settings(device="cuda", threads=1, steps=4, seed=3)) for _ in range(2))
    assert torch.equal(one.randn("noise", (64, 2)), two.randn("noise", (64, 2)))
    two.step = 1
    assert not torch.equal(one.randn("noise", (64, 2)), two.randn("noise", (64, 2)))
