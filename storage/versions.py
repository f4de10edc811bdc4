"""Versions as they are written: one row a checkpoint, with its text; read in storage/history.py.

Kept are the last ten automatic ones (neither named nor pinned, whatever made them), every named or pinned one, and the
head always. The version that makes the eleventh evicts the oldest in the same transaction; an evicted text stays for 30
days, as a base for merging.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from storage import jsonb
from storage.database import Connection

KEPT: Final = 10


@dataclass(frozen=True, slots=True)
class Head:
    """The newest version of a diagram: what a save must know of it."""

    version: int
    epoch: int
    seq: int
    sha256: bytes
    created_at: datetime
    created_by: UUID | None


@dataclass(frozen=True, slots=True)
class NewVersion:
    """What a version is made of."""

    org_id: UUID
    diagram_id: UUID
    version: int
    kind: str
    message: str | None
    created_by: UUID | None
    authors: Sequence[UUID]
    epoch: int
    seq: int
    xml: bytes
    sha256: bytes
    stats: dict[str, Any]
    repairs: list[dict[str, Any]]
    valid: bool
    element_count: int
    thumbnail: str


_HEAD = text(
    "SELECT v.version, v.epoch, v.seq, v.sha256, v.created_at, v.created_by FROM colane.diagrams d"
    " JOIN colane.versions v ON v.org_id = d.org_id AND v.diagram_id = d.id AND v.version = d.version"
    " WHERE d.org_id = :org AND d.id = :id"
)
_INSERT = text(
    "INSERT INTO colane.versions (org_id, diagram_id, version, kind, message, created_by, authors, epoch, seq, xml,"
    " sha256, stats, repairs, valid, element_count, thumbnail) VALUES (:org, :id, :version, :kind, :message, :by,"
    " CAST(:authors AS uuid[]), :epoch, :seq, :xml, :sha256, CAST(:stats AS jsonb), CAST(:repairs AS jsonb), :valid,"
    " :elements, :thumbnail)"
)
_MOVE = text(
    "UPDATE colane.diagrams SET version = :version, element_count = :elements, updated_at = now(),"
    " updated_by = coalesce(:by, updated_by) WHERE org_id = :org AND id = :id"
)
_EVICT = text(
    "UPDATE colane.versions SET evicted_at = now() WHERE org_id = :org AND diagram_id = :id AND version IN ("
    " SELECT version FROM colane.versions WHERE org_id = :org AND diagram_id = :id AND evicted_at IS NULL"
    " AND name IS NULL AND NOT pinned ORDER BY version DESC OFFSET :kept)"
    # Once more, for a row that somebody named or pinned while we waited for it.
    " AND evicted_at IS NULL AND name IS NULL AND NOT pinned"
)


async def head(conn: Connection, org_id: UUID, diagram_id: UUID) -> Head | None:
    """The newest version, without its text."""
    row = (await conn.execute(_HEAD, {"org": org_id, "id": diagram_id})).one_or_none()
    if row is None:
        return None
    return Head(row.version, row.epoch, row.seq, bytes(row.sha256), row.created_at, row.created_by)


async def insert(conn: Connection, new: NewVersion) -> None:
    """Writes a version, makes it the head, and evicts what is one too many."""
    values = {
        "org": new.org_id, "id": new.diagram_id, "version": new.version, "kind": new.kind, "message": new.message,
        "by": new.created_by, "authors": list(new.authors), "epoch": new.epoch, "seq": new.seq, "xml": new.xml,
        "sha256": new.sha256, "stats": jsonb.text_of(new.stats), "repairs": jsonb.text_of(new.repairs), "valid": new.valid,
        "elements": new.element_count, "thumbnail": new.thumbnail,
    }  # fmt: skip
    await conn.execute(_INSERT, values)
    await conn.execute(_MOVE, values)
    await evict(conn, new.org_id, new.diagram_id)


async def evict(conn: Connection, org_id: UUID, diagram_id: UUID) -> None:
    """Takes the oldest automatic versions beyond the last ten off the list."""
    await conn.execute(_EVICT, {"org": org_id, "id": diagram_id, "kept": KEPT})


async def reached(conn: Connection, org_id: UUID, diagram_id: UUID, version: int, seq: int) -> None:
    """The log went on without changing what a version shows: the version stands for that number too."""
    await conn.execute(
        text(
            "UPDATE colane.versions SET seq = greatest(seq, :seq) WHERE org_id = :org AND diagram_id = :id"
            " AND version = :version"
        ),
        {"org": org_id, "id": diagram_id, "version": version, "seq": seq},
    )


async def base_text(conn: Connection, org_id: UUID, diagram_id: UUID, version: int) -> bytes | None:
    """The text of a version that somebody's save is based on, evicted ones too while their text is there."""
    found = (
        await conn.execute(
            text("SELECT xml FROM colane.versions WHERE org_id = :org AND diagram_id = :id AND version = :version"),
            {"org": org_id, "id": diagram_id, "version": version},
        )
    ).scalar_one_or_none()
    return None if found is None else bytes(found)


async def repairs(conn: Connection, org_id: UUID, diagram_id: UUID, version: int) -> list[dict[str, Any]]:
    """What a version shows otherwise than its document says."""
    found = (
        await conn.execute(
            text("SELECT repairs FROM colane.versions WHERE org_id = :org AND diagram_id = :id AND version = :version"),
            {"org": org_id, "id": diagram_id, "version": version},
        )
    ).scalar_one_or_none()
    return list(found or [])


async def authors_after(conn: Connection, org_id: UUID, diagram_id: UUID, seq: int) -> list[UUID]:
    """Who wrote after a number of the log, whether that is folded already or not."""
    rows = await conn.execute(
        text(
            "SELECT DISTINCT author FROM (SELECT author FROM colane.updates WHERE org_id = :org AND diagram_id = :id"
            " AND seq > :seq UNION SELECT author FROM colane.element_changes WHERE org_id = :org"
            " AND diagram_id = :id AND seq > :seq) a WHERE author IS NOT NULL ORDER BY author"
        ),
        {"org": org_id, "id": diagram_id, "seq": seq},
    )
    return [row.author for row in rows]
