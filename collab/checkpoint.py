"""A version of the live state: what people see in the history, made on request and by itself.

Nobody computes while holding a head: the state is read, rendered in the workshop, and written only when nothing moved
meanwhile; the third time it is done under the lock. Called by the API, by rooms when the last one leaves, by the worker.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from collab import repairs
from collab.bpmn import diagram
from collab.bpmn.diagram import Rendered
from collab.workshop import Workshop
from storage import audit, notices, outbox, updates, versions
from storage.access import Grant
from storage.database import Connection, Database
from storage.idempotency import Once
from storage.updates import LoadError, Stored, UpdateLog

OPTIMISTIC: Final = 2  # attempts without holding the head; the next one holds it
HELD_PAUSE_S: Final = 0.01
HELD_TRIES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Made:
    """The version that stands for the live state, and whether it is a new one."""

    version: int
    created: bool


@dataclass(frozen=True, slots=True)
class Who:
    """On whose behalf a version is made; `user_id` None: by itself."""

    org_id: UUID
    diagram_id: UUID
    user_id: UUID | None


@dataclass(frozen=True, slots=True)
class Rest:
    """A document as it was read, the version that was its head then, and the transaction that holds it, if one does."""

    stored: Stored
    head: versions.Head
    held: Connection | None

    @property
    def fresh(self) -> bool:
        """The head version stands for all that is in the log."""
        return (self.head.epoch, self.head.seq) == (self.stored.epoch, self.stored.seq)


class MovedError(Exception):
    """Somebody wrote meanwhile: read again."""


@asynccontextmanager
async def at_rest(db: Database, log: UpdateLog, who: Who, attempt: int) -> AsyncIterator[Rest]:
    """The stored document; from the third attempt on with its head held, so that nothing moves any more."""
    if attempt < OPTIMISTIC:
        stored = await log.load(who.org_id, who.diagram_id)
        yield Rest(stored, await _head(db, who, None), None)
        return
    for _ in range(HELD_TRIES):
        async with db.transaction(user=who.user_id, org=who.org_id) as conn:
            # Never queueing for the lock: whoever waits inside PostgreSQL takes a connection away from everybody else.
            if await updates.head(conn, who.org_id, who.diagram_id, lock=True, wait=False) is not None:
                stored = await log.load(who.org_id, who.diagram_id)
                yield Rest(stored, await _head(db, who, conn), conn)
                return
        await log.load(who.org_id, who.diagram_id)  # is there a diagram at all?
        await asyncio.sleep(HELD_PAUSE_S)
    raise LoadError("others hold the diagram")


async def _head(db: Database, who: Who, held: Connection | None) -> versions.Head:
    async with reading(db, who, held) as conn:
        head = await versions.head(conn, who.org_id, who.diagram_id)
    if head is None:
        raise LoadError("a diagram without a version")
    return head


@asynccontextmanager
async def reading(db: Database, who: Who, held: Connection | None) -> AsyncIterator[Connection]:
    """Where to read: in the transaction that holds the head if there is one. Whoever holds it needs no other connection."""
    if held is not None:
        yield held
        return
    async with db.transaction(user=who.user_id, org=who.org_id, read_only=True) as conn:
        yield conn


@asynccontextmanager
async def unmoved(db: Database, who: Who, rest: Rest) -> AsyncIterator[Connection]:
    """The final transaction: log and head version locked and still where they were read. Raises MovedError."""
    if rest.held is not None:
        yield rest.held
        return
    async with db.transaction(user=who.user_id, org=who.org_id) as conn:
        now = await updates.head(conn, who.org_id, who.diagram_id, lock=True)
        if now is None or (now.epoch, now.seq) != (rest.stored.epoch, rest.stored.seq):
            raise MovedError
        newest = await versions.head(conn, who.org_id, who.diagram_id)
        if newest is None or newest.version != rest.head.version:
            raise MovedError  # a version of the very same state: the log has not moved, the history has
        yield conn


async def checkpoint(
    db: Database,
    log: UpdateLog,
    workshop: Workshop,
    *,
    grant: Grant,
    message: str | None = None,
    kind: str = "manual",
    request_id: str | None = None,
    once: Once | None = None,
) -> Made:
    """A version of what is live now, for somebody who asks; the head when nothing changed since."""
    who = Who(grant.org_id, grant.diagram_id, grant.user_id)
    return await make(db, log, workshop, who, kind=kind, message=message, request_id=request_id, once=once)


async def make(
    db: Database,
    log: UpdateLog,
    workshop: Workshop,
    who: Who,
    *,
    kind: str = "auto",
    message: str | None = None,
    request_id: str | None = None,
    once: Once | None = None,
) -> Made:
    """The same on anybody's behalf."""
    attempt = 0
    while True:
        try:
            async with at_rest(db, log, who, attempt) as rest:
                return await write_version(
                    db, workshop, who, rest, kind=kind, message=message, request_id=request_id, once=once
                )
        except MovedError:
            attempt += 1


