"""The reader of trees: the notation of treebanks, what is refused with its place, and 2,000 altered files."""

import gzip
import os
import random

import pytest
import torch

from deepcanon.cli import main
from deepcanon.data import DataError, check, kinds_of, open_data, read_inputs
from deepcanon.data.tree_lines import Unreadable, grown, looks_like_tree, of_words, written
from deepcanon.parts.trees import NOTHING

GOOD = "(3 (2 a) (4 (3 good) (2 film)))"
LINES = [GOOD, "(1 (2 a) (0 (1 bad) (2 film)))", "(2 (2 well) (2 .))", "(4 great)"]


def read(path, **options):
    return open_data(("trees",), str(path), options={"trees": {"valid_share": 0.0, "test_share": 0.0, **options}})


def nested(tree, node=None):
    """The tree as nested tuples (label, word) and (label, left, right)."""
    node = len(tree.words) - 1 if node is None else node
    if tree.words[node] is not None:
        return tree.labels[node], tree.words[node]
    return tree.labels[node], *(nested(tree, child) for child in tree.children[node])


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("(3 word)", ("3", "word")),
        ("( 3  (2\ta)(4 b ) ) ", ("3", ("2", "a"), ("4", "b"))),
        ("( (S (NP I) (VP run)))", ("S", ("NP", "I"), ("VP", "run"))),  # the outer bracket of Penn's trees
        ("(2 (2 -LRB-) (2 -rrb-))", ("2", ("2", "("), ("2", ")"))),
        (r"(2 (2 and\/or) (2 \*))", ("2", ("2", "and/or"), ("2", "*"))),
        ("(_ (_ a) (1 b))", (None, (None, "a"), ("1", "b"))),
        ("(2 (2 8\u00a01/2) (2 stars))", ("2", ("2", "8\u00a01/2"), ("2", "stars"))),  # a no-break space is a letter
    ],
)
def test_a_line_is_read_as_it_stands(line, right):
    assert nested(grown(line)) == right
    assert nested(grown(written(grown(line)))) == right


def test_a_tree_as_high_as_its_sentence_is_long_needs_no_stack():
    line = "(2 (2 a) " * 5000 + "(2 b)" + ")" * 5000
    tree = grown(line)
    assert tree.heights[-1] == 5000 and written(tree) == line


def test_nodes_that_are_not_binary_are_changed_if_that_is_asked():
    line = "(S (A a) (B b) (C (D c)) (E e))"
    assert nested(grown(line, "right")) == ("S", ("A", "a"), (None, ("B", "b"), (None, ("C", "c"), ("E", "e"))))
    assert nested(grown(line, "left")) == ("S", (None, (None, ("A", "a"), ("B", "b")), ("C", "c")), ("E", "e"))
    assert grown(line, "right").changed == 3
    assert nested(grown("(S (NP (NN x)))", "right")) == ("S", "x")


def test_sentences_branch_to_one_side():
    assert written(of_words(["a", "b", "c"], "right")) == "(_ (_ a) (_ (_ b) (_ c)))"
    assert written(of_words(["a", "b", "c"], "left")) == "(_ (_ (_ a) (_ b)) (_ c))"
    assert written(of_words(["(a)"], "left")) == "(_ -LRB-a-RRB-)"
    with pytest.raises(ValueError, match="at least one word"):
        of_words([], "left")


BROKEN = [
    ("(3 (2 a) (4 b)", "line 3, character 1: opens a bracket that is not closed; close them on the same line"),
    ("(3 (2 a) (4 b)))", "line 3, character 16: closes a bracket that is not open; remove it"),
    ("(3 (2 a) (4 b)) (2 c)", "line 3, character 17: has more than one tree; write one tree a line"),
    ("(3 (2 a) (4 ))", "line 3, character 10: has neither word nor nodes after the label '4'"),
    ("(3 (2 a) ((4 b) (2 c)))", "line 3, character 10: has a bracket without a label"),
    (
        "(3 (2 a) (4 b) (2 c))",
        "line 3, character 1: has a node of 3 children, and trees must be binary; let --binarise",
    ),
    ("(3 (2 (2 a)) (4 b))", "line 3, character 4: has a node of 1 child, and trees must be binary; let --binarise"),
    ("(3 (2 two words) (4 b))", "line 3, character 11: has two words in one bracket, 'two' and 'words'; give each"),
    ("(3 word (4 b))", "line 3, character 9: has a node next to a word; give the word a bracket of its own"),
    ("(3 (2 a) (7 b))", "line 3: has the label '7', which is not one of 0 to 4; correct it, or give another number"),
    ("a good film", "line 3: is not a tree in brackets; write (LABEL word) or (LABEL (...) (...)); a sentence needs a"),
    ("()", "line 3, character 1: has a bracket without a label"),
]


