"""Memory network: empty memories, order of words and sentences, restarts that share nothing, and how it is trained."""

import math

import pytest
import torch

import deepcanon
from deepcanon.cli import main
from deepcanon.errors import UsageError
from deepcanon.parts.story_words import StoryWords
from deepcanon.recipes import memory_network as recipe
from deepcanon.sequence import MemoryNetwork
from deepcanon.sequence.memory_network import answer_nll, clip_restarts, noisy_ages, word_bags

DOUBLE = torch.float64
NONE = 7
QUIET = {"threads": 1, "precision": "fp32", "device": "cpu", "quiet": True, "plain": True}


def network(memories=6, seed=0, **options):
    torch.manual_seed(seed)
    return MemoryNetwork(NONE, memories, width=5, dtype=DOUBLE, **{"hops": 2, "deviation": 0.7, **options})


def example(seed=1):
    random = torch.Generator().manual_seed(seed)
    return torch.randint(NONE, (3, 4, 4), generator=random), torch.randint(NONE, (3, 3), generator=random)


def test_padding_of_sentences_and_words_changes_nothing():
    net, (story, question) = network(), example()
    wide = torch.full((3, 6, 9), NONE)
    wide[:, :4, :4] = story
    longer = torch.cat([question, torch.full((3, 5), NONE)], 1)
    ages = torch.tensor([[0, 1, 2, 3, 5, 0]]).expand(3, -1)  # whatever age a padded sentence has
    first, second = net(story, question), net(wide, longer, ages)
    torch.testing.assert_close(first.logits, second.logits)
    torch.testing.assert_close(first.attention, second.attention[..., :4])
    assert second.attention[..., 4:].abs().max() == 0


def test_attention_rests_on_empty_memories_too():
    story, question = example()
    full, roomy = network(4), network(50)
    roomy.load_state_dict({**roomy.state_dict(), "embedding": full.embedding.detach()})
    assert full(story, question).attention.sum(3).allclose(torch.ones(3, 1, 2, dtype=DOUBLE))
    small = MemoryNetwork(NONE, 50, width=5, hops=1, deviation=1e-6, dtype=DOUBLE)  # all scores are 0
    shares = small(story, question).attention
    torch.testing.assert_close(shares, torch.full_like(shares, 1 / 50))


def test_words_have_places_and_a_bag_has_none():
    story, question = example()
    turned = story.flip(2)
    assert not torch.allclose(network()(story, question).logits, network()(turned, question).logits)
    bag = network(position=False)
    torch.testing.assert_close(bag(story, question).logits, bag(turned, question).logits)
    # the mean weight of a word is that of a bag of words, whatever the width
    bags = word_bags(torch.arange(7)[None], NONE, dtype=DOUBLE)[0]
    weights = bags[:7, None] - torch.arange(1, 21, dtype=DOUBLE) / 20 * bags[7:, None]
    assert weights.mean().item() == pytest.approx(1, abs=0.08) and weights.min() >= 0 and weights.max() <= 2


def test_sentences_have_ages_and_a_set_has_none():
    story, question = example()
    turned = story.flip(1)
    assert not torch.allclose(network()(story, question).logits, network()(turned, question).logits)
    unordered = network(temporal=False)
    torch.testing.assert_close(unordered(story, question).logits, unordered(turned, question).logits)


def test_more_sentences_than_memories_are_refused():
    with pytest.raises(ValueError, match="4 sentences do not fit into 3 memories"):
        network(3)(*example())


def test_restarts_share_nothing():
    """Logits, gradients and clipping of restart 1 are those of a network alone with its weights."""
    three, (story, question), answers = network(restarts=3), example(), torch.tensor([1, 0, 6])
    alone = network()
    alone.load_state_dict({name: value[1:2] for name, value in three.state_dict().items()})
    for net in (three, alone):
        answer_nll(net(story, question).logits, answers).sum().backward()
    torch.testing.assert_close(three(story, question).logits[:, 1:2], alone(story, question).logits)
    torch.testing.assert_close(three.embedding.grad[1:2], alone.embedding.grad)
    limit = 0.5 * float(torch.cat([p.grad.flatten() for p in alone.parameters()]).norm())
    for net in (three, alone):
        clip_restarts([p.grad for p in net.parameters()], limit)
    torch.testing.assert_close(three.times.grad[1:2], alone.times.grad)
    assert math.isclose(float(torch.cat([p.grad.flatten() for p in alone.parameters()]).norm()), limit)


