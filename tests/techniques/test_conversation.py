"""What is done with a trained model of dialogues: measures by hand, replies, pictures, export, and what is refused."""

import json
import math

import pytest
import torch

import deepcanon
from deepcanon.cli import main
from deepcanon.data import DataError
from deepcanon.data.tasks import planted_names
from deepcanon.errors import UsageError
from deepcanon.parts.language_models import continuations
from deepcanon.sequence import Talk
from deepcanon.techniques.dialogue_streams import Streams

END = 1
QUIET = {"threads": 1, "precision": "fp32", "device": "cpu", "quiet": True, "plain": True}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return deepcanon.train("hred", preset="smoke", out=tmp_path_factory.mktemp("hred") / "run", **QUIET)


def test_measures_are_sums_over_words_by_hand(run):
    live, dialogues = run.recipe, run.recipe.run.data["test"].x
    rows = live.encoded("test")
    nats, ends = [], []
    with torch.no_grad():
        for row in rows[:20]:
            stream = torch.cat([torch.tensor([END]), row])[None]
            log = live.model.output(live.model(stream[:, :-1])).log_softmax(-1)[0]
            nats.append(-log[range(len(row)), row].double())
            ends.append(row == END)
    for one, other in zip(live.nats(rows[:20]), nats, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    found = live.evaluate("test")
    each, close = torch.cat(live.nats(rows)), torch.cat([row == END for row in rows])
    assert found["perplexity"] == pytest.approx(float(each.mean().exp()))
    assert found["perplexity_of_words"] == pytest.approx(float(each[~close].mean().exp()))
    assert "perplexity_all" not in found and "unknown" not in found  # nothing leaks, no word is unknown
    assert sum(map(len, ends)) == 20 * 58 == sum(len(turn.split()) + 1 for turns in dialogues[:20] for turn in turns)


def test_slots_are_looked_up_where_the_source_says(run):
    """Where every word is right all slots are; where only names are wrong, all but those."""
    live = run.recipe
    rows, dialogues = live.encoded("test")[:50], live.run.data["test"].x[:50]
    names = torch.tensor([live.vocabulary.number[name] for name in planted_names.NAMES])
    assert live.of_slots(rows, dialogues, [torch.ones_like(row) for row in rows]) == {"slot": 1, "near": 1}
    others = [~torch.isin(row, names) for row in rows]
    assert live.of_slots(rows, dialogues, others) == {"slot": 0, "near": 1}
    nats, hits = zip(*live.predicted(rows), strict=True)
    assert all(bool((n[hit] < math.log(len(live.vocabulary))).all()) for n, hit in zip(nats, hits, strict=True))


def test_dialogues_that_are_nearly_in_train_count_in_perplexity_but_not_in_that_of_new_ones(tmp_path):
    long = "a b c d b a c d a a b d c"
    talks = {
        "train": [[long, "c d"], *([f"{word} a", "b c"] for word in "abcd")],
        "valid": [["b a", "a a"]],
        "test": [[long, "d d"], ["b a d", "c"], ["d d d", "a a"]],
    }
    for split, some in talks.items():
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps({"turns": turns}) + "\n" for turns in some))
    run = deepcanon.train("hred", preset="smoke", data=str(tmp_path), out=tmp_path / "run", steps=3, **QUIET)
    live, found = run.recipe, run.recipe.evaluate("test")
    nats = live.nats(live.encoded("test"))
    assert found["nll"] == pytest.approx(float(torch.cat(nats).mean())) and "perplexity_all" not in found
    assert found["perplexity_new"] == pytest.approx(float(torch.cat(nats[1:]).mean().exp()))
    assert "perplexity_new" not in live.evaluate("valid")


