"""Commands on a diagram's content: create, save, restore, and the live text. A save is just another edit.

It takes the live document from what it shows to what was sent, appends that difference to the log like any editor's
update, and writes a version beside it, in one short transaction. Live edits newer than the head become a version first,
so nothing is overwritten because a timer had not run yet.
"""

import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuids

from collab import checkpoint
from collab.bpmn import diagram
from collab.bpmn.diagram import Edited
from collab.checkpoint import MovedError, Rest, Who, at_rest, unmoved
from collab.workshop import Workshop
from storage import audit, bases, diagrams, notices, outbox, updates, versions
from storage.access import Grant
from storage.bases import Base
from storage.database import Database
from storage.idempotency import Once
from storage.updates import Append, UpdateLog


@dataclass(frozen=True, slots=True)
class Created:
    """A new diagram."""

    diagram_id: UUID
    version: int = 1


@dataclass(frozen=True, slots=True)
class Saved:
    """What a save did. `xml` is the stored text when it is not what was sent."""

    version: int
    unchanged: bool
    merged: bool = False
    kept: list[Any] = field(default_factory=list)
    repairs: list[dict[str, Any]] = field(default_factory=list)
    xml: bytes | None = None
    next_base: str | None = None  # the name of the text that was sent, where another was stored


@dataclass(frozen=True, slots=True)
class Live:
    """The committed live state."""

    xml: bytes
    version: int
    seq: int


class VersionConflict(Exception):  # noqa: N818 -- the contract's word
    """The base is not the head any more. Carries what the one who saves needs to sort it out; nothing was written."""

    def __init__(
        self, base_version: int, head: versions.Head, updated_by: UUID | None, conflict: dict[str, Any]
    ) -> None:
        super().__init__(f"the diagram is at version {head.version}, the text is based on {base_version}")
        self.base_version = base_version
        self.current_version = head.version
        self.updated_at: datetime = head.created_at
        self.updated_by = updated_by
        self.conflict = conflict


def new_client_id() -> int:
    """A Yjs client id for one write of the server's; the browser's own are 32 bits, so they never meet."""
    return (1 << 32) + secrets.randbits(51)


async def create(
    db: Database,
    workshop: Workshop,
    *,
    org_id: UUID,
    user_id: UUID,
    title: str | None,
    xml: bytes | None,
    charset: str | None = None,
    project_id: UUID | None = None,
    visibility: str = "org",
    request_id: str | None = None,
    once: Once | None = None,
) -> Created:
    """A diagram from a file, or an empty one with a title. Raises the errors of collab.bpmn.errors."""
    client = new_client_id()
    text = xml if xml is not None else diagram.blank(title or "Untitled")
    imported = await workshop.do(diagram.from_xml, text, charset, client)
    rendered = imported.rendered
    named = title or rendered.summary["title"] or "Untitled"
    made = Created(uuids.uuid7())
    who = Who(org_id, made.diagram_id, user_id)
    kind = "import" if xml is not None else "manual"
    async with db.transaction(user=user_id, org=org_id) as conn:
        if once is not None:
            await once.enter(conn)
        await diagrams.insert(conn, org_id, made.diagram_id, user_id, named, project_id, visibility)
        await updates.begin(conn, org_id, made.diagram_id, client)
        await updates.append_in(conn, Append(org_id, made.diagram_id, 1, imported.update, user_id, client), 1)
        await checkpoint.write(
            conn, who, rendered, imported.verbatim, 1, 1, 1, kind=kind, message=None, authors=[user_id]
        )
        await outbox.add(conn, org_id=org_id, aggregate=made.diagram_id, event="diagram.create",
                         payload={"title": named, "version": 1}, request_id=request_id)  # fmt: skip
        if once is not None:
            await once.leave(conn, made)
        await audit.record(
            conn, org_id=org_id, actor=user_id, action="diagram.create", resource=f"diagram:{made.diagram_id}",
            metadata={"title": named, "kind": kind}, diagram_id=made.diagram_id, request_id=request_id,
        )  # fmt: skip
    return made


