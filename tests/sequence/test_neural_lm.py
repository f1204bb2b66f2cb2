"""The feed-forward language model: shared vectors, what reaches the output, mixtures, the recipe."""

import math

import pytest
import torch

import deepcanon
from deepcanon.errors import UsageError
from deepcanon.parts.histories import histories
from deepcanon.recipes import neural_lm as recipe
from deepcanon.sequence import NeuralLM
from deepcanon.sequence.neural_lm import mixture_weight, next_token_nll


def model(**options):
    torch.manual_seed(0)
    return NeuralLM(9, order=4, embedding_size=2, hidden_size=5, dtype=torch.float64, **options)


def test_all_places_of_the_history_share_one_table():
    """One word's vector moves the logits wherever the word stands, and nothing moves where it does not."""
    net = model()
    rows = torch.tensor([[7, 1, 2], [1, 7, 2], [1, 2, 7], [1, 2, 3]])
    before = net(rows).detach()
    with torch.no_grad():
        net.embedding.weight[7] += 1.0
    moved = (net(rows) - before).abs().amax(1)
    assert (moved[:3] > 1e-3).all() and moved[3] == 0
    assert sum(p.numel() for p in net.parameters()) == 9 * 2 + (6 * 5 + 5) + (5 * 9 + 9)


def test_the_order_of_the_history_matters():
    net = model()
    assert not torch.allclose(net(torch.tensor([[1, 2, 3]])), net(torch.tensor([[3, 2, 1]])))


def test_the_table_of_all_logits_has_the_rank_of_the_factorisation():
    every = torch.cartesian_prod(*[torch.arange(9)] * 3)
    for direct, bound in ((False, 5), (True, 5 + 6)):
        table = model(direct=direct)(every).detach()
        assert int(torch.linalg.matrix_rank(table - model(direct=direct).output.bias)) <= min(bound, 9)
    assert int(torch.linalg.matrix_rank(model()(every).detach() - model().output.bias)) == 5


def test_direct_connections_are_linear_in_the_vectors():
    net = model(direct=True)
    with torch.no_grad():
        net.output.weight[:, :5] = 0  # U
    x = net.embedding(torch.tensor([[4, 5, 6]])).flatten(1)
    torch.testing.assert_close(net(torch.tensor([[4, 5, 6]])), x @ net.output.weight[:, 5:].T + net.output.bias)


def test_the_loss_is_that_of_the_full_softmax_and_so_is_its_gradient():
    net, rows, targets = model(direct=True), torch.randint(0, 9, (20, 3)), torch.randint(0, 9, (20,))
    ours = next_token_nll(net.features(rows), net.output, targets)
    ours.backward()
    mine = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    theirs = torch.nn.functional.cross_entropy(net(rows), targets)
    theirs.backward()
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(mine, net.parameters(), strict=True):
        torch.testing.assert_close(a, b.grad)
    sums = net(rows).softmax(1).sum(1)
    torch.testing.assert_close(sums, torch.ones_like(sums))


def test_a_mixture_is_better_than_both_and_never_worse():
    p = torch.tensor([0.9, 0.1, 0.8, 0.2], dtype=torch.float64)
    q = 1 - p
    weight = mixture_weight(p, q)
    best = max((w / 1000 for w in range(1001)), key=lambda w: float((w * p + (1 - w) * q).log().sum()))
    assert weight == pytest.approx(best, abs=2e-3)
    assert mixture_weight(p, p / 2) > 0.999 and mixture_weight(p / 2, p) < 1e-3


def test_histories_begin_with_the_border():
    tokens = torch.tensor([4, 5, 6, 7])
    assert histories(tokens, torch.tensor([3, 0]), 2, 1).tolist() == [[5, 6], [1, 1]]
    with pytest.raises(ValueError, match="are not rows"):
        histories(tokens, torch.tensor([1]), 0, 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: NeuralLM(9, order=1),
        lambda: model()(torch.zeros(2, 2, dtype=torch.int64)),
        lambda: mixture_weight(torch.ones(0), torch.ones(0)),
    ],
)
def test_refusals(make):
    with pytest.raises(ValueError):
        make()


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """After "a b" comes c, after "b a" comes d: a bigram model cannot tell what follows, five words can."""
    folder = tmp_path_factory.mktemp("text")
    for name, count in (("train", 400), ("valid", 40), ("test", 40)):
        lines = ("a b c a b c b a d" if i % 3 else "b a d b a d" for i in range(count))
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_trained_on_a_folder_it_uses_more_than_the_last_word(text, tmp_path):
    common = {"steps": 300, "batch": 50, "embedding": 4, "hidden": 16, "dropout": 0.0, "quiet": True}
    scores = {}
    for order in (2, 4):
        run = deepcanon.train("neural-lm", data=text, out=tmp_path / str(order), order=order, ngram=2, **common)
        scores[order] = run.evaluate("test")
    assert scores[4]["nll"] < 0.6 * scores[2]["nll"]
    found = scores[4]
    assert found["mixed_nll"] <= found["nll"] + 0.01 and found["mixed_nll"] < found["ngram_nll"]
    assert found["ratio"] == pytest.approx(math.exp(found["mixed_nll"] - found["ngram_nll"]), rel=1e-5)
    (answer,) = run.recipe.predict(["a b c"])
    assert answer["tokens"] == 4 and answer["perplexity"] > 1
    first = run.generate(prompt="a b", temperature=0.0, length=1)[0]["text"]
    assert first.split() == ["a", "b", "c"]


def test_an_order_of_one_is_refused(text, tmp_path):
    with pytest.raises(UsageError, match="--order is 2 or more"):
        deepcanon.train("neural-lm", data=text, out=tmp_path / "run", order=1, quiet=True)
    assert recipe.Recipe.first == 0, "every token is predicted, the first from the border"
