"""Which organization a request without a diagram in its path is about, and the ids in queries and bodies.

`?org=` names one of the caller's organizations, else it is the caller's own (the oldest membership). Ids that the caller
cannot see are 422 invalid_reference, unknown and foreign alike.
"""

from uuid import UUID

from api.authorize import membership, parse_id
from api.call import Call, Membership
from api.problems import Problem, unknown_reference
from storage import people, projects


async def organization(call: Call, named: str | None) -> Membership:
    """The organization of `?org=`, or the caller's own."""
    if named is None:
        home = await people.home(call.resources.db, call.who.user_id)
        if home is None:
            raise Problem("forbidden", "You are in no organization; name a diagram that was shared with you.")
        org_id, role = home
        call.membership = Membership(org_id, min(role, call.who.scope.ceiling))
        return call.membership
    wanted = parse_id(named)
    found = await membership(call, wanted) if wanted is not None else None
    if found is None:
        raise unknown_reference("query.org")
    call.membership = found
    return found


async def project(call: Call, org_id: UUID, named: str | None, path: str) -> UUID | None:
    """A project of this organization by its id in query or body."""
    if named is None:
        return None
    project_id = parse_id(named)
    if project_id is None or not await projects.exists(call.resources.db, call.who.user_id, org_id, project_id):
        raise unknown_reference(path)
    return project_id
