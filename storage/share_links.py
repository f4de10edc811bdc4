"""Links to one diagram: whoever has one comes in with its role, until it is deleted or its time is over.

A signed-in person becomes a guest; a viewer's link lets anybody in, as a visitor with a session of their own. Both are
rows behind the link, `grant_for` looks at them each time, and they go when it goes.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import uuid_utils.compat as uuids
from sqlalchemy import text

from storage import audit, deeds, notices
from storage.access import VISIT_PREFIX, Grant, Role, hash_secret, new_secret
from storage.database import Connection, Database, speak_for
from storage.diagrams import people
from storage.people import Person

MOST: Final = 100  # links to one diagram
VISITORS: Final = 1_000  # sessions behind one link; then the oldest is over
VISIT_LIFE: Final = timedelta(days=1)


class TooManyLinksError(Exception):
    """A diagram has as many links as it may have."""


@dataclass(frozen=True, slots=True)
class ShareLink:
    """A link without its secret."""

    id: UUID
    role: Role
    has_password: bool
    created_by: Person
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A link that somebody holds the secret of."""

    org_id: UUID
    id: UUID
    diagram_id: UUID
    role: Role
    password_hash: str | None
    expires_at: datetime | None


async def make(
    db: Database,
    grant: Grant,
    *,
    role: Role,
    password_hash: str | None,
    expires_at: datetime | None,
    request_id: str | None = None,
) -> tuple[UUID, str]:
    """A new link's id and secret."""
    secret, link_id = new_secret(), uuids.uuid7()
    place = {"org": grant.org_id, "diagram": grant.diagram_id}
    async with db.transaction(user=grant.user_id, org=grant.org_id) as conn:
        held = await conn.execute(
            text("SELECT count(*) FROM colane.share_links WHERE org_id = :org AND diagram_id = :diagram"), place
        )
        if held.scalar_one() >= MOST:
            raise TooManyLinksError
        await conn.execute(
            text(
                "INSERT INTO colane.share_links (org_id, id, diagram_id, role, secret_hash, password_hash, created_by,"
                " expires_at) VALUES (:org, :id, :diagram, :role, :hash, :password, :user, :expires)"
            ),
            {
                **place,
                "id": link_id,
                "role": role.label,
                "hash": hash_secret(secret),
                "password": password_hash,
                "user": grant.user_id,
                "expires": expires_at,
            },
        )
        metadata = {
            "role": role.label,
            "password": password_hash is not None,
            "expires_at": expires_at.isoformat() if expires_at else None,
        }
        await _account(conn, grant, "share_link.create", link_id, metadata, request_id)
    return link_id, secret


async def of(db: Database, grant: Grant) -> list[ShareLink]:
    """The links to a diagram, newest first; those whose time is over too, until they are deleted."""
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        rows = (
            await conn.execute(
                text(
                    "SELECT id, role, password_hash IS NOT NULL AS has_password, created_by, created_at, expires_at"
                    " FROM colane.share_links WHERE org_id = :org AND diagram_id = :diagram"
                    " ORDER BY created_at DESC, id DESC"
                ),
                {"org": grant.org_id, "diagram": grant.diagram_id},
            )
        ).all()
        known = await people(conn, {row.created_by for row in rows})
        return [
            ShareLink(
                row.id, Role.of(row.role), row.has_password, known[row.created_by], row.created_at, row.expires_at
            )
            for row in rows
        ]


async def delete(db: Database, grant: Grant, link_id: UUID, *, request_id: str | None = None) -> bool:
    """Delete a link, and with it what it gave to whom; False when there is none."""
    async with db.transaction(user=grant.user_id, org=grant.org_id) as conn:
        done = await conn.execute(
            text("DELETE FROM colane.share_links WHERE org_id = :org AND diagram_id = :diagram AND id = :id"),
            {"org": grant.org_id, "diagram": grant.diagram_id, "id": link_id},
        )
        if done.rowcount != 1:
            return False
        await _changed(conn, grant.org_id, grant.diagram_id)
        await _account(conn, grant, "share_link.delete", link_id, {}, request_id)
        return True


