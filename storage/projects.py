"""Projects: names under which an organization sorts its diagrams."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from storage import audit, outbox
from storage.access import Role
from storage.database import Connection, Database
from storage.people import organizations_of


@dataclass(frozen=True, slots=True)
class Project:
    """A project."""

    id: UUID
    org_id: UUID
    name: str
    created_at: datetime


_COLUMNS = "id, org_id, name, created_at"


async def of(db: Database, user_id: UUID, org_id: UUID) -> list[Project]:
    """The projects of an organization, by name."""
    async with db.transaction(user=user_id, org=org_id, read_only=True) as conn:
        rows = await conn.execute(
            text(f"SELECT {_COLUMNS} FROM colane.projects WHERE org_id = :org ORDER BY name, id"),
            {"org": org_id},
        )
        return [Project(row.id, row.org_id, row.name, row.created_at) for row in rows]


async def exists(db: Database, user_id: UUID, org_id: UUID, project_id: UUID) -> bool:
    """Whether this organization has this project."""
    async with db.transaction(user=user_id, org=org_id, read_only=True) as conn:
        found = await conn.execute(
            text("SELECT 1 FROM colane.projects WHERE org_id = :org AND id = :id"), {"org": org_id, "id": project_id}
        )
        return found.first() is not None


async def find(db: Database, user_id: UUID, project_id: UUID) -> tuple[UUID, Role] | None:
    """The organization of a project among somebody's own, and their role there."""
    for org in await organizations_of(db, user_id):
        if await exists(db, user_id, org.id, project_id):
            return org.id, org.role
    return None


async def make(db: Database, user_id: UUID, org_id: UUID, name: str, *, request_id: str | None = None) -> Project:
    """A new project."""
    async with db.transaction(user=user_id, org=org_id) as conn:
        made = await conn.execute(
            text(
                "INSERT INTO colane.projects (org_id, name, created_by) VALUES (:org, :name, :user)"
                f" RETURNING {_COLUMNS}"
            ),
            {"org": org_id, "name": name, "user": user_id},
        )
        row = made.one()
        await _account(conn, user_id, org_id, row.id, "project.create", {"name": name}, request_id)
        return Project(row.id, row.org_id, row.name, row.created_at)


async def rename(
    db: Database, user_id: UUID, org_id: UUID, project_id: UUID, name: str, *, request_id: str | None = None
) -> Project:
    """Another name for a project."""
    async with db.transaction(user=user_id, org=org_id) as conn:
        done = await conn.execute(
            text(f"UPDATE colane.projects SET name = :name WHERE org_id = :org AND id = :id RETURNING {_COLUMNS}"),
            {"org": org_id, "id": project_id, "name": name},
        )
        row = done.one()
        await _account(conn, user_id, org_id, project_id, "project.update", {"name": name}, request_id)
        return Project(row.id, row.org_id, row.name, row.created_at)


async def delete(db: Database, user_id: UUID, org_id: UUID, project_id: UUID, *, request_id: str | None = None) -> None:
    """Delete a project; its diagrams stay, without one."""
    values = {"org": org_id, "id": project_id}
    async with db.transaction(user=user_id, org=org_id) as conn:
        # From here on no diagram moves in: whoever is about to waits, and then hears that it is gone.
        await conn.execute(text("SELECT FROM colane.projects WHERE org_id = :org AND id = :id FOR UPDATE"), values)
        moved = await conn.execute(
            text("UPDATE colane.diagrams SET project_id = NULL WHERE org_id = :org AND project_id = :id RETURNING id"),
            values,
        )
        for row in moved.all():
            await outbox.add(
                conn,
                org_id=org_id,
                aggregate=row.id,
                event="diagram.update",
                payload={"project_id": None},
                request_id=request_id,
            )
        await conn.execute(text("DELETE FROM colane.projects WHERE org_id = :org AND id = :id"), values)
        await _account(conn, user_id, org_id, project_id, "project.delete", {}, request_id)


async def _account(
    conn: Connection,
    user_id: UUID,
    org_id: UUID,
    project_id: UUID,
    action: str,
    metadata: dict[str, str],
    request_id: str | None,
) -> None:
    await audit.record(
        conn,
        org_id=org_id,
        actor=user_id,
        action=action,
        resource=f"project:{project_id}",
        metadata=metadata,
        request_id=request_id,
    )
