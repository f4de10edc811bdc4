"""The lives of a document as they are stored: the present one in its head, those that ended beside it.

An epoch ends only here, in one guarded transaction of the worker's. Its last state is kept for 30 days, for work that comes
in late; the Yjs client that began it is kept for good, because that is how an old replica is known (R13).
"""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from storage import audit, notices
from storage.database import Connection

QUIET_HOURS: Final = 24  # a diagram that nobody had open for so long may begin anew
KEPT_DAYS: Final = 30

_IDLE = text(
    "SELECT org_id, diagram_id, seq FROM colane.diagram_heads WHERE weighed < seq AND folded = seq"
    " AND seed_client IS NOT NULL AND seen_at < now() - make_interval(hours => :hours) ORDER BY seen_at LIMIT :limit"
)
_HELD = text(
    "SELECT seed_client FROM colane.diagram_heads WHERE org_id = :org AND diagram_id = :id AND epoch = :epoch"
    " AND seq = :seq AND folded = :seq AND seed_client IS NOT NULL AND seen_at < now() - make_interval(hours => :hours)"
    " FOR UPDATE"
)
_ENDED = text(
    "INSERT INTO colane.epochs (org_id, diagram_id, epoch, seed_client, state) VALUES (:org, :id, :epoch, :client, :state)"
)
_SNAPSHOT = text(
    "UPDATE colane.snapshots SET epoch = :next, seq = :seq, at = now(), state = :state"
    " WHERE org_id = :org AND diagram_id = :id AND epoch = :epoch"
)
_HEAD = text(
    "UPDATE colane.diagram_heads SET epoch = :next, seed_client = :client, weighed = :seq"
    " WHERE org_id = :org AND diagram_id = :id"
)
_VERSION = text(
    "UPDATE colane.versions v SET epoch = :next FROM colane.diagrams d WHERE d.org_id = :org AND d.id = :id"
    " AND v.org_id = d.org_id AND v.diagram_id = d.id AND v.version = d.version AND v.epoch = :epoch AND v.seq = :seq"
)


@dataclass(frozen=True, slots=True)
class Idle:
    """A diagram that nobody had open for long, with something new since it was last weighed."""

    org_id: UUID
    diagram_id: UUID
    seq: int


@dataclass(frozen=True, slots=True)
class Turn:
    """The end of one life and the beginning of the next, both at the same number of the log."""

    epoch: int
    seq: int
    last: bytes
    first: bytes
    client: int  # who began the next


async def idle(conn: Connection, limit: int = 20) -> list[Idle]:
    """Over all organizations, the longest unseen first."""
    rows = await conn.execute(_IDLE, {"hours": QUIET_HOURS, "limit": limit})
    return [Idle(row.org_id, row.diagram_id, row.seq) for row in rows]


async def weighed(conn: Connection, one: Idle) -> None:
    """It needs no new life as it is; looked at again when it was written to."""
    await conn.execute(
        text("UPDATE colane.diagram_heads SET weighed = :seq WHERE org_id = :org AND diagram_id = :id"),
        {"org": one.org_id, "id": one.diagram_id, "seq": one.seq},
    )


async def turn(conn: Connection, org_id: UUID, diagram_id: UUID, what: Turn) -> bool:
    """Begins the next life. False, and nothing is written, when somebody came or wrote meanwhile, or it has no version."""
    keys: dict[str, Any] = {
        "org": org_id,
        "id": diagram_id,
        "epoch": what.epoch,
        "seq": what.seq,
        "next": what.epoch + 1,
    }
    client = (await conn.execute(_HELD, {**keys, "hours": QUIET_HOURS})).scalar_one_or_none()
    if client is None:
        return False
    if (await conn.execute(_VERSION, keys)).rowcount != 1:
        return False
    await conn.execute(_ENDED, {**keys, "client": client, "state": what.last})
    if (await conn.execute(_SNAPSHOT, {**keys, "state": what.first})).rowcount != 1:
        raise LookupError("a folded diagram without a snapshot")
    await conn.execute(_HEAD, {**keys, "client": what.client})
    await notices.notify(conn, {"event": "log", "org": str(org_id), "diagram": str(diagram_id)})
    await audit.record(
        conn, org_id=org_id, actor=None, action="diagram.renew", resource=f"diagram:{diagram_id}",
        metadata={"epoch": what.epoch + 1, "bytes": [len(what.last), len(what.first)]}, diagram_id=diagram_id,
    )  # fmt: skip
    return True


async def ended(conn: Connection, org_id: UUID, diagram_id: UUID, epoch: int) -> bytes | None:
    """The last state of a life that ended; None when there was none, or it is not kept any more."""
    found = await conn.execute(
        text("SELECT state FROM colane.epochs WHERE org_id = :org AND diagram_id = :id AND epoch = :epoch"),
        {"org": org_id, "id": diagram_id, "epoch": epoch},
    )
    state = found.scalar_one_or_none()
    return None if state is None else bytes(state)


async def forget(conn: Connection, org_id: UUID) -> None:
    """Last states whose time is over."""
    await conn.execute(
        text(
            "UPDATE colane.epochs SET state = NULL WHERE org_id = :org AND state IS NOT NULL"
            " AND ended_at < now() - make_interval(days => :days)"
        ),
        {"org": org_id, "days": KEPT_DAYS},
    )
