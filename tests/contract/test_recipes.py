"""Every contract of a recipe, over every file of `deepcanon/recipes`: a new one gets them by being there.

The tests of a recipe share one traced smoke run, so they follow each other in one process (`conftest.py` sorts them and
gives them to one worker). No contract is left out but by what a recipe declares, or by a skip with its reason.
"""

import csv
import dataclasses
import importlib
import json
import os
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from contract import golden, recipes, toys
from contract.files import ROOT
from contract.own_boxes import own_boxes
from contract.own_dialogues import asked_dialogues, own_dialogues
from contract.own_documents import own_documents
from contract.own_point_sets import own_point_sets
from contract.own_series import own_series
from contract.own_sounds import own_sounds, own_speech
from contract.own_stories import asked_stories, own_stories
from contract.own_trees import asked_trees, own_trees
from contract.shapes import unchecked
from contract.smoke import Smokes
from contract.trainees import short_trials, small_experiment
from deepcanon import heads, verbs
from deepcanon.data import KINDS
from deepcanon.engine import Experiment, Export
from deepcanon.engine.contract import VERBS, Decodes, verbs_of
from deepcanon.engine.forecasts import Forecast
from deepcanon.errors import UsageError

STEMS = heads.stems()
every = pytest.mark.parametrize("stem", STEMS)
SMOKE_SECONDS = 60  # of CPU time; a smoke run takes about one, and 25 at most on a slow machine
PRESET_SECONDS = 60  # of a whole smoke preset in a process of its own, which takes 3 to 6; busy machines triple that


@pytest.fixture(scope="session")
def smoke():
    smokes = Smokes()
    yield smokes
    smokes.close()


def kinds_of(stem):
    """The kinds of data that a recipe reads; none of one whose head is broken, which its other tests say."""
    try:
        return heads.head(stem).data
    except Exception:
        return ()


def class_of(stem):
    return importlib.import_module(f"deepcanon.recipes.{stem}").Recipe


@every
def test_smoke_run(stem, smoke):
    """It leaves what was promised, in seconds; lines before and after name the folder and the next step."""
    run = smoke(stem)
    assert run.lines[0] == str(run.folder)
    assert run.lines[-1].startswith("next: deepcanon ") and str(run.folder) in run.lines[-1]
    assert run.seconds <= SMOKE_SECONDS, f"{run.seconds:.1f} s of CPU time"
    recipes.check_artefacts(run.folder, run.of.recipe)


@every
def test_state_is_named(stem, smoke):
    recipes.check_watched_state(smoke(stem).watch)


@every
def test_metrics_are_tensors_and_described(stem, smoke):
    """Also those that an experiment has with all its arms, which its golden trace names."""
    run, kept = smoke(stem), golden.read("traces", stem)
    traced = {name for row in (kept or {}).get("steps", ()) for name in row if "/" in name}
    recipes.check_metrics(heads.head(stem).metrics, run.watch, {*run.measured, *traced})


@every
def test_stopped_and_resumed(stem, smoke):
    """From what a kill in the middle of a step leaves: the same bits as the run that was never stopped."""
    run = smoke(stem)
    assert json.loads((run.stopped / "status.json").read_text())["state"] == "running"
    with short_trials():
        assert verbs.resume(run.stopped, quiet=True).status()["state"] == "done"
    recipes.check_same_run(run.folder, run.stopped)


@every
def test_same_seed_same_course(stem, smoke):
    run = smoke(stem)
    with short_trials():
        recipes.check_same_seed(run.of, run.of.settings.steps, run.course)


@every
def test_other_seed_other_course(stem, smoke):
    """Or the same course, if that is what the recipe declares."""
    run = smoke(stem)
    check = recipes.check_deterministic if run.of.recipe.deterministic else recipes.check_other_seed
    with short_trials():
        check(run.of, run.of.settings.steps, run.course)


@every
def test_golden_trace(stem):
    recipes.check_golden(recipes.trainee(stem))


@every
def test_overfits_one_batch(stem):
    head = heads.head(stem)
    if not recipes.learns_to_predict(class_of(stem), head.data, head.metrics):
        pytest.skip("no likelihood that steps down a gradient raise on examples at hand")
    recipes.check_overfits(recipes.trainee(stem))


# In processes of their own


def one_of_each_kind():
    """The first recipes, in the order of their names, that together read all kinds of data."""
    seen, chosen = set(), []
    for stem in STEMS:
        if set(kinds_of(stem)) - seen:
            seen |= set(kinds_of(stem))
            chosen.append(stem)
    return chosen


