"""n-grams: sums to 1 everywhere, worked examples, planted bugs, round trip, the recomputed Penn Treebank figures."""

import itertools
import json
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from cases.ngram_lm import text
from oracles import ngram_lm as oracle

import deepcanon
from deepcanon.cli import main
from deepcanon.data import open_data
from deepcanon.errors import DeepcanonError
from deepcanon.parts.vocabulary import Vocabulary
from deepcanon.sequence import NgramLM
from deepcanon.sequence.ngram_lm import good_turing_discounts, modified_discounts
from deepcanon.techniques.counted_ngrams import count


def fitted(order=4, end=2, **options):
    return NgramLM(7, order, end=end, **options).fit(torch.from_numpy(text(end=end)))


KATZ, ADDED = {"smoothing": "katz"}, {"smoothing": "add-k", "added": 0.1}


@pytest.mark.parametrize(
    "options",
    [
        {}, {"end": None}, {"start": False}, {"discounts": 0.5}, {"order": 1}, {"order": 7},
        KATZ, KATZ | {"end": None}, KATZ | {"start": False}, KATZ | {"order": 1}, KATZ | {"order": 7},
        ADDED, ADDED | {"start": False}, ADDED | {"order": 1},
    ],
)  # fmt: skip
def test_sums_to_one_on_every_history(options):
    model = fitted(**options)
    for length in range(model.order + 1):
        histories = list(itertools.product(range(7), repeat=min(length, 3)))
        rows = torch.tensor(histories, dtype=torch.int64).view(len(histories), -1)
        p = model.distribution(rows)
        assert p.shape == (len(histories), 7) and bool((p >= 0).all())
        torch.testing.assert_close(p.sum(1), torch.ones(len(p), dtype=torch.float64), atol=1e-12, rtol=0)


def test_distribution_equals_scores_and_oracle():
    model, truth = fitted(), oracle.KneserNey(text(end=2), 7, 4, 2)
    rows = torch.randint(0, 7, (40, 6), generator=torch.Generator().manual_seed(3))
    p = model.distribution(rows[:, :-1])
    torch.testing.assert_close(p.gather(1, rows[:, -1:])[:, 0].log(), model(rows)[:, -1])
    for row, mine in zip(rows[:, :-1].tolist(), p, strict=True):
        since = row[len(row) - row[::-1].index(2) :] if 2 in row else row
        expected = [truth.probability(word, truth.history(since)) for word in range(7)]
        torch.testing.assert_close(mine, torch.tensor(expected, dtype=torch.float64), atol=1e-13, rtol=0)


def test_katz_keeps_a_part_of_each_frequency_and_gives_the_rest_by_the_shorter_history():
    rng = np.random.default_rng(0)
    tokens = torch.from_numpy(rng.choice(30, 400, p=(w := 1 / np.arange(1, 31)) / w.sum()))
    model = NgramLM(30, 2, start=False, smoothing="katz").fit(tokens)
    counts = torch.zeros(30, 30).index_put((tokens[:-1], tokens[1:]), torch.ones(()), accumulate=True).double()
    d = good_turing_discounts(counts[counts > 0].long())
    assert 0 < d[0] < 1
    unigram = model.distribution(torch.zeros(1, 0, dtype=torch.int64))[0]
    p, row = model.distribution(torch.tensor([[0]]))[0], counts[0]
    seen = row > 0
    share = torch.where(row <= 5, torch.cat([d.new_zeros(1), d])[row.long().clamp(max=5)], 1.0)
    torch.testing.assert_close(p[seen], (share * row / row.sum())[seen])
    left, room = 1 - p[seen].sum(), 1 - unigram[seen].sum()
    assert left > 0.01
    torch.testing.assert_close(p[~seen], unigram[~seen] * left / room)


def test_good_turing_discounts_of_the_paper_and_where_they_fail():
    n = [120, 40, 24, 13, 15, 5]
    counts = torch.repeat_interleave(torch.arange(1, 7), torch.tensor(n))
    common = 6 * 5 / 120
    expected = [((r + 1) * n[r] / n[r - 1] / r - common) / (1 - common) for r in range(1, 6)]
    assert min(expected) < 0 or max(expected) > 1
    # k = 3 is the largest that gives shares
    common = 4 * 13 / 120
    expected = [((r + 1) * n[r] / n[r - 1] / r - common) / (1 - common) for r in range(1, 4)] + [1.0, 1.0]
    torch.testing.assert_close(good_turing_discounts(counts), torch.tensor(expected, dtype=torch.float64))
    assert good_turing_discounts(torch.tensor([4, 4, 9])).tolist() == [1.0] * 5


