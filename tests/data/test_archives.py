"""Archives are read in memory by exact name: traversal, links, bombs and crowds are refused, nothing is written."""

import gzip
import io
import tarfile
import zipfile

import pytest

from deepcanon.data import archives
from deepcanon.data.errors import DataError


def tgz(path, *members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind == tarfile.REGTYPE:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.linkname = content.decode()
                archive.addfile(info)
    return path


FILE = tarfile.REGTYPE


def test_members_are_read_by_exact_name(tmp_path):
    path = tgz(tmp_path / "a.tgz", ("../x", b"no", FILE), ("/x", b"no", FILE), ("X", b"no", FILE), ("x", b"yes", FILE))
    assert archives.read_member(path, "x") == b"yes"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, content in (("../x", "no"), ("X", "no"), ("x", "yes")):
            archive.writestr(name, content)
    assert archives.read_member(tmp_path / "a.zip", "x") == b"yes"
    assert archives.member_names(tmp_path / "a.zip") == ["../x", "X", "x"]
    with pytest.raises(DataError, match="has no member y"):
        archives.read_member(path, "y")
    with pytest.raises(DataError, match="has no member y"):
        archives.read_member(tmp_path / "a.zip", "y")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tgz", "a.zip"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    for target in (b"/etc/hostname", b"../../x", b""):
        path = tgz(tmp_path / "a.tgz", ("x", target, kind))
        with pytest.raises(DataError):
            archives.read_member(path, "x")


def test_bombs_stop_at_the_limit(tmp_path):
    path = tgz(tmp_path / "a.tgz", ("big", b"\0" * 5_000_000, FILE), ("x", b"yes", FILE))
    with pytest.raises(DataError, match="more than the limit"):
        archives.read_member(path, "x", limit=1_000_000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", b"\0" * 5_000_000)
    with pytest.raises(DataError, match="unpacks to 5000000 bytes"):
        archives.read_member(tmp_path / "a.zip", "x", limit=1_000_000)
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"\0" * 5_000_000))
    with pytest.raises(DataError, match="more than the limit"):
        archives.read_bytes(tmp_path / "a.gz", limit=1_000_000)


def test_a_long_pax_header_is_counted(tmp_path):
    with tarfile.open(tmp_path / "a.tgz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("x")
        info.pax_headers = {"comment": "a" * 3_000_000}
        archive.addfile(info)
    with pytest.raises(DataError, match="more than the limit"):
        archives.read_member(tmp_path / "a.tgz", "x", limit=1_000_000)


def test_crowds_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 10)
    path = tgz(tmp_path / "a.tgz", *((f"m{i}", b"", FILE) for i in range(11)), ("x", b"yes", FILE))
    with pytest.raises(DataError, match="more than 10 members"):
        archives.read_member(path, "x")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for i in range(11):
            archive.writestr(f"m{i}", "")
    with pytest.raises(DataError, match="more than 10"):
        archives.member_names(tmp_path / "a.zip")


def test_every_truncation_is_one_line(tmp_path):
    whole = tgz(tmp_path / "a.tgz", ("x", bytes(range(256)) * 4, FILE)).read_bytes()
    for length in range(len(whole) - 8):
        (tmp_path / "b.tgz").write_bytes(whole[:length])
        try:
            assert archives.read_member(tmp_path / "b.tgz", "x") == bytes(range(256)) * 4
        except DataError as error:
            assert str(error).isprintable() and "b.tgz" in str(error)