@pytest.mark.parametrize("stem", one_of_each_kind())
def test_smoke_preset_through_the_command_line(stem, tmp_path):
    """The whole preset, as a user runs it."""
    name, out = stem.replace("_", "-"), tmp_path / "run"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = deepcanon("train", name, "--preset", "smoke", "--out", str(out), "--threads", "1")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr and "could not be drawn" not in done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == str(out) and lines[-1].startswith("next: deepcanon ") and str(out) in lines[-1]
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds <= PRESET_SECONDS, f"{seconds:.1f} s of CPU time"
    recipes.check_artefacts(out, class_of(stem))


def deepcanon(*arguments, timeout=240):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "DEEPCANON_SHAPES": "off", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "deepcanon", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout, cwd=ROOT)


BROKEN = ("LocalBatchNorm", "LocalGradients", "LocalNoise", "LocalDropout")


@pytest.mark.timeout(1200)  # all recipes, one after the other
def test_two_processes_equal_one(tmp_path):
    """In float64, the same global batch, 10 steps of the recipe's optimizer, with dropout; planted bugs must differ."""
    parallel = [stem for stem in STEMS if class_of(stem).parallel in ("gradients", "statistics")]
    names = [*parallel, "toys.Recipe", *(f"toys.{name}" for name in BROKEN)]
    script = ROOT / "tests" / "contract" / "two_processes.py"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "DEEPCANON_SHAPES": "off"}
    command = [*launch, str(script), str(tmp_path), *names]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=900, cwd=ROOT)
    errors = [f"{path.stem}: {path.read_text()}" for path in tmp_path.glob("*.error")]
    assert done.returncode == 0, "\n".join(errors) or done.stderr[-4000:]
    wrong = []
    for name in names:
        of = toys.TOYS[name.removeprefix("toys.")] if name.startswith("toys.") else recipes.trainee(name)
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


def own_images(folder, classes=2):
    """Two classes of small pictures, or more, of several sizes and formats."""
    random = np.random.default_rng(0)
    for name, level in [("dark", 40), ("light", 200), ("black", 90), ("white", 150)][:classes]:
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


def own_pairs(folder):
    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    words = {"der": "the", "Hund": "dog", "läuft": "runs", "über": "over", "Wiese": "meadow", "und": "and"}
    drawn = [[str(word) for word in random.choice([*words], 5)] for _ in range(120)]
    lines = [" ".join(row) + ".\t" + " ".join(words[word] for word in row) + ".\n" for row in drawn]
    (folder / "pairs.tsv").write_text("".join(lines), encoding="utf-8")
    return folder / "pairs.tsv"


OWN = {
    "images": own_images, "boxes": own_boxes, "audio": own_sounds, "speech": own_speech, "series": own_series,
    "tables": own_table, "text": own_text, "documents": own_documents, "pairs": own_pairs,
    "stories": own_stories, "trees": own_trees, "point_sets": own_point_sets,
    "dialogues": own_dialogues,
}  # fmt: skip
OWN_CASES = [(stem, kind) for stem in STEMS for kind in kinds_of(stem)]


@pytest.mark.parametrize(("stem", "kind"), OWN_CASES)
def test_own_data_trains_and_the_run_outlives_it(stem, kind, smoke, tmp_path):
    """Trains on the user's own files; then the files go, the run folder moves, and every verb still works."""
    name, out, moved, gone = stem.replace("_", "-"), tmp_path / "run", tmp_path / "moved", []
    if kind not in OWN and kind == heads.head(stem).data[0]:  # made up: the smoke run's data are as good as any
        shutil.copytree(smoke(stem).folder, out)
    else:
        options = {"preset": "smoke", "steps": 6, "threads": 1, "precision": "fp32", "quiet": True}
        if issubclass(class_of(stem), Experiment):
            cut, steps = small_experiment(recipes.trainee(stem))
            options |= {**cut, "steps": steps}
        if kind in OWN:
            more = {"classes": 4} if stem == "transfer" else {}  # which halves them
            options["data"] = str(OWN[kind](tmp_path / "own", **more))
            gone = [tmp_path / "own"]
        else:
            options |= second_choice(stem, kind)
        with short_trials():
            verbs.train(name, out=out, **options)
        recipes.check_artefacts(out, class_of(stem))
    if gone:
        facts = json.loads((out / "facts" / "facts.json").read_text(encoding="utf-8"))
        assert f'"{kind}"' in json.dumps(facts)
    recipes.check_self_sufficient(out, moved, gone, lambda run: use_every_verb(run, kind, tmp_path))


def texts(folder):
    """Two short texts in files."""
    folder.mkdir()
    for index, text in enumerate(("the cat sat", "on a mat and slept")):
        (folder / f"{index}.txt").write_text(text, encoding="utf-8")
    return [str(path) for path in sorted(folder.iterdir())]


