"""Diagrams as lists show them: summaries, never their XML. Metadata changes, soft delete and undelete.

Content and versions are written by the commands in collab; this module reads heads and writes titles. A list is a keyset
page, newest change first. A private diagram is in the list of those only who may open it: the same rule as `grant_for`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from storage import deeds, notices
from storage.access import Grant
from storage.database import Connection, Database, Row
from storage.people import Person

PURGE_DAYS = 30


@dataclass(frozen=True, slots=True)
class Summary:
    """One diagram without its content."""

    id: UUID
    title: str
    org_id: UUID
    project_id: UUID | None
    visibility: str
    version: int
    element_count: int
    created_at: datetime
    created_by: Person | None
    updated_at: datetime
    updated_by: Person | None
    editors: tuple[Person, ...]
    deleted_at: datetime | None
    purge_at: datetime | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list asks for."""

    q: str | None = None
    project_id: UUID | None = None
    updated_after: datetime | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """New metadata; None leaves a field as it is. `project` is a pair so that a project can be taken away."""

    title: str | None = None
    visibility: str | None = None
    project: tuple[UUID | None] | None = None


_COLUMNS = (
    "d.id, d.title, d.org_id, d.project_id, d.visibility, d.version, d.element_count, d.created_at, d.created_by,"
    " d.updated_at, d.updated_by, d.deleted_at, d.purge_at, v.authors"
    " FROM colane.diagrams d LEFT JOIN colane.versions v"
    " ON v.org_id = d.org_id AND v.diagram_id = d.id AND v.version = d.version"
)
_ONE = text(f"SELECT {_COLUMNS} WHERE d.org_id = :org AND d.id = :id")
_NAMES = text("SELECT id, name FROM colane.users WHERE id = ANY(CAST(:ids AS uuid[]))")
VISIBLE = (
    "(d.visibility = 'org' OR d.created_by = :user OR (SELECT role FROM colane.memberships WHERE org_id = :org"
    " AND user_id = :user) = 'owner' OR EXISTS (SELECT 1 FROM colane.diagram_members m WHERE m.org_id = d.org_id"
    " AND m.diagram_id = d.id AND m.user_id = :user) OR EXISTS (SELECT 1 FROM colane.link_guests g"
    " JOIN colane.share_links l ON l.org_id = g.org_id AND l.id = g.link_id WHERE l.org_id = d.org_id"
    " AND l.diagram_id = d.id AND g.user_id = :user AND (l.expires_at IS NULL OR l.expires_at > now())))"
)


async def page(
    db: Database,
    *,
    user_id: UUID,
    org_id: UUID,
    wanted: Wanted,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Summary]:
    """Up to `limit` summaries, those changed last first."""
    where = ["d.org_id = :org", VISIBLE, f"d.deleted_at IS {'NOT ' if wanted.deleted else ''}NULL"]
    values: dict[str, Any] = {"org": org_id, "user": user_id, "limit": limit}
    if wanted.q:
        where.append("d.title ILIKE :pattern")
        values["pattern"] = "%" + wanted.q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    if wanted.project_id is not None:
        where.append("d.project_id = :project")
        values["project"] = wanted.project_id
    if wanted.updated_after is not None:
        where.append("d.updated_at > :updated_after")
        values["updated_after"] = wanted.updated_after
    if after is not None:
        where.append("(d.updated_at, d.id) < (:after_at, :after_id)")
        values["after_at"], values["after_id"] = after
    query = f"SELECT {_COLUMNS} WHERE {' AND '.join(where)} ORDER BY d.updated_at DESC, d.id DESC LIMIT :limit"
    async with db.transaction(user=user_id, org=org_id, read_only=True) as conn:
        return await _summaries(conn, (await conn.execute(text(query), values)).all())


async def summary(conn: Connection, org_id: UUID, diagram_id: UUID) -> Summary:
    """One diagram, inside a transaction of its organization."""
    rows = (await conn.execute(_ONE, {"org": org_id, "id": diagram_id})).all()
    (found,) = await _summaries(conn, rows)
    return found


async def read(db: Database, grant: Grant) -> Summary:
    """One diagram for somebody who may see it."""
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        return await summary(conn, grant.org_id, grant.diagram_id)


async def people(conn: Connection, ids: set[UUID]) -> dict[UUID, Person]:
    """Names of people of the organization; guests from elsewhere have none here."""
    found: dict[UUID, Person] = {one: Person(one, None) for one in ids}
    if ids:
        rows = await conn.execute(_NAMES, {"ids": list(ids)})
        found.update({row.id: Person(row.id, row.name) for row in rows})
    return found


async def _summaries(conn: Connection, rows: Sequence[Row]) -> list[Summary]:
    """Of rows of `_COLUMNS`, taken apart as tuples: a list has fifty, and names of columns are looked up one by one."""
    ids = {one for *_, by, _, last, _, _, authors in rows for one in (by, last, *(authors or ())) if one is not None}
    known = await people(conn, ids)
    return [
        Summary(
            id_,
            title,
            org,
            project,
            visibility,
            version,
            elements,
            made,
            known.get(by),
            at,
            known.get(last),
            tuple(known[one] for one in authors or ()),
            deleted,
            purge,
        )
        for id_, title, org, project, visibility, version, elements, made, by, at, last, deleted, purge, authors in rows
    ]


