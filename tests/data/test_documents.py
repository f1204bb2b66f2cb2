"""Documents in every accepted form, and what is said of those that are not."""

import pytest
import torch

from deepcanon.data import check, open_data, read_inputs
from deepcanon.data.errors import DataError


def opened(path, **options):
    return open_data(("documents",), str(path), options={"documents": {"valid_share": 0, "test_share": 0, **options}})


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def test_the_same_documents_in_every_form(tmp_path):
    rows = [("good, very good", "pos"), ('say "hm"', "neg"), ("été", "pos")]
    for n, (text, label) in enumerate(rows):
        write(tmp_path / "folder" / label / f"{n}.txt", text)
    write(tmp_path / "t.tsv", "label\ttext\n" + "".join(f"{k}\t{t}\n" for t, k in rows))
    write(tmp_path / "t.csv", 'text,label\n"good, very good",pos\n"say ""hm""",neg\nété,pos\n')
    objects = ['{"text": "good, very good", "label": "pos"}', '{"text": "say \\"hm\\"", "label": "neg"}', ""]
    write(tmp_path / "t.jsonl", "\n".join([*objects, '{"label": "pos", "text": "été"}']))
    for name in ("folder", "t.tsv", "t.csv", "t.jsonl"):
        data = opened(tmp_path / name)
        assert data.facts["classes"] == ["neg", "pos"], name
        named = [(text, data.facts["classes"][k]) for text, k in zip(data["train"].x, data["train"].y, strict=True)]
        assert sorted(named) == sorted(rows), name
    write(tmp_path / "t.txt", "\n".join(text for text, _ in rows) + "\n\n")
    plain = opened(tmp_path / "t.txt")
    assert plain["train"].x == [text for text, _ in rows] and plain["train"].y is None


def test_splits_are_given_or_drawn_by_class(tmp_path):
    for split, count in (("train", 6), ("test", 2)):
        for label in ("a", "b"):
            for n in range(count):
                write(tmp_path / "tree" / split / label / f"{n}.txt", f"{label} {split} {n}")
    tree = opened(tmp_path / "tree", valid_share=0.5)
    assert tree.counts() == {"train": 6, "valid": 6, "test": 4}
    assert tree["valid"].y.tolist().count(0) == 3 and all("test" in text for text in tree["test"].x)
    assert not set(tree["valid"].x) & set(tree["train"].x)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.tsv", "label\tbody\nx\ty\n", 'no column "text"'),
        ("t.tsv", "text\tlabel\nx\n", "line 2.*1 cell"),
        ("t.csv", "text,label\n ,a\n", "line 2.*no text"),
        ("t.csv", "text,label\nx,\n", "no label"),
        ("t.jsonl", '{"text": "x", "label": "a"}\n[1]\n', "line 2"),
        ("t.jsonl", '{"text": "x", "label": "a"}\n{"text": "y"}\n', "line 2: has no class"),
        ("t.txt", "\n \n", "holds no document"),
        ("t.bin", "x", "is not a file of documents"),
        ("tree/a/1.txt", "", "is empty"),
    ],
)
def test_bad_documents_are_named_in_one_line(tmp_path, name, content, said):
    path = write(tmp_path / name, content)
    with pytest.raises(DataError, match=said) as error:
        opened(tmp_path / "tree" if name.startswith("tree") else path)
    assert "\n" not in str(error.value)


def test_unknown_class_strange_file_and_empty_folder(tmp_path):
    for split, label in (("train", "a"), ("train", "b"), ("test", "c")):
        write(tmp_path / "tree" / split / label / "1.txt", "x")
    with pytest.raises(DataError, match="class c of test is not in train"):
        opened(tmp_path / "tree")
    write(tmp_path / "mixed" / "a" / "1.txt", "x")
    write(tmp_path / "mixed" / "2.txt", "y")
    with pytest.raises(DataError, match="next to class folders"):
        opened(tmp_path / "mixed")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        opened(tmp_path / "empty")


