"""Fuzzed files for every reader: read correctly, judged by another parser, or refused in one line. Never anything else.

The number of files for each reader is DEEPCANON_FUZZ (200 where it is not set).
"""

import csv
import gzip
import io
import json
import math
import os
import struct
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from PIL import Image

from deepcanon.data import open_data, read_inputs
from deepcanon.data.errors import DataError

FILES = int(os.environ.get("DEEPCANON_FUZZ", "200"))
fuzzed = settings(
    max_examples=FILES, deadline=5000, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@st.composite
def damaged(draw, whole, texts=False):
    """Whole files, some of them cut, flipped, stretched, in another encoding, or replaced by noise."""
    data = draw(whole)
    if texts:
        data = draw(st.sampled_from([
            data, data, data, b"\xef\xbb\xbf" + data, data.decode().encode("utf-16"), data.replace(b"\n", b"\r\n"),
            data.decode().encode("latin-1", "replace"), b"\xff\xfe" + data,
        ]))  # fmt: skip
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 3]))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["cut", "flip", "insert", "drop", "double", "noise"])):
            case "cut":
                data = data[:at]
            case "flip" if at < len(data):
                data = data[:at] + bytes([data[at] ^ draw(st.integers(1, 255))]) + data[at + 1 :]
            case "insert":
                more = st.sampled_from([b"\0", b"\n", b'"', b",", b"\xff", b"\r", b"nan", b"\xe2\x80\xa8", b"1e999"])
                data = data[:at] + draw(more | st.binary(max_size=8)) + data[at:]
            case "drop":
                data = data[:at] + data[at + draw(st.integers(1, 20)) :]
            case "double":
                data = data[:at] + data[max(at - 30, 0) : at] + data[at:]
            case "noise" if draw(st.booleans()):
                data = draw(st.binary(max_size=200))
            case _:
                pass
    return data


def opened(kind, path, skip_bad, **options):
    """The data set, or None after one line that names the file; nothing else is in the folder afterwards."""
    folder = path if path.is_dir() else path.parent
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    try:
        found = open_data((kind,), str(path), options={kind: options}, skip_bad=skip_bad)
        event("accepted")
        return found
    except DataError as error:
        event("refused")
        said = str(error)
        assert said and len(said.splitlines()) == 1 and said.isprintable(), said
        assert path.name in said and error.problems
        return None
    finally:
        assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


# --------------------------------------------------------------------------------------------------------- text


@fuzzed
@given(
    data=damaged(st.text(max_size=300).map(lambda s: s.encode("utf-8", "replace")), texts=True), zipped=st.booleans()
)
def test_text(folder, data, zipped):
    path = folder / ("t.txt.gz" if zipped else "t.txt")
    path.write_bytes(gzip.compress(data, 1) if zipped else data)
    found = opened("text", path, skip_bad=False)
    try:
        right = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        right = ""
    if found is not None:
        assert "".join(split.x for split in found.splits.values()) == right and "\0" not in right
    elif right.strip() and "\0" not in right:
        assert len(right) < 10  # too short for a train split
    path.unlink()


NAMES = ["train", "training", "valid", "val", "dev", "test", "a", "b", "en.train", "en.test", "de.test"]


@fuzzed
@given(
    names=st.lists(
        st.tuples(st.sampled_from(NAMES), st.sampled_from([".txt", ".txt.gz", ".TXT", ".md", ""])),
        max_size=4, unique=True,
    ),
    contents=st.lists(damaged(st.just(b"one two\nthree\n"), texts=True), min_size=4, max_size=4),
    skip_bad=st.booleans(),
)  # fmt: skip
def test_text_folder(folder, names, contents, skip_bad):
    """Every text of a folder is read once, left out by name, or the folder is refused; what is not read is told."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        path, right = Path(name), {}
        for (stem, ending), data in zip(names, contents, strict=False):
            (path / (stem + ending)).write_bytes(gzip.compress(data, 1) if ending.endswith("gz") else data)
            if ending.lower().startswith(".txt"):
                right[stem + ending] = data
        found = opened("text", path, skip_bad, valid_share=0, test_share=0)
        if found is None:
            return
        assert set(found.record["files"]) | {Path(n.split(":")[0]).name for n in found.record["skipped"]} == set(right)
        texts = {
            n: right[n].decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n") for n in found.record["files"]
        }
        whole = "".join(split.x for split in found.splits.values())
        assert len(whole) - sum(map(len, texts.values())) in range(len(texts)) and all(
            t in whole for t in texts.values()
        )
        assert any("not read" in note for note in found.notes) == (len(right) < len(names))


# ---------------------------------------------------------------------------------------------------- documents

words = st.text(st.characters(codec="utf-8", exclude_characters='\0\r\n"\t,'), max_size=20)


@st.composite
def document_files(draw):
    """(ending, bytes) of a file of documents."""
    ending = draw(st.sampled_from([".txt", ".tsv", ".csv", ".jsonl"]))
    rows = draw(st.lists(st.tuples(words, st.sampled_from(["a", "b", "c", ""])), max_size=8))
    labelled = draw(st.booleans())
    if ending == ".txt":
        lines = [text for text, _ in rows]
    elif ending == ".jsonl":
        lines = [json.dumps({"text": t, "label": k} if labelled else {"text": t}) for t, k in rows]
    else:
        between = "\t" if ending == ".tsv" else ","
        head = ["text", "label"] if labelled else ["text"]
        lines = [between.join(row) for row in [head, *([t, k][: len(head)] for t, k in rows)]]
    return ending, "\n".join(lines).encode("utf-8", "replace")


@fuzzed
@given(drawn=document_files(), data=st.data(), skip_bad=st.booleans())
def test_documents(folder, drawn, data, skip_bad):
    ending, whole = drawn
    content = data.draw(damaged(st.just(whole), texts=True))
    path = folder / f"d{ending}"
    path.write_bytes(content)
    found = opened("documents", path, skip_bad, valid_share=0, test_share=0)
    path.unlink()
    if found is None:
        return
    train = found["train"]
    assert len(train.x) > 0 and all(text.strip() and "\0" not in text for text in train.x)
    assert train.y is None or (len(train.y) == len(train.x) and int(train.y.max()) < len(found.facts["classes"]))
    if ending == ".txt":
        lines = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        assert train.x == [line for line in lines if line.strip()]
    elif content == whole and ending == ".jsonl":
        values = [json.loads(line) for line in whole.decode().split("\n") if line.strip()]
        assert train.x == [value["text"] for value in values if value["text"].strip() and value.get("label", "x")]


PARTS = ["train", "training", "val", "test", "p", "q", "notes"]
PLACES = st.tuples(
    st.lists(st.sampled_from(PARTS), max_size=3),
    st.sampled_from(["1.txt", "2.txt", "3.md", "train.csv", "test.csv"]),
)


@fuzzed
@given(places=st.lists(PLACES, max_size=6), data=st.data(), skip_bad=st.booleans())
def test_document_folder(folder, places, data, skip_bad):
    """Every document of a tree is read once, left out by name, or the tree is refused."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        path = Path(name)
        for count, (inner, file) in enumerate(dict.fromkeys((tuple(inner), file) for inner, file in places)):
            place = path.joinpath(*inner, file)
            place.parent.mkdir(parents=True, exist_ok=True)
            content = f"text {count}".encode() if file.endswith("txt") else b"text\nwords\n"
            place.write_bytes(data.draw(damaged(st.just(content))) if skip_bad else content)
        found = opened("documents", path, skip_bad, valid_share=0, test_share=0)
        if found is None:
            return
        texts = [text for split in found.splits.values() for text in split.x]
        assert all(text.strip() and "\0" not in text for text in texts)
        if not skip_bad:
            files = list(path.rglob("*.txt"))
            assert len(texts) == len(files) or found.facts["unit"] == "lines"
            classes = found.facts.get("classes", [])
            assert set(classes) <= {p.parent.name for p in files} and ("train" in found)


