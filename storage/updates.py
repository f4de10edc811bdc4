"""The log: raw Yjs updates, numbered per diagram without gaps, and the documents that can be made of them.

R12: a number is given under the diagram's head row, so numbers become visible in order and none is missing. Plain asyncpg,
because this is the hot path: one transaction carries what all rooms wrote meanwhile. `append_in` is the same for a command
that appends as part of a transaction of its own (a save).
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, Self
from uuid import UUID

import asyncpg
from sqlalchemy import text

from storage.database import SESSION, Connection
from storage.notices import CHANNEL

POOL: Final = 6


class Refused(Enum):
    """Why an update was not appended."""

    HELD = "held"  # somebody holds the diagram's head: try again with the next batch
    EPOCH = "epoch"  # the document has begun another life
    GONE = "gone"  # there is no such diagram, or it was deleted


class LoadError(Exception):
    """A document that cannot be loaded whole is not loaded at all (R8)."""


class UnknownDiagramError(LoadError):
    """No such diagram in this organization, or it was deleted."""


class Append(NamedTuple):  # one for each edit, so it has to be cheap
    """One update to keep. `writers` are Yjs client ids met for the first time, with the user who writes under them."""

    org_id: UUID
    diagram_id: UUID
    epoch: int
    update: bytes
    author: UUID | None
    client_id: int | None = None
    writers: tuple[tuple[int, UUID], ...] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as stored: its state up to the fold and the updates after it, oldest first."""

    epoch: int
    seq: int
    snapshot: bytes | None
    tail: list[tuple[int, bytes]]
    retired: frozenset[int] = frozenset()  # Yjs clients that began earlier epochs: who knows one has an old replica

    @property
    def updates(self) -> list[bytes]:
        """Everything to apply, in order."""
        return [*([self.snapshot] if self.snapshot else []), *(data for _, data in self.tail)]


@dataclass(frozen=True, slots=True)
class Tail:
    """Updates after a number; `folded` says that some of them are in the snapshot only, so load again."""

    epoch: int
    seq: int
    updates: list[tuple[int, bytes]]
    folded: bool


# One call for what all rooms of an organization wrote: it says for whom, as any transaction does, locks the heads that are
# free, numbers, inserts, moves the heads (migration 0013). Alone it is its own transaction, and one round trip.
_APPEND: Final = "SELECT place, seq FROM colane.append_updates($1, $2, $3, $4, $5, $6)"
_WHY_NOT: Final = (
    "SELECT h.diagram_id, h.epoch, d.deleted_at IS NOT NULL AS deleted FROM colane.diagram_heads h"
    " JOIN colane.diagrams d ON d.org_id = h.org_id AND d.id = h.diagram_id"
    " WHERE h.org_id = $1 AND h.diagram_id = ANY($2::uuid[])"
)
_WRITERS: Final = (
    "INSERT INTO colane.writers (org_id, diagram_id, epoch, client_id, user_id)"
    " SELECT $1, * FROM unnest($2::uuid[], $3::int[], $4::bigint[], $5::uuid[]) ON CONFLICT DO NOTHING"
)
_TENANT: Final = "SELECT set_config('app.org', $1, true)"

if TYPE_CHECKING:
    _Conn = asyncpg.Connection[asyncpg.Record]
    _Pooled = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]


