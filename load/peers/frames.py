"""What goes over a socket, written and read as cheaply as Python can: WebSocket frames, and both Yjs protocols in them.

Frames of a client are made before the clock starts. Frames of a server are walked over later, when nobody waits for it.
Only what servers send without compression is understood; none is offered any.
"""

import random
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

BINARY, CLOSE, PING, PONG = 0x2, 0x8, 0x9, 0xA
NOTHING: Final = b"\x00\x00"  # a Yjs update without structs or deletions
KNOWS_NOTHING: Final = b"\x00"  # a state vector without clients
HOCUSPOCUS_VERSION: Final = "4.7.0"
_MASK: Final = random.randbytes(4)


def frame(payload: bytes, kind: int = BINARY) -> bytes:
    """One masked frame."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | kind, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((0x80 | kind, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | kind, 0xFF)) + size.to_bytes(8, "big")
    mask = int.from_bytes((_MASK * (size // 4 + 1))[:size], "big")
    return head + _MASK + (int.from_bytes(payload, "big") ^ mask).to_bytes(size, "big")


def walk(data: bytes) -> tuple[list[tuple[int, bytes]], int, int]:
    """The whole frames in a server's bytes (kind, payload), how many bytes they take, and how many the next one needs."""
    found: list[tuple[int, bytes]] = []
    at, end = 0, len(data)
    while at + 2 <= end:
        first, size, start = data[at], data[at + 1], at + 2
        if size == 126:
            size, start = int.from_bytes(data[start : start + 2], "big"), start + 2
        elif size == 127:
            size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        if start > end or start + size > end:
            return found, at, max(start + size - at, 2)
        if not first & 0x80 or first & 0x70:
            raise ValueError("a frame in pieces, or compressed: nobody asked for that")
        found.append((first & 0x0F, data[start : start + size]))
        at = start + size
    return found, at, 2


def number(value: int) -> bytes:
    """A lib0 variable-length integer."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def counted(data: bytes) -> bytes:
    """Bytes, or a string's, after their length."""
    return number(len(data)) + data


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length integer, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def read_counted(data: bytes, at: int) -> bytes:
    """What `counted` wrote at a place."""
    size, at = read_number(data, at)
    return data[at : at + size]


class Kind(Enum):
    """What a message is to a client."""

    QUESTION = auto()  # sync step 1
    STATE = auto()  # sync step 2
    UPDATE = auto()
    CURSORS = auto()
    SAVED = auto()  # one update of ours is acknowledged; Hocuspocus' protocol only
    OTHER = auto()


SYNC: Final = (Kind.QUESTION, Kind.STATE, Kind.UPDATE)


class YWebsocket:
    """y-protocols as they are: one socket, one document."""

    prefix = b""

    def hello(self, state: bytes) -> list[bytes]:
        return [self.prefix + b"\x00\x00" + counted(state)]

    def answer(self) -> bytes:
        return self.prefix + b"\x00\x01" + counted(NOTHING)

    def update(self, update: bytes) -> bytes:
        return self.prefix + b"\x00\x02" + counted(update)

    def cursors(self, awareness: bytes) -> bytes:
        return self.prefix + b"\x01" + counted(awareness)

    def read(self, message: bytes) -> tuple[Kind, bytes]:
        at = len(self.prefix)
        if message[at] in (0, 4):  # 4 is how Hocuspocus answers a question of ours
            return SYNC[message[at + 1]], read_counted(message, at + 2)
        if message[at] == 1:
            return Kind.CURSORS, read_counted(message, at + 1)
        if message[at:] == b"\x08\x01":
            return Kind.SAVED, b""
        return Kind.OTHER, b""


class Hocuspocus(YWebsocket):
    """The same after the document's name, and an authentication first."""

    def __init__(self, document: str, token: str = "") -> None:
        self.prefix = counted(document.encode())
        self.token = token

    def hello(self, state: bytes) -> list[bytes]:
        key = b"\x02\x00" + counted(self.token.encode()) + counted(HOCUSPOCUS_VERSION.encode())
        return [self.prefix + key, *super().hello(state)]


@dataclass(frozen=True)
class Door:
    """Where a document is served and how to ask for it."""

    port: int
    path: str
    protocol: YWebsocket
    headers: str = ""  # lines of HTTP, each with its end

    def request(self) -> bytes:
        """The opening handshake."""
        return (
            f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\nSec-WebSocket-Version: 13\r\n{self.headers}\r\n"
        ).encode()
