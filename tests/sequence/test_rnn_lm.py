"""Truncated BPTT: full when the window is long, zero beyond it, state carried; the step cell; the recipe."""

import json
import math

import pytest
import torch
from torch import nn

import deepcanon
from deepcanon.cli import main
from deepcanon.data import DataError, open_data
from deepcanon.engine.precision import has_bf16
from deepcanon.engine.run import Run
from deepcanon.errors import UsageError
from deepcanon.parts.clipping import clip_in_step
from deepcanon.parts.recurrence import detach, streams, window
from deepcanon.recipes import rnn_lm as recipe
from deepcanon.sequence import RecurrentLM
from deepcanon.sequence.rnn_lm import StepCell, sequence_nll, window_nll
from deepcanon.sequence.sampled_softmax import proposal
from deepcanon.settings import Settings
from deepcanon.verb_options import TextSampling


def gradients(model, tokens, size):
    """Of the summed loss over one pass of truncated BPTT with that window."""
    x, y = streams(tokens, 2)
    state, step = None, 0
    model.zero_grad()
    while True:
        here = window(step, x.shape[1], size)
        if here.fresh and step:
            return [p.grad.clone() for p in model.parameters()]
        logits, state = model(x[:, here.start : here.stop], state)
        state = detach(state)
        sequence_nll(logits, y[:, here.start : here.stop], "sum").backward()
        step += 1


@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_window_as_long_as_the_text_is_full_backpropagation(cell):
    model = RecurrentLM(6, 5, cell=cell, dtype=torch.float64)
    tokens = torch.randint(0, 6, (25,))
    x, y = streams(tokens, 2)
    model.zero_grad()
    sequence_nll(model(x)[0], y, "sum").backward()
    full = [p.grad.clone() for p in model.parameters()]
    for size in (12, 13, 50):
        for a, b in zip(gradients(model, tokens, size), full, strict=True):
            torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-12)
    shorter = gradients(model, tokens, 4)
    assert any(not torch.allclose(a, b) for a, b in zip(shorter, full, strict=True))


def test_values_are_carried_and_gradients_cut_exactly():
    model = RecurrentLM(6, 5, layers=2, dtype=torch.float64)
    tokens = torch.randint(0, 6, (2, 12))
    vectors = model.embedding(tokens).detach().requires_grad_()
    whole, _ = model.recurrent(vectors)
    _, state = model.recurrent(vectors[:, :4])
    second, _ = model.recurrent(vectors[:, 4:], detach(state))
    # The values of later windows know the earlier one, ...
    torch.testing.assert_close(second, whole[:, 4:])
    # ... but no gradient reaches it: exactly 0, where undivided it is not.
    (cut,) = torch.autograd.grad(second[:, 0].sum(), vectors, retain_graph=True)
    (uncut,) = torch.autograd.grad(whole[:, 4].sum(), vectors)
    assert bool((cut[:, :4] == 0).all()) and bool((uncut[:, :4] != 0).any())
    torch.testing.assert_close(cut[:, 4:], uncut[:, 4:])


def test_gradients_of_shared_weights_are_sums_over_time():
    model = RecurrentLM(6, 5, dtype=torch.float64)
    x, y = torch.randint(0, 6, (2, 7)), torch.randint(0, 6, (2, 7))
    nll = sequence_nll(model(x)[0], y, "none")
    parts = [torch.autograd.grad(nll[:, t].sum(), model.recurrent.weight_hh_l0, retain_graph=True)[0] for t in range(7)]
    (whole,) = torch.autograd.grad(nll.sum(), model.recurrent.weight_hh_l0)
    torch.testing.assert_close(sum(parts), whole)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_the_loss_of_bf16_logits_is_computed_in_fp32(reduction):
    # 700 tokens of 1,000: several pieces, the last one short.
    logits = (3 * torch.randn(7, 100, 1000)).bfloat16().requires_grad_()
    exact = logits.detach().double().requires_grad_()
    targets = torch.randint(0, 1000, (7, 100))
    losses = [sequence_nll(a, targets, reduction) for a in (logits, exact)]
    assert losses[0].dtype == torch.float32
    torch.testing.assert_close(losses[0].double(), losses[1], rtol=1e-6, atol=1e-5)
    weight = torch.linspace(-1, 1, losses[0].numel()).view(losses[0].shape)
    for loss in losses:
        (loss * weight).sum().backward()
    torch.testing.assert_close(logits.grad, exact.grad.bfloat16(), rtol=0.01, atol=1e-7)


