"""What a client sent when something else was stored: its text was merged or repaired. Named once, kept for 30 days.

Such a client keeps its own text; its next save is based on exactly that, or it would take its colleagues' edits back.
"""

import secrets
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text

from storage.database import Connection

KEPT_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Base:
    """A text as sent, and the version that was made of it."""

    version: int
    xml: bytes


async def add(conn: Connection, org_id: UUID, diagram_id: UUID, base: Base) -> str:
    """Keeps a text; its opaque name."""
    name = f"b{base.version}.{secrets.token_urlsafe(12)}"
    await conn.execute(
        text(
            "INSERT INTO colane.bases (org_id, diagram_id, id, version, xml) VALUES (:org, :diagram, :id, :version, :xml)"
        ),
        {"org": org_id, "diagram": diagram_id, "id": name, "version": base.version, "xml": base.xml},
    )
    return name


async def find(conn: Connection, org_id: UUID, diagram_id: UUID, name: str) -> Base | None:
    """The text of a name; None when there is none, or not any more."""
    row = (
        await conn.execute(
            text("SELECT version, xml FROM colane.bases WHERE org_id = :org AND diagram_id = :diagram AND id = :id"),
            {"org": org_id, "diagram": diagram_id, "id": name},
        )
    ).one_or_none()
    return None if row is None else Base(row.version, bytes(row.xml))


async def forget(conn: Connection, org_id: UUID) -> None:
    """Texts whose time is over."""
    await conn.execute(
        text("DELETE FROM colane.bases WHERE org_id = :org AND at < now() - make_interval(days => :days)"),
        {"org": org_id, "days": KEPT_DAYS},
    )
