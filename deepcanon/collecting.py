"""When Python's garbage collector has nothing to find: at imports, and while many answers are made.

A collection examines recent objects, a full one all objects: 0.1 CPU seconds with torch loaded. It is
due after so many objects were made and kept, whether or not one of them is garbage.
"""

import contextlib
import gc
import sys
from collections.abc import Iterator

__all__ = ["heavy_imports", "without_collection"]


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Inside this context nothing is collected; for short work that makes many objects and keeps them all."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def heavy_imports() -> Iterator[None]:
    """The same for the imports of a command: objects that exist at their end are never examined again.

    Where torch is there already (a program that calls the command line) it does nothing: its objects are not ours.
    """
    if "torch" in sys.modules:
        yield
        return
    with without_collection():
        yield
        gc.freeze()
