"""Own data of the kind `boxes`, for the contract of recipes."""

import numpy as np
from PIL import Image


def own_boxes(folder):
    """Pictures of two sizes with one or two bright boxes."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    rows = ["file,x,y,width,height,label"]
    for index in range(24):
        pixels = np.full((32 + 4 * (index % 2), 40), 30, np.uint8)
        for name, brightness in (("dark", 120), ("light", 250))[: 1 + index % 2]:
            x, y = int(random.integers(0, 28)), int(random.integers(0, 20))
            pixels[y : y + 10, x : x + 12] = brightness
            rows.append(f"{index}.png,{x},{y},12,10,{name}")
        Image.fromarray(pixels).save(folder / f"{index}.png")
    (folder / "boxes.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder
