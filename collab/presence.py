"""Who points where in one room: cursors and selections, in memory only (R6). Plain data; the room reads and writes it.

A Yjs client id belongs to the session that named it first, until that session ends; what others say of it, as stock
clients do when they repeat what they hear, is dropped in silence. The field `user` is the server's word, and so is the
clock that others see: it only rises, so that a client which comes back with its old clock is seen at once.

Each other node that has the room open too sits in with a session that stands for it; what it says was checked there.
"""

import json
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from collab.session import Person, Protocol, Session
from collab.wire import messages
from collab.wire.lib0 import WireError

CLIENTS_LIMIT: Final = 64  # presences one session may speak for
DEPARTED_KEPT: Final = 256  # client ids remembered after they left; the oldest are forgotten first
NOBODY: Final = "null"  # the state of a client that is gone, as the protocol writes it
NODE_LIMIT: Final = 10_000  # presences of one other node; more are not shown here

Said = tuple[int, int, str]  # a Yjs client, the clock under which others hear of it, its state as JSON text


@dataclass(frozen=True, slots=True)
class _Presence:
    clock: int  # as the client counts
    said: int  # as the others have heard it
    text: str
    session: Session


@dataclass(frozen=True, slots=True)
class News:
    """What changed since the last tick, as a message; `alone` is whose it is when it is one session's only.

    `ours` is the part of it that other nodes have not heard.
    """

    payload: bytes
    alone: Session | None
    ours: tuple[Said, ...]


class Presences:
    """Everybody's presence, latest wins; and what of it the others have not heard yet."""

    def __init__(self) -> None:
        self._known: dict[int, _Presence] = {}
        self._fresh: dict[int, _Presence] = {}
        self._departed: OrderedDict[int, _Presence] = OrderedDict()
        self._nodes: dict[int, Session] = {}

    def __bool__(self) -> bool:
        return bool(self._known)

    def hear(self, session: Session, entries: Iterable[messages.Entry]) -> bool:
        """What a client says of itself; True when there is something to pass on. Raises WireError over the limits."""
        for entry in entries:
            held = self._known.get(entry.client)
            if held is not None and held.session is not session:
                # A farewell that comes after they were seen on another node is none: they are there.
                if entry.state is None or not self._comes_from_another_node(session, held):
                    continue
                held.session.clients.discard(entry.client)
                self._depart(entry.client)
                held = None
            if entry.state is None:
                if held is not None and entry.clock >= held.clock:
                    self._fresh[entry.client] = self._depart(entry.client)
                    session.clients.discard(entry.client)
                continue
            if held is not None and entry.clock <= held.clock:
                continue
            last = held or self._departed.get(entry.client)
            if held is None and last is not None and entry.clock <= last.clock and session.clients:
                continue  # another client repeats somebody who has just left: no ghost of them
            if held is None and len(session.clients) >= CLIENTS_LIMIT:
                raise WireError("too many presences for one session")
            person = session.person
            user = {"id": str(person.id), "name": person.name, "color": person.color}
            text = messages.json_text({**entry.state, "user": user})
            if len(text.encode()) > messages.ENTRY_LIMIT:
                raise WireError("a presence that is too large")
            session.clients.add(entry.client)
            self._departed.pop(entry.client, None)
            said = entry.clock if last is None else max(entry.clock, last.said + 1)
            self._known[entry.client] = self._fresh[entry.client] = _Presence(entry.clock, said, text, session)
        return bool(self._fresh)

    def _comes_from_another_node(self, session: Session, held: _Presence) -> bool:
        """The same person, on a session that has named nobody yet: their other node has died, or was left a moment ago."""
        if session.clients or held.session not in self._nodes.values():
            return False
        user = json.loads(held.text).get("user")
        return isinstance(user, dict) and user.get("id") == str(session.person.id)

    def news(self) -> News | None:
        """What the others have not heard; asked for once a tick."""
        if not self._fresh:
            return None
        fresh, self._fresh = self._fresh, {}
        return self._news(fresh)

    def _news(self, fresh: dict[int, _Presence]) -> News:
        owners = {one.session for one in fresh.values()}
        return News(_message(fresh), owners.pop() if len(owners) == 1 else None, self._ours(fresh))

    def _ours(self, presences: dict[int, _Presence]) -> tuple[Said, ...]:
        elsewhere = set(self._nodes.values())
        return tuple((c, one.said, one.text) for c, one in presences.items() if one.session not in elsewhere)

    def everybody(self, but: Session | None = None) -> bytes:
        """A message with all that is known, for who comes in or asks; nobody is told of themselves."""
        return _message({client: one for client, one in self._known.items() if one.session is not but})

    def missed(self, session: Session) -> bytes:
        """For who has missed some of it: all that is known, and who has left."""
        known = {client: one for client, one in self._known.items() if one.session is not session}
        return _message({**self._departed, **known})

    def forget(self, session: Session) -> News | None:
        """Its session is gone: what makes it vanish at the others', None when it had no presence."""
        gone = {client: self._depart(client) for client in session.clients if client in self._known}
        for client in gone:
            self._fresh.pop(client, None)
        return self._news(gone) if gone else None

    # -- other nodes -------------------------------------------------------------------------------------------------

    def ours(self) -> tuple[Said, ...]:
        """All who are here on this node."""
        return self._ours(self._known)

    def hear_node(self, node: int, said: Iterable[Said], *, whole: bool) -> bool:
        """What another node says of its clients, `whole`: and of no others. True when there is something to pass on.

        Messages between nodes come late and twice: what is older than what we know changes nothing.
        """
        guest = self._nodes.get(node)
        if guest is None:
            guest = self._nodes[node] = Session(Protocol.YWS, Person(UUID(int=node), "", ""), writes=False)
        named: set[int] = set()
        for client, clock, text in said:
            named.add(client)
            self._hear_guest(guest, client, clock, text)
        if whole:
            for client in guest.clients - named:
                self._fresh[client] = self._depart(client)
            guest.clients &= named
        return bool(self._fresh)

    def _hear_guest(self, guest: Session, client: int, clock: int, text: str) -> None:
        held = self._known.get(client)
        if held is not None and held.session is not guest and clock <= held.said:
            return  # it is here, or on a third node
        if text == NOBODY:
            if held is not None and held.session is guest and clock >= held.clock:
                guest.clients.discard(client)
                self._fresh[client] = self._depart(client)
            return
        last = held or self._departed.get(client)
        if last is not None and last.session is guest and clock <= last.clock:
            return
        if len(guest.clients) >= NODE_LIMIT or len(text) > messages.ENTRY_LIMIT:
            return
        if held is not None:
            held.session.clients.discard(client)
        guest.clients.add(client)
        self._departed.pop(client, None)
        known = _Presence(clock, clock if last is None else max(clock, last.said + 1), text, guest)
        self._known[client] = self._fresh[client] = known

    def forget_node(self, node: int) -> News | None:
        """A node is gone, or has nobody here any more."""
        guest = self._nodes.get(node)
        news = None if guest is None else self.forget(guest)
        self._nodes.pop(node, None)
        return news

    def _depart(self, client: int) -> _Presence:
        known = self._known.pop(client)
        gone = self._departed[client] = _Presence(known.clock, known.said + 1, NOBODY, known.session)
        while len(self._departed) > DEPARTED_KEPT:
            self._departed.popitem(last=False)
        return gone


def _message(presences: dict[int, _Presence]) -> bytes:
    return messages.awareness((client, one.said, one.text) for client, one in presences.items())
