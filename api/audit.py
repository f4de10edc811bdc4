"""The audit log, read: of one diagram for its editors, of an organization for its admins."""

from datetime import datetime
from typing import Any
from uuid import UUID

from api.answers import Answer
from api.call import Call
from api.endpoint import Model, endpoint
from api.paging import PageQuery, next_link, place, seal_cursor
from api.problems import Problem
from api.scope import organization
from api.shapes import Person, Reference
from storage import audit as chain
from storage import trail
from storage.access import Role


class Entry(Model):
    id: UUID
    at: datetime
    actor: Person | None
    action: str
    resource: str
    result: str
    metadata: dict[str, Any]
    request_id: str | None
    hash: str

    @classmethod
    def of(cls, one: trail.Entry) -> "Entry":
        return cls(
            id=one.id,
            at=one.at,
            actor=Person.of(one.actor),
            action=one.action,
            resource=one.resource,
            result=one.result,
            metadata=one.metadata,
            request_id=one.request_id,
            hash=one.hash.hex(),
        )


class Entries(Model):
    items: list[Entry]
    next_cursor: str | None


class OrgQuery(PageQuery):
    org: Reference | None = None


class VerifyQuery(Model):
    org: Reference | None = None


class Verified(Model):
    """`broken_at` is the number of the first line that does not fit."""

    ok: bool
    broken_at: int | None


async def _page(call: Call, org_id: UUID, diagram_id: UUID | None, query: PageQuery) -> Answer:
    filters = ["audit", org_id, diagram_id]
    position = place(query.cursor, filters, 1)
    rows = await trail.page(
        call.resources.db,
        user_id=call.who.user_id,
        org_id=org_id,
        diagram_id=diagram_id,
        before=position[0] if position else None,
        limit=query.limit + 1,
    )
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    cursor = seal_cursor([rows[-1].seq], filters) if more else None
    found = Entries(items=[Entry.of(one) for one in rows], next_cursor=cursor)
    return Answer(found, headers=next_link(call, cursor))


@endpoint("What happened to this diagram", need=Role.EDITOR, answers=Entries, errors=("cursor_mismatch",))
async def of_diagram(call: Call, query: PageQuery) -> Answer:
    return await _page(call, call.on.org_id, call.on.diagram_id, query)


@endpoint(
    "What happened in an organization", answers=Entries, errors=("cursor_mismatch", "invalid_reference", "forbidden")
)
async def of_organization(call: Call, query: OrgQuery) -> Answer:
    return await _page(call, await _for_admins(call, query.org), None, query)


@endpoint("Is the log whole, as it was written?", answers=Verified, errors=("invalid_reference", "forbidden"))
async def verify(call: Call, query: VerifyQuery) -> Verified:
    org_id = await _for_admins(call, query.org)
    async with call.resources.db.transaction(user=call.who.user_id, org=org_id, read_only=True) as conn:
        broken = await chain.verify(conn, org_id)
    return Verified(ok=broken is None, broken_at=broken)


async def _for_admins(call: Call, reference: str | None) -> UUID:
    org = await organization(call, reference)
    if org.role < Role.ADMIN:
        raise Problem("forbidden", "The organization's log is for its admins.")
    return org.org_id
