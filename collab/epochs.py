"""Epochs: one life of a Yjs document each. The worker begins a new one when the old has become heavy and nobody is there.

Restoring or replacing content is an edit in the same epoch; only this makes a new one, and it changes nothing that anybody
sees. Work that somebody still had on a replica of the old one is replayed on the new (R13). Called by worker.py and api/.
"""

import asyncio
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from collab import checkpoint
from collab.bpmn import renewal
from collab.checkpoint import MovedError, Who, at_rest, unmoved
from collab.save import new_client_id
from collab.workshop import Workshop
from storage import audit, epochs, notices, updates
from storage.access import Grant
from storage.database import Database
from storage.epochs import Turn
from storage.updates import Append, UpdateLog


class EpochGoneError(Exception):
    """That life is not known, or its last state is not kept any more."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """So many registers were written; `left` names (record, register) that others had changed meanwhile."""

    applied: int
    left: list[tuple[str, str]]


class Outcome(Enum):
    """What came of looking at a document."""

    RENEWED = "renewed"
    LIGHT = "light"  # it is fine as it is
    MOVED = "moved"  # somebody came or wrote meanwhile


async def renew(db: Database, log: UpdateLog, workshop: Workshop, org_id: UUID, diagram_id: UUID) -> Outcome:
    """Begins a new epoch if that is worth it and nothing came in between. What it needs first: storage/epochs.py."""
    await checkpoint.make(db, log, workshop, Who(org_id, diagram_id, None))  # the head version goes along
    stored = await log.load(org_id, diagram_id, deleted_too=True)
    client = new_client_id()
    made = await workshop.do(renewal.renew, stored.updates, client)
    if made is None:
        return Outcome.LIGHT
    turn = Turn(stored.epoch, stored.seq, made.last, made.first, client)
    async with db.transaction(org=org_id) as conn:
        return Outcome.RENEWED if await epochs.turn(conn, org_id, diagram_id, turn) else Outcome.MOVED


async def replay(
    db: Database,
    log: UpdateLog,
    workshop: Workshop,
    grant: Grant,
    epoch: int,
    late: bytes,
    request_id: str | None = None,
) -> Replayed:
    """Unacknowledged work of an ended epoch, as an edit of the present one. Raises EpochGoneError, and ValueError for bytes
    that are no update."""
    who = Who(grant.org_id, grant.diagram_id, grant.user_id)
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        last = await epochs.ended(conn, grant.org_id, grant.diagram_id, epoch)
    if last is None:
        raise EpochGoneError(f"epoch {epoch}")
    attempt = 0
    while True:
        try:
            async with at_rest(db, log, who, attempt) as rest:
                client = new_client_id()
                made = await workshop.do(renewal.replay, last, late, rest.stored.updates, client)
                if made.update is None:
                    return Replayed(0, made.left)
                seq = rest.stored.seq + 1
                async with unmoved(db, who, rest) as conn:
                    item = Append(who.org_id, who.diagram_id, rest.stored.epoch, made.update, who.user_id, client)
                    await updates.append_in(conn, item, seq)
                    event = {"event": "log", "org": str(who.org_id), "diagram": str(who.diagram_id), "seq": seq}
                    await notices.notify(conn, event)
                    await audit.record(
                        conn, org_id=who.org_id, actor=who.user_id, action="diagram.replay",
                        resource=f"diagram:{who.diagram_id}", metadata={"epoch": epoch, "changes": made.applied},
                        diagram_id=who.diagram_id, request_id=request_id,
                    )  # fmt: skip
                return Replayed(made.applied, made.left)
        except MovedError:
            attempt += 1
            await asyncio.sleep(0)
