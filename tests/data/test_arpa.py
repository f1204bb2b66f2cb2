"""ARPA files: read by a reader of this test, by the rules of the format; and what is no ARPA file is refused."""

import gzip
import math
import re

import pytest
import torch
from cases.ngram_lm import text

from deepcanon.data import DataError
from deepcanon.data.arpa import lines_of_arpa, read_arpa
from deepcanon.errors import UsageError
from deepcanon.parts.vocabulary import END, UNKNOWN, Vocabulary
from deepcanon.sequence import NgramLM

WORDS = Vocabulary([UNKNOWN, END, "a", "b", "the", "zoë", "last"], "words")
LETTERS = Vocabulary([UNKNOWN, "\n", " ", "a", "b", "\u00a0", "é"])
SMALL = """# of another tool
\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-0.5\t<UNK>
-99 <s> -0.25
-0.30103\t</s>
-0.8\tword\t-0.125

\\2-grams:
-0.1\t<s> word
-0.6\tword </s>

\\end\\
"""


def fitted(vocabulary, order=4, **options):
    end = vocabulary.end
    return NgramLM(7, order, end=end, **options).fit(torch.from_numpy(text(end=2) if end is None else text(end=1)))


def listed(content):
    """{n-gram: (log10 p, log10 b)} of all orders."""
    found, order = {}, 0
    for line in content.split("\n"):
        if match := re.fullmatch(r"\\(\d+)-grams:", line):
            order = int(match[1])
        elif order and line and line != "\\end\\":
            p, words, *b = line.split("\t")
            assert words not in found and len(words.split(" ")) == order
            found[tuple(words.split(" "))] = float(p), float(b[0]) if b else 0.0
    return found


def log10(table, word, history):
    """The rule of the format, by recursion."""
    if (*history, word) in table:
        return table[(*history, word)][0]
    return (table[history][1] if history in table else 0.0) + log10(table, word, history[1:])


@pytest.mark.parametrize(
    "options",
    [{}, {"order": 1}, {"discounts": 0.75}, {"smoothing": "katz"}, {"smoothing": "add-k", "added": 0.5}, {"order": 7}],
    ids=str,
)
def test_another_reader_finds_the_same_probabilities(options):
    model = fitted(WORDS, **options)
    content = "".join(lines_of_arpa(WORDS, model.ngrams()))
    table = listed(content)
    sizes = {int(n): int(size) for n, size in re.findall(r"^ngram (\d+)=(\d+)$", content, re.M)}
    assert sizes == {n: sum(len(words) == n for words in table) for n in range(1, model.order + 1)}
    rows = torch.randint(0, 7, (60, 9), generator=torch.Generator().manual_seed(1))
    for row, scores in zip(rows.tolist(), model(rows).tolist(), strict=True):
        history = ("<s>",)
        for token, score in zip(row, scores, strict=True):
            word = WORDS.symbols[token]
            found = log10(table, word, history[max(0, len(history) - model.order + 1) :] if model.order > 1 else ())
            assert found < -90 if score == -math.inf else found == pytest.approx(score / math.log(10), abs=1e-10)
            history = ("<s>",) if word == END else (*history, word)


@pytest.mark.parametrize("vocabulary", [WORDS, LETTERS], ids=lambda v: v.unit)
@pytest.mark.parametrize("name", ["model.arpa", "model.arpa.gz"])
def test_round_trip(vocabulary, name, tmp_path):
    model, path = fitted(vocabulary), tmp_path / name
    content = "".join(lines_of_arpa(vocabulary, model.ngrams())).encode()
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    again, read = read_arpa(path, vocabulary.unit)
    assert again.symbols == vocabulary.symbols and read.order == 4 and read.end == vocabulary.end
    rows = torch.randint(0, 7, (50, 8))
    torch.testing.assert_close(read(rows), model(rows), atol=1e-10, rtol=0)
    sums = read.distribution(rows).sum(1)
    torch.testing.assert_close(sums, torch.ones_like(sums), atol=1e-10, rtol=0)
    taken = NgramLM(7, 4, end=vocabulary.end).adopt(read)
    assert torch.equal(taken(rows), read(rows))


