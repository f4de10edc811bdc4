"""Links to a new password: made by an admin for a member, used once by whoever it was handed to."""

from datetime import datetime

from api import passwords
from api.answers import Answer
from api.auth import NewPassword
from api.call import Call
from api.endpoint import Model, Need, endpoint
from api.orgs import member_in_path
from api.problems import Problem
from storage import reset_links
from storage.access import Role, Scope


class ResetLink(Model):
    """`url` is in this answer only: no mail is sent, hand it over yourself."""

    url: str
    expires_at: datetime


class FoundResetLink(Model):
    email: str


class Reset(Model):
    password: NewPassword


@endpoint(
    "Make a one-time link to a new password for a member; ends their sessions",
    need=Role.ADMIN,
    scope=Scope.ADMIN,
    limit="write",
    status=201,
    answers=ResetLink,
    resolve=member_in_path,
)
async def make_reset_link(call: Call) -> ResetLink:
    if call.found > call.org.role:
        raise Problem("forbidden", "Nobody resets the password of somebody with a higher role.")
    try:
        made = await reset_links.make(
            call.resources.db,
            call.who.user_id,
            call.org.org_id,
            call.path["user_id"],
            request_id=call.request_id,
        )
    except reset_links.ElsewhereError:
        raise Problem(
            "forbidden",
            "This account leads beyond this organization: to others, to their diagrams, or to another way to sign in.",
        ) from None
    return ResetLink(url=call.page(f"/reset/{made.secret}"), expires_at=made.expires_at)


@endpoint("Whose password a link is about", need=Need.NOBODY, limit="signin", answers=FoundResetLink)
async def find_reset_link(call: Call) -> FoundResetLink:
    email = await reset_links.email_of(call.resources.db, call.request.path_params["reset_secret"])
    if email is None:
        raise Problem("not_found", "This link was used, or its time is over.")
    return FoundResetLink(email=email)


@endpoint("Set a new password by a link; ends the account's sessions", need=Need.NOBODY, limit="signin", status=204)
async def reset_password(call: Call, body: Reset) -> Answer:
    secret = call.request.path_params["reset_secret"]
    if await reset_links.email_of(call.resources.db, secret) is None:
        raise Problem("not_found", "This link was used, or its time is over.")
    hashed = await passwords.hashed(body.password)
    if not await reset_links.use(call.resources.db, secret, hashed, request_id=call.request_id):
        raise Problem("not_found", "This link was used, or its time is over.")
    return Answer()
