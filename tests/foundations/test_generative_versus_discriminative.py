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
    run = trained(tmp_path, groups=3)
    values = run.evaluate()
    assert values["few"] < values["few_high"] and values["many_low"] < values["many"]
    assert list((tmp_path / "run" / "figures").glob("learning-curves-*.svg"))
    with pytest.raises(UsageError, match="it leaves results, no module"):
        print(run.module)


def test_a_drawn_task_begins_with_one_example_of_each_class(tmp_path):
    recipe = trained(tmp_path, classes=3).recipe
    task = recipe.draw(0, torch.Generator().manual_seed(1))
    labels = recipe.train().y
    assert sorted(labels[task.places[:3]].tolist()) == task.classes.tolist()
    few, many = (recipe.errors(task, size) for size in (3, 120))
    assert few.shape == (2, 5) and (many < few).all() and (many < 0.15).all()


def test_what_trains_chooses_and_judges_are_different_examples_and_groups_share_none(tmp_path):
    recipe = trained(tmp_path, classes=0, groups=3).recipe
    seen = []
    for step in range(4):
        task = recipe.draw(step, torch.Generator().manual_seed(step))
        parts = [set(part.tolist()) for part in (task.places, *task.held)]
        assert sum(map(len, parts)) == len(set.union(*parts)), "no example has two uses"
        assert len(parts[1]) == len(parts[2]) == pytest.approx(0.2 * len(set.union(*parts)), rel=0.1)
        seen.append(parts)
    whole = [set.union(*parts) for parts in seen]
    assert not (whole[0] & whole[1] or whole[0] & whole[2] or whole[1] & whole[2])
    assert len(set.union(*whole[:3])) == len(recipe.train()), "together they are the training set"
    assert seen[3] == seen[0], "a later task of the group draws another order, not other uses"


def test_more_penalty_is_another_model_and_naive_bayes_stays(tmp_path):
    recipe = trained(tmp_path, penalties=(1000.0, 0.01)).recipe
    task = recipe.draw(0, torch.Generator().manual_seed(0))
    assert recipe.methods() == ["naive Bayes", "logistic, penalty 1000", "logistic, penalty 0.01"]
    errors = recipe.errors(task, 8)
    assert torch.equal(errors, recipe.errors(task, 8)), "nothing is left over from the fit before"


def test_sizes_are_those_that_the_smallest_task_has(tmp_path):
    rows = [(" ".join(words), label) for label, words in (("x", "ab"), ("y", "bc")) for _ in range(30)]
    run = trained(tmp_path, data=texts(tmp_path / "own", rows), examples=(1, 4, 16, 4000))
    assert run.recipe.facts["sizes"] == [4, 16] and run.recipe.facts["width"] == 2
    assert {"few", "many"} <= set(run.evaluate())


@pytest.mark.parametrize("kind", ["bernoulli", "multinomial"])
def test_word_counts_and_other_distributions(tmp_path, kind):
    random = np.random.default_rng(0)
    known = {"good": ["fine", "moving", "the"], "bad": ["dull", "awful", "the"]}
    rows = [(" ".join(random.choice(words, 8)), label) for label, words in known.items() for _ in range(60)]
    run = trained(tmp_path, data=texts(tmp_path / "own", rows), distribution=kind, examples=(4, 32))
    assert run.recipe.curves.known()[:, 1, -1].max() < 0.1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"classes": 1}, "at least two --classes"),
        ({"penalties": ()}, "--penalties"),
        ({"groups": 200}, "there are too few for 200 groups"),
        ({"data": "diabetes"}, "whose target holds names"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_a_run_is_made(tmp_path, options, said):
    with pytest.raises(UsageError, match=said):
        trained(tmp_path, **options)
    assert not (tmp_path / "run").exists()
