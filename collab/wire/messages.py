"""What clients say and what we answer, as typed messages: y-protocols' sync and awareness, and Hocuspocus' envelope. Pure.

A *payload* is a message without address; on the y-websocket protocol it is the frame, on Hocuspocus' the document's name
stands before it. `decode` reads what stands behind the name. Tables of both protocols: collab/SPEC.md.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import orjson

from collab.wire.lib0 import Reader, WireError, uint, var_bytes, var_string

SYNC: Final = 0
AWARENESS: Final = 1
AUTH: Final = 2
QUERY_AWARENESS: Final = 3
SYNC_REPLY: Final = 4  # Hocuspocus only, as are all that follow
STATELESS: Final = 5
BROADCAST_STATELESS: Final = 6
CLOSE: Final = 7
SYNC_STATUS: Final = 8
PING: Final = 9
PONG: Final = 10

STEP_1: Final = 0
STEP_2: Final = 1
UPDATE: Final = 2

_AUTH_TOKEN: Final = 0
_AUTH_DENIED: Final = 1
_AUTH_GRANTED: Final = 2

ENTRY_LIMIT: Final = 4 * 1024  # bytes of one awareness state
ENTRIES_LIMIT: Final = 1_000


@dataclass(frozen=True, slots=True)
class Step1:
    """I have this much: send me what I lack."""

    state: bytes


@dataclass(frozen=True, slots=True)
class Step2:
    """What you lack, by your step 1."""

    update: bytes


@dataclass(frozen=True, slots=True)
class Update:
    """What I just wrote."""

    update: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """The presence of one Yjs client; `state` None: it left."""

    client: int
    clock: int
    state: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Awareness:
    """Presence of some clients."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class QueryAwareness:
    """Who is here?"""


@dataclass(frozen=True, slots=True)
class Token:
    """A credential in band (Hocuspocus)."""

    token: str


@dataclass(frozen=True, slots=True)
class Leave:
    """This document is not needed on this socket any more (Hocuspocus)."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Well-formed and of no consequence."""


Message = Step1 | Step2 | Update | Awareness | QueryAwareness | Token | Leave | Ignored


# -- reading ---------------------------------------------------------------------------------------------------------


def decode(reader: Reader, *, hocuspocus: bool) -> Message:
    """The next message. Raises WireError for what is not one."""
    kind = reader.uint()
    if kind == SYNC or (hocuspocus and kind == SYNC_REPLY):
        return _sync(reader)
    if kind == AWARENESS:
        return _awareness(reader.bytes())
    if kind == QUERY_AWARENESS:
        return QueryAwareness()
    if kind == AUTH:
        return _auth(reader, hocuspocus=hocuspocus)
    if hocuspocus:
        return _envelope(reader, kind)
    raise WireError(f"unknown message {kind}")


def _envelope(reader: Reader, kind: int) -> Message:
    if kind == CLOSE:
        return Leave()
    if kind in (STATELESS, BROADCAST_STATELESS):
        reader.string()
        return Ignored()
    if kind in (PING, PONG, SYNC_STATUS):
        return Ignored()
    raise WireError(f"unknown message {kind}")


def is_token(frame: bytes) -> bool:
    """Is this Hocuspocus frame a credential? Raises WireError for what is no frame of that protocol."""
    if len(frame) <= 1:
        return False
    reader = Reader(frame)
    reader.bytes()
    return reader.uint() == AUTH


def decode_frame(frame: bytes) -> list[Message]:
    """All messages of one y-websocket frame. What trails the first message and is none itself is let pass."""
    if not frame:
        return []
    reader = Reader(frame)
    messages = [decode(reader, hocuspocus=False)]
    while not reader.at_end:
        try:
            messages.append(decode(reader, hocuspocus=False))
        except WireError:
            break
    return messages


def _sync(reader: Reader) -> Message:
    step = reader.uint()
    if step == STEP_1:
        return Step1(reader.bytes())
    if step == STEP_2:
        return Step2(reader.bytes())
    if step == UPDATE:
        return Update(reader.bytes())
    raise WireError(f"unknown sync message {step}")


def _auth(reader: Reader, *, hocuspocus: bool) -> Message:
    if not hocuspocus:
        # y-protocols: only servers send this. It is well-formed, so it is no offence.
        reader.uint()
        reader.string()
        return Ignored()
    if reader.uint() != _AUTH_TOKEN:
        return Ignored()
    return Token(reader.string())  # the provider's version may follow


def _awareness(payload: bytes) -> Awareness:
    reader = Reader(payload)
    count = reader.uint()
    if count > ENTRIES_LIMIT:
        raise WireError("too many presences in one message")
    entries = []
    for _ in range(count):
        client, clock, text = reader.uint(), reader.uint(), reader.string()
        state = _read_json(text)
        if state is not None and not isinstance(state, dict):
            raise WireError("a presence that is no object")
        entries.append(Entry(client, clock, state))
    return Awareness(tuple(entries))


def _read_json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:  # half a surrogate pair is JSON, as browsers write it, and not to orjson
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise WireError("a presence that is not JSON") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


# -- writing ---------------------------------------------------------------------------------------------------------


def step_1(state: bytes) -> bytes:
    """Payload: send me what I lack."""
    return b"\x00\x00" + var_bytes(state)


def step_2(update: bytes) -> bytes:
    """Payload: what you lack."""
    return b"\x00\x01" + var_bytes(update)


def update(data: bytes) -> bytes:
    """Payload: somebody wrote this."""
    return b"\x00\x02" + var_bytes(data)


def json_text(value: dict[str, Any]) -> str:
    """As others read it: what a client said may hold half a surrogate pair, which only the slower way writes."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value, separators=(",", ":"))


def awareness(entries: Iterable[tuple[int, int, str]]) -> bytes:
    """Payload: presences as (client, clock, JSON text)."""
    listed = list(entries)
    inner = b"".join([uint(len(listed)), *(uint(c) + uint(k) + var_string(t) for c, k, t in listed)])
    return uint(AWARENESS) + var_bytes(inner)


NOTHING_NEW: Final = awareness([])  # keeps a socket alive: all stock clients take it and do nothing

# Hocuspocus payloads, to stand behind a document's name.


def address(name: str) -> bytes:
    """What stands before every Hocuspocus payload."""
    return var_string(name)


def granted(*, writes: bool) -> bytes:
    """Payload: your token is good, for this scope."""
    return uint(AUTH) + uint(_AUTH_GRANTED) + var_string("read-write" if writes else "readonly")


def denied(reason: str) -> bytes:
    """Payload: your token is not good; the same words whatever the reason is."""
    return uint(AUTH) + uint(_AUTH_DENIED) + var_string(reason)


def stateless(event: dict[str, Any]) -> bytes:
    """Payload: something that is not the document happened."""
    return uint(STATELESS) + var_string(json.dumps(event, separators=(",", ":"), default=str))


def closed(reason: str) -> bytes:
    """Payload: this document is closed on this socket."""
    return uint(CLOSE) + var_string(reason)


SAVED: Final = uint(SYNC_STATUS) + b"\x01"  # one inbound update is on disk
