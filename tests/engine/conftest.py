"""Fixtures of the engine's tests."""

import os
import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def in_memory(tmp_path):
    """A folder, in memory where that can be had: a killed process loses nothing that it wrote, flushed or not."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        yield Path(name)
