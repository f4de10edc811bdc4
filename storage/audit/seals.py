"""Signed heads in the database: statements that a chain had this last row at this time, written by the worker only.

The application reads them; nobody changes or deletes one, a trigger refuses it. The same heads stand in a file and in the
worker's log, outside of the database (collab/seals.py).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from storage.audit.chain import Head, moment
from storage.database import Connection

_NEWEST = text("SELECT coalesce(max(seq), 0) FROM colane.audit_seals WHERE org_id = :org")
_BETWEEN = text(
    "SELECT org_id, seq, hash, at, key_id, signature FROM colane.audit_seals"
    " WHERE org_id = :org AND seq > :after AND seq <= :until ORDER BY seq, key_id"
)
_ADD = text(
    "INSERT INTO colane.audit_seals (org_id, seq, hash, at, key_id, signature)"
    " VALUES (:org, :seq, :hash, :at, :key, :signature) ON CONFLICT DO NOTHING"
)
_ALL = text("SELECT org_id, seq, hash FROM colane.audit_heads ORDER BY org_id")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one chain is, as its head row has it."""

    org_id: UUID
    seq: int
    hash: bytes


async def newest(conn: Connection, org_id: UUID) -> int:
    """The newest row that was signed."""
    return int((await conn.execute(_NEWEST, {"org": org_id})).scalar_one())


async def between(conn: Connection, org_id: UUID, after: int, until: int) -> list[Head]:
    """Heads of the rows after one, up to another."""
    rows = await conn.execute(_BETWEEN, {"org": org_id, "after": after, "until": until})
    return [_head(row) for row in rows]


async def add(conn: Connection, head: Head) -> None:
    """Write a signed head; one that is there already stays."""
    values = {
        "org": UUID(head.org), "seq": head.seq, "hash": head.hash, "at": datetime.fromisoformat(head.at),
        "key": head.key, "signature": head.signature,
    }  # fmt: skip
    await conn.execute(_ADD, values)


async def standings(conn: Connection) -> list[Standing]:
    """All chains, for the worker."""
    return [Standing(row.org_id, int(row.seq), bytes(row.hash)) for row in await conn.execute(_ALL)]


def _head(row: Any) -> Head:
    return Head(str(row.org_id), int(row.seq), bytes(row.hash), moment(row.at), row.key_id, bytes(row.signature))
