"""Downloads against a server that breaks off, has no ranges, fails and lies: whole and checked, or one line."""

import contextlib
import hashlib
import http.server
import random
import threading

import pytest

from deepcanon.data import catalogue, download, published
from deepcanon.data.errors import DataError

BODY = random.Random(0).randbytes(200_000)
SHA = hashlib.sha256(BODY).hexdigest()


class Faulty(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        plan = self.server.plan
        plan.requests.append(self.headers.get("Range"))
        if plan.failures:
            code = plan.failures.pop(0)
            self.send_response(code)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = 0
        asked = self.headers.get("Range")
        if asked and plan.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(plan.body):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            said = start + plan.lie
            self.send_header("Content-Range", f"bytes {said}-{len(plan.body) - 1}/{len(plan.body)}")
        else:
            self.send_response(200)
        data = plan.body[start:]
        if plan.length:
            self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        if plan.breaks:
            data = data[: max(plan.breaks.pop(0) - start, 0)]
        self.wfile.write(data)
        self.close_connection = True


class Plan:
    def __init__(self, body=BODY, ranges=True, failures=(), breaks=(), length=True, lie=0):
        self.body, self.ranges, self.length, self.lie = body, ranges, length, lie
        self.failures, self.breaks, self.requests = list(failures), list(breaks), []


@contextlib.contextmanager
def serving(plan):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Faulty)
    server.plan = plan
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/file.bin"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.001)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("DEEPCANON_OFFLINE", raising=False)


def fetch(plan, folder, sha=SHA, size=len(BODY)):
    target = folder / "set" / "file.bin"
    with serving(plan) as url:
        return download.fetch(url, target, sha, size)


OFFSETS = [0, 1, 2, 1023, 65535, 65536, 65537, 131072, 199_998, 199_999]


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("offset", OFFSETS + [7919 * k for k in range(1, 11)])
def test_a_broken_connection_is_resumed(tmp_path, offset, ranges):
    plan = Plan(ranges=ranges, breaks=[offset])
    path = fetch(plan, tmp_path)
    assert path.read_bytes() == BODY
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]
    assert plan.requests == [None, f"bytes={offset}-" if offset else None]


def test_twenty_breaks_in_one_download(tmp_path):
    plan = Plan(breaks=[9_500 * k for k in range(1, 21)])
    assert fetch(plan, tmp_path).read_bytes() == BODY
    assert len(plan.requests) == 21


def test_what_an_earlier_process_left_is_used_only_if_it_is_right(tmp_path):
    part = tmp_path / "set" / "file.bin.part"
    part.parent.mkdir()
    part.write_bytes(BODY[:50_000])
    plan = Plan()
    assert fetch(plan, tmp_path).read_bytes() == BODY and plan.requests == ["bytes=50000-"]
    for left in (b"x" * 50_000, BODY + b"more", BODY):
        (tmp_path / "set" / "file.bin").unlink()
        part.write_bytes(left)
        assert fetch(Plan(), tmp_path).read_bytes() == BODY
        assert not part.exists()


@pytest.mark.parametrize("failures", [[500], [503, 502, 500], [429, 408]])
def test_passing_failures_of_the_server_are_tried_again(tmp_path, failures):
    assert fetch(Plan(failures=failures), tmp_path).read_bytes() == BODY


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Plan(failures=[500] * 50), "answers 500"),
        (Plan(failures=[404]), "answers 404"),
        (Plan(body=BODY[:-1] + b"?"), "SHA-256"),
        (Plan(body=BODY[:1000]), "SHA-256"),
        (Plan(body=BODY + b"more"), "more than the published"),
        (Plan(breaks=[0] * 50), "ended after 0 bytes"),
        (Plan(breaks=[100] * 50, lie=5), "another range"),
        (Plan(body=b"", length=False), "ended after 0 bytes"),
    ],
)
def test_what_cannot_be_had_is_one_line_and_never_a_file(tmp_path, plan, said):
    with pytest.raises(DataError) as error:
        fetch(plan, tmp_path)
    text = str(error.value)
    assert said in text and "\n" not in text
    assert "file.bin" in text and "http://" in text and "DEEPCANON_DATA" in text
    assert [p.name for p in (tmp_path / "set").glob("*")] in ([], ["file.bin.part"])
    assert (tmp_path / "set").exists() == (tmp_path / "set" / "file.bin.part").exists()


