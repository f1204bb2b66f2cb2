"""The command line: frozen surface, one-line errors, exit codes, JSON, and answers without torch."""

import gc
import json
import subprocess
import sys
from pathlib import Path

import pytest
from contract import golden, surface

from deepcanon import cli, heads
from deepcanon.cli import use
from deepcanon.collecting import heavy_imports, without_collection


def call(capsys, *words: str) -> tuple[int, str, str]:
    code = cli.main(list(words))
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_the_commands_are_frozen():
    hint = golden.regenerate("cli", "commands")
    assert surface.commands() == golden.read("cli", "commands"), f"the command line changed: {hint}"


@pytest.mark.parametrize("stem", heads.stems())
def test_the_options_of_a_recipe_are_frozen(stem):
    kept, found, hint = golden.read("cli", stem), surface.options_of(stem), golden.regenerate("cli", stem)
    assert kept, f"{stem} has no golden options; {hint}"
    gone, new = sorted(kept.keys() - found.keys()), sorted(found.keys() - kept.keys())
    changed = [
        f"{name} {kept[name]} -> {found[name]}" for name in kept.keys() & found.keys() if kept[name] != found[name]
    ]
    assert kept == found, f"options gone {gone}, new {new}, changed {changed}; {hint}"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["trian"], "unknown command trian, did you mean train?"),
        (["train", "convent"], "there is no recipe 'convent': did you mean convnet"),
        (["train", "mlp", "--lerning-rate", "1"], "did you mean --learning-rate?"),
        (["train", "mlp", "--lr", "1"], "did you mean --learning-rate?"),
        (["train", "adagrad", "--lr", "1"], "did you mean --learning-rates?"),
        (["train", "mlp", "--bs", "1"], "did you mean --batch?"),
        (["train", "mlp", "--epoch", "1"], "did you mean --epochs?"),
        (["train", "mlp", "--gpu"], "did you mean --device?"),
        (["train", "mlp", "--zzz", "1"], "unknown argument --zzz (see"),
        (["train", "mlp", "--seed", "x"], "'x' is not a whole number"),
        (["train", "mlp", "--steps", "0"], "at least 1"),
        (["train", "mlp", "--steps", "5", "--minutes", "1"], "not both"),
        (["train", "mlp", "--preset", "huge"], "has no preset 'huge'"),
        (["train", "mlp", "--device", "tpu"], "invalid choice"),
        (["train", "mlp", "--data", "no/such/place"], "no/such/place"),
        (["train", "mlp", "--config", "nowhere/config.json"], "not a run folder"),
        (["eval", "nowhere"], "nowhere is not a run folder"),
        (["eval"], "required: DIR"),
        (["data", "where"], "data where takes 1 name, not 0"),
        (["data", "where", "minst"], "mnist"),
        (["verify", "mlp", "--quick", "--record"], "never recorded"),
        (["verify", "mlp", "--seeds", "0"], "at least 1"),
        (["verify", "mlp", "--run", "nothing"], "there is no 'nothing'"),
    ],
)
def test_a_wrong_word_is_one_line_and_exit_code_2(words, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, *words)
    assert code == 2 and says in err and err.count("\n") == 1 and "Traceback" not in out + err
    assert not list(tmp_path.iterdir()), "something was left behind"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("runs") / "run"
    assert cli.main(["train", "softmax-regression", "--preset", "smoke", "--out", str(place)]) == 0
    return place


