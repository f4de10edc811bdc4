"""The audit log as it is written: a hash chain per organization, in the transaction of what it tells about.

Each line holds the hash of the one before; the chain's head row is locked from here to the commit, which is why a line is
written last. The application may insert and read, nothing else; triggers refuse the rest. What the chain is made of is in
chain.py, signed heads in seals.py, the check of it all in verify.py, exports in export.py, refused requests in refusals.py.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import uuid_utils.compat as uuids
from sqlalchemy import text

from storage import jsonb
from storage.audit.chain import BEGINNING, seal, sealed_part
from storage.database import Connection
from storage.tables import SYSTEM_ORG

SYSTEM: Final = UUID(SYSTEM_ORG)  # the chain of what belongs to no organization

_LOCKED = text("SELECT seq, hash FROM colane.audit_heads WHERE org_id = :org FOR UPDATE")
_FIRST = text("INSERT INTO colane.audit_heads (org_id, seq, hash) VALUES (:org, 0, :hash) ON CONFLICT DO NOTHING")
_LINE = text(
    "INSERT INTO colane.audit (org_id, seq, id, at, actor, action, resource, diagram_id, result, metadata, request_id,"
    " prev_hash, hash) VALUES (:org, :seq, :id, :at, :actor, :action, :resource, :diagram, :result,"
    " CAST(:metadata AS jsonb), :request, :prev, :hash)"
)
_MOVE = text("UPDATE colane.audit_heads SET seq = :seq, hash = :hash WHERE org_id = :org")


async def record_own(
    conn: Connection, user_id: UUID, action: str, resource: str, request_id: str | None, **metadata: Any
) -> None:
    """What somebody does to what is theirs alone (sessions, tokens): it holds in all their organizations, so it is none's.

    The transaction's organization must be SYSTEM.
    """
    await record(
        conn,
        org_id=SYSTEM,
        actor=user_id,
        action=action,
        resource=resource,
        metadata=metadata,
        request_id=request_id,
    )


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
