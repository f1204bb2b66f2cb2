"""WAV files: what the head of one says, and its samples, mixed down to one channel.

A WAV file is a RIFF file: "RIFF", a length, "WAVE", then pieces of (four letters, length, content, a byte if the length
is odd). "fmt " says how samples are coded, "data" holds them, a frame of all channels after the other. Read are whole
numbers of 8, 16, 24 and 32 bits and floating point numbers of 32 and 64. What compresses sound is named and refused.

Source: Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0", 1991; Microsoft, "Multiple
Channel Audio Data and WAVE Files", 2001 (the extensible head).
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["SUFFIXES", "BadSound", "Head", "head", "is_wav", "samples", "to_bytes"]

SUFFIXES = (".wav", ".wave")
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
CODECS = {
    2: "Microsoft ADPCM", 6: "A-law", 7: "mu-law", 0x11: "IMA ADPCM", 0x31: "GSM 6.10", 0x50: "MPEG", 0x55: "MP3",
    0xFF: "AAC",
}  # fmt: skip
STARTS = {
    b"ID3": "an MP3 file", b"\xff\xfb": "an MP3 file", b"\xff\xf3": "an MP3 file", b"fLaC": "a FLAC file",
    b"OggS": "an Ogg file", b"FORM": "an AIFF file", b"RF64": "a WAV of more than 4 GiB (RF64)",
    b"RIFX": "a big-endian WAV (RIFX)", b"caff": "a Core Audio file", b".snd": "an AU file",
}  # fmt: skip
DTYPES = {(PCM, 8): "u1", (PCM, 16): "<i2", (PCM, 32): "<i4", (FLOAT, 32): "<f4", (FLOAT, 64): "<f8"}
SLOWEST, FASTEST = 100, 10_000_000
"""Samples a second that a file may say."""
UNKNOWN = 0xFFFFFFFF  # a length that a program writes when it does not know yet


class BadSound(ValueError):
    """Nothing can be made of a file; the text says why, `remedy` what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


@dataclass(frozen=True)
class Head:
    """What a file says of its samples.

    Attributes:
        rate: samples a second.
        channels: of a frame.
        bits: of a number.
        floating: whether numbers are floating point.
        frames: samples of each channel.
        start: the byte at which they begin.
    """

    rate: int
    channels: int
    bits: int
    floating: bool
    frames: int
    start: int

    @property
    def width(self) -> int:
        """Bytes of a frame."""
        return self.channels * self.bits // 8

    @property
    def fine(self) -> bool:
        """Whether 16 bits do not hold a sample."""
        return self.floating or self.bits > 16


def is_wav(path: Path) -> bool:
    """Whether the name is that of a WAV file."""
    return path.suffix.lower() in SUFFIXES


def _bytes(source: Path | bytes, start: int, count: int) -> bytes:
    """Up to `count` bytes from a place on.

    Raises:
        BadSound: the file cannot be read.
    """
    if isinstance(source, bytes):
        return source[start : start + count]
    try:
        with open(source, "rb") as file:
            file.seek(start)
            return file.read(count)
    except OSError as error:
        raise BadSound(f"cannot be read ({error.strerror})", "give a readable file") from None


def head(source: Path | bytes) -> Head:
    """The head of a file, or of its bytes.

    Raises:
        BadSound: it is not a WAV file, is compressed, damaged, cut short or within a sample, longer than it says, or
            holds no sample.
    """
    try:
        size = len(source) if isinstance(source, bytes) else os.stat(source).st_size
    except OSError as error:
        raise BadSound(f"cannot be read ({error.strerror})", "give a readable file") from None
    first = _bytes(source, 0, 12)
    if not size:
        raise BadSound("has 0 bytes", "record or copy it again")
    if first[:4] != b"RIFF" or first[8:12] != b"WAVE":
        known = next((name for start, name in STARTS.items() if first.startswith(start)), "")
        raise BadSound(f"is {known or 'not a WAV file'}", "save it as 16-bit WAV")
    form, place = b"", 12
    while True:
        piece = _bytes(source, place, 8)
        if len(piece) < 8:
            missing = "no format" if not form else "no samples"
            raise BadSound(f"has {missing} in its {size:,} bytes", "record or copy it again")
        name, length = piece[:4], int.from_bytes(piece[4:], "little")
        if name == b"data":
            break
        if name == b"fmt ":
            form = _bytes(source, place + 8, min(length, 64))
        place += 8 + length + length % 2
    about = _understood(form, place + 8, length, size)
    rest = place + 8 + length + length % 2
    after = _bytes(source, rest, 8) if length != UNKNOWN else b""
    if len(after) == 8 and any(after[:4]) and not all(32 <= letter < 127 for letter in after[:4]):
        what = f"says {about.frames:,} samples, and then come {size - rest:,} bytes that are no part of a WAV file"
        raise BadSound(what, "record or copy it again")
    return about


