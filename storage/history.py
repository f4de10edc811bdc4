"""Versions as people see them: lists and single ones without text, the text of one, names and pins.

Versions are written by storage/versions.py only. Text is read by the two functions that say so, never with a list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from storage import audit, outbox, versions
from storage.access import Grant
from storage.database import Connection, Database
from storage.diagrams import people
from storage.people import Person


@dataclass(frozen=True, slots=True)
class Version:
    """One version without its text."""

    version: int
    kind: str
    name: str | None
    message: str | None
    created_at: datetime
    created_by: Person | None
    authors: tuple[Person, ...]
    stats: dict[str, Any]
    pinned: bool
    valid: bool
    element_count: int
    repairs: list[Any]
    evicted_at: datetime | None


_COLUMNS = (
    "version, kind, name, message, created_at, created_by, authors, stats, pinned, valid, element_count, repairs,"
    " evicted_at FROM colane.versions WHERE org_id = :org AND diagram_id = :diagram"
)


async def page(db: Database, grant: Grant, *, before: int | None, limit: int) -> list[Version]:
    """Up to `limit` kept versions older than `before`, newest first."""
    query = text(
        f"SELECT {_COLUMNS} AND evicted_at IS NULL AND (CAST(:before AS int) IS NULL OR version < :before)"
        " ORDER BY version DESC LIMIT :limit"
    )
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        values = {"org": grant.org_id, "diagram": grant.diagram_id, "before": before, "limit": limit}
        return await _versions(conn, (await conn.execute(query, values)).all())


async def inside(conn: Connection, grant: Grant, version: int) -> Version | None:
    """One version, inside a transaction of its organization."""
    query = text(f"SELECT {_COLUMNS} AND version = :version")
    rows = (await conn.execute(query, {"org": grant.org_id, "diagram": grant.diagram_id, "version": version})).all()
    found = await _versions(conn, rows)
    return found[0] if found else None


async def read(db: Database, grant: Grant, version: int) -> Version | None:
    """One version, evicted ones too."""
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        return await inside(conn, grant, version)


async def head(db: Database, grant: Grant) -> int:
    """The number of the newest version."""
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        found = await conn.execute(
            text("SELECT version FROM colane.diagrams WHERE org_id = :org AND id = :diagram"),
            {"org": grant.org_id, "diagram": grant.diagram_id},
        )
        return int(found.scalar_one())


@dataclass(frozen=True, slots=True)
class Newest:
    """The head: its number, and when it was made. Both together name one text for good, a restored backup included."""

    version: int
    made_at: datetime


async def newest(db: Database, grant: Grant) -> Newest:
    """The head as it is now."""
    query = text(
        "SELECT v.version, v.created_at FROM colane.diagrams d JOIN colane.versions v"
        " ON v.org_id = d.org_id AND v.diagram_id = d.id AND v.version = d.version"
        " WHERE d.org_id = :org AND d.id = :diagram"
    )
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        row = (await conn.execute(query, {"org": grant.org_id, "diagram": grant.diagram_id})).one()
        return Newest(row.version, row.created_at)


async def xml(db: Database, grant: Grant, version: int) -> bytes | None:
    """The text of a version; None when it is not kept, or never was."""
    found = await _column(db, grant, version, "xml")
    return None if found is None else bytes(found)


async def thumbnail(db: Database, grant: Grant, version: int) -> str | None:
    """The small drawing of a version."""
    found = await _column(db, grant, version, "thumbnail")
    return None if found is None else str(found)


async def _column(db: Database, grant: Grant, version: int, column: str) -> Any:
    query = text(
        f"SELECT {column} FROM colane.versions WHERE org_id = :org AND diagram_id = :diagram AND version = :version"
        " AND evicted_at IS NULL"
    )
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        found = await conn.execute(query, {"org": grant.org_id, "diagram": grant.diagram_id, "version": version})
        return found.scalar_one_or_none()


async def change(
    db: Database,
    grant: Grant,
    version: int,
    *,
    name: tuple[str | None] | None,
    pinned: bool | None,
    request_id: str | None = None,
) -> Version | None:
    """Name (a pair, so that a name can be taken away) or pin a version; None when it was evicted meanwhile."""
    changed: dict[str, Any] = {}
    if name is not None:
        changed["name"] = name[0]
    if pinned is not None:
        changed["pinned"] = pinned
    values = {"org": grant.org_id, "diagram": grant.diagram_id, "version": version}
    async with db.transaction(user=grant.user_id, org=grant.org_id) as conn:
        if changed:
            sets = ", ".join(f"{column} = :{column}" for column in changed)
            done = await conn.execute(
                text(
                    f"UPDATE colane.versions SET {sets} WHERE org_id = :org AND diagram_id = :diagram"
                    " AND version = :version AND evicted_at IS NULL"
                ),
                {**values, **changed},
            )
            if done.rowcount != 1:
                return None
            # A version that loses its name or its pin may be the eleventh automatic one.
            await versions.evict(conn, grant.org_id, grant.diagram_id)
        found = await inside(conn, grant, version)
        if changed:
            await outbox.add(
                conn,
                org_id=grant.org_id,
                aggregate=grant.diagram_id,
                event="version.update",
                payload={"version": version, **changed},
                request_id=request_id,
            )
            await audit.record(
                conn,
                org_id=grant.org_id,
                actor=grant.user_id,
                action="version.update",
                resource=f"version:{grant.diagram_id}/{version}",
                metadata=changed,
                diagram_id=grant.diagram_id,
                request_id=request_id,
            )
        return found


async def _versions(conn: Connection, rows: Sequence[Any]) -> list[Version]:
    ids: set[UUID] = {one for row in rows for one in (row.created_by, *row.authors) if one is not None}
    known = await people(conn, ids)
    return [
        Version(
            version=row.version,
            kind=row.kind,
            name=row.name,
            message=row.message,
            created_at=row.created_at,
            created_by=known.get(row.created_by),
            authors=tuple(known[one] for one in row.authors),
            stats=row.stats,
            pinned=row.pinned,
            valid=row.valid,
            element_count=row.element_count,
            repairs=row.repairs,
            evicted_at=row.evicted_at,
        )
        for row in rows
    ]
