"""Who is asking, and what they may do: identities from secrets, grants on diagrams.

One decision for both doors: REST and sockets call `grant_for` before anything else happens on a diagram. Secrets are
random and kept as SHA-256 only. The look-ups that run before a tenant is known are the SQL functions of role
`colane_lookup`; they return ids, everything else is read under row-level security afterwards.
"""

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from typing import Literal
from uuid import UUID

from sqlalchemy import text

from storage.database import Connection, Database, speak_for

SESSION_COOKIE = "colane_session"
TOKEN_PREFIX = "clt_"  # noqa: S105 -- a prefix, not a secret
TICKET_PREFIX = "clk_"
TICKET_LIFE_S = 30


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


@dataclass(frozen=True, slots=True)
class Identity:
    """A person, and by which credential we know."""

    user_id: UUID
    name: str
    email: str
    color: str
    via: Literal["session", "token", "ticket"]
    credential_id: UUID | None = None
    expires_at: datetime | None = None
    diagram_id: UUID | None = None  # a ticket opens this diagram only

    @property
    def pseudonym(self) -> str:
        """The person in logs: the same everywhere, and nobody's name."""
        return hashlib.sha256(self.user_id.bytes).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Grant:
    """The right of one person on one diagram, and the organization it lives in."""

    user_id: UUID
    org_id: UUID
    diagram_id: UUID
    role: Role
    deleted: bool


def new_secret(prefix: str = "") -> str:
    """256 random bits as text."""
    return prefix + secrets.token_urlsafe(32)


def hash_secret(secret: str) -> bytes:
    """What is stored of a secret. Secrets are random, so a plain hash is enough."""
    return hashlib.sha256(secret.encode()).digest()


_SESSION = text(
    "SELECT s.id, s.expires_at, u.id AS user_id, u.name, u.email, u.color FROM colane.sessions s"
    " JOIN colane.users u ON u.id = s.user_id WHERE s.secret_hash = :hash AND s.expires_at > now()"
)
_TOKEN = text(
    "SELECT t.id, t.expires_at, u.id AS user_id, u.name, u.email, u.color FROM colane.tokens t"
    " JOIN colane.users u ON u.id = t.user_id"
    " WHERE t.secret_hash = :hash AND (t.expires_at IS NULL OR t.expires_at > now())"
)
_TICKET = text(
    "UPDATE colane.tickets SET used_at = now() WHERE org_id = :org AND secret_hash = :hash AND used_at IS NULL"
    " AND expires_at > now() RETURNING diagram_id, expires_at"
)
_USER = text("SELECT id AS user_id, name, email, color FROM colane.users WHERE id = :user")
_GRANT = text("SELECT org_id, role, deleted FROM colane.grant_for(:user, :diagram)")


async def identify_session(db: Database, secret: str) -> Identity | None:
    """The person whose browser holds this session cookie."""
    hashed = hash_secret(secret)
    async with db.transaction() as conn:
        found = (
            await conn.execute(text("SELECT user_id FROM colane.find_session(:hash)"), {"hash": hashed})
        ).scalar_one_or_none()
        if found is None:
            return None
        await speak_for(conn, user=found, read_only=True)
        row = (await conn.execute(_SESSION, {"hash": hashed})).one_or_none()
    if row is None:
        return None
    return Identity(row.user_id, row.name, row.email, row.color, "session", row.id, row.expires_at)


async def identify_token(db: Database, secret: str) -> Identity | None:
    """The person who made this access token."""
    if not secret:
        return None
    hashed = hash_secret(secret)
    async with db.transaction() as conn:
        found = (
            await conn.execute(text("SELECT user_id FROM colane.find_token(:hash)"), {"hash": hashed})
        ).scalar_one_or_none()
        if found is None:
            return None
        await speak_for(conn, user=found, read_only=True)
        row = (await conn.execute(_TOKEN, {"hash": hashed})).one_or_none()
    if row is None:
        return None
    return Identity(row.user_id, row.name, row.email, row.color, "token", row.id, row.expires_at)


async def redeem_ticket(db: Database, secret: str) -> Identity | None:
    """The person this ticket was issued to. A ticket works once: the update that marks it used decides."""
    if not secret.startswith(TICKET_PREFIX):
        return None
    hashed = hash_secret(secret)
    async with db.transaction() as conn:
        found = (
            await conn.execute(text("SELECT org_id, user_id FROM colane.find_ticket(:hash)"), {"hash": hashed})
        ).one_or_none()
        if found is None:
            return None
        await speak_for(conn, user=found.user_id, org=found.org_id)
        ticket = (await conn.execute(_TICKET, {"org": found.org_id, "hash": hashed})).one_or_none()
        if ticket is None:
            return None
        row = (await conn.execute(_USER, {"user": found.user_id})).one()
    return Identity(
        row.user_id, row.name, row.email, row.color, "ticket", None, ticket.expires_at, diagram_id=ticket.diagram_id
    )


_STANDS = {
    "session": text("SELECT expires_at FROM colane.sessions WHERE id = :id AND expires_at > now()"),
    "token": text("SELECT expires_at FROM colane.tokens WHERE id = :id AND (expires_at IS NULL OR expires_at > now())"),
}


async def still(db: Database, identity: Identity, diagram_id: UUID) -> tuple[Identity | None, Grant | None]:
    """The same person a while later: None for the identity when its credential is gone or has expired.

    A ticket was spent when it was redeemed: what it opened stands as long as the right does.
    """
    async with db.transaction(user=identity.user_id, read_only=True) as conn:
        if identity.via != "ticket":
            found = (await conn.execute(_STANDS[identity.via], {"id": identity.credential_id})).one_or_none()
            if found is None:
                return None, None
            identity = replace(identity, expires_at=found.expires_at)
        return identity, await _granted(conn, identity.user_id, diagram_id)


async def grant_for(db: Database, user_id: UUID, diagram_id: UUID) -> Grant | None:
    """What this person may do on this diagram; None means that for them it does not exist."""
    async with db.transaction(user=user_id, read_only=True) as conn:
        return await _granted(conn, user_id, diagram_id)


async def _granted(conn: Connection, user_id: UUID, diagram_id: UUID) -> Grant | None:
    row = (await conn.execute(_GRANT, {"user": user_id, "diagram": diagram_id})).one_or_none()
    if row is None:
        return None
    return Grant(user_id, row.org_id, diagram_id, Role.of(row.role), row.deleted)
