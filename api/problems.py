"""Every error a client can meet: one closed table, one exception, one shape (RFC 9457, application/problem+json).

Routes raise `Problem(code)`; errors of other rooms are translated here, once, by `problem_for`. Tests walk the table:
a code that is raised must stand in it, and the docs page lists all of it. The body never repeats what was asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from api.answers import dumps

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Code:
    """What a code means: its usual status, a title, whether trying again as is can help, and what to do."""

    status: int
    title: str
    retryable: bool = False
    advice: str = ""


CODES: Mapping[str, Code] = {
    "invalid_request": Code(400, "The request is not valid", advice="See errors[]: each entry names the field."),
    "cursor_mismatch": Code(400, "This cursor belongs to another list", advice="Start again without a cursor."),
    "unauthenticated": Code(401, "Sign in first", advice="Send a session cookie or an access token."),
    "bad_credentials": Code(401, "E-mail or password is wrong"),
    "forbidden": Code(403, "You may not do this", advice="Ask an admin of the organization for a higher role."),
    "origin_not_allowed": Code(403, "This origin may not write", advice="Requests with a cookie need our own Origin."),
    "registration_closed": Code(403, "Registration is closed here", advice="Ask an owner for an invitation."),
    "not_found": Code(404, "There is nothing here"),
    "version_evicted": Code(404, "This version is no longer kept", advice="Named and pinned versions are kept."),
    "method_not_allowed": Code(405, "This method is not available here", advice="See the Allow header."),
    "not_acceptable": Code(406, "None of the accepted formats is available"),
    "already_exists": Code(409, "This exists already"),
    "last_owner": Code(409, "An organization needs an owner", advice="Make somebody else owner first."),
    "version_conflict": Code(409, "The diagram has changed", advice="Read the current version and save on top of it."),
    "idempotency_in_progress": Code(409, "The first request with this key is still running", retryable=True),
    "client_outdated": Code(409, "The page is older than this diagram", advice="Reload the page."),
    "diagram_deleted": Code(410, "This diagram is deleted", advice="It can be brought back until purge_at."),
    "epoch_gone": Code(
        410, "That life of the document is not kept any more", advice="Save your own copy and import it."
    ),
    "too_large": Code(413, "This is too large", advice="At most 5 MiB of XML and 50,000 elements."),
    "unsupported_media_type": Code(415, "This format cannot be read here"),
    "invalid_bpmn": Code(422, "This is not a BPMN 2.0 diagram", advice="See errors[].rule."),
    "xml_forbidden": Code(422, "DOCTYPE and entities are not accepted", advice="Remove the DOCTYPE."),
    "invalid_reference": Code(422, "Something named in the request does not exist", advice="See errors[].path."),
    "idempotency_key_reused": Code(422, "This Idempotency-Key was used for another request", advice="Use a new key."),
    "precondition_required": Code(
        428, "Say which version you changed", advice='Send base_version, or If-Match: "v<n>".'
    ),
    "rate_limited": Code(429, "Too many requests", retryable=True, advice="Wait for Retry-After seconds."),
    "internal": Code(500, "Something went wrong on our side", retryable=True, advice="Name the request_id to us."),
    "storage_unavailable": Code(503, "Storage is not available at the moment", retryable=True),
    "draining": Code(503, "This server is going down", retryable=True, advice="Try again: another takes over."),
    "read_only": Code(503, "Writing is switched off for maintenance", retryable=True),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a request: where, which rule, in plain words."""

    path: str
    rule: str
    message: str


class Problem(Exception):  # noqa: N818 -- it is the word of the RFC
    """An answer that is an error. `status` only where a code has two (412 beside 409)."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: Sequence[Fault] = (),
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.meaning = CODES[code]
        self.status = status or self.meaning.status
        self.detail = detail or self.meaning.advice or self.meaning.title
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.members = dict(members or {})


def invalid(path: str, message: str, rule: str = "value") -> Problem:
    """400 for one field."""
    return Problem("invalid_request", message, errors=[Fault(path, rule, message)])


def unknown_reference(path: str) -> Problem:
    """422 for an id in query or body that the caller cannot see; unknown and foreign are alike."""
    message = "There is nothing with this id."
    return Problem("invalid_reference", message, errors=[Fault(path, "reference", message)])


def respond(problem: Problem, request_id: str) -> Response:
    """The response of a problem."""
    meaning = problem.meaning
    body: dict[str, Any] = {
        "type": f"/docs#{problem.code}",
        "title": meaning.title,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        "request_id": request_id,
        "retryable": meaning.retryable,
        **problem.members,
    }
    if problem.errors:
        body["errors"] = [{"path": f.path, "rule": f.rule, "message": f.message} for f in problem.errors]
    headers = {"Cache-Control": "no-store", **problem.headers}
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="colane"'
    if meaning.retryable and problem.status != 500:
        headers.setdefault("Retry-After", "1")
    return Response(dumps(body), problem.status, headers, MEDIA_TYPE)
