"""What lies here under the name of a set of the catalogue, and what a path is without a recipe."""

import json

import pytest
from PIL import Image

from deepcanon.cli import main
from deepcanon.data import DataError, check, kinds_of, open_data, read_inputs


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def documents(folder, classes="ab"):
    for name in classes:
        (folder / name).mkdir(parents=True)
        for place in range(6):
            (folder / name / f"{place}.txt").write_text(f"word{place} {name}\n")


def test_a_folder_of_ones_own_comes_before_the_set_of_that_name(here):
    documents(here / "rt-polarity", "xyz")
    data = open_data(("documents",), "rt-polarity")
    assert data.facts["classes"] == ["x", "y", "z"]
    assert "catalogue:rt-polarity" in data.notes[0] and str(here) in data.notes[0]


def test_the_set_can_be_asked_for(here):
    documents(here / "digits")
    assert len(open_data(("images", "documents"), "catalogue:digits")["train"]) == 1437
    assert open_data(("images", "documents"), "digits").facts["classes"] == ["a", "b"]


def test_a_folder_that_no_wanted_reader_takes_hides_no_set(here):
    documents(here / "digits")
    (here / "photos").mkdir()
    for name in ("digits", "photos"):
        assert "images" in open_data(("images",), name).notes[0], name


def test_the_files_of_the_set_itself_are_not_ones_own(here, monkeypatch):
    documents(here / "digits")
    monkeypatch.setenv("DEEPCANON_DATA", str(here))
    assert len(open_data(("images", "documents"), "digits")["train"]) == 1437


def test_a_name_that_is_only_here_is_no_set_of_the_catalogue(here):
    documents(here / "mine")
    assert check(("documents",), "catalogue:mine").problems


def test_a_path_without_a_recipe_names_the_recipes_that_read_it(here, capsys):
    documents(here / "mine")
    assert "documents" in kinds_of("mine") and "images" not in kinds_of("mine")
    assert main(["data", "check", "mine"]) == 0
    said = capsys.readouterr().out
    assert "mine: documents" in said and "recipes that read documents: " in said and "naive-bayes" in said
    assert main(["data", "check", "mine", "--json"]) == 0
    found = {report["kind"]: report for report in json.loads(capsys.readouterr().out)}
    assert "replicated-softmax" in found["documents"]["recipes"]
    assert found["documents"]["facts"]["classes"] == ["a", "b"]


@pytest.mark.parametrize("spec", ["nothing-here", "a\0b", "empty"])
def test_what_no_recipe_reads_is_refused(here, capsys, spec):
    (here / "empty").mkdir()
    assert main(["data", "check", spec]) == 2
    assert "recipe" in capsys.readouterr().err


def test_options_of_a_check_belong_to_a_recipe(here, capsys):
    (here / "t.csv").write_text("a,b\n1,2\n3,4\n")
    assert main(["data", "check", "t.csv", "--target", "b"]) == 2
    assert "data check RECIPE t.csv" in capsys.readouterr().err


def test_check_takes_its_path_as_train_does(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.txt").write_text("to be or not to be, that is the question\n" * 40)
    assert main(["data", "check", "rnn-lm", "t.txt"]) == 0
    plain = capsys.readouterr().out
    assert main(["data", "check", "rnn-lm", "--data", "t.txt", "--valid-share", "0.2"]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0] == plain.splitlines()[0]
    assert "valid is the last 10%" in plain and "valid is the last 20%" in said
    assert main(["data", "get", "--data", "mnist"]) == 2
    assert "--data belongs to check" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["nothing", "sequences", "environment"])
def test_a_run_that_read_no_files_takes_none(here, kind):
    (here / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=f"learned from {kind} and takes no files"):
        read_inputs(kind, {}, ["t.csv"])


def test_a_folder_with_a_file_of_boxes_is_checked_as_that(here, capsys):
    (here / "own").mkdir()
    for number in range(8):
        Image.new("L", (20, 20), number).save(here / "own" / f"{number}.png")
    table = here / "own" / "boxes.csv"
    table.write_text("file,x,y,width,height,label\n" + "".join(f"{n}.png,1,1,9,9,cat\n" for n in range(8)))
    assert main(["data", "check", "own"]) == 0
    table.write_text("file,x,y,width,height,label\n0.png,1,1,9,99,cat\n1.png,1,1,9,9,cat\n")
    assert main(["data", "check", "own"]) == 2  # its pictures alone can be read
    out = capsys.readouterr().out
    assert "own: images" in out and "boxes.csv: line 2: " in out


def test_a_table_of_texts_is_no_error_because_it_is_no_table_of_numbers(here, capsys):
    rows = [f'"a film that is {["good", "bad"][n % 2]} and has number {n}",{["pos", "neg"][n % 2]}' for n in range(60)]
    (here / "reviews.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    assert main(["data", "check", "reviews.csv"]) == 0
    assert "1 problem" in capsys.readouterr().out


@pytest.mark.parametrize(("recipe", "data"), [("object-detection", "own"), ("convnet", "digits"), ("convnet", "mine/")])
def test_a_base_set_is_not_taken_in_silence_where_it_places_nothing(here, capsys, recipe, data):
    assert main(["train", recipe, "--data", data, "--base", "digits"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "--base is of canvas, cluttered-digits, multi-digits, rotated-digits, rts" in said
    assert f"has no effect on {data}: leave it out" in said
