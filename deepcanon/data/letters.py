"""The letters A to J in many styles, 28 x 28 pixels: a set like notMNIST that needs no network.

They are drawn from the outlines of the typefaces that matplotlib ships, each typeface in one split only: what the test
measures is whether a letter is known in a typeface that was never seen. Picture i of a split is a pure function of
(seed, i): letter i mod 10, a typeface, slant, rotation, width, size, weight, place, ink and noise drawn from a hash.

Licences of the typefaces, whose files stay in matplotlib: DejaVu, that of Bitstream Vera, with changes in the public
domain; STIX, that of the STIX fonts (the SIL Open Font License adapted); Computer Modern in the versions of BaKoMa, the
BaKoMa Fonts Licence. matplotlib has their texts.
"""

import hashlib
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deepcanon.errors import DeepcanonError
from deepcanon.writing import replacing

from .arrays import Arrays
from .download import locked
from .errors import DataError, Problem
from .glyphs import MITRE, Outlines, coverage, embolden, flatten, join
from .published import cache_folder
from .seeds import stream_seed

__all__ = ["FACES", "LETTERS", "MEANS", "SIDE", "SIZES", "Face", "changed", "draw", "letters", "means", "outlines"]

LETTERS = "ABCDEFGHIJ"
SIDE = 28
SIZES = {"train": 60_000, "valid": 5_000, "test": 10_000}


class Face(NamedTuple):
    """A typeface: its file in matplotlib's folder of fonts, and the place of its letter A in Unicode."""

    file: str
    first: int = ord("A")


def _faces(*names: str) -> tuple[Face, ...]:
    return tuple(Face(name) for name in names)


# Unicode has alphabets for mathematics: script, Fraktur, double-struck, sans-serif, monospace, plain or bold or italic
_STRUCK = 0x1D538
_ALPHABETS = (0x1D49C, 0x1D4D0, 0x1D504, _STRUCK, 0x1D56C, 0x1D5A0, 0x1D5D4, 0x1D608, 0x1D63C, 0x1D670)
_ELSEWHERE = {
    0x1D49D: 0x212C, 0x1D4A0: 0x2130, 0x1D4A1: 0x2131, 0x1D4A3: 0x210B, 0x1D4A4: 0x2110,
    0x1D506: 0x212D, 0x1D50B: 0x210C, 0x1D50C: 0x2111, 0x1D53A: 0x2102, 0x1D53F: 0x210D,
}  # fmt: skip
"""Letters that Unicode had before it had their alphabets."""