def test_the_gradient_of_bf16_logits_is_scaled_by_what_comes_from_above_and_wanted_only_where_needed():
    logits = torch.randn(3, 5, 40).bfloat16().requires_grad_()
    targets = torch.randint(0, 40, (3, 5))
    loss = sequence_nll(logits, targets)
    (once,) = torch.autograd.grad(loss, logits, retain_graph=True)
    (thrice,) = torch.autograd.grad(3 * loss, logits, retain_graph=True)
    (again,) = torch.autograd.grad(loss, logits)
    assert torch.equal(once, again)
    torch.testing.assert_close(thrice.float(), 3 * once.float(), rtol=0.01, atol=1e-7)
    with torch.no_grad():
        assert torch.equal(sequence_nll(logits, targets), loss.detach())
    with pytest.raises(RuntimeError, match="second derivative"):
        torch.autograd.grad(sequence_nll(logits, targets), logits, create_graph=True)


@pytest.mark.skipif(not has_bf16("cpu"), reason="torch has no LSTM kernel in bf16 for this processor")
def test_under_bf16_the_logits_are_those_of_the_layer_applied_step_by_step():
    model = RecurrentLM(9, 8)
    tokens = torch.randint(0, 9, (3, 6))
    with torch.autocast("cpu", torch.bfloat16):
        logits, _ = model(tokens)
        hidden, _ = model.recurrent(model.embedding(tokens), model.start(3))
    assert logits.shape == (3, 6, 9)
    exact = hidden.float() @ model.output.weight.T + model.output.bias
    torch.testing.assert_close(logits.float(), exact, atol=0.02, rtol=0.02)


def test_the_loss_of_a_window_by_a_sample_of_all_words_is_that_of_all_and_by_fewer_its_slope_is_near():
    model = RecurrentLM(30, 8, dtype=torch.float64)
    x, y = torch.randint(0, 30, (2, 4, 9))
    full, state = window_nll(model, x, y)
    torch.testing.assert_close(full, sequence_nll(model(x)[0], y))
    counts = torch.arange(1, 31)
    every, same = window_nll(model, x, y, None, proposal(counts, 30), torch.Generator().manual_seed(0))
    torch.testing.assert_close(every, full)
    torch.testing.assert_close(same, state)
    later, _ = window_nll(model, x, y, state)
    assert not torch.equal(later, full)

    def slope(*source, **options):
        return torch.autograd.grad(window_nll(model, x, y, None, *source, **options)[0], model.output.bias)[0]

    errors = {}
    for corrected in (True, False):
        few, random = proposal(counts, 10), torch.Generator().manual_seed(1)
        mean = torch.stack([slope(few, random, corrected=corrected) for _ in range(300)]).mean(0)
        errors[corrected] = float((mean - slope()).norm() / slope().norm())
    assert errors[True] < 0.3 and errors[False] > 0.5


@pytest.mark.parametrize("options", [{}, {"cell": nn.GRU}, {"cell": nn.RNN, "embedding_size": 0}, {"tied": True}])
def test_step_cell_equals_the_module_on_a_sequence(options):
    model = RecurrentLM(9, 5, layers=2, dtype=torch.float64, **options).eval()
    cell = StepCell(model)
    tokens = torch.randint(0, 9, (3, 6))
    whole, end = model(tokens)
    state = [s.transpose(0, 1) for s in model.start(3)]
    for t in range(6):
        logits, *state = cell(tokens[:, t], *state)
        torch.testing.assert_close(logits, whole[:, t])
    for mine, other in zip(state, end, strict=True):
        torch.testing.assert_close(mine.transpose(0, 1), other)


def test_tied_weights_are_one_parameter_and_need_equal_sizes():
    model = RecurrentLM(9, 5, tied=True)
    assert model.output.weight is model.embedding.weight
    with pytest.raises(ValueError, match="tied"):
        RecurrentLM(9, 5, embedding_size=3, tied=True)


