"""People and their sessions: registration with an organization of one's own, sign-in, one-time sign-in links.

Rows of identity tables are visible to their own user only (app.user); who belongs to an e-mail address or a secret is
asked of the look-up functions. Password hashing is the caller's.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import uuid_utils.compat as uuids
from sqlalchemy import text

from storage import audit, notices
from storage.access import VISIT_PREFIX, Role, hash_secret, new_secret
from storage.database import SPEAKING_FOR, Connection, Database, speak_for

SESSION_LIFE: Final = timedelta(days=30)
COLORS: Final = ("#c2410c", "#0f766e", "#6d28d9", "#be185d", "#1d4ed8", "#4d7c0f", "#a16207", "#0e7490")


class AlreadyExistsError(Exception):
    """Somebody is registered with this e-mail address."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as others see them."""

    id: UUID
    name: str | None


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization and the role that the asking person has in it."""

    id: UUID
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Account:
    """A user and the organization of their own."""

    user_id: UUID
    email: str
    name: str
    org: Organization


def color_of(user_id: UUID) -> str:
    """The colour of somebody's cursor, the same everywhere."""
    return COLORS[user_id.int % len(COLORS)]


async def register(
    db: Database,
    *,
    email: str,
    password_hash: str | None,
    name: str,
    identity: tuple[str, str] | None = None,
    request_id: str | None = None,
) -> Account:
    """A new user, with an organization of which they are owner; `identity` is who they are elsewhere."""
    user_id, org_id = uuids.uuid7(), uuids.uuid7()
    org_name = f"{name}'s organization"
    async with db.transaction(user=user_id, org=org_id) as conn:
        await insert_user(conn, user_id, email, password_hash, name)
        if identity is not None:
            await insert_identity(conn, user_id, *identity)
        await conn.execute(
            text("INSERT INTO colane.organizations (id, org_id, name) VALUES (:id, :id, :name)"),
            {"id": org_id, "name": org_name},
        )
        await conn.execute(
            text("INSERT INTO colane.memberships (org_id, user_id, role) VALUES (:org, :user, 'owner')"),
            {"org": org_id, "user": user_id},
        )
        await audit.record(
            conn,
            org_id=org_id,
            actor=user_id,
            action="organization.create",
            resource=f"organization:{org_id}",
            metadata={"name": org_name},
            request_id=request_id,
        )
    return Account(user_id, email, name, Organization(org_id, org_name, Role.OWNER))


async def insert_user(conn: Connection, user_id: UUID, email: str, password_hash: str | None, name: str) -> None:
    """The row of a new user, as themselves. Raises AlreadyExistsError for an address that somebody has."""
    if await find_user(conn, email) is not None:
        raise AlreadyExistsError
    added = await conn.execute(
        text(
            "INSERT INTO colane.users (id, email, name, password_hash, color)"
            " VALUES (:id, :email, :name, :hash, :color) ON CONFLICT DO NOTHING"
        ),
        {"id": user_id, "email": email, "name": name, "hash": password_hash, "color": color_of(user_id)},
    )
    if added.rowcount != 1:
        raise AlreadyExistsError


async def insert_identity(conn: Connection, user_id: UUID, issuer: str, subject: str) -> None:
    """Who somebody is elsewhere, as themselves. Raises AlreadyExistsError when that is known to be somebody."""
    added = await conn.execute(
        text(
            "INSERT INTO colane.identities (issuer, subject, user_id) VALUES (:issuer, :subject, :user)"
            " ON CONFLICT DO NOTHING"
        ),
        {"issuer": issuer, "subject": subject, "user": user_id},
    )
    if added.rowcount != 1:
        raise AlreadyExistsError


async def find_password(db: Database, email: str) -> tuple[UUID, str | None] | None:
    """The user with this address, and their password's hash."""
    async with db.transaction(read_only=True) as conn:
        user_id = (await conn.execute(text("SELECT colane.find_user(:email)"), {"email": email})).scalar_one()
    if user_id is None:
        return None
    async with db.transaction(user=user_id, read_only=True) as conn:
        found = await conn.execute(text("SELECT password_hash FROM colane.users WHERE id = :id"), {"id": user_id})
        return user_id, found.scalar_one()


async def open_session(
    db: Database, user_id: UUID, life: timedelta = SESSION_LIFE, *, request_id: str | None = None
) -> str:
    """A new session's secret."""
    secret = new_secret()
    async with db.transaction(user=user_id, org=audit.SYSTEM) as conn:
        await conn.execute(
            text("INSERT INTO colane.sessions (user_id, secret_hash, expires_at) VALUES (:user, :hash, :expires)"),
            {"user": user_id, "hash": hash_secret(secret), "expires": datetime.now(UTC) + life},
        )
        await audit.record_own(conn, user_id, "session.open", f"user:{user_id}", request_id)
    return secret


