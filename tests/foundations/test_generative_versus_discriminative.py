"""The experiment of Ng and Jordan: drawn tasks are nested and know every class, curves come with their intervals."""

import numpy as np
import pytest
import torch

import deepcanon
from deepcanon.errors import UsageError


def trained(tmp_path, **options):
    settings = {"preset": "smoke", "threads": 1, "precision": "fp32", "quiet": True, **options}
    return deepcanon.train("generative-versus-discriminative", out=tmp_path / "run", **settings)


def texts(folder, rows):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "texts.csv"
    path.write_text("text,label\n" + "".join(f'"{text}",{label}\n' for text, label in rows), encoding="utf-8")
    return path


def test_learning_curves_come_with_their_intervals(tmp_path):
    run = trained(tmp_path)
    values = run.evaluate()
    assert values["few"] < values["few_high"] and values["many_low"] < values["many"]
    assert list((tmp_path / "run" / "figures").glob("learning-curves-*.png"))
    with pytest.raises(UsageError, match="it leaves results, no module"):
        print(run.module)


def test_a_drawn_task_begins_with_one_example_of_each_class(tmp_path):
    recipe = trained(tmp_path, classes=3).recipe
    task = recipe.draw(torch.Generator().manual_seed(1))
    train, valid = recipe.split("train"), recipe.split("valid")
    assert sorted(train.y[task.places[:3]].tolist()) == task.classes.tolist()
    assert sorted(task.places.tolist()) == torch.isin(train.y, task.classes).nonzero()[:, 0].tolist()
    assert len(task.inputs) == int(torch.isin(valid.y, task.classes).sum())
    assert set(task.labels.tolist()) == {0, 1, 2}
    few, many = (recipe.errors(task, size) for size in (3, 200))
    assert few.shape == (4,) and (many < few).all() and (many < 0.1).all()


def test_more_penalty_is_another_model_and_naive_bayes_stays(tmp_path):
    recipe = trained(tmp_path, penalties=(1000.0, 0.01)).recipe
    task = recipe.draw(torch.Generator().manual_seed(0))
    assert recipe.methods() == ["naive Bayes", "logistic, penalty 1000", "logistic, penalty 0.01"]
    errors = recipe.errors(task, 8)
    assert torch.equal(errors, recipe.errors(task, 8)), "nothing is left over from the fit before"


def test_sizes_are_those_that_the_smallest_task_has(tmp_path):
    rows = [(" ".join(words), label) for label, words in (("x", "ab"), ("y", "bc")) for _ in range(20)]
    run = trained(tmp_path, data=texts(tmp_path / "own", rows), examples=(1, 4, 16, 4000))
    assert run.recipe.facts["sizes"] == [4, 16] and run.recipe.facts["width"] == 2
    assert {"few", "many"} <= set(run.evaluate())


@pytest.mark.parametrize("kind", ["bernoulli", "multinomial"])
def test_word_counts_and_other_distributions(tmp_path, kind):
    random = np.random.default_rng(0)
    known = {"good": ["fine", "moving", "the"], "bad": ["dull", "awful", "the"]}
    rows = [(" ".join(random.choice(words, 8)), label) for label, words in known.items() for _ in range(60)]
    run = trained(tmp_path, data=texts(tmp_path / "own", rows), distribution=kind, examples=(4, 32))
    assert run.recipe.curves.known()[:, -1].max() < 0.1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"classes": 1}, "two --classes at least"),
        ({"penalties": ()}, "--penalties"),
        ({"valid_share": 0.0}, "give a --valid-share above 0"),
        ({"data": "diabetes"}, "whose target holds names"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_a_run_is_made(tmp_path, options, said):
    with pytest.raises(UsageError, match=said):
        trained(tmp_path, **options)
    assert not (tmp_path / "run").exists()
