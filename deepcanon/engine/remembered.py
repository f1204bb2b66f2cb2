"""Some training examples in the folder of a run that encodes: what is nearest to an input is shown without the data.

They are kept as the recipe takes them, not as codes: so their codes are always those of the weights that are loaded.
"""

import io
import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from deepcanon.data.splits import Dataset
from deepcanon.errors import CheckpointError
from deepcanon.parts.sparse_rows import is_csr
from deepcanon.writing import replacing

__all__ = ["FILE", "KINDS", "Remembered", "remember", "remembered"]

FILE = "examples.npz"
BYTES = 8 << 20
"""Bytes of all examples together; of large ones fewer are kept."""
LEAST = 2
KINDS = ("images", "tables", "documents")
"""Kinds of data whose examples are kept."""


class Remembered(NamedTuple):
    """Examples of the training split.

    Attributes:
        x: raw inputs as the recipe takes them: a tensor [E, ...], or E texts.
        y: their targets; None if there are none.
        places: of each in the split.
    """

    x: Any
    y: list[float] | None
    places: list[int]


def remember(folder: Path, data: Dataset, most: int) -> None:
    """Writes up to `most` examples that lie evenly over the training split, if they are pictures, rows or documents."""
    if data.kind not in KINDS:
        return
    train = data["train"]
    if is_csr(train.x) or not isinstance(train.x[:1], Tensor | list):
        return
    count = min(most, len(train))
    while count >= LEAST:
        rows = torch.linspace(0, len(train) - 1, count, dtype=torch.float64).round().long()
        if isinstance(train.x, list):
            texts = [train.x[row] for row in rows.tolist()]
            small, size = {"texts": np.array(json.dumps(texts))}, sum(map(len, texts))
        else:
            size = count * train.x[:1].numel() * train.x[:1].element_size()
            small = {"x": train.x[rows].numpy()} if size <= BYTES else {}
        if size <= BYTES:
            break
        count //= 2
    else:
        return
    if train.y is not None and train.y.ndim == 1:
        small["y"] = train.y[rows].numpy()
    with replacing(folder / FILE) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, places=rows.numpy(), **small)  # type: ignore[arg-type]


def remembered(folder: Path) -> Remembered:
    """What `remember` wrote.

    Raises:
        CheckpointError: the file is damaged, or holds more than is ever written.
    """
    path = folder / FILE
    try:
        content = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > 8 * BYTES:
                raise ValueError("it is too large")
        with np.load(io.BytesIO(content), allow_pickle=False) as held:
            x: Any = torch.from_numpy(held["x"]) if "x" in held.files else json.loads(str(held["texts"]))
            y = held["y"].tolist() if "y" in held.files else None
            places = held["places"].tolist()
        if not len(x) == len(places) == (len(places) if y is None else len(y)):
            raise ValueError("its parts differ in length")
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from None
    return Remembered(x, y, places)