@fuzzed
@given(drawn=document_files(), data=st.data(), unit=st.sampled_from(["lines", "files"]))
def test_inputs_of_texts_and_documents(folder, drawn, data, unit):
    ending, whole = drawn
    path = folder / f"in{ending}"
    path.write_bytes(data.draw(damaged(st.just(whole), texts=True)))
    for kind in ("text", "documents"):
        try:
            found = read_inputs(kind, {"unit": unit}, [str(path)])
        except DataError as error:
            assert str(error).isprintable() and path.name in str(error)
        else:
            assert len(found.names) == len(found.values) > 0 and all(value.strip() for value in found.values)
    path.unlink()


# ------------------------------------------------------------------------------------------------------- tables

cell = st.one_of(
    st.integers(-50, 50).map(str),
    st.floats(allow_nan=False, width=32).map(repr),
    st.sampled_from(
        ["red", "blue", "grün", "", "NA", "nan", "inf", "1_0", " 7 ", '"a,b"', "1,5", "1e39", "x\ty", "0x1F"]
    ),
)


@st.composite
def tables(draw):
    width, height = draw(st.integers(1, 5)), draw(st.integers(0, 12))
    delimiter = draw(st.sampled_from([",", ";", "\t"]))
    plain = draw(st.booleans())  # half of the tables hold only numbers, so that many are accepted
    content = st.integers(0, 99).map(str) if plain else cell
    names = [f"c{i}" for i in range(width)] if draw(st.integers(0, 9)) else draw(st.lists(cell, max_size=4))
    rows = [[draw(content) for _ in range(width)] for _ in range(height)]
    return "\n".join(delimiter.join(row) for row in [names, *rows]).encode()


@fuzzed
@given(data=damaged(tables(), texts=True), skip_bad=st.booleans())
def test_csv(folder, data, skip_bad):
    path = folder / "t.csv"
    path.write_bytes(data)
    found = opened("tables", path, skip_bad, valid_share=0, test_share=0)
    if found is None:
        return
    about, train = found.describe(), found["train"]
    assert torch.isfinite(train.x).all() and len(train.x) == len(train.y) > 0
    # another reader of the same text; the delimiter is the one that makes these columns of the header
    text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    while not text.split("\n", 1)[0].strip():
        text = text.split("\n", 1)[1]
    wanted = {s["name"] for s in about["sources"]} | {about["target"]}
    readers = (list(csv.DictReader(io.StringIO(text), delimiter=d, skipinitialspace=False)) for d in ",;\t")
    rows = next(r for r in readers if r and {(k or "").strip() for k in r[0] if k is not None} >= wanted)
    assert len(train.x) <= len(rows) and (skip_bad or len(train.x) == len([r for r in rows if any(r.values())]))
    if not skip_bad:
        rows = [{k.strip(): v.strip() for k, v in r.items()} for r in rows if any(r.values())]
        for at, source in enumerate(about["sources"]):
            if "categories" in source:
                break
            assert_read(train.x[:, at], [r[source["name"]] for r in rows])
        if about["classes"] is None:
            assert_read(train.y, [r[about["target"]] for r in rows])


def assert_read(values, cells):
    """Each value is what its cell says: as programs write numbers, or with a comma for the decimals or thousands."""
    for found, cell in zip(values.tolist(), cells, strict=True):
        try:
            assert found == float(cell)
        except ValueError:
            assert found in (float(cell.replace(",", ".")), float(cell.replace(",", "")))


value = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["a", "b", "", "1"]),
    st.lists(st.none(), max_size=1),
)


@st.composite
def json_lines(draw):
    plain = draw(st.booleans())
    content = st.integers(0, 9) if plain else value
    keys = [f"c{i}" for i in range(draw(st.integers(1, 4)))]
    rows = [
        {k: draw(content) for k in keys if plain or draw(st.integers(0, 9))} for _ in range(draw(st.integers(0, 8)))
    ]
    return "\n".join(json.dumps(row) for row in rows).encode()


