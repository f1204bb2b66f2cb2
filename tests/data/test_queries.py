"""Pairs with scores, analogies by section, the planted grammar: forms, exact places of what is wrong."""

import gzip
from collections import Counter

import pytest

from deepcanon.data import DataError, open_data, published
from deepcanon.data.queries import read_analogies, read_pairs
from deepcanon.data.tasks import planted_grammar as grammar

PAIRS = "Word 1,Word 2,Human (mean)\nlove,sex,6.77\n\ntiger,cat,7.35\n"
QUESTIONS = (
    "// a remark\na b c d\n: family\nboy girl brother sister\n\n: other things\nx y z w\n: family\nhe she his her\n"
)


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_pairs_in_every_form(tmp_path):
    expected = [("love", "sex", 6.77), ("tiger", "cat", 7.35)]
    assert read_pairs(write(tmp_path / "a.csv", PAIRS)) == expected
    assert read_pairs(write(tmp_path / "b.csv", "\ufeff" + PAIRS.replace("\n", "\r\n"))) == expected
    assert read_pairs(write(tmp_path / "c.tsv", PAIRS.replace(",", "\t"))) == expected
    assert read_pairs(write(tmp_path / "d.csv.gz", gzip.compress(PAIRS.encode()))) == expected
    assert read_pairs(write(tmp_path / "e.csv", PAIRS.split("\n", 1)[1])) == expected


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b,1\nc,d\ne,f\n", r"line 2: has 2 cells, not 3.*and 1 more"),
        ("a,b,1\nc,d,x\n", "line 2: 'x' is not a score"),
        ("a,b,1\nc,d,inf\n", "line 2: 'inf' is not a score"),
        ("a,b,1\nc,,2\n", "line 2: '2' is not a score of two words"),
        ("a,,word\na,b,1\n", "line 1: 'word' is not a score of two words"),
        ("a,b,score\n", "holds 0 pairs"),
        ("", "holds 0 pairs"),
        (b"a,b,1\n\xff", "is not UTF-8"),
        (b"a,b,1\n\0", "NUL"),
        ('a,b,"' + "x" * 200_000, "is not a table"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_pairs_that_are_none(tmp_path, content, said):
    path = write(tmp_path / "x.csv", content)
    with pytest.raises(DataError, match=said) as error:
        read_pairs(path)
    assert path in str(error.value) and "\n" not in str(error.value)


def test_analogies_by_section(tmp_path):
    found = read_analogies(write(tmp_path / "a.txt", QUESTIONS))
    assert found == {
        "questions": [("a", "b", "c", "d")],
        "family": [("boy", "girl", "brother", "sister"), ("he", "she", "his", "her")],
        "other things": [("x", "y", "z", "w")],
    }
    assert read_analogies(write(tmp_path / "b.txt.gz", gzip.compress(QUESTIONS.encode()))) == found


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a b c d\na b c\n", r"line 2: has 3 words; give four words"),
        ("a b c d e\nx\n", r"line 1: has 5 words; .*and 1 more"),
        (": \na b c d\n", "line 1: names no section"),
        (": empty\n", "holds no question"),
        (b"\xff\xfea\0", "is UTF-16"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_analogies_that_are_none(tmp_path, content, said):
    path = write(tmp_path / "x.txt", content)
    with pytest.raises(DataError, match=said) as error:
        read_analogies(path)
    assert path in str(error.value) and "\n" not in str(error.value)


def test_other_files_and_names_are_refused(tmp_path):
    for read, wrong, said in (
        (read_pairs, "questions-words", "is not a set of pairs; give a .csv or .tsv file, or wordsim353"),
        (read_pairs, "planted-analogies", "is not a set of pairs"),
        (read_pairs, "ptb", "is not a set of pairs"),
        (read_pairs, write(tmp_path / "x.txt", PAIRS), "is not a file of pairs"),
        (read_pairs, str(tmp_path), "is neither a data set's name nor a file"),
        (read_analogies, "wordsim353", "is not a set of analogies; .*questions-words"),
        (read_analogies, write(tmp_path / "x.csv", QUESTIONS), "is not a file of analogies"),
        (read_analogies, "no-such-set", "is neither a data set's name nor a file"),
        (read_analogies, "a\0b", "is neither"),
    ):
        with pytest.raises(DataError, match=said):
            read(wrong)
    with pytest.raises(DataError, match="is a set of queries, but text is needed"):
        open_data(("text",), "wordsim353")


def test_the_planted_grammar():
    text = open_data(("text",), "planted-grammar", options={"text": {"valid_share": 0, "test_share": 0}}, seed=1)[
        "train"
    ].x
    sentences = [line.split() for line in text.splitlines()]
    assert len(sentences) == 20_000 and {len(s) for s in sentences} == {5}
    assert set(text.split()) == set(grammar.words()) and text == grammar.text(1) != grammar.text(0)
    near = {word: Counter() for word in ("king", "queen", "kings")}
    for sentence in sentences:
        for word in near.keys() & set(sentence):
            near[word].update(other.rsplit("-")[0] for other in sentence)
    for word, mark, other in (("king", "masculine", "feminine"), ("queen", "feminine", "masculine"),
                              ("king", "singular", "plural"), ("kings", "plural", "singular")):  # fmt: skip
        assert near[word][mark] > 8 * near[word][other]
    questions = read_analogies("planted-analogies")["planted"]
    assert len(questions) == len(set(questions)) == 1_440 and ("king", "queen", "uncle", "aunt") in questions
    assert all(len(set(question)) == 4 for question in questions)


@pytest.mark.real_data("word2vec")
def test_the_published_queries():
    pairs = read_pairs("wordsim353")
    assert len(pairs) == 353 and pairs[0] == ("love", "sex", 6.77) and min(score for *_, score in pairs) == 0.23
    words, phrases = read_analogies("questions-words"), read_analogies("questions-phrases")
    assert len(words) == 14 and sum(map(len, words.values())) == 19_544 and len(words["family"]) == 506
    assert len(phrases) == 5 and sum(map(len, phrases.values())) == 3_218


def test_sets_that_share_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPCANON_DATA", str(tmp_path))
    path = tmp_path / "word2vec" / "questions-words.txt"
    path.parent.mkdir()
    path.touch()
    assert list(published.where("questions-words").values()) == [path]
    assert path not in published.where("questions-phrases").values()
