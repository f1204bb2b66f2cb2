"""Rows on disk: whole or not there, damage noticed, one writer at a time, bounded, and no room is said."""

import fcntl
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from deepcanon.data import cache
from deepcanon.data.errors import DataError

COUNT, SHAPE = 20, (3, 5)
VALUES = np.random.default_rng(0).integers(0, 1 << 16, (COUNT, *SHAPE)).astype(np.int32)
KEY = cache.key_of("test", [1, 2])


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPCANON_CACHE", str(tmp_path / "rows"))
    return tmp_path / "rows"


def make(writer):
    for row in reversed(range(COUNT)):
        writer.write(row, VALUES[row])
    return {"sums": VALUES.sum((1, 2))}, {"words": ["ä"]}


def never(writer):
    raise AssertionError("it is there")


def kept(make=make, key=KEY, said=None):
    lines = [] if said is None else said
    return cache.kept(key, COUNT, SHAPE, np.int32, make, lines.append)


def test_rows_are_made_once_and_read_as_written(place):
    store, made = kept()
    assert made and len(store) == COUNT and store.nbytes == VALUES.nbytes
    again, made = kept(never)
    assert not made and again.about == {"words": ["ä"]} and again.path == place / f"{KEY}.rows"
    assert np.array_equal(again.read([7, 0, 7]), VALUES[[7, 0, 7]]) and again.read([]).shape == (0, *SHAPE)
    assert np.array_equal(again.extras["sums"], VALUES.sum((1, 2)))
    assert [p.name for p in place.iterdir()] == [f"{KEY}.rows"]
    assert cache.key_of("test", [1, 3]) != KEY


@pytest.mark.parametrize("kind", ["cut", "empty", "footer", "tail", "longer", "other"])
def test_a_damaged_file_is_made_again(place, kind):
    path = kept()[0].path
    content = bytearray(path.read_bytes())
    if kind == "other":
        path.rename(place / f"{cache.key_of('x')}.rows")
        said: list[str] = []
        assert kept(key=cache.key_of("x"), said=said)[1] and said
        return
    content = {
        "cut": content[:-1], "empty": b"", "footer": content[:1300] + b"?" + content[1301:],
        "tail": content[:-1] + b"?", "longer": content + b"?",
    }[kind]  # fmt: skip
    path.write_bytes(content)
    said = []
    store, made = kept(said=said)
    assert made and len(said) == 1 and "made again" in said[0] and str(path) in said[0]
    assert np.array_equal(store.read(range(COUNT)), VALUES)


def test_a_damaged_row_is_noticed_and_mended():
    store, _ = kept()
    content = bytearray(store.path.read_bytes())
    content[3 * store.row_bytes + 5] ^= 1
    store.path.write_bytes(content)
    store, _ = kept(never)
    assert np.array_equal(store.read([2]), VALUES[[2]])
    with pytest.raises(cache.Damaged) as error:
        store.read([2, 3])
    assert error.value.row == 3
    assert not store.mend(3, VALUES[4]) and store.mend(3, VALUES[3])
    assert np.array_equal(kept(never)[0].read(range(COUNT)), VALUES)


def test_a_file_that_is_cut_while_it_is_read_gives_an_error_and_no_signal():
    store, _ = kept()
    os.truncate(store.path, 4 * store.row_bytes + 1)
    assert np.array_equal(store.read([3]), VALUES[[3]])
    with pytest.raises(cache.Damaged):
        store.read([4])


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, OSError])
def test_what_is_interrupted_leaves_nothing(place, error):
    def interrupted(writer):
        writer.write(0, VALUES[0])
        raise error

    with pytest.raises(cache.NotKept if error is OSError else error):
        kept(interrupted)
    assert list(place.iterdir()) == []
    assert kept()[1]


