"""A folder of JPEG photographs to 128 x 128 pixels: the image reader against loops over PIL, CPU seconds.

    make bench NAME=images          (BSDS500 under $DEEPCANON_DATA, or it is downloaded)

200 photographs of 481 x 321, and 40 of four times the side, as cameras give them (scaled up, JPEG quality 90). CPU time
of all threads, the variants alternating in one process. Ours finds the files, reads every header, and splits, too.
    plain    open, convert, cut to the middle, resize (bicubic)
    careful  the same, with the JPEG decoder told to leave out what 256 pixels do not need (Image.draft), as ours
    draft    with what 128 pixels do not need left out; against ours with --draft 1, which must be nearer to all pixels
How much pixels differ from those of the plain loop, ours and theirs, is said in each row.
"""

import io
import tempfile
from pathlib import Path

import numpy as np
import PIL
from photographs import photographs
from PIL import Image
from record import cpu_seconds, interleaved, record, row_of_seconds

from deepcanon.data import open_data

SIDE, ROUNDS, TARGET, LARGE = 128, 5, 1.0, 40


def enlarged(content):
    image, out = Image.open(io.BytesIO(content)), io.BytesIO()
    image.resize((4 * image.width, 4 * image.height), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()


def by_pil(folder, draft):
    """With `draft` 0, 1 or 2: pixels that the decoder keeps for each wanted one; 0 keeps all."""
    pixels = []
    for path in sorted(folder.glob("*.jpg")):
        with Image.open(path) as image:
            if draft:
                image.draft("RGB", (draft * SIDE, draft * SIDE))
            image = image.convert("RGB")
            side = min(image.size)
            left, top = (image.width - side) / 2, (image.height - side) / 2
            box = (left, top, left + side, top + side)
            pixels.append(np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box)))
    return np.stack(pixels).transpose(0, 3, 1, 2)


def compare(folder, words):
    found = {}

    def ours(draft):
        options = {"images": {"size": SIDE, "draft": draft, "valid_share": 0.0, "test_share": 0.0}}
        return open_data(("images",), str(folder), options=options)["train"].x.numpy()

    calls = {
        "ours": lambda: ours(2),
        "ours, --draft 1": lambda: ours(1),
        "plain": lambda: by_pil(folder, 0),
        "careful": lambda: by_pil(folder, 2),
        "draft": lambda: by_pil(folder, 1),
    }
    variants = {
        name: lambda n=name, c=call: cpu_seconds(lambda: found.update({n: c()})) for name, call in calls.items()
    }
    interleaved(variants, 1)
    took = interleaved(variants, ROUNDS)
    off = {name: np.abs(values.astype(int) - found["plain"]).mean() for name, values in found.items()}
    assert off["ours"] <= 0.5 and off["ours, --draft 1"] < off["draft"], off
    names = {"plain": "convert and resize", "careful": "draft to twice the size", "draft": "draft"}
    for name, words_of in names.items():
        mine = "ours" if name != "draft" else "ours, --draft 1"
        quality = f"pixels differ from the plain loop's by {off[mine]:.2f} of 255 on average, theirs by {off[name]:.2f}"
        unit = f"CPU seconds, {words} to {SIDE} x {SIDE}"
        yield row_of_seconds(
            f"PIL, a loop with {words_of}", PIL.__version__, unit, took[mine], took[name], TARGET, quality
        )


def main():
    rows, contents = [], photographs()
    big = [enlarged(content) for content in contents[:LARGE]]
    for some, words in ((contents, f"{len(contents)} JPEG of 481 x 321"), (big, f"{LARGE} JPEG of 1924 x 1284")):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            for number, content in enumerate(some):
                (folder / f"{number:04d}.jpg").write_bytes(content)
            rows += compare(folder, words)
    record("images", rows)


if __name__ == "__main__":
    main()
