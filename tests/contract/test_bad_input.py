"""What nothing can be learned from: one line that says why, exit code 2, and no folder left behind."""

import fcntl
import json
import re

import numpy as np
import pytest
from PIL import Image

from deepcanon import cli

ROWS = np.random.default_rng(0).normal(size=(40, 3))


def table(folder, rows):
    lines = [",".join(map(str, row)) for row in rows]
    (folder / "t.csv").write_text("\n".join(["a,b,c,y", *lines]) + "\n")
    return folder / "t.csv"


def numbers(change):
    """A table whose inputs were changed, with a number to predict."""

    def make(folder):
        rows = change(ROWS.copy())
        return table(folder, np.column_stack([rows, rows[:, 0] + np.arange(len(rows))]).tolist())

    return make


def classes(change):
    """The same with a class."""

    def make(folder):
        rows = change(ROWS.copy()).tolist()
        return table(folder, [[*row, "uv"[i % 2]] for i, row in enumerate(rows)])

    return make


def images(pixels, each=12):
    def make(folder):
        for c in "uv":
            (folder / "images" / c).mkdir(parents=True)
            for i in range(each):
                Image.fromarray(pixels(i).astype(np.uint8)).save(folder / "images" / c / f"{i}.png")
        return folder / "images"

    return make


def documents(*texts):
    def make(folder):
        for c in "uv":
            (folder / "documents" / c).mkdir(parents=True)
            for i, text in enumerate(texts):
                (folder / "documents" / c / f"{i}.txt").write_text(text)
        return folder / "documents"

    return make


def text(content):
    def make(folder):
        (folder / "t.txt").write_text(content)
        return folder / "t.txt"

    return make


def constant(x):
    x[:, 1] = 7.1
    return x


def doubled(x):
    x[:, 2] = 2 * x[:, 0]
    return x


def holed(x):
    x[5, 1] = np.nan
    return x


def grey(i):
    return np.full((9, 9), 100)


REFUSED = [
    ("linear-regression", numbers(constant), r"constant features \(columns 1\)"),
    ("linear-regression", numbers(doubled), "depend linearly on each other"),
    ("linear-regression", numbers(lambda x: x[:3]), "do not determine 3 weights"),
    ("linear-regression", numbers(holed), "(?i)nan|finite|missing|not a number"),
    ("pca", numbers(lambda x: x[:1]), "two training examples"),
    ("ica", numbers(lambda x: x[:2]), "do not differ"),
    ("tsne", numbers(lambda x: x[:2]), "t-SNE needs three"),
    ("tsne", numbers(lambda x: x[:9]), "--perplexity"),
    ("sparse-coding", images(grey), "do not vary"),
    ("sparse-autoencoder", images(grey), "do not vary"),
    ("naive-bayes", images(grey), "is constant in a class"),
    ("naive-bayes", classes(lambda x: 0 * x), "is constant in a class"),
    ("naive-bayes", documents("a film", ""), "is empty; give each document a text"),
    ("replicated-softmax", documents("a film", " "), "is empty; give each document a text"),
    ("replicated-softmax", documents("film", "film film"), "two different words"),
    ("word2vec", text("a b c\n"), "give a longer text"),
    ("word2vec", text(""), "(?i)empty"),
]


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def train(capsys, *words):
    code = cli.main(["train", *words, "--preset", "smoke", "--out", "run", "--threads", "1"])
    return code, capsys.readouterr().err.strip().splitlines()


@pytest.mark.parametrize(("name", "make", "said"), REFUSED)
def test_it_is_refused_and_nothing_stays(name, make, said, tmp_path, capsys):
    code, lines = train(capsys, name, "--data", str(make(tmp_path)))
    assert code == 2, lines
    assert lines[-1].startswith("deepcanon: ")
    assert re.search(said, lines[-1]), lines[-1]
    assert not (tmp_path / "run").exists()


def test_a_folder_that_another_process_trains_in_is_not_removed(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    with open(tmp_path / "run" / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        code, lines = train(capsys, "pca", "--data", str(numbers(lambda x: x)(tmp_path)))
    assert code == 2 and "another process is training" in lines[-1]
    assert (tmp_path / "run" / ".lock").exists()


ACCEPTED = [
    ("pca", numbers(constant)),  # a direction without variance
    ("pca", numbers(lambda x: x[:5])),  # fewer samples than components
    ("pca", numbers(doubled)),  # a singular covariance
    ("ica", numbers(doubled)),
    ("rica", numbers(doubled)),
    ("naive-bayes", classes(constant)),  # the smoothing gives it a variance
    ("replicated-softmax", documents(*10 * ["a good film", "a bad film"], *(5 * ["."]))),  # no word is known
    ("naive-bayes", documents(*10 * ["a good film", "a bad film"], *(5 * ["."]))),
]


@pytest.mark.parametrize(("name", "make"), ACCEPTED)
def test_it_trains_and_all_figures_are_finite(name, make, tmp_path, capsys):
    code, lines = train(capsys, name, "--data", str(make(tmp_path)))
    assert code == 0, lines
    metrics = json.loads((tmp_path / "run" / "status.json").read_text())["metrics"]
    assert np.isfinite(list(metrics.values())).all(), metrics


def test_a_word_that_never_occurs_counts_in_the_coverage_only(tmp_path, capsys):
    words = text("the cat sat on the mat . a dog sat on a log .\n" * 40)(tmp_path)
    (tmp_path / "pairs.csv").write_text("cat,dog,7\nmat,log,6\nsat,on,1\ncat,unicorn,5\n")
    options = ("--data", str(words), "--similarities", str(tmp_path / "pairs.csv"))
    code, lines = train(capsys, "word2vec", *options)
    assert code == 0, lines
    metrics = json.loads((tmp_path / "run" / "status.json").read_text())["metrics"]
    assert metrics["valid/similarity_coverage"] == pytest.approx(3 / 4)