def test_data_that_cannot_be_used_end_training_before_a_folder_is_named(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boxes").mkdir()
    (tmp_path / "boxes" / "boxes.csv").write_text("file,x,y,width,height\n", encoding="utf-8")
    code, out, err = call(capsys, "train", "object-detection", "--preset", "smoke", "--data", "boxes")
    assert code == 2 and not out and "lacks the column label" in err and not Path("runs").exists()


def test_eval_json_is_one_value(folder, capsys):
    code, out, _ = call(capsys, "eval", str(folder), "--json")
    value = json.loads(out)
    assert code == 0 and list(value) == ["name", "run", "data", "split", "step", "metrics"]
    assert value["split"] == "test" and 0 <= value["metrics"]["accuracy"] <= 1


def test_list_json(capsys):
    code, out, _ = call(capsys, "list", "--json")
    rows = json.loads(out)
    assert code == 0 and [row["name"] for row in rows] == [s.replace("_", "-") for s in heads.stems()]
    assert all(list(row) == ["name", "subject", "summary", "data"] and row["summary"] for row in rows)
    _, out, _ = call(capsys, "list", "recurrent", "--json")
    assert "rnn-lm" in [row["name"] for row in json.loads(out)]


def test_show_tells_options_and_targets(capsys):
    code, out, _ = call(capsys, "show", "softmax-regression")
    assert code == 0 and "--optimizer" in out and "0.26113 +- 0.0005" in out
    code, out, _ = call(capsys, "show", "softmax-regression", "--source")
    assert code == 0 and "class SoftmaxRegression" in out


@pytest.mark.parametrize("verb", ["generate", "play"])
def test_a_verb_that_makes_no_sense_says_which_do(verb, folder, capsys):
    code, _, err = call(capsys, verb, str(folder))
    assert code == 2 and err.count("\n") == 1 and "predict" in err


def test_predict_shows_the_likeliest_classes(folder, capsys, tmp_path):
    from PIL import Image

    for number in range(70):  # enough for threads
        Image.new("L", (8, 8), number).save(tmp_path / f"{number:02d}.png")
    (tmp_path / "07.png").write_bytes(b"")
    code, out, err = call(capsys, "predict", str(folder), str(tmp_path), "--top", "2")
    lines = out.splitlines()
    assert code == 2 and len(lines) == 69 and err.count("\n") == 1 and "07.png: is empty" in err
    assert [line.split(":")[0][-6:-4] for line in lines] == [f"{number:02d}" for number in range(70) if number != 7]
    assert all(line.count(",") == 1 for line in lines)
    _, out, _ = call(capsys, "predict", str(folder), str(tmp_path / "00.png"), "--top", "4", "--json")
    (record,) = json.loads(out)
    chances = list(record["probabilities"].values())
    assert len(chances) == 4 and chances == sorted(chances, reverse=True) and record["label"] in record["probabilities"]
    _, out, _ = call(capsys, "predict", str(folder), str(tmp_path / "00.png"), "--json")
    assert len(json.loads(out)[0]["probabilities"]) == 10
    code, _, err = call(capsys, "predict", str(folder), str(tmp_path / "00.png"), "--top", "0")
    assert code == 2 and err.count("\n") == 1 and "--top" in err


def test_predict_shows_names_on_one_line_and_no_classes_where_there_are_none(folder, capsys, tmp_path):
    from PIL import Image

    Image.new("L", (8, 8)).save(tmp_path / "new\nline.png")
    code, out, _ = call(capsys, "predict", str(folder), str(tmp_path))
    assert code == 0 and out.count("\n") == 1 and "new\\nline.png: " in out
    (tmp_path / "t.csv").write_text("a,b,y\n" + "".join(f"{i},{i * i % 7},{i / 3}\n" for i in range(20)), "utf-8")
    given = (str(tmp_path / "t.csv"), "--out", str(tmp_path / "r"))
    assert call(capsys, "train", "linear-regression", "--data", *given)[0] == 0
    code, out, err = call(capsys, "predict", str(tmp_path / "r"), str(tmp_path / "t.csv"), "--top", "2")
    assert code == 2 and not out and "--top: the answers of this run are not classes: leave it out" in err


def test_last_and_config(folder, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = call(capsys, "train", "softmax-regression", "--config", str(folder / "config.json"), "--seed", "7")
    lines = out.splitlines()
    assert code == 0 and lines[0] == "runs/softmax-regression-1" and lines[-1].startswith("next: deepcanon predict")
    assert lines[-2] == "report: runs/softmax-regression-1/report.html"
    assert lines[-3].startswith("test (weights of step ") and "error " in lines[-3]
    content = json.loads(Path("runs/softmax-regression-1/config.json").read_text())
    assert (
        content["settings"]["seed"] == 7
        and content["config"] == json.loads((folder / "config.json").read_text())["config"]
    )
    code, out, _ = call(capsys, "eval", "last", "--json")
    assert code == 0 and json.loads(out)["run"] == "runs/softmax-regression-1"
    code, out, _ = call(capsys, "report", "last", str(folder))
    assert code == 0 and Path("report.html").read_text().startswith("<!doctype html>")
    code, out, _err = call(capsys, "resume", "last")
    assert code == 0 and "done: step" in out


def test_export_and_encode_need_a_place(folder, capsys, tmp_path):
    code, _, err = call(capsys, "export", str(folder), "--to", str(tmp_path / "no" / "x.pt2"))
    assert code == 2 and "does not exist" in err
    assert call(capsys, "export", str(tmp_path / "none"), "--to", str(tmp_path))[2].endswith(
        "it is a folder; name a file\n"
    )
    code, _out, _ = call(capsys, "export", str(folder), "--to", str(tmp_path / "x.pt2"))
    about = json.loads((tmp_path / "x.json").read_text())
    assert code == 0 and about["inputs"][0]["shape"][0] == "batch"


def test_no_column_of_the_input_is_written_over(tmp_path):
    record = {"input": "t.csv: line 2", "label": "a", "probabilities": {"a": 0.75}}
    cells = {"label": "x", "predicted label": "y", "p(a)": "0.5", "note": "z"}
    use._write_answers(tmp_path / "o.csv", [record], [cells])
    assert (tmp_path / "o.csv").read_text().splitlines() == [
        "label,predicted label,p(a),note,input,predicted predicted label,predicted p(a)",
        "x,y,0.5,z,t.csv: line 2,a,0.75",
    ]


def test_answers_without_torch():
    """`list`, `--help`, `--version` and `train NAME --help` may not import torch (that alone takes a second)."""
    words = [["list"], ["--help"], ["--version"], ["train", "convnet", "--help"], ["data", "list"], ["show", "mlp"]]
    code = f"""
import sys
from deepcanon import cli
for words in {words!r}:
    assert cli.main(words) == 0, words
heavy = [m for m in ("torch", "numpy", "matplotlib", "sklearn", "rich") if m in sys.modules]
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_system_that_is_not_supported_is_told_so(monkeypatch, capsys):
    monkeypatch.setattr("deepcanon.cli.os.name", "nt")
    code, out, err = call(capsys, "list")
    assert code == 1 and not out and err.count("\n") == 1 and "Windows is not supported" in err


def test_inference_imports_and_collects_no_more_than_it_needs(folder, tmp_path):
    """Beyond torch, `predict` may take a fifth of a second: no pictures, no scikit-learn, four decoders of forty."""
    from PIL import Image

    Image.new("L", (8, 8), 120).save(tmp_path / "a.png")
    code = f"""
import gc, sys
from deepcanon import cli, data
data.open_data = lambda *a, **k: sys.exit("the training data were opened")
assert cli.main(["predict", {str(folder)!r}, {str(tmp_path / "a.png")!r}]) == 0
heavy = ("matplotlib", "sklearn", "scipy", "rich", "tensorboard", "torch._dynamo", "PIL.TiffImagePlugin")
assert not [m for m in heavy if m in sys.modules], sys.modules.keys() & set(heavy)
assert gc.isenabled() and gc.get_freeze_count() > 50_000
assert gc.get_stats()[2]["collections"] == 0, gc.get_stats()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_garbage_collector_is_as_it_was_before():
    frozen = gc.get_freeze_count()
    for enabled in (True, False):
        (gc.enable if enabled else gc.disable)()
        try:
            with pytest.raises(KeyError), without_collection():
                assert not gc.isenabled()
                raise KeyError
            with heavy_imports():  # torch is here already: another program's objects are left alone
                assert gc.isenabled() == enabled
            assert gc.isenabled() == enabled and gc.get_freeze_count() == frozen
        finally:
            gc.enable()


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("words", [["list"], ["list", "text"], ["show", "gan"], ["data", "list"]])
def test_on_a_terminal_lines_fit(words, columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    _, whole, _ = call(capsys, *words)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    code, out, err = call(capsys, *words)
    lines = out.splitlines()
    assert code == 0 and err == ""
    assert [line for line in lines if len(line) > columns] == [line for line in lines if "http" in line]
    first = {line.split()[0] for line in whole.splitlines() if line.strip() and not line.startswith(" ")}
    assert all(word in out for word in first), "a name was lost"
    if words == ["show", "gan"]:
        assert out.split() == whole.split() and "\n    deepcanon train gan" in out, "only the line ends differ"
