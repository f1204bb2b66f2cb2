"""Byte-pair pieces: learned and applied as the paper says, exact round trips, samples of large texts, faults."""

import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import pytest
import torch

from deepcanon.data import large_text, pieces, vectors
from deepcanon.data.pieces import Pieces, learned, sample_of, vocabulary_of
from deepcanon.data.text import read
from deepcanon.data.tokens import tokens_of
from deepcanon.errors import UsageError
from deepcanon.parts.language_models import Stops, border
from deepcanon.parts.vocabulary import UNKNOWN

TEXT = "the cat sat on the mat, the cat's mat.\n\nThe 12 cats of 1234  sat\ton that! <unk> naïve 中文 \U0001f600\n" * 3
WORDS = ["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3


@pytest.fixture(scope="module")
def made():
    return learned(TEXT, 320)


def merged(word, rule):
    """A word in which every pair of the rule, from the left, is one."""
    found = []
    for piece in word:
        if found and found[-1] + piece == rule[0] + rule[1] and found[-1] == rule[0]:
            found[-1] = found[-1] + piece
        else:
            found.append(piece)
    return tuple(found)


def test_the_most_frequent_pair_is_merged_first():
    """Algorithm 1 of Sennrich et al. 2016 on the words of its example, where no two counts that matter are equal."""
    words, size = Counter(tuple(word) for word in WORDS), 262
    made = learned(" ".join(f"\n{word}" for word in WORDS), size + 1)
    rules = [tuple(rule) for rule in json.loads(made.tokenizer)["model"]["merges"]]
    assert len(rules) >= 5
    for rule in rules[:5]:
        pairs = Counter()
        for word, count in words.items():
            for pair in pairwise(word):
                pairs[pair] += count
        assert pairs[rule] == max(pairs.values())
        words = Counter({merged(word, rule): count for word, count in words.items()})


def test_a_word_is_merged_by_the_rules_in_their_order(made):
    rules = [tuple(rule) for rule in json.loads(made.tokenizer)["model"]["merges"]]
    for text in ("cat", " that", " sat", "mat", "hat", "tact"):
        word = tuple(text.replace(" ", "\u0120"))
        for rule in rules:
            word = merged(word, rule)
        assert [made.symbols[i] for i in made.encode(text).tolist()] == [p.replace("\u0120", " ") for p in word]


@pytest.mark.parametrize(
    "text", [TEXT, "", " ", "\n\n \t x", "\x1c!\x1d a\u0085b\xa0 c\u2003\u3000", "ø" * 9, "\0\r\n"]
)
def test_every_text_comes_back_exactly_and_nothing_is_unknown(made, text):
    numbers = made.encode(text)
    assert made.decode(numbers) == text and 0 not in numbers and made.strangers(text) == []
    assert b"".join(made.bytes[i] for i in numbers.tolist()) == text.encode()
    assert made.characters([text]) == made.written(numbers) == len(text)
    assert made.characters([text], 1) == made.written(numbers[1:])


def test_stretches_have_the_pieces_that_the_library_gives_the_whole(made):
    """After a letter and after a sign, for every blank and control character."""
    blanks = [chr(c) for c in range(0x3001) if chr(c).isspace() or c < 32 or c in (0x180E, 0x200B)]
    text = "".join(f"a{b}b!{b}{b} c{b}\n.{b}" for b in blanks) + TEXT
    assert made.encode(text).tolist() == made._encoder.encode(text).ids


@pytest.mark.parametrize("block", [1, 2, 7, 64])
def test_blocks_and_parts_do_not_matter(made, monkeypatch, block):
    monkeypatch.setattr(pieces, "REMEMBERED", 3)
    parts = [TEXT[start : start + 5] for start in range(0, len(TEXT), 5)]
    monkeypatch.setattr(pieces, "BLOCK", block)
    there = torch.cat([*made.encode_pieces(parts)])
    assert torch.equal(there, made.encode(TEXT)) and made.decode(there) == TEXT
    if block > 40:  # no stretch is longer
        monkeypatch.undo()
        assert torch.equal(there, made.encode(TEXT))


def test_it_is_used_as_other_vocabularies_are(made):
    assert made.symbols[0] == UNKNOWN and made.unknown == 0 and made.end is None and len(made) == len(made.symbols)
    assert made.symbols[border(made, 0)] == "\n"
    assert made.join("the c", "at") == "the cat"
    assert {" cat", " sat", "1"} <= set(made.symbols) and "\\xf0" in made.symbols
    assert made.decode(made.encode("naïve ø")[:-1]) == "naïve "  # half a character is left out at the end
    middle = [made.number["a"], made.symbols.index("\\xf0"), made.number["b"]]
    assert made.decode(middle) == "a\ufffdb"
    again = vocabulary_of(json.loads(json.dumps(made.to_json())))
    assert again == made and hash(again) == hash(made) and again.symbols == made.symbols
    assert vocabulary_of(made.to_json()) is vocabulary_of(made.to_json())


def test_a_stop_of_characters_that_are_several_pieces_is_seen():
    made = learned("ab\n", 257)
    stops = Stops(made, ["中文"], 1)
    tokens = made.encode("ab中文")[None]
    assert stops(tokens[:, :-1]).tolist() == [False] and stops(tokens).tolist() == [True]


def test_a_short_text_has_fewer_and_two_processes_learn_the_same(made):
    assert len(learned("ab", 2000)) == 257
    code = f"from deepcanon.data.pieces import learned; print(learned({TEXT!r}, 320).tokenizer)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert said == made.tokenizer


def test_a_long_text_is_learned_from_stretches_of_all_of_it(monkeypatch):
    text = "".join(f"{number:07d} " for number in range(40_000))
    monkeypatch.setattr(pieces, "SAMPLE", 6400)
    taken = [*sample_of(text)]
    assert len(taken) == 64 and {len(part) for part in taken} == {100} and all(part in text for part in taken)
    assert text.startswith(taken[0]) and text.endswith(taken[-1]) and len(set(taken)) == 64
    assert [*sample_of(text[:6400])] == [text[:6400]]


def test_a_text_on_disk_has_the_same_pieces_and_tokens(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPCANON_CACHE", str(tmp_path / "cache"))
    (tmp_path / "own.txt").write_text(TEXT, encoding="utf-8")
    for module, name, value in ((large_text, "LARGE", 0), (large_text, "PIECE", 50), (vectors, "ROW", 16)):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(pieces, "SAMPLE", 128)
    disk, memory = (read(tmp_path / "own.txt", options={"cache": cache})["train"].x for cache in ("auto", "off"))
    assert isinstance(disk, large_text.LargeText) and isinstance(memory, str)
    found = learned(disk, 300)
    assert found == learned(memory, 300) and len(found) > 257
    tokens = tokens_of(disk, found)
    assert torch.equal(tokens[:], found.encode(memory)) and found.written(tokens) == len(memory)


def test_faults(made, monkeypatch):
    assert made.strangers("a\udcffb\udcff") == ["\udcff"]
    with pytest.raises(ValueError, match="half of a character"):
        made.encode("a\udcff")
    with pytest.raises(ValueError, match="begin with 0"):
        Pieces(json.dumps({"model": {"vocab": {"a": 0}}}))
    stored = json.loads(made.tokenizer)
    stored["model"]["merges"] = [["x", "yz"]]
    with pytest.raises(UsageError, match=r"tokenizers \S+ cannot read the pieces of this run"):
        Pieces(json.dumps(stored)).encode("a")
    written = made.encode("the cat")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    for ask in (lambda: learned(TEXT, 300), lambda: Pieces(made.tokenizer).encode("a")):
        with pytest.raises(UsageError, match=r"pip install 'deepcanon\[text\]'"):
            ask()
    assert Pieces(made.tokenizer).decode(written) == "the cat"  # writing needs no library
