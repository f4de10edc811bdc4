"""Read models as they are written: what search finds, what the dashboard counts; one diagram at a time, by the worker.

A read model is made from the tables, never from what an event says: an event tells that there is something to look at. So
duplicates and latecomers do no harm, and making it all anew gives the same rows. Whoever writes the rows of a diagram holds
a lock on them, and reads after taking it. Rows go with their diagram.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text

from storage import jsonb
from storage.database import Connection

COMMENTS: Final = 5_000  # of a diagram; older ones are not found
TABLES: Final = ("search_entries", "diagram_facts", "diagram_activity")


@dataclass(frozen=True, slots=True)
class Text:
    """One entry of the search index."""

    key: str  # unique in the diagram
    field: str
    element_id: str | None
    element_type: str | None
    body: str


@dataclass(frozen=True, slots=True)
class State:
    """A diagram, and how far its read models are."""

    title: str
    version: int
    indexed: int
    counted: int


_STATE = text(
    "SELECT d.title, d.version, coalesce(f.indexed, 0) AS indexed, coalesce(f.counted, 0) AS counted"
    " FROM colane.diagrams d LEFT JOIN colane.diagram_facts f ON f.org_id = d.org_id AND f.diagram_id = d.id"
    " WHERE d.org_id = :org AND d.id = :id"
)
# Another number than the outbox's lock on the same diagram: nobody who saves waits for this one.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(CAST(CAST(:id AS uuid) AS text), 1))")
_KNOWN = text(
    "SELECT key, field, element_id, element_type, body FROM colane.search_entries WHERE org_id = :org AND diagram_id = :id"
    " AND field = ANY(:fields)"
)
_DROP = text("DELETE FROM colane.search_entries WHERE org_id = :org AND diagram_id = :id AND key = ANY(:keys)")
_PUT = text(
    "INSERT INTO colane.search_entries (org_id, diagram_id, key, field, element_id, element_type, body, words)"
    " VALUES (:org, :id, :key, :field, :element, :type, :body, CAST(:words AS tsvector))"
    " ON CONFLICT (org_id, diagram_id, key) DO UPDATE SET field = excluded.field, element_id = excluded.element_id,"
    " element_type = excluded.element_type, body = excluded.body, words = excluded.words"
)
_INDEXED = text(
    "INSERT INTO colane.diagram_facts (org_id, diagram_id, indexed) VALUES (:org, :id, :version)"
    " ON CONFLICT (org_id, diagram_id) DO UPDATE SET indexed = excluded.indexed"
)
_COUNT = text(
    "INSERT INTO colane.diagram_activity AS a (org_id, diagram_id, day, user_id, edits, last_at)"
    " SELECT v.org_id, v.diagram_id, (v.created_at AT TIME ZONE 'UTC')::date, u.author, count(*), max(v.created_at)"
    " FROM colane.versions v CROSS JOIN LATERAL unnest(v.authors) AS u (author)"
    " WHERE v.org_id = :org AND v.diagram_id = :id AND v.version > :after AND v.version <= :upto"
    " GROUP BY 1, 2, 3, 4 ON CONFLICT (org_id, diagram_id, day, user_id)"
    " DO UPDATE SET edits = a.edits + excluded.edits, last_at = greatest(a.last_at, excluded.last_at)"
)
_COMMENTS = text(
    "SELECT id, element_id, text FROM colane.comments WHERE org_id = :org AND diagram_id = :id AND deleted_at IS NULL"
    " ORDER BY id DESC LIMIT :most"
)
_THREADS = text(
    "INSERT INTO colane.diagram_facts (org_id, diagram_id, threads, open_threads)"
    " SELECT :org, :id, count(*), count(*) FILTER (WHERE resolved_at IS NULL) FROM colane.comments"
    " WHERE org_id = :org AND diagram_id = :id AND thread_id IS NULL"
    " ON CONFLICT (org_id, diagram_id) DO UPDATE SET threads = excluded.threads, open_threads = excluded.open_threads"
)
_COUNTED = text(
    "INSERT INTO colane.diagram_facts (org_id, diagram_id, counted) VALUES (:org, :id, :version)"
    " ON CONFLICT (org_id, diagram_id) DO UPDATE SET counted = excluded.counted"
)


async def state(conn: Connection, org_id: UUID, diagram_id: UUID) -> State | None:
    """How far a diagram's read models are; None when it is gone."""
    row = (await conn.execute(_STATE, {"org": org_id, "id": diagram_id})).one_or_none()
    return None if row is None else State(*row)