def test_katz_leaves_something_after_a_history_whose_words_are_all_frequent():
    tokens = torch.tensor([0, 1] * 9 + [2, 3, 4, 5, 2])
    model = NgramLM(6, 2, start=False, smoothing="katz").fit(tokens)
    p = model.distribution(torch.tensor([[0]]))[0]
    assert bool((p > 0).all())
    torch.testing.assert_close(p[1], torch.tensor(9 / 10, dtype=torch.float64))


def test_katz_uses_frequencies_and_kneser_ney_histories():
    tokens = torch.tensor([1, 2] * 12 + [0, 3, 4, 3, 5, 3, 0, 4, 5, 0])
    katz = NgramLM(6, 2, start=False, smoothing="katz").fit(tokens).unigrams()
    assert katz[2] > katz[3]


def test_added_counts_by_hand():
    tokens = torch.tensor([0, 1, 0, 1, 0, 2, 3])
    model = NgramLM(4, 2, end=3, smoothing="add-k", added=0.5).fit(tokens)
    after = model.distribution(torch.tensor([[0], [3], [2]]))
    torch.testing.assert_close(after[0], torch.tensor([0.5, 2.5, 1.5, 0.5], dtype=torch.float64) / 5)
    torch.testing.assert_close(after[1], torch.tensor([1.5, 0.5, 0.5, 0.5], dtype=torch.float64) / 3)  # a new sentence
    torch.testing.assert_close(after[2], torch.tensor([0.5, 0.5, 0.5, 1.5], dtype=torch.float64) / 3)
    unseen = NgramLM(4, 3, smoothing="add-k").fit(tokens).distribution(torch.tensor([[2, 2]]))
    torch.testing.assert_close(unseen, torch.full((1, 4), 0.25, dtype=torch.float64))


def test_the_first_word_of_a_text_without_start_has_no_history_and_divides_by_nothing():
    model = NgramLM(4, 3, start=False).fit(torch.tensor([2, 0, 1, 0, 1, 1]))
    p = model.distribution(torch.tensor([[2], [0]]))
    torch.testing.assert_close(p.sum(1), torch.ones(2, dtype=torch.float64))


def test_a_word_never_seen_has_probability_and_a_new_history_backs_off():
    model = fitted(end=None)
    assert 6 not in text()
    unknown = model.distribution(torch.tensor([[6, 6, 6]]))
    torch.testing.assert_close(unknown, model.distribution(torch.zeros(1, 0, dtype=torch.int64) + 0)[:0].new_tensor(
        [model.unigrams()[:7].tolist()]), atol=0, rtol=0)  # fmt: skip
    assert float(unknown[0, 6]) > 0


def test_continuation_counts_not_frequencies():
    # "francisco" (2) is frequent but follows only "san" (1); 3 is rarer but follows everything.
    tokens = torch.tensor([1, 2] * 12 + [0, 3, 4, 3, 5, 3, 0, 4, 5, 0])
    model = NgramLM(6, 2, start=False).fit(tokens)
    p = model.unigrams()
    assert tokens.bincount()[2] > 3 * tokens.bincount()[3] and p[3] > p[2]


def test_discounts_of_the_paper_and_their_bounds():
    counts = torch.tensor([1] * 10 + [2] * 4 + [3] * 2 + [4] * 1 + [7] * 3)
    y = 10 / 18
    expected = [1 - 2 * y * 4 / 10, 2 - 3 * y * 2 / 4, 3 - 4 * y * 1 / 2]
    torch.testing.assert_close(modified_discounts(counts), torch.tensor(expected, dtype=torch.float64))
    assert modified_discounts(torch.tensor([5, 5])).tolist() == [0.5, 1.0, 1.5]
    # More triples than pairs would make D(2) negative.
    low = modified_discounts(torch.tensor([1] * 9 + [2] + [3] * 9))
    assert 0 <= float(low[1]) <= 2


def test_nothing_crosses_a_sentence_end():
    model = fitted()
    left, right = torch.tensor([[0, 1, 2, 0, 1]]), torch.tensor([[3, 4, 2, 0, 1]])
    assert torch.equal(model(left)[:, 3:], model(right)[:, 3:])
    # But within one unbroken text it does.
    stream = fitted(end=None)
    assert not torch.equal(stream(left)[:, 3:4], stream(right)[:, 3:4])


def test_state_dict_round_trip_into_an_unfitted_model():
    model, other = fitted(), NgramLM(7, 4, end=2)
    with pytest.raises(ValueError, match="call fit first"):
        other(torch.zeros(1, 1, dtype=torch.int64))
    other.load_state_dict(model.state_dict())
    rows = torch.randint(0, 7, (5, 9))
    assert torch.equal(model(rows), other(rows))


