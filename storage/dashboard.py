"""The dashboard: how many diagrams, how much was done on each day, who edits what. A query: writes nothing.

Counted is what the one who asks may see. Kept by storage/readmodels.py; days are those of UTC, an edit is a version that
somebody had a part in.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from storage.database import Connection, Database
from storage.diagrams import VISIBLE, people
from storage.people import Person

EDITORS: Final = 10
THEIRS: Final = 5  # diagrams of each
RECENT: Final = 10


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is."""

    diagrams: int
    versions: int
    elements: int
    threads: int
    open_threads: int
    people: int


@dataclass(frozen=True, slots=True)
class Day:
    """What was done on one day."""

    day: date
    edits: int
    people: int
    diagrams: int


@dataclass(frozen=True, slots=True)
class Edited:
    """A diagram as somebody's work."""

    id: UUID
    title: str
    edits: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Editor:
    """Somebody, and what they worked on most."""

    person: Person
    edits: int
    diagrams: tuple[Edited, ...]


@dataclass(frozen=True, slots=True)
class Recent:
    """A diagram that was changed lately."""

    id: UUID
    title: str
    version: int
    updated_at: datetime
    updated_by: Person | None


@dataclass(frozen=True, slots=True)
class Dashboard:
    """All of it."""

    counts: Counts
    activity: tuple[Day, ...]
    editors: tuple[Editor, ...]
    recent: tuple[Recent, ...]


_MINE = f"d.org_id = :org AND d.deleted_at IS NULL AND {VISIBLE}"
_COUNTS = text(
    "SELECT count(*) AS diagrams, coalesce(sum(d.version), 0) AS versions, coalesce(sum(d.element_count), 0) AS elements,"
    " coalesce(sum(f.threads), 0) AS threads, coalesce(sum(f.open_threads), 0) AS open_threads,"
    " (SELECT count(*) FROM colane.memberships WHERE org_id = :org) AS people FROM colane.diagrams d"
    f" LEFT JOIN colane.diagram_facts f ON f.org_id = :org AND f.diagram_id = d.id WHERE {_MINE}"
)
_DONE = (
    "FROM colane.diagram_activity a JOIN colane.diagrams d ON d.org_id = :org AND d.id = a.diagram_id"
    f" WHERE a.org_id = :org AND a.day > CAST(now() AT TIME ZONE 'UTC' AS date) - CAST(:days AS int) AND {_MINE}"
)
_DAYS = text(
    "SELECT a.day, sum(a.edits) AS edits, count(DISTINCT a.user_id) AS people, count(DISTINCT a.diagram_id) AS diagrams"
    f" {_DONE} GROUP BY a.day ORDER BY a.day"
)
_EDITORS = text(
    "WITH theirs AS (SELECT a.user_id, d.id, d.title, sum(a.edits) AS edits, max(a.last_at) AS last_at"
    f" {_DONE} GROUP BY a.user_id, d.id, d.title"
    "), ranked AS (SELECT *, sum(edits) OVER (PARTITION BY user_id) AS total,"
    " row_number() OVER (PARTITION BY user_id ORDER BY edits DESC, last_at DESC, id) AS place FROM theirs"
    "), counted AS (SELECT *, dense_rank() OVER (ORDER BY total DESC, user_id) AS seat FROM ranked)"
    " SELECT user_id, total, id, title, edits, last_at FROM counted WHERE seat <= :editors AND place <= :theirs"
    " ORDER BY seat, place"
)
_RECENT = text(
    f"SELECT d.id, d.title, d.version, d.updated_at, d.updated_by FROM colane.diagrams d WHERE {_MINE}"
    " ORDER BY d.updated_at DESC, d.id DESC LIMIT :recent"
)


async def of(db: Database, *, user_id: UUID, org_id: UUID, days: int) -> Dashboard:
    """An organization's, for one of its members; activity of so many days up to today."""
    values = {"org": org_id, "user": user_id, "days": days, "editors": EDITORS, "theirs": THEIRS, "recent": RECENT}
    async with db.transaction(user=user_id, org=org_id, read_only=True) as conn:
        counts = (await conn.execute(_COUNTS, values)).one()
        daily = (await conn.execute(_DAYS, values)).all()
        editors = (await conn.execute(_EDITORS, values)).all()
        recent = (await conn.execute(_RECENT, values)).all()
        known = await _people(conn, editors, recent)
    return Dashboard(
        Counts(*counts),
        tuple(Day(*row) for row in daily),
        tuple(_editors(editors, known)),
        tuple(Recent(r.id, r.title, r.version, r.updated_at, known.get(r.updated_by)) for r in recent),
    )


async def _people(conn: Connection, editors: Any, recent: Any) -> dict[UUID, Person]:
    ids = {row.user_id for row in editors} | {row.updated_by for row in recent if row.updated_by is not None}
    return await people(conn, ids)


def _editors(rows: Any, known: dict[UUID, Person]) -> list[Editor]:
    found: dict[UUID, tuple[int, list[Edited]]] = {}
    for row in rows:
        found.setdefault(row.user_id, (row.total, []))[1].append(Edited(row.id, row.title, row.edits, row.last_at))
    return [Editor(known[user_id], total, tuple(diagrams)) for user_id, (total, diagrams) in found.items()]
