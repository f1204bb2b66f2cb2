"""Every contract of a recipe, over every file of `deepcanon/recipes`: a new one gets them by being there."""

import csv
import json
import os
import resource
import subprocess
import sys

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from contract import recipes, toys
from contract.files import ROOT
from deepcanon import heads

STEMS = heads.stems()
every = pytest.mark.parametrize("stem", STEMS)
CPU_SECONDS = 60  # a smoke run takes 3 to 10; a busy machine was seen to triple that
READERS = ("images", "tables", "text", "documents", "environment", "points", "task")

# Recipes on which a contract cannot hold, each with its reason.
SKIPS: dict[tuple[str, str], str] = {}


def recipe(stem):
    return recipes.trainee(stem)


@every
def test_smoke_run_through_the_command_line(stem, tmp_path):
    """One command, in seconds, leaves what was promised; lines before and after name the folder and the next step."""
    name, out = stem.replace("_", "-"), tmp_path / "run"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = deepcanon("train", name, "--preset", "smoke", "--out", str(out), "--threads", "1")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == str(out) and lines[-1].startswith("next: deepcanon ") and str(out) in lines[-1]
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds <= CPU_SECONDS, f"{seconds:.1f} s of CPU time"
    recipes.check_artefacts(out, recipe(stem).recipe)


def deepcanon(*arguments, timeout=240):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "DEEPCANON_SHAPES": "off", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "deepcanon", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout, cwd=ROOT)


@every
def test_state_is_named(stem):
    recipes.check_state(recipe(stem))


@every
def test_killed_and_resumed_equals_uninterrupted(stem, tmp_path):
    recipes.check_resume(recipe(stem), tmp_path)


@every
def test_same_seed_same_trace(stem):
    recipes.check_same_seed(recipe(stem))


@pytest.mark.parametrize("stem", [stem for stem in STEMS if not recipes.fits_in_closed_form(stem)])
def test_other_seed_other_trace(stem):
    recipes.check_other_seed(recipe(stem))


@every
def test_golden_trace(stem):
    recipes.check_golden(recipe(stem))


@pytest.mark.parametrize("stem", [stem for stem in STEMS if recipes.learns_to_predict(stem)])
def test_overfits_one_batch(stem):
    recipes.check_overfits(recipe(stem))


PARALLEL = [stem for stem in STEMS if not recipe(stem).recipe.parallel.startswith(("none", "trials"))]
BROKEN = ("LocalBatchNorm", "LocalGradients", "LocalNoise")


def test_two_processes_equal_one(tmp_path):
    """float64, the same global batch, 20 steps of the recipe's own optimizer; three planted bugs must differ."""
    names = [*PARALLEL, "toys.Recipe", *(f"toys.{name}" for name in BROKEN)]
    script = ROOT / "tests" / "contract" / "two_processes.py"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "DEEPCANON_SHAPES": "off"}
    command = [*launch, str(script), str(tmp_path), *names]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=280, cwd=ROOT)
    errors = [f"{path.stem}: {path.read_text()}" for path in tmp_path.glob("*.error")]
    assert done.returncode == 0, "\n".join(errors) or done.stderr[-4000:]
    wrong = []
    for name in names:
        of = toys.TOYS[name.removeprefix("toys.")] if name.startswith("toys.") else recipe(name)
        two = safetensors.torch.load_file(tmp_path / f"{name}.safetensors")
        try:
            recipes.check_same_model(recipes.final_state(of), two)
        except AssertionError as error:
            if name.removeprefix("toys.") not in BROKEN:
                wrong.append(f"{name}: {error}")
        else:
            if name.removeprefix("toys.") in BROKEN:
                wrong.append(f"{name}: the planted bug was not seen")
    assert not wrong, "\n".join(wrong)


# Your own data, then gone


def own_images(folder):
    """Two classes of small pictures, of several sizes and formats."""
    random = np.random.default_rng(0)
    for name, level in (("dark", 40), ("light", 200)):
        (folder / name).mkdir(parents=True)
        for index in range(40):
            shape = (12 + index % 3, 14, 3) if index % 2 else (16, 12 + index % 2)
            pixels = random.integers(level - 30, level + 30, shape).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.{'png' if index % 3 else 'webp'}", lossless=True)
    return folder


