"""The audit log as it is read: newest first, a page at a time. Written by storage/audit.py only."""

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


async def page(
    db: Database, *, user_id: UUID, org_id: UUID, diagram_id: UUID | None, before: int | None, limit: int
) -> list[Entry]:
    """Up to `limit` lines older than `before`, of one diagram or of all."""
    query = text(
        "SELECT seq, id, at, actor, action, resource, result, metadata, request_id, hash FROM colane.audit"
        " WHERE org_id = :org AND (CAST(:diagram AS uuid) IS NULL OR diagram_id = :diagram)"
        " AND (CAST(:before AS bigint) IS NULL OR seq < :before) ORDER BY seq DESC LIMIT :limit"
    )
    async with db.transaction(user=user_id, org=org_id, read_only=True) as conn:
        rows = (
            await conn.execute(query, {"org": org_id, "diagram": diagram_id, "before": before, "limit": limit})
        ).all()
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