def test_characters_can_be_seen_and_other_tools_find_an_end():
    lines = "".join(lines_of_arpa(LETTERS, fitted(LETTERS).ngrams())).split("\n")
    words = {line.split("\t")[1] for line in lines[9 : lines.index("\\2-grams:") - 1] if "\t" in line}
    assert words == {"<s>", END, UNKNOWN, "<U+000A>", "<U+0020>", "a", "b", "<U+00A0>", "é"}
    assert all(len(line.split()) <= 6 for line in lines) and f"-99\t{END}" in lines


@pytest.mark.parametrize("word", ["<s>", "<UNK>"])
def test_a_word_that_the_format_keeps_is_not_written(word):
    vocabulary = Vocabulary([UNKNOWN, END, word, "b", "the", "zoë", "last"], "words")
    with pytest.raises(UsageError, match=f"the text has the word {word}, which ARPA files keep"):
        "".join(lines_of_arpa(vocabulary, fitted(vocabulary).ngrams()))


def test_a_file_of_another_tool(tmp_path):
    """Blanks for tabs, weights left out, <UNK>, words in any order, a pruned suffix."""
    path = tmp_path / "small.arpa"
    path.write_text(SMALL)
    vocabulary, model = read_arpa(path, "words")
    assert vocabulary.symbols == (UNKNOWN, END, "word")
    expected = [-0.1, -0.6, -0.25 - 0.30103]
    found = model(torch.tensor([[2, 1], [1, 1]])).flatten() / math.log(10)
    assert found[:3].tolist() == pytest.approx(expected, abs=1e-9)
    unknown = model(torch.tensor([[2, 0]]))[0, 1] / math.log(10)
    assert float(unknown) == pytest.approx(-0.125 - 0.5)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("\\data\\", "data", "has no line"),
        ("\\end\\\n", "", "after 2 orders"),
        ("ngram 2=2", "ngram 2=3", "line 15: is not a number, 2 words and perhaps a number"),
        ("ngram 2=2", "ngram 2=1", "line 14: is where"),
        ("ngram 2=2", "ngram 3=2", "line 4: gives the number of 3-grams where that of order 2 belongs"),
        ("ngram 1=4\nngram 2=2", "", "has no line such as"),
        ("-0.6\tword </s>", "-0.6\tother </s>", "line 14: has a word that is not among the 1-grams"),
        ("-0.6\tword </s>", "x\tword </s>", "line 14: does not begin and end with numbers"),
        ("-0.6\tword </s>", "0.6\tword </s>", "line 14: has 0.6, which is not the logarithm of a probability"),
        ("-0.6\tword </s>", "nan\tword </s>", "line 14: has nan"),
        ("-0.6\tword </s>", "-0.6\tword <s>", "has an n-gram of order 2 with <s> after its beginning"),
        ("-0.6\tword </s>", "-0.6\t<s> word", "n-gram 2 of order 2 was there before"),
        ("-0.8\tword\t-0.125", "-0.8\t</s>", "line 10: lists a word that was there before"),
        ("-0.8\tword\t", "-0.8\tw\udcff\t", "word that is not among the 1-grams"),
        ("# of another tool", "# unit: characters", "not words; give --unit characters"),
    ],
)  # fmt: skip
def test_what_is_refused(old, new, says, tmp_path):
    path = tmp_path / "bad.arpa"
    path.write_bytes(SMALL.replace(old, new).encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=says) as error:
        read_arpa(path, "words")
    assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_words_are_no_characters_and_histories_must_be_listed(tmp_path):
    path = tmp_path / "small.arpa"
    path.write_text(
        SMALL.replace("\\end\\", "\\3-grams:\n-1\tword word </s>\n\n\\end\\").replace("2=2", "2=2\nngram 3=1")
    )
    with pytest.raises(DataError, match="the history of n-gram 1 of order 3 is not among those one word shorter"):
        read_arpa(path, "words")
    path.write_text(SMALL)
    with pytest.raises(DataError, match="word, which is not a character; give --unit words"):
        read_arpa(path, "characters")
    path.write_bytes(SMALL.encode()[:-40])
    with pytest.raises(DataError, match="line"):
        read_arpa(path, "words")