def test_noise_makes_ages_rise_with_gaps_of_the_asked_share():
    random = torch.Generator().manual_seed(0)
    lengths = torch.full((4000,), 10)
    assert noisy_ages(lengths, torch.rand(4000, 15, generator=random), 0.0, 50)[:, :10].equal(
        torch.arange(10).expand(4000, -1)
    )
    ages = noisy_ages(lengths, torch.rand(4000, 23, generator=random), 0.3, 50)[:, :10]
    assert (ages.diff(dim=1) >= 1).all() and ages.min() == 0 and ages.max() == 12
    gaps = ages[:, -1] - 9  # up to three empty memories, those older than all sentences not seen
    assert 0.8 < gaps.double().mean() < 1.5
    assert noisy_ages(torch.tensor([9]), torch.rand(1, 14, generator=random), 0.3, 6).max() == 5  # the cap


def test_words_are_those_of_training_and_their_order_tells_nothing():
    """Were answers numbered first, or test words known, task 19 of bAbI might be solved by that."""
    asked = [(("Sue took the apple.", "Al left."), "What has Sue?", "apple,ball"), (("Al ran.",), "Did Al run?", "Yes")]
    words = StoryWords.build(asked)
    assert (
        list(words.words) == sorted(words.words)
        and "apple,ball" in words.words
        and words.label(words.number["yes"]) == "Yes"
    )
    packed = words.pack([(("Zed took the apple.",), "What has Zed?", "pear")], 5)
    assert packed.answers.tolist() == [-1] and packed.story[0, 0, 0] == len(words) == packed.question[0, 2]
    assert StoryWords.from_json(words.to_json()).words == words.words
    newest = words.pack([(("Sue took the apple.", "Al left.", "Al ran."), "Did Al run?", "Yes")], 2)
    assert [words.words[n] for n in newest.story[0, :, 1]] == ["ran", "left"]  # the newest first, the oldest forgotten


def trained(folder, **options):
    return deepcanon.train("memory-network", preset="smoke", out=folder, **{**QUIET, **options})


def test_the_update_is_that_of_a_sum_at_half_the_rate_and_without_softmax_at_first(tmp_path):
    run = trained(tmp_path / "run", steps=2, restarts=1, linear_start=1, epochs=1, noise=0.0)
    live = run.recipe
    live.run.step, live.run.steps = 0, 2
    torch.manual_seed(3)
    fresh = live.network(len(live.words[0]))
    live.model[0].load_state_dict(fresh.state_dict())
    (rows,) = live.rows("train")
    chosen = live.run.indices(len(rows.answers), 16, "order 0")
    live.step(0)
    story, question, answers = rows.story[chosen], rows.question[chosen], rows.answers[chosen]
    for linear, same in ((True, True), (False, False)):
        fresh.zero_grad()
        answer_nll(fresh(story, question, None, linear).logits, answers).sum().backward()
        norm = torch.cat([p.grad.flatten() for p in fresh.parameters()]).norm()
        by_hand = fresh.embedding - 0.005 * fresh.embedding.grad * min(1.0, 40 / norm.item())
        assert torch.allclose(live.model[0].embedding, by_hand, atol=1e-6) is same


def test_the_restart_with_the_fewest_wrong_answers_in_training_is_chosen(tmp_path):
    live = trained(tmp_path / "run", steps=2).recipe
    live.wrong[0], live.losses[0] = torch.tensor([5.0, 5.0]), torch.tensor([9.0, 8.0])
    live.run.step = len(live.rows("train")[0].answers) // 16 - 1  # the last batch of a pass
    right = torch.zeros(4, 2, len(live.words[0]))
    live.tally(0, right, torch.zeros(4, 2), torch.zeros(4, dtype=torch.long), 16)
    assert live.chosen.tolist() == [1] and not live.wrong.any()  # of equal counts the lower loss


def test_predictions_name_the_sentences_that_were_attended_to(tmp_path, capsys):
    run = trained(tmp_path / "run")
    asked = tmp_path / "asked.txt"
    asked.write_text("1 Ann went to the hall.\n2 Ben went to the attic.\n3 Where is Ann?\n", encoding="utf-8")
    (record,) = run.predict([asked])
    assert record["input"].endswith("asked.txt:3") and record["question"] == "Where is Ann?"
    assert [one["sentence"] for one in record["attention"]] == ["Ann went to the hall.", "Ben went to the attic."]
    assert (
        all(len(one["hops"]) == 3 for one in record["attention"]) and 0 < sum(record["probabilities"].values()) <= 1.001
    )
    assert "unknown" not in record
    asked.write_text("1 Ann zigged to the hall.\n2 Whither is Ann?\n", encoding="utf-8")
    assert main(["predict", str(tmp_path / "run"), str(asked)]) == 0
    assert capsys.readouterr().out.endswith("  [unknown words: zigged, whither]\n")
    panels = run.recipe.figures()["attention"].figures
    assert any(name.startswith("* ") for panel in panels for name in panel.y_names) and panels[0].limits == (0, 1)