def test_inputs_come_in_the_unit_of_the_training_data(tmp_path):
    path = write(tmp_path / "d.txt", "first\n\nsecond\n")
    assert read_inputs("documents", {"unit": "lines"}, [str(path)]).values == ["first", "second"]
    assert read_inputs("documents", {"unit": "files"}, [str(path)]).values == ["first\n\nsecond\n"]
    found = read_inputs("documents", {"unit": "files"}, [str(tmp_path)])
    assert (found.names, found.values) == ([str(path)], ["first\n\nsecond\n"])
    with pytest.raises(DataError, match="is not a file of"):
        read_inputs("documents", {"unit": "lines"}, [str(write(tmp_path / "d.bin", "x"))])


@pytest.mark.real_data("rt-polarity")
def test_film_reviews_are_all_there():
    report = check(("documents",), "rt-polarity")
    assert report.ok and sum(report.counts.values()) == 10_662 and report.facts["classes"] == ["negative", "positive"]


@pytest.mark.real_data("movie-reviews")
def test_whole_reviews_are_all_there():
    data = open_data(("documents",), "movie-reviews")
    assert sum(data.counts().values()) == 2000 and data.facts == {"unit": "files", "classes": ["negative", "positive"]}
    words = sum(len(text.split()) for split in data.splits.values() for text in split.x)
    assert words == 1_492_681, "between blanks"


def test_a_table_is_documents_if_it_has_a_column_of_texts(tmp_path):
    texts = write(tmp_path / "a.csv", "label,Text\nx,one two\ny,three\n")
    numbers = write(tmp_path / "b.csv", "length,label\n1,x\n2,y\n3,x\n")
    kinds = ("images", "documents", "tables")
    for path, kind in ((texts, "documents"), (numbers, "tables")):
        assert open_data(kinds, str(path), options={k: {"valid_share": 0, "test_share": 0} for k in kinds}).kind == kind
    broken = tmp_path / "c.csv"
    broken.write_bytes(b"\xff\xfet\0")
    with pytest.raises(DataError, match="UTF-16"):
        open_data(kinds, str(broken))


def test_inputs_may_be_tables_objects_and_folders_of_classes(tmp_path):
    table = write(tmp_path / "t.csv", 'text,label\n"a, b",x\nc,y\n')
    found = read_inputs("documents", {"unit": "lines"}, [str(table)])
    assert (found.names, found.values) == ([f"{table}:1", f"{table}:2"], ["a, b", "c"])
    objects = write(tmp_path / "t.jsonl", '{"text": "d"}\n')
    assert read_inputs("documents", {}, [str(objects)]).values == ["d"]
    for label, text in (("y", "two"), ("x", "one")):
        write(tmp_path / "tree" / label / "1.txt", text)
    assert read_inputs("documents", {"unit": "files"}, [str(tmp_path / "tree")]).values == ["one", "two"]
    write(tmp_path / "tree" / "x" / "2.txt", " \n")
    with pytest.raises(DataError, match=r"2\.txt: is empty"):
        read_inputs("documents", {"unit": "files"}, [str(tmp_path / "tree")])
    with pytest.raises(DataError, match='no column "text"'):
        read_inputs("documents", {}, [str(write(tmp_path / "u.csv", "a,b\n1,2\n"))])


def test_counted_documents_are_taken_as_rows_of_counts(tmp_path):
    from deepcanon.parts.bag_of_words import BagOfWords

    rows = "".join(f"{text}\t{label}\n" for text, label in (("a b a", "x"), ("c", "y"), ("b", "x")))
    train = opened(write(tmp_path / "t.tsv", "text\tlabel\n" + rows))["train"]
    counted = train.counted(BagOfWords(["a", "b"]))
    some = counted.take(torch.tensor([2, 0]))
    assert some.x.tolist() == [[0, 1], [2, 1]] and some.y.tolist() == [0, 0] and len(counted) == 3
    assert [chunk.x.tolist() for chunk in counted.chunks(2)] == [[[2, 1], [0, 0]], [[0, 1]]]