def second_choice(stem, kind):
    """A data set of a kind that is made up, not read from files."""
    from deepcanon.data import catalogue

    names = [name for name, entry in catalogue.ENTRIES.items() if entry.kind == kind]
    assert names, f"the catalogue has no set of {kind}"
    return {"data": names[0]}


def inputs_for(recipe, kind, folder):
    """Three inputs, or two texts, of the kind that a recipe takes."""
    reader = recipe.facts["reader"]
    if kind in ("images", "boxes"):
        return torch.randint(0, 256, (3, reader["channels"], *reader["size"]), dtype=torch.uint8)
    if kind in ("text", "documents", "pairs"):
        return texts(folder / "inputs")
    if kind == "point_sets":
        return torch.rand(3, 5, 2)
    if kind == "stories":
        return asked_stories(folder / "inputs")
    if kind == "dialogues":
        return asked_dialogues(folder / "inputs")
    if kind == "trees":
        return asked_trees(folder / "inputs")
    if kind in ("series", "sequences"):
        return torch.randn(3, 12, reader.get("features") or len(reader["columns"]))
    return torch.randn(3, 2)


def use_every_verb(run, kind, folder):
    recipe = run.recipe
    there = verbs_of(type(recipe))
    material = inputs_for(recipe, recipe.inputs or kind, folder) if {"predict", "encode"} & set(there) else None
    if "predict" in there:
        check_records(run.predict(material), len(material), recipe.facts["reader"])
    if "encode" in there:
        codes = run.encode(material)
        assert codes.shape[0] == len(material) and codes.dim() == 2 and bool(torch.isfinite(codes).all())
        if isinstance(recipe, Decodes):
            again = recipe.decode(codes)
            assert again.shape == material.shape and (again.dtype == torch.uint8) == (again.ndim == 4)
    if "generate" in there:
        there_are = {f.name: f.default for f in dataclasses.fields(recipe.asked)}
        short = {"length": min(64, there_are["length"])} if "length" in there_are else {}
        check_samples(run, short | ({"prompt": "the "} if kind in ("text", "pairs") and "prompt" in there_are else {}))
    if "play" in there:
        assert len(run.play(episodes=2)) == 2 and run.play(episodes=2) == run.play(episodes=2)
    if "export" in there:
        check_export(run, folder / "model")
    if not there or recipe.parallel == "trials":  # an experiment leaves what it found, and that stays
        assert len(run.evaluate()) > 1
    assert run.report().is_file()
    for verb in set(VERBS) - set(there):
        with pytest.raises(UsageError, match=f"has no verb {verb}"):
            run.offers(VERBS[verb])


def check_records(records, count, reader):
    """One JSON record for each input; the probabilities of a classifier are of its classes and sum to 1."""
    assert len(records) == count
    for record in records:
        assert json.dumps(record)
        if reader.get("classes") and "probabilities" in record:
            assert set(record["probabilities"]) == set(reader["classes"])
            assert abs(sum(record["probabilities"].values()) - 1) < 1e-4
            assert record["label"] == max(record["probabilities"], key=record["probabilities"].get)


def check_samples(run, options):
    """As many as were asked for, the same from one seed, others from another."""
    first, again = (run.generate(count=2, seed=3, **options) for _ in range(2))
    other = run.generate(count=2, seed=4, **options)
    if isinstance(first, torch.Tensor):
        assert len(first) == 2 and torch.equal(first, again) and not torch.equal(first, other)
    elif isinstance(first, Forecast):
        assert len(first.paths) == 2 and torch.equal(first.paths, again.paths)
        assert not torch.equal(first.paths, other.paths)
    else:
        assert len(first) == 2 and first == again and first != other
        continued = run.recipe.facts["reader"]["kind"] != "pairs"  # a translation does not begin with its source
        assert not continued or all(sample["text"].startswith(options.get("prompt", "")) for sample in first)


def check_export(run, path):
    """The exported program computes what the module computes, and its description names every input."""
    form = run.recipe.formats[0]
    with unchecked():
        written = run.export(form, path.with_suffix(".pt2"))
    assert all(file.is_file() for file in written)
    export = run.recipe.export()
    if not isinstance(export, Export):  # text, which a test of its own reads
        return
    assert len(json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["inputs"]) == len(export.inputs)
    program = torch.export.load(path.with_suffix(".pt2")).module()
    with torch.no_grad():
        eager, outputs = export.module.eval()(*export.inputs), program(*export.inputs)
    for a, b in zip(as_tuple(eager), as_tuple(outputs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def as_tuple(value):
    return (value,) if isinstance(value, torch.Tensor) else tuple(value)


def test_every_kind_of_reader_is_known_here():
    made_up = {"environment", "nothing", "sequences"}
    assert set(KINDS) <= {*OWN, *made_up}, "write own data of the new kind for test_own_data..."
