"""Changelog fragments: each can be read, and a release moves them into the changelog."""

import importlib.util

import pytest

from contract.files import ROOT

SPEC = importlib.util.spec_from_file_location("assemble", ROOT / "changes" / "assemble.py")
assemble = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(assemble)

BEFORE = "# Changelog\n\n## Unreleased\n\nStands in `changes/`.\n\n## 0.1.0\n\nFirst release.\n"
AFTER = """# Changelog

## Unreleased

Stands in `changes/`.

## 0.2.0

New:

- One thing,
  in two lines.
- Another.

Changed, same numbers:

- Nothing to see.

## 0.1.0

First release.
"""


def test_every_fragment_can_be_read():
    for path in assemble.fragments(ROOT / "changes"):
        assemble.parse(path)


def test_nobody_writes_into_the_changelog_itself():
    section = assemble.PLACE.search((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))[0]
    assert "\n- " not in section, "give the change a file in changes/ (its README says how)"


def test_a_release_moves_the_fragments(tmp_path):
    (tmp_path / "README.md").write_text("# how\n")
    (tmp_path / "b.md").write_text("# neutral\n\n- Nothing to see.\n\n# new\n\n- Another.\n")
    (tmp_path / "a.md").write_text("# new\n\n- One thing,\n  in two lines.\n")
    changelog = tmp_path / "CHANGELOG.txt"
    changelog.write_text(BEFORE)
    assemble.release("0.2.0", changelog, tmp_path)
    assert changelog.read_text() == AFTER
    assert [path.name for path in tmp_path.glob("*.md")] == ["README.md"]
    with pytest.raises(ValueError, match="no fragment"):
        assemble.release("0.3.0", changelog, tmp_path)
    (tmp_path / "c.md").write_text("# new\n\n- A third.\n")
    with pytest.raises(ValueError, match=r"one of 0\.2\.0 already"):
        assemble.release("0.2.0", changelog, tmp_path)


@pytest.mark.parametrize("text", ["", "- no heading\n", "# novel\n\n- x\n", "# new\n\nno list\n", "# new\n\n-\n"])
def test_a_fragment_that_says_nothing_is_refused(text, tmp_path):
    (tmp_path / "bad.md").write_text(text)
    with pytest.raises(ValueError, match=r"bad\.md"):
        assemble.parse(tmp_path / "bad.md")
