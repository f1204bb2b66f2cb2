"""Files of pairs that are altered at random: read as another parser reads them, or refused in one line."""

import json
import os
import random
import tempfile
from pathlib import Path

import pytest
from altered_files import altered

from deepcanon.data import DataError, open_data, read_inputs

FILES = int(os.environ.get("DEEPCANON_FUZZ", "200"))
TABLE = "src\ttgt\nein Hund läuft .\ta dog runs .\nzwei Katzen\ttwo cats\n你好\thello\n".encode()
OBJECTS = b"".join(json.dumps({"src": f"s {n}", "tgt": f"t\u2028 {n}"}).encode() + b"\n" for n in range(3))
CONTENT = {
    "a.tsv": TABLE,
    "a.csv": TABLE.replace(b"\t", b";").replace(b"two cats", b'"two; ""cats"""'),
    "a.jsonl": OBJECTS,
}


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


@pytest.mark.parametrize("form", ["a.tsv", "a.csv", "a.jsonl", "aligned"])
def test_altered_files(form):
    read = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in range(FILES // 4 + 1):
            rng = random.Random(f"{form} {seed}")
            if form == "aligned":
                sides = {"de": b"eins\nzwei drei\nvier\n", "en": b"one\ntwo three\nfour\n"}
                for side, content in sides.items():
                    (folder / f"corpus.{side}").write_bytes(altered(content, rng))
                path = folder
            else:
                path = folder / form
                path.write_bytes(altered(CONTENT[form], rng))
            found = opened(path, rng.random() < 0.5)
            read += found is not None
            if form != "aligned":
                try:
                    given = read_inputs("pairs", {"longest": 8}, [str(path)])
                except DataError as error:
                    assert str(error).isprintable()
                else:
                    assert len(given.names) == len(given.values) > 0
    assert 0 < read <= FILES // 4 + 1
