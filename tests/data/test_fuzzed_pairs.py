"""Files of pairs that are altered at random: read as another parser reads them, or refused in one line."""

import json
import os
import random
import tempfile
from pathlib import Path

import pytest

from deepcanon.data import DataError, open_data, read_inputs

FILES = int(os.environ.get("DEEPCANON_FUZZ", "200"))
TABLE = "src\ttgt\nein Hund läuft .\ta dog runs .\nzwei Katzen\ttwo cats\n你好\thello\n".encode()
OBJECTS = b"".join(json.dumps({"src": f"s {n}", "tgt": f"t\u2028 {n}"}).encode() + b"\n" for n in range(3))
PIECES = [b"\0", b"\n", b"\t", b"\xff", b"\r", b"\r\n", b'"', b"{", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\\ud800", b" "]


def altered(data, rng):
    for _ in range(rng.choice([0, 1, 1, 2, 4])):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(6):
            case 0:
                data = data[:at]
            case 1:
                data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
            case 2:
                data = data[:at] + rng.choice(PIECES) + data[at:]
            case 3:
                data = data[:at] + data[at + rng.randrange(1, 20) :]
            case 4:
                data = data[:at] + data[max(at - 30, 0) : at] + data[at:]
            case _:
                data = data.decode("utf-8", "replace").encode(rng.choice(["utf-8", "utf-16", "latin-1"]), "replace")
    return data


def opened(path, skip_bad):
    try:
        found = open_data(("pairs",), str(path), options={"pairs": {"longest": 8}}, skip_bad=skip_bad)
    except DataError as error:
        said = str(error)
        assert said and said.isprintable() and len(said.splitlines()) == 1, said
        return None
    for split in found.splits.values():
        assert len(split.x) == len(split.targets) > 0
        assert all(text.strip() == text and text and "\0" not in text for text in (*split.x, *split.targets))
        assert all("\n" not in text and "\t" not in text for text in (*split.x, *split.targets))
    return found


@pytest.mark.parametrize("form", ["a.tsv", "a.jsonl", "aligned"])
def test_altered_files(form):
    read = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in range(FILES // 3 + 1):
            rng = random.Random(f"{form} {seed}")
            if form == "aligned":
                sides = {"de": b"eins\nzwei drei\nvier\n", "en": b"one\ntwo three\nfour\n"}
                for side, content in sides.items():
                    (folder / f"corpus.{side}").write_bytes(altered(content, rng))
                path = folder
            else:
                path = folder / form
                path.write_bytes(altered(TABLE if form == "a.tsv" else OBJECTS, rng))
            found = opened(path, rng.random() < 0.5)
            read += found is not None
            if form != "aligned":
                try:
                    given = read_inputs("pairs", {"longest": 8}, [str(path)])
                except DataError as error:
                    assert str(error).isprintable()
                else:
                    assert len(given.names) == len(given.values) > 0
    assert 0 < read <= FILES // 3 + 1
