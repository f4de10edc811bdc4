"""Lists in pages: how many, from where, and the way to the next one.

A cursor is opaque and bound to its list and filters; one of another list is 400 cursor_mismatch.
"""

import base64
import binascii
import hashlib
from typing import Annotated, Any

import orjson
from pydantic import BeforeValidator, Field

from api.answers import dumps
from api.call import Call
from api.endpoint import Model
from api.problems import Problem

LIMIT = 50
MOST = 200


def _coerced(value: Any) -> Any:
    return max(1, min(MOST, value)) if isinstance(value, int) else value


class PageQuery(Model):
    """What every list takes."""

    limit: Annotated[
        int, BeforeValidator(_coerced), Field(description="1 to 200; what is beyond is taken for that")
    ] = LIMIT
    cursor: str | None = Field(default=None, max_length=2000, description="next_cursor of the page before")


def _bound(filters: Any) -> str:
    return hashlib.sha256(dumps(filters)).hexdigest()[:16]


def seal_cursor(position: list[Any], filters: Any) -> str:
    """An opaque cursor, bound to the filters of its list."""
    return base64.urlsafe_b64encode(dumps([_bound(filters), *position])).decode().rstrip("=")


def open_cursor(cursor: str, filters: Any) -> list[Any]:
    """The position in a cursor of this very list, else 400."""
    try:
        held = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        raise Problem("cursor_mismatch") from None
    if not isinstance(held, list) or not held or held[0] != _bound(filters):
        raise Problem("cursor_mismatch")
    return held[1:]


def place(cursor: str | None, filters: Any, numbers: int) -> tuple[int, ...] | None:
    """So many whole numbers out of a cursor of this very list; None for its beginning."""
    if cursor is None:
        return None
    held = open_cursor(cursor, filters)
    if len(held) != numbers or not all(isinstance(one, int) for one in held):
        raise Problem("cursor_mismatch")
    return tuple(held)


def next_link(call: Call, cursor: str | None) -> dict[str, str]:
    """The header that leads to the next page, where there is one."""
    if cursor is None:
        return {}
    url = call.request.url.include_query_params(cursor=cursor)
    return {"Link": f'<{url.path}?{url.query}>; rel="next"'}
