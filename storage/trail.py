"""The audit log as it is read: newest first, a page at a time, by filters. Written by storage/audit only."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from storage.database import Database
from storage.diagrams import people
from storage.people import Person


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log."""

    seq: int
    id: UUID
    at: datetime
    actor: Person | None
    action: str
    resource: str
    result: str
    metadata: dict[str, Any]
    request_id: str | None
    hash: bytes


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines; what is None does not matter. `since` is within, `until` is not."""

    diagram_id: UUID | None = None
    actor: UUID | None = None
    action: str | None = None
    resource: str | None = None
    since: datetime | None = None
    until: datetime | None = None


_WHERE = {
    "diagram_id": "diagram_id = :diagram_id",
    "actor": "actor = :actor",
    "action": "action = :action",
    "resource": "resource = :resource",
    "since": "at >= :since",
    "until": "at < :until",
    "before": "seq < :before",
}


async def page(
    db: Database, *, user_id: UUID, org_id: UUID, wanted: Filter, before: int | None, limit: int
) -> list[Entry]:
    """Up to `limit` lines older than row `before`."""
    given = {name: getattr(wanted, name) for name in _WHERE if name != "before"} | {"before": before}
    values = {name: value for name, value in given.items() if value is not None}
    where = " AND ".join(["org_id = :org", *(_WHERE[name] for name in values)])
    query = text(
        "SELECT seq, id, at, actor, action, resource, result, metadata, request_id, hash FROM colane.audit"
        f" WHERE {where} ORDER BY seq DESC LIMIT :limit"
    )
    async with db.transaction(user=user_id, org=org_id, read_only=True) as conn:
        rows = (await conn.execute(query, {"org": org_id, "limit": limit, **values})).all()
        known = await people(conn, {row.actor for row in rows if row.actor is not None})
    return [
        Entry(
            row.seq,
            row.id,
            row.at,
            known.get(row.actor),
            row.action,
            row.resource,
            row.result,
            row.metadata,
            row.request_id,
            bytes(row.hash),
        )
        for row in rows
    ]


async def knows(db: Database, user_id: UUID, org_id: UUID, actor: UUID) -> bool:
    """Whether somebody belongs to the organization, or did when its log told of them."""
    query = text(
        "SELECT EXISTS (SELECT 1 FROM colane.memberships WHERE org_id = :org AND user_id = :actor)"
        " OR EXISTS (SELECT 1 FROM colane.audit WHERE org_id = :org AND actor = :actor)"
    )
    async with db.transaction(user=user_id, org=org_id, read_only=True) as conn:
        return bool((await conn.execute(query, {"org": org_id, "actor": actor})).scalar_one())
