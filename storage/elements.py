"""What elements went through, read: rows that folds wrote (storage/folds.py), newest first."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from storage import folds, jsonb
from storage.access import Grant
from storage.database import Connection, Database
from storage.diagrams import people
from storage.folds import Changed, Written
from storage.people import Person

_LATEST = text(
    "SELECT DISTINCT ON (node_key, register) seq, ordinal, at, author, node_key, register, before, after"
    " FROM colane.element_changes WHERE org_id = :org AND diagram_id = :diagram AND node_key = ANY(:keys)"
    " ORDER BY node_key, register, seq DESC, ordinal DESC"
)

Place = tuple[int, int]  # number in the log, number within it

_PAGE = text(
    "SELECT seq, ordinal, at, author, node_key, register, before, after FROM colane.element_changes"
    " WHERE org_id = :org AND diagram_id = :diagram AND node_key = ANY(:keys) AND (seq, ordinal) < (:seq, :ordinal)"
    " ORDER BY seq DESC, ordinal DESC LIMIT :limit"
)


async def latest(conn: Connection, org_id: UUID, diagram_id: UUID, keys: Sequence[str]) -> list[Changed]:
    """The last change of every register of these records, as far as folds have come."""
    values = {"org": org_id, "diagram": diagram_id, "keys": [jsonb.clean(key) for key in keys]}
    return [Changed(*row) for row in await conn.execute(_LATEST, values)]


async def changes(db: Database, grant: Grant, keys: Sequence[str], before: Place, limit: int) -> list[Changed]:
    """Up to `limit` changes of these records that come before a place in the log."""
    values = {
        "org": grant.org_id, "diagram": grant.diagram_id, "keys": [jsonb.clean(key) for key in keys],
        "seq": before[0], "ordinal": before[1], "limit": limit,
    }  # fmt: skip
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        rows = await conn.execute(_PAGE, values)
        return [
            Changed(r.seq, r.ordinal, r.at, r.author, r.node_key, r.register, r.before, r.after) for r in rows.all()
        ]


async def written(db: Database, grant: Grant, epoch: int, first: int, last: int) -> dict[int, Written]:
    """When and by whom updates were written that no fold has reached."""
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        return await folds.written_by(conn, grant.org_id, grant.diagram_id, epoch, first, last)


async def names(db: Database, grant: Grant, ids: set[UUID]) -> dict[UUID, Person]:
    """Who the authors are."""
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        return await people(conn, ids)
