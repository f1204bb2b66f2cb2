"""The SHA-256 of a file, read in pieces."""

import gzip
import hashlib
from pathlib import Path

__all__ = ["digest"]


def digest(path: Path, *, unpack: bool = False, limit: int | None = None) -> str:
    """The SHA-256 of the file, or of what it unpacks to; stops past `limit` bytes."""
    state, left = hashlib.sha256(), limit
    with gzip.open(path, "rb") if unpack else open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            state.update(block)
            if left is not None and (left := left - len(block)) < 0:
                break
    return state.hexdigest()