SCRIPT = """
import sys, time, numpy as np
from deepcanon.data import cache
def make(writer):
    for row in range(19):
        writer.write(row, np.full((3, 5), row, np.int32))
    print("half", flush=True)
    time.sleep(60)
cache.kept(sys.argv[1], 20, (3, 5), np.int32, make, print)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_writer_leaves_nothing_that_is_used(place, number):
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, KEY], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout.readline() == b"half\n"
        said: list[str] = []
        busy = kept_by_another(place)
        child.send_signal(number)
        child.wait()
    assert busy and not (place / f"{KEY}.rows").exists()
    other = cache.key_of("another")
    assert kept(key=other, said=said)[1] and [p.name for p in place.iterdir()] == [f"{other}.rows"]
    assert np.array_equal(kept()[0].read(range(COUNT)), VALUES)


def kept_by_another(place):
    with open(next(place.glob(".tmp-*"))) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def build(place, queue, gate):
    os.environ["DEEPCANON_CACHE"] = str(place)

    def slow(writer):
        time.sleep(0.2)
        return make(writer)

    gate.wait()
    store, made = cache.kept(KEY, COUNT, SHAPE, np.int32, slow, lambda line: None)
    queue.put((made, bool(np.array_equal(store.read(range(COUNT)), VALUES))))


def test_of_several_processes_one_makes_the_rows_and_all_read_them(place):
    context = multiprocessing.get_context("fork")
    queue, gate = context.Queue(), context.Barrier(4)
    children = [context.Process(target=build, args=(place, queue, gate)) for _ in range(4)]
    for child in children:
        child.start()
    found = [queue.get(timeout=20) for _ in children]
    for child in children:
        child.join()
    assert sorted(made for made, _ in found) == [False, False, False, True] and all(right for _, right in found)
    assert [p.name for p in place.iterdir()] == [f"{KEY}.rows"]


def test_the_oldest_are_removed_for_a_new_one(monkeypatch, place):
    keys = [cache.key_of(n) for n in range(4)]
    size = kept(key=keys[0])[0].path.stat().st_size
    monkeypatch.setenv("DEEPCANON_CACHE_GIB", str(3.2 * size / cache.GIB))
    kept(key=keys[1])
    kept(key=keys[2])
    for age, key in enumerate(keys[:3]):
        os.utime(place / f"{key}.rows", (1000 + age, 1000 + age))
    reader, _ = kept(never, key=keys[0])  # used: now the newest
    kept(key=keys[3])
    assert {p.stem for p in place.iterdir()} == {keys[0], keys[2], keys[3]}
    (place / f"{keys[0]}.rows").unlink()
    assert np.array_equal(reader.read(range(COUNT)), VALUES)  # who reads it keeps it


def test_no_room_is_said_and_nothing_is_made(monkeypatch, place):
    monkeypatch.setenv("DEEPCANON_CACHE_GIB", "1e-7")
    with pytest.raises(cache.NotKept, match="more than the limit"):
        kept(never)
    monkeypatch.delenv("DEEPCANON_CACHE_GIB")
    usage = cache.shutil.disk_usage(place)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda path: usage._replace(free=usage.total // cache.ROOM + 10))
    with pytest.raises(cache.NotKept, match=r"has no room: 0\.00114 MiB are needed, 9\.54e-06 MiB free"):
        kept(never)

    def full(file, start, size):
        raise OSError(28, "No space left on device")

    monkeypatch.undo()
    monkeypatch.setenv("DEEPCANON_CACHE", str(place))
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(cache.NotKept, match="cannot be written"):
        kept(never)
    assert list(place.iterdir()) == []
    monkeypatch.setenv("DEEPCANON_CACHE", "off")
    with pytest.raises(cache.NotKept, match="is off"):
        kept(never)
    monkeypatch.setenv("DEEPCANON_CACHE_GIB", "much")
    with pytest.raises(DataError, match="not a number above 0"):
        cache.limit()


def test_a_folder_that_cannot_be_made_is_said(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("DEEPCANON_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(cache.NotKept, match="cannot be written"):
        kept(never)
