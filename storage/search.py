"""Search: the texts of an organization's diagrams that hold all words of a query, best first. A query: writes nothing.

The index answers with keys (colane.search_ids); what they stand for is read under row-level security, for diagrams that the
one who asks may see. Kept by storage/readmodels.py. What a query is in PostgreSQL's words: collab/bpmn/words.py.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text

from storage.database import Database
from storage.diagrams import VISIBLE

MOST: Final = 10_000  # entries that the index answers with; so far goes paging


@dataclass(frozen=True, slots=True)
class Hit:
    """One text that was found."""

    diagram_id: UUID
    title: str
    element_id: str | None
    element_type: str | None
    field: str
    body: str


_FIND = text(
    "SELECT e.diagram_id, d.title, e.element_id, e.element_type, e.field, e.body"
    " FROM colane.search_ids(CAST(:query AS tsquery)) s"
    " JOIN colane.search_entries e ON e.org_id = :org AND e.diagram_id = s.diagram_id AND e.key = s.key"
    " JOIN colane.diagrams d ON d.org_id = :org AND d.id = e.diagram_id"
    f" WHERE d.deleted_at IS NULL AND {VISIBLE}"
    " ORDER BY s.rank DESC, length(e.body), d.updated_at DESC, e.diagram_id, e.key LIMIT :limit OFFSET :skip"
)


async def find(db: Database, *, user_id: UUID, org_id: UUID, query: str, skip: int, limit: int) -> list[Hit]:
    """Up to `limit` texts, without the first `skip`; `query` is a tsquery, not empty."""
    values = {"query": query, "org": org_id, "user": user_id, "skip": skip, "limit": limit}
    async with db.transaction(user=user_id, org=org_id, read_only=True) as conn:
        rows = await conn.execute(_FIND, values)
        return [Hit(*row) for row in rows]
