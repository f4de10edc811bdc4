"""Who is asking, and what they may do: identities from secrets, grants on diagrams.

One decision for both doors: REST and sockets call `grant_for` before anything else happens on a diagram. Secrets are
random and kept as SHA-256 only. The look-ups that run before a tenant is known are the SQL functions of role
`colane_lookup`; they return ids, everything else is read under row-level security afterwards.
"""

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import text

from storage.database import Connection, Database, Row, speak_for

SESSION_COOKIE = "colane_session"
TOKEN_PREFIX = "clt_"  # noqa: S105 -- a prefix, not a secret
TICKET_PREFIX = "clk_"
VISIT_PREFIX = "clv_"
TICKET_LIFE_S = 30

Via = Literal["session", "token", "link"]


class Role(IntEnum):
    """What somebody may do, in an organization or on one diagram; a higher role includes the lower ones."""

    VIEWER = 1
    COMMENTER = 2
    EDITOR = 3
    ADMIN = 4
    OWNER = 5

    @property
    def label(self) -> str:
        """The word used in JSON and in the database."""
        return self.name.lower()

    @classmethod
    def of(cls, label: str) -> "Role":
        """The role a word of ours names; KeyError for any other word."""
        return cls[label.upper()]


class Scope(IntEnum):
    """What an access token is good for. A higher scope includes the lower ones; a session has the highest."""

    READ = 1
    WRITE = 2
    ADMIN = 3

    @property
    def label(self) -> str:
        """The word used in JSON and in the database."""
        return self.name.lower()

    @property
    def ceiling(self) -> Role:
        """The highest role that its holder acts in, whatever they are."""
        return _CEILINGS[self]

    @classmethod
    def among(cls, labels: Iterable[str]) -> "Scope":
        """The highest of some words of ours."""
        return max(cls[label.upper()] for label in labels)


_CEILINGS: Final = {Scope.READ: Role.VIEWER, Scope.WRITE: Role.EDITOR, Scope.ADMIN: Role.OWNER}


@dataclass(frozen=True, slots=True)
class Identity:
    """A person, and by which credential we know."""

    user_id: UUID
    name: str
    email: str
    color: str
    via: Via
    credential_id: UUID
    expires_at: datetime | None = None
    scope: Scope = Scope.ADMIN
    diagram_id: UUID | None = None  # a ticket opens this diagram only, and so does an anonymous visit
    org_id: UUID | None = None  # where a visit is

    @property
    def visitor(self) -> bool:
        """Nobody we know: somebody who opened a link without signing in."""
        return self.via == "link"

    @property
    def pseudonym(self) -> str:
        """The person in logs: the same everywhere, and nobody's name."""
        return hashlib.sha256(self.user_id.bytes).hexdigest()[:16]

    def until(self, moment: datetime | None) -> "Identity":
        """The same, to be looked at again at that moment if not before: a right may end before its credential does."""
        if moment is None or (self.expires_at is not None and self.expires_at <= moment):
            return self
        return replace(self, expires_at=moment)


@dataclass(frozen=True, slots=True)
class Grant:
    """The right of one person on one diagram, by this credential, and the organization it lives in."""

    user_id: UUID
    org_id: UUID
    diagram_id: UUID
    role: Role
    deleted: bool
    until: datetime | None = None  # a link's role ends with the link


def new_secret(prefix: str = "") -> str:
    """256 random bits as text."""
    return prefix + secrets.token_urlsafe(32)


def hash_secret(secret: str) -> bytes:
    """What is stored of a secret. Secrets are random, so a plain hash is enough."""
    return hashlib.sha256(secret.encode()).digest()


_PERSON = "u.id AS user_id, u.name, u.email, u.color"
_SESSION = (
    f"SELECT s.id, s.expires_at, {_PERSON} FROM colane.sessions s JOIN colane.users u ON u.id = s.user_id"
    " WHERE s.expires_at > now() AND s.id = :id"
)
_TOKEN = (
    f"SELECT t.id, t.expires_at, t.scopes, {_PERSON} FROM colane.tokens t JOIN colane.users u ON u.id = t.user_id"
    " WHERE (t.expires_at IS NULL OR t.expires_at > now()) AND t.id = :id"
)
_VISIT = (
    "SELECT g.org_id, g.user_id, l.diagram_id, least(g.expires_at, l.expires_at) AS expires_at FROM colane.link_guests g"
    " JOIN colane.share_links l ON l.org_id = g.org_id AND l.id = g.link_id WHERE g.user_id = :id"
    " AND g.secret_hash IS NOT NULL AND g.expires_at > now() AND (l.expires_at IS NULL OR l.expires_at > now())"
)
_STANDING: Final = {"session": text(_SESSION), "token": text(_TOKEN), "link": text(_VISIT)}
# The look-up, and as the person it names what only they may read: one statement, since every request begins with it.
_FOUND = (
    "SELECT s.* FROM (SELECT {found} AS id, set_config('app.user', CAST(user_id AS text), true) AS name"
    " FROM colane.{find}(:hash) OFFSET 0) AS speaker CROSS JOIN LATERAL ({standing} AND u.id = CAST(speaker.name AS uuid)"
    " OFFSET 0) AS s"
)
_BY_SESSION = text(
    _FOUND.format(found="session_id", find="find_session", standing=_SESSION.replace(":id", "speaker.id"))
)
_BY_TOKEN = text(_FOUND.format(found="token_id", find="find_token", standing=_TOKEN.replace(":id", "speaker.id")))
_FIND_VISIT = text("SELECT org_id, user_id FROM colane.find_visit(:hash)")
_FIND_TICKET = text("SELECT org_id, user_id FROM colane.find_ticket(:hash)")
_TICKET = text(
    "UPDATE colane.tickets SET used_at = now() WHERE org_id = :org AND secret_hash = :hash AND used_at IS NULL"
    " AND expires_at > now() RETURNING diagram_id, maker, maker_id"
)
_GRANT = text("SELECT org_id, role, deleted, until FROM colane.grant_for(:user, :diagram)")

