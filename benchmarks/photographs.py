"""The JPEG files of BSDS500's training pictures, for scripts that read folders of images."""

import tarfile

from deepcanon.data import published

__all__ = ["photographs"]


def photographs() -> list[bytes]:
    """Their bytes, sorted by name."""
    (archive,) = published.get("bsds500").values()
    with tarfile.open(archive) as files:
        names = sorted(name for name in files.getnames() if name.endswith(".jpg"))
        return [files.extractfile(name).read() for name in names]
