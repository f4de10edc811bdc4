"""Organizations and their members; how people come to be members otherwise is in invitations.py."""

from uuid import UUID

from api.answers import Answer
from api.call import Call
from api.endpoint import Model, endpoint
from api.problems import Problem, unknown_reference
from api.shapes import Email, Line, RoleName, role
from storage import organizations, people
from storage.access import Role, Scope


class Organization(Model):
    id: UUID
    name: str
    role: str


class Organizations(Model):
    items: list[Organization]
    next_cursor: str | None = None


class Named(Model):
    name: Line


class OrgMember(Model):
    user_id: UUID
    name: str
    email: str
    role: str


class OrgMembers(Model):
    items: list[OrgMember]
    next_cursor: str | None = None


class NewOrgMember(Model):
    email: Email
    role: RoleName


class NewRole(Model):
    role: RoleName


def _member(one: organizations.Member) -> OrgMember:
    return OrgMember(user_id=one.user_id, name=one.name, email=one.email, role=one.role.label)


@endpoint("My organizations", answers=Organizations)
async def list_orgs(call: Call) -> Organizations:
    mine = await people.organizations_of(call.resources.db, call.who.user_id)
    return Organizations(items=[Organization(id=org.id, name=org.name, role=org.role.label) for org in mine])


@endpoint(
    "Make an organization; its maker is its owner", scope=Scope.ADMIN, limit="write", status=201, answers=Organization
)
async def make_org(call: Call, body: Named) -> Organization:
    made = await organizations.make(call.resources.db, call.who.user_id, body.name, request_id=call.request_id)
    return Organization(id=made.id, name=made.name, role=made.role.label)


@endpoint("One of my organizations", need=Role.VIEWER, answers=Organization)
async def read_org(call: Call) -> Organization:
    name = await organizations.name_of(call.resources.db, call.who.user_id, call.org.org_id)
    return Organization(id=call.org.org_id, name=name, role=call.org.role.label)


@endpoint("Rename an organization", need=Role.ADMIN, limit="write", answers=Organization)
async def change_org(call: Call, body: Named) -> Organization:
    await organizations.rename(
        call.resources.db, call.who.user_id, call.org.org_id, body.name, request_id=call.request_id
    )
    return Organization(id=call.org.org_id, name=body.name, role=call.org.role.label)


@endpoint("Who is in an organization", need=Role.VIEWER, answers=OrgMembers)
async def list_members(call: Call) -> OrgMembers:
    members = await organizations.members(call.resources.db, call.who.user_id, call.org.org_id)
    return OrgMembers(items=[_member(one) for one in members])


def may_give(call: Call, *roles: Role) -> None:
    if any(one is Role.OWNER for one in roles) and call.org.role is not Role.OWNER:
        raise Problem("forbidden", "Only an owner makes owners, or changes them.")


@endpoint(
    "Take an existing user into an organization",
    need=Role.ADMIN,
    limit="write",
    status=201,
    answers=OrgMember,
    errors=("already_exists", "invalid_reference"),
)
async def add_member(call: Call, body: NewOrgMember) -> OrgMember:
    may_give(call, role(body.role))
    try:
        return _member(
            await organizations.add(
                call.resources.db,
                call.who.user_id,
                call.org.org_id,
                body.email,
                role(body.role),
                request_id=call.request_id,
            )
        )
    except organizations.UnknownUserError:
        raise unknown_reference("body.email") from None
    except people.AlreadyExistsError:
        raise Problem("already_exists", "This user is a member already.") from None


async def member_in_path(call: Call) -> Role:
    """The present role of the user in the path."""
    members = await organizations.members(call.resources.db, call.who.user_id, call.org.org_id)
    for one in members:
        if one.user_id == call.path["user_id"]:
            return one.role
    raise Problem("not_found")


@endpoint(
    "Another role for a member",
    need=Role.ADMIN,
    limit="write",
    answers=OrgMember,
    errors=("last_owner",),
    resolve=member_in_path,
)
async def change_member(call: Call, body: NewRole) -> OrgMember:
    may_give(call, role(body.role), call.found)
    try:
        return _member(
            await organizations.set_role(
                call.resources.db,
                call.who.user_id,
                call.org.org_id,
                call.path["user_id"],
                role(body.role),
                request_id=call.request_id,
            )
        )
    except organizations.LastOwnerError:
        raise Problem("last_owner") from None


@endpoint(
    "Take a member out; anybody may leave",
    need=Role.VIEWER,
    scope=Scope.ADMIN,
    limit="write",
    status=204,
    errors=("last_owner",),
    resolve=member_in_path,
)
async def remove_member(call: Call) -> Answer:
    if call.path["user_id"] != call.who.user_id:
        if call.org.role < Role.ADMIN:
            raise Problem("forbidden", "Only admins take others out.")
        may_give(call, call.found)
    try:
        await organizations.remove(
            call.resources.db, call.who.user_id, call.org.org_id, call.path["user_id"], request_id=call.request_id
        )
    except organizations.LastOwnerError:
        raise Problem("last_owner") from None
    return Answer()