async def find(db: Database, secret: str) -> Opened | None:
    """The link with this secret, while it leads somewhere."""
    async with db.transaction() as conn:
        found = (
            await conn.execute(
                text("SELECT org_id, link_id FROM colane.find_link(:hash)"), {"hash": hash_secret(secret)}
            )
        ).one_or_none()
        if found is None:
            return None
        await speak_for(conn, org=found.org_id, read_only=True)
        row = (
            await conn.execute(
                text(
                    "SELECT l.id, l.diagram_id, l.role, l.password_hash, l.expires_at FROM colane.share_links l"
                    " JOIN colane.diagrams d ON d.org_id = l.org_id AND d.id = l.diagram_id"
                    " WHERE l.org_id = :org AND l.id = :id AND d.deleted_at IS NULL"
                ),
                {"org": found.org_id, "id": found.link_id},
            )
        ).one_or_none()
    if row is None:
        return None
    return Opened(found.org_id, row.id, row.diagram_id, Role.of(row.role), row.password_hash, row.expires_at)


async def join(db: Database, link: Opened, user_id: UUID, *, request_id: str | None = None) -> bool:
    """Somebody who is signed in comes through a link. False when it is gone by now."""
    try:
        async with db.transaction(user=user_id, org=link.org_id) as conn:
            if await _guest(conn, link, {"user": user_id, "hash": None, "expires": None}):
                await _changed(conn, link.org_id, link.diagram_id, user_id)
                await _opened(conn, link, user_id, request_id)
    except asyncpg.IntegrityConstraintViolationError:
        return False
    return True


async def visit(db: Database, link: Opened, *, request_id: str | None = None) -> str | None:
    """Somebody who is not signed in comes through a link: the secret of their session. None when it is gone by now."""
    visitor, secret = uuids.uuid7(), new_secret(VISIT_PREFIX)
    values = {"user": visitor, "hash": hash_secret(secret), "expires": datetime.now(UTC) + VISIT_LIFE}
    try:
        async with db.transaction(user=visitor, org=link.org_id) as conn:
            await conn.execute(
                text(
                    "DELETE FROM colane.link_guests WHERE org_id = :org AND link_id = :link AND user_id IN (SELECT"
                    " user_id FROM colane.link_guests WHERE org_id = :org AND link_id = :link"
                    " AND secret_hash IS NOT NULL ORDER BY created_at DESC OFFSET :most)"
                ),
                {"org": link.org_id, "link": link.id, "most": VISITORS - 1},
            )
            await _guest(conn, link, values)
            await _opened(conn, link, None, request_id)
    except asyncpg.IntegrityConstraintViolationError:
        return None
    return secret


# IntegrityConstraintViolationError, above: the link was deleted since it was found.
async def _guest(conn: Connection, link: Opened, values: dict[str, Any]) -> bool:
    added = await conn.execute(
        text(
            "INSERT INTO colane.link_guests (org_id, link_id, user_id, secret_hash, expires_at)"
            " VALUES (:org, :link, :user, :hash, :expires) ON CONFLICT DO NOTHING"
        ),
        {"org": link.org_id, "link": link.id, **values},
    )
    return added.rowcount == 1


async def _changed(conn: Connection, org_id: UUID, diagram_id: UUID, user_id: UUID | None = None) -> None:
    named = {} if user_id is None else {"user": str(user_id)}
    await notices.notify(conn, {"event": "access", "org": str(org_id), "diagram": str(diagram_id), **named})


async def _opened(conn: Connection, link: Opened, actor: UUID | None, request_id: str | None) -> None:
    await audit.record(
        conn,
        org_id=link.org_id,
        actor=actor,
        action="share_link.open",
        resource=f"share_link:{link.id}",
        metadata={"role": link.role.label},
        diagram_id=link.diagram_id,
        request_id=request_id,
    )


async def _account(
    conn: Connection, grant: Grant, action: str, link_id: UUID, metadata: dict[str, Any], request_id: str | None
) -> None:
    told = {"link_id": str(link_id), **metadata}
    await deeds.done(
        conn, grant, action, resource=f"share_link:{link_id}", told=told, metadata=metadata, request_id=request_id
    )
