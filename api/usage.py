"""What an organization uses, beside what its plan allows. Told, not enforced: limits are kept where things are made."""

from uuid import UUID

from api.call import Call
from api.endpoint import Model, endpoint
from api.scope import organization
from api.shapes import Reference
from storage import usage


class Used(Model):
    """One entitlement. `limit` null: no limit; `included` says whether a thing that is not counted may be used."""

    key: str
    used: int | None
    limit: int | None
    included: bool


class Usage(Model):
    """`plan` is for people; code asks for a key."""

    org_id: UUID
    plan: str
    items: list[Used]


class UsageQuery(Model):
    org: Reference | None = None


@endpoint("What an organization uses of what its plan allows", answers=Usage, errors=("invalid_reference",))
async def read_usage(call: Call, query: UsageQuery) -> Usage:
    org = await organization(call, query.org)
    found = await usage.of(call.resources.db, call.who.user_id, org.org_id)
    items = [
        Used(
            key=key,
            used=found.used.get(key),
            limit=None if isinstance(limit, bool) else limit,
            included=limit is not False,
        )
        for key, limit in found.limits.items()
    ]
    return Usage(org_id=org.org_id, plan=found.plan, items=items)