async def live(db: Database, log: UpdateLog, workshop: Workshop, grant: Grant) -> Live:
    """The text of what is committed now, whether it is a version already or not."""
    stored = await log.load(grant.org_id, grant.diagram_id)
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        head = await versions.head(conn, grant.org_id, grant.diagram_id)
        if head is not None and (head.epoch, head.seq) == (stored.epoch, stored.seq):
            text = await versions.base_text(conn, grant.org_id, grant.diagram_id, head.version)
            if text is not None:
                return Live(text, head.version, stored.seq)
    xml = await workshop.do(diagram.text, stored.updates)
    return Live(xml, head.version if head is not None else 0, stored.seq)


async def save(
    db: Database,
    log: UpdateLog,
    workshop: Workshop,
    *,
    grant: Grant,
    xml: bytes,
    charset: str | None = None,
    base: int,
    base_seq: int | None = None,
    base_name: str | None = None,
    merging: bool = False,
    message: str | None = None,
    request_id: str | None = None,
    once: Once | None = None,
) -> Saved:
    """A text on top of the version it is based on; `merging`: also when that is not the head any more, unless both sides
    changed the same. `base_name`: based on a text that was sent, not on what was made of it (storage/bases.py).

    Raises VersionConflict and the errors of collab.bpmn.errors.
    """
    who = Who(grant.org_id, grant.diagram_id, grant.user_id)
    sent = await _sent(db, who, base_name) if base_name is not None else None
    if sent is not None:
        base = sent.version
    attempt, versioned = 0, False
    while True:
        try:
            async with at_rest(db, log, who, attempt) as rest:
                client, head = new_client_id(), rest.head
                edited = await workshop.do(diagram.edit_towards, rest.stored.updates, xml, charset, client)
                # A live state is named by its number in the log; who made which version of it meanwhile does not matter.
                current = (
                    base == head.version if base_seq is None else base_seq == rest.stored.seq and base <= head.version
                )
                if rest.fresh and edited.update is None:
                    return Saved(head.version, unchanged=True)
                if rest.fresh and current and sent is None:
                    return await _write(
                        db,
                        workshop,
                        who,
                        rest,
                        edited,
                        client,
                        kind="manual",
                        message=message,
                        request_id=request_id,
                        once=once,
                    )
                if rest.fresh or (versioned and not current):
                    merged, ancestor = None, await _ancestor(db, who, rest, base, sent)
                    if ancestor is not None and (merging or (current and sent is not None)):
                        merged = await _merged(workshop, rest, ancestor, xml, charset, client)
                    if merged is None:
                        raise await _conflict(db, workshop, who, rest, base, ancestor, xml)
                    if merged.update is None:
                        return await _nothing_new(db, who, rest, merged)
                    return await _write(
                        db, workshop, who, rest, merged, client,
                        kind="manual", message=message, request_id=request_id, once=once, merged=True,
                    )  # fmt: skip
        except MovedError:
            attempt += 1
            continue
        # Live edits newer than the head: they become a version, and then the base is looked at again.
        await checkpoint.make(db, log, workshop, who, request_id=request_id)
        versioned = True


async def restore(
    db: Database,
    log: UpdateLog,
    workshop: Workshop,
    *,
    grant: Grant,
    version: int,
    request_id: str | None = None,
    once: Once | None = None,
) -> Saved:
    """An older version as the newest; open editors get it as an edit."""
    who = Who(grant.org_id, grant.diagram_id, grant.user_id)
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        text = await versions.base_text(conn, grant.org_id, grant.diagram_id, version)
    if text is None:
        raise LookupError(f"the text of version {version} is not kept")
    attempt = 0
    while True:
        try:
            async with at_rest(db, log, who, attempt) as found:
                rest = found if found.fresh else await _versioned(db, workshop, who, found, request_id)
                client = new_client_id()
                edited = await workshop.do(diagram.edit_towards, rest.stored.updates, text, None, client)
                if edited.update is None:
                    return Saved(rest.head.version, unchanged=True)
                message = f"Version {version} restored"
                return await _write(
                    db,
                    workshop,
                    who,
                    rest,
                    edited,
                    client,
                    kind="restore",
                    message=message,
                    request_id=request_id,
                    once=once,
                )
        except MovedError:
            attempt += 1


