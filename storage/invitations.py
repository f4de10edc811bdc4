"""Invitations into an organization: one-time links for one address, shown to whoever makes them; no mail is sent.

Whoever holds the link joins with its role: by signing in with that address, or by making an account for it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import uuid_utils.compat as uuids
from sqlalchemy import text

from storage import audit, notices, outbox
from storage.access import Role, hash_secret, new_secret
from storage.database import Connection, Database, speak_for
from storage.people import AlreadyExistsError, Organization, find_user, insert_user

LIFE: Final = timedelta(days=7)
MOST: Final = 1_000  # open invitations of one organization


class TooManyInvitationsError(Exception):
    """An organization has as many open invitations as it may have."""


class SpentError(Exception):
    """Somebody was faster, or the invitation was taken back."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """An open invitation without its secret."""

    id: UUID
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """An invitation that somebody holds the secret of."""

    org_id: UUID
    org_name: str
    id: UUID
    email: str
    role: Role
    expires_at: datetime


async def make(
    db: Database, user_id: UUID, org_id: UUID, email: str, role: Role, *, request_id: str | None = None
) -> tuple[Invitation, str]:
    """A new invitation and its secret; it takes the place of earlier ones for this address."""
    secret, now = new_secret(), datetime.now(UTC)
    made = Invitation(uuids.uuid7(), email, role, now, now + LIFE)
    values = {"org": org_id, "email": email}
    async with db.transaction(user=user_id, org=org_id) as conn:
        known = await find_user(conn, email)
        if known is not None:
            member = await conn.execute(
                text("SELECT 1 FROM colane.memberships WHERE org_id = :org AND user_id = :user"),
                {"org": org_id, "user": known},
            )
            if member.first() is not None:
                raise AlreadyExistsError
        await conn.execute(
            text("DELETE FROM colane.invitations WHERE org_id = :org AND email = :email AND used_at IS NULL"), values
        )
        held = await conn.execute(
            text("SELECT count(*) FROM colane.invitations WHERE org_id = :org AND used_at IS NULL"), values
        )
        if held.scalar_one() >= MOST:
            raise TooManyInvitationsError
        await conn.execute(
            text(
                "INSERT INTO colane.invitations (org_id, id, secret_hash, email, role, created_by, created_at,"
                " expires_at) VALUES (:org, :id, :hash, :email, :role, :user, :created, :expires)"
            ),
            {
                **values,
                "id": made.id,
                "hash": hash_secret(secret),
                "role": role.label,
                "user": user_id,
                "created": made.created_at,
                "expires": made.expires_at,
            },
        )
        await _account(conn, user_id, org_id, "invitation.create", made.id, role, request_id)
    return made, secret


async def of(db: Database, user_id: UUID, org_id: UUID) -> list[Invitation]:
    """Invitations that can still be accepted, newest first."""
    async with db.transaction(user=user_id, org=org_id, read_only=True) as conn:
        rows = await conn.execute(
            text(
                "SELECT id, email, role, created_at, expires_at FROM colane.invitations WHERE org_id = :org"
                " AND used_at IS NULL AND expires_at > now() ORDER BY created_at DESC, id DESC"
            ),
            {"org": org_id},
        )
        return [Invitation(row.id, row.email, Role.of(row.role), row.created_at, row.expires_at) for row in rows]


async def revoke(
    db: Database, user_id: UUID, org_id: UUID, invitation_id: UUID, *, request_id: str | None = None
) -> bool:
    """Take an open invitation back; False when there is none."""
    async with db.transaction(user=user_id, org=org_id) as conn:
        gone = await conn.execute(
            text("DELETE FROM colane.invitations WHERE org_id = :org AND id = :id AND used_at IS NULL RETURNING role"),
            {"org": org_id, "id": invitation_id},
        )
        label = gone.scalar_one_or_none()
        if label is None:
            return False
        await _account(conn, user_id, org_id, "invitation.delete", invitation_id, Role.of(label), request_id)
        return True


async def find(db: Database, secret: str) -> Found | None:
    """The open invitation with this secret, as long as whoever made it might still do so."""
    async with db.transaction() as conn:
        found = (
            await conn.execute(
                text("SELECT org_id, invitation_id FROM colane.find_invitation(:hash)"), {"hash": hash_secret(secret)}
            )
        ).one_or_none()
        if found is None:
            return None
        await speak_for(conn, org=found.org_id, read_only=True)
        row = (
            await conn.execute(
                text(
                    "SELECT i.email, i.role, i.expires_at, o.name, m.role AS maker FROM colane.invitations i"
                    " JOIN colane.organizations o ON o.org_id = i.org_id"
                    " JOIN colane.memberships m ON m.org_id = i.org_id AND m.user_id = i.created_by"
                    " WHERE i.org_id = :org AND i.id = :id"
                ),
                {"org": found.org_id, "id": found.invitation_id},
            )
        ).one_or_none()
    if row is None or Role.of(row.maker) < max(Role.ADMIN, Role.of(row.role)):
        return None
    return Found(found.org_id, row.name, found.invitation_id, row.email, Role.of(row.role), row.expires_at)


async def accept(db: Database, found: Found, user_id: UUID, *, request_id: str | None = None) -> Organization:
    """Somebody who has an account joins. Raises AlreadyExistsError for a member, SpentError."""
    async with db.transaction(user=user_id, org=found.org_id) as conn:
        return await _join(conn, found, user_id, request_id)


async def register(
    db: Database, found: Found, *, name: str, password_hash: str, request_id: str | None = None
) -> tuple[UUID, Organization]:
    """Somebody new joins, with an account for the invited address. Raises AlreadyExistsError, SpentError."""
    user_id = uuids.uuid7()
    async with db.transaction(user=user_id, org=found.org_id) as conn:
        await insert_user(conn, user_id, found.email, password_hash, name)
        return user_id, await _join(conn, found, user_id, request_id)


async def _join(conn: Connection, found: Found, user_id: UUID, request_id: str | None) -> Organization:
    used = await conn.execute(
        text(
            "UPDATE colane.invitations SET used_at = now()"
            " WHERE org_id = :org AND id = :id AND used_at IS NULL AND expires_at > now()"
        ),
        {"org": found.org_id, "id": found.id},
    )
    if used.rowcount != 1:
        raise SpentError
    added = await conn.execute(
        text(
            "INSERT INTO colane.memberships (org_id, user_id, role) VALUES (:org, :user, :role) ON CONFLICT DO NOTHING"
        ),
        {"org": found.org_id, "user": user_id, "role": found.role.label},
    )
    if added.rowcount != 1:
        raise AlreadyExistsError
    await notices.notify(conn, {"event": "access", "org": str(found.org_id), "user": str(user_id)})
    await outbox.add(
        conn,
        org_id=found.org_id,
        aggregate=found.org_id,
        event="membership.create",
        payload={"resource": f"user:{user_id}", "value": found.role.label},
        request_id=request_id,
    )
    await _account(conn, user_id, found.org_id, "invitation.accept", found.id, found.role, request_id)
    return Organization(found.org_id, found.org_name, found.role)


async def _account(
    conn: Connection, user_id: UUID, org_id: UUID, action: str, invitation: UUID, role: Role, request_id: str | None
) -> None:
    await audit.record(
        conn,
        org_id=org_id,
        actor=user_id,
        action=action,
        resource=f"invitation:{invitation}",
        metadata={"role": role.label},
        request_id=request_id,
    )
