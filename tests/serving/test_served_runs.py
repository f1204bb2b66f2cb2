"""The local page: which runs it lists, what it shows of them while they change, and what it never does."""

import json
import os
import re
import time

import pytest
from serving.conftest import MARKUP, made

from deepcanon.cli import main
from deepcanon.engine.lock import hold
from deepcanon.serving import Server, shelf


@pytest.fixture(scope="module", autouse=True)
def content(runs):
    """Runs that are whole, damaged, strange, and one that leads elsewhere."""
    made(runs / "one")
    made(runs / "two", hidden=16)
    made(runs / f"b{MARKUP.replace('/', '')}", reason=MARKUP)
    made(runs / "killed", state="running")
    made(runs / "exp" / "trials" / "0")
    made(runs / "exp" / "trials" / "1", state="failed")
    made(runs.parent / "secret")
    (runs / "exp" / "config.json").write_text((runs / "one" / "config.json").read_text())
    (runs / "away").symlink_to(runs.parent / "secret")
    made(runs / "leak").joinpath("metrics.jsonl").unlink()
    (runs / "leak" / "metrics.jsonl").symlink_to(runs.parent / "secret" / "metrics.jsonl")
    made(runs / "torn").joinpath("config.json").write_text('{"name": "ml')
    made(runs / "stranger", name="os.system")
    (runs / "one" / "report.html").write_text(MARKUP)
    (runs / "notes").mkdir()
    os.mkdir(os.fsencode(runs) + b"/\xff")
    os.mkdir(os.fsencode(runs) + b"/\xff/checkpoints")


def test_runs_are_listed_with_state_and_best_value(ask):
    page = ask().text
    rows = {re.sub("<.*?>", " ", row).split()[0]: row for row in re.findall("<tr>.*?</tr>", page)[1:]}
    assert {"one", "two", "killed", "exp"} <= set(rows)
    assert "digits" in rows["one"] and "<b>0.25</b> <small>valid/nll</small>" in rows["one"]
    assert ">stopped<" in rows["killed"], "no process trains it, whatever its status says"
    assert "Folders without a run: notes." in page and "secret" not in page.replace("secret links", "")


def test_what_is_broken_is_named_and_not_shown(ask):
    page = ask().text
    broken = re.findall("<tr class='broken'>.*?</tr>", page)
    said = " ".join(broken)
    assert len(broken) == 5 and "config.json is damaged" in said and "not UTF-8" in said
    assert "away links to a place outside" in said and "metrics.jsonl links to a place outside" in said
    assert "names no recipe of this version: os.system" in said
    for name in ("away", "leak", "torn", "stranger"):
        assert ask(f"run/{name}").status == ask(f"report/{name}").status == 409


def test_markup_is_text_everywhere(ask):
    name = "b%3Cscript%3Ealert(1)%3Cscript%3E"
    pages = ["", f"run/{name}", f"report/{name}", f"live/{name}", f"compare?run=one&run={name}"]
    pages += [f"figure/{name}?folder=figures&name={figure}&step=2" for figure in ("map", "words")]
    for path in pages:
        answer = ask(path)
        assert answer.status == 200 and "alert(1)" in answer.text, path
        assert "<script>alert" not in answer.text and "default-src 'none'" in answer.headers["content-security-policy"]
        assert "'unsafe-inline'" not in answer.headers["content-security-policy"].split("script-src")[1].split(";")[0]


def test_the_report_is_written_from_the_values(ask):
    answer = ask("report/one")
    assert answer.status == 200 and answer.text != MARKUP and "mlp" in answer.text


@pytest.mark.parametrize(
    "path",
    ["run/../secret", "run/..%2Fsecret", "run/%2Fetc", "run/one%2F..%2F..%2Fsecret", "run/one/trials/0", "run/", "etc"],
)
def test_no_path_leads_out_of_the_folder(ask, path):
    assert ask(path).status == 404
    inside = "figure/one?folder={}&name=map&step=2"
    assert ask(inside.format("figures")).status == 200
    assert ask(inside.format("..%2Ftwo%2Ffigures")).status == ask(inside.format("checkpoints")).status == 404
    assert ask("figure/one?folder=figures&name=..%2Fmap&step=2").status == 404
    assert ask("figure/one?folder=figures&name=map&step=x").status == 400


