import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from deepcanon.data import DataError, open_data, photographs, published


def archive(path, members):
    with tarfile.open(path, "w:gz") as file:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            file.addfile(about, io.BytesIO(content))
    return path


def jpeg(width, height, level):
    stream = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), level, dtype=np.uint8)).save(stream, "JPEG", quality=95)
    return stream.getvalue()


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A small archive of the published form instead of the real one."""

    def make(members):
        path = archive(tmp_path / "bsds500-train.tar.gz", members)
        monkeypatch.setattr(published, "get", lambda name: {path.name: path})

    return make


def test_photographs_of_both_shapes_are_cropped_and_not_resized(made):
    inside = photographs.FOLDER
    made(
        {
            **{f"{inside}{n}.jpg": jpeg(481, 321, 40 + n) for n in range(6)},
            **{f"{inside}{n}.jpg": jpeg(321, 481, 40 + n) for n in range(6, 10)},
            "BSDS500/data/groundTruth/train/0.mat": b"no picture",
            f"{inside}Thumbs.db": b"neither",
        }
    )
    data = open_data(("images",), "bsds500", options={"images": {"channels": 1, "valid_share": 0.2, "test_share": 0.1}})
    assert data["train"].x.shape == (7, 1, 321, 321) and data.counts() == {"train": 7, "valid": 2, "test": 1}
    levels = sorted(int(x.float().mean().round()) for split in data.splits.values() for x in split.x)
    assert levels == list(range(40, 50))
    small = open_data(("images",), "bsds500", options={"images": {"size": 16}})
    assert small["train"].x.shape[1:] == (3, 16, 16) and small.describe()["channels"] == 3


def test_a_damaged_archive_is_one_line(made, tmp_path):
    made({f"{photographs.FOLDER}1.jpg": b"no jpeg"})
    with pytest.raises(DataError, match=r"1\.jpg"):
        open_data(("images",), "bsds500")
    made({"elsewhere/1.jpg": jpeg(20, 20, 3)})
    with pytest.raises(DataError, match="holds no photographs"):
        open_data(("images",), "bsds500")
    (tmp_path / "bsds500-train.tar.gz").write_bytes(b"\x1f\x8b cut short")
    with pytest.raises(DataError, match="cannot be read"):
        open_data(("images",), "bsds500")


@pytest.mark.real_data("bsds500")
def test_the_two_hundred_photographs():
    data = open_data(("images",), "bsds500", options={"images": {"channels": 1}})
    assert sum(data.counts().values()) == 200 and data["train"].x.shape[1:] == (1, 321, 321)
    assert 90 < data["train"].x.float().mean() < 140
