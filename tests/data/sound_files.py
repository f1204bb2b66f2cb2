"""WAV files for tests, written by the standard library or by hand."""

import io
import struct
import wave

import numpy as np

__all__ = ["coded", "damaged", "pcm", "tone", "write"]


def tone(count=800, rate=8000, hertz=440.0, loudness=0.5):
    """A sine [count] in [-1, 1]."""
    return loudness * np.sin(2 * np.pi * hertz * np.arange(count) / rate)


def pcm(values, rate=8000, bits=16):
    """A file of whole numbers by the `wave` module; values [T] or [T, channels] in [-1, 1]."""
    frames = np.asarray(values).reshape(len(values), -1)
    whole = np.clip(np.rint(frames * 2.0 ** (bits - 1)), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1).astype(np.int64)
    if bits == 8:
        content = (whole + 128).astype(np.uint8).tobytes()
    else:
        content = whole.astype("<i8").reshape(-1, 1).view(np.uint8)[:, : bits // 8].tobytes()
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(frames.shape[1])
        out.setsampwidth(bits // 8)
        out.setframerate(rate)
        out.writeframes(content)
    return file.getvalue()


def coded(content, code, bits, channels=1, rate=8000, extensible=False, before=b"", said=None):
    """A file with any code of the format, in the plain or the extensible form."""
    width = channels * bits // 8
    form = struct.pack("<HHIIHH", 0xFFFE if extensible else code, channels, rate, rate * width, width, bits)
    if extensible:
        form += struct.pack("<HHIH", 22, bits, 0, code) + bytes.fromhex("000000001000800000aa00389b71")
    said = len(content) if said is None else said
    body = b"WAVE" + before + struct.pack("<4sI", b"fmt ", len(form)) + form + struct.pack("<4sI", b"data", said)
    return b"RIFF" + struct.pack("<I", len(body) + len(content)) + body + content


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def damaged(count):
    """Whole files in which bytes were altered, cut out, put in or doubled, mostly in the head."""
    for number in range(count):
        random = np.random.default_rng(number)
        bits, channels = (8, 16, 24, 32)[number % 4], 1 + number % 3
        file = bytearray(pcm(random.uniform(-1, 1, (60, channels)), bits=bits))
        if number % 5 == 0:
            file = bytearray(coded(random.normal(size=90).astype("<f4").tobytes(), 3, 32, extensible=number % 2 == 0))
        for _ in range(random.integers(1, 6)):
            place = int(random.integers(0, min(len(file), 80)))
            kind = random.integers(4)
            if kind == 0:
                file[place] = random.integers(256)
            elif kind == 1:
                del file[place : place + int(random.integers(1, 20))]
            elif kind == 2:
                file[place:place] = random.bytes(int(random.integers(1, 9)))
            else:
                file = file[: int(random.integers(0, len(file)))]
            file = file or bytearray(b"R")
        yield bytes(file)
