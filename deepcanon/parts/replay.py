"""A replay memory: the newest transitions in a ring of arrays, from which batches of any rows are read.

Lin, Self-improving reactive agents based on reinforcement learning, planning and teaching, 1992.

    C capacity     n rows written so far     position = n mod C     len = min(n, C)

Row k (0 is the first ever written) lies at k mod C, so that writing row n overwrites row n - C and a batch
of rows may wrap around the end. The memory draws no random numbers: the caller draws the rows, from a
stream of its own, which keeps a resumed run equal to an uninterrupted one. With a GPU the rows are kept there, and
only new rows and the places of a batch are copied.

>>> import numpy as np
>>> memory = Replay(3, {"observation": ((2,), "float32"), "action": ((), "int64")})
>>> memory.add(observation=np.ones((4, 2)), action=np.arange(4))
>>> len(memory), memory.written, memory.take(np.array([0, 1, 2]))["action"].tolist()
(3, 4, [3, 1, 2])
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["Replay"]


class Replay:
    """Ring memory of named columns; `columns` maps a name to (shape of one row, numpy type).

    Args:
        capacity: rows that are kept; then the oldest are overwritten.
        columns: by name (shape of one row, NumPy type).
        device: where the rows lie; the CPU if not given.
    """

    def __init__(
        self,
        capacity: int,
        columns: dict[str, tuple[tuple[int, ...], str]],
        device: torch.device | None = None,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self.capacity = capacity
        self.written = 0
        self.device = device or torch.device("cpu")
        # On the CPU arrays hold the rows, since NumPy indexes them faster; otherwise tensors do.
        here = capacity if self.device.type == "cpu" else 0
        self.columns = {name: np.zeros((here, *shape), dtype=kind) for name, (shape, kind) in columns.items()}
        self.there: dict[str, Tensor] = {}
        if not here:
            for name, (shape, _) in columns.items():
                kind = torch.from_numpy(self.columns[name]).dtype
                self.there[name] = torch.zeros((capacity, *shape), dtype=kind, device=self.device)

    def __len__(self) -> int:
        return min(self.written, self.capacity)

    def add(self, **rows: np.ndarray) -> None:
        """Writes a batch of rows, one array [rows, ...] per column; the oldest rows are overwritten."""
        if rows.keys() != self.columns.keys():
            raise ValueError(f"columns {sorted(self.columns)} expected, got {sorted(rows)}")
        arrays = {name: np.asarray(array) for name, array in rows.items()}
        count = len(next(iter(arrays.values())))
        for name, array in arrays.items():
            if array.shape != (count, *self.columns[name].shape[1:]):
                raise ValueError(f"{name}: shape {(count, *self.columns[name].shape[1:])} expected, got {array.shape}")
        kept = min(count, self.capacity)  # of a batch larger than the ring only the newest rows survive
        start = (self.written + count - kept) % self.capacity
        head = min(kept, self.capacity - start)
        for name, array in arrays.items():
            column: Any = self.columns[name]
            newest: Any = array[count - kept :]
            if self.there:
                newest = torch.from_numpy(newest.astype(column.dtype)).to(self.device)
                column = self.there[name]
            column[start : start + head] = newest[:head]
            column[: kept - head] = newest[head:]
        self.written += count

    def take(self, index: np.ndarray) -> dict[str, Tensor]:
        """The rows at these places (0 <= place < len), as new tensors of the index's shape + row shape."""
        if len(self) == 0:
            raise ValueError("the memory is empty")
        if index.size and (index.min() < 0 or index.max() >= len(self)):
            raise ValueError(f"places must lie in 0..{len(self) - 1}, got {index.min()}..{index.max()}")
        if self.there:
            places = torch.from_numpy(index).to(self.device)
            return {name: column[places] for name, column in self.there.items()}
        return {name: torch.from_numpy(column.take(index, axis=0)) for name, column in self.columns.items()}

    def newest(self, count: int) -> np.ndarray:
        """The places of the newest `count` rows, oldest of them first."""
        if not 0 < count <= len(self):
            raise ValueError(f"between 1 and {len(self)} rows can be named, got {count}")
        return np.arange(self.written - count, self.written) % self.capacity

    def state_dict(self) -> dict:
        """The rows that hold something and how many were ever written."""
        if self.there:
            held = {name: column[: len(self)].cpu().numpy() for name, column in self.there.items()}
        else:
            held = {name: column[: len(self)].copy() for name, column in self.columns.items()}
        return {"written": self.written, "columns": held}

    def load_state_dict(self, state: dict) -> None:
        """Restores rows and ring position; the capacity and the columns must be those of the saved one."""
        written, columns = int(state["written"]), state["columns"]
        if columns.keys() != self.columns.keys():
            raise ValueError(f"columns {sorted(self.columns)} expected, got {sorted(columns)}")
        for name, rows in columns.items():
            rows = np.asarray(rows)
            if len(rows) != min(written, self.capacity) or rows.shape[1:] != self.columns[name].shape[1:]:
                raise ValueError(f"{name}: shape {rows.shape} does not fit {self.columns[name].shape}")
            if self.there:
                self.there[name][: len(rows)] = torch.from_numpy(rows).to(self.device)
            else:
                self.columns[name][: len(rows)] = rows
        self.written = written
