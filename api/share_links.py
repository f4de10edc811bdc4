"""Links to a diagram, with a role, an end and a password where wanted; and what happens when somebody opens one.

A signed-in person becomes a guest with the link's role. A viewer's link also opens without signing in: the cookie it gives
sees this diagram and nothing else.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import StringConstraints

from api import passwords
from api.answers import Answer
from api.auth import cookie
from api.authorize import identify
from api.call import Call
from api.endpoint import Model, Need, endpoint
from api.members import may_share
from api.problems import Problem, invalid
from api.shapes import Moment, Person, role
from storage import people, share_links
from storage.access import SESSION_COOKIE, Role, Scope

LinkRole = Literal["viewer", "commenter", "editor"]


class NewShareLink(Model):
    role: LinkRole
    expires_at: Moment | None = None
    password: Annotated[str, StringConstraints(min_length=6, max_length=200)] | None = None


class ShareLink(Model):
    id: UUID
    role: LinkRole
    has_password: bool
    created_at: datetime
    created_by: Person
    expires_at: datetime | None


class ShareLinks(Model):
    items: list[ShareLink]
    next_cursor: str | None = None


class MadeShareLink(Model):
    """`url` is in this answer only."""

    id: UUID
    url: str
    role: LinkRole
    has_password: bool
    expires_at: datetime | None


class FoundShareLink(Model):
    """What a page must know before it opens a link."""

    role: LinkRole
    has_password: bool
    expires_at: datetime | None


class Opening(Model):
    password: Annotated[str, StringConstraints(max_length=200)] | None = None


class OpenedShareLink(Model):
    diagram_id: UUID
    role: LinkRole
    url: str


def _role(one: Role) -> LinkRole:
    return "editor" if one is Role.EDITOR else "commenter" if one is Role.COMMENTER else "viewer"


@endpoint("Links to this diagram, without their secrets", need=Role.EDITOR, answers=ShareLinks, resolve=may_share)
async def list_links(call: Call) -> ShareLinks:
    found = await share_links.of(call.resources.db, call.on)
    return ShareLinks(
        items=[
            ShareLink(
                id=one.id,
                role=_role(one.role),
                has_password=one.has_password,
                created_at=one.created_at,
                created_by=Person(id=one.created_by.id, name=one.created_by.name or "Guest"),
                expires_at=one.expires_at,
            )
            for one in found
        ]
    )


@endpoint(
    "Make a link to this diagram; its address is in this answer only",
    need=Role.EDITOR,
    scope=Scope.ADMIN,
    limit="write",
    status=201,
    answers=MadeShareLink,
    resolve=may_share,
)
async def make_link(call: Call, body: NewShareLink) -> MadeShareLink:
    if body.expires_at is not None and body.expires_at <= datetime.now(UTC):
        raise invalid("body.expires_at", "This moment has passed.")
    try:
        link_id, secret = await share_links.make(
            call.resources.db,
            call.on,
            role=role(body.role),
            password_hash=None if body.password is None else await passwords.hashed(body.password),
            expires_at=body.expires_at,
            request_id=call.request_id,
        )
    except share_links.TooManyLinksError:
        raise Problem("forbidden", f"At most {share_links.MOST} links to a diagram; delete one first.") from None
    return MadeShareLink(
        id=link_id,
        url=call.page(f"/share/{secret}"),
        role=body.role,
        has_password=body.password is not None,
        expires_at=body.expires_at,
    )


@endpoint(
    "Delete a link; whoever came through it is out at once",
    need=Role.EDITOR,
    scope=Scope.ADMIN,
    limit="write",
    status=204,
    resolve=may_share,
)
async def delete_link(call: Call) -> Answer:
    if not await share_links.delete(call.resources.db, call.on, call.path["link_id"], request_id=call.request_id):
        raise Problem("not_found")
    return Answer()


async def _link_in_path(call: Call) -> share_links.Opened:
    found = await share_links.find(call.resources.db, call.request.path_params["link_secret"])
    if found is None:
        raise Problem("not_found", "This link was deleted, or its time is over.")
    return found


@endpoint("What a link asks for", need=Need.NOBODY, limit="signin", answers=FoundShareLink, resolve=_link_in_path)
async def find_link(call: Call) -> FoundShareLink:
    link: share_links.Opened = call.found
    return FoundShareLink(
        role=_role(link.role), has_password=link.password_hash is not None, expires_at=link.expires_at
    )


@endpoint(
    "Open a link: as a guest when signed in, else as a visitor with a session for this diagram",
    need=Need.NOBODY,
    limit="signin",
    answers=OpenedShareLink,
    errors=("bad_credentials", "unauthenticated", "forbidden"),
    resolve=_link_in_path,
)
async def open_link(call: Call, body: Opening) -> Answer:
    link: share_links.Opened = call.found
    who = await identify(call.request, call.resources)
    if who is not None and who.visitor:
        who = None
    if who is None and link.role is not Role.VIEWER:
        raise Problem("unauthenticated", "This link is for people who are signed in.")
    if who is not None and who.scope < Scope.WRITE:
        raise Problem("forbidden", "This access token is not good for that; it needs the scope write.")
    call.about = f"share_link:{link.id}"
    if link.password_hash is not None:
        await call.limits.take_account("share link", str(link.id))
        if not await passwords.matches(link.password_hash, body.password or ""):
            raise Problem("bad_credentials", "This link has another password.")
    opened = OpenedShareLink(diagram_id=link.diagram_id, role=_role(link.role), url=f"/d/{link.diagram_id}")
    if who is not None:
        if not await share_links.join(call.resources.db, link, who.user_id, request_id=call.request_id):
            raise Problem("not_found")
        return Answer(opened)
    secret = await share_links.visit(call.resources.db, link, request_id=call.request_id)
    if secret is None:
        raise Problem("not_found")
    if before := call.request.cookies.get(SESSION_COOKIE, ""):
        await people.close_session(call.resources.db, before)
    return Answer(opened, headers={"Set-Cookie": cookie(call, secret, share_links.VISIT_LIFE)})