def test_dialogues_that_are_in_train_too_count_apart(tmp_path):
    talks = {
        "train": [["a b", "c d"], *([f"{word} a", "b c"] for word in "abcd")],
        "valid": [["A b", "c D"], ["d a", "B c"]],
        "test": [["a b", "c d"], ["b a d", "c"]],
    }
    for split, some in talks.items():
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps({"turns": turns}) + "\n" for turns in some))
    said = []
    run = deepcanon.train("hred", preset="smoke", data=str(tmp_path), out=tmp_path / "run", steps=3, **QUIET)
    live, found = run.recipe, run.recipe.evaluate("test")
    leaked, own = (float(nats.sum()) for nats in live.nats(live.encoded("test")))
    assert found["nll"] == pytest.approx(own / 6) and "slot" not in found
    assert found["perplexity_all"] == pytest.approx(math.exp((leaked + own) / 12))
    assert "perplexity_all" not in live.evaluate("valid")  # there is nothing else to measure, as a line says
    live.run.say = said.append
    live.begin()
    assert said == [
        "valid: all dialogues are in train too: its scores say nothing of others",
        "test: 1 dialogues that are in train too count in perplexity_all alone",
    ]


def test_a_turn_is_drawn_searched_and_stopped(run):
    prompt = "hello , my name is anna . __eou__ do you like tea ? and who are you ?"
    drawn = run.generate(prompt=prompt, count=3, seed=1, length=12)
    assert drawn == run.generate(prompt=f"{prompt} __eou__", count=3, seed=1, length=12)  # the last turn is complete
    assert len(drawn) == 3 and all("\n" not in one["text"] and len(one["text"].split()) <= 12 for one in drawn)
    assert drawn != run.generate(prompt="hi __eou__ welcome", count=3, seed=1, length=12)
    best = run.generate(prompt=prompt, beam=4, count=4, length=12)
    assert [one["score"] for one in best] == sorted((one["score"] for one in best), reverse=True)
    (known,) = run.generate(prompt="Hello , my name is Wolf .", temperature=0.0)
    assert known["unknown"] == ["wolf"]
    told = []
    (one,) = run.generate(prompt=prompt, seed=2, tell=told.append)
    assert "".join(told) == one["text"]


def test_turns_are_drawn_as_by_steps_of_the_whole_model(run):
    """The same words from one seed, though only the decoder is stepped and all turns are read side by side."""
    live = run.recipe
    tokens = live.heard(["hello , my name is anna .", "do you like tea ? and who are you ?"])
    with torch.no_grad():
        state = live.model.begin(1)
        for word in tokens[:-1]:
            _, state = live.model.step(word[None], state)
        options = {"count": 5, "length": 20, "stop": ("\n",)}
        seeds = [torch.Generator().manual_seed(7) for _ in range(2)]
        slow = continuations(live.model.step, tokens, state, live.vocabulary, seeds[0], **options)
    drawn = live.replies(tokens, live.asked(count=5, length=20), seeds[1])
    assert [live.written(one["text"]) for one in slow] == [one["text"] for one in drawn]
    assert [one["score"] for one in slow] == pytest.approx([one["score"] for one in drawn], rel=1e-5)


def test_prompts_and_options_that_do_not_fit(run):
    with pytest.raises(DataError, match="nothing in turn 2; remove one '__eou__'"):
        run.generate(prompt="a __eou__ __eou__ b")
    with pytest.raises(DataError, match="has 1,201 words, ends of turns among them, and 1,000 are the most"):
        run.generate(prompt="hi " * 1200)
    with pytest.raises(UsageError, match="--rank 2 draws fewer turns than --count 3"):
        run.generate(rank=2, count=3)
    with pytest.raises(UsageError, match="leave one of them out"):
        run.generate(beam=2, temperature=0.5)


