"""What an organization uses: counted when somebody asks, from its own rows only."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from storage import entitlements
from storage.database import Database
from storage.entitlements import PLANS, Limit

# octet_length looks at the length that stands beside a large value, not at the value.
_USED = text(
    "SELECT (SELECT count(*) FROM colane.diagrams WHERE org_id = :org AND deleted_at IS NULL) AS diagrams,"
    " (SELECT count(*) FROM (SELECT user_id FROM colane.memberships WHERE org_id = :org"
    " UNION SELECT user_id FROM colane.diagram_members WHERE org_id = :org) p) AS people,"
    " (SELECT count(*) FROM colane.versions WHERE org_id = :org AND evicted_at IS NULL) AS versions,"
    " (SELECT coalesce(sum(octet_length(xml)), 0) FROM colane.versions WHERE org_id = :org)"
    " + (SELECT coalesce(sum(octet_length(data)), 0) FROM colane.updates WHERE org_id = :org)"
    " + (SELECT coalesce(sum(octet_length(state)), 0) FROM colane.snapshots WHERE org_id = :org)"
    " + (SELECT coalesce(sum(octet_length(state)), 0) FROM colane.epochs WHERE org_id = :org)"
    " + (SELECT coalesce(sum(octet_length(xml)), 0) FROM colane.bases WHERE org_id = :org) AS bytes"
)


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts by key, and what the plan says to each; a key without a count is a thing that may be used or not."""

    plan: str
    used: Mapping[str, int]
    limits: Mapping[str, Limit]


async def of(db: Database, user_id: UUID, org_id: UUID) -> Usage:
    """What this organization uses now."""
    async with db.transaction(user=user_id, org=org_id, read_only=True) as conn:
        plan = await entitlements.plan_of(conn, org_id)
        row = (await conn.execute(_USED, {"org": org_id})).one()
    return Usage(plan, {key: int(value) for key, value in row.items()}, PLANS[plan])
