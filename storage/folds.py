"""Folds as they are written: a snapshot instead of the log's beginning, and what each element went through meanwhile.

Used by the worker (collab/fold.py, collab/worker.py), which sees heads of all organizations and names one before it
touches a row of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from storage import audit, bases, epochs, jsonb, outbox
from storage.database import Connection


@dataclass(frozen=True, slots=True)
class Dirty:
    """A diagram whose log is longer than its fold, or whose newest version is behind its log."""

    org_id: UUID
    diagram_id: UUID
    seq: int
    folded: int
    first_at: datetime
    last_at: datetime

    @property
    def lease(self) -> str:
        """The name under which one worker at a time looks after it."""
        return f"fold:{self.diagram_id}"


@dataclass(frozen=True, slots=True)
class Changed:
    """One row of an element's history."""

    seq: int
    ordinal: int
    at: datetime
    author: UUID | None
    node_key: str
    register: str
    before: Any
    after: Any


class OvertakenError(Exception):
    """Somebody else folded this far already."""


@dataclass(frozen=True, slots=True)
class Written:
    """When and by whom an update was written; `command` when a save or the like wrote it and not an editor."""

    at: datetime
    author: UUID | None
    command: bool


_DIRTY = text(
    "SELECT h.org_id, h.diagram_id, h.seq, h.folded, min(u.at) AS first_at, max(u.at) AS last_at"
    " FROM colane.diagram_heads h JOIN colane.updates u ON u.org_id = h.org_id AND u.diagram_id = h.diagram_id"
    " AND u.epoch = h.epoch AND u.seq > h.folded WHERE h.seq > h.folded AND NOT EXISTS (SELECT 1 FROM colane.leases l"
    " WHERE l.name = 'fold:' || h.diagram_id AND l.until > now())"
    " GROUP BY h.org_id, h.diagram_id, h.seq, h.folded ORDER BY min(u.at) LIMIT :limit"
)
_CLAIM = text(
    "INSERT INTO colane.leases (name, holder, until) VALUES (:name, :holder, now() + make_interval(secs => :secs))"
    " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until"
    " WHERE colane.leases.until < now() OR colane.leases.holder = excluded.holder RETURNING name"
)
_SNAPSHOT = text(
    "INSERT INTO colane.snapshots (org_id, diagram_id, epoch, seq, state) VALUES (:org, :id, :epoch, :seq, :state)"
    " ON CONFLICT (org_id, diagram_id) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, at = now(),"
    " state = excluded.state"
)
_HISTORY = text(
    "INSERT INTO colane.element_changes (org_id, diagram_id, seq, ordinal, at, author, node_key, register, before, after)"
    " VALUES (:org, :id, :seq, :ordinal, :at, :author, :key, :register, CAST(:before AS jsonb), CAST(:after AS jsonb))"
    " ON CONFLICT DO NOTHING"
)
_TRIM = text("DELETE FROM colane.updates WHERE org_id = :org AND diagram_id = :id AND epoch = :epoch AND seq <= :seq")
_FOLDED = text(
    "UPDATE colane.diagram_heads SET folded = :seq WHERE org_id = :org AND diagram_id = :id AND epoch = :epoch"
    " AND folded < :seq AND seq >= :seq"
)


async def dirty(conn: Connection, limit: int = 100) -> list[Dirty]:
    """Diagrams with something to fold and nobody at it, the longest waiting first; over all organizations."""
    rows = await conn.execute(_DIRTY, {"limit": limit})
    return [Dirty(r.org_id, r.diagram_id, r.seq, r.folded, r.first_at, r.last_at) for r in rows]


async def claim(conn: Connection, name: str, holder: str, seconds: float) -> bool:
    """A lease on a piece of work; True when it is ours for that long."""
    found = await conn.execute(_CLAIM, {"name": name, "holder": holder, "secs": seconds})
    return found.scalar_one_or_none() is not None


async def release(conn: Connection, name: str, holder: str) -> None:
    """Gives a lease back."""
    await conn.execute(
        text("DELETE FROM colane.leases WHERE name = :name AND holder = :holder"), {"name": name, "holder": holder}
    )


