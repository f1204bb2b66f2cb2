"""Arrays of images and labels from idx files (as MNIST is published) and .npz files, without unpickling anything."""

import io
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

from .archives import member_names, read_bytes, read_member
from .errors import DataError, Problem, one_line

__all__ = ["IDX_NAMES", "is_idx", "read_idx", "read_npz"]

IDX_NAMES = (".idx", "-ubyte", ".idx.gz", "-ubyte.gz")


def is_idx(path: Path) -> bool:
    """Whether the name is one of an idx file."""
    return path.name.lower().endswith(IDX_NAMES)


def _broken(path: Path, place: str, what: str, remedy: str = "download or save the file again") -> DataError:
    return DataError(Problem(str(path), place, what, remedy))


def read_idx(path: Path) -> np.ndarray:
    """The array of an idx file of bytes: two zeros, type 8, the number of axes, big-endian sizes, the values."""
    data = read_bytes(path)
    if len(data) < 4 or data[0] or data[1] or not 1 <= data[3] <= 4:
        raise _broken(path, "byte 0", "has no idx header of 1 to 4 axes", "give an idx file")
    if data[2] != 8:
        raise _broken(path, "byte 2", f"holds values of type 0x{data[2]:02x}, not bytes (0x08)", "save it as bytes")
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise _broken(path, f"byte {len(data)}", "is cut short in its header")
    shape = struct.unpack(f">{data[3]}I", data[4:start])
    if math.prod(shape) != len(data) - start:
        said = "x".join(map(str, shape))
        raise _broken(
            path,
            "",
            f"its header says {said} = {math.prod(shape)} values, the file holds {len(data) - start}",
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, each checked for its size before it is created; object arrays are refused."""
    arrays = {}
    for member in member_names(path):
        name = member.removesuffix(".npy")
        if name == member or name in arrays:
            raise _broken(
                path, one_line(member, 60), "is not an array with a name of its own", "save it with numpy.savez"
            )
        arrays[name] = _array(path, name, read_member(path, member))
    return arrays


def _array(path: Path, name: str, data: bytes) -> np.ndarray:
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        header: Any = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        shape, fortran, dtype = header[version](stream)
    except Exception as error:  # a damaged header may raise anything in numpy's parser
        raise _broken(path, one_line(name, 60), f"has no array header ({type(error).__name__})") from None
    if dtype.hasobject or dtype.kind not in "biufUS":
        raise _broken(
            path,
            one_line(name, 60),
            f"holds {dtype}, neither numbers nor text",
            "save numbers, without pickle",
        )
    left = len(data) - stream.tell()
    if any(size < 0 for size in shape) or math.prod(shape) * dtype.itemsize != left or not dtype.itemsize:
        raise _broken(path, one_line(name, 60), f"its header says {shape} of {dtype}, the file holds {left} bytes")
    values = np.frombuffer(data, dtype, offset=stream.tell())
    return values.reshape(shape, order="F" if fortran else "C")
