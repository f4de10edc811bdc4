"""The audit log, read: of one diagram for its editors, of an organization for its admins."""

from dataclasses import astuple
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from api.answers import NDJSON, Answer, Stream
from api.authorize import parse_id
from api.call import Call
from api.endpoint import Model, endpoint
from api.paging import PageQuery, next_link, place, seal_cursor
from api.problems import Problem, unknown_reference
from api.scope import organization
from api.shapes import Line, Moment, Person, Reference
from storage import trail
from storage.access import Role
from storage.audit import export as exports
from storage.audit import keys
from storage.audit import verify as check


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


class OrgQuery(Model):
    org: Reference | None = None


class LogQuery(PageQuery):
    org: Reference | None = None
    actor: Annotated[Reference | None, Field(description="the id of a user")] = None
    action: Annotated[Line | None, Field(description='such as "diagram.save"')] = None
    resource: Annotated[Line | None, Field(description='"kind:id", such as "user:..."')] = None
    since: Annotated[Moment | None, Field(alias="from", description="the first moment")] = None
    until: Annotated[Moment | None, Field(alias="to", description="the moment after the last")] = None


class Signed(Model):
    """The newest signed head that was met: up to this row a key of ours vouches for the log."""

    row: int
    at: datetime
    key: str


class Verified(Model):
    """`broken_at` is the number of the first row that is not as it was written; `what` and `reason` say how it is wrong."""

    ok: bool
    broken_at: int | None
    what: str | None
    reason: str | None
    rows: int
    signed: Signed | None


async def _page(call: Call, org_id: UUID, wanted: trail.Filter, query: PageQuery) -> Answer:
    filters = ["audit", org_id, *astuple(wanted)]
    position = place(query.cursor, filters, 1)
    rows = await trail.page(
        call.resources.db,
        user_id=call.who.user_id,
        org_id=org_id,
        wanted=wanted,
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
    return await _page(call, call.on.org_id, trail.Filter(diagram_id=call.on.diagram_id), query)


@endpoint(
    "What happened in an organization", answers=Entries, errors=("cursor_mismatch", "invalid_reference", "forbidden")
)
async def of_organization(call: Call, query: LogQuery) -> Answer:
    org_id = await _for_admins(call, query.org)
    actor = None
    if query.actor is not None:
        actor = parse_id(query.actor)
        if actor is None or not await trail.knows(call.resources.db, call.who.user_id, org_id, actor):
            raise unknown_reference("query.actor")
    wanted = trail.Filter(
        actor=actor, action=query.action, resource=query.resource, since=query.since, until=query.until
    )
    return await _page(call, org_id, wanted, query)


@endpoint(
    "Is the log whole, as it was written and signed?", answers=Verified, errors=("invalid_reference", "forbidden")
)
async def verify(call: Call, query: OrgQuery) -> Verified:
    org_id = await _for_admins(call, query.org)
    trusted = keys.believed(call.resources.settings)
    async with call.resources.db.transaction(user=call.who.user_id, org=org_id, read_only=True) as conn:
        found = await check.verify(conn, org_id, trusted)
    broken, head = found.broken, found.signed
    return Verified(
        ok=broken is None,
        broken_at=broken.row if broken else None,
        what=broken.what if broken else None,
        reason=broken.words if broken else None,
        rows=found.seq,
        signed=Signed(row=head.seq, at=datetime.fromisoformat(head.at), key=head.key) if head else None,
    )


@endpoint(
    "The whole log with its signed heads, a JSON object a line, for `colane audit verify`",
    produces=(NDJSON,),
    headers={"Content-Disposition": "attachment, with a file name"},
    errors=("invalid_reference", "forbidden"),
)
async def export(call: Call, query: OrgQuery) -> Answer:
    org_id = await _for_admins(call, query.org)
    pieces = exports.write(call.resources.db, org_id, user_id=call.who.user_id)
    return Answer(
        Stream(pieces, NDJSON), headers={"Content-Disposition": f'attachment; filename="audit-{org_id}.ndjson"'}
    )


async def _for_admins(call: Call, reference: str | None) -> UUID:
    org = await organization(call, reference)
    if org.role < Role.ADMIN:
        raise Problem("forbidden", "The organization's log is for its admins.")
    return org.org_id
