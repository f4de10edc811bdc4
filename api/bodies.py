"""Request bodies and queries: media type, size, shape. Everything a client sends is checked here before a route runs.

A body over its limit is read to the end (within reason) and thrown away, so that the client gets to hear the answer.
"""

import asyncio
import hashlib
import json
import re
import typing
from dataclasses import dataclass
from email.message import Message
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from api.answers import JSON
from api.call import Xml
from api.endpoint import Endpoint
from api.problems import Fault, Problem

XML_TYPES = ("application/xml", "text/xml", "application/bpmn+xml")
XML_LIMIT = 5 << 20
DISCARD_LIMIT = 64 << 20
BODY_S = 120.0  # a body that takes longer to arrive is not waited for
_WHOLE = re.compile("-?(0|[1-9][0-9]{0,40})")


def media_type(request: Request) -> tuple[str, str | None]:
    """Content-Type without parameters, in lower case, and its charset."""
    header = Message()
    header["content-type"] = request.headers.get("content-type", "")
    charset = header.get_param("charset")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind, charset if isinstance(charset, str) else None


def check_accept(endpoint: Endpoint, request: Request) -> None:
    """406, before anything is looked up."""
    # Errors are JSON everywhere, so a client that asks for JSON only is served.
    if not acceptable(request.headers.get("accept"), (JSON, *endpoint.produces)):
        raise Problem("not_acceptable", f"Available: {', '.join(endpoint.produces)}.")


def wrong_type(endpoint: Endpoint, request: Request) -> Problem | None:
    """415, where this route cannot read what was sent."""
    if endpoint.body is None and not endpoint.takes_xml:
        return None
    kind, _ = media_type(request)
    if not kind and _empty(request):
        return None
    known = ((JSON,) if endpoint.body else ()) + (XML_TYPES if endpoint.takes_xml else ())
    if kind in known and request.headers.get("content-encoding", "identity").lower() == "identity":
        return None
    return Problem("unsupported_media_type", f"Send one of: {', '.join(known)}, not compressed.")


def _empty(request: Request) -> bool:
    return request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers


def acceptable(header: str | None, kinds: tuple[str, ...]) -> bool:
    """Does a client that sent this Accept take one of these media types?"""
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
    return any(r in ("*/*", kind) or r == f"{kind.partition('/')[0]}/*" for r in ranges for kind in kinds)


@dataclass(frozen=True, slots=True)
class Sent:
    """A body as it came: None where it is over the limit, and what tells it from all others either way."""

    content: bytes | None
    sha256: bytes


async def read(endpoint: Endpoint, request: Request) -> Sent:
    """The body, within the limit of this route and media type."""
    seen = hashlib.sha256()
    if endpoint.body is None and not endpoint.takes_xml:
        return Sent(b"", seen.digest())
    limit = XML_LIMIT if media_type(request)[0] in XML_TYPES else endpoint.body_limit
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                size += len(part)
                seen.update(part)
                if size <= limit:
                    parts.append(part)
                else:
                    parts.clear()
                if size > DISCARD_LIMIT:
                    break
    except TimeoutError:
        raise Problem(
            "invalid_request", "The request took too long to arrive.", headers={"Connection": "close"}
        ) from None
    except ClientDisconnect:
        raise Problem("invalid_request", "The connection ended before the request did.") from None
    return Sent(b"".join(parts) if size <= limit else None, seen.digest())


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
    given: dict[str, Any] = dict(request.query_params)
    for name, field in endpoint.query.model_fields.items():
        place = field.alias or name
        if place in given:
            given[place] = _value(field.annotation, given[place])
    try:
        # As JSON, so that what fits is the same in a query as in a body.
        return endpoint.query.model_validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        raise _problem("query", error) from None


def _value(kind: Any, text: str) -> Any:
    """A number or a truth value where the field takes one and the text is one; else the text."""
    kinds = typing.get_args(kind) or (kind,)
    if bool in kinds and text in ("true", "false"):
        return text == "true"
    if int in kinds and _WHOLE.fullmatch(text):
        return int(text)
    return text


def _problem(where: str, error: ValidationError) -> Problem:
    faults = []
    for one in error.errors(include_url=False, include_input=False, include_context=False)[:20]:
        path = ".".join([where, *(str(part) for part in one["loc"])])
        told = one["msg"].removeprefix("Value error, ")
        if one["type"] == "string_pattern_mismatch":
            told = "This is not in the form asked for"
        faults.append(Fault(path, one["type"], told))
    first = faults[0]
    return Problem("invalid_request", f"{first.path}: {first.message}.", errors=faults)
