"""Threads beside what the diagram shows now: anchors are looked up in the live state, which changes under them.

What was found is kept with the threads and holds until the log goes on, so a list reads the document once a change at most.
Called by api/comments.py; the rows are storage/comments.py.
"""

from dataclasses import replace
from uuid import UUID

from collab.bpmn import anchors
from collab.workshop import Workshop
from storage import comments
from storage.access import Grant
from storage.comments import Anchor, Comment, Page, Wanted
from storage.database import Database
from storage.updates import UpdateLog


class UnknownElementError(Exception):
    """The diagram shows no element of this id."""


async def anchor(log: UpdateLog, workshop: Workshop, grant: Grant, element: str) -> Anchor:
    """An element of the committed live state. Raises UnknownElementError and the log's errors."""
    stored = await log.load(grant.org_id, grant.diagram_id)
    found = (await workshop.do(anchors.look, stored.updates, {element})).get(element)
    if found is None or not found.shown:
        raise UnknownElementError(element)
    return Anchor(element, found.name, stored.seq)


async def page(
    db: Database, log: UpdateLog, workshop: Workshop, grant: Grant, wanted: Wanted, *, before: UUID | None, limit: int
) -> Page:
    """Up to `limit` threads, with their elements as they are now."""
    found = await comments.page(db, grant, wanted, before=before, limit=limit)
    stale = {one.element_id for one in found.threads if one.element_id is not None and one.looked < found.seq}
    if not stale:
        return found
    stored = await log.load(grant.org_id, grant.diagram_id)
    known = await workshop.do(anchors.look, stored.updates, stale)
    seen = {one: (known[one].name, known[one].shown) if one in known else (None, False) for one in sorted(stale)}
    await comments.looked(db, grant, stored.seq, seen)
    return replace(found, threads=[_renewed(one, seen) for one in found.threads])


def _renewed(thread: Comment, seen: dict[str, tuple[str | None, bool]]) -> Comment:
    if thread.element_id not in seen:
        return thread
    name, shown = seen[thread.element_id]
    return replace(thread, element_name=name or thread.element_name, orphaned=not shown)
