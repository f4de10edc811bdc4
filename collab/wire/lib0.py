"""lib0's variable-length numbers, byte strings and text: the alphabet of both socket protocols. Pure.

Text is written by us: pycrdt's encoder writes the number of characters where the number of bytes belongs.
"""

from typing import Final

MOST: Final = 1 << 53  # a number over this is no JavaScript integer


class WireError(Exception):
    """A frame that cannot be read: unknown, shorter than it says, or not what its type promises."""


def uint(number: int) -> bytes:
    """A non-negative integer, seven bits a byte, low bits first."""
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number >= 0x80:
        out.append(0x80 | (number & 0x7F))
        number >>= 7
    out.append(number)
    return bytes(out)


def var_bytes(data: bytes) -> bytes:
    """Length and bytes."""
    return uint(len(data)) + data


def var_string(text: str) -> bytes:
    """Length in bytes and UTF-8."""
    return var_bytes(text.encode())


class Reader:
    """Reads one frame from its beginning; every method raises WireError rather than read past the end."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def at_end(self) -> bool:
        """Nothing is left."""
        return self._at >= len(self._data)

    @property
    def rest(self) -> bytes:
        """What has not been read yet."""
        return self._data[self._at :]

    def uint(self) -> int:
        """A number below 2**53."""
        data, at = self._data, self._at
        if at < len(data) and data[at] < 0x80:  # nearly always
            self._at = at + 1
            return data[at]
        number = shift = 0
        while True:
            if at >= len(data):
                raise WireError("the frame ends inside a number")
            byte = data[at]
            at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 56:
                raise WireError("a number has too many digits")
        if number > MOST:
            raise WireError("a number is too large")
        self._at = at
        return number

    def bytes(self) -> bytes:
        """A byte string with its length before it."""
        length = self.uint()
        end = self._at + length
        if end > len(self._data):
            raise WireError("the frame is shorter than it says")
        data = self._data[self._at : end]
        self._at = end
        return data

    def string(self) -> str:
        """Text with its length in bytes before it."""
        try:
            return self.bytes().decode()
        except UnicodeDecodeError:
            raise WireError("text that is not UTF-8") from None
