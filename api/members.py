"""Roles on one diagram, beside those of its organization; how people from elsewhere become guests."""

from uuid import UUID

from api.answers import Answer
from api.authorize import parse_id
from api.call import Call
from api.endpoint import Model, endpoint
from api.problems import Problem, invalid, unknown_reference
from api.shapes import Email, Reference, RoleName, role
from storage import diagrams, members
from storage.access import Role, Scope


class Member(Model):
    user_id: UUID
    name: str
    role: str


class Members(Model):
    items: list[Member]
    next_cursor: str | None = None


class NewMember(Model):
    user_id: Reference | None = None
    email: Email | None = None
    role: RoleName


@endpoint("Who has a role of their own on this diagram", need=Role.VIEWER, answers=Members)
async def list_members(call: Call) -> Members:
    found = await members.of(call.resources.db, call.on)
    return Members(items=[Member(user_id=m.user_id, name=m.name or "Guest", role=m.role.label) for m in found])


async def may_share(call: Call) -> None:
    """Admins share a diagram, and so does an editor who made it."""
    if call.on.role < Role.ADMIN:
        made_by = (await diagrams.read(call.resources.db, call.on)).created_by
        if made_by is None or made_by.id != call.who.user_id:
            raise Problem("forbidden", "Roles on a diagram are given by admins and by whoever made it.")


def _at_most(call: Call, wanted: Role) -> None:
    if wanted > max(call.on.role, Role.EDITOR):
        raise Problem("forbidden", "Nobody gives a higher role than their own.")


@endpoint(
    "Give somebody a role on this diagram, by user id (same organization) or e-mail address (anybody)",
    need=Role.EDITOR,
    scope=Scope.ADMIN,
    limit="write",
    answers=Member,
    also={201: "They had none before"},
    errors=("invalid_reference",),
    resolve=may_share,
)
async def put_member(call: Call, body: NewMember) -> Answer:
    if (body.user_id is None) == (body.email is None):
        raise invalid("body", "Name either user_id or email.")
    _at_most(call, role(body.role))
    path = "body.user_id" if body.email is None else "body.email"
    user_id = parse_id(body.user_id) if body.user_id is not None else None
    if user_id is None and body.email is None:
        raise unknown_reference(path)
    found = await members.find(call.resources.db, call.on, user_id=user_id, email=body.email)
    if found is None:
        raise unknown_reference(path)
    held = await members.role_of(call.resources.db, call.on, found)
    if held is not None:
        _at_most(call, held)
    new = await members.put(call.resources.db, call.on, found, role(body.role), request_id=call.request_id)
    names = {m.user_id: m.name for m in await members.of(call.resources.db, call.on)}
    return Answer(Member(user_id=found, name=names.get(found) or "Guest", role=body.role), status=201 if new else 200)


async def _member_in_path(call: Call) -> Role:
    if call.path["user_id"] != call.who.user_id:
        await may_share(call)
    held = await members.role_of(call.resources.db, call.on, call.path["user_id"])
    if held is None:
        raise Problem("not_found")
    return held


@endpoint(
    "Take somebody's role on this diagram away; anybody may give up their own",
    need=Role.VIEWER,
    scope=Scope.ADMIN,
    limit="write",
    status=204,
    resolve=_member_in_path,
)
async def remove_member(call: Call) -> Answer:
    if call.path["user_id"] != call.who.user_id:
        _at_most(call, call.found)
    if not await members.remove(call.resources.db, call.on, call.path["user_id"], request_id=call.request_id):
        raise Problem("not_found")
    return Answer()