def test_one_hot_inputs_equal_an_identity_embedding():
    hot, looked_up = RecurrentLM(9, 5, embedding_size=0), RecurrentLM(9, 5, embedding_size=9)
    with torch.no_grad():
        looked_up.embedding.weight.copy_(torch.eye(9))
    looked_up.load_state_dict(hot.state_dict(), strict=False)
    tokens = torch.randint(0, 9, (2, 4))
    torch.testing.assert_close(hot(tokens)[0], looked_up(tokens)[0])


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
@pytest.mark.parametrize("limit", [0.1, 1e9])
def test_clip_in_step_equals_clipping_and_stepping(kind, limit):
    weights = [[nn.Parameter(torch.full((3, 2), 0.5)), nn.Parameter(torch.ones(4))] for _ in range(2)]
    ours, theirs = kind(weights[0], lr=0.1, fused=True), kind(weights[1], lr=0.1)
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        for a, b in zip(*weights, strict=True):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        norm = clip_in_step(ours, limit)
        torch.testing.assert_close(norm, nn.utils.clip_grad_norm_(weights[1], limit))
        theirs.step()
        for a, b in zip(*weights, strict=True):
            torch.testing.assert_close(a, b)


# The recipe


def trainee(tmp_path, text, **options):
    (tmp_path / "own.txt").write_text(text, encoding="utf-8")
    config = recipe.Config(**{"hidden": 16, "embedding": 8, "batch": 4, "window": 8, "dropout": 0.0, **options})
    options = {"text": {"valid_share": config.valid_share, "test_share": config.test_share}}
    data = open_data(("text",), str(tmp_path / "own.txt"), options=options)
    facts = recipe.Recipe.learn(config, data)
    run = Run(Settings(steps=40, seed=0, device="cpu"), None, lambda: data)
    torch.manual_seed(0)
    return recipe.Recipe(config, facts, run)


def test_evaluation_predicts_every_token_once_with_the_state_carried(tmp_path):
    made = trainee(tmp_path, "abcabd" * 3000)
    made.model.eval()
    tokens = torch.randint(1, len(made.vocabulary), (5001,))
    with torch.no_grad():
        nll = sequence_nll(made.model(tokens[None, :-1])[0], tokens[None, 1:], "mean")
    # Side by side in 9 streams, each warmed up, or in one go: nearly the same; short texts exactly.
    with torch.no_grad():
        assert made.nll([tokens])[0] == pytest.approx(float(nll), abs=1e-4)
        short = sequence_nll(made.model(tokens[None, :300])[0], tokens[None, 1:301], "mean")
        assert made.nll([tokens[:301]])[0] == pytest.approx(float(short), abs=1e-6)


@pytest.mark.parametrize("unit", ["characters", "words"])
def test_generation_continues_the_prompt_and_never_draws_the_unknown(tmp_path, unit):
    made = trainee(tmp_path, "to be or not to be\nthat is the question\n" * 20, unit=unit)
    made.model.eval()
    with torch.no_grad():
        made.model.output.bias[made.vocabulary.unknown] = 50.0  # the model would like to say nothing else
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for beam in (0, 4):
            asked = TextSampling(prompt="to be", count=3, beam=beam, length=12)
            found = made.generate(asked, generator)
            assert len(found) == 3 and all(record["text"].startswith("to be") for record in found)
            assert not any("\ufffd" in record["text"] or "<unk>" in record["text"] for record in found)
        asked = TextSampling(prompt="that", temperature=0.0, length=9)
        greedy = [made.generate(asked, generator)[0]["text"] for _ in range(2)]
        assert greedy[0] == greedy[1]
        if unit == "characters":  # of words the beam stops at a sentence end
            asked = TextSampling(prompt="that", beam=1, length=9)
            assert made.generate(asked, generator)[0]["text"] == greedy[0]


def test_priming_equals_reading_token_by_token(tmp_path):
    made = trainee(tmp_path, "to be or not to be\n" * 30)
    made.model.eval()
    with torch.no_grad():
        tokens = made.vocabulary.encode("not to")
        state = made.model.start(1)
        for token in tokens[:-1]:
            _, state = made.model.step(token[None], state)
        expected = made.model.step(tokens[-1:], state)[0].argmax()
        text = made.generate(TextSampling(prompt="not to", temperature=0.0, length=1), None)[0]["text"]
    assert made.vocabulary.encode(text)[-1] == expected


def test_short_texts_take_fewer_streams_and_empty_ones_are_refused(tmp_path):
    made = trainee(tmp_path, "hello world, hello world!", valid_share=0.0)
    assert made.facts["streams"] == 3
    assert math.isfinite(float(made.step(0)["loss"]))
    with pytest.raises(DataError, match="longer text"):
        trainee(tmp_path, "a", valid_share=0.0)


