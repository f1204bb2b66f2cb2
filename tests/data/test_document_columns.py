"""Documents: the columns of a table that options name."""

import pytest
from document_doors import documents, refused, rows, told

from deepcanon.data import DataError, open_data, read_inputs


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "id,Body,stars,fold\n1,a,7,train\n2,b,007,TEST\n"),
        ("b.csv", "id;Body;stars;fold\n1;a;7;train\n2;b;007;test\n"),
        ("c.tsv", "stars\tbody\tfold\tid\n7\ta\ttraining\t1\n007\tb\ttesting\t2\n"),
        ("d.jsonl", '{"id": 1, "body": "a", "stars": 7, "fold": "train"}\n'
                    '{"BODY": "b", "stars": "007", "fold": "test", "id": 2}\n'),
    ],
)  # fmt: skip
def test_columns_are_read_by_the_names_that_are_given(write, name, content):
    path = write(name, content)
    chosen = {"text_column": "body", "target": "Stars", "split": "fold"}
    with pytest.raises(DataError, match=r"007 of test|class 007"):
        documents(path, **chosen)
    path = write(name, content.replace("007", "7"))
    data = documents(path, **chosen)
    assert rows(data) == [("a", "7")] and rows(data, "test") == [("b", "7")]
    told(path, "columns: body by --text-column, stars by --target, fold by --split", **chosen)
    told(path, "columns that are not read: id (--text-column and --target take others)", **chosen)
    assert open_data(("images", "documents", "tables"), str(path), options={"documents": chosen}).kind == "documents"
    assert read_inputs("documents", data.describe(), [str(path)]).values == ["a", "b"]
    other = write(f"other{path.suffix}", '{"text": "a"}' if path.suffix == ".jsonl" else "text\na\n")
    with pytest.raises(DataError, match=r"has no column 'body'.*the name that it had in training"):
        read_inputs("documents", data.describe(), [str(other)])


def test_a_column_that_is_asked_for_is_not_another_by_its_name(write):
    path = write("a.csv", "text,label,split\na,x,p\nb,y,q\n")
    assert rows(documents(path, target="split")) == [("a", "p"), ("b", "q")]
    assert rows(documents(path, text_column="label", target="split")) == [("x", "p"), ("y", "q")]
    plain = write("b.csv", "text,label,title\na,x,one two three\n")
    data = documents(plain, text_column="title")
    assert rows(data) == [("one two three", "x")] and any("columns that are not read: text" in n for n in data.notes)


@pytest.mark.parametrize(
    ("name", "content", "chosen", "said"),
    [
        ("a.csv", "text,label\na,x\n", {"target": "stars"}, "line 1: has no column 'stars' .it has text, label.; name "
         "one of them with --target"),
        ("a.csv", "text,label\na,x\n", {"split": "fold"}, "has no column 'fold' .*--split"),
        ("a.csv", "text,label\na,x\n", {"text_column": "body"}, "has no column 'body' .*--text-column"),
        ("a.jsonl", '{"text": "a"}\n{"text": "b", "label": "x"}\n', {"target": "stars"}, "has no column 'stars'"),
        ("a.csv", "text,label\na,x\n", {"target": "text"}, "column 'text' would be used twice"),
        ("a.csv", "body,label\na,x\n", {"text_column": "body", "target": "BODY"}, "column 'body' would be used twice"),
        ("a.txt", "a\nb\n", {"target": "label"}, "a.txt: has no columns; leave --target out, or give a table"),
        ("p/a.txt", "a\n", {"text_column": "body"}, "has no columns; leave --text-column out"),
        ("a.csv", "text,Stars,stars\na,x,y\n", {"target": "stars"}, "has the column 'stars' twice"),
    ],
    ids=str,
)  # fmt: skip
def test_columns_that_cannot_be_read_by_their_names(write, tmp_path, name, content, chosen, said):
    path = write(name, content)
    refused(tmp_path if "/" in name else path, said, **chosen)


@pytest.mark.real_data("rt-polarity")
def test_published_documents_have_no_columns():
    refused("rt-polarity", "rt-polarity: has no columns; leave --target out", target="label")


def test_a_header_of_any_length_is_read(write):
    many = [f"c{i}" for i in range(50_000)]
    data = documents(write("a.csv", ",".join(["text", *many]) + "\n" + ",".join(["a", *many]) + "\n"))
    assert data["train"].x == ["a"] and any("and 49992 more" in note for note in data.notes)
