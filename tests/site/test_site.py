"""The site: every system has a page, equations and code are linked both ways, and what is checked of it can fail."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs" / "site"))

import check
import front
import listing
import pages

from deepcanon import heads

FILES = sorted(
    path
    for subject in pages.SUBJECTS
    for path in (ROOT / "deepcanon" / subject).glob("*.py")
    if path.name != "__init__.py"
)


def test_every_system_and_every_recipe_has_a_page():
    wanted = {path.stem for path in FILES} | {path.stem for path in (ROOT / "deepcanon" / "recipes").glob("[a-z]*.py")}
    assert set(pages.stems()) == wanted


def test_a_page_says_how_to_train_and_what_was_measured():
    text = pages.page("attention")
    assert text.startswith("# attention\n\n**Sequence to sequence with attention")
    assert "deepcanon train attention --data my-pairs.tsv" in text
    assert "`deepcanon verify attention --run aligned`" in text
    assert "[arXiv:1409.0473](https://arxiv.org/abs/1409.0473)" in text
    row = next(row for row in heads.record("attention")["verify"]["targets"] if row["metric"] == "test/bleu")
    assert f"{row['value']:.5g}" in text and row["verdict"] in text
    assert "| `--score` | `additive` |" in text
    assert "### Reading the data" in text and text.index("### Training") < text.index("### Reading the data")


def test_a_technique_leads_to_what_shows_it_and_back():
    assert pages.neighbours("softmax_temperature") == ["softmax_regression"]
    assert "softmax_temperature" in pages.neighbours("softmax_regression")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_numbers_lead_to_lines_and_back(path):
    source = listing.read(path)
    shown, where = listing.beside(source), listing.places(source)
    ids = re.findall(r'id="([^"]+)"', shown)
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in re.findall(r'href="(#[^"]+)"', shown)} <= set(ids)
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, named in where.items():
        assert f'id="eq-{number}"'.replace("'", "-prime") in shown
        for at in named:
            assert number.rstrip("'") in lines[at - 1] or " to (" in lines[at - 1]
    assert source.papers and source.equations


def test_the_line_of_an_equation_is_the_one_that_says_so():
    source = listing.read(ROOT / "deepcanon" / "sequence" / "lstm.py")
    lines = (ROOT / "deepcanon" / "sequence" / "lstm.py").read_text(encoding="utf-8").splitlines()
    assert [lines[at - 1].strip() for at in listing.places(source)["3"]] == ["# (3)"]
    assert listing.numbers_in("# (3) to (5), and (7a)") == ["3", "4", "5", "7a"]
    assert listing.number_of("    y = x     (2')") == "2'" and listing.number_of("by (2) and (3)") == ""


def test_text_stays_text():
    assert pages.md("a < b | c_d * *e* [f]") == r"a \< b \| c\_d \* \*e\* \[f\]"
    assert pages.prose("use ``--top-k`` of\narXiv:1805.04833") == (
        "use `--top-k` of [arXiv:1805.04833](https://arxiv.org/abs/1805.04833)"
    )


def test_the_gallery_and_the_table_hold_all():
    gallery, table = front.gallery(), front.results()
    cards = re.findall(r'<a href="systems/(\w+)\.html">', gallery)
    assert sorted(cards) == pages.stems()
    rows = [
        row
        for path in (ROOT / "docs" / "results").glob("*.json")
        for row in json.loads(path.read_text(encoding="utf-8")).get("verify", {}).get("targets", ())
    ]
    assert table.count("<tr>") == len(rows) + 1 > 100
    assert sum(row["verdict"] == "missed" for row in rows) == table.count('class="verdict missed"') > 0


def test_pictures_say_what_is_seen_and_how_they_were_made():
    for path in pages.PICTURES.glob("*.json"):
        about = json.loads(path.read_text(encoding="utf-8"))
        picture = pages.picture_of(path.stem)
        assert picture and picture.stat().st_size < 100_000 and len(about["caption"]) > 20
        assert about["command"] == f"deepcanon train {path.stem.replace('_', '-')}"
        assert f":alt: {about['caption']}" in pages.page(path.stem)


@pytest.mark.parametrize(
    "page, said",
    [
        ('<a href="gone.html">x</a>', "gone.html leads nowhere"),
        ('<a href="other.html#there">x</a>', "other.html#there names no place of that page"),
        ('<a href="#here">x</a>', "#here names no place"),
        ('<img src="other.html">', "has no alt text"),
        ('<p id="a"><p id="a">', "the id a occurs twice"),
        ('<script src="https://example.org/x.js"></script>', "script is loaded from example.org"),
        ('<a href="other.html"><span></span></a>', "a link has no words"),
        ('<input type="search" id="q"><label for="r">Find</label>', "the control 'q' has no label"),
        ("<h1>Again</h1>", "2 h1 elements"),
        ("<svg><title>a circle</title></svg>", ""),
        ('<input type="search" id="q"><label for="q">Find</label><label>Kind <select></select></label>', ""),
        ('<a href="other.html#place">x</a><a href="https://arxiv.org/abs/1">y</a>', ""),
        ('<a href="other.html"><img src="other.html" alt="a map"></a>', ""),
    ],
)
def test_the_check_finds_faults(tmp_path, page, said):
    whole = '<html lang="en"><title>t</title><h1>h</h1>{}</html>'
    (tmp_path / "other.html").write_text(whole.format('<p id="place">'), encoding="utf-8")
    (tmp_path / "index.html").write_text(whole.format(page), encoding="utf-8")
    check.read.cache_clear()
    found = check.faults(tmp_path)
    assert found == [] if not said else said in found[0]


def test_a_page_without_a_language_is_a_fault(tmp_path):
    (tmp_path / "index.html").write_text("<html><title>t</title><h1>h</h1></html>", encoding="utf-8")
    check.read.cache_clear()
    assert check.faults(tmp_path) == ["index.html: the page does not say its language"]