async def close_session(db: Database, secret: str, *, request_id: str | None = None) -> None:
    """Sign out the session with this secret, if there is one, and with it the sockets that it opened."""
    hashed = hash_secret(secret)
    visit = secret.startswith(VISIT_PREFIX)
    look = (
        "SELECT org_id, user_id FROM colane.find_visit(:hash)"
        if visit
        else ("SELECT NULL::uuid AS org_id, user_id FROM colane.find_session(:hash)")
    )
    async with db.transaction() as conn:
        found = (await conn.execute(text(look), {"hash": hashed})).one_or_none()
        if found is None:
            return
        org_id = found.org_id or audit.SYSTEM
        await speak_for(conn, user=found.user_id, org=org_id)
        table = "link_guests" if visit else "sessions"
        gone = await conn.execute(text(f"DELETE FROM colane.{table} WHERE secret_hash = :hash"), {"hash": hashed})
        if gone.rowcount != 1:
            return
        await notices.notify(conn, {"event": "access", "user": str(found.user_id)})
        await audit.record(
            conn,
            org_id=org_id,
            actor=found.user_id,
            action="session.close",
            resource=f"user:{found.user_id}",
            request_id=request_id,
        )


async def make_signin_link(db: Database, user_id: UUID, life: timedelta) -> str:
    """A secret that signs this user in, once."""
    secret = new_secret()
    async with db.transaction(user=user_id) as conn:
        await conn.execute(
            text("INSERT INTO colane.signin_links (user_id, secret_hash, expires_at) VALUES (:user, :hash, :expires)"),
            {"user": user_id, "hash": hash_secret(secret), "expires": datetime.now(UTC) + life},
        )
    return secret


async def redeem_signin_link(db: Database, secret: str) -> UUID | None:
    """The user a sign-in link is for; the link is used up."""
    hashed = hash_secret(secret)
    async with db.transaction(read_only=True) as conn:
        user_id: UUID | None = (
            await conn.execute(text("SELECT colane.find_signin(:hash)"), {"hash": hashed})
        ).scalar_one()
    if user_id is None:
        return None
    async with db.transaction(user=user_id) as conn:
        used = await conn.execute(
            text(
                "UPDATE colane.signin_links SET used_at = now()"
                " WHERE secret_hash = :hash AND used_at IS NULL AND expires_at > now()"
            ),
            {"hash": hashed},
        )
        return user_id if used.rowcount == 1 else None


@dataclass(frozen=True, slots=True)
class User:
    """Somebody as they see themselves."""

    id: UUID
    email: str
    name: str


async def user(db: Database, user_id: UUID) -> User:
    """One's own row."""
    async with db.transaction(user=user_id, read_only=True) as conn:
        found = await conn.execute(text("SELECT id, email, name FROM colane.users WHERE id = :id"), {"id": user_id})
        row = found.one()
        return User(row.id, row.email, row.name)


async def find_user(conn: Connection, email: str) -> UUID | None:
    """The id behind an e-mail address."""
    found: UUID | None = (await conn.execute(text("SELECT colane.find_user(:email)"), {"email": email})).scalar_one()
    return found


_ROLE = text(
    f"SELECT m.role FROM {SPEAKING_FOR} (SELECT role FROM colane.memberships"
    " WHERE user_id = CAST(speaker.name AS uuid) AND org_id = :org OFFSET 0) AS m"
)
_HOME = text(
    f"SELECT m.org_id, m.role FROM {SPEAKING_FOR} (SELECT org_id, role FROM colane.memberships"
    " WHERE user_id = CAST(speaker.name AS uuid) ORDER BY created_at, org_id LIMIT 1) AS m"
)


async def role_in(db: Database, user_id: UUID, org_id: UUID) -> Role | None:
    """Somebody's role in an organization."""
    rows = await db.ask(_ROLE, {"user": str(user_id), "org": org_id})
    return Role.of(rows[0].role) if rows else None


async def home(db: Database, user_id: UUID) -> tuple[UUID, Role] | None:
    """The organization of somebody's own, which is that of their oldest membership, and their role in it."""
    rows = await db.ask(_HOME, {"user": str(user_id)})
    return (rows[0].org_id, Role.of(rows[0].role)) if rows else None


async def organizations_of(db: Database, user_id: UUID) -> list[Organization]:
    """Where somebody is a member, the oldest membership first: that is the one of their own."""
    async with db.transaction(user=user_id, read_only=True) as conn:
        rows = await conn.execute(
            text("SELECT org_id, role FROM colane.memberships WHERE user_id = :user ORDER BY created_at, org_id"),
            {"user": user_id},
        )
        found = []
        for row in rows.all():
            # The name is the tenant's: each is read inside its own organization.
            await conn.execute(text("SELECT set_config('app.org', :org, true)"), {"org": str(row.org_id)})
            name = await conn.execute(text("SELECT name FROM colane.organizations WHERE id = :id"), {"id": row.org_id})
            found.append(Organization(row.org_id, name.scalar_one(), Role.of(row.role)))
        return found
