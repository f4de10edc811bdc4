"""Links to a new password: an admin makes one for a member, who uses it once. Both end that person's sessions.

A password opens everything that an account leads to. So there are none for somebody whose account leads beyond this
organization: an admin here is not to come in there. What allowed the link must still be so when it is used.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text

from storage import audit, notices
from storage.access import Role, hash_secret, new_secret
from storage.database import Connection, Database, speak_for

LIFE: Final = timedelta(days=1)


class ElsewhereError(Exception):
    """This account is not this organization's alone."""


@dataclass(frozen=True, slots=True)
class ResetLink:
    """A link to a new password, as its maker sees it once."""

    secret: str
    expires_at: datetime


async def make(db: Database, actor: UUID, org_id: UUID, user_id: UUID, *, request_id: str | None = None) -> ResetLink:
    """A link for a member; earlier ones are void. Raises ElsewhereError."""
    link = ResetLink(new_secret(), datetime.now(UTC) + LIFE)
    async with db.transaction(user=user_id, org=org_id) as conn:
        if await _elsewhere(conn, org_id, user_id):
            raise ElsewhereError
        await conn.execute(text("DELETE FROM colane.reset_links WHERE user_id = :user"), {"user": user_id})
        await conn.execute(
            text(
                "INSERT INTO colane.reset_links (user_id, org_id, secret_hash, created_by, expires_at)"
                " VALUES (:user, :org, :hash, :actor, :expires)"
            ),
            {
                "user": user_id,
                "org": org_id,
                "hash": hash_secret(link.secret),
                "actor": actor,
                "expires": link.expires_at,
            },
        )
        await _end_sessions(conn, user_id)
        await _account(conn, org_id, actor, "password.reset_link", user_id, request_id)
    return link


async def email_of(db: Database, secret: str) -> str | None:
    """Whose password it is about."""
    async with db.transaction() as conn:
        user_id = await _find(conn, secret)
        if user_id is None:
            return None
        await speak_for(conn, user=user_id, read_only=True)
        found = await conn.execute(text("SELECT email FROM colane.users WHERE id = :user"), {"user": user_id})
        return str(found.scalar_one())


async def use(db: Database, secret: str, password_hash: str, *, request_id: str | None = None) -> bool:
    """The new password. False when the link is used, void, or would not be made any more."""
    async with db.transaction() as conn:
        user_id = await _find(conn, secret)
        if user_id is None:
            return False
        await speak_for(conn, user=user_id)
        used = await conn.execute(
            text(
                "UPDATE colane.reset_links SET used_at = now() WHERE secret_hash = :hash AND used_at IS NULL"
                " AND expires_at > now() RETURNING org_id, created_by"
            ),
            {"hash": hash_secret(secret)},
        )
        link = used.one_or_none()
        if link is None:
            return False
        await speak_for(conn, user=user_id, org=link.org_id)
        maker, member = [await _role(conn, link.org_id, one) for one in (link.created_by, user_id)]
        if maker is None or member is None or maker < max(member, Role.ADMIN):
            return False
        if await _elsewhere(conn, link.org_id, user_id):
            return False
        await conn.execute(
            text("UPDATE colane.users SET password_hash = :hash WHERE id = :user"),
            {"hash": password_hash, "user": user_id},
        )
        await _end_sessions(conn, user_id)
        await _account(conn, link.org_id, user_id, "password.reset", user_id, request_id)
        return True


async def _find(conn: Connection, secret: str) -> UUID | None:
    found: UUID | None = (
        await conn.execute(text("SELECT colane.find_reset(:hash)"), {"hash": hash_secret(secret)})
    ).scalar_one()
    return found


async def _role(conn: Connection, org_id: UUID, user_id: UUID) -> Role | None:
    found = await conn.execute(
        text("SELECT role FROM colane.memberships WHERE org_id = :org AND user_id = :user"),
        {"org": org_id, "user": user_id},
    )
    label = found.scalar_one_or_none()
    return None if label is None else Role.of(label)


async def _elsewhere(conn: Connection, org_id: UUID, user_id: UUID) -> bool:
    found = await conn.execute(
        text(
            "SELECT EXISTS (SELECT 1 FROM colane.elsewhere(:user, :org))"
            " OR EXISTS (SELECT 1 FROM colane.identities WHERE user_id = :user)"
        ),
        {"org": org_id, "user": user_id},
    )
    return bool(found.scalar_one())


async def _end_sessions(conn: Connection, user_id: UUID) -> None:
    for table in ("sessions", "signin_links"):
        await conn.execute(text(f"DELETE FROM colane.{table} WHERE user_id = :user"), {"user": user_id})
    await notices.notify(conn, {"event": "access", "user": str(user_id)})


async def _account(
    conn: Connection, org_id: UUID, actor: UUID, action: str, user_id: UUID, request_id: str | None
) -> None:
    await audit.record(
        conn, org_id=org_id, actor=actor, action=action, resource=f"user:{user_id}", request_id=request_id
    )
