"""Documents: what is understood is told, what is not read is named, and what is not clear is refused in one line."""

import gzip
import io
import json
import os

import pytest
from document_doors import documents, refused, rows, told

from deepcanon.data import DataError, check, kinds_of, open_data, read_inputs

# Tables


@pytest.mark.parametrize(
    ("name", "content", "right"),
    [
        ("a.csv", 'text,label\n"one\ntwo",p\nx,q\n', [("one\ntwo", "p"), ("x", "q")]),
        ("b.csv", 'text,label\n"say ""hm"", he",p\nx,q\n', [('say "hm", he', "p"), ("x", "q")]),
        ("c.csv", "text,label\na,007\nb,7\n", [("a", "007"), ("b", "7")]),
        ("d.csv", "TEXT,Label\r\na,p\r\nb,q\r\n", [("a", "p"), ("b", "q")]),
        ("e.csv", "\n\ntext;label\na, b;p\nc;q\n", [("a, b", "p"), ("c", "q")]),
        ("f.csv", "text\tlabel\na, b\tp\n", [("a, b", "p")]),
        ("g.tsv", 'label\ttext\np\t"a" b\nq\ta "b"\n', [('"a" b', "p"), ('a "b"', "q")]),
        ("h.csv", "\ufefftext\none\ntwo\n", [("one", None), ("two", None)]),
        ("i.csv", "text,label\n  a  , p \n", [("  a  ", "p")]),
        ("j.csv", "text\nNA\nnull\n0\n", [("NA", None), ("null", None), ("0", None)]),
        ("k.csv", f"text\n{'long ' * 100_000}\n", [("long " * 100_000, None)]),
        ("l.csv.gz", gzip.compress(b"text,label\na,p\n", mtime=0), [("a", "p")]),
        ("m.jsonl", '{"text": "a", "label": 7}\n{"TEXT": "b", "label": "007"}\n', [("a", "7"), ("b", "007")]),
        ("n.jsonl.gz", gzip.compress(b'{"text": "a\\nb"}'), [("a\nb", None)]),
        ("o.jsonl", '{"text": "a", "label": null}\n', [("a", None)]),
        ("p.jsonl", '{"text": "a", "label": " p "}\n', [("a", "p")]),
        ("q.txt", b"a\r\rb\r", [("a", None), ("b", None)]),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 12 else "",
)
def test_what_stands_there_is_read(write, name, content, right):
    path = write(name, content)
    assert rows(documents(path)) == right
    assert "documents" in kinds_of(str(path))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "a fine film,p\nb,q\n", r'line 1: has no column "text" \(it has a fine film, p\); name the columns'),
        ("b.csv", "text,text\na,b\n", "line 1: has the column 'text' twice"),
        ("c.csv", "Text,text,label\na,b,p\n", "line 1: has the column 'text' twice"),
        ("d.csv", "text,label\na\nb,q\n", "line 2: has 1 cell, the header 2"),
        ("e.csv", "text,label\na, b,p\n", "line 2: has 3 cells, the header 2.*in quotes"),
        ("f.csv", "label,text\np,\"good\nq,bad\n", "line 2: is not a valid row"),
        ("g.csv", 'text,label\n"a\nb",p\n"c"d,q\n', "line 4: is not a valid row .*each mark doubled"),
        ("h.csv", "text,label\n,\na,p\n", 'line 2: has no text; give each document a text'),
        ("i.csv", "text,label\na,p\nb,\n", "line 3: has no label"),
        ("j.csv", "text,label\n\n\"a\nb\",p\nc\n", "line 5: has 1 cell"),
        ("k.tsv", 'text\tlabel\n"a\nb"\tp\n', "line 2: has 1 cell"),
        ("l.csv", "", 'has no column "text" .it has nothing'),
        ("m.csv", "text,label\n", "holds no document"),
        ("n.csv", b"text\n\xff\xfe", r"byte 5 \(line 2\): byte 0xff is not UTF-8"),
        ("o.jsonl", '{"text": {"de": "a"}}\n', 'line 1: has a "text" that is an object'),
        ("p.jsonl", '{"text": ["a"]}\n', 'line 1: has a "text" that is a list'),
        ("q.jsonl", '{"text": 7}\n', 'line 1: has a "text" that is a number'),
        ("r.jsonl", '{"body": "a"}\n', r"has no key 'text' \(its keys are body\); name the one of the texts"),
        ("s.jsonl", '{"text": "a", "text": "b"}\n', "line 1: has the key 'text' twice"),
        ("t.jsonl", '{"text": "a", "label": ["p"]}\n', 'line 1: has a "label" that is a list'),
        ("u.jsonl", '{"text": "a", "label": true}\n', 'line 1: has a "label" that is a truth value'),
        ("v.jsonl", '{"text": "a", "label": 1.0}\n', 'line 1: has a "label" that is a number that is not whole'),
        ("w.jsonl", '{"text": "a", "label": 007}\n', "line 1: is not a JSON object"),
        ("x.jsonl", '[{"text": "a"}]\n', "line 1: is not a JSON object"),
        ("y.jsonl", '{\n"text": "a"\n}\n', "line 1: is not a JSON object.*and 2 more"),
        ("z.jsonl", '{"text": "\\ud800"}\n', "line 1: has half a character"),
        ("1.jsonl", '{"text": "a\\u0000"}\n', "line 1: has a NUL character"),
        ("2.jsonl", '{"text": "a", "label": "p"}\n{"text": "b", "label": null}\n', "line 2: has no class"),
        ("3.jsonl", "[" * 100_000, "line 1: is not a JSON object"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 9 else "",
)  # fmt: skip
def test_what_is_not_clear_is_refused_at_its_place(write, name, content, said):
    path = write(name, content)
    refused(path, said)
    assert check(("documents",), str(path)).problems


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "id,text,label,title\n1,a,p,one two three\n2,b,q,four five six\n",
         "columns that are not read: id, title (texts too)"),
        ("b.csv", "text,category\na,p\n", "columns that are not read: category"),
        ("c.jsonl", '{"text": "a", "meta": {"x": [1]}, "summary": "one two three"}', "meta, summary (texts too)"),
        ("d.csv", 'text,label\n"a\nb",p\n', "texts with line breaks within quotes: 1"),
        ("e.tsv", 'text\tlabel\n"a"\tp\n', "texts of a .tsv between quotation marks, which are kept: 1"),
        ("f.csv", "text,label\na, p\n", "blanks around labels, removed: 1"),
        ("g.csv", "text;label\na;p\n", "cells lie between ;"),
        ("h.csv", "text,label\r\na,p\r\n", r"line ends \r\n, read as \n: 2"),
        ("i.csv", "text,label\n\na,p\n\n", "blank lines, which are not documents: 2"),
        ("j.txt", "a\n\n\nb\n", "blank lines, which are not documents: 2"),
        ("k.csv", "text,label\na,p\na,p\na,q\n", "texts of train that occur more than once: 2"),
        ("l.csv", "text,label\na,p\na,q\n", "texts of train with several classes: 1"),
        ("m.csv", "text,label\na,pos\nb,Pos\n", "classes that are nearly the same, 'Pos' and 'pos', stay apart"),
        ("n.jsonl", '{"text": "a", "label": 7}\n', "labels that are numbers, read as text (7 is the class 7): 1"),
        ("o.csv", "text,label\na,p\n", "nothing can be learned from one class"),
        ("q.csv", "text,label\na,pos\nb,pos\u200b\n", r"nearly the same, 'pos' and 'pos\u200b', stay apart"),
        ("s.csv", ",text,label\n0,a,p\n", "columns that are not read: one without a name (--text-column"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 9 else "",
)  # fmt: skip
def test_what_was_understood_is_told(write, name, content, said):
    told(write(name, content), said)
    assert any(said in line for line in check(("documents",), str(write(name, content))).lines())


