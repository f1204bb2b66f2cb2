"""The helper of translators: real words alone are counted, batches of similar length, verbs and pictures."""

import json
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

import deepcanon
from deepcanon.cli import main
from deepcanon.data import DataError
from deepcanon.data.batches import Buckets
from deepcanon.engine.pairs import EncodedPairs, Padded
from deepcanon.engine.text_scores import text_scores, tokenizer_for
from deepcanon.errors import UsageError

LINES = [("ein Hund läuft .", "a dog runs ."), ("zwei Katzen schlafen dort .", "two cats sleep there .")]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "pairs.tsv"
    path.write_text("".join(f"{s}\t{t}\n" for s, t in LINES * 40), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(pairs, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "r"
    options = {"hidden": 24, "embedding": 16, "batch": 8, "minimum_count": 1, "learning_rate": 2e-2, "dropout": 0.0}
    return deepcanon.train("attention", data=str(pairs), out=out, steps=120, threads=1, quiet=True, **options)


def test_batches_of_similar_length_hold_every_row_once():
    lengths = torch.randint(1, 40, (1000,), generator=torch.Generator().manual_seed(0))
    buckets = Buckets(lengths, 8, seed=3, stream="order")
    epoch = [buckets.rows(step) for step in range(125)]
    assert torch.cat(epoch).sort().values.tolist() == list(range(1000))
    spread = torch.stack([lengths[rows].max() - lengths[rows].min() for rows in epoch]).double().mean()
    assert spread < 3, "of 40 lengths, rows of one batch have nearly equal ones"
    again = Buckets(lengths, 8, seed=3, stream="order")
    assert torch.equal(again.rows(130), buckets.rows(130)) and torch.equal(again.rows(7), epoch[7])
    assert not torch.equal(torch.stack([buckets.rows(125 + k) for k in range(125)]), torch.stack(epoch))
    assert len(Buckets(lengths[:3], 8, seed=0, stream="order").rows(5)) == 8


def test_the_loss_counts_real_words_and_ends_alone(run):
    recipe = run.recipe
    encoded = EncodedPairs(*([recipe.numbers(pair[side], side) for pair in LINES] for side in (0, 1)))
    sources, _, inputs = recipe.forced(encoded, [0, 1])
    assert sources.lengths.tolist() == [5, 6] and inputs[:, 0].tolist() == [recipe.end] * 2
    nats = count = 0
    with torch.no_grad():
        for row, target in enumerate(encoded.targets):  # each alone, without padding
            source = torch.tensor([encoded.sources[row]])
            given = torch.tensor([[recipe.end, *target[:-1]]])
            readout, _ = recipe.model(source, torch.tensor([source.shape[1]]), given)
            logits = recipe.model.output(readout)[0].double()
            nats += F.cross_entropy(logits, torch.tensor(target), reduction="sum").item()
            count += len(target)
    recipe._encoded["two"], recipe.run.data.splits["two"] = encoded, recipe.run.data["train"].take(torch.tensor([0, 1]))
    measured = recipe.evaluate("two")
    assert count == 5 + 6 and measured["nll"] == pytest.approx(nats / count, rel=1e-5)


def test_it_learns_and_translates_a_file(run, tmp_path, capsys):
    path = tmp_path / "in.txt"
    path.write_text("ein Hund läuft.\n\nzwei Katzen schlafen dort.\n", encoding="utf-8")
    found = run.predict(str(path))
    assert [record["text"] for record in found] == ["a dog runs.", "two cats sleep there."]
    assert [record["input"] for record in found] == [f"{path}:1", f"{path}:3"]
    assert main(["predict", str(run.folder), str(path)]) == 0
    assert f"{path}:1: a dog runs." in capsys.readouterr().out
    assert run.predict([str(path)])[0]["log_probability"] > -1
    assert run.evaluate("train")["exact"] == 1


def test_it_is_asked_for_the_side_that_it_learned(run, tmp_path):
    assert run.recipe.facts["reader"]["sides"] == {"source": "", "target": "", "form": "columns", "width": 2}
    path = tmp_path / "in.tsv"
    path.write_text("tgt\tsrc\nx\tein Hund läuft .\n", encoding="utf-8")
    (found,) = run.predict(str(path))
    assert found["text"] == "a dog runs." and found["input"] == f"{path}:2" and "column src" in found["note"]
    path = path.with_suffix(".jsonl")
    path.write_text('{"src": "zwei Katzen schlafen dort ."}\n', encoding="utf-8")
    assert run.predict(str(path))[0]["text"] == "two cats sleep there."
    with pytest.raises(DataError, match=r"^input 2: holds no word; give a sentence$"):
        run.recipe.predict(["ein Hund", " "])


def test_other_data_are_evaluated_in_the_direction_of_training(tmp_path):
    for side, place in (("de", 0), ("en", 1)):
        lines = "\n".join(pair[place] for pair in LINES * 20)
        (tmp_path / f"corpus.{side}").write_text(lines + "\n", encoding="utf-8")
    options = {"hidden": 8, "embedding": 8, "minimum_count": 1, "steps": 2, "threads": 1, "quiet": True}
    run = deepcanon.train("seq2seq", data=str(tmp_path / "corpus.en"), out=tmp_path / "r", **options)
    assert {*run.recipe.run.data["train"].x} == {target for _, target in LINES}
    again = deepcanon.load(run.folder, data=str(tmp_path))
    again.evaluate("test")
    assert {*again.recipe.run.data["test"].x} <= {target for _, target in LINES}


def test_generate_with_a_beam_draws_the_alignment(run, tmp_path, capsys):
    picture = tmp_path / "a.svg"
    command = ["generate", str(run.folder), "--prompt", "ein Hund läuft .", "--beam", "3", "--to", str(picture)]
    assert main(command) == 0
    told = capsys.readouterr()
    assert told.out.strip() == "a dog runs." and str(picture) in told.err
    drawn = picture.read_text(encoding="utf-8")
    assert all(word in drawn for word in ("Hund", "läuft", "dog", "runs", "weight"))
    assert main([*command, "--json", "--count", "2"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first["log_probability"] >= second["log_probability"] and first["text"] != second["text"]
    weights = torch.tensor(first["alignment"]["weights"])
    assert weights.shape == (len(first["alignment"]["target"]), 5) and weights.sum(1).allclose(
        torch.ones(len(weights)), atol=1e-2
    )


def test_unknown_words_and_bad_questions(run):
    (record,) = run.generate(prompt="ein Elefant läuft .", beam=2)
    assert record["unknown"] == ["Elefant"] and "<unk>" not in record["text"]
    for error, said, asked in (
        (DataError, "holds no word", {"prompt": " "}),
        (DataError, "has 101 words and signs, more than the model's limit of 100", {"prompt": "Hund " * 101}),
        (UsageError, "keeps fewer translations", {"prompt": "Hund", "beam": 2, "count": 3}),
        (UsageError, "leave one of them out", {"prompt": "Hund", "beam": 2, "temperature": 0.5}),
        (UsageError, "compares translations of --beam", {"prompt": "Hund", "length_penalty": 0.5}),
        (UsageError, "has no option --stop here", {"prompt": "Hund", "stop": ["a"]}),
    ):
        with pytest.raises(error, match=said):
            run.generate(**asked)


def test_a_beam_of_one_is_greedy_and_a_wider_one_no_worse(run):
    texts = [source for source, _ in LINES]
    one, five = run.recipe.translated(texts, 1), run.recipe.translated(texts, 5)
    assert all(b["log_probability"] >= a["log_probability"] - 1e-6 for a, b in zip(one, five, strict=True))
    state = run.recipe.model.start(*Padded.of([run.recipe.numbers(texts[0], 0)], run.recipe.end))
    tokens, greedy = torch.tensor([run.recipe.end]), []
    with torch.no_grad():
        while len(greedy) < 20:
            logits, state = run.recipe.model.step(tokens, state)
            logits[:, 0] = -torch.inf
            tokens = logits.argmax(1)
            greedy.append(int(tokens))
            if greedy[-1] == run.recipe.end:
                break
    assert run.recipe.text(greedy) == one[0]["text"]


def test_figures_have_words_on_them(run):
    figures = run.recipe.figures()
    heat = figures["alignment"].figures[0]
    assert heat.x_names[-1] == "</s>" and "Hund" in heat.x_names + figures["alignment"].figures[1].x_names
    assert "read     " in figures["translations"].text and "person   " in figures["translations"].text


def test_pairs_without_a_frequent_word_are_refused(tmp_path):
    path = tmp_path / "few.tsv"
    path.write_text("".join(f"a{n} b{n}\tc{n}\n" for n in range(30)))
    with pytest.raises(UsageError, match="no word of the sources occurs 2 times: lower --minimum-count"):
        deepcanon.train("attention", data=str(path), out=tmp_path / "r", steps=2, quiet=True)


def test_bleu_is_sacrebleus_with_its_signature():
    scores, signature = text_scores(["a dog runs in the park."], ["a dog runs in the park."], False)
    assert scores["bleu"] == pytest.approx(100) and scores["chrf"] == pytest.approx(100)
    assert "tok:13a" in signature and "case:mixed" in signature and "version:" in signature
    other, signature = text_scores(["A dog runs in the park."], ["a dog runs in the park."], True)
    assert other["bleu"] == pytest.approx(100) and "case:lc" in signature


@pytest.mark.parametrize(
    ("text", "tokenizer"),
    [
        ("a dog runs.", "13a"),
        ("ein Hündchen läuft", "13a"),
        ("한국어 영화", "13a"),
        ("आज मैं घर पर हूँ", "13a"),
        ("我今天很喜歡這部 iPhone 電影。", "zh"),
        ("今日は映画を見ました。", "char"),
        ("วันนี้ฉันดูหนัง", "char"),
        ("the sign 電 is electric", "13a"),
    ],
)
def test_references_without_blanks_are_cut_into_characters(text, tokenizer):
    assert tokenizer_for([text]) == tokenizer
    scores, signature = text_scores([text], [text + text[:1]], False)
    assert f"tok:{tokenizer}" in signature and (scores["bleu"] > 50 or tokenizer == "13a")


def test_without_sacrebleu_a_run_says_how_to_get_it(pairs, tmp_path):
    code = (
        "import sys; sys.modules['sacrebleu'] = None\n"
        "import deepcanon.engine.pairs as p; p.has_sacrebleu = lambda: False\n"
        "import deepcanon.techniques.translation as t; t.has_sacrebleu = p.has_sacrebleu\n"
        "from deepcanon.cli import main\n"
        f"main(['train', 'seq2seq', '--data', {str(pairs)!r}, '--steps', '3', '--hidden', '8',"
        f" '--out', {str(tmp_path / 'r')!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'deepcanon[text]'" in done.stdout + done.stderr and " bleu " not in done.stdout