def test_only_who_knows_the_token_is_answered(ask, server):
    host = server.address.split("/")[2]
    for whole in ("/", "/wrong/", "//", server.address.split("/", 3)[3][:-2] + "/", "/%ff/"):
        answer = ask(whole=whole if whole[0] == "/" else f"/{whole}")
        assert answer.status == 403 and "Runs" not in answer.text
    assert ask(headers={"Host": "evil.example"}).status == 421
    assert ask(headers={"Host": host.replace("127.0.0.1", "localhost")}).status == 200
    assert ask(method="DELETE").status == 405
    assert ask("rows", "POST", {"Origin": "http://evil.example"}).status == 403
    assert ask("rows", "POST", {"Content-Length": str(1 << 40)}).status == 413
    assert ask(headers={"Origin": f"http://{host}"}).headers["cache-control"] == "no-store"


def test_a_page_follows_a_run_that_is_being_written(ask, runs):
    folder = made(runs / "going", state="running", rows=2)
    with hold(folder):
        time.sleep(shelf.FRESH)
        first = json.loads(ask("live/going").text)
        assert first["state"] == "running" and "<svg" in first["curves"]
        assert ["figures", "map", [1, 2]] in first["figures"]
        assert ask(f"live/going?stamp={first['stamp']}").status == 204
        with open(folder / "metrics.jsonl", "a") as file:
            file.write(json.dumps({"step": 3, "valid/nll": 0.125}) + '\n{"step": 4, "va')
        second = json.loads(ask(f"live/going?stamp={first['stamp']}").text)
        assert "<strong>3 <small>of 2" in second["cards"], "the step of the newest row: the status lags"
        assert second["stamp"] != first["stamp"] and second["curves"] != first["curves"] and not second["problems"]
    time.sleep(shelf.FRESH)
    third = json.loads(ask(f"live/going?stamp={second['stamp']}").text)
    assert third["state"] == "stopped" and "its process is gone" in third["cards"]


def test_the_list_says_when_it_changed(ask, runs):
    version = re.search("data-version='(\\d+)'", ask().text)[1]
    assert ask(f"rows?version={version}").status == 204
    made(runs / "late")
    time.sleep(shelf.FRESH)
    answer = ask(f"rows?version={version}")
    assert answer.status == 200 and ">late<" in answer.text and answer.headers["x-version"] != version


def test_an_experiment_leads_to_its_trials(ask):
    page = ask("run/exp").text
    assert "href='../run/exp/trials/1'" in page and ">failed<" in page
    assert "href='../../../style.css'" in ask("run/exp/trials/1").text


def test_selected_runs_are_compared(ask):
    page = ask("compare?run=one&run=two").text
    assert "They differ in: hidden" in page and page.count("<figure class='chart'>") == 1
    alone = ask("compare?run=one&run=secret")
    assert alone.status == 400 and "1 are selected" in alone.text


def test_a_folder_that_is_a_run_is_shown_alone(runs):
    assert [row.id for row in shelf.Shelf(runs / "one").rows()] == ["one"]


def test_the_command_names_the_address_and_what_is_missing(runs, capsys, monkeypatch):
    monkeypatch.setattr(Server, "run", lambda self: self.socket.close())
    assert main(["serve", str(runs), "--port", "0"]) == 0
    assert re.match(r"http://127\.0\.0\.1:\d+/[\w-]{32}/\n", capsys.readouterr().out)
    assert main(["serve", str(runs / "nowhere")]) == 2 and "there is no folder" in capsys.readouterr().err
    assert main(["serve", str(runs), "--port", "99999"]) == 2 and "65535" in capsys.readouterr().err
    for name in [name for name in __import__("sys").modules if name.startswith("deepcanon.serving")]:
        monkeypatch.delitem(__import__("sys").modules, name)
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    assert main(["serve", str(runs)]) == 2
    assert "pip install 'deepcanon[serve]'" in capsys.readouterr().err
