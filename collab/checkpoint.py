"""A version of the live state: what people see in the history, made on request and by itself.

Nobody computes while holding a head: the state is read, rendered in the workshop, and written only when nothing moved
meanwhile; the third time it is done under the lock. Called by the API, by rooms when the last one leaves, by the worker.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from collab.bpmn import diagram
from collab.bpmn.diagram import Rendered
from collab.workshop import Workshop
from storage import audit, notices, outbox, updates, versions
from storage.access import Grant
from storage.database import Connection, Database
from storage.idempotency import Once
from storage.updates import LoadError, Stored, UpdateLog

OPTIMISTIC: Final = 2  # attempts without holding the head; the next one holds it


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


class MovedError(Exception):
    """Somebody wrote meanwhile: read again."""


@asynccontextmanager
async def at_rest(
    db: Database, log: UpdateLog, who: Who, attempt: int
) -> AsyncIterator[tuple[Stored, Connection | None]]:
    """The stored document; from the third attempt on with its head held, so that nothing moves any more."""
    if attempt < OPTIMISTIC:
        yield await log.load(who.org_id, who.diagram_id), None
        return
    async with db.transaction(user=who.user_id, org=who.org_id) as conn:
        await updates.head(conn, who.org_id, who.diagram_id, lock=True)
        yield await log.load(who.org_id, who.diagram_id), conn


@asynccontextmanager
async def unmoved(db: Database, who: Who, stored: Stored, held: Connection | None) -> AsyncIterator[Connection]:
    """The final transaction: the head locked and still where it was read. Raises MovedError."""
    if held is not None:
        yield held
        return
    async with db.transaction(user=who.user_id, org=who.org_id) as conn:
        now = await updates.head(conn, who.org_id, who.diagram_id, lock=True)
        if now is None or (now.epoch, now.seq) != (stored.epoch, stored.seq):
            raise MovedError
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
            async with at_rest(db, log, who, attempt) as (stored, held):
                return await _make(db, workshop, who, stored, held, kind, message, request_id, once)
        except MovedError:
            attempt += 1


async def _make(
    db: Database,
    workshop: Workshop,
    who: Who,
    stored: Stored,
    held: Connection | None,
    kind: str,
    message: str | None,
    request_id: str | None,
    once: Once | None,
) -> Made:
    async with db.transaction(user=who.user_id, org=who.org_id, read_only=True) as conn:
        head = await versions.head(conn, who.org_id, who.diagram_id)
    if head is None:
        raise LoadError("a diagram without a version")
    if head.seq == stored.seq and head.epoch == stored.epoch:
        return Made(head.version, created=False)
    rendered = await workshop.do(diagram.render, stored.updates)
    async with unmoved(db, who, stored, held) as conn:
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
            await account(conn, who, "version.create", made.version, kind, rendered, request_id)
    return made


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
    conn: Connection, who: Who, action: str, version: int, kind: str, rendered: Rendered, request_id: str | None
) -> None:
    """The audit line of a version, with every repair in words; the last thing before the commit."""
    metadata = {"version": version, "kind": kind, "repairs": [one["text"] for one in rendered.repairs[:50]]}
    await audit.record(
        conn, org_id=who.org_id, actor=who.user_id, action=action, resource=f"version:{who.diagram_id}/{version}",
        metadata=metadata, diagram_id=who.diagram_id, request_id=request_id,
    )  # fmt: skip
