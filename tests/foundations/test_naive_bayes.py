"""Naive Bayes: scikit-learn's three, counts that merge, sampling, likelihoods, and what has no fit."""

import math

import jaxtyping
import numpy as np
import pytest
import torch
from oracles import naive_bayes as oracle

import deepcanon
from deepcanon.errors import UsageError
from deepcanon.foundations import NaiveBayes
from deepcanon.foundations.naive_bayes import (
    ClassMoments,
    bits_per_dimension,
    class_moments,
    merge_classes,
    sample_z,
    telling_features,
)


def rows(kind, n=120, features=6, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    y[:3] = np.arange(3)
    if kind == "gaussian":
        return rng.normal(size=(n, features)) * (1 + np.arange(features)) + 10 + y[:, None], y
    if kind == "bernoulli":
        return (rng.random((n, features)) < 0.2 + 0.25 * y[:, None]).astype(float), y
    return rng.poisson(1 + y[:, None] * np.arange(features), size=(n, features)).astype(float), y


def scikit(kind, smoothing):
    bayes = pytest.importorskip("sklearn.naive_bayes")
    if kind == "gaussian":
        return bayes.GaussianNB(var_smoothing=smoothing)
    return bayes.BernoulliNB(alpha=smoothing) if kind == "bernoulli" else bayes.MultinomialNB(alpha=smoothing)


@pytest.mark.parametrize("kind", ["gaussian", "bernoulli", "multinomial"])
@pytest.mark.parametrize("smoothing", [None, 0.3])
def test_it_equals_scikit_learn(kind, smoothing):
    x, y = rows(kind)
    default = {"gaussian": 1e-9, "bernoulli": 1.0, "multinomial": 1.0}[kind]
    ours = NaiveBayes(kind, smoothing=smoothing).fit(x, y + 5)
    theirs = scikit(kind, default if smoothing is None else smoothing).fit(x, y + 5)
    other, _ = rows(kind, seed=1)
    np.testing.assert_allclose(ours.predict_log_proba(other), theirs.predict_log_proba(other), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(ours(torch.from_numpy(other)), theirs.predict_joint_log_proba(other), rtol=1e-10)
    np.testing.assert_array_equal(ours.predict(other), theirs.predict(other))
    np.testing.assert_allclose(ours.predict_proba(other).sum(1), 1, rtol=1e-12)
    if kind == "gaussian":
        np.testing.assert_allclose(ours.variance_, theirs.var_, rtol=1e-10)


def test_a_threshold_makes_values_binary():
    x, y = rows("gaussian")
    bayes = pytest.importorskip("sklearn.naive_bayes")
    ours, theirs = NaiveBayes("bernoulli", threshold=11.0).fit(x, y), bayes.BernoulliNB(binarize=11.0).fit(x, y)
    np.testing.assert_allclose(ours.predict_log_proba(x), theirs.predict_log_proba(x), rtol=1e-10, atol=1e-10)


def test_values_between_0_and_1_are_the_mean_over_binary_draws():
    rng = np.random.default_rng(3)
    x, y = rng.random((40, 4)), np.arange(40) % 2
    model = NaiveBayes("bernoulli", smoothing=0.5).fit(x, y)
    total = np.zeros(2)
    for corner in np.ndindex(2, 2, 2, 2):  # every binary draw of the first row, with its probability
        chance = np.prod(np.where(np.array(corner) == 1, x[0], 1 - x[0]))
        total += chance * model(torch.tensor([corner], dtype=torch.float64)).numpy()[0]
    np.testing.assert_allclose(model(torch.from_numpy(x[:1]))[0], total, rtol=1e-10)


@pytest.mark.parametrize("kind", ["gaussian", "bernoulli", "multinomial"])
def test_processes_that_counted_different_rows_come_to_the_same(kind):
    x, y = (torch.from_numpy(values) for values in rows(kind))
    parts = [class_moments(x[:30], y[:30], 3), class_moments(x[30:], y[30:], 3)]
    whole = class_moments(x, y, 3)
    for mine, other in (parts, parts[::-1]):
        sums = {id(a): a + b for a, b in zip(mine, other, strict=True)}
        gaps = [part.sums / part.examples[:, None] - whole.sums / whole.examples[:, None] for part in parts]
        centred = sum(
            part.scatter + part.examples[:, None] * gap.square() for part, gap in zip(parts, gaps, strict=True)
        )
        found = mine.summed(lambda value, sums=sums, centred=centred: sums.get(id(value), centred))
        for a, b in zip(found, whole, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_the_usual_model_of_a_kind_of_data():
    images, documents = NaiveBayes.usual("images"), NaiveBayes.usual("documents", share_variance=False)
    assert (images.distribution, images.smoothing, images.share_variance) == ("gaussian", 0.1, True)
    assert (documents.distribution, documents.smoothing, documents.threshold) == ("multinomial", 1.0, 0.5)
    binary = NaiveBayes.usual("images", "bernoulli", smoothing=0.5, binarize=True)
    assert (binary.smoothing, binary.threshold) == (0.5, 0.5)
    assert NaiveBayes.usual("tables", "bernoulli").threshold is None
    with pytest.raises(ValueError, match="word counts are not gaussian"):
        NaiveBayes.usual("documents", "gaussian")


@pytest.mark.parametrize("kind", ["gaussian", "bernoulli", "multinomial"])
def test_counts_do_not_depend_on_the_cuts(kind):
    x, y = rows(kind)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    whole = class_moments(x, y, 3)
    parts = class_moments(x[:0], y[:0], 3)
    for a, b in zip(x.split([1, 2, 50, 67]), y.split([1, 2, 50, 67]), strict=True):
        parts = merge_classes(parts, class_moments(a, b, 3))
    for mine, other in zip(parts, whole, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(NaiveBayes(kind, smoothing=0.1).fit_moments(parts).theta_,
                               oracle.fit(x.numpy(), y.numpy(), 3, kind, 0.1)[1], rtol=1e-10)  # fmt: skip
    with pytest.raises(ValueError, match="do not merge"):
        merge_classes(whole, class_moments(x[:, :2], y, 3))
    assert isinstance(whole, ClassMoments)


def test_probabilities_of_all_binary_inputs_add_up_to_one():
    """p(x) is normalised: over the 2^6 inputs for Bernoulli, by a sum over a fine grid for Gaussian."""
    x, y = rows("bernoulli")
    model = NaiveBayes("bernoulli").fit(x, y)
    corners = torch.tensor(list(np.ndindex(*(2,) * 6)), dtype=torch.float64)
    assert model.score_samples(corners).exp().sum().item() == pytest.approx(1, abs=1e-12)
    x, y = rows("gaussian", features=1)
    model = NaiveBayes("gaussian").fit(x, y)
    grid = torch.linspace(-10, 35, 20_001, dtype=torch.float64)[:, None]
    assert model.score_samples(grid).exp().sum().item() * (45 / 20_000) == pytest.approx(1, abs=1e-8)


def test_bits_say_their_base_and_their_dimension():
    x, y = rows("bernoulli")
    model = NaiveBayes("bernoulli").fit(x, y)
    log = model.score_samples(torch.from_numpy(x))
    torch.testing.assert_close(bits_per_dimension(log, 6), -log / math.log(2) / 6)
    fair = NaiveBayes("bernoulli").fit(np.array([[0, 1.0], [1, 0], [0, 1], [1, 0]]), np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(bits_per_dimension(fair.score_samples(torch.eye(2).double()), 2), 1.0)  # a fair coin
    with pytest.raises(ValueError, match="0 features"):
        bits_per_dimension(log, 0)


def test_it_is_the_maximum_of_the_joint_likelihood():
    x, y = rows("gaussian")
    model = NaiveBayes("gaussian", smoothing=0.0).fit(x, y)

    def likelihood(m):
        return m(torch.from_numpy(x))[torch.arange(len(y)), torch.from_numpy(y)].sum()

    best = likelihood(model)
    for name, factor in (("theta_", 1.001), ("theta_", 0.999), ("variance_", 1.01), ("variance_", 0.99)):
        moved = NaiveBayes("gaussian", smoothing=0.0).fit(x, y)
        setattr(moved, name, getattr(moved, name) * factor)
        assert likelihood(moved) < best


def test_a_shared_variance_makes_the_log_odds_linear():
    """The generative twin of logistic regression: log p(1|x) - log p(0|x) is linear in x, with one variance only."""
    x, y = rows("gaussian")
    a, b = torch.from_numpy(x[:5]), torch.from_numpy(x[5:10])
    for share, linear in ((True, True), (False, False)):
        joint = NaiveBayes("gaussian", share_variance=share).fit(x, y)
        odds = [(joint(z)[:, 1] - joint(z)[:, 0]) for z in (a, b, 0.5 * (a + b))]
        assert torch.allclose(odds[2], 0.5 * (odds[0] + odds[1]), atol=1e-9) is linear
    pooled = np.concatenate([x[y == c] - x[y == c].mean(0) for c in range(3)]).var(0)
    model = NaiveBayes("gaussian", smoothing=0.0, share_variance=True).fit(x, y)
    np.testing.assert_allclose(model.variance_[2], pooled, rtol=1e-10)


@pytest.mark.parametrize("kind", ["gaussian", "bernoulli", "multinomial"])
def test_samples_have_the_means_and_spreads_of_their_class(kind):
    x, y = rows(kind)
    model = NaiveBayes(kind).fit(x, y)
    labels, draws = torch.arange(3).repeat_interleave(20_000), 10
    samples = model.sample(labels, draws=draws, generator=torch.Generator().manual_seed(0)).view(3, 20_000, 6)
    times = draws if kind == "multinomial" else 1
    error = (times * model.variance_ / 20_000).sqrt()
    z = (samples.mean(1) - times * model.theta_) / error
    assert z.abs().max() < 4 and 0.5 < z.square().mean().sqrt() < 1.5
    torch.testing.assert_close(samples.var(1), times * model.variance_, rtol=0.08, atol=1e-3)
    if kind == "multinomial":
        assert (samples.sum(2) == draws).all()
    again = model.sample(labels, draws=draws, generator=torch.Generator().manual_seed(0)).view(3, 20_000, 6)
    assert torch.equal(samples, again)


def test_a_sampler_of_other_means_is_caught():
    """Equation (9): about 1 for the model's own samples, far from it where means or spreads are wrong."""
    x, y = rows("gaussian")
    model, generator = NaiveBayes("gaussian").fit(x, y), torch.Generator().manual_seed(0)
    assert 0.7 < sample_z(model, samples=2000, generator=generator) < 1.3

    class Wrong(NaiveBayes):
        def sample(self, labels, **options):
            return super().sample(labels, **options) * self.factor + self.shift

    for factor, shift in ((1.0, 0.3), (1.1, 0.0)):
        wrong = Wrong("gaussian").fit(x, y)
        wrong.factor, wrong.shift = factor, shift
        assert sample_z(wrong, samples=2000, generator=generator) > 1.5


def test_telling_features_sum_to_the_divergence_of_two_classes():
    theta = NaiveBayes("multinomial").fit(*rows("multinomial")).theta_[:2]
    shares = telling_features(theta)
    torch.testing.assert_close(shares.sum(1)[0], (theta[0] * (theta[0] / theta[1]).log()).sum())
    assert torch.isfinite(telling_features(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))).all()
    with pytest.raises(ValueError, match="two classes"):
        telling_features(theta[:1])


@pytest.mark.parametrize(
    ("model", "change", "said"),
    [
        (NaiveBayes("gaussian"), lambda x, y: (x * np.nan, y), "Input X contains NaN"),
        (NaiveBayes("gaussian"), lambda x, y: (x[:0], y[:0]), "0 sample"),
        (NaiveBayes("gaussian"), lambda x, y: (x, y[:5]), "one label for each of 120 rows"),
        (NaiveBayes("gaussian"), lambda x, y: (x, None), "requires y"),
        (NaiveBayes("gaussian"), lambda x, y: (x, y + 0.5), "continuous numbers are not classes"),
        (NaiveBayes("gaussian"), lambda x, y: (x, np.array(list("abc"))[y]), "number the classes first"),
        (
            NaiveBayes("gaussian", smoothing=0.0),
            lambda x, y: (np.where(np.arange(6) == 3, 2.0, x), y),
            "feature 3 is c",
        ),
        (NaiveBayes("gaussian"), lambda x, y: (np.ones_like(x), y), "feature 0 is constant in a class of"),
        (NaiveBayes("gaussian", smoothing=-1.0), lambda x, y: (x, y), "smoothing"),
        (NaiveBayes().set_params(distribution="poisson"), lambda x, y: (x, y), "distribution is"),
        (NaiveBayes("bernoulli"), lambda x, y: (x, y), "lie in"),
        (NaiveBayes("multinomial"), lambda x, y: (-x, y), "Negative values"),
    ],
)
def test_what_has_no_fit_is_named(model, change, said, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=said):
        model.fit(*change(*rows("gaussian")))


def test_an_empty_class_and_a_wrong_label_are_named():
    x, y = (torch.from_numpy(a) for a in rows("gaussian"))
    with pytest.raises(ValueError, match="no examples of class 3"):
        NaiveBayes().fit_moments(class_moments(x, y, 4))
    with pytest.raises(ValueError, match=r"labels lie in 0\.\.1, got 0\.\.2"):
        class_moments(x, y, 2)
    with pytest.raises(ValueError, match="places 0"):
        NaiveBayes().fit(x, y).sample(torch.tensor([3]))


def test_a_probability_of_zero_gives_no_nan():
    model = NaiveBayes("bernoulli", smoothing=0.0).fit(
        np.array([[0.0, 1], [0, 0], [1, 1], [1, 0]]), np.array([0, 0, 1, 1])
    )
    p = model.predict_proba(np.array([[0.0, 1], [1, 1]]))
    np.testing.assert_allclose(p, [[1, 0], [0, 1]], atol=1e-12)


def test_manners():
    x, y = rows("gaussian")
    model = NaiveBayes("gaussian", smoothing=0.2)
    assert model.get_params() == {
        "distribution": "gaussian", "smoothing": 0.2, "threshold": None, "share_variance": False,
    }  # fmt: skip
    assert model.set_params(smoothing=0.1) is model and model.smoothing == 0.1
    with pytest.raises(ValueError, match="nonsense"):
        model.set_params(nonsense=1)
    for use in (model.predict, model.predict_proba, model.score_samples):
        with pytest.raises(ValueError, match="not fitted"):
            use(x)
    assert model.fit(x, y) is model and model.n_features_in_ == 6
    assert isinstance(model.predict(x), np.ndarray) and isinstance(model.predict(torch.from_numpy(x)), torch.Tensor)
    with pytest.raises(ValueError, match="expecting 6 features"):
        model.predict(x[:, :5])
    other = NaiveBayes("gaussian")
    other.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(other.predict_proba(x), model.predict_proba(x))


# The recipe


def trained(tmp_path, name="run", **options):
    settings = {"preset": "smoke", "threads": 1, "precision": "fp32", "quiet": True, **options}
    return deepcanon.train("naive-bayes", out=tmp_path / name, **settings)


def test_samples_are_of_their_class(tmp_path):
    run = trained(tmp_path)
    values = run.evaluate("test")
    assert values["accuracy"] > 0.8 and 0.85 < values["sample_z"] < 1.15
    eights = run.generate(prompt="8", count=50, seed=0)
    guessed = [record["label"] for record in run.predict(eights)]
    assert guessed.count("8") > 40
    with pytest.raises(Exception, match="the prompt names a class"):
        run.generate(prompt="eleven")


@pytest.mark.parametrize("kind", ["bernoulli", "multinomial"])
def test_the_other_distributions_train_on_pixels(tmp_path, kind):
    run = trained(tmp_path, distribution=kind)
    assert run.evaluate("test")["accuracy"] > 0.75 and "fitted in one pass" in run.status()["reason"]


def documents(folder, rows, form="csv"):
    """A table of texts and labels, or a folder of classes."""
    folder.mkdir(parents=True, exist_ok=True)
    if form == "csv":
        path = folder / "texts.csv"
        path.write_text("text,label\n" + "".join(f'"{text}",{label}\n' for text, label in rows), encoding="utf-8")
        return path
    for number, (text, label) in enumerate(rows):
        (folder / label).mkdir(exist_ok=True)
        (folder / label / f"{number}.txt").write_text(text, encoding="utf-8")
    return folder


def reviews(count=60):
    random = np.random.default_rng(0)
    known = {"good": ["fine", "moving", "the", "film", "a"], "bad": ["dull", "awful", "the", "film", "a"]}
    return [(" ".join(random.choice(words, 8)), label) for label, words in known.items() for _ in range(count)]


@pytest.mark.parametrize("kind", ["auto", "bernoulli"])
@pytest.mark.parametrize("form", ["csv", "folder"])
def test_own_documents(tmp_path, kind, form):
    run = trained(tmp_path, data=documents(tmp_path / "own", reviews(), form), distribution=kind)
    values = run.evaluate("test")
    assert values["accuracy"] > 0.9 and values["empty"] == 0
    words = (tmp_path / "run" / "samples" / "telling-words-00000001.txt").read_text().splitlines()
    assert words[0].startswith("bad: ") and {"dull", "awful"} == set(words[0].split()[1:3])
    first = run.generate(prompt="good", count=1, seed=0)[0]["text"]
    assert first.startswith("good: ") and not {"dull", "awful"} & set(first.split()[1:])


def test_word_counts_are_those_of_scikit_learn(tmp_path):
    """The whole way from texts to probabilities, for both event models."""
    text = pytest.importorskip("sklearn.feature_extraction.text")
    data = reviews()
    path = documents(tmp_path / "own", data)
    asked = ["A dull, DULL film", "moving", "nothing known", "the fine awful"]
    (tmp_path / "asked.txt").write_text("\n".join(asked), encoding="utf-8")
    for kind in ("multinomial", "bernoulli"):
        shares = {"valid_share": 0.0, "test_share": 0.0, "smoothing": 0.5}
        run = trained(tmp_path, name=kind, data=path, distribution=kind, **shares)
        count = text.CountVectorizer(token_pattern=r"[a-z]+")
        theirs = scikit(kind, 0.5).fit(count.fit_transform([t for t, _ in data]).toarray(), [k for _, k in data])
        expected = theirs.predict_proba(count.transform(asked).toarray())
        found = run.predict(str(tmp_path / "asked.txt"))
        np.testing.assert_allclose([list(record["probabilities"].values()) for record in found], expected, rtol=1e-9)


def test_a_document_without_a_known_word_goes_by_the_shares_of_the_classes(tmp_path):
    data = [*reviews(20), *[("fine film", "good")] * 20]
    run = trained(tmp_path, data=documents(tmp_path / "own", data), valid_share=0.0, test_share=0.0)
    (tmp_path / "asked.txt").write_text("unheard of\n1234\n", encoding="utf-8")
    for record in run.predict(str(tmp_path / "asked.txt")):
        assert record["label"] == "good" and record["probabilities"]["bad"] == pytest.approx(1 / 3)
    other = documents(tmp_path / "other", [*reviews(2), ("unheard", "good")])
    assert deepcanon.load(tmp_path / "run", data=str(other)).evaluate("train")["empty"] == 1


def test_a_word_counts_once_where_it_is_binarised(tmp_path):
    path = documents(tmp_path / "own", [("a a a b", "x"), ("b c", "y"), ("a c c", "x"), ("b b", "y")])
    shares = {"valid_share": 0.0, "test_share": 0.0}
    run = trained(tmp_path, data=path, binarize=True, **shares)
    theta = {w: run.module.theta_[:, i].tolist() for i, w in enumerate(run.recipe.facts["words"])}
    assert theta["a"] == pytest.approx([(2 + 1) / (4 + 3), (0 + 1) / (3 + 3)])
    assert theta["c"] == pytest.approx([(1 + 1) / (4 + 3), (1 + 1) / (3 + 3)])


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([("a b", "x"), ("b c", "x")], {}, "every example is of the class x"),
        ([("a b", "x"), ("b c", "y")], {"distribution": "gaussian"}, "word counts are not gaussian"),
        ([("12 34", "x"), ("...", "y")], {}, "no word"),
        ([("a b", "x"), ("b c", "y")], {"words": 0}, "--words 0: at least 1"),
    ],
)
def test_documents_that_teach_nothing_are_refused_before_a_run_is_made(tmp_path, rows, options, said):
    with pytest.raises(UsageError, match=said) as error:
        trained(tmp_path, data=documents(tmp_path / "own", rows * 8), **options)
    assert "\n" not in str(error.value) and not (tmp_path / "run").exists()


def test_documents_without_classes_are_refused(tmp_path):
    (tmp_path / "texts.txt").write_text("a b\nc d\n" * 10, encoding="utf-8")
    with pytest.raises(UsageError, match=r"naive Bayes needs classes.*\.txt"):
        trained(tmp_path, data=tmp_path / "texts.txt")


@pytest.mark.real_data("rt-polarity")
def test_telling_words_of_film_reviews(tmp_path):
    run = trained(tmp_path, data="rt-polarity", words=2000)
    bad, good = run.recipe.figures()["telling-words"].text.splitlines()
    assert {"bad", "too", "dull"} <= set(bad.split()) and {"best", "moving"} <= set(good.split())
    assert run.evaluate("test")["accuracy"] > 0.7


@pytest.mark.real_data("mnist")
def test_independent_pixels_of_mnist_take_205_8_nats(tmp_path):
    run = trained(tmp_path, data="mnist", distribution="bernoulli", valid_share=0.0)
    assert round(run.evaluate("test")["independent_nats"], 1) == 205.8


@pytest.mark.parametrize("n", [17, 1001])
def test_equal_values_have_no_scatter_whatever_their_sum_rounds_to(n):
    x = torch.full((n, 2), 100 / 255, dtype=torch.float64)
    x[:, 1] += 1e-9 * torch.arange(n).remainder(2)  # this little counts
    y = torch.arange(n).remainder(2)
    halves = [class_moments(x[part], y[part] * 0, 1) for part in (slice(0, n // 3), slice(n // 3, n))]
    for scatter in (class_moments(x, y * 0, 1).scatter, merge_classes(*halves).scatter):
        assert scatter[0, 0] == 0 and scatter[0, 1] == pytest.approx(n * 0.25e-18, rel=0.05)
