"""What nodes say to each other about one diagram, as bytes. Pure.

Each message names its node (a number drawn at the start of the process), a turn that rises with every message of that
node, and the epoch. Nothing in it is the only copy of anything: whoever misses one reads the log, or waits for the next.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from collab.presence import Said
from collab.wire.lib0 import Reader, WireError, uint, var_bytes, var_string

VERSION: Final = 1
_UPDATES, _POSITION, _PRESENCE, _ROLL, _LEFT = range(5)
ENTRIES_LIMIT: Final = 100_000


@dataclass(frozen=True, slots=True)
class Updates:
    """Committed updates with their numbers in the log."""

    listed: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Position:
    """I have the log up to this number; `print` is the document's fingerprint at it, empty where not asked for."""

    seq: int
    print: bytes


@dataclass(frozen=True, slots=True)
class Presence:
    """News of my clients."""

    said: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Roll:
    """All my clients here, and my position; `asks`: tell me yours."""

    asks: bool
    position: Position
    said: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """Nobody is here with me any more."""


Word = Updates | Position | Presence | Roll | Left


@dataclass(frozen=True, slots=True)
class Message:
    """Who says it, in which turn, about which life of the document."""

    node: int
    turn: int
    epoch: int
    word: Word


def encode(message: Message) -> bytes:
    """As bytes."""
    head = uint(VERSION) + uint(message.node) + uint(message.turn) + uint(message.epoch)
    match message.word:
        case Updates(listed):
            body = b"".join([uint(len(listed)), *(uint(seq) + var_bytes(data) for seq, data in listed)])
            return head + uint(_UPDATES) + body
        case Position() as position:
            return head + uint(_POSITION) + _position(position)
        case Presence(said):
            return head + uint(_PRESENCE) + _said(said)
        case Roll(asks, position, said):
            return head + uint(_ROLL) + uint(asks) + _position(position) + _said(said)
        case Left():
            return head + uint(_LEFT)


def _position(position: Position) -> bytes:
    return uint(position.seq) + var_bytes(position.print)


def _said(said: Iterable[Said]) -> bytes:
    listed = list(said)
    return b"".join([uint(len(listed)), *(uint(c) + uint(k) + var_string(t) for c, k, t in listed)])


def decode(data: bytes) -> Message:
    """From bytes. Raises WireError for what no node of this version says."""
    reader = Reader(data)
    if reader.uint() != VERSION:
        raise WireError("a message of another version")
    node, turn, epoch, kind = reader.uint(), reader.uint(), reader.uint(), reader.uint()
    return Message(node, turn, epoch, _word(reader, kind))


def _word(reader: Reader, kind: int) -> Word:
    if kind == _UPDATES:
        return Updates(tuple((reader.uint(), reader.bytes()) for _ in range(_count(reader))))
    if kind == _POSITION:
        return _read_position(reader)
    if kind == _PRESENCE:
        return Presence(_read_said(reader))
    if kind == _ROLL:
        return Roll(bool(reader.uint()), _read_position(reader), _read_said(reader))
    if kind == _LEFT:
        return Left()
    raise WireError(f"unknown message {kind}")


def _read_position(reader: Reader) -> Position:
    return Position(reader.uint(), reader.bytes())


def _read_said(reader: Reader) -> tuple[Said, ...]:
    return tuple((reader.uint(), reader.uint(), reader.string()) for _ in range(_count(reader)))


def _count(reader: Reader) -> int:
    count = reader.uint()
    if count > ENTRIES_LIMIT:
        raise WireError("too many entries in one message")
    return count
