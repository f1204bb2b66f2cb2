"""A folder of runs as files, and the server that shows them."""

import http.client
import json
import threading
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the extra `serve`")

from deepcanon.engine.figures import Heat, Text
from deepcanon.engine.pictures import save_figures
from deepcanon.serving import Server

MARKUP = "<script>alert(1)</script>"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str


def made(folder: Path, name="mlp", rows=3, hidden=8, **status) -> Path:
    """A run folder with what a page shows, without weights."""
    folder.mkdir(parents=True)
    config = {
        "name": name, "config": {"hidden": [hidden]}, "settings": {"data": "digits", "seed": 0},
        "verbs": ["predict"], "metrics": {"nll": ["loss of held-out examples", "nats", "min"]},
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    best = {"metric": "valid/nll", "value": 0.25, "step": 2}
    status = {"state": "done", "step": rows, "steps": rows, "seconds": 1.0, "best": best, **status}
    (folder / "status.json").write_text(json.dumps(status))
    lines = [json.dumps({"step": k + 1, "valid/nll": 1 / (k + 1)}) for k in range(rows)]
    (folder / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines))
    for step in (1, 2):
        heat = Heat(np.eye(2) * step, "rows", "columns", MARKUP, caption=f"{MARKUP} at {step}")
        save_figures(folder / "figures", step, {"map": heat, "words": Text(f"{MARKUP} of step {step}", "said")})
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("served") / "runs"


@pytest.fixture(scope="module")
def server(runs):
    runs.mkdir(exist_ok=True)
    started = Server(runs, 0)
    thread = threading.Thread(target=started.run, daemon=True)
    thread.start()
    yield started
    started.stop()
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def ask(server):
    return asking(server)


def asking(server):
    """A function that asks for a path below the token, or for another with the token left out."""
    place = urlsplit(server.address)

    def ask(path="", method="GET", headers=None, body=None, whole=""):
        line = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
        line.request(method, whole or place.path + path, body, headers or {})
        found = line.getresponse()
        text = found.read().decode("utf-8", "replace")
        line.close()
        return Answer(found.status, {k.lower(): v for k, v in found.getheaders()}, text)

    return ask
