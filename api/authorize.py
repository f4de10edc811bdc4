"""Who calls, and whether the path is theirs: credentials, scope, origin, grant or membership. Runs before all parsing.

What a caller may not see does not exist: malformed, unknown and foreign ids give one and the same 404.
"""

import re
from typing import Any
from uuid import UUID

from starlette.requests import Request

from api.call import Call, Membership
from api.endpoint import Endpoint, Need
from api.problems import Problem
from api.resources import Resources
from storage import access, diagrams, people
from storage.access import SESSION_COOKIE, Identity, Role

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")
MAY_UNDELETE = Role.EDITOR


def check_origin(request: Request, resources: Resources) -> None:
    """A write with our cookie must come from our own pages."""
    if request.method not in WRITES or SESSION_COOKIE not in request.cookies or "authorization" in request.headers:
        return
    origin = request.headers.get("origin", "")
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    if origin.lower() != own.lower() and origin.rstrip("/") not in resources.settings.allowed_origins:
        raise Problem("origin_not_allowed")


async def identify(request: Request, resources: Resources) -> Identity | None:
    """The caller by access token, else by session cookie. A token that is given and wrong is not overlooked."""
    header = request.headers.get("authorization")
    if header is not None:
        scheme, _, secret = header.partition(" ")
        identity = await access.identify_token(resources.db, secret.strip()) if scheme.lower() == "bearer" else None
        if identity is None:
            raise Problem("unauthenticated", "This access token is not valid.")
        return identity
    secret = request.cookies.get(SESSION_COOKIE, "")
    return await access.identify_session(resources.db, secret) if secret else None


def parse_id(text: str) -> UUID | None:
    """An id in a path, query or body; None for what cannot be one."""
    return UUID(text) if _UUID.fullmatch(text) else None


def path_values(parameters: dict[str, Any]) -> dict[str, Any]:
    """Path parameters in their types; what cannot exist is 404."""
    values: dict[str, Any] = {}
    for name, text in parameters.items():
        if name == "version":
            values[name] = int(text) if _VERSION.fullmatch(text) else None
        elif name.endswith("_id") and name != "element_id":
            values[name] = parse_id(text)
        else:
            values[name] = text
        if values[name] is None:
            raise Problem("not_found")
    return values


async def authorise(endpoint: Endpoint, call: Call) -> None:
    """Fill in grant or membership for what the path names, and check the role."""
    if endpoint.need is Need.NOBODY:
        return
    if call.identity is None or (call.identity.visitor and not endpoint.visitors):
        raise Problem("unauthenticated")
    if not call.identity.visitor and call.identity.scope < endpoint.scope:
        raise Problem(
            "forbidden", f"This access token is not good for that; it needs the scope {endpoint.scope.label}."
        )
    call.path = path_values(call.request.path_params)
    if "diagram_id" in call.path:
        await _on_diagram(endpoint, call)
    elif "org_id" in call.path:
        call.membership = await membership(call, call.path["org_id"])
        if call.membership is None:
            raise Problem("not_found")
        need_role(endpoint, call.membership.role)


async def membership(call: Call, org_id: UUID) -> Membership | None:
    """The caller's place in an organization, as far as their credential reaches."""
    role = await people.role_in(call.resources.db, call.who.user_id, org_id)
    return None if role is None else Membership(org_id, min(role, call.who.scope.ceiling))


def need_role(endpoint: Endpoint, role: Role) -> None:
    if isinstance(endpoint.need, Role) and role < endpoint.need:
        raise Problem("forbidden", f"This needs the role {endpoint.need.label}; yours here is {role.label}.")


async def _on_diagram(endpoint: Endpoint, call: Call) -> None:
    grant = await access.grant_for(call.resources.db, call.who, call.path["diagram_id"])
    if grant is None:
        raise Problem("not_found")
    if grant.deleted and not endpoint.deleted:
        if grant.role < MAY_UNDELETE:
            raise Problem("not_found")
        purge_at = await diagrams.purge_at(call.resources.db, grant)
        raise Problem("diagram_deleted", members={"purge_at": purge_at})
    if grant.deleted and grant.role < MAY_UNDELETE:
        raise Problem("not_found")
    call.grant = grant
    need_role(endpoint, grant.role)