FACES = {
    "train": (
        *_faces("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
        *_faces("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique"),
        *_faces("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
        Face("DejaVuSans", _STRUCK), Face("DejaVuSerif", _STRUCK),
        *(Face("STIXGeneral", first) for first in _ALPHABETS),
    ),
    "valid": _faces("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    # cmti10, the italic, came with matplotlib 3.11 only
    "test": _faces("cmr10", "cmb10", "cmmi10", "cmss10", "cmtt10", "cmsy10"),
}  # fmt: skip
"""The typefaces of each split: DejaVu and the mathematical alphabets of STIX, STIX's text faces, Computer Modern."""

MEANS = {
    "train": (0.16340, 0.20983, 0.15907, 0.19273, 0.17673, 0.14920, 0.18874, 0.17288, 0.12662, 0.11455),
    "valid": (0.13486, 0.19792, 0.14065, 0.18174, 0.16188, 0.14876, 0.16452, 0.17210, 0.11753, 0.11709),
    "test": (0.13558, 0.17745, 0.12918, 0.16570, 0.15431, 0.13596, 0.14725, 0.16010, 0.10567, 0.10845),
}
"""Of the set with seed 0: the mean pixel of each letter, between 0 and 1."""
TOLERANCE = 1e-3

_VERSION = "1"  # increase it when the same outlines give other pictures
_CHUNK = 256  # pictures that are drawn at once: their data stay in the processor's cache
_GOLDEN, _MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1
_SPREAD = np.sqrt(4 * (256**2 - 1) / 12)  # standard deviation of the sum of four bytes, whose mean is 510


@cache
def outlines(split: str) -> Outlines:
    """The outlines of the ten letters in each typeface of a split, y upwards, the longer side of each about 1.

    Raises:
        DataError: matplotlib is without one of the files.
    """
    import matplotlib
    from matplotlib import ft2font

    # without scaling the outline is in whole units of the typeface: nothing is hinted, and with no factor for hinting,
    # which matplotlib before 3.11 divides by, nothing is rounded either
    plain: dict[str, Any] = {} if matplotlib.__version_info__ >= (3, 11) else {"hinting_factor": 1}
    unscaled: Any = ft2font.LoadFlags.NO_SCALE if hasattr(ft2font, "LoadFlags") else 1  # matplotlib 3.9 has numbers
    folder, found = Path(matplotlib.get_data_path()) / "fonts" / "ttf", []
    for file, first in FACES[split]:
        path = folder / f"{file}.ttf"
        if not path.is_file():
            remedy = "install matplotlib with pip, which brings its typefaces, or take --data digits"
            raise DataError(Problem(str(path), "", "is not here, and letters are drawn from it", remedy, False))
        font = ft2font.FT2Font(str(path), **plain)
        for place in range(first, first + len(LETTERS)):
            font.load_char(_ELSEWHERE.get(place, place), flags=unscaled)
            vertices, codes = font.get_path()
            high = np.ptp(vertices[np.isin(codes, (1, 2, 3, 4))], axis=0).max()
            found.append(flatten(vertices / high, codes, 0.002))
    return join(found)


def _mixed(state: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014): a hash of 64 bits, the same on every machine."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


class _Draws:
    """Numbers of each picture: a hash of (seed, split, index of the picture, place of the number)."""

    def __init__(self, split: str, index: np.ndarray, seed: int) -> None:
        start = stream_seed(seed, 0, f"letters {split}")
        self.keys = _mixed(index.astype(np.uint64) * np.uint64(_GOLDEN) + np.uint64(start))
        self.used = 0

    def uniform(self, low: float, high: float) -> np.ndarray:
        """The next number of each picture, [B]."""
        self.used += 1
        bits = _mixed(self.keys + np.uint64(self.used * _GOLDEN & _MASK)) >> np.uint64(11)
        return low + (high - low) * (bits * 2.0**-53)

    def noise(self, count: int) -> np.ndarray:
        """Sums of four bytes, nearly Gaussian, of mean 0 and variance 1: [B, count] for an even count."""
        places = np.arange(1 << 20, (1 << 20) + count // 2, dtype=np.uint64) * np.uint64(_GOLDEN)
        bits = _mixed(self.keys[:, None] + places)
        pairs = np.uint64(0x00FF00FF00FF00FF)
        bits = (bits & pairs) + ((bits >> np.uint64(8)) & pairs)
        bits += bits >> np.uint64(16)
        halves = [(bits >> np.uint64(shift)) & np.uint64(0xFFFF) for shift in (0, 32)]
        return (np.concatenate(halves, 1).astype(np.float64) - 510.0) / _SPREAD


def draw(split: str, index: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The pictures uint8 [B, 28, 28] with these places in a split, white on black, and their classes int64 [B]."""
    draws, faces = _Draws(split, index, seed), len(FACES[split])
    label = index % len(LETTERS)
    face = np.minimum(draws.uniform(0, faces).astype(np.int64), faces - 1)
    letters, image = outlines(split).gather(face * len(LETTERS) + label)
    x, y = letters.points.T
    # rotation by twice the angle whose tangent is `half`, up to 15 degrees: no sine, which libraries round differently
    half, slant, width = draws.uniform(-0.13, 0.13), draws.uniform(-0.25, 0.25), draws.uniform(0.8, 1.2)
    cosine, sine = (1 - half * half) / (1 + half * half), 2 * half / (1 + half * half)
    x = x * width[image] + y * slant[image]
    points = np.stack([x * cosine[image] - y * sine[image], x * sine[image] + y * cosine[image]], 1)
    # the longer side is a number of pixels; then the ink grows by up to 0.8 pixels on every side
    size, weight = draws.uniform(16, 23), draws.uniform(0, 1) ** 2 * 0.8
    low, high = (ends.reduceat(points, letters.starts[:-1]) for ends in (np.minimum, np.maximum))
    points = (points - ((low + high) / 2)[image]) * (size / (high - low).max(1))[image, None]
    points = embolden(letters._replace(points=points), weight[image])
    free = np.minimum((SIDE - 1 - size) / 2 - MITRE * weight, 2.5)  # half a pixel stays free
    right, down = draws.uniform(-1, 1) * free, draws.uniform(-1, 1) * free
    points = np.stack([SIDE / 2 + right[image] + points[:, 0], SIDE / 2 + down[image] - points[:, 1]], 1)
    ink, noise = draws.uniform(0.8, 1), draws.uniform(0, 0.05)
    values = coverage(points, letters.after, image, len(index), SIDE) * ink[:, None, None]
    values += draws.noise(SIDE * SIDE).reshape(values.shape) * noise[:, None, None]
    return np.rint(values.clip(0, 1) * 255).astype(np.uint8), label


def letters(*, valid: bool = True) -> Arrays:
    """The whole set: from the cache, or drawn and kept there.

    A note is a warning if the pictures are not those that figures were published for: see `changed`.

    Args:
        valid: with the split of validation, whose typefaces are neither those of training nor those of the test.
    """
    splits = [split for split in SIZES if valid or split != "valid"]
    arrays = Arrays(notes=[f"typefaces: {', '.join(f'{s} {len(FACES[s])}' for s in splits)}, each in one split only"])
    pictures, untold = _pictures()
    ends = np.cumsum(list(SIZES.values()))[:-1]
    for split, x in zip(SIZES, np.split(pictures, ends), strict=True):
        if split in splits:
            arrays[split] = (x[:, None], np.arange(len(x)) % len(LETTERS))
    arrays.notes += [note for note in (changed({s: x for s, (x, _) in arrays.items()}), untold) if note]
    return arrays


def means(x: np.ndarray) -> np.ndarray:
    """The mean pixel, between 0 and 1, of each letter of a split [10]."""
    sums = x.reshape(-1, len(LETTERS), SIDE * SIDE).sum((0, 2), dtype=np.int64)
    return sums / (255 * SIDE * SIDE * (len(x) // len(LETTERS)))


def changed(pictures: dict[str, np.ndarray]) -> str:
    """The warning if whole splits differ from those of record: a mean of a letter by more than a thousandth.

    The drawing is the same everywhere, so the outlines differ: matplotlib ships another version of a typeface.
    """
    for split, x in pictures.items():
        found = means(x)
        worst = int(np.abs(found - MEANS[split]).argmax())
        if abs(found[worst] - MEANS[split][worst]) > TOLERANCE:
            what = f"the {LETTERS[worst]} of {split} has mean {found[worst]:.4f} instead of {MEANS[split][worst]:.4f}"
            return f"warning: matplotlib draws letters that differ from those of the published figures ({what})"
    return ""


def _pictures() -> tuple[np.ndarray, str]:
    """The pictures of all splits, uint8 [N, 28, 28], and why they could not be kept."""
    state = hashlib.sha256(_VERSION.encode())
    for split in SIZES:
        for part in outlines(split):
            state.update(np.ascontiguousarray(part).tobytes())
    path = cache_folder() / "letters" / f"{state.hexdigest()[:16]}.u8"
    if (found := _read(path)) is not None:
        return found, ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.parent):
            if (found := _read(path)) is None:  # another process may have drawn them meanwhile
                found = _drawn(f", kept in {path}")
                with replacing(path) as temporary, open(temporary, "wb") as out:
                    out.write(found.data)
                    out.write(hashlib.sha256(found.data).digest())
            return found, ""
    except (OSError, DeepcanonError) as error:
        why = getattr(error, "strerror", None) or error
        return (_drawn("") if found is None else found), f"letters are drawn again in each run: {path.parent}: {why}"


def _read(path: Path) -> np.ndarray | None:
    """The pictures of the cache, unless the file is missing, cut off or altered: its last 32 bytes are its SHA-256."""
    try:
        held = np.fromfile(path, np.uint8)
    except OSError:
        return None
    pictures, digest = held[:-32], held[-32:].tobytes()
    count = sum(SIZES.values())
    whole = pictures.size == count * SIDE * SIDE and hashlib.sha256(pictures.data).digest() == digest
    return pictures.reshape(count, SIDE, SIDE) if whole else None


def _drawn(where: str) -> np.ndarray:
    print(f"letters: drawing {sum(SIZES.values()):,} pictures, a few seconds{where}", file=sys.stderr, flush=True)
    pictures = np.empty((sum(SIZES.values()), SIDE, SIDE), np.uint8)
    start = 0
    for split, count in SIZES.items():
        for first in range(0, count, _CHUNK):
            index = np.arange(first, min(first + _CHUNK, count))
            pictures[start + first : start + first + len(index)] = draw(split, index)[0]
        start += count
    return pictures
