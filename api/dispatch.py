"""One request, in the order the contract names: authenticate, authorise, idempotency, rate limit, validate, run.

Turns declared endpoints into Starlette routes, one a path with all its methods, HEAD wherever GET is, and 405 with Allow
for the rest. Formats (406, 415) are checked before anything is looked up, so that they say nothing about ids.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from api import bodies, refused
from api.answers import Answer, Stream, encode, etag_matches
from api.authorize import authorise, check_origin, identify
from api.call import Call
from api.endpoint import Endpoint, Need
from api.keys import KeyUse, Running
from api.limits import Limits, headers
from api.problems import Problem, respond
from api.resources import Resources
from api.translate import problem_for
from storage.idempotency import Replay

log = structlog.get_logger(__name__)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
TEMPLATE = "route_template"  # where the front door finds the path's template for logs and metrics


@dataclass(frozen=True, slots=True)
class Declared:
    """An endpoint at its place."""

    method: str
    path: str
    endpoint: Endpoint


def routes(table: Sequence[Declared], resources: Resources, limits: Limits) -> list[Route]:
    """Starlette routes of a table, in its order."""
    paths: dict[str, dict[str, Endpoint]] = {}
    for one in table:
        paths.setdefault(one.path, {})[one.method] = one.endpoint
    # Every method comes to us, so that a wrong one gets our own answer with the right Allow.
    running = Running()
    return [
        Route(path, _serve(path, known, resources, limits, running), methods=METHODS) for path, known in paths.items()
    ]


def _serve(
    path: str, methods: Mapping[str, Endpoint], resources: Resources, limits: Limits, running: Running
) -> Callable[[Request], Awaitable[Response]]:
    """The function behind one path."""
    allow = ", ".join(sorted({*methods, *({"HEAD"} if "GET" in methods else ())}))

    async def serve(request: Request) -> Response:
        request.scope[TEMPLATE] = path
        endpoint = methods.get("GET" if request.method == "HEAD" else request.method)
        request_id = request.scope["request_id"]
        if endpoint is None:
            return respond(Problem("method_not_allowed", headers={"Allow": allow}), request_id)
        call = Call(request, resources, limits, request_id, request.client.host if request.client else "")
        try:
            response = await run(endpoint, call, limits, running)
        except Exception as error:
            problem = problem_for(error)
            if problem is None:
                raise
            refused.note(call, path, problem)
            response = respond(problem, request_id)
        if endpoint.limit and "RateLimit" not in response.headers:
            taken = call.taken or await limits.standing(endpoint.limit, call.counted, call.address)
            response.headers.update(headers(taken))
        return response

    return serve


async def run(endpoint: Endpoint, call: Call, limits: Limits, running: Running) -> Response:
    """The steps, in order."""
    request = call.request
    check_origin(request, call.resources)
    if endpoint.need is not Need.NOBODY:
        call.identity = await identify(request, call.resources)
    if call.identity is not None:
        structlog.contextvars.bind_contextvars(user=call.identity.pseudonym)
    bodies.check_accept(endpoint, request)
    if endpoint.accepts is not None:
        endpoint.accepts(call)
    wrong = bodies.wrong_type(endpoint, request)
    if wrong is not None and (call.identity is None or not KeyUse.wanted(endpoint, call)):
        raise wrong
    if wrong is None:
        await authorise(endpoint, call)
        if call.grant is not None:
            structlog.contextvars.bind_contextvars(org=str(call.grant.org_id), diagram=str(call.grant.diagram_id))
        if endpoint.resolve is not None:
            call.found = await endpoint.resolve(call)
    sent = await bodies.read(endpoint, request)
    key = KeyUse.of(endpoint, call, sent.sha256)
    call.key = key
    with running.hold(key):
        try:
            return await _answer(endpoint, call, limits, key, wrong or sent.content)
        except Replay as replay:
            if call.taken is not None:
                call.taken = await limits.give_back(call.taken)
            return replayed(replay)


async def _answer(
    endpoint: Endpoint, call: Call, limits: Limits, key: KeyUse | None, content: bytes | Problem | None
) -> Response:
    """From the key on: the route's answer, kept with the key. Raises Replay where one was given before, also elsewhere."""
    try:
        if key is not None:
            await key.look()
        if endpoint.limit:
            call.taken = await limits.take(endpoint.limit, call.counted, call.address)
        if isinstance(content, Problem):
            raise content
        if content is None:
            raise Problem("too_large", "The request body is over the limit of this route.")
        arguments = _arguments(endpoint, call.request, content)
        result = await endpoint.run(call, **arguments)
    except Replay as replay:
        if isinstance(content, Problem) and replay.stored.status != content.status:
            raise content from None  # nobody has looked whether this is still theirs to see
        raise
    except Exception as error:
        if key is not None:
            await key.after_failure(error)
        raise
    answer = result if isinstance(result, Answer) else Answer(result)
    response = respond_with(endpoint, call, answer)
    if key is not None:
        await key.after_answer(response)
    if call.taken is not None and (answer.free or response.status_code == 304):
        call.taken = await limits.give_back(call.taken)
    return response


def _arguments(endpoint: Endpoint, request: Request, content: bytes) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    if endpoint.query is not None:
        arguments["query"] = bodies.parse_query(endpoint, request)
    if endpoint.body is not None or endpoint.takes_xml:
        arguments["body"] = bodies.parse_body(endpoint, request, content)
    return arguments


def respond_with(endpoint: Endpoint, call: Call, answer: Answer) -> Response:
    """The response of an answer; 304 where the client holds it already."""
    headers = dict(answer.headers)
    if answer.etag is not None:
        headers["ETag"] = answer.etag
    if call.request.method in ("GET", "HEAD"):
        headers.setdefault("Cache-Control", "private, no-cache")
        headers.setdefault("Vary", "Authorization, Cookie")
        if answer.etag is not None and etag_matches(call.header("if-none-match"), answer.etag):
            return Response(None, 304, headers)
    else:
        headers.setdefault("Cache-Control", "no-store")
    status = answer.status or endpoint.status
    if isinstance(answer.body, Stream):
        if call.request.method == "HEAD":
            return Response(None, status, headers, answer.body.media_type)
        return StreamingResponse(answer.body.pieces, status, headers, answer.body.media_type)
    content, media_type = encode(answer.body)
    return Response(content, status, headers, media_type) if media_type else Response(None, status, headers)


def replayed(replay: Replay) -> Response:
    """An answer that was given before."""
    stored = replay.stored
    return Response(stored.body, stored.status, {**stored.headers, "Idempotent-Replayed": "true"})