@pytest.mark.parametrize(
    "options", [{"order": 7}, {"end": None, "start": False}, {"order": 1}, ADDED, {"discounts": 0.5}]
)
def test_counting_on_disk_in_the_smallest_portions_has_the_same_bits(options, tmp_path):
    inside, outside = fitted(**options), NgramLM(7, **({"order": 4, "end": 2} | options))
    outside.fit_on_disk(torch.from_numpy(text(end=options.get("end", 2))), 1, tmp_path)
    assert all(
        a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(inside.buffers(), outside.buffers(), strict=True)
    )
    assert not list(tmp_path.iterdir())


def test_counting_on_disk_leaves_nothing_when_it_is_interrupted(tmp_path):
    class Stopped(torch.Tensor):
        reads = 0

        def __getitem__(self, places):
            Stopped.reads += 1
            if Stopped.reads == 12:
                raise KeyboardInterrupt
            return super().__getitem__(places)

    tokens = torch.from_numpy(text(end=2)).as_subclass(Stopped)
    with pytest.raises(KeyboardInterrupt):
        NgramLM(7, 4, end=2).fit_on_disk(tokens, 1, tmp_path)
    assert Stopped.reads == 12 and not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="in memory"):
        NgramLM(7, 4, smoothing="katz").fit_on_disk(tokens, 1, tmp_path)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    run = SimpleNamespace(folder=tmp_path / "gone")
    with pytest.raises(DeepcanonError, match=r"sorted in .*gone: No such file or directory; make room"):
        count(NgramLM(7, 4, end=2), torch.from_numpy(text(end=2)), 1, run)


def test_tables_of_version_0_1_are_read():
    """Sorted numbers ``history * V + word`` of all orders, probabilities and weights: three long tensors."""
    model, numbers, kept = fitted(), {}, ([], [], [])
    for tokens, *parts in model.ngrams():
        grams = [tuple(row) for row in tokens.tolist()]
        keys = {gram: numbers[gram[:-1]] * 7 + gram[-1] if len(gram) > 1 else gram[0] for gram in grams}
        order = sorted(range(len(grams)), key=lambda row: keys[grams[row]])
        numbers = {grams[row]: node for node, row in enumerate(order)}
        for column, part in zip(kept, (torch.tensor([keys[gram] for gram in grams]), *parts), strict=True):
            column.append(part[order])
    state = dict(zip(("keys_", "probability_", "backoff_"), map(torch.cat, kept), strict=True))
    state |= {"backoff_": torch.cat(kept[2][:-1]), "sizes_": torch.tensor(model.sizes), "discounts_": model.discounts_}
    other, rows = NgramLM(7, 4, end=2), torch.randint(0, 7, (5, 9))
    other.load_state_dict(state)
    torch.testing.assert_close(other(rows), model(rows), atol=1e-13, rtol=0)


def test_fit_returns_self_and_forgets_what_was_before():
    model = NgramLM(7, 3)
    assert model.fit(torch.tensor([0, 1, 2, 3, 0, 1])) is model
    again = model.fit(torch.from_numpy(text()))(torch.tensor([[1, 0, 2]]))
    assert torch.equal(again, fitted(3, None)(torch.tensor([[1, 0, 2]])))


@pytest.mark.parametrize(
    "make",
    [
        lambda: NgramLM(0),
        lambda: NgramLM(5, 0),
        lambda: NgramLM(5, discounts="good"),
        lambda: NgramLM(5, discounts=1.5),
        lambda: NgramLM(5, smoothing="good"),
        lambda: NgramLM(5, added=0.0),
        lambda: NgramLM(5).fit(torch.tensor([0, 5])),
        lambda: NgramLM(5, 2).from_ngrams(NgramLM(5, 3).fit(torch.tensor([0, 1])).ngrams()),
        lambda: NgramLM(5).fit(torch.zeros(0, dtype=torch.int64)),
    ],
)
def test_refusals(make):
    with pytest.raises(ValueError):
        make()


def perplexity(model, tokens):
    return math.exp(-float(model(tokens[None]).mean()))


