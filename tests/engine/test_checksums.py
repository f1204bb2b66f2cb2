"""`checksums.json`: a changed file is noticed, a file that was being replaced at a kill is not taken for changed."""

import contextlib
import json

import pytest

from deepcanon.engine import checkpoint, checksums


class Killed(Exception):
    pass


def until_killed(monkeypatch, writes):
    """So many files are still written."""
    write, left = checkpoint.write_text, [writes]

    def counted(path, text):
        if not left[0]:
            raise Killed
        left[0] -= 1
        write(path, text)

    monkeypatch.setattr(checkpoint, "write_text", counted)


@pytest.mark.parametrize("moment", range(4))
def test_a_kill_while_a_file_is_replaced_leaves_it_known(tmp_path, monkeypatch, moment):
    checksums.write_checked(tmp_path / "config.json", "old")
    until_killed(monkeypatch, moment)
    try:
        checksums.write_checked(tmp_path / "config.json", "new")
    except Killed:
        assert moment < 3
    assert (tmp_path / "config.json").read_text() == ("old" if moment < 2 else "new")
    assert not checksums.differences(tmp_path)
    monkeypatch.undo()
    checksums.write_checked(tmp_path / "config.json", "newest")
    (tmp_path / "config.json").write_text("old")
    (said,) = checksums.differences(tmp_path).values()
    assert "config.json was changed" in said, "what it held before is no longer known"


@pytest.mark.parametrize("moment", range(4))
def test_a_kill_while_a_file_is_new_leaves_it_known_too(tmp_path, monkeypatch, moment):
    checksums.write_checked(tmp_path / "data.json", "{}")
    until_killed(monkeypatch, moment)
    with contextlib.suppress(Killed):
        checksums.write_checked(tmp_path / "config.json", "new")
    monkeypatch.undo()
    assert (tmp_path / "config.json").exists() == (moment > 1)
    assert not checksums.differences(tmp_path)
    (tmp_path / "config.json").write_text("other")
    if moment:
        (said,) = checksums.differences(tmp_path).values()
        assert "config.json was changed" in said
    checksums.write_checked(tmp_path / "config.json", "newest")
    assert not checksums.differences(tmp_path)
    (tmp_path / "config.json").unlink()
    (said,) = checksums.differences(tmp_path).values()
    assert "config.json cannot be read" in said


def test_a_file_of_an_older_run_is_known_while_it_is_replaced(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text("old")
    until_killed(monkeypatch, 1)
    with pytest.raises(Killed):
        checksums.write_checked(tmp_path / "config.json", "new")
    assert not checksums.differences(tmp_path)


def test_files_are_known_one_by_one(tmp_path):
    checksums.write_checked(tmp_path / "data.json", "{}")
    checksums.write_checked(tmp_path / "config.json", "{}")
    (tmp_path / "data.json").unlink()
    (said,) = checksums.differences(tmp_path).values()
    assert "data.json cannot be read" in said
    assert all(isinstance(digest, str) for digest in json.loads((tmp_path / checksums.FILE).read_text()).values())


def test_without_checksums_nothing_can_be_told(tmp_path):
    (said,) = checksums.differences(tmp_path).values()
    assert "cannot tell whether" in said
