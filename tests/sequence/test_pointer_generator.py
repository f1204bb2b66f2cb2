"""Pointer-generator: a distribution over the extended vocabulary, its limits, its loss, and words that nobody knows."""

import json

import jaxtyping
import numpy as np
import pytest
import torch
from oracles import pointer_generator as oracle

import deepcanon
from deepcanon.cli import main
from deepcanon.data.tasks import rare_names
from deepcanon.parts.attention import coverage_loss
from deepcanon.sequence import PointerGenerator
from deepcanon.sequence.pointer_generator import copied_mass, copying_nll, extended_distribution

WORDS = 6
ARTICLES = torch.tensor([[2, 7, 6, 7, 1], [4, 6, 1, 7, 3]])
LENGTHS, INPUTS = torch.tensor([5, 3]), torch.tensor([[1, 7, 2], [1, 3, 6]])


def network(copies=True, **more):
    torch.manual_seed(0)
    net = PointerGenerator(WORDS, 4, embedding_size=3, copies=copies, dtype=torch.float64, **more)
    torch.nn.init.normal_(net.covered)
    return net


def parameters(net):
    return {name: value.detach().numpy() for name, value in net.state_dict().items()}


def test_one_step_of_decoding_equals_the_oracle_in_float64():
    net = network()
    with torch.no_grad():
        state = net.start(ARTICLES, LENGTHS)
        found = []
        for tokens in INPUTS.unbind(1):
            logs, state = net.step(tokens, state)
            found.append(logs.exp())
    wanted, _, _ = oracle.module(parameters(net), ARTICLES.numpy(), LENGTHS.numpy(), INPUTS.numpy())
    np.testing.assert_allclose(torch.stack(found, 1).numpy(), wanted, rtol=1e-12, atol=1e-15)


def test_the_loss_is_that_of_the_whole_distribution():
    """Gathered from the parts as in training, and taken from the oracle's distribution over all words."""
    net, targets = network(), torch.tensor([[7, 2, 1], [3, 6, 1]])
    written = net(ARTICLES, LENGTHS, INPUTS)
    known = targets < WORDS
    logs = net.output(written.readout).log_softmax(2).gather(2, torch.where(known, targets, 0)[:, :, None])[:, :, 0]
    mass = copied_mass(written.weights, ARTICLES, targets)
    parts = (-logs, known.double(), mass, written.generated)
    loss = copying_nll(*(part.flatten() for part in parts)).view(targets.shape)
    chances, weights, _ = oracle.module(parameters(net), ARTICLES.numpy(), LENGTHS.numpy(), INPUTS.numpy())
    wanted = -np.log(np.take_along_axis(chances, targets.numpy()[:, :, None], 2)[:, :, 0] + 1e-12)
    np.testing.assert_allclose(loss.detach().numpy(), wanted, rtol=1e-10)
    again = [
        sum(min(weights[row, t, i], weights[row, :t, i].sum()) for t in range(3) for i in range(5)) for row in (0, 1)
    ]
    found = coverage_loss(written.weights, torch.ones(2, 3, dtype=torch.bool))
    np.testing.assert_allclose(found.detach().numpy(), again, rtol=1e-10)


@pytest.mark.parametrize("copies", [True, False])
def test_the_chances_of_the_extended_vocabulary_sum_to_1(copies):
    net = network(copies)
    chances = net.distribution(net(ARTICLES, LENGTHS, INPUTS), ARTICLES)
    assert chances.shape == (2, 3, 8) and bool((chances >= 0).all())
    torch.testing.assert_close(chances.sum(2), torch.ones(2, 3, dtype=torch.float64))
    assert bool((chances[1, :, 7] == 0).all()), "the second article has that word on a pad alone"
    assert bool((chances[:, :, 6:] > 0).any()) == copies


@pytest.mark.parametrize("generated", [0.0, 1.0])
def test_limits_of_the_switch(generated):
    net = network()
    with torch.no_grad():
        net.switch.weight.zero_()
        net.switch.bias.fill_(1e4 if generated else -1e4)
        written = net(ARTICLES, LENGTHS, INPUTS)
        chances = net.distribution(written, ARTICLES)
    if generated:
        torch.testing.assert_close(chances[:, :, :WORDS], net.output(written.readout).softmax(2))
        assert not chances[:, :, WORDS:].any()
    else:
        absent = [number for number in range(8) if number not in ARTICLES[0].tolist()]
        assert not chances[0][:, absent].any()
        torch.testing.assert_close(chances[0, :, 7], written.weights[0, :, [1, 3]].sum(1))


