"""Registering, signing in and out, and who I am. Sessions are cookies that scripts cannot read."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from pydantic import StringConstraints
from starlette.responses import RedirectResponse, Response

from api import passwords
from api.answers import Answer
from api.call import Call
from api.endpoint import Model, Need, endpoint
from api.problems import Problem
from api.shapes import Email, Line
from storage import people
from storage.access import SESSION_COOKIE
from storage.audit.refusals import account

NewPassword = Annotated[str, StringConstraints(min_length=12, max_length=200)]


class Registration(Model):
    email: Email
    password: NewPassword
    name: Line


class Credentials(Model):
    email: Annotated[str, StringConstraints(strip_whitespace=True, max_length=254)]
    password: Annotated[str, StringConstraints(max_length=200)]


class User(Model):
    id: UUID
    email: str
    name: str


class Org(Model):
    id: UUID
    name: str


class Account(Model):
    user: User
    org: Org | None


class OrgWithRole(Org):
    role: str


class Me(User):
    color: str
    orgs: list[OrgWithRole]


@endpoint(
    "Register a new user, with an organization of their own",
    need=Need.NOBODY,
    limit="signin",
    status=201,
    answers=Account,
    errors=("already_exists", "registration_closed"),
)
async def register(call: Call, body: Registration) -> Answer:
    if not call.resources.settings.registration_open:
        raise Problem("registration_closed")
    try:
        made = await people.register(
            call.resources.db,
            email=body.email,
            password_hash=await passwords.hashed(body.password),
            name=body.name,
            request_id=call.request_id,
        )
    except people.AlreadyExistsError:
        raise Problem("already_exists", "Somebody is registered with this e-mail address.") from None
    return Answer(
        Account(
            user=User(id=made.user_id, email=made.email, name=made.name), org=Org(id=made.org.id, name=made.org.name)
        )
    )


@endpoint(
    "Sign in with e-mail and password; sets the session cookie",
    need=Need.NOBODY,
    limit="signin",
    answers=Account,
    errors=("bad_credentials",),
    headers={"Set-Cookie": "the session: HttpOnly, SameSite=Lax, Secure over TLS"},
)
async def login(call: Call, body: Credentials) -> Answer:
    email = body.email.lower()
    call.about = account(email)
    await call.limits.take_account("person", email)
    found = await people.find_password(call.resources.db, email) if "\x00" not in email else None
    if not await passwords.matches(found[1] if found else None, body.password) or found is None:
        raise Problem("bad_credentials")
    return Answer(await _account(call, found[0]), headers={"Set-Cookie": await session_cookie(call, found[0])})


async def _account(call: Call, user_id: UUID) -> Account:
    user = await people.user(call.resources.db, user_id)
    orgs = await people.organizations_of(call.resources.db, user_id)
    return Account(
        user=User(id=user_id, email=user.email, name=user.name),
        org=Org(id=orgs[0].id, name=orgs[0].name) if orgs else None,
    )


@endpoint(
    "Sign out: the session ends, the cookie goes",
    need=Need.NOBODY,
    limit="write",
    status=204,
    headers={"Set-Cookie": "the cookie is taken away"},
)
async def logout(call: Call) -> Answer:
    secret = call.request.cookies.get(SESSION_COOKIE, "")
    if secret:
        await people.close_session(call.resources.db, secret, request_id=call.request_id)
    gone = Response()
    gone.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="lax", secure=_secure(call))
    return Answer(headers={"Set-Cookie": gone.headers["set-cookie"]})


@endpoint("Who I am, and my organizations", answers=Me)
async def me(call: Call) -> Me:
    orgs = await people.organizations_of(call.resources.db, call.who.user_id)
    return Me(
        id=call.who.user_id,
        email=call.who.email,
        name=call.who.name,
        color=call.who.color,
        orgs=[OrgWithRole(id=org.id, name=org.name, role=org.role.label) for org in orgs],
    )


def _secure(call: Call) -> bool:
    return call.request.url.scheme == "https"


async def session_cookie(call: Call, user_id: UUID) -> str:
    """Open a session in place of the one that this browser had; the Set-Cookie header for it."""
    if before := call.request.cookies.get(SESSION_COOKIE, ""):
        await people.close_session(call.resources.db, before, request_id=call.request_id)
    secret = await people.open_session(call.resources.db, user_id, request_id=call.request_id)
    return cookie(call, secret, people.SESSION_LIFE)


def cookie(call: Call, secret: str, life: timedelta) -> str:
    """The Set-Cookie header that gives this browser the secret of a session."""
    life_s = int(life / timedelta(seconds=1))
    made = Response()
    made.set_cookie(
        SESSION_COOKIE, secret, max_age=life_s, path="/", httponly=True, samesite="lax", secure=_secure(call)
    )
    return made.headers["set-cookie"]


@endpoint("A one-time sign-in link: signs in and goes to the list", need=Need.NOBODY, limit=None, status=303)
async def signin_link(call: Call) -> Answer:
    if call.request.method == "HEAD":
        return Answer(status=303, headers={"Location": "/"})
    user_id = await people.redeem_signin_link(call.resources.db, call.request.path_params["secret"])
    if user_id is None:
        # A person reads this in a browser: the page says it, or shows the list to somebody who is signed in already.
        return Answer(status=303, headers={"Location": "/?link=used"})
    redirect = RedirectResponse("/", 303)
    return Answer(
        status=303,
        headers={"Location": redirect.headers["location"], "Set-Cookie": await session_cookie(call, user_id)},
    )