@fuzzed
@given(data=damaged(json_lines(), texts=True), skip_bad=st.booleans())
def test_json_lines(folder, data, skip_bad):
    path = folder / "t.jsonl"
    path.write_bytes(data)
    found = opened("tables", path, skip_bad, valid_share=0, test_share=0)
    if found is not None:
        train, about = found["train"], found.describe()
        assert torch.isfinite(train.x).all() and len(train.x) == len(train.y) > 0
        if not skip_bad and all("categories" not in s for s in about["sources"]):
            text = data.decode("utf-8-sig").replace("\r", "\n")
            rows = [json.loads(line) for line in text.split("\n") if line.strip()]
            right = [[float(row[s["name"]]) for s in about["sources"]] for row in rows]
            assert train.x.tolist() == right


@pytest.fixture(scope="module")
def parquet_bytes():
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    stream = io.BytesIO()
    columns = {"a": [1.5, 2.5, 3.5], "s": ["x", "y", "x"], "n": [1, None, 3], "y": [0, 1, 0]}
    parquet.write_table(pyarrow.table(columns), stream)
    return stream.getvalue()


@fuzzed
@given(draw=st.data(), skip_bad=st.booleans())
def test_parquet(folder, parquet_bytes, draw, skip_bad):
    path = folder / "t.parquet"
    path.write_bytes(draw.draw(damaged(st.just(parquet_bytes))))
    found = opened("tables", path, skip_bad, valid_share=0, test_share=0)
    assert found is None or torch.isfinite(found["train"].x).all()


@fuzzed
@given(data=damaged(st.just(b"b,a\n1,x\n2,y\n"), texts=True))
def test_table_inputs(folder, data):
    path = folder / "in.csv"
    path.write_bytes(data)
    describe = {"sources": [{"name": "a", "categories": ["x", "y"]}, {"name": "b"}]}
    try:
        found = read_inputs("tables", describe, [str(path)])
        names, x = found.names, found.values
    except DataError as error:
        assert str(error).isprintable() and "in.csv" in str(error)
    else:
        assert x.shape == (len(names), 3) and torch.isfinite(x).all()
        known = torch.tensor(["is unknown" not in found.notes.get(place, "") for place in range(len(names))])
        assert (x[:, :2].sum(1) == known).all()


# ------------------------------------------------------------------------------------------------------- images


def encoded(form, mode, size, seed, **options):
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], len(mode)), dtype=np.uint8)
    Image.fromarray(pixels[..., 0] if len(mode) == 1 else pixels, mode).save(stream, form, **options)
    return stream.getvalue()


@pytest.fixture(scope="module")
def image_files():
    exif = Image.Exif()
    exif[0x0112] = 6
    return [
        encoded("PNG", "L", (9, 7), 0),
        encoded("PNG", "RGBA", (6, 8), 1, exif=exif),
        encoded("JPEG", "RGB", (20, 12), 2, exif=exif),
        encoded("JPEG", "L", (16, 16), 3, progressive=True),
        encoded("WEBP", "RGB", (10, 10), 4),
        encoded("BMP", "RGB", (5, 5), 5),
        encoded("GIF", "L", (5, 5), 6),
        b"",
    ]


@fuzzed
@given(draw=st.data(), skip_bad=st.booleans(), suffix=st.sampled_from([".png", ".jpg", ".jpeg", ".webp", ".bmp"]))
def test_image_folder(folder, image_files, draw, skip_bad, suffix):
    root = folder / "images"
    if not root.exists():
        for i in range(3):
            (root / "good").mkdir(parents=True, exist_ok=True)
            (root / "good" / f"{i}.png").write_bytes(image_files[0])
    for old in (root / "good").glob("9.*"):
        old.unlink()
    path = root / "good" / f"9{suffix}"
    data = draw.draw(damaged(st.sampled_from(image_files)))
    path.write_bytes(data)
    found = opened("images", root, skip_bad, valid_share=0, test_share=0, size=draw.draw(st.sampled_from([0, 4])))
    assert found is not None or not skip_bad
    if found is not None:
        left = len(found.record["skipped"])
        assert len(found["train"]) + left == 4 and left <= skip_bad
        height, width = found.describe()["size"]
        assert found["train"].x.shape[1:] == (found.describe()["channels"], height, width)
    try:
        found = read_inputs("images", {"size": [4, 4], "channels": 3}, [str(path)])
        names, x = found.names, found.values
        assert names == [str(path)] and x.shape == (1, 3, 4, 4)
    except DataError as error:
        assert path.name in str(error) and str(error).isprintable()


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


