"""The list of tables by kind of tenancy; a test compares it with PostgreSQL's catalog, so no table can be forgotten.

*tenant*: every row belongs to one organization; unique and foreign keys begin with `org_id`; seen where `app.org` names it.
*identity*: every row belongs to one person; seen where `app.user` names them.
*membership*: who belongs where; read by oneself or inside the organization, written inside the organization only.
Their columns are in the migrations (storage/migrations/versions), their statements in the modules of the same noun.
"""

from enum import StrEnum
from typing import Final

SCHEMA: Final = "colane"


class Kind(StrEnum):
    """How rows of a table are divided among those who may see them."""

    TENANT = "tenant"
    IDENTITY = "identity"
    MEMBERSHIP = "membership"
    LEASE = "lease"


TABLES: Final[dict[str, Kind]] = {
    "users": Kind.IDENTITY,
    "sessions": Kind.IDENTITY,
    "tokens": Kind.IDENTITY,
    "signin_links": Kind.IDENTITY,
    "reset_links": Kind.IDENTITY,
    "identities": Kind.IDENTITY,
    "idempotency_keys": Kind.IDENTITY,
    "memberships": Kind.MEMBERSHIP,
    "organizations": Kind.TENANT,
    "projects": Kind.TENANT,
    "diagrams": Kind.TENANT,
    "diagram_members": Kind.TENANT,
    "diagram_heads": Kind.TENANT,
    "updates": Kind.TENANT,
    "snapshots": Kind.TENANT,
    "epochs": Kind.TENANT,
    "writers": Kind.TENANT,
    "element_changes": Kind.TENANT,
    "versions": Kind.TENANT,
    "bases": Kind.TENANT,
    "comments": Kind.TENANT,
    "mentions": Kind.TENANT,
    "invitations": Kind.TENANT,
    "share_links": Kind.TENANT,
    "link_guests": Kind.TENANT,
    "tickets": Kind.TENANT,
    "audit": Kind.TENANT,
    "audit_heads": Kind.TENANT,
    "audit_seals": Kind.TENANT,
    "outbox": Kind.TENANT,
    "search_entries": Kind.TENANT,
    "diagram_facts": Kind.TENANT,
    "diagram_activity": Kind.TENANT,
    "leases": Kind.LEASE,
}

# The organization of the audit lines that belong to none (a failed sign-in, say).
SYSTEM_ORG: Final = "00000000-0000-0000-0000-000000000000"
