"""Which refusals the audit log tells of, and in whose chain. Called by api/dispatch.py for every problem it answers.

401, 403, 409 (and 412, the same conflict), 429, and what may have been somebody else's: 404 for a whole path, 422 for a
reference. A line goes to an organization only where the caller was found to belong there; else to the system's chain. An
id that leads nowhere and one of another organization are written alike: nobody looks which it was.
"""

from api.authorize import parse_id
from api.call import Call
from api.problems import Problem
from storage.audit import SYSTEM
from storage.audit.refusals import Refusal

STATUSES = frozenset({401, 403, 409, 412, 429})


def note(call: Call, template: str, problem: Problem) -> None:
    """One more refusal, if it is one to be written down."""
    somewhere = call.grant is not None or call.membership is not None
    astray = problem.code == "not_found" and bool(call.request.path_params) and not somewhere
    if problem.status not in STATUSES and problem.code != "invalid_reference" and not astray:
        return
    org = call.grant.org_id if call.grant else call.membership.org_id if call.membership else SYSTEM
    actor = call.identity.user_id if call.identity else None
    refusal = Refusal(
        org_id=org,
        actor=actor,
        address=call.address if actor is None else "",
        action="request.refused",
        route=f"{call.request.method} {template}",
        resource=call.about or _resource(call, template),
        diagram_id=call.grant.diagram_id if call.grant else None,
        result=problem.code,
    )
    call.resources.refusals.note(refusal, call.request_id)


def _resource(call: Call, template: str) -> str:
    """What the path names: its last id. Never a text of the path itself, which may be a secret."""
    for name, text in reversed(call.request.path_params.items()):
        if name.endswith("_id") and name != "element_id":
            found = parse_id(text)
            kind = name.removesuffix("_id").replace("org", "organization")
            return f"{kind}:{found or 'none'}"
    return f"route:{template}"