@pytest.mark.real_data("ptb")
def test_penn_treebank_figures():
    data = open_data(("text",), "ptb")
    vocabulary = Vocabulary.build(data["train"].x, "words")
    train, valid, test = (vocabulary.encode(data[split].x) for split in ("train", "valid", "test"))
    assert (len(vocabulary), len(train), len(valid), len(test)) == (10_000, 929_589, 73_760, 82_430)
    model = NgramLM(len(vocabulary), 5, end=vocabulary.end).fit(train)
    assert perplexity(model, test) == pytest.approx(141.17, abs=0.1)
    assert perplexity(model, valid) == pytest.approx(148.03, abs=0.1)
    assert sum(tensor.nbytes for tensor in model.state_dict().values()) == model.kept_bytes <= 7.5 * sum(model.sizes)
    histories = test[:4000].view(1000, 4)
    assert float((model.distribution(histories).sum(1) - 1).abs().max()) <= 1e-9
    assert model.quantize(8).kept_bytes <= 6 * sum(model.sizes)
    assert 141.19 < perplexity(model, test) < 141.3
    for order, expected in ((1, 639.3), (2, 185.7), (3, 148.3)):
        shorter = NgramLM(len(vocabulary), order, end=vocabulary.end).fit(train)
        assert perplexity(shorter, test) == pytest.approx(expected, abs=0.1)


def test_a_quantised_run_says_what_it_gains_and_costs(tmp_path, capsys):
    rows = np.random.default_rng(0).integers(0, 9, (400, 5)).astype(str)
    (tmp_path / "text.txt").write_text("\n".join(" ".join(row) for row in rows))
    given = ["train", "ngram-lm", "--data", str(tmp_path / "text.txt"), "--out", str(tmp_path / "run"), "--memory", "1"]
    assert main([*given, "--smoothing", "katz"]) == 2 and "not for katz" in capsys.readouterr().err
    assert main([*given, "--quantize", "4"]) == 0
    said = capsys.readouterr().out
    told = re.search(r"4 bits .*: ([\d.]+) bytes an n-gram, ([\d.]+) before; .* costs (\S+) nats", said)
    assert "sorted on disk, 1 MB at a time" in said
    run = deepcanon.load(tmp_path / "run")
    model = run.recipe.model
    assert all(len(part) <= 16 for level in model.levels for part in (level.values_, level.weights_))
    assert float(told[1]) == pytest.approx(model.kept_bytes / sum(model.sizes), abs=0.006) and told[1] < told[2]
    exact = NgramLM(model.vocabulary_size, 5, end=model.end).fit(run.recipe.tokens("train")[:])
    valid = run.recipe.tokens("valid")[:][None]
    lacking = model.distribution(valid[0, : valid.numel() // 4 * 4].view(-1, 4)).sum(1).log().mean()
    assert float(lacking.abs()) > 1e-5
    assert float(told[3]) == pytest.approx(float((exact(valid) - model(valid)).mean() + lacking), abs=2e-6)


@pytest.mark.parametrize(
    "idle",
    [("--order", "2"), ("--smoothing", "katz"), ("--discount", "0.5"), ("--added", "0.1", "--smoothing", "add-k")],
)
def test_options_of_counting_have_no_effect_on_an_arpa_file(idle, tmp_path, capsys):
    (tmp_path / "text.txt").write_text("the cat\n" * 20)
    paths = [
        "--data",
        str(tmp_path / "text.txt"),
        "--arpa",
        str(tmp_path / "some.arpa"),
        "--out",
        str(tmp_path / "run"),
    ]
    assert main(["train", "ngram-lm", *paths, *idle]) == 2
    said = capsys.readouterr().err
    assert any(f"{one} is of counting, and the ARPA file is taken as it is" in said for one in idle[::2])


def test_an_arpa_file_without_the_unknown_word_says_what_follows(tmp_path, capsys):
    (tmp_path / "text.txt").write_text("the cat\n" * 20)
    (tmp_path / "some.arpa").write_text("\\data\\\nngram 1=2\n\n\\1-grams:\n-0.3\tthe\n-0.3\t</s>\n\n\\end\\\n")
    given = {"data": tmp_path / "text.txt", "arpa": tmp_path / "some.arpa", "out": tmp_path / "run"}
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    assert main(["train", "ngram-lm", *words]) == 0
    said = "the ARPA file has no <unk>: texts with words it lacks have infinite perplexity"
    told = "".join(capsys.readouterr())
    assert (
        said in told and "valid (weights of step 1): nll inf nats per word (with sentence ends), perplexity inf" in told
    )
    assert main(["predict", str(tmp_path / "run"), str(tmp_path / "text.txt"), "--tokens", "--json"]) == 0
    records = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)  # JSON has no Infinity
    assert [token["bits"] == "inf" for token in records[0]["tokens"]] == [False, True, False]
    assert float(deepcanon.load(tmp_path / "run").evaluate("valid")["perplexity"]) == math.inf