def test_two_processes_ask_once(tmp_path):
    plan = Plan()
    target = tmp_path / "set" / "file.bin"
    with serving(plan) as url:
        threads = [threading.Thread(target=download.fetch, args=(url, target, SHA, len(BODY))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert target.read_bytes() == BODY and len(plan.requests) == 1


# ---------------------------------------------------------------------------------------- where sets are found


@pytest.fixture
def small_set(tmp_path, monkeypatch):
    """A set of one file in the catalogue, with DEEPCANON_DATA and the cache in tmp_path."""
    file = catalogue.File("file.bin", "http://127.0.0.1:9/file.bin", SHA, len(BODY))
    entry = catalogue.Entry("small", "text", "for this test", "none", (file,))
    monkeypatch.setitem(catalogue.ENTRIES, "small", entry)
    monkeypatch.setenv("DEEPCANON_DATA", f"{tmp_path / 'a'}:{tmp_path / 'b'}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return file


def test_the_named_folders_come_first_then_the_cache(tmp_path, small_set):
    assert published.where("small") == {small_set: None}
    cached = tmp_path / "cache" / "deepcanon" / "small" / "file.bin"
    for path in (cached, tmp_path / "b" / "small" / "file.bin", tmp_path / "a" / "small" / "file.bin"):
        path.parent.mkdir(parents=True)
        path.write_bytes(BODY)
        assert published.where("small") == {small_set: path}
        assert published.get("small") == {"file.bin": path}


def test_a_gzipped_copy_of_a_plain_file_counts(tmp_path, small_set):
    import gzip

    path = tmp_path / "a" / "small" / "file.bin.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(BODY))
    assert published.get("small") == {"file.bin": path}
    path.write_bytes(gzip.compress(BODY)[:-100])
    with pytest.raises(DataError, match="cannot be read"):
        published.get("small")


def test_another_file_under_the_name_is_refused(tmp_path, small_set):
    path = tmp_path / "a" / "small" / "file.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(BODY[:-1])
    with pytest.raises(DataError, match="is not the published file") as error:
        published.get("small")
    assert str(path) in str(error.value)


def test_offline_names_the_file_the_address_and_the_place(tmp_path, small_set, monkeypatch):
    for offline in ("1", ""):  # forbidden, and nobody listening
        monkeypatch.setenv("DEEPCANON_OFFLINE", offline)
        with pytest.raises(DataError) as error:
            published.get("small")
        text = str(error.value)
        assert "small/file.bin" in text and small_set.url in text and "\n" not in text
        assert str(tmp_path / "cache" / "deepcanon" / "small" / "file.bin") in text
        assert not list((tmp_path / "cache").rglob("file.bin*"))


def test_a_download_lands_in_the_cache_and_reports_on_stderr(tmp_path, small_set, monkeypatch, capsys):
    with serving(Plan()) as url:
        file = catalogue.File("file.bin", url, SHA, len(BODY))
        monkeypatch.setitem(catalogue.ENTRIES, "small", catalogue.Entry("small", "text", "", "", (file,)))
        paths = published.get("small")
    assert paths["file.bin"] == tmp_path / "cache" / "deepcanon" / "small" / "file.bin"
    captured = capsys.readouterr()
    assert captured.out == "" and "download file.bin" in captured.err


def test_the_catalogue_is_whole():
    for name, entry in catalogue.ENTRIES.items():
        assert name == entry.name and entry.summary and entry.licence
        for file in entry.files:
            assert file.url.startswith("https://") and file.name.endswith(file.url.rsplit("/", 1)[1])
            assert len(file.sha256) == 64 and file.size > 0
    with pytest.raises(DataError, match="there is no data set nothing"):
        published.get("nothing")


def test_an_address_of_another_scheme_is_never_opened(tmp_path):
    with pytest.raises(ValueError, match="only http"):
        download.fetch("file:///etc/hostname", tmp_path / "x", SHA, 1)


def test_on_a_terminal_there_is_a_bar(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert fetch(Plan(breaks=[70_000]), tmp_path).read_bytes() == BODY
    captured = capsys.readouterr()
    assert "file.bin" in captured.err and captured.out == ""