@pytest.mark.parametrize(("line", "said"), BROKEN)
def test_a_line_that_is_no_tree_is_named_with_a_remedy(write, capsys, line, said):
    path = write("a.txt", "\n".join([GOOD, "", line, *LINES]) + "\n")
    with pytest.raises(DataError) as error:
        read(path, labels=5)
    assert f"{path}: {said}" in str(error.value) and "\n" not in str(error.value)
    assert main(["data", "check", str(path)]) == (2 if "label '7'" not in said else 0)  # 7 is a label if 8 are allowed
    assert "Traceback" not in "".join(capsys.readouterr())
    assert [str(problem) for problem in check(("trees",), str(path), {"trees": {"labels": 5}}).problems] == [
        str(error.value)
    ]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"", "holds no tree"),
        ("b.txt", b"\n \n", "holds no tree"),
        ("c.txt", b"(3 (2 caf\xe9) (2 b))\n", "byte 9 (line 1): byte 0xe9 is not UTF-8"),
        ("d.txt.gz", gzip.compress(b"(3 word)" * 90, mtime=0)[:-9], "d.txt.gz"),
        ("e.txt", b"(_ (_ a) (_ b))\n", "has no label at any node of the training trees; label at least the roots"),
        ("f/dev.txt", b"(3 word)\n", "is the only file"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_of_trees_is_refused(write, name, content, said):
    path = write(name, content)
    if "/" in name:
        write("f/test.txt", content)
        path, said = path.parent, "has no file of trees for training"
    with pytest.raises(DataError) as error:
        read(path)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_bad_lines_are_left_out_if_that_is_asked(write):
    path = write("a.txt", "\n".join([*LINES, "(3", "(3 (9 a) (2 b))"]))
    data = open_data(("trees",), str(path), options={"trees": {"labels": 5}}, skip_bad=True)
    assert sum(data.counts().values()) == 4
    assert any(note.startswith("left out: 2") for note in data.notes)


def test_a_file_is_understood_and_told(write):
    path = write("a.txt", "\ufeff" + "\r\n".join([*LINES, "", "(2 (2 -LRB-) (_ x))", ""]))
    data = read(path)
    train = data["train"]
    assert data.facts["classes"] == ["0", "1", "2", "3", "4"] and data.facts["ordered"]
    assert train.y.tolist() == [3, 1, 2, 4, 2] and len(train) == 5
    assert [train.symbols[w] for w in train.x.words.tolist() if w >= 0][-2:] == ["(", "x"]
    assert (train.x.labels == NOTHING).sum() == 1
    told = "\n".join(data.notes)
    for said in ("train 5", "empty lines, which are not trees: 1", "words with escaped characters, read as these: 1",
                 "nodes of train without a label: 1, of which roots: 0", "labels: 5 (0, 1, 2, 3, 4)"):  # fmt: skip
        assert said in told
    assert data.examples[0] == "a good film -> 3"
    assert read(write("b.txt", "(B (A x) (B y))\n(A z)\n")).facts == {
        "classes": ["A", "B"], "labels": ["A", "B"], "ordered": False, "binarise": "no", "sentences": "refuse",
    }  # fmt: skip


def test_splits_are_files_or_are_drawn(write):
    for name in ("train", "dev", "test"):
        write(f"t/{name}.txt", "\n".join(LINES * 10))
    assert read(write("t/readme.md", "x").parent).counts() == {"train": 40, "valid": 40, "test": 40}
    data = open_data(("trees",), str(write("a.ptb", "\n".join(LINES * 10))), options={"trees": {}})
    assert data.counts() == {"train": 32, "valid": 4, "test": 4}
    write("t/dev.txt", "(9 a)\n")
    with pytest.raises(DataError, match=r"line 1: has the label '9', which is not in train; correct it, or add"):
        read(write("t/x.md", "x").parent)


def test_trees_are_recognised_and_other_texts_are_not(write):
    assert "trees" in kinds_of(str(write("a.txt", "\n" + GOOD)))
    for text in ("(see below) a film\n", "a (3 b)", "plain words", ""):
        assert "trees" not in kinds_of(str(write("b.txt", text)))
    assert looks_like_tree("((S (NP I") and not looks_like_tree("(a b c)")


def test_batches_are_the_trees_that_were_asked_for(write):
    trees = read(write("a.txt", "\n".join(LINES)))["train"]
    some = trees.take(torch.tensor([3, 1]))
    assert some.y.tolist() == [4, 1]
    forest = some.x.forest()
    words = [trees.symbols[w] for w in forest.words.tolist()]
    assert words == ["great", "a", "bad", "film"] and forest.sizes == (1, 1)
    assert forest.labels[forest.roots].tolist() == [4, 1] and forest.children.tolist() == [[2, 3], [1, 4]]


def test_what_is_asked_about_may_have_any_labels(write):
    facts = read(write("a.txt", "\n".join(LINES))).describe()
    path = write("b.txt", "(_ (_ a) (x film))\n\n(9 well)\na sentence\n(1 (2 a)\n")
    found = read_inputs("trees", facts, [str(path)])
    assert found.names == [f"{path}:1", f"{path}:3"] and [tree.sentence for tree in found.values] == ["a film", "well"]
    assert [p.place for p in found.refused] == ["line 4", "line 5, character 1"]
    assert "is a sentence without a tree; write its tree in brackets" in str(found.refused[0])
    found = read_inputs("trees", {**facts, "sentences": "right"}, [str(path)])
    assert found.notes == {2: "a tree that branches to the right"} and found.values[2].heights == [0, 0, 1]


def test_what_of_a_folder_is_not_asked_about_is_told(write, tmp_path):
    write("more/a.txt", f"{GOOD}\n")
    write("more/picture.png", "x")
    write("more/inner/b.txt", GOOD)
    first = write("a.txt", GOOD)
    found = read_inputs("trees", {}, [str(first), str(tmp_path / "more")])
    assert len(found) == 2 and found.notes == {1: "not read: inner/, picture.png"}
    write("none/picture.png", "x")
    found = read_inputs("trees", {}, [str(first), str(tmp_path / "none")])
    assert len(found) == 1 and "none: holds no file of trees" in str(found.refused[0])


def test_trees_are_recognised_among_many_other_files(write, tmp_path):
    for number in range(30):
        write(f"many/a{number:02}.png", "x")
    write("many/train.txt", GOOD)
    assert "trees" in kinds_of(str(tmp_path / "many"))


def altered(random, lines):
    """A file of trees in which characters were removed, doubled, swapped or put in."""
    text = "\n".join(random.choices(lines, k=random.randint(0, 4)))
    for _ in range(random.randint(0, 6)):
        at = random.randint(0, len(text))
        more = random.choice(
            ["(", ")", " ", "\n", "3", "-LRB-", "\\/", "_", "\0", "\u2028", "\ud800", "é", "()", "(2 x)"]
        )
        text = random.choice(
            [text[:at], text[:at] + text[at + 1 :], text[:at] + more + text[at:], text[at:] + text[:at]]
        )
    data = text.encode("utf-8", "surrogatepass")
    return (
        data
        if random.random() < 0.9
        else data[: len(data) // 2] + bytes([random.randint(0, 255)]) + data[len(data) // 2 :]
    )


def test_altered_files_are_read_or_refused_in_one_line(tmp_path):
    """In 2,000 of them no error but the project's own appears."""
    chance, path, refused = random.Random(0), tmp_path / "a.txt", 0
    for number in range(int(os.environ.get("DEEPCANON_FUZZ", "2000"))):
        path.write_bytes(altered(chance, LINES))
        options = {"binarise": chance.choice(["no", "left", "right"]), "labels": chance.choice([0, 5])}
        try:
            data = open_data(("trees",), str(path), seed=number, options={"trees": options})
        except DataError as error:
            refused += 1
            assert str(error).isprintable() and len(str(error)) < 2000
            continue
        for part in data.splits.values():
            forest = part.x.forest()
            assert sum(forest.sizes) + len(forest.words) == len(part.x.words)
            assert bool((forest.words >= 0).all()) and bool((forest.labels < len(data.facts["classes"])).all())
    assert number < 100 or number / 10 < refused < number


def test_lines_are_unreadable_or_whole():
    chance = random.Random(1)
    for _ in range(500):
        line = altered(chance, LINES).decode("utf-8", "replace")
        try:
            tree = grown(line, "right")
        except Unreadable as error:
            assert error.what and error.remedy
            continue
        assert nested(grown(written(tree))) == nested(tree)


@pytest.mark.skipif("DEEPCANON_DATA" not in os.environ, reason="needs the treebank")
def test_the_sentiment_treebank_has_its_published_sizes():
    data = open_data(("trees",), "sst", options={"trees": {}})
    assert data.counts() == {"train": 8544, "valid": 1101, "test": 2210}
    nodes = {split: len(part.x.words) for split, part in data.splits.items()}
    assert nodes["train"] == 318_582 and nodes["test"] == 82_600
    shares = data["test"].y.bincount() / 2210
    assert [round(100 * share, 1) for share in shares.tolist()] == [12.6, 28.6, 17.6, 23.1, 18.1]
    assert int((data["train"].y != 2).sum()) == 6920 and data.facts["classes"][2] == "neutral"
    assert "sentences of test that are in train too: 2" in data.notes
    with pytest.raises(DataError, match="leave --labels out"):
        open_data(("trees",), "sst", options={"trees": {"labels": 3}})