def test_a_network_for_each_task_answers_files_of_that_name(tmp_path):
    run = trained(tmp_path / "run", tasks=("one-fact", "two-facts"), steps=3, memories=24)
    lines = "1 Ann went to the hall.\n2 Where is Ann?\n"
    for name in ("two-facts.txt", "other.txt"):
        (tmp_path / name).write_text(lines, encoding="utf-8")
    assert len(run.predict([tmp_path / "two-facts.txt"])) == 1
    with pytest.raises(UsageError, match="a network for each of 2 tasks, and 'other' is none of them: name"):
        run.predict([tmp_path / "other.txt"])
    with pytest.raises(UsageError, match="one can be exported: train with --tasks"):
        run.export("torch", tmp_path / "net.pt2")
    joint = trained(tmp_path / "joint", tasks=("one-fact", "two-facts"), steps=3, memories=24, joint=True)
    assert len(joint.predict([tmp_path / "other.txt"])) == 1 and len(joint.module) == 1
    metrics = joint.evaluate("test")
    assert metrics["error"] == pytest.approx((metrics["error_one_fact"] + metrics["error_two_facts"]) / 2)


def test_questions_of_other_tasks_are_answered_or_refused_and_never_dropped(tmp_path, capsys):
    names = ("qa1_a", "qa2_a", "qa7_a")
    for name in names:
        for folder in ("own", "more"):
            (tmp_path / folder).mkdir(exist_ok=True)
            lines = "1 Ann went to the hall.\n2 Where is Ann?\thall\t1\n" * 9
            if folder == "more" or name != "qa7_a":
                (tmp_path / folder / f"{name}_train.txt").write_text(lines)
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    trained(one, data=str(tmp_path / "own" / "qa1_a_train.txt"), steps=2)
    assert main(["eval", one, "--data", str(tmp_path / "more" / "qa7_a_train.txt"), "--split", "train"]) == 0
    trained(two, data=str(tmp_path / "own"), steps=2)
    assert main(["eval", two, "--data", str(tmp_path / "more")]) == 2
    assert "'qa7_a' is none of them: name the file after one (qa1_a, qa2_a)" in capsys.readouterr().err


def test_the_export_answers_what_the_run_does(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    run = trained(tmp_path / "run")
    run.export("onnx", tmp_path / "net.onnx")
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"))
    live, (rows,) = run.recipe, run.recipe.rows("test")
    none, size = len(live.words[0]), live.export().inputs[0].shape
    for count in (1, 7):
        story, question = torch.full((count, *size[1:]), none), torch.full((count, size[2]), none)
        story[:, : rows.story.shape[1], : rows.story.shape[2]] = rows.story[:count]
        question[:, : rows.question.shape[1]] = rows.question[:count]
        (found,) = session.run(None, {"story": story.numpy(), "question": question.numpy()})
        with torch.no_grad():
            logits, _ = live.answers(0, live.pack(0, live.questions("test", 0)[:count]))
        ours = logits[:, int(live.chosen[0])].softmax(1)
        torch.testing.assert_close(torch.from_numpy(found), ours, rtol=1e-4, atol=1e-5)


def test_the_presets_are_those_of_the_paper():
    paper = recipe.PRESETS["paper"][0]
    assert (paper.restarts, paper.width, paper.hops, paper.memories, paper.clip) == (10, 20, 3, 50, 40.0)
    assert (paper.batch, paper.learning_rate, paper.epochs, paper.noise) == (32, 0.01, 100, 0.1)


def test_a_network_without_ages_trains_and_refuses_noise_in_them(tmp_path, capsys):
    given = ["train", "memory-network", "--preset", "smoke", "--temporal", "false", "--steps", "3", "--out"]
    assert main([*given, str(tmp_path / "a")]) == 0
    assert main([*given, str(tmp_path / "b"), "--noise", "0.5"]) == 2
    assert "--noise moves ages, which --temporal false leaves out" in capsys.readouterr().err
