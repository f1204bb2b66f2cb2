"""Vectors of words from files of text and from runs of word2vec; each broken file is answered by one line."""

import pytest
import torch

import deepcanon
from deepcanon.data import DataError
from deepcanon.engine.given_vectors import read_vectors
from deepcanon.errors import UsageError

WORDS = ("the", "film", "naïve")


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.mark.parametrize("head", ("", "3 2\n"))
def test_a_file_of_text_with_and_without_a_first_line_of_sizes(tmp_path, head):
    path = write(tmp_path / "v.txt", head + "film 0.5 -1\nother 7 7\nnaïve 2e-1 3 \n")
    found = read_vectors(path, WORDS)
    assert found.places.tolist() == [1, 2]
    torch.testing.assert_close(found.vectors, torch.tensor([[0.5, -1], [0.2, 3]]))


def test_a_run_of_word2vec(tmp_path):
    (tmp_path / "text.txt").write_text("the film is a film and the end\n" * 50, encoding="utf-8")
    options = {"preset": "smoke", "data": str(tmp_path / "text.txt"), "minimum_count": 1, "steps": 3}
    run = deepcanon.train("word2vec", out=tmp_path / "run", **options, threads=1, quiet=True, plain=True)
    found = read_vectors(str(tmp_path / "run"), WORDS)
    assert found.places.tolist() == [0, 1]
    expected = run.recipe.vectors()[[run.recipe.vocabulary.number[word] for word in WORDS[:2]]]
    assert torch.equal(found.vectors, expected)


BROKEN = {
    "a line is short": ("film 1 2\nthe 1\n", "line 2: has 1 number after 'the', the lines before 2"),
    "a line is long": ("film 1 2\nthe 1 2 3\n", "line 2: has 3 numbers after 'the', the lines before 2"),
    "no numbers": ("film\n", "line 1: has 0 numbers after 'film'"),
    "a word as number": ("film 1 two\n", "line 1: has a number that is none"),
    "not a number": ("film 1 nan\n", "line 1: has a number that is not finite"),
    "infinite": ("other 1 2\nfilm 1 inf\n", "line 2: has a number that is not finite"),
    "other words": ("le 1 2\nfim 1 2\n", "has a vector of none of the 3 words"),
    "empty": ("", "has a vector of none of the 3 words"),
    "binary": (b"2 2\nfilm \xff\xfe\x80\n", "is not UTF-8"),
    "commas": ("film,1,2\nthe,1,2\n", "line 1: has 0 numbers after 'film,1,2'"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_one_line(tmp_path, kind):
    content, words = BROKEN[kind]
    with pytest.raises(DataError) as raised:
        read_vectors(write(tmp_path / "v.txt", content), WORDS)
    assert words in str(raised.value) and "\n" not in str(raised.value) and "; give " in str(raised.value)


def test_neither_run_nor_file(tmp_path):
    with pytest.raises(UsageError, match=r"--vectors .*: no such run or file"):
        read_vectors(str(tmp_path / "none.txt"), WORDS)
    with pytest.raises(UsageError, match=r"--vectors .*: is not a run with a sound checkpoint"):
        read_vectors(str(tmp_path), WORDS)
