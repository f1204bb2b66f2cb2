"""The C library's allocator, told to keep freed memory for the next step.

glibc hands large blocks back to the kernel as they are freed, which gives them again at the next step, page by page and
filled with zeros: thousands of page faults a step for small networks. Whether it does depends on the state of the heap,
so that the same step runs at two speeds. When told to keep them, the process holds at most `kept_bytes` that are free,
where `give_back_more` is called now and then. Other C libraries are left as they are.

On Linux it also asks for huge pages under the part of the heap that comes next (madvise(2), MADV_HUGEPAGE): the maps of
a small network are larger than what the processor remembers the addresses of in pages of 4 KiB.
"""

import contextlib
import ctypes
import functools
import os
import resource
import sys

__all__ = ["give_back_more", "keep_freed_memory", "kept_bytes", "page_faults", "peak_bytes"]

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of mallopt, <malloc.h>
LARGEST = 256 << 20
"""Larger blocks go back to the kernel still: what is done with one takes much longer than to fault it in."""
HEAP = 128 << 20
"""Bytes of the heap that are to be on huge pages: more than a step of a small network takes."""
HUGE_PAGE, _MADV_HUGEPAGE = 2 << 20, 14  # <sys/mman.h>
MOST_KEPT = 1 << 30
SHARE = 8  # of the memory there is, at most an eighth is kept

_told = False
_most = 0  # that was told


def keep_freed_memory() -> bool:
    """Tells the allocator, once for the process; False where it is another C library's."""
    global _told, _most
    if _told:
        return True
    try:
        glibc = _library()
        glibc.gnu_get_libc_version  # noqa: B018  (only glibc has it)
        most = _most = kept_bytes()
        # Either threshold alone ends the adaptation of both, so the trim threshold comes first.
        _told = bool(glibc.mallopt(_TRIM_THRESHOLD, most)) and bool(
            glibc.mallopt(_MMAP_THRESHOLD, min(LARGEST, most // 2))
        )
        glibc.mallopt(_TOP_PAD, 16 << 20)  # memory is taken in larger pieces: fewer calls
        if _told:
            _ask_for_huge_pages(glibc, min(HEAP, most // 2))
    except (AttributeError, OSError, TypeError):
        return False
    return _told


def _ask_for_huge_pages(glibc: ctypes.CDLL, size: int) -> None:
    """Lets the kernel back the next `size` bytes of the heap by huge pages, where it gives them on request.

    The heap grows by one block, which is freed at once and stays with the heap. Nothing of it is resident before it is
    written to. Where there are no such pages, or the kernel gives them unasked, nothing changes.
    """
    glibc.malloc.restype = ctypes.c_void_p
    block = glibc.malloc(ctypes.c_size_t(size))
    if not block:
        return
    begin, end = -(-block // HUGE_PAGE) * HUGE_PAGE, (block + size) // HUGE_PAGE * HUGE_PAGE
    if end > begin:
        glibc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _MADV_HUGEPAGE)
    glibc.free(ctypes.c_void_p(block))


@functools.cache
def _library() -> ctypes.CDLL:
    """The C library; every handle on it makes a class of its own."""
    return ctypes.CDLL(None)


class _Info(ctypes.Structure):  # struct mallinfo2
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
    )]  # fmt: skip


def give_back_more() -> None:
    """Returns free memory to the kernel where there is more than `kept_bytes` of it: thresholds ignore it between used
    blocks."""
    if not _told or peak_bytes() <= _most:  # to ask for what is free takes a quarter of a millisecond
        return
    try:
        glibc = _library()
        glibc.mallinfo2.restype = _Info
        if glibc.mallinfo2().fordblks > _most:
            glibc.malloc_trim(ctypes.c_size_t(0))
    except AttributeError:  # before glibc 2.33
        return


def kept_bytes() -> int:
    """The most that is kept free: 1 GiB, or an eighth of the memory that this process may have."""
    limits = [MOST_KEPT * SHARE]
    with contextlib.suppress(AttributeError, OSError, ValueError):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        # there may be none, or it says "max"
        with contextlib.suppress(OSError, ValueError), open(path, encoding="ascii") as file:
            limits.append(int(file.read()))
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        limit = resource.getrlimit(kind)[0]
        if limit != resource.RLIM_INFINITY:
            limits.append(limit)
    return max(1 << 20, min(limits) // SHARE)


def page_faults() -> int:
    """Page faults of this process so far that needed no disk."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def peak_bytes() -> int:
    """The most memory that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10
