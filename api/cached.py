"""The head's text and drawing, kept by version. The caller has been found to have the right, and the head's number was read.

A head is never evicted and a version's text never changes: its number and the time it was made stand for one text for good.
Older versions may be evicted, so they are always asked of the database.
"""

from collections.abc import Awaitable, Callable

from api.call import Call
from api.telemetry import CACHED
from storage import history
from storage.history import Newest
from storage.keys import key_of


async def head_xml(call: Call, head: Newest) -> bytes | None:
    """The BPMN XML of the head."""
    return await _through(call, "xml", head, lambda: history.xml(call.resources.db, call.on, head.version))


async def head_drawing(call: Call, head: Newest) -> bytes | None:
    """The small drawing of the head."""

    async def read() -> bytes | None:
        drawn = await history.thumbnail(call.resources.db, call.on, head.version)
        return None if drawn is None else drawn.encode()

    return await _through(call, "thumbnail", head, read)


async def _through(call: Call, kind: str, head: Newest, read: Callable[[], Awaitable[bytes | None]]) -> bytes | None:
    key = key_of(kind, call.on.org_id, call.on.diagram_id, head.version, head.made_at.isoformat())
    kept = await call.resources.cache.get(key)
    CACHED.labels(kind, "hit" if kept is not None else "miss").inc()
    if kept is not None:
        return kept
    value = await read()
    if value is not None:
        await call.resources.cache.put(key, value)
    return value
