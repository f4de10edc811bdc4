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

from sqlalchemy import text

from storage.database import Connection

BEGINNING: Final = bytes(32)

_HEAD = text("SELECT seq, hash FROM colane.audit_heads WHERE org_id = :org FOR UPDATE")
_FIRST = text("INSERT INTO colane.audit_heads (org_id, seq, hash) VALUES (:org, 0, :hash) ON CONFLICT DO NOTHING")
_LINE = text(
    "INSERT INTO colane.audit (org_id, seq, at, actor, action, resource, diagram_id, result, metadata, request_id,"
    " prev_hash, hash) VALUES (:org, :seq, :at, :actor, :action, :resource, :diagram, :result,"
    " CAST(:metadata AS jsonb), :request, :prev, :hash)"
)
_MOVE = text("UPDATE colane.audit_heads SET seq = :seq, hash = :hash WHERE org_id = :org")


def seal(previous: bytes, line: Mapping[str, Any]) -> bytes:
    """The hash of a line: SHA-256 over the previous hash and the line as canonical JSON (sorted keys, no spaces)."""
    content = json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(previous + content.encode()).digest()


def sealed_part(
    org: UUID, seq: int, at: datetime, actor: UUID | None, action: str, resource: str, result: str, metadata: object,
    request_id: str | None,
) -> dict[str, Any]:  # fmt: skip
    """What of a line goes into its hash."""
    return {
        "org": str(org),
        "seq": seq,
        "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": str(actor) if actor else None,
        "action": action,
        "resource": resource,
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
    head = (await conn.execute(_HEAD, {"org": org_id})).one_or_none()
    if head is None:
        await conn.execute(_FIRST, {"org": org_id, "hash": BEGINNING})
        head = (await conn.execute(_HEAD, {"org": org_id})).one()
    # The hash must be of what is read back: through JSON once, and with the precision that PostgreSQL keeps.
    kept = json.loads(json.dumps(dict(metadata or {}), default=str))
    seq, at, previous = int(head.seq) + 1, datetime.now(UTC), bytes(head.hash)
    sealed = seal(previous, sealed_part(org_id, seq, at, actor, action, resource, result, kept, request_id))
    line = {
        "org": org_id, "seq": seq, "at": at, "actor": actor, "action": action, "resource": resource,
        "diagram": diagram_id, "result": result, "metadata": json.dumps(kept), "request": request_id,
        "prev": previous, "hash": sealed,
    }  # fmt: skip
    await conn.execute(_LINE, line)
    await conn.execute(_MOVE, {"org": org_id, "seq": seq, "hash": sealed})


async def verify(conn: Connection, org_id: UUID) -> int | None:
    """The number of the first line that does not fit the chain, or None when all do."""
    previous, expected = BEGINNING, 1
    rows = await conn.execute(
        text(
            "SELECT seq, at, actor, action, resource, result, metadata, request_id, prev_hash, hash"
            " FROM colane.audit WHERE org_id = :org ORDER BY seq"
        ),
        {"org": org_id},
    )
    for row in rows:
        part = sealed_part(
            org_id, row.seq, row.at, row.actor, row.action, row.resource, row.result, row.metadata, row.request_id
        )
        if row.seq != expected or bytes(row.prev_hash) != previous or bytes(row.hash) != seal(previous, part):
            return expected
        previous, expected = bytes(row.hash), expected + 1
    head = (await conn.execute(_HEAD, {"org": org_id})).one_or_none()
    if head is not None and (int(head.seq) != expected - 1 or bytes(head.hash) != previous):
        return expected
    return None
