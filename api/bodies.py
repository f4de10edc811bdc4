"""Request bodies and queries: media type, size, shape. Everything a client sends is checked here before a route runs.

A body over its limit is read to the end (within reason) and thrown away, so that the client gets to hear the answer.
"""

from email.message import Message

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from api.answers import JSON
from api.call import Xml
from api.endpoint import Endpoint
from api.problems import Fault, Problem

XML_TYPES = ("application/xml", "text/xml", "application/bpmn+xml")
XML_LIMIT = 5 << 20
DISCARD_LIMIT = 64 << 20


def media_type(request: Request) -> tuple[str, str | None]:
    """Content-Type without parameters, in lower case, and its charset."""
    header = Message()
    header["content-type"] = request.headers.get("content-type", "")
    charset = header.get_param("charset")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind, charset if isinstance(charset, str) else None


def check_formats(endpoint: Endpoint, request: Request) -> None:
    """406 and 415, before anything is looked up."""
    if not _acceptable(request.headers.get("accept"), endpoint.produces):
        raise Problem("not_acceptable", f"Available: {', '.join(endpoint.produces)}.")
    if endpoint.body is None and not endpoint.takes_xml:
        return
    kind, _ = media_type(request)
    if not kind and _empty(request):
        return
    known = ((JSON,) if endpoint.body else ()) + (XML_TYPES if endpoint.takes_xml else ())
    if kind not in known or request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem("unsupported_media_type", f"Send one of: {', '.join(known)}, not compressed.")


def _empty(request: Request) -> bool:
    return request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers


def _acceptable(header: str | None, produces: tuple[str, ...]) -> bool:
    if header is None or not header.strip():
        return True
    ranges = []
    for entry in header.split(","):
        name, _, parameters = entry.partition(";")
        refused = any(
            p.strip().replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for p in parameters.split(";")
        )
        if not refused:
            ranges.append(name.strip().lower())
    ours = {JSON, *produces}  # errors are JSON everywhere, so a client that asks for JSON only is served
    return any(r in ("*/*", kind) or r == f"{kind.partition('/')[0]}/*" for r in ranges for kind in ours)


async def read(endpoint: Endpoint, request: Request) -> bytes | None:
    """The body, or None when it is over the limit of this route and media type."""
    if endpoint.body is None and not endpoint.takes_xml:
        return b""
    limit = XML_LIMIT if media_type(request)[0] in XML_TYPES else endpoint.body_limit
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size <= limit:
                parts.append(part)
            elif size > DISCARD_LIMIT:
                break
    except ClientDisconnect:
        raise Problem("invalid_request", "The connection ended before the request did.") from None
    return b"".join(parts) if size <= limit else None


def parse_body(endpoint: Endpoint, request: Request, content: bytes) -> BaseModel | Xml | None:
    """The body as the route wants it."""
    kind, charset = media_type(request)
    if endpoint.takes_xml and kind in XML_TYPES:
        return Xml(content, charset)
    if endpoint.body is None:
        return None
    try:
        return endpoint.body.model_validate_json(content or b"{}", strict=True)
    except ValidationError as error:
        raise _problem("body", error) from None


def parse_query(endpoint: Endpoint, request: Request) -> BaseModel | None:
    """The query as the route wants it; the last of several values of one name counts."""
    if endpoint.query is None:
        return None
    try:
        return endpoint.query.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise _problem("query", error) from None


def _problem(where: str, error: ValidationError) -> Problem:
    faults = []
    for one in error.errors(include_url=False, include_input=False, include_context=False)[:20]:
        path = ".".join([where, *(str(part) for part in one["loc"])])
        faults.append(Fault(path, one["type"], one["msg"]))
    first = faults[0]
    return Problem("invalid_request", f"{first.path}: {first.message}.", errors=faults)