class UpdateLog:
    """The log, for the journal (append) and the rooms (load, tail). One per process."""

    def __init__(self, url: str, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._url, self._pool = url, pool
        self._appending = asyncio.Lock()
        # For `append`, which every acknowledgement waits for: none of the pool's, which are taken back when they break.
        self._own: _Conn | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[Self]:
        """Connections of this log's own; every commit of theirs waits for the disk, whatever the server's default."""
        # No reset query: only transaction-local settings are changed on these connections.
        async with asyncpg.create_pool(url, min_size=1, max_size=POOL, reset=_leave, server_settings=SESSION) as pool:
            log = cls(url, pool)
            try:
                yield log
            finally:
                if log._own is not None:
                    log._own.terminate()

    async def append(self, batch: Sequence[Append]) -> list[int | Refused]:
        """Keeps a batch in one transaction; a number for each update, or why it was refused. An exception: none is kept."""
        results: dict[int, int | Refused] = {}
        by_org: dict[UUID, list[int]] = {}
        for place, item in enumerate(batch):
            by_org.setdefault(item.org_id, []).append(place)
        async with self._appending:
            conn = self._own
            if conn is None or conn.is_closed():
                self._own = None
                conn = self._own = await asyncpg.connect(self._url, server_settings=SESSION)
            try:
                if len(by_org) == 1 and not any(item.writers for item in batch):
                    await self._append_org(conn, batch[0].org_id, list(range(len(batch))), batch, results)
                else:
                    await self._append_all(conn, by_org, batch, results)
            except BaseException:
                self._own = None
                conn.terminate()  # with it goes the transaction, whatever state it is in
                raise
        return [results[place] for place in range(len(batch))]

    async def _append_all(
        self, conn: "_Conn", by_org: dict[UUID, list[int]], batch: Sequence[Append], results: dict[int, int | Refused]
    ) -> None:
        await conn.execute("BEGIN")
        # In one order everywhere, so that two batches can never wait for each other.
        for org_id in sorted(by_org):
            await self._append_org(conn, org_id, by_org[org_id], batch, results)
        await conn.execute("COMMIT")

    async def _append_org(
        self,
        conn: "_Conn",
        org_id: UUID,
        places: list[int],
        batch: Sequence[Append],
        results: dict[int, int | Refused],
    ) -> None:
        items = [batch[place] for place in places]
        rows = await conn.fetch(
            _APPEND, org_id, [i.diagram_id for i in items], [i.epoch for i in items], [i.author for i in items],
            [i.client_id for i in items], [i.update for i in items],
        )  # fmt: skip
        kept = {places[row["place"] - 1]: row["seq"] for row in rows}
        results.update(kept)
        if len(kept) < len(places):
            left = [place for place in places if place not in kept]
            found = await self._heads(conn, org_id, list({batch[place].diagram_id for place in left}))
            heads = {row["diagram_id"]: row for row in found}
            for place in left:
                results[place] = _why_not(heads.get(batch[place].diagram_id), batch[place].epoch)
        bound = [(batch[p].diagram_id, batch[p].epoch, client, user) for p in kept for client, user in batch[p].writers]
        if bound:
            await conn.execute(_WRITERS, org_id, *(list(column) for column in zip(*bound, strict=True)))

    async def _heads(self, conn: "_Conn", org_id: UUID, diagrams: list[UUID]) -> "list[asyncpg.Record]":
        """What is known of diagrams that took nothing, in the transaction there is, or in one for that."""
        if conn.is_in_transaction():
            return await conn.fetch(_WHY_NOT, org_id, diagrams)
        async with conn.transaction(readonly=True):
            await conn.execute(_TENANT, str(org_id))
            return await conn.fetch(_WHY_NOT, org_id, diagrams)

    async def switched_off(self) -> list[str]:
        """Which of the settings that make a commit survive a crash are off."""
        async with self._pool.acquire() as conn:
            values = {name: await conn.fetchval(f"SHOW {name}") for name in ("fsync", "full_page_writes")}
        return [name for name, value in values.items() if value != "on"]

    async def load(self, org_id: UUID, diagram_id: UUID, *, deleted_too: bool = False) -> Stored:
        """The whole document. Raises UnknownDiagramError, LoadError when rows are missing, and the driver's errors."""
        async with self._pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            await conn.execute(_TENANT, str(org_id))
            head = await conn.fetchrow(
                "SELECT h.epoch, h.seq, s.seq AS folded, s.epoch AS kept, s.state, ARRAY(SELECT e.seed_client"
                " FROM colane.epochs e WHERE e.org_id = h.org_id AND e.diagram_id = h.diagram_id) AS retired"
                " FROM colane.diagram_heads h"
                " JOIN colane.diagrams d ON d.org_id = h.org_id AND d.id = h.diagram_id"
                " AND (d.deleted_at IS NULL OR $3)"
                " LEFT JOIN colane.snapshots s ON s.org_id = h.org_id AND s.diagram_id = h.diagram_id"
                " WHERE h.org_id = $1 AND h.diagram_id = $2",
                org_id,
                diagram_id,
                deleted_too,
            )
            if head is None:
                raise UnknownDiagramError(f"there is no diagram {diagram_id}")
            folded = head["folded"] if head["kept"] == head["epoch"] else None
            tail = await self._tail(conn, org_id, diagram_id, head["epoch"], folded or 0)
        _whole(tail, folded or 0, head["seq"])
        snapshot = head["state"] if folded is not None else None
        return Stored(head["epoch"], head["seq"], snapshot, tail, frozenset(head["retired"]))

    async def seen(self, org_id: UUID, diagram_id: UUID) -> None:
        """Somebody has the diagram open, or had a moment ago: no new epoch begins for a day."""
        async with self._pool.acquire() as conn, conn.transaction():
            await conn.execute(_TENANT, str(org_id))
            await conn.execute(
                "UPDATE colane.diagram_heads SET seen_at = now() WHERE org_id = $1 AND diagram_id = $2",
                org_id,
                diagram_id,
            )

    async def tail(self, org_id: UUID, diagram_id: UUID, after: int) -> Tail:
        """The updates after a number that somebody has already."""
        async with self._pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            await conn.execute(_TENANT, str(org_id))
            head = await conn.fetchrow(
                "SELECT epoch, seq, folded FROM colane.diagram_heads WHERE org_id = $1 AND diagram_id = $2",
                org_id,
                diagram_id,
            )
            if head is None:
                raise UnknownDiagramError(f"there is no diagram {diagram_id}")
            updates = await self._tail(conn, org_id, diagram_id, head["epoch"], after)
        folded = head["folded"] > after
        if not folded:
            _whole(updates, after, head["seq"])
        return Tail(head["epoch"], head["seq"], updates, folded)

    async def heads(self, diagrams: Mapping[UUID, Sequence[UUID]]) -> dict[UUID, int]:
        """How far the logs of these diagrams go, which are given by organization."""
        found: dict[UUID, int] = {}
        async with self._pool.acquire() as conn, conn.transaction(readonly=True):
            for org_id, ids in diagrams.items():
                await conn.execute(_TENANT, str(org_id))
                rows = await conn.fetch(
                    "SELECT diagram_id, seq FROM colane.diagram_heads"
                    " WHERE org_id = $1 AND diagram_id = ANY ($2::uuid[])",
                    org_id,
                    list(ids),
                )
                found.update({row["diagram_id"]: row["seq"] for row in rows})
        return found

    async def hint(self, heads: Mapping[UUID, int]) -> None:
        """Tells all processes that these logs have grown so far; what they hear is a notice like any other."""
        events = [json.dumps({"event": "log", "diagram": str(d), "seq": seq}) for d, seq in heads.items()]
        async with self._pool.acquire() as conn:
            await conn.execute("SELECT pg_notify($1, said) FROM unnest($2::text[]) AS said", CHANNEL, events)

    async def _tail(
        self,
        conn: "_Pooled",
        org_id: UUID,
        diagram_id: UUID,
        epoch: int,
        after: int,
    ) -> list[tuple[int, bytes]]:
        rows = await conn.fetch(
            "SELECT seq, data FROM colane.updates"
            " WHERE org_id = $1 AND diagram_id = $2 AND epoch = $3 AND seq > $4 ORDER BY seq",
            org_id,
            diagram_id,
            epoch,
            after,
        )
        return [(row["seq"], row["data"]) for row in rows]


def _why_not(head: "asyncpg.Record | None", epoch: int) -> Refused:
    """Why nothing was appended under a head as it is seen now; one that nothing speaks against was held."""
    if head is None or head["deleted"]:
        return Refused.GONE
    return Refused.HELD if head["epoch"] == epoch else Refused.EPOCH


async def _leave(_conn: object) -> None:
    """Nothing to reset."""


def _whole(tail: list[tuple[int, bytes]], after: int, seq: int) -> None:
    """R8: a log with a hole makes no document."""
    if [number for number, _ in tail] != list(range(after + 1, seq + 1)):
        raise LoadError(f"the log is not whole: {len(tail)} updates between {after} and {seq}")


@dataclass(frozen=True, slots=True)
class Head:
    """Where a diagram's log stands."""

    epoch: int
    seq: int


async def head(
    conn: Connection, org_id: UUID, diagram_id: UUID, *, lock: bool = False, wait: bool = True
) -> Head | None:
    """The head row, locked until the commit when asked; None when there is none, or somebody holds it and we do not wait."""
    how = (" FOR UPDATE" if wait else " FOR UPDATE SKIP LOCKED") if lock else ""
    statement = f"SELECT epoch, seq FROM colane.diagram_heads WHERE org_id = :org AND diagram_id = :id{how}"
    row = (await conn.execute(text(statement), {"org": org_id, "id": diagram_id})).one_or_none()
    return None if row is None else Head(row.epoch, row.seq)


async def begin(conn: Connection, org_id: UUID, diagram_id: UUID, seed_client: int) -> None:
    """The head row of a new diagram, whose first update this Yjs client writes."""
    await conn.execute(
        text("INSERT INTO colane.diagram_heads (org_id, diagram_id, seed_client) VALUES (:org, :id, :client)"),
        {"org": org_id, "id": diagram_id, "client": seed_client},
    )


async def append_in(conn: Connection, item: Append, seq: int) -> None:
    """Appends one update of a command under a locked head; `seq` is the head's number plus one."""
    values = {
        "org": item.org_id, "id": item.diagram_id, "epoch": item.epoch, "seq": seq,
        "author": item.author, "client": item.client_id, "data": item.update,
    }  # fmt: skip
    await conn.execute(
        text(
            "INSERT INTO colane.updates (org_id, diagram_id, epoch, seq, author, client_id, data, command)"
            " VALUES (:org, :id, :epoch, :seq, :author, :client, :data, true)"
        ),
        values,
    )
    if item.client_id is not None:
        await conn.execute(
            text(
                "INSERT INTO colane.writers (org_id, diagram_id, epoch, client_id, user_id)"
                " VALUES (:org, :id, :epoch, :client, :author) ON CONFLICT DO NOTHING"
            ),
            values,
        )
    await conn.execute(
        text("UPDATE colane.diagram_heads SET seq = :seq WHERE org_id = :org AND diagram_id = :id"), values
    )