async def write_version(
    db: Database,
    workshop: Workshop,
    who: Who,
    rest: Rest,
    *,
    kind: str = "auto",
    message: str | None = None,
    request_id: str | None = None,
    once: Once | None = None,
) -> Made:
    """The version of a document at rest; the head when that says the same already."""
    head, stored = rest.head, rest.stored
    if rest.fresh:
        return Made(head.version, created=False)
    rendered = await workshop.do(diagram.render, stored.updates)
    words = await repaired(db, workshop, who, rest, rendered)
    async with unmoved(db, who, rest) as conn:
        if once is not None:
            await once.enter(conn)
        if rendered.sha256 == head.sha256:
            await versions.reached(conn, who.org_id, who.diagram_id, head.version, stored.seq)
            made = Made(head.version, created=False)
        else:
            authors = await versions.authors_after(conn, who.org_id, who.diagram_id, head.seq)
            await write(conn, who, rendered, rendered.xml, head.version + 1, stored.epoch, stored.seq,
                        kind=kind, message=message, authors=authors)  # fmt: skip
            made = Made(head.version + 1, created=True)
            await tell(conn, who, made.version, kind, request_id)
        if once is not None:
            await once.leave(conn, made)
        if made.created:
            await account(conn, who, "version.create", made.version, kind, words, request_id)
    return made


async def repaired(
    db: Database, workshop: Workshop, who: Who, rest: Rest, rendered: Rendered, mine: bytes | None = None
) -> list[str]:
    """What a version after the head has to show otherwise, and the head did not; `mine`: an update to be written with it."""
    place = repairs.Place(who.org_id, who.diagram_id, rest.head.version, rest.head.seq)
    own = None if mine is None else (mine, who.user_id)
    return await repairs.told(partial(reading, db, who, rest.held), workshop, place, rest.stored, rendered.repairs, own)


async def write(
    conn: Connection,
    who: Who,
    rendered: Rendered,
    xml: bytes,
    version: int,
    epoch: int,
    seq: int,
    *,
    kind: str,
    message: str | None,
    authors: Sequence[UUID],
) -> None:
    """The row of a version, from what the workshop made of the document."""
    by_user = [who.user_id] if who.user_id is not None else []
    await versions.insert(
        conn,
        versions.NewVersion(
            org_id=who.org_id, diagram_id=who.diagram_id, version=version, kind=kind, message=message,
            created_by=who.user_id or (authors[0] if authors else None),
            authors=list(dict.fromkeys([*authors, *([] if authors else by_user)])),
            epoch=epoch, seq=seq, xml=xml, sha256=rendered.sha256, stats={"elements": rendered.summary["elements"]},
            repairs=rendered.repairs, valid=rendered.valid, element_count=rendered.summary["elements"],
            thumbnail=rendered.thumbnail,
        ),
    )  # fmt: skip


async def tell(conn: Connection, who: Who, version: int, kind: str, request_id: str | None) -> None:
    """Open editors and the read models hear of a new version when it is committed."""
    event = {
        "event": "version",
        "org": str(who.org_id),
        "diagram": str(who.diagram_id),
        "version": version,
        "kind": kind,
    }
    await notices.notify(conn, event)
    await outbox.add(
        conn, org_id=who.org_id, aggregate=who.diagram_id, event="version.create",
        payload={"version": version, "kind": kind}, request_id=request_id,
    )  # fmt: skip


async def account(
    conn: Connection, who: Who, action: str, version: int, kind: str, words: Sequence[str], request_id: str | None
) -> None:
    """The audit line of a version, with every new repair in words; the last thing before the commit."""
    metadata = {"version": version, "kind": kind, "repairs": list(words)}
    await audit.record(
        conn, org_id=who.org_id, actor=who.user_id, action=action, resource=f"version:{who.diagram_id}/{version}",
        metadata=metadata, diagram_id=who.diagram_id, request_id=request_id,
    )  # fmt: skip
