"""Events for others, written in the transaction that made them happen; delivered later, at least once, by the worker."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import text

from storage import jsonb
from storage.database import Connection

_ADD = text(
    "INSERT INTO colane.outbox (org_id, aggregate_id, event, payload, request_id)"
    " VALUES (:org, :aggregate, :event, CAST(:payload AS jsonb), :request)"
)


async def add(
    conn: Connection,
    *,
    org_id: UUID,
    aggregate: UUID,
    event: str,
    payload: Mapping[str, Any],
    request_id: str | None = None,
) -> None:
    """One event of an aggregate (a diagram, say); its events are handled in their order."""
    values = {
        "org": org_id,
        "aggregate": aggregate,
        "event": event,
        "payload": jsonb.text_of(dict(payload)),
        "request": request_id,
    }
    await conn.execute(_ADD, values)
