"""The history of one element: who changed which property of it, when, from what to what; newest first.

Folds keep it (collab/fold.py); what no fold has reached is played back here, so the latest edit is always told. A query:
writes nothing. Called by api/elements.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from collab import replay
from collab.bpmn import parts
from collab.bpmn.parts import Told
from collab.replay import Trace
from collab.workshop import Workshop
from storage import elements
from storage.access import Grant
from storage.database import Database
from storage.elements import Place
from storage.folds import Changed
from storage.people import Person
from storage.updates import LoadError, UpdateLog

END: Place = (2**62, 0)
TRIES = 3  # a fold may come between what is loaded and what is asked of it


@dataclass(frozen=True, slots=True)
class Event:
    """One property of the element, changed once."""

    place: Place
    at: datetime
    author: Person | None
    property: str
    before: Any
    after: Any


class UnknownElementError(Exception):
    """The diagram never had an element of this id, as far as anybody remembers."""


async def history(
    db: Database, log: UpdateLog, workshop: Workshop, grant: Grant, element: str, *, before: Place | None, limit: int
) -> tuple[list[Event], Place | None]:
    """A page, and where the next begins (None: that was all). Raises UnknownElementError and the log's errors."""
    trace, recent, kept = await _traced(db, log, workshop, grant, element)
    if not trace.parts:
        raise UnknownElementError(element)
    start = before or END
    events: list[tuple[Changed, Told]] = []
    _tell([one for one in recent if _place(one) < start], trace, events)
    start = min(start, kept)
    while len(events) <= limit:
        rows = await elements.changes(db, grant, list(trace.parts), start, limit + 1)
        _tell(rows, trace, events)
        if len(rows) <= limit:
            break
        start = _place(rows[-1])
    page = events[:limit]
    people = await elements.names(db, grant, {one.author for one, _ in page if one.author is not None})
    told = [Event(_place(c), c.at, _person(people, c.author), t.property, t.before, t.after) for c, t in page]
    return told, told[-1].place if len(events) > limit else None


async def _traced(
    db: Database, log: UpdateLog, workshop: Workshop, grant: Grant, element: str
) -> tuple[Trace, list[Changed], Place]:
    """The element's records; its changes that no fold has reached, newest first; and where those of the folds begin."""
    for _ in range(TRIES):
        stored = await log.load(grant.org_id, grant.diagram_id)
        # The first update is the import: it is the beginning of history, not a change of every element.
        seed, tail = (stored.snapshot, stored.tail) if stored.snapshot else (stored.tail[0][1], stored.tail[1:])
        written = await elements.written(db, grant, stored.epoch, tail[0][0], tail[-1][0]) if tail else {}
        if len(written) != len(tail):
            continue
        trace = await workshop.do(replay.trace, seed, tail, [written[seq].author for seq, _ in tail], element)
        recent = [
            Changed(c.seq, ordinal, written[c.seq].at, written[c.seq].author, c.node_key, c.register, c.before, c.after)
            for ordinal, c in trace.changes
        ]
        return trace, sorted(recent, key=_place, reverse=True), (tail[0][0], 0) if tail else END
    raise LoadError("the log is being folded")


def _place(one: Changed) -> Place:
    return one.seq, one.ordinal


def _tell(rows: Sequence[Changed], trace: Trace, events: list[tuple[Changed, Told]]) -> None:
    for row in rows:
        one = parts.told(trace.parts[row.node_key], row.register, row.before, row.after, trace.ids)
        if one is not None:
            events.append((row, one))


def _person(people: dict[UUID, Person], author: UUID | None) -> Person | None:
    return None if author is None else people.get(author)