async def lock(conn: Connection, diagram_id: UUID) -> None:
    """From here to the commit nobody else writes the rows of this diagram."""
    await conn.execute(_LOCK, {"id": diagram_id})


async def clear(conn: Connection, org_id: UUID, diagram_id: UUID) -> None:
    """As if no event of this diagram had ever been handled."""
    for table in TABLES:
        await conn.execute(
            text(f"DELETE FROM colane.{table} WHERE org_id = :org AND diagram_id = :id"),
            {"org": org_id, "id": diagram_id},
        )


async def put_texts(
    conn: Connection,
    org_id: UUID,
    diagram_id: UUID,
    fields: Sequence[str],
    texts: Sequence[Text],
    spell: Callable[[Text], str],
) -> None:
    """These and no other texts in these fields; only what differs is written. `spell` makes the tsvector of a text."""
    place = {"org": org_id, "id": diagram_id}
    rows = await conn.execute(_KNOWN, {**place, "fields": list(fields)})
    known = {row.key: (row.field, row.element_id, row.element_type, row.body) for row in rows}
    wanted: Mapping[str, Text] = {one.key: _kept(one) for one in texts}
    gone = sorted(known.keys() - wanted.keys())
    if gone:
        await conn.execute(_DROP, {**place, "keys": gone})
    new = [
        {
            **place, "key": one.key, "field": one.field, "element": one.element_id, "type": one.element_type,
            "body": one.body, "words": spell(one),
        }
        for one in wanted.values()
        if known.get(one.key) != (one.field, one.element_id, one.element_type, one.body)
    ]  # fmt: skip
    if new:
        await conn.execute(_PUT, new)


def _kept(one: Text) -> Text:
    element = None if one.element_id is None else jsonb.clean(one.element_id)
    return Text(jsonb.clean(one.key), one.field, element, one.element_type, jsonb.clean(one.body))


async def indexed(conn: Connection, org_id: UUID, diagram_id: UUID, version: int) -> None:
    """The texts are those of this version."""
    await conn.execute(_INDEXED, {"org": org_id, "id": diagram_id, "version": version})


async def comments(conn: Connection, org_id: UUID, diagram_id: UUID) -> list[Text]:
    """What people said about a diagram and its elements, the newest of it; and counts its threads."""
    place = {"org": org_id, "id": diagram_id, "most": COMMENTS}
    await conn.execute(_THREADS, place)
    rows = await conn.execute(_COMMENTS, place)
    return [Text(f"comment:{row.id}", "comment", row.element_id, None, row.text) for row in rows]


async def count(conn: Connection, org_id: UUID, diagram_id: UUID, after: int, upto: int) -> None:
    """Who made the versions after this one up to that one, day by day (UTC)."""
    await conn.execute(_COUNT, {"org": org_id, "id": diagram_id, "after": after, "upto": upto})
    await conn.execute(_COUNTED, {"org": org_id, "id": diagram_id, "version": upto})


async def diagrams(conn: Connection, org_id: UUID) -> list[UUID]:
    """All diagrams of an organization, deleted ones too: they can come back."""
    rows = await conn.execute(text("SELECT id FROM colane.diagrams WHERE org_id = :org ORDER BY id"), {"org": org_id})
    return [row.id for row in rows]
