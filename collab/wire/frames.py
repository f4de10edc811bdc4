"""WebSocket frames where they cost: a payload framed once for all who get it, and whole messages cut from what was read.

Only what nearly every frame is is read here, an unfragmented binary message of a client; anything else is handed on as it
came, whole, to the library that knows the rest of the protocol. Pure.
"""

from collections.abc import Iterator
from typing import Final

_BINARY: Final = 0x82  # the last frame of a binary message, which is its first


class Framing:
    """A server's frames. The last one is remembered: one payload goes to many sockets one after the other."""

    def __init__(self) -> None:
        self._payload: bytes | None = None
        self._framed: dict[bytes, bytes] = {}

    def __call__(self, payload: bytes, address: bytes = b"") -> bytes:
        """The bytes of a binary message as a server sends it: the payload behind its address."""
        if payload is not self._payload:
            self._payload, self._framed = payload, {}
        frame = self._framed.get(address)
        if frame is None:
            frame = self._framed[address] = head(len(address) + len(payload)) + address + payload
        return frame


def head(size: int) -> bytes:
    """What stands before a binary message of so many bytes."""
    if size < 126:
        return bytes((_BINARY, size))
    if size < 65_536:
        return bytes((_BINARY, 126)) + size.to_bytes(2)
    return bytes((_BINARY, 127)) + size.to_bytes(8)


framed: Final = Framing()


class Frames:
    """What one client sends, from a frame's beginning on."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._refused = False

    def read(self, data: bytes, limit: int) -> Iterator[tuple[bytes, bytes | None]]:
        """Whole frames, each with its message if it is an unfragmented binary one. Over the limit: all as it comes."""
        if self._refused:
            yield data, None
            return
        if self._rest:
            self._rest += data
            data = bytes(self._rest) if _size(self._rest) <= len(self._rest) else b""
            if not data and _size(self._rest) - 14 <= limit:
                return
            data = data or bytes(self._rest)
            self._rest.clear()
        at, end = 0, len(data)
        while at < end:
            size = _size(data, at)
            if size - 14 > limit:
                self._refused = True
                yield data[at:], None
                return
            if at + size > end:
                self._rest += data[at:]
                return
            whole = data if size == end else data[at : at + size]
            at += size
            yield whole, _message(whole)


def _size(data: bytes | bytearray, at: int = 0) -> int:
    """Bytes of the frame that begins here, its header with them; as many as are needed to tell."""
    if len(data) - at < 2:
        return 2
    short = data[at + 1] & 0x7F
    mask = 4 if data[at + 1] & 0x80 else 0
    if short < 126:
        return 2 + mask + short
    wide = 2 if short == 126 else 8
    if len(data) - at < 2 + wide:
        return 2 + wide
    return 2 + wide + mask + int.from_bytes(data[at + 2 : at + 2 + wide])


def _message(frame: bytes) -> bytes | None:
    """The message of an unfragmented binary frame; None for any other."""
    if frame[0] != _BINARY or not frame[1] & 0x80:
        return None
    short = frame[1] & 0x7F
    at = 2 if short < 126 else 4 if short == 126 else 10
    size = len(frame) - at - 4
    mask = frame[at : at + 4] * (size // 4 + 1)
    return (int.from_bytes(frame[at + 4 :], "little") ^ int.from_bytes(mask[:size], "little")).to_bytes(size, "little")
