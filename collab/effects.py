"""What a room wants done, in the order in which it said so. Carried out by collab/live.py, and by the simulation."""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from collab.presence import Said
from collab.session import Session
from collab.wire.close import Close


@dataclass(frozen=True, slots=True)
class Send:
    """The same payload to some sessions."""

    to: tuple[Session, ...]
    payload: bytes
    droppable: bool = False  # a slow reader may miss it: a resync brings it


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """So many inbound updates of a Hocuspocus session are on disk."""

    to: Session
    count: int


class Append(NamedTuple):  # one for each edit, so it has to be cheap
    """Commit this and say `committed(ticket)` or `lost(ticket, ...)`. Tickets of a room rise by one."""

    ticket: int
    update: bytes
    author: UUID | None
    client: int | None
    writers: tuple[tuple[int, UUID], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """This session is over; `held` for a moment first, where its client would otherwise be back at once."""

    session: Session
    code: Close
    held: bool = False


@dataclass(frozen=True, slots=True)
class Spread:
    """Presences of this node, for the other nodes that have this room open too."""

    said: tuple[Said, ...]


Effect = Send | Acknowledge | Append | Part | Spread
Effects = list[Effect]