def test_too_few_documents_for_a_split_are_told(write):
    told(write("a.txt", "one\n"), "too few documents for a split: valid and test", valid_share=0.1, test_share=0.1)


# Splits in a column


@pytest.mark.parametrize("name", ["split", "Split", " SPLIT"])
def test_a_column_of_splits_is_understood(write, name):
    path = write("a.csv", f"text,label,{name}\na,p,train\nb,q,TRAINING\nc,p,dev\nd,q, Test \n")
    data = documents(path)
    found = {split: rows(data, split) for split in data.splits}
    assert found == {"train": [("a", "p"), ("b", "q")], "valid": [("c", "p")], "test": [("d", "q")]}
    told(path, "splits: as the column split says")
    lines = [{"text": t, "Split": s} for t, s in (("a", "train"), ("b", "val"))]
    data = documents(write("b.jsonl", "\n".join(map(json.dumps, lines))))
    assert (data["train"].x, data["valid"].x) == (["a"], ["b"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text,split\na,train\nb,maybe\n", "line 3: gives 'maybe' as its split, which is not one"),
        ("text,split\na,train\nb,\n", "line 3: gives '' as its split"),
        ("text,split\na,test\nb,dev\n", "has no row to train on"),
        ("text,label,split\na,p,train\nb,q,test\n", "line 3: class q of test is not in train"),
    ],
)
def test_a_column_of_splits_that_is_not_clear_is_refused(write, content, said):
    refused(write("a.csv", content), said)


