"""Invitations into an organization: made by admins, accepted once, by signing in or with a new account."""

from datetime import datetime
from uuid import UUID

from api import passwords
from api.answers import Answer
from api.auth import NewPassword, Org
from api.authorize import identify
from api.call import Call
from api.endpoint import Model, Need, endpoint
from api.orgs import may_give
from api.problems import Problem
from api.shapes import Email, Line, RoleName, role
from storage import invitations
from storage.access import Role, Scope
from storage.people import AlreadyExistsError


class NewInvitation(Model):
    email: Email
    role: RoleName


class Invitation(Model):
    id: UUID
    email: str
    role: RoleName
    created_at: datetime
    expires_at: datetime


class Invitations(Model):
    items: list[Invitation]
    next_cursor: str | None = None


class MadeInvitation(Invitation):
    """`url` is in this answer only: no mail is sent, hand it over yourself."""

    url: str


class FoundInvitation(Model):
    """What a page must know before somebody accepts."""

    organization: str
    email: str
    role: RoleName
    expires_at: datetime


class Acceptance(Model):
    """Both for a new account; neither for somebody who is signed in."""

    name: Line | None = None
    password: NewPassword | None = None


class Accepted(Model):
    user_id: UUID
    org: Org
    role: RoleName


def _shown(one: invitations.Invitation) -> dict[str, object]:
    return {
        "id": one.id,
        "email": one.email,
        "role": one.role.label,
        "created_at": one.created_at,
        "expires_at": one.expires_at,
    }


@endpoint(
    "Invite somebody; the link is in this answer only",
    need=Role.ADMIN,
    scope=Scope.ADMIN,
    limit="write",
    status=201,
    answers=MadeInvitation,
    errors=("already_exists",),
)
async def invite(call: Call, body: NewInvitation) -> MadeInvitation:
    may_give(call, role(body.role))
    try:
        made, secret = await invitations.make(
            call.resources.db,
            call.who.user_id,
            call.org.org_id,
            body.email,
            role(body.role),
            request_id=call.request_id,
        )
    except AlreadyExistsError:
        raise Problem("already_exists", "This user is a member already.") from None
    except invitations.TooManyInvitationsError:
        raise Problem("forbidden", f"At most {invitations.MOST} open invitations; take some back first.") from None
    return MadeInvitation.model_validate({**_shown(made), "url": call.page(f"/invitation/{secret}")})


@endpoint("Open invitations, without their secrets", need=Role.ADMIN, answers=Invitations)
async def list_invitations(call: Call) -> Invitations:
    found = await invitations.of(call.resources.db, call.who.user_id, call.org.org_id)
    return Invitations(items=[Invitation.model_validate(_shown(one)) for one in found])


@endpoint("Take an invitation back", need=Role.ADMIN, scope=Scope.ADMIN, limit="write", status=204)
async def revoke(call: Call) -> Answer:
    done = await invitations.revoke(
        call.resources.db,
        call.who.user_id,
        call.org.org_id,
        call.path["invitation_id"],
        request_id=call.request_id,
    )
    if not done:
        raise Problem("not_found")
    return Answer()


async def _invitation_in_path(call: Call) -> invitations.Found:
    found = await invitations.find(call.resources.db, call.request.path_params["secret"])
    if found is None:
        raise Problem("not_found", "This invitation was used or taken back, or its time is over.")
    return found


@endpoint("What an invitation is to", need=Need.NOBODY, limit="signin", answers=FoundInvitation,
          resolve=_invitation_in_path)  # fmt: skip
async def find_invitation(call: Call) -> FoundInvitation:
    one: invitations.Found = call.found
    return FoundInvitation.model_validate(
        {
            "organization": one.org_name,
            "email": one.email,
            "role": one.role.label,
            "expires_at": one.expires_at,
        }
    )


@endpoint(
    "Accept an invitation: signed in with the invited address, or with name and password for a new account",
    need=Need.NOBODY,
    limit="signin",
    answers=Accepted,
    errors=("already_exists", "unauthenticated", "forbidden"),
    resolve=_invitation_in_path,
)
async def accept(call: Call, body: Acceptance) -> Accepted:
    one: invitations.Found = call.found
    who = await identify(call.request, call.resources)
    try:
        if who is not None and not who.visitor:
            if who.scope < Scope.ADMIN:
                raise Problem("forbidden", "This access token is not good for that; it needs the scope admin.")
            if who.email != one.email:
                raise Problem("forbidden", "This invitation is for another address; sign in with that one.")
            user_id = who.user_id
            joined = await invitations.accept(call.resources.db, one, user_id, request_id=call.request_id)
        elif body.name is None or body.password is None:
            raise Problem("unauthenticated", "Sign in, or send name and password for a new account.")
        else:
            user_id, joined = await invitations.register(
                call.resources.db,
                one,
                name=body.name,
                password_hash=await passwords.hashed(body.password),
                request_id=call.request_id,
            )
    except AlreadyExistsError:
        raise Problem(
            "already_exists", "There is an account with this address: sign in with it, or go to it."
        ) from None
    except invitations.SpentError:
        raise Problem("not_found") from None
    org = Org(id=joined.id, name=joined.name)
    return Accepted.model_validate({"user_id": user_id, "org": org, "role": joined.role.label})