def _understood(form: bytes, start: int, length: int, size: int) -> Head:
    if len(form) < 16:
        raise BadSound("does not say how its samples are coded", "save it again as 16-bit WAV")
    code, channels, rate, _, width, bits = struct.unpack("<HHIIHH", form[:16])
    if code == EXTENSIBLE and len(form) >= 26:
        code = int.from_bytes(form[24:26], "little")
    if code not in (PCM, FLOAT):
        named = CODECS.get(code, f"codec {code:#x}")
        raise BadSound(f"is compressed ({named})", "save it as 16-bit WAV")
    if (code, bits) not in {**DTYPES, (PCM, 24): ""}:
        raise BadSound(f"has samples of {bits} bits", "save it as 16-bit WAV")
    if not channels or width != channels * bits // 8:
        raise BadSound(f"says {channels} channels of {bits} bits in {width} bytes", "save it again as 16-bit WAV")
    if not SLOWEST <= rate <= FASTEST:
        raise BadSound(f"says {rate:,} samples a second", f"correct it to {SLOWEST} to {FASTEST:,}")
    there = size - start
    if length == UNKNOWN:  # written by a program that did not know the length before the end
        length = there - there % width
    if length > there:
        held, said = max(0, there) // width, length // width
        raise BadSound(f"says {said:,} samples and holds {held:,}: it was cut short", "record or copy it again")
    elif length % width:
        what = f"ends within a sample: {length % width} bytes come after the last whole one"
        raise BadSound(what, "record or copy it again")
    if length < width:
        raise BadSound("holds no sample", "record it again, or remove it")
    return Head(rate, channels, bits, code == FLOAT, length // width, start)


def samples(source: Path | bytes, about: Head, first: int = 0, count: int | None = None) -> np.ndarray:
    """The samples of a file [count] as the mean of its channels: int16, or float32 of [-1, 1) if 16 bits do not do.

    Floating point numbers beyond that range are kept: what codes or writes sounds clips them.

    Raises:
        BadSound: the file is shorter than its head says, or holds what is not a number.
    """
    count = about.frames - first if count is None else count
    content = _bytes(source, about.start + first * about.width, count * about.width)
    if len(content) < count * about.width:
        raise BadSound("is shorter than when it was opened", "leave it alone while it is read")
    if about.bits == 24 and not about.floating:
        wide = np.zeros((count * about.channels, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)  # the upper bytes of 32 bits
        raw = wide.view("<i4")[:, 0]
    else:
        raw = np.frombuffer(content, DTYPES[FLOAT if about.floating else PCM, about.bits])
    if about.floating and not np.isfinite(raw).all():
        where = first + int(np.flatnonzero(~np.isfinite(raw))[0]) // about.channels
        raise BadSound(f"holds what is not a number at sample {where:,}", "record or save it again")
    frames = raw.reshape(count, about.channels)
    if not about.fine:
        whole = (frames.astype(np.int16) - 128) << 8 if about.bits == 8 else frames
        return whole[:, 0].astype(np.int16) if about.channels == 1 else np.rint(whole.mean(1)).astype(np.int16)
    scale = 1.0 if about.floating else 2.0**31
    # clipped far beyond what a sound can be: a mean of float32 must stay finite
    return (np.clip(frames.astype(np.float64), -1e30, 1e30).mean(1) / scale).astype(np.float32)


def to_bytes(values: np.ndarray, rate: int) -> bytes:
    """A WAV file of one channel and 16 bits of values [T] in [-1, 1]; what is louder is clipped."""
    coded = np.clip(np.rint(np.asarray(values, np.float64) * 32768), -32768, 32767).astype("<i2").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, PCM, 1, rate, 2 * rate, 2, 16)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(coded)) + coded
    return b"RIFF" + struct.pack("<I", len(body)) + body
