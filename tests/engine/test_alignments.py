"""Where translators look: measured by the oracle's sums, and moved by what is added to the loss."""

import copy
import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from oracles import attention as oracle

import deepcanon
from deepcanon.engine.alignments import Looks
from deepcanon.errors import UsageError
from deepcanon.parts.masks import real_positions
from deepcanon.parts.optimizers import Adam


def looked(lengths, steps, seed):
    """Weights [batch, steps, places] of sentences so long, with what stands behind their ends; masks of both axes."""
    real, there = (real_positions(torch.tensor(sizes), max(sizes)) for sizes in (lengths, steps))
    raw = torch.rand(len(lengths), max(steps), max(lengths), generator=torch.Generator().manual_seed(seed)).double()
    weights = torch.where(real[:, None], raw, 0.0)
    return weights / weights.sum(2, keepdim=True), there, real


def test_measures_are_means_over_words_of_all_portions():
    parts, looks = [looked([4, 2], [5, 3], 0), looked([1], [2], 1)], Looks(lambda words: range(len(words)))
    for part, words in zip(parts, ([["a"] * 4, ["b"]], [["c"]]), strict=True):
        looks.add(*part)
        looks.compare(part[0], words)
    uneven = sum(oracle.doubly_stochastic(*(one.numpy() for one in part)).sum() for part in parts)
    again = sum(oracle.coverage(*(one.numpy() for one in part[:2]))[0].sum() for part in parts)
    measured = looks.measured()
    assert measured["uneven"] == pytest.approx(uneven / (4 + 2 + 1), rel=1e-12)
    assert measured["coverage_loss"] == pytest.approx(again / (3 + 5 + 2), rel=1e-12)
    rows = [(parts[0][0][0], 4), (parts[0][0][1], 1), (parts[1][0][0], 1)]
    right = sum(int(np.argmax(row[t])) == t for row, count in rows for t in range(count))
    assert measured["alignment"] == pytest.approx(right / 6)


def test_steps_behind_the_end_count_for_nothing_and_a_model_that_does_not_look_has_no_measures():
    weights, there, real = looked([4, 2], [3, 5], 0)
    other = torch.where(there[:, :, None], weights, weights.flip(2))
    assert not torch.equal(weights, other)
    found = []
    for one in (weights, other):
        looks = Looks(None)
        looks.add(one, there, real)
        found.append(looks.measured())
    assert found[0] == found[1] and found[0].keys() == {"uneven", "coverage_loss"}
    assert Looks(None).measured() == {}


def test_who_looks_once_at_each_word_is_even_and_who_stays_is_not():
    there = real = torch.ones(1, 3, dtype=torch.bool)
    stays = torch.tensor([[[1.0, 0, 0]] * 3])
    for weights, uneven, again in ((torch.eye(3)[None], 0, 0), (stays, (4 + 1 + 1) / 3, 2 / 3)):
        looks = Looks(None)
        looks.add(weights, there, real)
        assert looks.measured() == pytest.approx({"uneven": uneven, "coverage_loss": again})


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """Of a run that has made one step, both penalties on, on pairs of unequal lengths."""
    folder = tmp_path_factory.mktemp("run")
    lines = ["ein Hund läuft .\ta dog runs .", "zwei Katzen schlafen dort heute .\ttwo cats sleep there ."]
    (folder / "pairs.tsv").write_text("\n".join(lines * 20) + "\n", encoding="utf-8")
    given = {"batch": 8, "hidden": 8, "embedding": 8, "minimum_count": 1, "threads": 1, "quiet": True}
    both = {"doubly_stochastic": 0.75, "coverage": 0.5, "penalty_from": 0.0}
    data = {"data": str(folder / "pairs.tsv"), "out": folder / "r", "steps": 1}
    return deepcanon.train("attention", **data, **given, **both, dropout=0.0).recipe


