"""What an organization may use, by key. The plans are this table; nobody else asks for the name of one.

A limit is a number (None: none), or whether a thing may be used at all.
"""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from sqlalchemy import text

from storage.database import Connection

Limit = int | bool | None

PLANS: Final[Mapping[str, Mapping[str, Limit]]] = {
    "free": {"diagrams": 100, "people": 5, "bytes": 1 << 30, "versions": 2_000, "ai.generate": False},
    "pro": {"diagrams": 5_000, "people": 100, "bytes": 100 << 30, "versions": 200_000, "ai.generate": True},
    "enterprise": {"diagrams": None, "people": None, "bytes": None, "versions": None, "ai.generate": True},
}
_PLAN = text("SELECT plan FROM colane.organizations WHERE org_id = :org")


async def plan_of(conn: Connection, org_id: UUID) -> str:
    """The name of an organization's plan, to be shown; inside a transaction of the organization."""
    return str((await conn.execute(_PLAN, {"org": org_id})).scalar_one())


async def entitlement(conn: Connection, key: str, org_id: UUID) -> Limit:
    """What the organization may use of this; inside a transaction of it. KeyError for a key that no plan has."""
    return PLANS[await plan_of(conn, org_id)][key]
