"""Organizations and who is in them. The last owner can neither leave nor be lowered; that is decided under a lock."""

from dataclasses import dataclass
from uuid import UUID

import uuid_utils.compat as uuids
from sqlalchemy import text

from storage import audit, notices, outbox
from storage.access import Role
from storage.database import Connection, Database
from storage.people import AlreadyExistsError, Organization, find_user


class LastOwnerError(Exception):
    """An organization needs an owner."""


class UnknownUserError(Exception):
    """There is no such user."""


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in an organization."""

    user_id: UUID
    name: str
    email: str
    role: Role


async def make(db: Database, user_id: UUID, name: str, *, request_id: str | None = None) -> Organization:
    """A further organization, owned by its maker."""
    org_id = uuids.uuid7()
    async with db.transaction(user=user_id, org=org_id) as conn:
        await conn.execute(
            text("INSERT INTO colane.organizations (id, org_id, name) VALUES (:id, :id, :name)"),
            {"id": org_id, "name": name},
        )
        await conn.execute(
            text("INSERT INTO colane.memberships (org_id, user_id, role) VALUES (:org, :user, 'owner')"),
            {"org": org_id, "user": user_id},
        )
        await _account(conn, user_id, org_id, "organization.create", f"organization:{org_id}", name, request_id)
    return Organization(org_id, name, Role.OWNER)


async def name_of(db: Database, user_id: UUID, org_id: UUID) -> str:
    """The name of an organization."""
    async with db.transaction(user=user_id, org=org_id, read_only=True) as conn:
        found = await conn.execute(text("SELECT name FROM colane.organizations WHERE id = :id"), {"id": org_id})
        return str(found.scalar_one())


async def rename(db: Database, user_id: UUID, org_id: UUID, name: str, *, request_id: str | None = None) -> None:
    """Another name."""
    async with db.transaction(user=user_id, org=org_id) as conn:
        await conn.execute(
            text("UPDATE colane.organizations SET name = :name WHERE id = :id"), {"id": org_id, "name": name}
        )
        await _account(conn, user_id, org_id, "organization.update", f"organization:{org_id}", name, request_id)


async def members(db: Database, user_id: UUID, org_id: UUID) -> list[Member]:
    """Everybody in an organization, by name."""
    async with db.transaction(user=user_id, org=org_id, read_only=True) as conn:
        rows = await conn.execute(
            text(
                "SELECT m.user_id, m.role, u.name, u.email FROM colane.memberships m"
                " JOIN colane.users u ON u.id = m.user_id WHERE m.org_id = :org ORDER BY u.name, m.user_id"
            ),
            {"org": org_id},
        )
        return [Member(row.user_id, row.name, row.email, Role.of(row.role)) for row in rows]


async def add(
    db: Database, user_id: UUID, org_id: UUID, email: str, role: Role, *, request_id: str | None = None
) -> Member:
    """Take an existing user in."""
    async with db.transaction(user=user_id, org=org_id) as conn:
        found = await find_user(conn, email)
        if found is None:
            raise UnknownUserError
        added = await conn.execute(
            text(
                "INSERT INTO colane.memberships (org_id, user_id, role) VALUES (:org, :user, :role)"
                " ON CONFLICT DO NOTHING"
            ),
            {"org": org_id, "user": found, "role": role.label},
        )
        if added.rowcount != 1:
            raise AlreadyExistsError
        row = (await conn.execute(text("SELECT name, email FROM colane.users WHERE id = :id"), {"id": found})).one()
        await _changed(conn, org_id, found)
        await _account(conn, user_id, org_id, "membership.create", f"user:{found}", role.label, request_id)
        return Member(found, row.name, row.email, role)


async def set_role(
    db: Database, user_id: UUID, org_id: UUID, member: UUID, role: Role, *, request_id: str | None = None
) -> Member:
    """Another role for a member."""
    async with db.transaction(user=user_id, org=org_id) as conn:
        await _keep_an_owner(conn, org_id, member, role)
        await conn.execute(
            text("UPDATE colane.memberships SET role = :role WHERE org_id = :org AND user_id = :user"),
            {"org": org_id, "user": member, "role": role.label},
        )
        row = (await conn.execute(text("SELECT name, email FROM colane.users WHERE id = :id"), {"id": member})).one()
        await _changed(conn, org_id, member)
        await _account(conn, user_id, org_id, "membership.update", f"user:{member}", role.label, request_id)
        return Member(member, row.name, row.email, role)


async def remove(db: Database, user_id: UUID, org_id: UUID, member: UUID, *, request_id: str | None = None) -> None:
    """Take somebody out, with the roles they have on diagrams of this organization."""
    values = {"org": org_id, "user": member}
    async with db.transaction(user=user_id, org=org_id) as conn:
        await _keep_an_owner(conn, org_id, member, None)
        for table in ("diagram_members", "link_guests"):
            await conn.execute(text(f"DELETE FROM colane.{table} WHERE org_id = :org AND user_id = :user"), values)
        await conn.execute(text("DELETE FROM colane.memberships WHERE org_id = :org AND user_id = :user"), values)
        await _changed(conn, org_id, member)
        await _account(conn, user_id, org_id, "membership.delete", f"user:{member}", "", request_id)


async def _keep_an_owner(conn: Connection, org_id: UUID, member: UUID, role: Role | None) -> None:
    if role is Role.OWNER:
        return
    owners = await conn.execute(
        text(
            "SELECT user_id FROM colane.memberships WHERE org_id = :org AND role = 'owner' ORDER BY user_id FOR UPDATE"
        ),
        {"org": org_id},
    )
    if owners.scalars() == [member]:
        raise LastOwnerError


async def _changed(conn: Connection, org_id: UUID, member: UUID) -> None:
    await notices.notify(conn, {"event": "access", "org": str(org_id), "user": str(member)})


async def _account(
    conn: Connection, user_id: UUID, org_id: UUID, action: str, resource: str, value: str, request_id: str | None
) -> None:
    await outbox.add(
        conn,
        org_id=org_id,
        aggregate=org_id,
        event=action,
        payload={"resource": resource, "value": value},
        request_id=request_id,
    )
    await audit.record(
        conn,
        org_id=org_id,
        actor=user_id,
        action=action,
        resource=resource,
        metadata={"value": value} if value else {},
        request_id=request_id,
    )
