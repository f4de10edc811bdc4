"""PostgreSQL as a history has it: heads, log, folds, epochs and notices, in memory, and as unreliable as it is told to be.

What is committed here is what a restart finds: the oracle asks it and nobody else. A commit may fail, hang, or succeed
without its answer arriving; reading may fail; notices are lost while a listener is away. Used by node.py and oracle.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from pycrdt import Doc, get_update

from collab.bpmn import diagram, document
from collab.simulate.world import World
from collab.wire import structs
from storage.updates import Append, LoadError, Refused, Stored, Tail

ORG: Final = UUID(int=1)
HANG_S: Final = 20.0


@dataclass(slots=True)
class Life:
    """One epoch of one document: its whole content, kept beside the log for the oracle's sake."""

    doc: Doc[Any] = field(default_factory=Doc)

    def holds(self, update: bytes) -> bool:
        """Is everything of this update in it, structs and deletions?"""
        rest = get_update(update, self.doc.get_state())
        if structs.has_structs(rest):
            return False
        if rest == structs.NOTHING:
            return True
        mine = structs.deletions(self.doc.get_update(self.doc.get_state()))
        joined = {client: structs.joined(ranges) for client, ranges in mine.items()}
        return structs.covered(structs.deletions(rest), joined)


@dataclass(slots=True)
class Document:
    """One diagram's rows."""

    epoch: int = 1
    seq: int = 0
    folded: int = 0
    snapshot: bytes | None = None
    tail: list[tuple[int, bytes]] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)  # the client that began each epoch
    lives: dict[int, Life] = field(default_factory=dict)
    held: bool = False  # somebody's transaction holds the head

    @property
    def updates(self) -> list[bytes]:
        """Everything to apply, in order."""
        return [*([self.snapshot] if self.snapshot else []), *(data for _, data in self.tail)]


class Database:
    """One a history. `away`: nobody reaches it. `moody`: the share of commits that do not go well."""

    def __init__(self, world: World, moody: float) -> None:
        self.world, self.moody = world, moody
        self.away = False
        self.documents: dict[UUID, Document] = {}
        self.listeners: list[Callable[[UUID, int], None]] = []

    def create(self, name: UUID, seed: bytes, client: int) -> None:
        """A diagram with its first update."""
        held = self.documents[name] = Document(seeds=[client], lives={1: Life()})
        self._keep(held, seed)

    def _keep(self, held: Document, update: bytes) -> int:
        held.seq += 1
        held.tail.append((held.seq, update))
        held.lives[held.epoch].doc.apply_update(update)
        return held.seq

    # -- what a node asks ----------------------------------------------------------------------------------------------

    def append(self, batch: Sequence[Append]) -> list[int | Refused]:
        """One transaction, committed."""
        held_by_others = {item.diagram_id for item in batch if self.documents[item.diagram_id].held}
        return [Refused.HELD if item.diagram_id in held_by_others else self._append(item) for item in batch]

    def _append(self, item: Append) -> int | Refused:
        held = self.documents[item.diagram_id]
        return Refused.EPOCH if item.epoch != held.epoch else self._keep(held, item.update)

    def load(self, name: UUID) -> Stored:
        """The whole document. Raises LoadError."""
        if self.away:
            raise LoadError("the database is away")
        held = self.documents[name]
        return Stored(held.epoch, held.seq, held.snapshot, list(held.tail), frozenset(held.seeds[:-1]))

    def tail(self, name: UUID, after: int) -> Tail:
        """What came after a number. Raises LoadError."""
        if self.away:
            raise LoadError("the database is away")
        held = self.documents[name]
        return Tail(held.epoch, held.seq, [one for one in held.tail if one[0] > after], folded=after < held.folded)

    def notify(self, name: UUID, seq: int) -> None:
        """Tells whoever listens how far a log goes."""
        for listener in self.listeners:
            listener(name, seq)

    # -- what others do ------------------------------------------------------------------------------------------------

    def save(self, name: UUID, update: bytes) -> None:
        """A save over REST: an edit like any other, and a notice."""
        held = self.documents[name]
        if not held.held:
            seq = self._keep(held, update)
            self.notify(name, seq)

    def fold(self, name: UUID, upto: int) -> None:
        """The worker replaces the log's beginning by a snapshot."""
        held = self.documents[name]
        if held.folded < upto <= held.seq:
            part = [data for number, data in held.tail if number <= upto]
            held.snapshot = diagram.compact([*([held.snapshot] if held.snapshot else []), *part])
            held.tail = [one for one in held.tail if one[0] > upto]
            held.folded = upto

    def turn(self, name: UUID, client: int) -> None:
        """The worker begins a new epoch: the same content in a fresh document, written by a client of its own."""
        held = self.documents[name]
        shown = document.read(held.lives[held.epoch].doc)
        held.epoch += 1
        held.seeds.append(client)
        held.lives[held.epoch] = Life()
        held.snapshot, held.tail, held.folded = None, [], held.seq
        self._keep(held, document.seed(shown, client))
