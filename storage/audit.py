"""The audit log as it is written: a hash chain per organization, in the transaction of what it tells about.

Each line holds the hash of the one before; the chain's head row is locked from here to the commit, which is why a line is
written last. The application may insert and read, nothing else; a trigger refuses the rest.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import uuid_utils.compat as uuids
from sqlalchemy import text

from storage import jsonb
from storage.database import Connection

BEGINNING: Final = bytes(32)
PAGE: Final = 1_000  # lines read at a time when a chain is verified

_HEAD = text("SELECT seq, hash FROM colane.audit_heads WHERE org_id = :org")
_LOCKED = text("SELECT seq, hash FROM colane.audit_heads WHERE org_id = :org FOR UPDATE")
_FIRST = text("INSERT INTO colane.audit_heads (org_id, seq, hash) VALUES (:org, 0, :hash) ON CONFLICT DO NOTHING")
_LINE = text(
    "INSERT INTO colane.audit (org_id, seq, id, at, actor, action, resource, diagram_id, result, metadata, request_id,"
    " prev_hash, hash) VALUES (:org, :seq, :id, :at, :actor, :action, :resource, :diagram, :result,"
    " CAST(:metadata AS jsonb), :request, :prev, :hash)"
)
_PAGE = text(
    "SELECT seq, id, at, actor, action, resource, diagram_id, result, metadata, request_id, prev_hash, hash"
    " FROM colane.audit WHERE org_id = :org AND seq > :after ORDER BY seq LIMIT :limit"
)
_MOVE = text("UPDATE colane.audit_heads SET seq = :seq, hash = :hash WHERE org_id = :org")


def seal(previous: bytes, line: Mapping[str, Any]) -> bytes:
    """The hash of a line: SHA-256 over the previous hash and the line as canonical JSON (sorted keys, no spaces)."""
    content = json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(previous + content.encode()).digest()


def sealed_part(
    org: UUID, seq: int, line_id: UUID, at: datetime, actor: UUID | None, action: str, resource: str, diagram: UUID | None,
    result: str, metadata: object, request_id: str | None,
) -> dict[str, Any]:  # fmt: skip
    """What of a line goes into its hash: everything that is ever shown of it."""
    return {
        "org": str(org),
        "seq": seq,
        "id": str(line_id),
        "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": str(actor) if actor else None,
        "action": action,
        "resource": resource,
        "diagram": str(diagram) if diagram else None,
        "result": result,
        "metadata": metadata,
        "request_id": request_id,
    }


async def record(
    conn: Connection,
    *,
    org_id: UUID,
    actor: UUID | None,
    action: str,
    resource: str,
    result: str = "ok",
    metadata: Mapping[str, Any] | None = None,
    diagram_id: UUID | None = None,
    request_id: str | None = None,
) -> None:
    """One line, as the last thing before the commit. `resource` is "kind:id"."""
    head = (await conn.execute(_LOCKED, {"org": org_id})).one_or_none()
    if head is None:
        await conn.execute(_FIRST, {"org": org_id, "hash": BEGINNING})
        head = (await conn.execute(_LOCKED, {"org": org_id})).one()
    # The hash must be of what is read back: through JSON once, and with the precision that PostgreSQL keeps.
    kept = jsonb.plain(dict(metadata or {}))
    seq, at, previous, line_id = int(head.seq) + 1, datetime.now(UTC), bytes(head.hash), uuids.uuid7()
    part = sealed_part(org_id, seq, line_id, at, actor, action, resource, diagram_id, result, kept, request_id)
    sealed = seal(previous, part)
    line = {
        "org": org_id, "seq": seq, "id": line_id, "at": at, "actor": actor, "action": action, "resource": resource,
        "diagram": diagram_id, "result": result, "metadata": jsonb.text_of(kept), "request": request_id,
        "prev": previous, "hash": sealed,
    }  # fmt: skip
    await conn.execute(_LINE, line)
    await conn.execute(_MOVE, {"org": org_id, "seq": seq, "hash": sealed})


async def verify(conn: Connection, org_id: UUID) -> int | None:
    """The number of the first line that does not fit the chain, or None when all do.

    Nothing is locked. What was there at the start must be whole, and no line may be there that the head does not know.
    """
    start = await _head(conn, org_id)
    seq, previous = 0, BEGINNING
    after = -(1 << 62)  # a forged line may stand below the first
    while rows := (await conn.execute(_PAGE, {"org": org_id, "after": after, "limit": PAGE})).all():
        for row in rows:
            part = sealed_part(
                org_id, row.seq, row.id, row.at, row.actor, row.action, row.resource, row.diagram_id, row.result,
                row.metadata, row.request_id,
            )  # fmt: skip
            if row.seq != seq + 1 or bytes(row.prev_hash) != previous or bytes(row.hash) != seal(previous, part):
                return seq + 1
            seq, previous = int(row.seq), bytes(row.hash)
            if (seq, previous) != start and seq == start[0]:
                return seq
        after = seq
    if seq < start[0]:
        return seq + 1
    end, _ = await _head(conn, org_id)
    return None if seq <= end else end + 1


async def _head(conn: Connection, org_id: UUID) -> tuple[int, bytes]:
    row = (await conn.execute(_HEAD, {"org": org_id})).one_or_none()
    return (0, BEGINNING) if row is None else (int(row.seq), bytes(row.hash))