def test_what_is_added_is_weighed_against_the_nats_of_the_words(recipe):
    """The loss is (nats of all sentences + weight * penalty of all sentences) / words, and its parts are told."""
    sources, targets, inputs = recipe.taken(0)
    with torch.no_grad():
        readout, weights = recipe.model(*sources, inputs)
    steps = real_positions(targets.lengths, targets.tokens.shape[1])
    real = real_positions(sources.lengths, sources.tokens.shape[1])
    values = weights.double().numpy(), steps.numpy()
    doubly, again = oracle.doubly_stochastic(*values, real.numpy()).sum(), oracle.coverage(*values)[0].sum()
    logits = recipe.model.output(readout).detach().log_softmax(2)
    nats = -logits.gather(2, targets.tokens[:, :, None])[steps].sum().item()
    found, words = recipe.step(0), int(targets.lengths.sum())
    assert found["doubly_stochastic"].item() == pytest.approx(doubly / words, rel=1e-5)
    assert found["coverage_loss"].item() == pytest.approx(again / words, rel=1e-5)
    assert found["nll"].item() == pytest.approx(nats / words, rel=1e-5)
    assert found["loss"].item() == pytest.approx((nats + 0.75 * doubly + 0.5 * again) / words, rel=1e-5)


@pytest.mark.parametrize("name", ["doubly_stochastic", "coverage_loss"])
def test_a_descent_on_a_penalty_alone_lowers_it(recipe, name):
    model = copy.deepcopy(recipe.model)
    sources, targets, inputs = recipe.taken(0)
    steps, values = real_positions(targets.lengths, targets.tokens.shape[1]), []
    model.attention.vector.data *= 30  # so that few words are looked at, whatever the step
    optimizer = Adam(model.parameters(), lr=3e-2)
    for _ in range(20):
        optimizer.zero_grad()
        penalty = recipe.penalties(model(*sources, inputs)[1], steps, sources.lengths)[name][1].sum()
        penalty.backward()
        optimizer.step()
        values.append(penalty.item())
    assert values[-1] < 0.75 * values[0]


def test_nothing_is_added_before_its_time_or_unless_it_is_asked_for(recipe):
    def added(step, **options):
        config = dataclasses.replace(recipe.config, **options)
        at = SimpleNamespace(step=step, steps=10)
        stand_in = SimpleNamespace(config=config, run=at)
        stand_in.penalised = type(recipe).penalised.fget(stand_in)
        masks = torch.ones(1, 1, dtype=torch.bool), torch.tensor([1])
        return [*type(recipe).penalties(stand_in, torch.ones(1, 1, 1), *masks)]

    both = ["doubly_stochastic", "coverage_loss"]
    assert added(0, doubly_stochastic=0.0, coverage=0.0) == [] and added(0) == both
    assert added(5, penalty_from=0.6) == [] and added(6, penalty_from=0.6) == both
    assert added(9, doubly_stochastic=0.0) == both[1:]


def test_the_best_weights_are_those_of_what_is_minimised(recipe):
    assert recipe.monitor == ("valid/objective", "min")
    found = recipe.evaluate("valid")
    assert found["objective"] == pytest.approx(found["nll"] + 0.75 * found["uneven"] + 0.5 * found["coverage_loss"])


def test_weights_that_are_all_equal_cannot_be_moved(recipe):
    for name in ("doubly_stochastic", "coverage"):
        given = {"doubly_stochastic": 0.0, "coverage": 0.0, name: 1.0, "score": "uniform"}
        said = f"^--{name.replace('_', '-')} has no effect on equal weights: leave --score uniform out$"
        with pytest.raises(UsageError, match=said):
            type(recipe).learn(dataclasses.replace(recipe.config, **given), recipe.run.data)


def test_attention_by_its_last_place_has_one_score(recipe):
    given = {"form": "location-aware", "score": "dot", "doubly_stochastic": 0.0, "coverage": 0.0}
    with pytest.raises(UsageError, match=r"^--score dot: --form location-aware has an additive score$"):
        type(recipe).learn(dataclasses.replace(recipe.config, **given), recipe.run.data)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"window": 7}, "--window has no effect without --form location-aware"),
        ({"reach": 4, "form": "location-aware"}, "--reach 4: give an odd number, which has a middle"),
    ],
)
def test_windows_have_a_middle_and_a_form_that_reads_them(recipe, given, said):
    given = {"doubly_stochastic": 0.0, "coverage": 0.0, **given}
    with pytest.raises(UsageError, match=f"^{said}$"):
        type(recipe).learn(dataclasses.replace(recipe.config, **given), recipe.run.data)


def test_the_windows_asked_for_are_those_of_the_network(recipe):
    other = copy.copy(recipe)
    other.config = dataclasses.replace(recipe.config, form="location-aware", window=3, reach=9)
    found = other.network((5, 7))
    assert (found.around.kernel_size, found.before.kernel_size) == ((3,), (9,))
