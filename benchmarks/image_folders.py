"""Epochs over image folders that are read batch by batch, against a DataLoader that decodes each picture, CPU seconds.

    make bench NAME=image_folders          (BSDS500 under $DEEPCANON_DATA, or it is downloaded)

Two folders: 4,000 JPEG crops of 96 to 160 pixels to 96 x 96, and 800 photographs of 481 x 321 to 128 x 128. An epoch
gives every picture once in batches of 64, in a new order, standardised by channel in fp32. CPU seconds of the process
and of its workers, all variants in turn; a ratio of CPU seconds is the ratio on any number of cores that are kept busy.
    plain    a Dataset that opens, cuts to the middle, resizes (bicubic) and standardises each picture; two workers
    tuned    the same with Image.draft, bytes from the workers, standardised as batches, workers that stay
Ours is told that everything is larger than memory, so that it never holds the set. The first epoch finds and checks
the files, decodes them once, counts statistics and keeps the pixels; the peers are given their statistics. The first
epoch of a second run opens the folder again, and finds what was kept. Ten epochs are a first one and nine later ones.
"""

import io
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import PIL
import torch
from photographs import photographs
from PIL import Image
from record import cpu_seconds, interleaved, record, row_of_seconds
from torch.utils.data import DataLoader, Dataset

from deepcanon.data import decoding, open_data
from deepcanon.data.batches import Order
from deepcanon.parts.standardize import Standardize

BATCH, FIRST, LATER, TARGET = 64, 3, 5, 3.0


def crops(contents, count):
    """Seeded crops of 96 to 160 pixels, as JPEG files."""
    pictures, rng = [Image.open(io.BytesIO(content)).convert("RGB") for content in contents], np.random.default_rng(0)
    for number in range(count):
        picture, (width, height) = pictures[number % len(pictures)], rng.integers(96, 161, 2)
        left, top = rng.integers(picture.width - width + 1), rng.integers(picture.height - height + 1)
        out = io.BytesIO()
        picture.crop((left, top, left + width, top + height)).save(out, "JPEG", quality=85)
        yield out.getvalue()


def resized(path, side, draft):
    with Image.open(path) as image:
        if draft:
            image.draft("RGB", (2 * side, 2 * side))
        image = image.convert("RGB")
        short = min(image.size)
        left, top = (image.width - short) / 2, (image.height - short) / 2
        return np.asarray(
            image.resize((side, side), Image.Resampling.BICUBIC, box=(left, top, left + short, top + short))
        )


class Files(Dataset):
    """A picture at a time, as the DataLoader asks for it."""

    def __init__(self, paths, side, tuned, shift, scale):
        self.paths, self.side, self.tuned = paths, side, tuned
        self.shift, self.scale = shift[:, None, None], scale[:, None, None]

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, row):
        pixels = torch.from_numpy(resized(self.paths[row], self.side, self.tuned).copy()).permute(2, 0, 1)
        return pixels if self.tuned else (pixels.float() - self.shift) / self.scale


def of_workers(loader):
    """CPU seconds of a loader's workers so far."""
    ticks = 0
    for worker in loader._iterator._workers:
        ticks += sum(map(int, Path(f"/proc/{worker.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


class Peer:
    """Epochs by a DataLoader."""

    def __init__(self, paths, side, tuned, shift, scale):
        more = {"prefetch_factor": 4} if tuned else {}
        self.loader = DataLoader(Files(paths, side, tuned, shift, scale), BATCH, shuffle=True, num_workers=2,
                                 persistent_workers=True, **more)  # fmt: skip
        self.prepare, self.before = Standardize(shift, scale) if tuned else torch.nn.Identity(), 0.0
        self.images = 0

    def epoch(self):
        def whole():
            self.images = sum(len(self.prepare(batch)) for batch in self.loader)

        mine = cpu_seconds(whole)
        theirs = of_workers(self.loader)
        took, self.before = mine + theirs - self.before, theirs
        return took


class Ours:
    """Epochs by the image reader."""

    def __init__(self, folder, side, rows):
        self.folder, self.rows, self.images, self.epochs = folder, rows, 0, 0
        self.options = {"images": {"size": side, "valid_share": 0.0, "test_share": 0.0}}

    def first(self):
        """Of a first run."""
        shutil.rmtree(self.rows, ignore_errors=True)
        return self.second()

    def second(self):
        """The first epoch of a second run."""
        return cpu_seconds(self._open) + self.later()

    def later(self):
        return cpu_seconds(self._epoch)

    def _open(self):
        self.split = open_data(("images",), str(self.folder), options=self.options)["train"]
        self.prepare = Standardize(*self.split.channel_statistics())

    def _epoch(self):
        order, self.images = Order(len(self.split), self.epochs, "order"), 0
        self.epochs += 1
        for step in range(-(-len(self.split) // BATCH)):
            taken = self.split.take(order.rows(step, BATCH)).x
            self.split.prefetch(order.rows(step + 1, BATCH))
            self.images += len(self.prepare(taken))


def compare(folder, side, words):
    paths = sorted(folder.rglob("*.jpg"))
    ours = Ours(folder, side, os.environ["DEEPCANON_CACHE"])
    ours.first()
    known = ours.split.channel_statistics()
    peers = {name: Peer(paths, side, name == "tuned", *known) for name in ("plain", "tuned")}
    epochs = {name: peer.epoch for name, peer in peers.items()}
    interleaved({"later": ours.later, **epochs}, 1)
    later = interleaved({"later": ours.later, **epochs}, LATER)
    first = interleaved({"first": ours.first, "second": ours.second, **epochs}, FIRST)
    assert ours.images >= len(paths) == peers["plain"].images == peers["tuned"].images
    exact = all(
        np.array_equal(ours.split.x[row].permute(1, 2, 0), resized(path, side, False))
        for row, path in enumerate(ours.split.x.paths[:200])
    )
    assert exact
    for name in peers:
        peer, quality = f"PyTorch DataLoader of two workers, {name}", "equal pixels, each picture once in an epoch"
        ten = [[a + 9 * b for a, b in zip(first[one], later[two], strict=False)]
               for one, two in (("first", "later"), (name, name))]  # fmt: skip
        pairs = (
            ("the first epoch of a first run", first["first"], first[name], 0.0),
            ("the first epoch of a second run", first["second"], first[name], TARGET),
            ("a later epoch", later["later"], later[name], TARGET),
            ("ten epochs", *ten, TARGET),
        )
        for what, mine, theirs, target in pairs:
            yield row_of_seconds(peer, f"{torch.__version__}, Pillow {PIL.__version__}",
                                 f"CPU seconds, {what}: {words}", mine, theirs, target, quality)  # fmt: skip


def main():
    decoding.MEMORY_LIMIT = 0
    rows, contents = [], photographs()
    with tempfile.TemporaryDirectory() as place:
        os.environ["DEEPCANON_CACHE"] = f"{place}/rows"
        sets = (
            ("crops", crops(contents, 4000), 96, "4,000 JPEG of 96 to 160 pixels to 96 x 96"),
            ("photographs", contents * 4, 128, "800 JPEG of 481 x 321 to 128 x 128"),
        )
        for name, files, side, words in sets:
            folder = Path(place, name)
            folder.mkdir()
            for number, content in enumerate(files):
                (folder / f"{number:05d}.jpg").write_bytes(content)
            rows += compare(folder, side, words)
    record("image_folders", rows)


if __name__ == "__main__":
    main()
