"""The allocator of the C library, in processes of their own: what it is told lasts as long as the process."""

import subprocess
import sys

import pytest

from deepcanon.engine import memory

STEP = """
import sys, torch
from deepcanon.engine import memory
if sys.argv[1] == "keep":
    assert memory.keep_freed_memory() and memory.keep_freed_memory()
torch.set_num_threads(1)
def step():
    for _ in range(4):
        torch.ones(12_000_000).add_(1)  # 48 MB, freed at once
for _ in range(3):
    step()
before = memory.page_faults()
for _ in range(10):
    step()
print(memory.page_faults() - before, memory.peak_bytes())
"""


def glibc():
    return hasattr(memory.ctypes.CDLL(None), "gnu_get_libc_version")


def measured(how, code=STEP):
    done = subprocess.run([sys.executable, "-c", code, how], check=True, capture_output=True, text=True)
    return [int(word) for word in done.stdout.split()]


@pytest.mark.skipif(not glibc(), reason="only glibc can be told")
def test_a_steady_step_faults_no_pages_in():
    assert measured("keep")[0] < 50 < 500 < measured("leave")[0]


@pytest.mark.skipif(not glibc(), reason="only glibc can be told")
def test_what_is_kept_is_bounded():
    code = (
        STEP.split("torch.set_num_threads")[0]
        + """
kept = memory.kept_bytes()
held = [torch.ones(8_000_000) for _ in range(kept // 32_000_000 + 20)]
del held
memory.give_back_more()
with open("/proc/self/statm") as file:
    print(int(file.read().split()[1]) * 4096 - kept)
"""
    )
    assert measured("keep", code)[0] < 600 << 20  # what torch itself takes


def huge_pages():
    """When Linux gives huge pages: "always", on request ("madvise"), "never"."""
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled", encoding="ascii") as file:
            return file.read().partition("[")[2].partition("]")[0]
    except OSError:
        return "never"


@pytest.mark.skipif(not glibc() or huge_pages() != "madvise", reason="no huge pages on request")
def test_the_heap_lies_on_huge_pages_and_takes_no_memory_before_it_is_used():
    code = """
import sys
from deepcanon.engine import memory

def kept(name):
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name)) << 10

import torch
before = kept("Rss:")
if sys.argv[1] == "keep":
    memory.keep_freed_memory()
taken = kept("Rss:") - before
before = kept("AnonHugePages:")
held = [torch.ones(1_000_000) for _ in range(16)]
print(taken, kept("AnonHugePages:") - before)
"""
    taken, huge = measured("keep", code)
    assert taken < 8 << 20 and huge > 32 << 20
    assert measured("leave", code)[1] < 16 << 20


def test_the_bound_follows_the_limits(monkeypatch):
    monkeypatch.setattr(memory.resource, "getrlimit", lambda kind: (800 << 20, 0))
    assert memory.kept_bytes() == 100 << 20
    monkeypatch.setattr(memory.resource, "getrlimit", lambda kind: (memory.resource.RLIM_INFINITY, 0))
    assert memory.kept_bytes() <= memory.MOST_KEPT


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(memory, "_told", False)
    monkeypatch.setattr(memory, "_library", object)
    assert memory.keep_freed_memory() is False