IDX = [idx(np.arange(60, dtype=np.uint8).reshape(5, 3, 4)), idx(np.zeros((4, 2, 2), np.uint8))]


@fuzzed
@given(data=damaged(st.sampled_from(IDX)), zipped=st.booleans(), cut=st.integers(0, 3))
def test_idx(folder, data, zipped, cut):
    path = folder / ("x.idx.gz" if zipped else "x.idx")
    packed = gzip.compress(data, 1) if zipped else data
    path.write_bytes(packed[: len(packed) - cut * 4] if zipped and cut else packed)
    found = opened("images", path, False, valid_share=0, test_share=0)
    if found is not None:
        shape = struct.unpack(f">{data[3]}I", data[4 : 4 + 4 * data[3]])
        assert not (zipped and cut) and math.prod(shape) == len(data) - 4 - 4 * data[3]
        assert found["train"].x.numpy().tobytes() == data[4 + 4 * data[3] :] or data[3] == 4
    path.unlink()


@pytest.fixture(scope="module")
def npz_files():
    files = []
    halves = {"x_train": np.zeros((4, 2, 2)), "x_test": np.ones((1, 2, 2))}
    for save, arrays in (
        (np.savez, {"x": np.arange(48, dtype=np.uint8).reshape(3, 4, 4), "y": np.arange(3)}),
        (np.savez_compressed, {**halves, "y_train": np.array(list("abab")), "y_test": np.array(["a"])}),
        (np.savez, {"x": np.array([{"a": 1}], dtype=object)}),
    ):
        stream = io.BytesIO()
        save(stream, **arrays)
        files.append(stream.getvalue())
    return files


@fuzzed
@given(draw=st.data())
def test_npz(folder, npz_files, draw):
    path = folder / "x.npz"
    path.write_bytes(draw.draw(damaged(st.sampled_from(npz_files))))
    found = opened("images", path, False, valid_share=0, test_share=0)
    if found is not None:
        with zipfile.ZipFile(path) as archive:
            right = {
                n: np.lib.format.read_array(io.BytesIO(archive.read(n)), allow_pickle=False) for n in archive.namelist()
            }
        x = right["x.npy"] if "x.npy" in right else right["x_train.npy"] * 255
        assert np.array_equal(found["train"].x.numpy().reshape(x.shape), x)


# -------------------------------------------------------------------------------------------- names and places


@fuzzed
@given(spec=st.text(max_size=40) | st.sampled_from(["CartPole-v1\n", "../x", "a:b", "ALE/x", "CartPole-v99"]))
def test_environment_ids(spec):
    pytest.importorskip("gymnasium")
    if Path(spec if spec and "\0" not in spec else "x").exists():
        return
    with pytest.raises(DataError) as error:
        open_data(("environment",), spec)
    assert str(error.value).isprintable()


@settings(fuzzed, max_examples=min(FILES, 1000))
@given(name=st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=40))
def test_names_of_classes_and_files_stay_names(tmp_path_factory, name):
    """A class or file name from the data is shown escaped and never becomes a path of its own."""
    if name in (".", "..") or len(name.encode()) > 200:
        return
    with tempfile.TemporaryDirectory() as root:
        inner = Path(root) / "set" / name
        inner.mkdir(parents=True)
        Image.new("L", (2, 2)).save(inner / "0.png")
        Path(inner / (name + ".png")).write_bytes(b"not an image")
        found = opened("images", Path(root) / "set", True)
        if found is not None:
            assert found.describe()["classes"] == [name] and all(note.isprintable() for note in found.notes)
        assert sorted(p.name for p in Path(root).iterdir()) == ["set"]
