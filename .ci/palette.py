"""Makes a browser's screenshot a third of its size: 256 colours, and the nearest of them for the rest."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from functools import cache

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB, _PALETTE = 2, 3  # kinds of PNG, with 8 bits per channel or per pixel
_PIXEL = 3  # bytes
COLOURS = 256


def fewer_colours(png: bytes) -> bytes:
    """The same picture with a palette; 8-bit RGB goes in, as Chromium draws it without transparency."""
    chunks = list(_chunks(png))
    width, height, depth, kind, *_ = struct.unpack(">IIBBBBB", chunks[0][1])
    assert (depth, kind) == (8, _RGB), "not 8-bit RGB"
    packed = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    rows = [
        [row[at : at + _PIXEL] for at in range(0, len(row), _PIXEL)]
        for row in _unfiltered(packed, width * _PIXEL)
    ]
    palette = _chosen(Counter(pixel for row in rows for pixel in row))

    @cache
    def nearest(colour: bytes) -> int:
        return min(range(len(palette)), key=lambda at: _apart(colour, palette[at]))

    drawn = b"".join(b"\0" + bytes(map(nearest, row)) for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 8, _PALETTE, 0, 0, 0)
    parts = (
        (b"IHDR", header),
        (b"PLTE", b"".join(palette)),
        (b"IDAT", zlib.compress(drawn, 9)),
        (b"IEND", b""),
    )
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )


def _chosen(counted: Counter[bytes]) -> list[bytes]:
    """The colour seen most, then always the one that is missed most: seen often, and far from all that are chosen."""
    far = dict.fromkeys(counted, 3 * 255**2)
    chosen: list[bytes] = []
    while len(chosen) < min(COLOURS, len(counted)):
        missed = max(counted, key=lambda colour: counted[colour] * far[colour])
        chosen.append(missed)
        for colour, distance in far.items():
            if distance:
                far[colour] = min(distance, _apart(colour, missed))
    return chosen


def _apart(one: bytes, other: bytes) -> int:
    red, green, blue = one
    return (red - other[0]) ** 2 + (green - other[1]) ** 2 + (blue - other[2]) ** 2


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12


def _unfiltered(packed: bytes, width: int) -> Iterator[bytes]:
    """Each row's bytes; PNG keeps differences to the left, to above, to both, or to whichever fits best."""
    above = bytes(width)
    for start in range(0, len(packed), width + 1):
        how, row = packed[start], bytearray(packed[start + 1 : start + 1 + width])
        for at in range(width):
            left, corner = (row[at - _PIXEL], above[at - _PIXEL]) if at >= _PIXEL else (0, 0)
            up = above[at]
            row[at] = (row[at] + (0, left, up, (left + up) // 2, _paeth(left, up, corner))[how]) & 0xFF
        above = bytes(row)
        yield above


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda one: abs(guess - one))
