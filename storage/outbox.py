"""Events for others, written in the transaction that made them happen; delivered later, at least once, by the worker.

Within an aggregate (a diagram, or an organization for its people) events are handled one after the other in the order of
their commits. The worker claims the oldest waiting one of each aggregate for the length of a lease, and marks it handled in
the transaction of its effects: whoever lost the lease cannot mark, so an effect happens once. What fails waits and is
tried again; in the end it is parked, and what comes after it in its aggregate waits with it. Nothing is ever looked for by
"newer than the last": a number is not the order in which aggregates commit.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from opentelemetry import propagate
from sqlalchemy import TextClause, text

from storage import jsonb
from storage.database import Connection, speak_for

CHANNEL: Final = "colane_outbox"  # says "look", nothing else: a word that is lost costs the worker's next round
KEPT_DAYS: Final = 7  # of what is handled, to look things up
START: Final = (UUID(int=0), UUID(int=0))
LONGEST_ERROR: Final = 500
_TRACE: Final = "traceparent"

# The lock comes before the number: who commits later in an aggregate has the higher one.
_ADD = text(
    "INSERT INTO colane.outbox (org_id, aggregate_id, event, payload, request_id, traceparent)"
    " SELECT CAST(:org AS uuid), CAST(:aggregate AS uuid), CAST(:event AS text), CAST(:payload AS jsonb),"
    " CAST(:request AS text), CAST(:trace AS text)"
    " FROM (SELECT pg_advisory_xact_lock(hashtextextended(CAST(CAST(:aggregate AS uuid) AS text), 0))) locked"
    f" RETURNING pg_notify('{CHANNEL}', '{{}}')"
)

# From aggregate to aggregate along the index of what waits, one step each, however many events an aggregate has waiting.
_OLDEST = text("""
WITH RECURSIVE oldest AS (
  (SELECT o.org_id, o.aggregate_id, o.id, o.parked_at, o.available_at, o.claimed_until FROM colane.outbox o
   WHERE o.handled_at IS NULL AND (o.org_id, o.aggregate_id) > (:org, :aggregate)
   ORDER BY o.org_id, o.aggregate_id, o.seq LIMIT 1)
  UNION ALL
  SELECT n.* FROM oldest h CROSS JOIN LATERAL (
    SELECT o.org_id, o.aggregate_id, o.id, o.parked_at, o.available_at, o.claimed_until FROM colane.outbox o
    WHERE o.handled_at IS NULL AND (o.org_id, o.aggregate_id) > (h.org_id, h.aggregate_id)
    ORDER BY o.org_id, o.aggregate_id, o.seq LIMIT 1) n
)
SELECT org_id, id FROM oldest WHERE parked_at IS NULL AND available_at <= clock_timestamp()
AND (claimed_until IS NULL OR claimed_until < clock_timestamp()) LIMIT :limit
""")
_CLAIM = text("""
UPDATE colane.outbox o SET claimed_by = :holder, attempts = o.attempts + 1,
 claimed_until = clock_timestamp() + make_interval(secs => :lease)
FROM (
  SELECT id FROM colane.outbox WHERE org_id = :org AND id = ANY(CAST(:ids AS uuid[])) AND handled_at IS NULL
  AND parked_at IS NULL AND available_at <= clock_timestamp()
  AND (claimed_until IS NULL OR claimed_until < clock_timestamp()) ORDER BY aggregate_id FOR UPDATE SKIP LOCKED
) due WHERE o.org_id = :org AND o.id = due.id
RETURNING o.org_id, o.aggregate_id, o.id, o.seq, o.event, o.payload, o.request_id, o.traceparent, o.occurred_at, o.attempts
""")
_MINE = "WHERE org_id = :org AND id = :id AND handled_at IS NULL AND claimed_by = :holder"
_MARK = text(
    "UPDATE colane.outbox SET handled_at = now(), claimed_by = NULL, claimed_until = NULL, last_error = NULL"
    f" {_MINE} AND claimed_until > clock_timestamp()"
)
_LATER = text(
    "UPDATE colane.outbox SET claimed_by = NULL, claimed_until = NULL, last_error = :error,"
    f" available_at = clock_timestamp() + make_interval(secs => :secs) {_MINE}"
)
_PARK = text(
    f"UPDATE colane.outbox SET claimed_by = NULL, claimed_until = NULL, last_error = :error, parked_at = now() {_MINE}"
)
_STATE = text(
    "SELECT count(*) AS waiting, count(*) FILTER (WHERE parked_at IS NOT NULL) AS parked,"
    " coalesce(extract(epoch FROM clock_timestamp() - min(occurred_at) FILTER (WHERE NOT EXISTS (SELECT 1"
    " FROM colane.outbox p WHERE p.org_id = o.org_id AND p.aggregate_id = o.aggregate_id AND p.handled_at IS NULL"
    " AND p.parked_at IS NOT NULL))), 0) AS age FROM colane.outbox o WHERE handled_at IS NULL"
)
_PARKED = text(
    "SELECT org_id, id FROM colane.outbox WHERE parked_at IS NOT NULL AND handled_at IS NULL"
    " AND (CAST(:id AS uuid) IS NULL OR id = :id)"
)
_THESE = "WHERE org_id = :org AND id = ANY(CAST(:ids AS uuid[])) AND parked_at IS NOT NULL AND handled_at IS NULL"
_REPLAY = text(
    "UPDATE colane.outbox SET parked_at = NULL, attempts = 0, available_at = now(), claimed_by = NULL,"
    f" claimed_until = NULL {_THESE}"
)
_SKIP = text(f"UPDATE colane.outbox SET handled_at = now() {_THESE}")
_LISTED = (
    "SELECT o.org_id, o.aggregate_id, o.id, o.event, o.occurred_at, o.parked_at, o.attempts, o.last_error,"
    " o.request_id, (SELECT count(*) FROM colane.outbox w WHERE w.org_id = o.org_id AND w.aggregate_id = o.aggregate_id"
    " AND w.handled_at IS NULL AND w.seq > o.seq) AS behind FROM colane.outbox o WHERE o.handled_at IS NULL"
)


class LostError(Exception):
    """The lease on an event ended before it was handled; somebody else has it, or will."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event, claimed."""

    org_id: UUID
    aggregate_id: UUID
    id: UUID
    seq: int
    name: str
    payload: Mapping[str, Any]
    request_id: str | None
    traceparent: str | None
    occurred_at: datetime
    attempts: int  # this one included


