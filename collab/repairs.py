"""The repairs of a version as the audit tells them: only those the one before did not have, with the people whose edits met.

The view says what is shown otherwise and why; who took away what somebody else leaned on stands in the log and in the
history of elements. What neither remembers is told without a name. Called by checkpoint.py and save.py, before they write.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from collab import replay
from collab.bpmn.records import Value
from collab.workshop import Workshop
from storage import diagrams, elements, folds, jsonb, versions
from storage.database import Connection
from storage.updates import Stored

SHOWN: Final = 50  # repairs in one line of the audit
GONE: Final = "was deleted"
# What somebody did who leaned on what is gone, in the words that follow "while Bob".
_LEANED: Final = {
    "ends": "connected it",
    "host": "attached it",
    "parent": "put it there",
    "reference": "referred to it",
    "shape": "drew it",
}

Reading = Callable[[], AbstractAsyncContextManager[Connection]]


@dataclass(frozen=True, slots=True)
class Place:
    """The version that a new one follows: its diagram, its number, and how far it had come in the log."""

    org_id: UUID
    diagram_id: UUID
    version: int
    seq: int


@dataclass(frozen=True, slots=True)
class Last:
    """The last change of a register: where in the log, by whom, to what."""

    seq: int
    author: UUID | None
    after: Value | None


Lasts = Mapping[tuple[str, str], Last]  # by key and register


async def told(
    reading: Reading,
    workshop: Workshop,
    place: Place,
    stored: Stored,
    repairs: Sequence[Mapping[str, Any]],
    mine: tuple[bytes, UUID | None] | None = None,
) -> list[str]:
    """The new ones of `repairs`, in words. `mine`: an update that is not in the log yet, and who writes it."""
    if not repairs:
        return []
    async with reading() as conn:
        known = {one["text"] for one in await versions.repairs(conn, place.org_id, place.diagram_id, place.version)}
    new = [one for one in repairs if jsonb.clean(one["text"]) not in known][:SHOWN]
    if not new:
        return []
    keys = sorted({key for one in new for key in (one["key"], one["other"]) if key})
    # The first update is the import: nobody's edit.
    seed, tail = (stored.snapshot, stored.tail) if stored.snapshot else (stored.tail[0][1], stored.tail[1:])
    own = [(stored.seq + 1, mine[0])] if mine is not None else []
    changes = await workshop.do(replay.latest, seed, [*tail, *own], keys)
    async with reading() as conn:
        written = (
            await folds.written_by(conn, place.org_id, place.diagram_id, stored.epoch, tail[0][0], tail[-1][0])
            if tail
            else {}
        )
        authors = {seq: one.author for seq, one in written.items()} | {seq: mine[1] for seq, _ in own if mine}
        lasts = {
            (one.node_key, one.register): Last(one.seq, one.author, one.after)
            for one in await elements.latest(conn, place.org_id, place.diagram_id, keys)
        }
        for one in changes:
            if one.seq in authors:
                lasts[one.node_key, one.register] = Last(one.seq, authors[one.seq], one.after)
        people = await diagrams.people(conn, {one.author for one in lasts.values() if one.author is not None})
    names = {id_: person.name or "somebody" for id_, person in people.items()}
    return [in_words(one, lasts, names, place.seq) for one in new]


def in_words(repair: Mapping[str, Any], lasts: Lasts, names: Mapping[UUID, str], since: int) -> str:
    """One repair with the people in it; `since`: what came later in the log is new in this version."""
    text, key, other = jsonb.clean(str(repair["text"])), str(repair["key"]), str(repair["other"] or "")
    definition = repair["rule"] == "definition"  # what is gone and shown all the same is the element itself
    gone, leaning = (key, other) if definition else (other, key)
    deleted = lasts.get((gone, "d"))
    taker = names.get(deleted.author) if deleted and deleted.after and deleted.author else None
    leaner = _name(_leaning(lasts, leaning, gone), names, since)
    if definition and taker:
        return f"{text} (deleted by {taker}{f', used by {leaner}' if leaner and leaner != taker else ''})"
    if GONE in text and taker:
        did = _LEANED.get(repair["rule"])
        met = f" while {leaner} {did}" if did and leaner and leaner != taker else ""
        return text.replace(GONE, f"{GONE} by {taker}", 1) + met
    edited = [_name(_latest(lasts, one), names, since) for one in (key, other)]
    both = list(dict.fromkeys(name for name in edited if name))
    return f"{text} (edits of {' and '.join(both)})" if both else text


def _leaning(lasts: Lasts, key: str, to: str) -> Last | None:
    """The last change that made one record lead to another, or stand in it."""
    found = [one for (held, _), one in lasts.items() if held == key and _leads(one.after, to)]
    return max(found, key=lambda one: one.seq, default=None)


def _latest(lasts: Lasts, key: str) -> Last | None:
    return max((one for (held, _), one in lasts.items() if held == key), key=lambda one: one.seq, default=None)


def _leads(value: Value | None, to: str) -> bool:
    return (isinstance(value, dict) and value.get("r") == to) or (isinstance(value, list) and value[:1] == [to])


def _name(last: Last | None, names: Mapping[UUID, str], since: int) -> str | None:
    return names.get(last.author) if last and last.author and last.seq > since else None