async def purge_at(db: Database, grant: Grant) -> datetime | None:
    """Until when a deleted diagram can be brought back."""
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        found = await conn.execute(
            text("SELECT purge_at FROM colane.diagrams WHERE org_id = :org AND id = :id"),
            {"org": grant.org_id, "id": grant.diagram_id},
        )
        at: datetime | None = found.scalar_one_or_none()
        return at


async def change(db: Database, grant: Grant, wanted: Change, *, request_id: str | None = None) -> Summary:
    """Write new metadata and say so to everybody who shows it."""
    changed: dict[str, Any] = {}
    if wanted.title is not None:
        changed["title"] = wanted.title
    if wanted.visibility is not None:
        changed["visibility"] = wanted.visibility
    if wanted.project is not None:
        changed["project_id"] = wanted.project[0]
    async with db.transaction(user=grant.user_id, org=grant.org_id) as conn:
        if changed:
            sets = ", ".join(f"{column} = :{column}" for column in changed)
            await conn.execute(
                text(
                    f"UPDATE colane.diagrams SET {sets}, updated_at = now(), updated_by = :user"
                    " WHERE org_id = :org AND id = :id"
                ),
                {**changed, "user": grant.user_id, "org": grant.org_id, "id": grant.diagram_id},
            )
            named = {key: str(value) if isinstance(value, UUID) else value for key, value in changed.items()}
            if wanted.visibility is not None:
                await _tell(conn, grant, "access")
            await _account(conn, grant, "diagram.update", named, request_id)
        return await summary(conn, grant.org_id, grant.diagram_id)


async def delete(db: Database, grant: Grant, *, request_id: str | None = None) -> bool:
    """Soft delete; open editors hear it after the commit. False when somebody was faster."""
    async with db.transaction(user=grant.user_id, org=grant.org_id) as conn:
        if not await _lock(conn, grant):
            return False
        done = await conn.execute(
            text(
                "UPDATE colane.diagrams SET deleted_at = now(), purge_at = now() + make_interval(days => :days)"
                " WHERE org_id = :org AND id = :id AND deleted_at IS NULL"
            ),
            {"days": PURGE_DAYS, "org": grant.org_id, "id": grant.diagram_id},
        )
        if done.rowcount != 1:
            return False
        await _tell(conn, grant, "deleted")
        await _account(conn, grant, "diagram.delete", {}, request_id)
        return True


async def undelete(db: Database, grant: Grant, *, request_id: str | None = None) -> Summary:
    """Bring a deleted diagram back; a live one stays as it is."""
    async with db.transaction(user=grant.user_id, org=grant.org_id) as conn:
        await _lock(conn, grant)
        done = await conn.execute(
            text(
                "UPDATE colane.diagrams SET deleted_at = NULL, purge_at = NULL"
                " WHERE org_id = :org AND id = :id AND deleted_at IS NOT NULL"
            ),
            {"org": grant.org_id, "id": grant.diagram_id},
        )
        if done.rowcount == 1:
            await _account(conn, grant, "diagram.undelete", {}, request_id)
        return await summary(conn, grant.org_id, grant.diagram_id)


async def _lock(conn: Connection, grant: Grant) -> bool:
    # Under the head row: no update is appended between the mark and the news of it.
    found = await conn.execute(
        text("SELECT 1 FROM colane.diagram_heads WHERE org_id = :org AND diagram_id = :id FOR UPDATE"),
        {"org": grant.org_id, "id": grant.diagram_id},
    )
    return found.first() is not None


async def _tell(conn: Connection, grant: Grant, event: str) -> None:
    await notices.notify(conn, {"event": event, "org": str(grant.org_id), "diagram": str(grant.diagram_id)})


async def _account(
    conn: Connection, grant: Grant, action: str, metadata: dict[str, Any], request_id: str | None
) -> None:
    resource = f"diagram:{grant.diagram_id}"
    await deeds.done(conn, grant, action, resource=resource, told=metadata, metadata=metadata, request_id=request_id)


async def insert(
    conn: Connection,
    org_id: UUID,
    diagram_id: UUID,
    user_id: UUID,
    title: str,
    project_id: UUID | None,
    visibility: str,
) -> None:
    """The row of a new diagram; its log and first version follow in the same transaction."""
    await conn.execute(
        text(
            "INSERT INTO colane.diagrams (org_id, id, project_id, title, visibility, created_by, updated_by)"
            " VALUES (:org, :id, :project, :title, :visibility, :user, :user)"
        ),
        {
            "org": org_id,
            "id": diagram_id,
            "project": project_id,
            "title": title,
            "visibility": visibility,
            "user": user_id,
        },
    )