def test_rows_without_a_split_among_others_are_refused(write):
    refused(write("a.jsonl", '{"text": "a", "split": "train"}\n{"text": "b"}\n'), "line 2: has no split")


def test_a_split_that_is_not_given_is_drawn_from_train(write):
    content = "text,split\n" + "".join(f"{i},train\n" for i in range(10)) + "x,test\n"
    data = documents(write("a.csv", content), valid_share=0.2, test_share=0.5)
    assert data.counts() == {"train": 8, "valid": 2, "test": 1} and data["test"].x == ["x"]


# Folders


@pytest.mark.parametrize("names", [("training", "val", "testing"), ("Train", "dev", "TEST")])
def test_folders_are_splits_by_their_names(write, tmp_path, names):
    for name in names:
        for label in "pq":
            write(f"set/{name}/{label}/1.txt", f"{name} {label}")
    data = documents(tmp_path / "set")
    assert {split: data[split].x for split in data.splits} == {
        split: [f"{name} p", f"{name} q"] for split, name in zip(("train", "valid", "test"), names, strict=True)
    }
    told(tmp_path / "set", f"splits: train from {names[0]}/, valid from {names[1]}/, test from {names[2]}/")


@pytest.mark.parametrize(
    ("names", "right"),
    [
        (("train.csv", "test.csv"), {"train": ["a train"], "test": ["a test"]}),
        (("training.tsv", "dev.csv", "test.jsonl"), {"train": ["a train"], "valid": ["a valid"], "test": ["a test"]}),
        (("train.txt", "val.txt"), {"train": ["text", "a train"], "valid": ["text", "a valid"]}),
    ],
)
def test_files_are_splits_by_their_names(write, tmp_path, names, right):
    for name, split in zip(names, right, strict=True):
        table = f"text\na {split}\n"
        write(f"set/{name}", json.dumps({"text": f"a {split}"}) if name.endswith("jsonl") else table)
    write("set/README.md", "x")
    data = documents(tmp_path / "set")
    assert {split: data[split].x for split in data.splits} == right and data.facts["unit"] == "lines"
    told(tmp_path / "set", "not read: README.md")


def test_one_folder_too_many_is_stepped_over(write, tmp_path):
    for label in "pq":
        write(f"set/inner/train/{label}/1.txt", label)
    assert documents(tmp_path / "set").facts["classes"] == ["p", "q"]
    told(tmp_path / "set", "read from inner, the only folder in set")


def test_what_is_not_read_is_named(write, tmp_path):
    for label in "pq":
        write(f"set/train/{label}/1.txt", label)
    write("set/train/p/1.pdf", "x")
    write("set/imdb.vocab", "x")
    write("set/train/feat.dat", "x")
    told(tmp_path / "set", "not read: imdb.vocab, feat.dat, 1.pdf")
    told(tmp_path / "set" / "train", "not read: feat.dat, 1.pdf")


TREES = {
    "is a second train split next to": ("train/p/1.txt", "training/p/1.txt"),
    "holds no document": ("notes.md",),
    "is next to train/; move it": ("train/p/1.txt", "stray.txt"),
    "is next to train/ but is not a split": ("train/p/1.txt", "extra/1.txt"),
    "has the name of the test split, but there is no train/": ("test/p/1.txt", "valid/p/1.txt"),
    "which could be splits or classes": ("train/1.txt", "test/1.txt", "other/1.txt"),
    "is a class folder without .txt files": ("p/1.txt", "q/1.md"),
    "is next to class folders": ("p/1.txt", "q/1.txt", "stray.txt"),
    "is a folder among documents": ("p/1.txt", "q/1.txt", "q/deep/1.txt"),
    "has the name of the test split, but there is no train.csv": ("test.csv",),
    "is next to train.txt but is not a split": ("train.txt", "notes.txt"),
    "has no class in test, but other documents have one": ("train/p/1.txt", "train/q/1.txt", "test/1.txt"),
    "class r of test is not in train": ("train/p/1.txt", "train/q/1.txt", "test/r/1.txt"),
}


