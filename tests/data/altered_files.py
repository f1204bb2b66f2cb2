"""Bytes of a text file as an accident would leave them, for tests that expect a reading or one line."""

__all__ = ["PIECES", "altered"]

PIECES = [
    b"\0", b"\n", b"\t", b",", b"\xff", b"\r", b"\r\n", b'"', b"{", b"[", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\\ud800",
    b" ",
]  # fmt: skip


def altered(data, rng):
    """The same bytes, or cut, replaced, put in, taken out, doubled, in another encoding; `rng` is a `random.Random`."""
    for _ in range(rng.choice([0, 1, 1, 2, 4])):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(6):
            case 0:
                data = data[:at]
            case 1:
                data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
            case 2:
                data = data[:at] + rng.choice(PIECES) + data[at:]
            case 3:
                data = data[:at] + data[at + rng.randrange(1, 20) :]
            case 4:
                data = data[:at] + data[max(at - 30, 0) : at] + data[at:]
            case _:
                data = data.decode("utf-8", "replace").encode(rng.choice(["utf-8", "utf-16", "latin-1"]), "replace")
    return data