def test_the_schedule_depends_on_step_and_steps_only(tmp_path):
    made = trainee(tmp_path, "abcabd" * 300)
    rates = [made.step(step)["learning_rate"] for step in (0, 20, 39, 20)]
    assert rates[1] == rates[3] > rates[2] > 0


def test_biases_that_begin_at_the_frequencies_give_the_unigram_model(tmp_path):
    """Before anything is learned from the words before: nearly the entropy of single words, far below log V."""
    options = {
        "preset": "smoke",
        "unit": "words",
        "minimum_count": 20,
        "steps": 1,
        "learning_rate": 1e-9,
        "quiet": True,
    }
    found = []
    for start in (False, True):
        run = deepcanon.train("rnn-lm", out=tmp_path / str(start), frequency_bias=start, **options)
        found.append(run.evaluate("train")["nll"])
    counts = run.preprocess(run.recipe.run.data["train"].x).bincount().double()
    shares = counts[counts > 0] / counts.sum()
    entropy = -float((shares * shares.log()).sum())
    assert found[1] == pytest.approx(entropy, abs=0.05) and found[0] > entropy + 1


def test_a_sample_of_all_words_is_the_full_softmax(tmp_path):
    """With as many samples as words the same losses and weights, step by step; with fewer others, that fall too."""
    options = {
        "preset": "smoke", "unit": "words", "minimum_count": 20, "steps": 12, "evaluate_every": 12, "log_every": 1,
        "quiet": True,
    }  # fmt: skip
    full = deepcanon.train("rnn-lm", out=tmp_path / "full", **options)
    words = len(full.recipe.vocabulary)
    every = deepcanon.train("rnn-lm", out=tmp_path / "all", samples=words, **options)
    for ours, theirs in zip(every.module.parameters(), full.module.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=0)
    few = deepcanon.train("rnn-lm", out=tmp_path / "few", samples=words // 4, **options)
    assert few.evaluate("valid")["nll"] < math.log(words)
    with pytest.raises(UsageError, match="--samples -1: at least 0"):
        deepcanon.train("rnn-lm", out=tmp_path / "none", samples=-1, **options)


def test_the_command_line_reads_prompts_from_a_file_and_ranks_and_stops(tmp_path, capsys):
    (tmp_path / "own.txt").write_text("to be or not to be\nthat is the question\n" * 20, encoding="utf-8")
    (tmp_path / "prompts.txt").write_text("to be\n\nthat\n", encoding="utf-8")
    (tmp_path / "strange.txt").write_text("to be\n\nth#t\n", encoding="utf-8")
    run, common = str(tmp_path / "run"), ["--preset", "smoke", "--steps", "3", "--data", str(tmp_path / "own.txt")]
    assert main(["train", "rnn-lm", *common, "--out", run]) == 0
    capsys.readouterr()
    asked = ["--count", "2", "--rank", "4", "--length", "30", "--stop", "e", "\n"]
    assert main(["generate", run, "--prompts", str(tmp_path / "prompts.txt"), *asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [record["prompt"] for record in found] == ["to be", "to be", "that", "that"]
    for record in found:
        assert record["text"].startswith(record["prompt"])
        assert not {"e", "\n"} & set(record["text"].removeprefix(record["prompt"]))
    for wrong, said in (
        (["--prompt", "to", "--prompts", "x.txt"], "--prompt or --prompts, not both"),
        (["--prompts", str(tmp_path / "none.txt")], "does not exist"),
        (["--prompts", str(tmp_path / "strange.txt")], "strange.txt:3: '#' did not occur"),
        (["--beam", "2", "--rank", "4"], "leave --rank and --stop out"),
        (["--count", "2", "--rank", "1"], "--rank 1 draws fewer texts than --count 2 keeps"),
        (["--beam", "2", "--temperature", "0.5"], "--temperature is of drawing, and --beam searches"),
        (["--beam", "2", "--top-p", "0.5"], "--top-p is of drawing, and --beam searches"),
        (["--temperature", "0", "--top-k", "3"], "always takes the likeliest symbol: leave --top-k out"),
        (["--length-penalty", "1"], "--length-penalty compares texts of --beam or --rank"),
        (["--stream", "--count", "2"], "leave --beam, --rank and --count out"),
        (["--stream", "--json"], "--json is one value at the end: leave --stream out"),
        (["--stop", ""], "--stop: an empty text ends nothing"),
        (["--prompt", "é"], "'é' did not occur in the training text; leave them out"),
    ):
        assert main(["generate", run, *wrong]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
