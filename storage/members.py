"""Who has a role of their own on a diagram. It raises what the organization gives, never lowers it.

Changes are heard by open sockets (NOTIFY "access") and stand in the audit log.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from storage import deeds, notices
from storage.access import Grant, Role
from storage.database import Connection, Database
from storage.diagrams import people
from storage.people import find_user


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody's role on a diagram."""

    user_id: UUID
    name: str | None
    role: Role


async def of(db: Database, grant: Grant) -> list[Member]:
    """Everybody with a role of their own on this diagram."""
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        rows = (
            await conn.execute(
                text(
                    "SELECT user_id, role FROM colane.diagram_members"
                    " WHERE org_id = :org AND diagram_id = :id ORDER BY user_id"
                ),
                {"org": grant.org_id, "id": grant.diagram_id},
            )
        ).all()
        known = await people(conn, {row.user_id for row in rows})
        return [Member(row.user_id, known[row.user_id].name, Role.of(row.role)) for row in rows]


async def role_of(db: Database, grant: Grant, user_id: UUID) -> Role | None:
    """The role that somebody was given on this diagram itself."""
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        found = await conn.execute(
            text(
                "SELECT role FROM colane.diagram_members WHERE org_id = :org AND diagram_id = :id AND user_id = :user"
            ),
            {"org": grant.org_id, "id": grant.diagram_id, "user": user_id},
        )
        label = found.scalar_one_or_none()
    return None if label is None else Role.of(label)


async def find(db: Database, grant: Grant, *, user_id: UUID | None, email: str | None) -> UUID | None:
    """Who is meant: a user of the organization by id, or any user by e-mail address."""
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        if email is not None:
            return await find_user(conn, email)
        found = await conn.execute(
            text("SELECT user_id FROM colane.memberships WHERE org_id = :org AND user_id = :user"),
            {"org": grant.org_id, "user": user_id},
        )
        known: UUID | None = found.scalar_one_or_none()
        return known


async def put(db: Database, grant: Grant, user_id: UUID, role: Role, *, request_id: str | None = None) -> bool:
    """Give somebody this role; True when they had none before."""
    values = {"org": grant.org_id, "id": grant.diagram_id, "user": user_id, "role": role.label}
    async with db.transaction(user=grant.user_id, org=grant.org_id) as conn:
        added = await conn.execute(
            text(
                "INSERT INTO colane.diagram_members (org_id, diagram_id, user_id, role) VALUES (:org, :id, :user, :role)"
                " ON CONFLICT (org_id, diagram_id, user_id) DO NOTHING"
            ),
            values,
        )
        if added.rowcount == 0:
            await conn.execute(
                text(
                    "UPDATE colane.diagram_members SET role = :role"
                    " WHERE org_id = :org AND diagram_id = :id AND user_id = :user"
                ),
                values,
            )
        await _tell(conn, grant, user_id, "member.put", {"role": role.label}, request_id)
        return bool(added.rowcount)


async def remove(db: Database, grant: Grant, user_id: UUID, *, request_id: str | None = None) -> bool:
    """Take somebody's role on this diagram away; False when they had none."""
    async with db.transaction(user=grant.user_id, org=grant.org_id) as conn:
        done = await conn.execute(
            text("DELETE FROM colane.diagram_members WHERE org_id = :org AND diagram_id = :id AND user_id = :user"),
            {"org": grant.org_id, "id": grant.diagram_id, "user": user_id},
        )
        if done.rowcount != 1:
            return False
        await _tell(conn, grant, user_id, "member.remove", {}, request_id)
        return True


async def _tell(
    conn: Connection, grant: Grant, user_id: UUID, action: str, metadata: dict[str, str], request_id: str | None
) -> None:
    await notices.notify(
        conn, {"event": "access", "org": str(grant.org_id), "diagram": str(grant.diagram_id), "user": str(user_id)}
    )
    told = {"user_id": str(user_id), **metadata}
    await deeds.done(
        conn, grant, action, resource=f"user:{user_id}", told=told, metadata=metadata, request_id=request_id
    )