@dataclass(frozen=True, slots=True)
class Waiting:
    """What an operator sees of an event that is not handled yet."""

    org_id: UUID
    aggregate_id: UUID
    id: UUID
    name: str
    occurred_at: datetime
    parked_at: datetime | None
    attempts: int
    last_error: str | None
    request_id: str | None
    behind: int  # later events of the aggregate, which wait for it


@dataclass(frozen=True, slots=True)
class Depth:
    """How much waits, how much of it is parked, and for how long the oldest has waited that nothing parked holds up."""

    waiting: int
    parked: int
    age_s: float


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
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    values = {
        "org": org_id,
        "aggregate": aggregate,
        "event": event,
        "payload": jsonb.text_of(dict(payload)),
        "request": request_id,
        "trace": carrier.get(_TRACE),
    }
    await conn.execute(_ADD, values)


async def claim(
    conn: Connection, holder: str, *, lease_s: float, limit: int, after: tuple[UUID, UUID] = START
) -> list[Event]:
    """The oldest waiting event of up to so many aggregates, ours for the length of the lease; over all organizations."""
    rows = await conn.execute(_OLDEST, {"org": after[0], "aggregate": after[1], "limit": limit})
    found: list[Event] = []
    for org_id, ids in _by_organization(rows):
        await speak_for(conn, org=org_id)
        values = {"org": org_id, "ids": ids, "holder": holder, "lease": lease_s}
        found += [Event(*row) for row in await conn.execute(_CLAIM, values)]
    return sorted(found, key=lambda one: (one.org_id, one.aggregate_id))


def _by_organization(rows: Iterable[Any]) -> list[tuple[UUID, list[UUID]]]:
    """The worker sees what waits everywhere, and changes what is in the organization it speaks for."""
    found: dict[UUID, list[UUID]] = {}
    for row in rows:
        found.setdefault(row.org_id, []).append(row.id)
    return sorted(found.items())


async def mark(conn: Connection, event: Event, holder: str) -> None:
    """Handled, in the transaction of the effects. Raises LostError when the lease has ended: roll back then."""
    done = await conn.execute(_MARK, {"org": event.org_id, "id": event.id, "holder": holder})
    if done.rowcount != 1:
        raise LostError


async def later(conn: Connection, event: Event, holder: str, seconds: float, error: str) -> None:
    """It failed: once more after a while."""
    values = {"org": event.org_id, "id": event.id, "holder": holder, "secs": seconds, "error": error[:LONGEST_ERROR]}
    await conn.execute(_LATER, values)


async def park(conn: Connection, event: Event, holder: str, error: str) -> None:
    """It failed too often: it and its aggregate wait for somebody to look (`colane outbox`)."""
    values = {"org": event.org_id, "id": event.id, "holder": holder, "error": error[:LONGEST_ERROR]}
    await conn.execute(_PARK, values)


async def depth(conn: Connection) -> Depth:
    """How the outbox stands, over all organizations."""
    row = (await conn.execute(_STATE)).one()
    return Depth(row.waiting, row.parked, float(row.age))


async def waiting(conn: Connection, *, parked: bool, limit: int) -> list[Waiting]:
    """Events that wait, the oldest first; only those that are parked, or all."""
    also = " AND o.parked_at IS NOT NULL" if parked else ""
    rows = await conn.execute(text(f"{_LISTED}{also} ORDER BY o.seq LIMIT :limit"), {"limit": limit})
    return [Waiting(*row) for row in rows]


async def replay(conn: Connection, event_id: UUID | None) -> int:
    """Parked events (or this one) are handled again, with a fresh count of attempts; how many there were."""
    return await _each(conn, _REPLAY, event_id)


async def skip(conn: Connection, event_id: UUID) -> bool:
    """Gives a parked event up: marked as handled without any effect, so that its aggregate goes on. False: not parked."""
    return await _each(conn, _SKIP, event_id) == 1


async def _each(conn: Connection, change: TextClause, event_id: UUID | None) -> int:
    rows = await conn.execute(_PARKED, {"id": event_id})
    count = 0
    for org_id, ids in _by_organization(rows):
        await speak_for(conn, org=org_id)
        count += (await conn.execute(change, {"org": org_id, "ids": ids})).rowcount
    await conn.execute(text(f"SELECT pg_notify('{CHANNEL}', '{{}}')"))
    return count


async def forget(conn: Connection, org_id: UUID) -> None:
    """What was handled a while ago goes."""
    await conn.execute(
        text("DELETE FROM colane.outbox WHERE org_id = :org AND handled_at < now() - make_interval(days => :days)"),
        {"org": org_id, "days": KEPT_DAYS},
    )
