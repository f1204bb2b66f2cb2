"""`checksums.json`: a changed file is noticed, a file that was being replaced at a kill is not taken for changed."""

import json

import pytest

from deepcanon.engine import checkpoint, checksums


class Killed(Exception):
    pass


@pytest.mark.parametrize("moment", range(4))
def test_a_kill_while_a_file_is_replaced_leaves_it_known(tmp_path, monkeypatch, moment):
    checksums.write_checked(tmp_path / "config.json", "old")
    write, left = checkpoint.write_text, [moment]

    def until_killed(path, text):
        if not left[0]:
            raise Killed
        left[0] -= 1
        write(path, text)

    monkeypatch.setattr(checkpoint, "write_text", until_killed)
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


def test_files_are_known_one_by_one(tmp_path):
    checksums.write_checked(tmp_path / "data.json", "{}")
    checksums.write_checked(tmp_path / "config.json", "{}")
    (tmp_path / "data.json").unlink()
    (said,) = checksums.differences(tmp_path).values()
    assert "data.json cannot be read" in said
    assert all(isinstance(digest, str) for digest in json.loads((tmp_path / checksums.FILE).read_text()).values())


def test_without_checksums_nothing_can_be_told(tmp_path):
    (said,) = checksums.differences(tmp_path).values()
    assert "cannot be told" in said
