"""Trainings from the page: refused unless allowed, refused in a line if mistyped, stopped at a step border."""

import json
import threading
import time

import pytest
from serving.conftest import asking, made

from deepcanon.serving import Server, shelf


@pytest.fixture
def trainer(tmp_path):
    """Asks a server that may train."""
    made(tmp_path / "old", state="interrupted")
    started = Server(tmp_path, 0, allow_train=True)
    thread = threading.Thread(target=started.run, daemon=True)
    thread.start()
    yield asking(started)
    started.stop()
    thread.join(10)


def last(answer):
    return json.loads(answer.text.splitlines()[-1])


def test_a_page_only_reads_unless_it_may_train(ask, runs):
    made(runs / "reading")
    time.sleep(shelf.FRESH)
    for path in ("train", "resume/reading", "stop/reading"):
        answer = ask(path, "POST", body='{"recipe": "mlp"}')
        assert answer.status == 403 and "--allow-train" in answer.text
    assert "id='train'" not in ask().text and "id='resume'" not in ask("run/reading").text


def test_what_is_mistyped_is_refused_before_a_process_starts(trainer):
    assert "id='train'" in trainer().text and "id='resume'" in trainer("run/old").text
    for asked, said in (
        ({"recipe": "convnett"}, "did you mean convnet"),
        ({"recipe": "mlp", "preset": "huge"}, "has the presets smoke, default"),
        ({"recipe": "mlp", "steps": "--out=/x"}, "not a whole number"),
        ({"recipe": "mlp", "data": "a\0b"}, "a name or a path"),
    ):
        assert said in last(trainer("train", "POST", body=json.dumps(asked)))["error"]
    assert trainer("train", "GET").status == 405 and trainer("stop/old", "POST").status == 409


@pytest.mark.slow
def test_a_training_is_started_and_stopped(trainer, tmp_path):
    asked = {"recipe": "mlp", "preset": "smoke", "steps": 10_000_000}
    found = last(trainer("train", "POST", body=json.dumps(asked)))
    assert found == {"done": {"run": "mlp-1"}}
    status = tmp_path / "mlp-1" / "status.json"
    time.sleep(shelf.FRESH)
    seen = json.loads(trainer("live/mlp-1").text)
    assert seen["state"] == "running" and seen["mine"]
    assert trainer("stop/mlp-1", "POST").status == 204
    ends = time.monotonic() + 60
    while json.loads(status.read_text())["state"] == "running" and time.monotonic() < ends:
        time.sleep(0.1)
    assert json.loads(status.read_text())["state"] == "interrupted"
    wrong = last(trainer("train", "POST", body=json.dumps({"recipe": "mlp", "data": "nowhere.csv"})))
    assert "nowhere.csv" in wrong["error"], "what the command says comes back as a line"