VISITOR_NAME: Final = "Visitor"
VISITOR_COLOR: Final = "#57534e"


async def identify_session(db: Database, secret: str) -> Identity | None:
    """Whose browser holds this session cookie: a person who signed in, or a visitor."""
    hashed = {"hash": hash_secret(secret)}
    if not secret.startswith(VISIT_PREFIX):
        return _identity("session", await db.ask(_BY_SESSION, hashed))
    async with db.transaction() as conn:
        visit = (await conn.execute(_FIND_VISIT, hashed)).one_or_none()
        if visit is None:
            return None
        await speak_for(conn, user=visit.user_id, org=visit.org_id, read_only=True)
        return await _standing(conn, "link", visit.user_id)


async def identify_token(db: Database, secret: str) -> Identity | None:
    """The person who made this access token."""
    if not secret:
        return None
    return _identity("token", await db.ask(_BY_TOKEN, {"hash": hash_secret(secret)}))


async def redeem_ticket(db: Database, secret: str) -> Identity | None:
    """Who made this ticket, by what they made it with: what it opens stands no longer than that.

    A ticket works once: the update that marks it used decides.
    """
    if not secret.startswith(TICKET_PREFIX):
        return None
    hashed = hash_secret(secret)
    async with db.transaction() as conn:
        found = (await conn.execute(_FIND_TICKET, {"hash": hashed})).one_or_none()
        if found is None:
            return None
        await speak_for(conn, user=found.user_id, org=found.org_id)
        ticket = (await conn.execute(_TICKET, {"org": found.org_id, "hash": hashed})).one_or_none()
        if ticket is None:
            return None
        identity = await _standing(conn, ticket.maker, ticket.maker_id)
    return None if identity is None else replace(identity, diagram_id=ticket.diagram_id)


async def _standing(conn: Connection, via: Via, credential_id: UUID) -> Identity | None:
    """The identity behind a credential, while that stands. As its person; for a visit, in its organization."""
    return _identity(via, (await conn.execute(_STANDING[via], {"id": credential_id})).all())


def _identity(via: Via, rows: Sequence[Row]) -> Identity | None:
    if not rows:
        return None
    (row,) = rows
    if via == "link":
        return Identity(
            row.user_id, VISITOR_NAME, "", VISITOR_COLOR, via, row.user_id, row.expires_at, Scope.READ,
            row.diagram_id, row.org_id,
        )  # fmt: skip
    scope = Scope.among(row.scopes) if via == "token" else Scope.ADMIN
    return Identity(row.user_id, row.name, row.email, row.color, via, row.id, row.expires_at, scope)


async def still(db: Database, identity: Identity, diagram_id: UUID) -> tuple[Identity | None, Grant | None]:
    """The same person with the same right a while later: None for what is gone or has expired.

    The identity says when to look again at the latest.
    """
    async with db.transaction(user=identity.user_id, org=identity.org_id, read_only=True) as conn:
        found = await _standing(conn, identity.via, identity.credential_id)
        if found is None:
            return None, None
        found = replace(found, diagram_id=identity.diagram_id)
        now = await _granted(conn, found, diagram_id)
    return found.until(now.until) if now is not None else found, now


async def grant_for(db: Database, identity: Identity, diagram_id: UUID) -> Grant | None:
    """What this person may do on this diagram; None means that for them it does not exist."""
    if identity.diagram_id not in (None, diagram_id):
        return None
    values = {"user": identity.user_id, "diagram": diagram_id}
    return _grant(identity, diagram_id, await db.ask(_GRANT, values))


async def _granted(conn: Connection, identity: Identity, diagram_id: UUID) -> Grant | None:
    values = {"user": identity.user_id, "diagram": diagram_id}
    return _grant(identity, diagram_id, (await conn.execute(_GRANT, values)).all())


def _grant(identity: Identity, diagram_id: UUID, rows: Sequence[Row]) -> Grant | None:
    if not rows:
        return None
    (row,) = rows
    role = min(Role.of(row.role), identity.scope.ceiling)
    return Grant(identity.user_id, row.org_id, diagram_id, role, row.deleted, row.until)