def own_table(folder):
    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    with open(folder / "table.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["length", "width", "kind"])
        for _ in range(120):
            kind = int(random.integers(2))
            writer.writerow([f"{random.normal() + 3 * kind:.4f}", f"{random.normal():.4f}", ("round", "flat")[kind]])
    return folder / "table.csv"


def own_text(folder):
    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    words = ["the", "naïve", "cat", "sat", "on", "a", "mat", "and", "slept", "well"]
    lines = [" ".join(random.choice(words, 8)) + "." for _ in range(400)]
    (folder / "text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "text.txt"


def own_documents(folder):
    """Two classes of short texts, a file each."""
    random = np.random.default_rng(0)
    words = {"dark": ["night", "coal", "ink", "the", "and"], "light": ["snow", "sun", "été", "the", "and"]}
    for name, known in words.items():
        (folder / name).mkdir(parents=True)
        for index in range(40):
            (folder / name / f"{index}.txt").write_text(" ".join(random.choice(known, 12)) + ".", encoding="utf-8")
    return folder


OWN = {"images": own_images, "tables": own_table, "text": own_text, "documents": own_documents}
OWN_CASES = [(stem, kind) for stem in STEMS for kind in heads.head(stem).data]


@pytest.mark.parametrize(("stem", "kind"), OWN_CASES)
def test_own_data_trains_and_the_run_outlives_it(stem, kind, tmp_path):
    """Trains on the user's own files; then the files go, the run folder moves, and every verb still works."""
    import deepcanon

    options = {"preset": "smoke", "steps": 6, "threads": 1, "precision": "fp32", "quiet": True}
    gone = []
    if kind in OWN:
        options["data"] = str(OWN[kind](tmp_path / "own"))
        gone = [tmp_path / "own"]
    elif kind != heads.head(stem).data[0]:
        options |= second_choice(stem, kind)
    name, out = stem.replace("_", "-"), tmp_path / "run"
    deepcanon.train(name, out=out, **options)
    recipes.check_artefacts(out, recipe(stem).recipe)
    if gone:
        facts = json.loads((out / "facts" / "facts.json").read_text(encoding="utf-8"))
        assert f'"{kind}"' in json.dumps(facts)
    material = {
        "images": torch.randint(0, 256, (3, 1, 12, 12), dtype=torch.uint8),
        "tables": torch.randn(3, 2),
        "text": texts(tmp_path / "texts"),
        "documents": texts(tmp_path / "documents"),
    }.get(kind)
    recipes.check_self_sufficient(
        out, tmp_path / "moved", gone, lambda run: use_every_verb(run, kind, material, tmp_path)
    )


def texts(folder):
    """Two short texts in files."""
    folder.mkdir()
    for index, text in enumerate(("the cat sat", "on a mat and slept")):
        (folder / f"{index}.txt").write_text(text, encoding="utf-8")
    return [str(path) for path in sorted(folder.iterdir())]


def second_choice(stem, kind):
    """A data set of a kind that is made up, not read from files."""
    from deepcanon.data import catalogue

    if kind == "task":
        return {"data": ""}
    names = [name for name, entry in catalogue.ENTRIES.items() if entry.kind == kind]
    assert names, f"the catalogue has no set of {kind}"
    return {"data": names[0]}


def use_every_verb(run, kind, material, folder):
    reader = run.recipe.facts["reader"]
    if kind == "images":
        height, width = reader["size"]
        material = material[:, :, :1, :1].expand(3, reader["channels"], height, width).contiguous()
    if kind == "task" and "shape" in run.recipe.facts:
        material = torch.randn(3, *run.recipe.facts["shape"])
    used = []
    if hasattr(run.recipe, "predict"):
        records = run.predict(material)
        assert len(records) == len(material)
        for record in records:
            assert json.dumps(record)
            if reader.get("classes") and "probabilities" in record:
                assert set(record["probabilities"]) == set(reader["classes"])
                assert abs(sum(record["probabilities"].values()) - 1) < 1e-4
                assert record["label"] == max(record["probabilities"], key=record["probabilities"].get)
        used.append("predict")
    if hasattr(run.recipe, "encode"):
        codes = run.encode(material)
        assert codes.shape[0] == len(material) and codes.dim() == 2 and bool(torch.isfinite(codes).all())
        used.append("encode")
    if hasattr(run.recipe, "generate"):
        options = {"prompt": "the "} if kind == "text" else {}
        first, again = (run.generate(count=2, seed=3, **options) for _ in range(2))
        other = run.generate(count=2, seed=4, **options)
        if isinstance(first, torch.Tensor):
            assert len(first) == 2 and torch.equal(first, again) and not torch.equal(first, other)
        else:
            assert len(first) == 2 and first == again and first != other
            assert all(sample["text"].startswith(options.get("prompt", "")) for sample in first)
        used.append("generate")
    if hasattr(run.recipe, "play"):
        assert len(run.play(2, seed=0)) == 2 and run.play(2, seed=0) == run.play(2, seed=0)
        used.append("play")
    if hasattr(run.recipe, "export"):
        written = run.export("torch", folder / "model.pt2")
        assert all(path.is_file() for path in written)
        about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        program = torch.export.load(folder / "model.pt2").module()
        export = run.recipe.export()
        eager = export.module.eval()(*export.inputs)
        with torch.no_grad():
            outputs = program(*export.inputs)
        for a, b in zip(as_tuple(eager), as_tuple(outputs), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
        assert len(about["inputs"]) == len(export.inputs)
        used.append("export")
    if run.recipe.parallel == "trials" or kind == "task":  # an experiment leaves what it found, and that stays
        assert len(run.evaluate()) > 1
        used.append("eval")
    assert used, "the recipe offers no verb"
    assert run.report().is_file()
    with pytest.raises(Exception, match=r"\w"):
        run.can("no-such-verb")


def as_tuple(value):
    return (value,) if isinstance(value, torch.Tensor) else tuple(value)


def test_every_kind_of_reader_is_known_here():
    from deepcanon.data import KINDS

    assert set(KINDS) <= set(READERS), "write own data of the new kind for test_own_data..."
