"""Who comes in at the socket: credentials, Origin, rights. The same identities and the same `grant_for` as REST.

Decides only; socket.py answers. Order of credentials on `/collab/{diagram}`: Authorization, ticket, cookie.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from collab.session import Person
from storage import access
from storage.access import SESSION_COOKIE, TICKET_PREFIX, Grant, Identity, Role
from storage.audit import SYSTEM
from storage.audit.refusals import Refusal, Refusals
from storage.database import Database
from storage.settings import Settings

BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Request:
    """What of an HTTP request matters here. Header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    secure: bool = False

    @property
    def query(self) -> dict[str, str]:
        """The last value of each query parameter."""
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}

    @property
    def place(self) -> str:
        """The path without its query."""
        return urlsplit(self.path).path

    @property
    def cookie(self) -> str | None:
        """The session's secret, when the browser sent one."""
        try:
            found = SimpleCookie(self.headers.get("cookie", "")).get(SESSION_COOKIE)
        except CookieError:
            return None
        return found.value if found is not None else None


class Door:
    """Asks the database who somebody is and what they may do, and tells the audit log of whom it does not let in."""

    def __init__(self, db: Database, settings: Settings, refusals: Refusals) -> None:
        self._db = db
        self._settings = settings
        self._refusals = refusals

    def refused(self, who: UUID | None, address: str, diagram: str, result: str, request_id: str) -> None:
        """Somebody was not let in. The system's chain is told, whosever diagram it was (DECISIONS)."""
        refusal = Refusal(
            org_id=SYSTEM,
            actor=who,
            address=address if who is None else "",
            action="socket.refused",
            route="/collab/{diagram_id}",
            resource=f"diagram:{_id(diagram) or 'none'}",
            diagram_id=None,
            result=result,
        )
        self._refusals.note(refusal, request_id)

    def origin_allowed(self, request: Request) -> bool:
        """Origin matters with a cookie only: a foreign page must not use a visitor's sign-in."""
        origin = request.headers.get("origin", "").rstrip("/")
        scheme = "https" if request.secure else "http"
        own = f"{scheme}://{request.headers.get('host', '')}"
        return origin == own or origin in self._settings.allowed_origins

    async def identify(self, request: Request) -> Identity | None:
        """By the first credential that is there; a bad one is not made good by the next."""
        header = request.headers.get("authorization", "")
        if header:
            token = header[len(BEARER) :].strip() if header.lower().startswith(BEARER) else ""
            return await access.identify_token(self._db, token)
        if (ticket := request.query.get("ticket")) is not None:
            return await access.redeem_ticket(self._db, ticket)
        if request.cookie:
            return await access.identify_session(self._db, request.cookie)
        return None

    async def identify_in_band(self, token: str, request: Request) -> Identity | None:
        """By what a Hocuspocus client sends as its token, else by the cookie of the upgrade."""
        if token.startswith(TICKET_PREFIX):
            return await access.redeem_ticket(self._db, token)
        if found := await access.identify_token(self._db, token):
            return found
        if request.cookie and self.origin_allowed(request):
            return await access.identify_session(self._db, request.cookie)
        return None

    async def grant(self, identity: Identity, diagram: str) -> Grant | None:
        """The right on a diagram by its name in the URL; None for unknown, foreign, impossible and deleted ones alike."""
        diagram_id = _id(diagram)
        if diagram_id is None:
            return None
        found = await access.grant_for(self._db, identity, diagram_id)
        return None if found is None or found.deleted else found

    async def still(self, identity: Identity, diagram_id: UUID) -> tuple[Identity | None, Grant | None]:
        """Who it is now, None for the signed out; and what they may do now, None for nothing."""
        who, grant = await access.still(self._db, identity, diagram_id)
        return who, None if grant is None or grant.deleted else grant


def may_write(grant: Grant) -> bool:
    """Editors and above."""
    return grant.role >= Role.EDITOR


def person_of(identity: Identity) -> Person:
    """How others see this user."""
    return Person(identity.user_id, identity.name, identity.color)


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
