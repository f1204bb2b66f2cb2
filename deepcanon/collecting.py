"""When Python's garbage collector has nothing to find: at imports, and while many answers are made.

A collection looks through what was made lately, a full one through everything: 0.1 CPU seconds with torch loaded. It is
due after so many objects were made and kept, whether or not one of them is garbage.
"""

import contextlib
import gc
import sys
from collections.abc import Iterator

__all__ = ["heavy_imports", "without_collection"]


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Within it nothing is collected; for work that makes many objects, keeps them all, and ends soon."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def heavy_imports() -> Iterator[None]:
    """The same for the imports of a command: what was made by their end is never looked through again.

    Where torch is there already (a program that calls the command line) it does nothing: its objects are not ours.
    """
    if "torch" in sys.modules:
        yield
        return
    with without_collection():
        yield
        gc.freeze()
