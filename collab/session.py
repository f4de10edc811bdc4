"""One client in one room: who it is, what it may do, what it is still owed. Plain data; the room reads and writes it."""

from dataclasses import dataclass, field
from enum import Enum
from uuid import UUID


class Protocol(Enum):
    """Which of the two stock protocols a client speaks."""

    YWS = "y-websocket"
    HOCUSPOCUS = "hocuspocus"


@dataclass(frozen=True, slots=True)
class Person:
    """How others see somebody: the server's word, not the client's."""

    id: UUID
    name: str
    color: str


@dataclass(slots=True, eq=False)
class Session:
    """A client's place in a room. Compared by identity: two tabs of one person are two sessions."""

    protocol: Protocol
    person: Person
    writes: bool
    synced: bool = False  # it has been sent the whole state; before, it gets no updates (R4)
    gone: bool = False
    clients: set[int] = field(default_factory=set)  # Yjs client ids whose presence it may speak for
    writer: int | None = None  # the Yjs client id it writes under
    answering: bool = False  # a step 2 of it is owed an acknowledgement (Hocuspocus)
    asked: int = 0  # step 1 messages of ours that its step 2 answers on our account (a gap)
    gaps: list[tuple[bytes, bool]] = field(
        default_factory=list
    )  # without their dependencies; to be acknowledged later?
    doubt: tuple[bytes, bool] | None = None  # a viewer's step 2 that adds something; to be acknowledged if it does not
    held: int = 0  # y-websocket: the last ticket that a frame for it waits for; what comes later waits behind it
    behind: int = 0  # y-websocket: the ticket that something waits for which nothing else may overtake
    claims: dict[int, int] = field(
        default_factory=dict
    )  # y-websocket: what it had when it came, and may not be on disk
    lagging_since: bytes | None = None  # state vector up to which it has been sent everything; None: it keeps up
