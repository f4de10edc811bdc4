"""What routes give back: a model, or an Answer around one (status, headers, ETag), or bytes of another media type.

JSON is encoded in one place and deterministic, so that equal content has equal bytes and equal ETags.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel

JSON = "application/json"
XML = "application/xml"
NDJSON = "application/x-ndjson"
SVG = "image/svg+xml"
PNG = "image/png"


def dumps(value: Any) -> bytes:
    """Compact UTF-8 JSON; UUIDs and datetimes in their usual text forms (UTC, `Z`)."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z)


def _plain(value: Any) -> str:
    # asyncpg's own UUID type, which orjson does not take for one.
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


@dataclass(frozen=True, slots=True)
class Raw:
    """A body that is not JSON."""

    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Stream:
    """A body that is made while it is sent."""

    pieces: AsyncIterator[bytes]
    media_type: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A route's answer where the model alone does not say everything."""

    body: BaseModel | Raw | Stream | None = None
    status: int | None = None  # the endpoint's own unless given
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    free: bool = False  # not counted against the rate limit (an unchanged save)


def encode(body: BaseModel | Raw | Stream | None) -> tuple[bytes, str | None]:
    """Bytes and media type of a body."""
    if body is None:
        return b"", None
    assert not isinstance(body, Stream), "what is made while it is sent is not kept"
    if isinstance(body, Raw):
        return body.content, body.media_type
    return dumps(body.model_dump()), JSON


def weak_etag(*parts: bytes) -> str:
    """A weak ETag of content; the parts cannot run into each other."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return f'W/"{digest.hexdigest()[:32]}"'


def etag_matches(header: str | None, etag: str) -> bool:
    """If-None-Match by weak comparison (RFC 9110)."""
    if header is None:
        return False
    bare = etag.removeprefix("W/")
    return any(given.strip() == "*" or given.strip().removeprefix("W/") == bare for given in header.split(","))