@pytest.mark.parametrize("said", TREES)
def test_folders_that_are_not_clear_are_refused(write, tmp_path, said):
    for name in TREES[said]:
        write(f"set/{name}", "text\nwords\n")
    refused(tmp_path / "set", said.replace(".", r"\."))


def test_a_class_may_be_called_train(write, tmp_path):
    for label in ("train", "plane", "ship"):
        write(f"set/{label}/1.txt", label)
    assert documents(tmp_path / "set").facts["classes"] == ["plane", "ship", "train"]


def test_texts_of_the_test_that_are_in_train_are_told(write, tmp_path):
    for split in ("train", "test"):
        for label in "pq":
            write(f"set/{split}/{label}/1.txt", f"the same {label}")
    told(tmp_path / "set", "texts of test that are in train too: 2")


def test_numbers_in_json_lines_are_not_taken_for_documents(write):
    path = write("a.jsonl", "".join(json.dumps({"a": i, "b": i % 2}) + "\n" for i in range(20)))
    assert kinds_of(str(path)) == ("tables", "series")
    assert open_data(("images", "documents", "tables"), str(path)).kind == "tables"


# Some of the examples


def test_some_of_the_documents_are_learned_from(write):
    path = write("a.csv", "text,label\n" + "".join(f"t{i},{'pq'[i % 2]}\n" for i in range(10)))
    data = documents(path, train_examples=4)
    assert len(data["train"]) == 4 and set(data["train"].x) < {f"t{i}" for i in range(10)}
    assert [(int(text[1:]) % 2) for text in data["train"].x] == data["train"].y.tolist()
    ordered = documents(path, order="class")
    assert ordered["train"].y.tolist() == [0] * 5 + [1] * 5 and ordered["train"].ordered
    assert "label noise" in " ".join(documents(path, label_noise=0.5).notes)
    plain = documents(write("b.txt", "a\nb\nc\n"), train_examples=2)
    assert len(plain["train"]) == 2 and plain["train"].y is None


# Inputs


def test_labels_do_not_matter_for_inputs(write):
    path = write("a.csv", "text,label,split\na,,\nb,zebra,maybe\n")
    assert read_inputs("documents", {}, [str(path)]).values == ["a", "b"]
    path = write("b.jsonl", '{"text": "a", "label": [1]}\n{"text": "b"}\n')
    assert read_inputs("documents", {}, [str(path)]).values == ["a", "b"]


@pytest.mark.parametrize(
    ("unit", "names", "values"),
    [("lines", ["stdin:1", "stdin:3"], ["a", "b"]), ("files", ["stdin"], ["a\n\nb\n"])],
)
def test_standard_input_comes_in_the_unit_of_training(monkeypatch, unit, names, values):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a\r\n\r\nb\r\n")))
    found = read_inputs("documents", {"unit": unit}, ["-"])
    assert (found.names, found.values) == (names, values)


def test_what_is_not_read_of_a_folder_of_inputs_is_told(write, tmp_path):
    write("set/1.txt", "a")
    write("set/2.txt", "b")
    write("set/3.pdf", "c")
    found = read_inputs("documents", {"unit": "files"}, [str(tmp_path / "set")])
    assert found.values == ["a", "b"] and found.notes == {0: "not read: 3.pdf"}


def test_a_folder_of_inputs_comes_in_the_unit_of_training(write, tmp_path):
    path = write("set/1.txt", "a\n\nb\n")
    found = read_inputs("documents", {"unit": "lines"}, [str(tmp_path / "set")])
    assert (found.names, found.values) == ([f"{path}:1", f"{path}:3"], ["a", "b"])


@pytest.mark.parametrize("label", ["a\\u0000b", "\\ud800"])
def test_a_label_that_cannot_be_written_is_refused(write, label):
    content = f'{{"text": "a", "label": "p"}}\n{{"text": "b", "label": "{label}"}}\n'
    refused(write("a.jsonl", content), "line 2: has a NUL or half a character")


def test_a_label_of_two_lines_is_shown_on_one(write):
    lines = check(("documents",), str(write("a.csv", 'text,label\na,"x\ny"\nb,z\n'))).lines()
    assert "classes: x\\ny, z" in lines and all(line.isprintable() for line in lines)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.tsv.gz", "a.txt"])
def test_a_named_pipe_is_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    said = "is neither a file nor a folder"
    refused(tmp_path / name, said)
    assert kinds_of(str(tmp_path / name)) == ()
    with pytest.raises(DataError, match=said):
        read_inputs("documents", {}, [str(tmp_path / name)])