async def _versioned(db: Database, workshop: Workshop, who: Who, rest: Rest, request_id: str | None) -> Rest:
    """Live edits as a version of their own, before something is written over them."""
    await checkpoint.write_version(db, workshop, who, rest, request_id=request_id)
    if rest.held is None:
        raise MovedError  # by ourselves
    head = await versions.head(rest.held, who.org_id, who.diagram_id)
    assert head is not None, "a version was written a moment ago"
    return Rest(rest.stored, head, rest.held)


async def _write(
    db: Database,
    workshop: Workshop,
    who: Who,
    rest: Rest,
    edited: Edited,
    client: int,
    *,
    kind: str,
    message: str | None,
    request_id: str | None,
    once: Once | None,
    merged: bool = False,
) -> Saved:
    """One short transaction: update, version, audit, outbox, and the news for open rooms."""
    assert edited.update is not None
    rendered = edited.rendered
    number, seq, epoch = rest.head.version + 1, rest.stored.seq + 1, rest.stored.epoch
    text = edited.verbatim if edited.exact else rendered.xml
    saved = Saved(number, unchanged=False, merged=merged, kept=edited.kept, repairs=rendered.repairs)
    words = await checkpoint.repaired(db, workshop, who, rest, rendered, edited.update)
    async with unmoved(db, who, rest) as conn:
        if once is not None:
            await once.enter(conn)
        append = Append(who.org_id, who.diagram_id, epoch, edited.update, who.user_id, client)
        await updates.append_in(conn, append, seq)
        await checkpoint.write(
            conn, who, rendered, text, number, epoch, seq,
            kind=kind, message=message, authors=[who.user_id] if who.user_id else [],
        )  # fmt: skip
        if not edited.exact and kind == "manual":
            name = await bases.add(conn, who.org_id, who.diagram_id, Base(number, edited.verbatim))
            saved = replace(saved, xml=rendered.xml, next_base=name)
        await notices.notify(conn, {"event": "log", "org": str(who.org_id), "diagram": str(who.diagram_id), "seq": seq})
        await checkpoint.tell(conn, who, number, kind, request_id)
        if once is not None:
            await once.leave(conn, saved)
        action = "diagram.restore" if kind == "restore" else "diagram.save"
        await checkpoint.account(conn, who, action, number, kind, words, request_id)
    return saved


async def _sent(db: Database, who: Who, name: str) -> Base | None:
    async with db.transaction(user=who.user_id, org=who.org_id, read_only=True) as conn:
        return await bases.find(conn, who.org_id, who.diagram_id, name)


async def _ancestor(db: Database, who: Who, rest: Rest, base: int, sent: Base | None) -> bytes | None:
    """The text that a save is based on; None when it is not kept."""
    if sent is not None or not base:
        return sent.xml if sent is not None else None
    async with checkpoint.reading(db, who, rest.held) as conn:
        return await versions.base_text(conn, who.org_id, who.diagram_id, base)


async def _merged(
    workshop: Workshop, rest: Rest, ancestor: bytes, xml: bytes, charset: str | None, client: int
) -> Edited | None:
    """The text carried over to the live document; None when both sides changed the same."""
    found = await workshop.do(diagram.merge, rest.stored.updates, ancestor, xml, charset, client)
    return found if isinstance(found, Edited) else None


async def _nothing_new(db: Database, who: Who, rest: Rest, merged: Edited) -> Saved:
    """All that the text changed is there already; but the text is not what is stored."""
    async with db.transaction(user=who.user_id, org=who.org_id) as conn:
        name = await bases.add(conn, who.org_id, who.diagram_id, Base(rest.head.version, merged.verbatim))
    return Saved(
        rest.head.version, unchanged=True, merged=True, kept=merged.kept, xml=merged.rendered.xml, next_base=name
    )


async def _conflict(
    db: Database, workshop: Workshop, who: Who, rest: Rest, base: int, before: bytes | None, xml: bytes
) -> VersionConflict:
    async with checkpoint.reading(db, who, rest.held) as conn:
        current = await versions.base_text(conn, who.org_id, who.diagram_id, rest.head.version)
    # Without the text it is based on nobody can say who changed what, and nothing can be merged.
    conflict: dict[str, Any] = {"auto_mergeable": False, "yours": [], "theirs": [], "both": []}
    if before is not None and current is not None:
        conflict = await workshop.do(diagram.conflict, before, xml, current)
    return VersionConflict(base, rest.head, rest.head.created_by, conflict)