def test_an_assignment_instead_of_a_sum_is_caught():
    """The planted bug: of a word that stands twice in the article only one place would count."""
    torch.manual_seed(1)
    words, weights = torch.rand(2, 3, WORDS).softmax(2), torch.rand(2, 3, 5).softmax(2)
    generated = torch.full((2, 3), 0.4)
    right = extended_distribution(words, weights, generated, ARTICLES, 2)
    torch.testing.assert_close(right.sum(2), torch.ones(2, 3))
    torch.testing.assert_close(right[0, :, 7], 0.6 * (weights[0, :, 1] + weights[0, :, 3]))
    wrong = torch.cat([generated[:, :, None] * words, torch.zeros(2, 3, 2)], 2)
    places = ARTICLES[:, None].expand(-1, 3, -1)
    wrong = wrong.scatter(2, places, wrong.gather(2, places) + 0.6 * weights)
    torch.testing.assert_close(wrong[1].sum(1), torch.ones(3), msg="no word stands twice in the second article")
    assert bool((wrong[0].sum(1) < 0.99).all()), "the sum to 1 sees it"
    targets = torch.tensor([[7, 7, 7], [6, 6, 6]])
    mass = copied_mass(weights, ARTICLES, targets)
    torch.testing.assert_close(0.6 * mass[0], right[0, :, 7])
    assert not torch.allclose(0.6 * mass[0], wrong[0, :, 7])


def test_what_stands_on_pads_changes_no_bit_and_a_wider_batch_nothing():
    net = network()
    other = torch.where(torch.arange(5) < LENGTHS[:, None], ARTICLES, (ARTICLES + 3) % 8)
    wide = torch.cat([ARTICLES, torch.zeros(2, 2, dtype=torch.int64)], 1)
    for one, two, three in zip(*(net(given, LENGTHS, INPUTS) for given in (ARTICLES, other, wide)), strict=True):
        assert torch.equal(one, two)
        torch.testing.assert_close(one, three[..., : one.shape[-1]])


def test_a_copied_word_is_read_as_the_unknown_one():
    net = network()
    one, two = (net(ARTICLES, LENGTHS, torch.tensor([[1, number, 2]] * 2)) for number in (0, 7))
    for first, second in zip(one, two, strict=True):
        assert torch.equal(first, second)


def test_coverage_that_is_off_is_not_seen_and_switching_it_on_moves_nothing_at_first():
    net = network()
    off = PointerGenerator(WORDS, 4, embedding_size=3, dtype=torch.float64)
    off.load_state_dict({**net.state_dict(), "covered": torch.zeros(4)})
    net.covering.fill_(0.0)
    torch.testing.assert_close(net(ARTICLES, LENGTHS, INPUTS), off(ARTICLES, LENGTHS, INPUTS))
    net.covering.fill_(1.0)
    weights = net(ARTICLES, LENGTHS, INPUTS).weights
    torch.testing.assert_close(weights[:, 0], off(ARTICLES, LENGTHS, INPUTS).weights[:, 0])
    assert not torch.allclose(weights[:, 1], off(ARTICLES, LENGTHS, INPUTS).weights[:, 1])


def test_a_word_without_any_chance_has_a_finite_loss_and_gradient():
    nll = torch.tensor([2000.0, 1.0], requires_grad=True)
    loss = copying_nll(nll, torch.tensor([1.0, 0.0]), torch.zeros(2), torch.ones(2))
    loss.sum().backward()
    assert bool(loss.isfinite().all()) and bool(nll.grad.isfinite().all())


def test_shapes_that_do_not_fit():
    refused, net = (ValueError, jaxtyping.TypeCheckError), network()
    with pytest.raises(refused, match=r"inputs|batch"):
        net(ARTICLES, LENGTHS, INPUTS[:1])
    with pytest.raises(refused, match=r"article|places"):
        copied_mass(torch.rand(2, 3, 4), ARTICLES, INPUTS)
    with pytest.raises(refused, match=r"p_gen|steps"):
        extended_distribution(torch.rand(2, 2, 6), torch.rand(2, 3, 5), torch.rand(2, 3), ARTICLES, 2)


