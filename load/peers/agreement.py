"""Do all clients have the document that the server has? Judged on what they were sent, never by counting messages.

A fresh client fetches the server's document. Each client's own is rebuilt from what it received and what it wrote, and
must have the same state vector, the same deletions and the same content.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from pycrdt import Doc

from collab.wire.structs import Ranges, clocks, deletions, joined
from load.peers.client import Client, gather
from load.peers.frames import Door
from load.peers.updates import content, documented

FETCH_S: Final = 30.0
AGAIN_S: Final = 0.1


class State(NamedTuple):
    """What two equal documents have in common."""

    clocks: dict[int, int]
    deleted: Ranges
    content: dict[str, Any]


def state(doc: Doc[Any]) -> State:
    """A document's."""
    vector = doc.get_state()
    deleted = {client: joined(ranges) for client, ranges in deletions(doc.get_update(vector)).items()}
    return State(clocks(vector), deleted, content(doc))


def fetched(door: Door) -> Doc[Any]:
    """The server's document, given to a fresh client."""
    client = Client(door)
    try:
        if gather([client], FETCH_S):
            raise RuntimeError(f"a fresh client was not given the document: {client.closed or 'no answer'}")
        return documented(client.updates)
    finally:
        client.leave()


def fetched_with(door: Door, wanted: Mapping[int, int], seconds: float) -> tuple[Doc[Any], int]:
    """The server's document as soon as it has these writers' clocks, and how many of them it lacks in the end."""
    deadline = time.perf_counter() + seconds
    while True:
        doc = fetched(door)
        known = clocks(doc.get_state())
        lacking = sum(known.get(writer, 0) < clock for writer, clock in wanted.items())
        if not lacking or time.perf_counter() > deadline:
            return doc, lacking
        time.sleep(AGAIN_S)


def unlike(clients: Sequence[Client], doc: Doc[Any]) -> int:
    """How many of them have been closed or have something else than the server."""
    right = state(doc)
    judged: dict[bytes, bool] = {}  # whoever received the same has the same
    wrong = 0
    for client in clients:
        mark = hashlib.sha256(b"\0".join((*client.updates, b"own", *client.own))).digest()
        if mark not in judged:
            judged[mark] = state(documented((*client.updates, *client.own))) == right
        wrong += bool(client.closed) or not judged[mark]
    return wrong