def test_predictions_have_a_next_turn_and_a_perplexity(run, tmp_path, capsys):
    lines = "hello , my name is anna . __eou__ do you like tea ? and who are you ?\nhi , wolf __eou__ hello\n"
    (tmp_path / "talk.txt").write_text(lines, encoding="utf-8")
    one, other = run.predict(tmp_path / "talk.txt")
    assert one["perplexity"] == pytest.approx(math.exp(one["value"])) and (one["tokens"], one["unknown"]) == (19, 0)
    assert (other["tokens"], other["unknown"]) == (6, 1) and other["input"].endswith("talk.txt:2")
    best = run.generate(prompt=lines.split("\n")[0], beam=2, length=60)
    assert one["text"] == best[0]["text"]
    assert main(["predict", str(run.folder), str(tmp_path / "talk.txt")]) == 0
    assert f"talk.txt:1: {one['text']}  (" in capsys.readouterr().out
    words = run.surprises(run.read(tmp_path / "talk.txt"))[0]["tokens"]
    assert [word["token"] for word in words][5:9] == ["anna", ".", "\\n", "do"]
    assert sum(word["bits"] for word in words) == pytest.approx(one["value"] * 19 / math.log(2), rel=1e-5)
    codes = run.encode(tmp_path / "talk.txt")
    assert codes.shape == (2, 24) and not torch.allclose(codes[0], codes[1])


def test_pictures_say_what_reading_back_is_worth(run):
    figures = run.recipe.figures()
    (first, _) = figures["surprise"].figures
    assert first.tokens.count("\n") == 6 and len(first.values) == len(first.tokens)
    assert [line.label for line in figures["gain"].lines] == ["all turns before", "the last turn", "none"]
    all_, last, none = (line.y for line in figures["gain"].lines)
    assert len(all_) == 6 and all_[0] == pytest.approx(float(none[0])) and all_[1] == pytest.approx(float(last[1]))


def test_a_dialogue_that_is_too_long_and_words_that_are_too_rare(tmp_path, capsys):
    path = tmp_path / "talk.txt"
    path.write_text("a b c __eou__ d e\n" * 9 + "a __eou__ b\n", encoding="utf-8")
    given = ["train", "hred", "--preset", "smoke", "--data", str(path), "--out", str(tmp_path / "run")]
    assert main([*given, "--longest", "6"]) == 2
    assert "dialogue 1 of train: has 7 words, ends of turns among them, and 6 are the most" in capsys.readouterr().err
    assert main([*given, "--minimum-count", "50"]) == 2
    assert "no word of the dialogues occurs 50 times: lower --minimum-count" in capsys.readouterr().err


def test_the_export_steps_as_the_model_does(run, tmp_path):
    written = run.export("torch", tmp_path / "step.pt2")
    program, live = torch.export.load(written[0]).module(), run.recipe
    tokens = torch.cat([torch.tensor([END]), live.encoded("test")[0]])[:20]
    state, exported = live.model.begin(2), live.model.begin(2)
    with torch.no_grad():
        for token in tokens:
            word = token.expand(2)
            logits, state = live.model.step(word, state)
            found, *exported = program(word, *exported)
            torch.testing.assert_close(found, logits, rtol=1e-4, atol=1e-5)
    assert all(torch.allclose(a.float(), b.float(), atol=1e-5) for a, b in zip(Talk(*exported), state, strict=True))
    about = json.loads(written[1].read_text(encoding="utf-8"))
    assert [one["name"] for one in about["inputs"]] == ["word", *Talk._fields]


def test_streams_of_processes_are_rows_of_the_whole():
    rows = [torch.tensor([3, END, 2, 2, END]), torch.tensor([4, END]), torch.tensor([END, 5, END])]
    whole = Streams.of(rows, END)
    assert whole.inputs.tolist() == [[1, 3, 1, 2, 2], [1, 4, 1, 1, 1], [1, 1, 5, 1, 1]]
    assert whole.targets.flatten()[whole.places()].tolist() == torch.cat(rows).tolist()


def test_dialogues_of_different_lengths_are_encoded_together_as_each_alone(run):
    dialogues = [("hello",), ("hi there", "do you like tea ?", "i am anna , and i like tea ."), ("welcome", "hi")]
    live = run.recipe
    together = live.encode(dialogues)
    for code, turns in zip(together, dialogues, strict=True):
        state = live.model.begin(1)
        for word in live.heard(turns):
            _, state = live.model.step(word[None], state)
        alone = state.session[0]
        torch.testing.assert_close(code, alone, rtol=1e-5, atol=1e-6)
    assert (together[0] - together[2]).abs().max() > 1e-3