# The recipe


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Names that no two pairs share, in sentences of one form."""
    folder = tmp_path_factory.mktemp("names")
    names = iter(rare_names._names(0, 600))
    lines = [
        {"src": f"{a} wrote to {b}.", "tgt": f"{b} had a letter from {a}."} for a, b in zip(names, names, strict=True)
    ]
    path = folder / "own.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    options = {"hidden": 24, "embedding": 12, "batch": 16, "learning_rate": 1e-2, "dropout": 0.0, "coverage_from": 0.8}
    how = {"steps": 150, "threads": 1, "precision": "fp32", "evaluate_every": 150, "quiet": True}
    return deepcanon.train("pointer-generator", data=str(path), out=folder / "r", **how, **options)


def test_names_of_one_pair_are_no_words_of_the_vocabulary(run):
    assert set(run.recipe.words[0].symbols) == {"<unk>", "</s>", "wrote", "to", "had", "a", "letter", "from", "."}
    article = run.recipe.read("Zog wrote to Zog and Ute.")
    assert article.strangers == ["Zog", "and", "Ute"] and article.numbers[0] == article.numbers[3] == 9
    assert run.recipe.text([11, 1, 9], "Zog wrote to Zog and Ute.") == "Ute"


def test_unknown_words_come_out_verbatim_and_are_marked(run, capsys, tmp_path):
    assert main(["generate", str(run.folder), "--prompt", "Xyloq7 wrote to O'Grady.", "--beam", "3"]) == 0
    told = capsys.readouterr()
    assert told.out.strip() == "O'Grady had a letter from Xyloq7."
    assert "copied words in brackets: [O'Grady] had a letter from [Xyloq7]" in told.err
    path = tmp_path / "in.txt"
    path.write_text("Bert wrote to Xaver.\nÄnne wrote to Bert.\n", encoding="utf-8")
    first, second = run.predict(str(path))
    assert first["text"] == "Xaver had a letter from Bert." and second["text"] == "Bert had a letter from Änne."
    assert {"Xaver", "Bert"} <= set(first["copied"]) and "unknown" not in first


def test_the_picture_marks_what_was_copied(run):
    (record,) = run.generate(prompt="Bert wrote to Xaver.", beam=2)
    aligned = record["alignment"]
    assert aligned["marked"][0] == "[Xaver]" and aligned["target"][0] == "Xaver" and aligned["source"][-1] == "</s>"
    assert len(aligned["weights"]) == len(aligned["target"]) == len(aligned["copied"])
    assert aligned["copied"][0] > 0.9 > 0.5 > aligned["copied"][1]
    figures = run.recipe.figures()
    assert any(name.startswith("[") for name in figures["alignment"].figures[0].y_names)
    assert "model    [" in figures["summaries"].text


def test_what_is_measured(run):
    measured = run.evaluate("test")
    assert measured["rare"] == 1 and measured["exact"] == 1 and measured["rouge1"] == pytest.approx(100)
    assert measured["repeated"] == 0 and 0.2 < measured["copied"] < 0.5
    recipe = run.recipe
    sources, references = ["Ann saw Bob", "x"], ["Bob met Ann Ann", "to"]
    found = recipe.compared(["Ann a letter a letter", "from"], sources, references)
    assert found["repeated"] == pytest.approx(1 / 4), "a letter, of four pairs of neighbours"
    assert found["rare"] == pytest.approx(1 / 3), "Bob, Ann and Ann were to be written, one Ann was"


def test_a_long_article_is_read_in_part_and_that_is_told(tmp_path, capsys):
    path = tmp_path / "long.tsv"
    path.write_text("".join(f"one two three four five {k}\ttwo {k}\n" for k in range(40)), encoding="utf-8")
    command = ["train", "pointer-generator", "--data", str(path), "--article", "4", "--steps", "2", "--hidden", "8"]
    assert main([*command, "--batch", "8", "--out", str(tmp_path / "r")]) == 0
    assert "articles of more than 4 words and signs, read up to there (--article): 32" in capsys.readouterr().out