async def written_by(
    conn: Connection, org_id: UUID, diagram_id: UUID, epoch: int, first: int, last: int
) -> dict[int, Written]:
    """Of each of these updates: by the owner of its Yjs client id, else by who delivered it."""
    rows = await conn.execute(
        text(
            "SELECT u.seq, u.at, u.command, coalesce(w.user_id, u.author) AS author FROM colane.updates u"
            " LEFT JOIN colane.writers w ON w.org_id = u.org_id AND w.diagram_id = u.diagram_id AND w.epoch = u.epoch"
            " AND w.client_id = u.client_id WHERE u.org_id = :org AND u.diagram_id = :id AND u.epoch = :epoch"
            " AND u.seq BETWEEN :first AND :last"
        ),
        {"org": org_id, "id": diagram_id, "epoch": epoch, "first": first, "last": last},
    )
    return {row.seq: Written(row.at, row.author, row.command) for row in rows}


async def write(
    conn: Connection, org_id: UUID, diagram_id: UUID, epoch: int, seq: int, state: bytes, changes: Sequence[Changed]
) -> None:
    """Replaces the log up to a number by a snapshot. Raises OvertakenError when somebody was faster: roll back then.

    The head is taken last, so that nobody who edits waits while a long history is written.
    """
    values: dict[str, Any] = {"org": org_id, "id": diagram_id, "epoch": epoch, "seq": seq}
    if changes:
        await conn.execute(
            _HISTORY,
            [
                {
                    "org": org_id, "id": diagram_id, "seq": c.seq, "ordinal": c.ordinal, "at": c.at, "author": c.author,
                    "key": jsonb.clean(c.node_key), "register": jsonb.clean(c.register),
                    "before": jsonb.text_of(c.before), "after": jsonb.text_of(c.after),
                }
                for c in changes
            ],
        )  # fmt: skip
    await conn.execute(_SNAPSHOT, {**values, "state": state})
    if (await conn.execute(_FOLDED, values)).rowcount != 1:
        raise OvertakenError
    await conn.execute(_TRIM, values)


async def behind(conn: Connection, org_id: UUID, minutes: int, diagram_id: UUID | None = None) -> list[UUID]:
    """Diagrams (or this one, if it is) whose newest version is older than so many minutes and overtaken by edits."""
    found = await conn.execute(
        text(
            "SELECT d.id FROM colane.diagrams d JOIN colane.versions v ON v.org_id = d.org_id AND v.diagram_id = d.id"
            " AND v.version = d.version JOIN colane.diagram_heads h ON h.org_id = d.org_id AND h.diagram_id = d.id"
            " WHERE d.org_id = :org AND (CAST(:id AS uuid) IS NULL OR d.id = :id) AND d.deleted_at IS NULL"
            " AND h.seq > v.seq AND v.created_at < now() - make_interval(mins => :minutes)"
        ),
        {"org": org_id, "id": diagram_id, "minutes": minutes},
    )
    return [row.id for row in found]


async def sweep(conn: Connection) -> None:
    """Expired sessions, tokens, links, tickets and idempotency keys go."""
    for table in ("sessions", "tokens", "signin_links", "reset_links", "tickets", "invitations", "link_guests"):
        await conn.execute(text(f"DELETE FROM colane.{table} WHERE expires_at < now()"))
    await conn.execute(text("DELETE FROM colane.idempotency_keys WHERE created_at < now() - interval '24 hours'"))
    await conn.execute(text("DELETE FROM colane.leases WHERE until < now() - interval '1 day'"))


async def organizations(conn: Connection) -> list[UUID]:
    """All organizations, for sweeps that go one by one."""
    return [row.org_id for row in await conn.execute(text("SELECT org_id FROM colane.organizations ORDER BY org_id"))]


async def forget(conn: Connection, org_id: UUID) -> None:
    """Inside one organization: texts of versions evicted 30 days ago, and diagrams whose time to come back is over."""
    await conn.execute(
        text(
            "UPDATE colane.versions SET xml = NULL WHERE org_id = :org AND xml IS NOT NULL"
            " AND evicted_at < now() - interval '30 days'"
        ),
        {"org": org_id},
    )
    await conn.execute(
        text("DELETE FROM colane.element_changes WHERE org_id = :org AND at < now() - interval '12 months'"),
        {"org": org_id},
    )
    await epochs.forget(conn, org_id)
    await bases.forget(conn, org_id)
    purged = await conn.execute(
        text("DELETE FROM colane.diagrams WHERE org_id = :org AND purge_at < now() RETURNING id"), {"org": org_id}
    )
    gone = [row.id for row in purged]
    for one in gone:
        await outbox.add(conn, org_id=org_id, aggregate=one, event="diagram.purge", payload={})
    for one in gone:
        await audit.record(
            conn, org_id=org_id, actor=None, action="diagram.purge", resource=f"diagram:{one}", diagram_id=one
        )
